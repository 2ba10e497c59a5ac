package telemetry

import (
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Engines counts calls to the engines of a scaled-out node: rate, errors and
// duration of each operation.
type Engines struct {
	calls *prometheus.CounterVec
	took  *prometheus.HistogramVec
	clock func() time.Time
}

// NewEngines makes the counters.
func (m *Metrics) NewEngines(clock func() time.Time) (*Engines, error) {
	e := &Engines{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_engine_calls_total", Help: "Calls to Elasticsearch and S3 by their end: ok, refused (4xx), failed (5xx or no answer)."}, []string{"engine", "operation", "outcome"}),
		took:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "samdok_engine_seconds", Help: "Time until an engine began to answer.", Buckets: buckets}, []string{"engine", "operation"}),
		clock: clock,
	}
	for _, c := range []prometheus.Collector{e.calls, e.took} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Transport counts the calls to one engine. Its operation is the method and, where
// the address ends in one, Elasticsearch's own word for it (_bulk, _search): never a
// name or an id.
func (e *Engines) Transport(engine string, next http.RoundTripper) http.RoundTripper {
	return engineTransport{e, engine, next}
}

type engineTransport struct {
	*Engines
	engine string
	next   http.RoundTripper
}

func (t engineTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	start, operation := t.clock(), operationOf(r)
	a, err := t.next.RoundTrip(r)
	outcome := "failed"
	switch {
	case err != nil || a.StatusCode >= http.StatusInternalServerError:
	case a.StatusCode >= http.StatusBadRequest:
		outcome = "refused"
	default:
		outcome = "ok"
	}
	t.calls.WithLabelValues(t.engine, operation, outcome).Inc()
	t.took.WithLabelValues(t.engine, operation).Observe(t.clock().Sub(start).Seconds())
	return a, err
}

// words are the ends of Elasticsearch's addresses that say what is done.
var words = map[string]bool{"_bulk": true, "_search": true, "_mget": true, "_msearch": true, "_refresh": true, "_pit": true, "_update": true, "_delete_by_query": true, "_count": true, "_aliases": true}

func operationOf(r *http.Request) string {
	if word := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]; words[word] {
		return word
	}
	if strings.Contains(r.URL.Path, "/_doc/") {
		return r.Method + " _doc"
	}
	return r.Method
}

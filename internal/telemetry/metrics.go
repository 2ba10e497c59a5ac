package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics are all counters of one server.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec
	refused  *prometheus.CounterVec
	http     *prometheus.CounterVec
	httpTook *prometheus.HistogramVec
	mllp     *prometheus.CounterVec
	others   *prometheus.CounterVec
	othTook  *prometheus.HistogramVec
	jobs     *prometheus.CounterVec
	jobTook  *prometheus.GaugeVec
	letters  *prometheus.CounterVec
	located  *prometheus.CounterVec
}

// buckets go from a tenth of a millisecond to half a minute.
var buckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}

// NewMetrics makes an own registry, so that two servers in one process do not
// meet.
func NewMetrics(version string) (*Metrics, error) {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_transactions_total", Help: "Transactions by their end: success, partial, denied, refused, error."}, []string{"transaction", "outcome"}),
		took:     prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "samdok_transaction_seconds", Help: "Time from the decoded request to the recorded outcome.", Buckets: buckets}, []string{"transaction"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_http_refused_total", Help: "Requests not let in: rate (429), busy, share and starting (503)."}, []string{"reason"}),
		http:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_http_requests_total", Help: "HTTP requests by endpoint and status."}, []string{"endpoint", "status"}),
		httpTook: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "samdok_http_seconds", Help: "Time from the header of a request to the end of its answer.", Buckets: buckets}, []string{"endpoint"}),
		mllp:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_mllp_closed_total", Help: "MLLP connections that the server closed: crowd, stalled, no frame, too long, panic."}, []string{"reason"}),
		others:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_community_requests_total", Help: "Requests to other communities by their end: answered, slow, failed, refused (not sent), abandoned."}, []string{"community", "kind", "outcome"}),
		othTook:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "samdok_community_seconds", Help: "Time until another community had answered a query or begun an answer with documents.", Buckets: buckets}, []string{"community", "kind"}),
		jobs:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_job_runs_total", Help: "Runs of background jobs by their end: success, error."}, []string{"job", "outcome"}),
		jobTook:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "samdok_job_last_success_seconds", Help: "Unix time of a background job's last success."}, []string{"job"}),
	}
	m.letters = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_outbox_attempts_total", Help: "Attempts to deliver a message by their end: delivered, failed, dead."}, []string{"queue", "outcome"})
	m.located = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "samdok_locator_questions_total",
		Help: "Questions for all of a patient's documents to communities, by what the locator said (named, unsure; probe: it was sure that there is nothing) and what came of it (found, empty, failed). probe found is a miss, named empty is needless."}, []string{"why", "result"})
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "samdok_build_info", Help: "Always 1; the version is a label.", ConstLabels: prometheus.Labels{"version": version}})
	build.Set(1)
	for _, c := range []prometheus.Collector{m.requests, m.took, m.refused, m.http, m.httpTook, m.mllp, m.others, m.othTook, m.jobs, m.jobTook, m.letters, m.located, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Handler is /metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// Gauge shows a value that is asked for at each scrape, such as a queue's depth.
func (m *Metrics) Gauge(name, help string, value func() float64) error {
	return m.registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
}

// Counter shows a growing value that is asked for at each scrape.
func (m *Metrics) Counter(name, help string, value func() float64) error {
	return m.registry.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, value))
}

// Refused counts a request that the gate did not let in.
func (m *Metrics) Refused(reason string) { m.refused.WithLabelValues(reason).Inc() }

// MLLPClosed counts a connection that the server closed. reason must be from a
// closed set.
func (m *Metrics) MLLPClosed(reason string) { m.mllp.WithLabelValues(reason).Inc() }

// Community counts a request to another community, by its homeCommunityId.
func (m *Metrics) Community(home string, query bool, outcome string, took time.Duration) {
	kind := "retrieve"
	if query {
		kind = "query"
	}
	m.others.WithLabelValues(home, kind, outcome).Inc()
	m.othTook.WithLabelValues(home, kind).Observe(took.Seconds())
}

// Located counts a question to a community that a locator had a say in. Both must be
// from a closed set.
func (m *Metrics) Located(why, result string) { m.located.WithLabelValues(why, result).Inc() }

// HTTP counts a request that was let in. endpoint must be from a closed set.
func (m *Metrics) HTTP(endpoint string, status int, took time.Duration) {
	m.http.WithLabelValues(endpoint, statusText(status)).Inc()
	m.httpTook.WithLabelValues(endpoint).Observe(took.Seconds())
}

func statusText(s int) string {
	if s == http.StatusOK {
		return "200"
	}
	return strconv.Itoa(s)
}

// Job counts a run of a background job.
func (m *Metrics) Job(name string, end time.Time, err error) {
	if err != nil {
		m.jobs.WithLabelValues(name, "error").Inc()
		return
	}
	m.jobs.WithLabelValues(name, "success").Inc()
	m.jobTook.WithLabelValues(name).Set(float64(end.UnixMilli()) / 1000)
}

// Letter counts an attempt to deliver a message of the outbox.
func (m *Metrics) Letter(queue, outcome string) { m.letters.WithLabelValues(queue, outcome).Inc() }

// Outcome is how a transaction ended.
type Outcome uint8

const (
	Success Outcome = iota
	Partial
	Denied
	Refused // a rule of the standard
	Error   // our fault, or overload
	outcomes
)

var outcomeNames = [outcomes]string{"success", "partial", "denied", "refused", "error"}

// Transaction counts one kind of transaction; its counters are looked up once.
type Transaction struct {
	ended [outcomes]prometheus.Counter
	took  prometheus.Observer
}

// Transaction makes the counters of "ITI-41" and the like.
func (m *Metrics) Transaction(name string) *Transaction {
	t := &Transaction{took: m.took.WithLabelValues(name)}
	for o := range t.ended {
		t.ended[o] = m.requests.WithLabelValues(name, outcomeNames[o])
	}
	return t
}

// Done counts one.
func (t *Transaction) Done(o Outcome, took time.Duration) {
	t.ended[o].Inc()
	t.took.Observe(took.Seconds())
}

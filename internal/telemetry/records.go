package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Records counts what a node writes to its ledger.
type Records struct {
	together, wrote, waited prometheus.Histogram
}

// NewRecords makes the counters.
func (m *Metrics) NewRecords() (*Records, error) {
	r := &Records{
		together: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "samdok_ledger_records", Help: "Records of use that one write made durable.", Buckets: prometheus.ExponentialBuckets(1, 2, 9)}),
		wrote:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "samdok_ledger_write_seconds", Help: "Time of a write of records, until they are durable.", Buckets: buckets}),
		waited:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "samdok_ledger_wait_seconds", Help: "Time that an answer waited for its record to be durable.", Buckets: buckets}),
	}
	for _, c := range []prometheus.Collector{r.together, r.wrote, r.waited} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// Wrote counts a write of some records.
func (r *Records) Wrote(records, _ int, took time.Duration) {
	r.together.Observe(float64(records))
	r.wrote.Observe(took.Seconds())
}

// Waited counts what a record took.
func (r *Records) Waited(d time.Duration) { r.waited.Observe(d.Seconds()) }

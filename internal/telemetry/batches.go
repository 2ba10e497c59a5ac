package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Batches counts what a scaled-out node writes to the journal and projects into
// the index.
type Batches struct {
	submissions, size, wrote, projected, together prometheus.Histogram
}

// NewBatches makes the counters.
func (m *Metrics) NewBatches() (*Batches, error) {
	b := &Batches{
		submissions: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "samdok_batch_submissions", Help: "Submissions in a batch that this node wrote.", Buckets: prometheus.ExponentialBuckets(1, 2, 9)}),
		size:        prometheus.NewHistogram(prometheus.HistogramOpts{Name: "samdok_batch_bytes", Help: "Size of a batch that this node wrote.", Buckets: prometheus.ExponentialBuckets(1024, 4, 8)}),
		wrote:       prometheus.NewHistogram(prometheus.HistogramOpts{Name: "samdok_batch_seconds", Help: "Time to create a batch in the journal.", Buckets: buckets}),
		projected:   prometheus.NewHistogram(prometheus.HistogramOpts{Name: "samdok_projection_seconds", Help: "Time to make batches searchable.", Buckets: buckets}),
		together:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "samdok_projection_batches", Help: "Batches that became searchable together.", Buckets: prometheus.ExponentialBuckets(1, 2, 7)}),
	}
	for _, c := range []prometheus.Collector{b.submissions, b.size, b.wrote, b.projected, b.together} {
		if err := m.registry.Register(c); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Wrote counts a batch.
func (b *Batches) Wrote(submissions, size int, took time.Duration) {
	b.submissions.Observe(float64(submissions))
	b.size.Observe(float64(size))
	b.wrote.Observe(took.Seconds())
}

// Projected counts batches that became searchable.
func (b *Batches) Projected(batches int, took time.Duration) {
	b.together.Observe(float64(batches))
	b.projected.Observe(took.Seconds())
}

package scaled_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
)

// callers submit at the same time.
const callers = 32

// BenchmarkAppend: submissions of one document by 32 callers, for 1,024 patients.
func BenchmarkAppend(b *testing.B) {
	var batches atomic.Int64
	l := open(b, newPlace(b), func(o *scaled.Options) { o.Watch.Wrote = func(int, int, time.Duration) { batches.Add(1) } })
	g := metadatatest.New(1)
	patients := make([]metadatatest.Patient, 1024)
	for i := range patients {
		patients[i] = g.Patient()
	}
	spread(b, func(w int, next func() bool) error {
		return submitting(l, w, patients, next)
	})
	b.ReportMetric(float64(b.N)/float64(batches.Load()), "submissions/batch")
}

func submitting(l *scaled.Log, w int, patients []metadatatest.Patient, next func() bool) error {
	g := metadatatest.New(uint64(1000 + w))
	versions := map[int]storage.Version{}
	for i := w; next(); i = (i + callers) % len(patients) { // nobody else writes for these
		c := storagetest.NewChange(g.Metadata(patients[i], 1), versions[i])
		if err := l.Append(context.Background(), tenant, []storage.Change{c}); err != nil {
			return err
		}
		versions[i]++
	}
	return nil
}

// spread runs a function for each caller until all are done.
func spread(b *testing.B, f func(w int, next func() bool) error) {
	b.Helper()
	b.ResetTimer()
	var all sync.WaitGroup
	var mu sync.Mutex
	left := b.N
	next := func() bool {
		mu.Lock()
		defer mu.Unlock()
		left--
		return left >= 0
	}
	for w := range callers {
		all.Go(func() {
			if err := f(w, next); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submissions/s")
}

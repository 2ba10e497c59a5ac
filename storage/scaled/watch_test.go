package scaled_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
)

// What is written and projected is told, in the place of the caller who caused it.
func TestWatch(t *testing.T) {
	type caller struct{}
	var submissions, batches, caused, ended atomic.Int32
	l := open(t, newPlace(t), func(o *scaled.Options) {
		o.Watch = scaled.Watch{
			Work: func(ctx context.Context, _ string, causes ...context.Context) (context.Context, func(error)) {
				for _, c := range causes {
					if c.Value(caller{}) == "me" {
						caused.Add(1)
					}
				}
				return ctx, func(error) { ended.Add(1) }
			},
			Wrote: func(n, size int, took time.Duration) {
				submissions.Add(int32(n))
				if size == 0 || took < 0 {
					t.Errorf("a batch of %d bytes in %s", size, took)
				}
			},
			Projected: func(n int, _ time.Duration) { batches.Add(int32(n)) },
		}
	})
	g := metadatatest.New(20)
	ctx := context.WithValue(t.Context(), caller{}, "me")
	for range 3 {
		must(t, l.Append(ctx, tenant, []storage.Change{storagetest.NewChange(g.Metadata(g.Patient(), 1), 0)}))
	}
	if n := submissions.Load(); n != 3 {
		t.Errorf("%d submissions were told of", n)
	}
	if n := caused.Load(); n < 6 || ended.Load() < 3 {
		t.Errorf("%d pieces of work for the caller, %d ended", n, ended.Load())
	}
	if n, _ := l.Behind(); n != 0 {
		t.Errorf("behind by %d batches", n)
	}
	if n := batches.Load(); n > 3 {
		t.Errorf("%d batches became searchable", n)
	}
}

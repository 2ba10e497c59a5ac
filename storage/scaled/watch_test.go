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
	var submissions, batches, written, projected, ended atomic.Int32
	l := open(t, newPlace(t), func(o *scaled.Options) {
		o.Watch = scaled.Watch{
			Work: func(ctx context.Context, name string, causes ...context.Context) (context.Context, func(error)) {
				for _, c := range causes {
					if c.Value(caller{}) != "me" {
						continue
					}
					if name == "project" {
						projected.Add(1)
					} else {
						written.Add(1)
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
	sent := int32(0)
	// A batch that this node reads from the store before its writer hears that it is there
	// is projected for nobody.
	for ; projected.Load() == 0 || sent < 3; sent++ {
		must(t, l.Append(ctx, tenant, []storage.Change{storagetest.NewChange(g.Metadata(g.Patient(), 1), 0)}))
	}
	if n := submissions.Load(); n != sent {
		t.Errorf("%d submissions of %d were told of", n, sent)
	}
	if n := written.Load(); n != sent || ended.Load() < sent {
		t.Errorf("%d batches written for the caller, not %d; %d pieces of work ended", n, sent, ended.Load())
	}
	if n, _ := l.Behind(); n != 0 {
		t.Errorf("behind by %d batches", n)
	}
	if n := batches.Load(); n > sent {
		t.Errorf("%d batches became searchable", n)
	}
}

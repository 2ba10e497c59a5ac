package elastic

import (
	"context"
	"time"

	"samdok/access"
	"samdok/storage"
)

// KeepViews sets how long the cluster keeps a walk's view.
func (x *Index) KeepViews(d time.Duration) { x.viewLife = d }

// Prefix of the names of its indexes.
func (x *Index) Prefix() string { return x.options.Prefix }

// FindAt is Find as of a batch.
func (x *Index) FindAt(ctx context.Context, t access.Tenant, at Watermark, s storage.Stream, f storage.Filter, yield func(storage.Placed, error) bool) error {
	b, err := x.beginAt(ctx, t, at, s, seek(f, access.Restriction{}), nil)
	if err != nil {
		return err
	}
	return b.all(ctx, yield)
}

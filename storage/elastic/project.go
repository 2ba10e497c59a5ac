package elastic

import (
	"context"
	"errors"
	"fmt"

	"samdok/access"
)

// Project applies batches to the tenant's indexes and then moves its watermark to
// the last of them. at is the watermark that the first one follows. A batch that
// was projected before, by whomever, is fine. When it returns nil, everybody finds
// what the batches say.
func (x *Index) Project(ctx context.Context, t access.Tenant, at Watermark, batches []Batch) (Watermark, error) {
	const op = "elastic.Project"
	if len(batches) == 0 {
		return at, nil
	}
	w, err := x.project(ctx, t, at, batches, true)
	if err != nil {
		return at, wrap(op, err)
	}
	for i := range batches {
		if settle := batches[i].Settle; settle != nil {
			if err := settle(ctx); err != nil {
				return at, wrap(op, err)
			}
		}
	}
	to := Watermark{Seq: batches[len(batches)-1].Seq, Generation: at.Generation}
	if err := x.move(ctx, t, to); err != nil {
		return at, wrap(op, err)
	}
	x.lately.move(t, at, to, w.changes)
	return to, nil
}

// Build is Project into a generation that does not serve the tenant yet: in order
// from Built on, without letting searches see it. Many batches at a time are
// faster.
func (x *Index) Build(ctx context.Context, g Generation, t access.Tenant, batches []Batch) error {
	const op = "elastic.Build"
	if len(batches) == 0 {
		return nil
	}
	at := Watermark{Seq: batches[0].Seq - 1, Generation: g}
	if _, err := x.project(ctx, t, at, batches, false); err != nil {
		return wrap(op, err)
	}
	at.Seq = batches[len(batches)-1].Seq
	return wrap(op, x.writeState(ctx, x.builtID(g, t), at))
}

func (x *Index) project(ctx context.Context, t access.Tenant, at Watermark, batches []Batch, show bool) (*working, error) {
	for i := range batches {
		if batches[i].Seq != at.Seq+1+uint64(i) {
			return nil, fmt.Errorf("%w: batch %d after %d", ErrAhead, batches[i].Seq, at.Seq+uint64(i))
		}
	}
	w, err := x.working(ctx, t, at, batches)
	if err != nil {
		return nil, err
	}
	if err := w.apply(ctx, batches); err != nil {
		return nil, err
	}
	old, err := w.flush(ctx, show)
	if err == nil && show && (old || w.late) {
		err = x.refresh(ctx, at.Generation)
	}
	return w, err
}

// flush writes what was changed.
func (w *working) flush(ctx context.Context, show bool) (old bool, err error) {
	changes, others, err := w.writes()
	if err != nil {
		return false, err
	}
	if w.redacting {
		// What was there tells which identifiers go: it stays until they are gone.
		if _, err := w.x.bulk(ctx, others, false); err != nil {
			return false, err
		}
		return w.x.bulk(ctx, changes, show)
	}
	named := make(chan error, 1)
	go func() {
		_, err := w.x.bulk(ctx, others, false) // read by id only, which needs no refresh
		named <- err
	}()
	old, err = w.x.bulk(ctx, changes, show)
	return old, errors.Join(err, <-named)
}

func (w *working) writes() (changes, others []write, err error) {
	in := func(k kind) string { return writing(w.x.name(w.generation, k)) }
	parts, streams, ids := in(changesIndex), in(streamsIndex), in(idsIndex)
	for _, d := range w.parts {
		if d.dirty == 0 {
			continue
		}
		if err := d.settle(); err != nil {
			return nil, nil, err
		}
		changes = append(changes, write{index: parts, id: d.place.id(), routing: d.Stream, version: d.dirty, source: &d.part})
	}
	for h, d := range w.streams {
		if d.dirty > 0 {
			others = append(others, write{index: streams, id: h.id(), version: d.dirty, source: &d.stream})
		}
	}
	for h, d := range w.ids {
		if d.dirty == 0 {
			continue
		}
		stay, page := d.turn(d.holders)
		if len(page) > 0 {
			others = append(others, write{index: ids, id: pageID(h, d.Pages), routing: h.id(), version: d.dirty, source: &identifier{Holders: encodeHolders(page)}, first: true})
		}
		d.Holders = encodeHolders(stay)
		others = append(others, write{index: ids, id: h.id(), version: d.dirty, source: &d.identifier})
	}
	return changes, others, nil
}

func pageID(h hash, n int) string { return fmt.Sprintf("%s.%d", h.id(), n) }

package elastic

import (
	"context"
	"slices"

	"samdok/storage"
	"samdok/storage/encoding"
)

// loadRedacted reads the identifiers that redacted parts say now.
func (w *working) loadRedacted(ctx context.Context, batches []Batch) error {
	for i := range w.derived {
		for j := range w.derived[i] {
			r, d := &batches[i].Records[j], &w.derived[i][j]
			if !r.Redacted {
				continue
			}
			for n := range d.parts() {
				list, err := w.said(ctx, w.parts[place{d.stream, r.Version, n}])
				if err != nil {
					return err
				}
				for _, h := range list {
					if _, ok := w.ids[h.id]; !ok {
						w.ids[h.id] = nil
					}
				}
			}
		}
	}
	return w.loadNames(ctx)
}

// said are the identifiers that a part says, before it is redacted; none when its
// key is gone already.
func (w *working) said(ctx context.Context, doc *partDoc) ([]held, error) {
	if doc == nil {
		return nil, nil
	}
	text, ok, err := w.open.open(ctx, doc.place.id(), slices.Clone(doc.Data))
	if !ok || err != nil {
		return nil, err
	}
	var r encoding.Reader
	if err := r.Reset(string(text)); err != nil {
		return nil, err
	}
	var added []storage.Added
	for n := range r.Len() {
		a, err := r.Added(n)
		if err != nil {
			return nil, err
		}
		added = append(added, a)
	}
	claimed, err := r.Claims()
	if err != nil {
		return nil, err
	}
	return w.x.identify(w.tenant, doc.place.stream, doc.place.version, doc.Seq, added, claimed, doc.place.part*partObjects), nil
}

// redact replaces what a change says. Numbers of objects, what was done to them
// and the change's moment stay.
func (w *working) redact(ctx context.Context, seq uint64, r *Record, d *derived) error {
	sealer, err := newBox(r.KeyID, r.Key)
	if err != nil {
		return err
	}
	for n := range d.parts() {
		p := place{d.stream, r.Version, n}
		doc := w.parts[p]
		if doc != nil && doc.stored >= seq {
			w.late = true
			continue
		}
		first := seq
		if doc == nil { // its key was destroyed before this index was made
			made, err := w.newPart(p, seq, r, d, sealer)
			if err != nil {
				return err
			}
			w.parts[p] = made
		} else {
			first = doc.Seq
			before, err := w.said(ctx, doc)
			if err != nil {
				return err
			}
			for _, h := range before {
				w.forget(seq, h.id, p)
			}
			if err := doc.fill(d.part(n), r, sealer); err != nil {
				return err
			}
			doc.At, doc.dirty = seq, seq
		}
		for _, h := range d.held {
			if h.place() != p {
				continue
			}
			if doc := w.ids[h.id]; doc.takes(seq) {
				h.seq = first
				doc.holders = hold(doc.holders, h.holder)
			}
		}
	}
	s := w.streams[d.stream]
	if !s.takes(seq) {
		return nil
	}
	if v, _ := s.Head.at(seq); v < r.Version {
		s.Head.advance(seq, r.Version)
	}
	return w.name(s, r, d)
}

// forget takes out of an identifier that it leads to a part.
func (w *working) forget(seq uint64, id hash, p place) {
	if doc := w.ids[id]; doc.takes(seq) {
		doc.holders = slices.DeleteFunc(doc.holders, func(h holder) bool { return h.place() == p })
	}
}

package elastic

import (
	"context"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// look reads a stream and the tenant's watermark of this moment in one call.
func (f *family) look(ctx context.Context, h hash) (Watermark, error) {
	gets, finish := f.wants([]hash{h})
	mark := f.x.wantState(f.x.hash.tenant(f.tenant).id())
	if err := f.x.get(ctx, append(gets, mark.wanted)); err != nil {
		return Watermark{}, err
	}
	finish()
	now, err := mark.read()
	if missing(err) {
		return Watermark{}, nil
	}
	if err == nil {
		f.x.seen.note(f.tenant, now)
	}
	return now, err
}

// chain are the streams that live on in one, itself first; none when it is unknown or was
// merged into another.
func (f *family) chain(ctx context.Context, h hash) ([]hash, error) {
	if err := f.read(ctx, h); err != nil {
		return nil, err
	}
	if f.streams[h] == nil {
		return nil, nil
	}
	if _, closed, err := f.streams[h].Head.into(f.at.Seq); closed || err != nil {
		return nil, err
	}
	return f.lineage(ctx, h)
}

// Lineage are the streams of a patient: the one named and all that were merged
// into it, as of a batch; none when it is unknown.
func (x *Index) Lineage(ctx context.Context, t access.Tenant, at Watermark, s storage.Stream) ([]storage.Stream, error) {
	const op = "elastic.Lineage"
	f := x.family(t, at)
	h := x.hash.stream(t, s)
	if err := f.read(ctx, h); err != nil || f.streams[h] == nil {
		return nil, wrap(op, err)
	}
	list, err := f.lineage(ctx, h)
	if err != nil {
		return nil, wrap(op, err)
	}
	var all []storage.Stream
	for _, h := range list {
		n, ok, err := f.name(ctx, h)
		if err != nil {
			return nil, wrap(op, err)
		}
		if ok {
			all = append(all, n.Stream)
		}
	}
	return all, nil
}

// family are streams and what they were merged into, as of a batch.
type family struct {
	x       *Index
	tenant  access.Tenant
	at      Watermark
	streams map[hash]*stream // nil: there is none
	open    opener
	names   map[hash]Named
}

func (x *Index) family(t access.Tenant, at Watermark) *family {
	return &family{x: x, tenant: t, at: at, streams: map[hash]*stream{}, open: opener{keys: x.options.Keys}, names: map[hash]Named{}}
}

// wants are the documents of streams that were not read yet.
func (f *family) wants(list []hash) (gets []*wanted, finish func()) {
	var docs []*stream
	var of []hash
	for _, h := range list {
		if _, ok := f.streams[h]; ok || slices.Contains(of, h) {
			continue
		}
		doc := &stream{}
		docs, of = append(docs, doc), append(of, h)
		gets = append(gets, &wanted{index: f.x.name(f.at.Generation, streamsIndex), id: h.id(), source: doc})
	}
	return gets, func() {
		for i, h := range of {
			if f.streams[h] = docs[i]; gets[i].version == 0 {
				f.streams[h] = nil
			}
		}
	}
}

func (f *family) read(ctx context.Context, list ...hash) error {
	for {
		gets, finish := f.wants(list)
		if len(gets) == 0 {
			return nil
		}
		before := f.at.Generation
		err := f.x.inGeneration(ctx, f.tenant, &f.at, func() error {
			if f.at.Generation != before {
				gets, finish = f.wants(list)
			}
			return f.x.get(ctx, gets)
		})
		if err != nil {
			return err
		}
		finish()
	}
}

// lineage are the streams that live on in one, itself first.
func (f *family) lineage(ctx context.Context, h hash) ([]hash, error) {
	all := []hash{h}
	for i := 0; i < len(all); {
		if err := f.read(ctx, all[i:]...); err != nil {
			return nil, err
		}
		for n := len(all); i < n; i++ {
			if f.streams[all[i]] == nil {
				continue
			}
			from, err := f.streams[all[i]].Head.from(f.at.Seq)
			if err != nil {
				return nil, err
			}
			all = append(all, from...)
		}
	}
	return all, nil
}

// survivors reads on until the ends of the chains of some streams are known.
func (f *family) survivors(ctx context.Context, list []hash) error {
	for len(list) > 0 {
		if err := f.read(ctx, list...); err != nil {
			return err
		}
		var next []hash
		for _, h := range list {
			if s := f.streams[h]; s != nil {
				to, ok, err := s.Head.into(f.at.Seq)
				if err != nil {
					return err
				}
				if ok {
					next = append(next, to)
				}
			}
		}
		list = next
	}
	return nil
}

// survivor is the stream that one lives on in, of those that were read.
func (f *family) survivor(h hash) hash {
	for {
		s := f.streams[h]
		if s == nil {
			return h
		}
		to, ok, err := s.Head.into(f.at.Seq)
		if !ok || err != nil || f.streams[to] == nil {
			return h
		}
		h = to
	}
}

// name opens the name of a stream; false when there is none or its key is gone.
func (f *family) name(ctx context.Context, h hash) (Named, bool, error) {
	if n, ok := f.names[h]; ok {
		return n, true, nil
	}
	s := f.streams[h]
	if s == nil {
		return Named{}, false, nil
	}
	n, ok, err := s.open(ctx, &f.open, h.id())
	if ok {
		f.names[h] = n
	}
	return n, ok, err
}

// owner is the stream of the patient whom the objects of one are of, and the
// patient id that they show, "" for their own; false when nobody can tell any more.
func (f *family) owner(ctx context.Context, h hash) (storage.Stream, metadata.CX, bool, error) {
	n, ok, err := f.name(ctx, h)
	if !ok || err != nil {
		return storage.Stream{}, "", false, err
	}
	to := f.survivor(h)
	if to == h {
		return n.Stream, "", true, nil
	}
	s, ok, err := f.name(ctx, to)
	if !ok || err != nil {
		return n.Stream, "", true, err
	}
	return s.Stream, shown(s.Stream), true, nil
}

package elastic

import (
	"context"
	"slices"
	"sync"

	"samdok/access"
	"samdok/storage"
	"samdok/storage/encoding"
)

// working are the documents that some batches change: as they were read, and as
// they become. A document of version v reflects all batches up to v, and batches that it reflects are
// not applied again.
type working struct {
	x          *Index
	tenant     access.Tenant
	generation Generation
	derived    [][]derived // of each record of each batch
	parts      map[place]*partDoc
	streams    map[hash]*streamDoc
	ids        map[hash]*idDoc
	late       bool // somebody else wrote some of it already
	known      bases
	redacting  bool
	changed    map[target]bool // of changes, once it was asked
	open       opener
}

// kept is what is known of a stored document.
type kept struct {
	stored uint64 // its version; 0: there is none
	dirty  uint64 // the last batch that changed it here; 0: none
}

// takes tells whether a batch is to be applied, and notes it.
func (k *kept) takes(seq uint64) bool {
	if k.stored >= seq {
		return false
	}
	k.dirty = seq
	return true
}

type partDoc struct {
	part
	kept
	place place
}

type streamDoc struct {
	stream
	kept
}

type idDoc struct {
	identifier
	kept
	holders []holder
}

// working reads the documents that batches need.
func (x *Index) working(ctx context.Context, t access.Tenant, at Watermark, batches []Batch) (*working, error) {
	w := &working{
		x: x, tenant: t, generation: at.Generation, open: opener{keys: x.options.Keys},
		parts: map[place]*partDoc{}, streams: map[hash]*streamDoc{}, ids: map[hash]*idDoc{},
	}
	if err := w.derive(batches); err != nil {
		return nil, err
	}
	for i := range batches {
		if b := batches[i].Basis; b != nil && b.at == at {
			w.known = append(w.known, b)
		}
		for j := range w.derived[i] {
			d := &w.derived[i][j]
			w.streams[d.stream] = nil
			for _, h := range d.held {
				w.ids[h.id] = nil
			}
			for _, to := range d.touches {
				w.ids[to.id] = nil
			}
			w.redacting = w.redacting || batches[i].Records[j].Redacted
		}
	}
	if err := w.loadNames(ctx); err != nil {
		return nil, err
	}
	return w, w.loadParts(ctx, batches)
}

// changes tells whether the batches may change a document of streams or identifiers.
func (w *working) changes(of target) bool {
	if w.changed == nil {
		w.changed = map[target]bool{}
		for h := range w.streams {
			w.changed[target{w.x.name(w.generation, streamsIndex), h.id()}] = true
		}
		for h := range w.ids {
			w.changed[target{w.x.name(w.generation, idsIndex), h.id()}] = true
		}
	}
	return w.redacting || w.changed[of]
}

// derive does what can be done knowing nothing but one record, on all cores.
func (w *working) derive(batches []Batch) error {
	type one struct {
		r   *Record
		d   *derived
		seq uint64
	}
	var all []one
	for i := range batches {
		b := &batches[i]
		list := make([]derived, len(b.Records))
		w.derived = append(w.derived, list)
		for j := range list {
			all = append(all, one{&b.Records[j], &list[j], b.Seq})
		}
	}
	return spread(len(all), func(i int) (err error) {
		o := &all[i]
		if *o.d, err = w.x.derive(w.tenant, o.r, o.seq); err == nil && !o.r.Redacted {
			err = w.make(o.seq, o.r, o.d)
		}
		return err
	})
}

// make makes the documents of a change.
func (w *working) make(seq uint64, r *Record, d *derived) error {
	sealer, err := newBox(r.KeyID, r.Key)
	for n := 0; n < d.parts() && err == nil; n++ {
		var doc *partDoc
		doc, err = w.newPart(place{d.stream, r.Version, n}, seq, r, d, sealer)
		d.made = append(d.made, doc)
	}
	return err
}

// loadNames reads what is there of streams and ids.
func (w *working) loadNames(ctx context.Context) error {
	var list []*wanted
	streams, ids := w.x.name(w.generation, streamsIndex), w.x.name(w.generation, idsIndex)
	finish := make([]func() error, 0, len(w.streams)+len(w.ids))
	for h, d := range w.streams {
		if d == nil {
			d = &streamDoc{}
			w.streams[h] = d
			get := &wanted{index: streams, id: h.id(), source: &d.stream}
			list = append(list, get)
			finish = append(finish, func() error { d.stored = get.version; return nil })
		}
	}
	for h, d := range w.ids {
		if d == nil {
			d = &idDoc{}
			w.ids[h] = d
			get := &wanted{index: ids, id: h.id(), source: &d.identifier}
			list = append(list, get)
			finish = append(finish, func() (err error) {
				d.stored = get.version
				d.holders, err = decodeHolders(d.Holders)
				return err
			})
		}
	}
	return w.load(ctx, list, finish)
}

func (w *working) load(ctx context.Context, list []*wanted, finish []func() error) error {
	unknown, err := w.recall(list)
	if err != nil {
		return err
	}
	if err := w.x.get(ctx, unknown); err != nil {
		return err
	}
	for _, f := range finish {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// loadParts reads the parts of which something is touched or redacted, and what
// the redacted ones say.
func (w *working) loadParts(ctx context.Context, batches []Batch) error {
	wants := map[place]bool{}
	for i := range w.derived {
		for j := range w.derived[i] {
			d := &w.derived[i][j]
			for _, to := range d.touches {
				if h := w.ids[to.id].object(); h != nil {
					wants[h.place()] = true
				}
			}
			if r := &batches[i].Records[j]; r.Redacted {
				for n := range d.parts() {
					wants[place{d.stream, r.Version, n}] = true
				}
			}
		}
	}
	var list []*wanted
	var finish []func() error
	for p := range wants {
		d := &partDoc{place: p}
		get := &wanted{index: w.x.name(w.generation, changesIndex), id: p.id(), routing: p.stream.term(), source: &d.part}
		list = append(list, get)
		finish = append(finish, func() error {
			if d.stored = get.version; d.stored > 0 {
				w.parts[p] = d
			}
			return nil
		})
	}
	if err := w.load(ctx, list, finish); err != nil || !w.redacting {
		return err
	}
	return w.loadRedacted(ctx, batches)
}

// object is where the entryUUID's object is.
func (d *idDoc) object() *holder {
	if i := slices.IndexFunc(d.holders, func(h holder) bool { return h.role&isEntryUUID != 0 }); i >= 0 {
		return &d.holders[i]
	}
	return nil
}

// apply applies the batches to the documents.
func (w *working) apply(ctx context.Context, batches []Batch) error {
	for i := range batches {
		b := &batches[i]
		for j := range b.Records {
			r, d := &b.Records[j], &w.derived[i][j]
			var err error
			if r.Redacted {
				err = w.redact(ctx, b.Seq, r, d)
			} else {
				err = w.change(b.Seq, r, d)
			}
			if err != nil {
				return err
			}
		}
		for j := range w.derived[i] { // what they touch may be of any of them
			for _, to := range w.derived[i][j].touches {
				if !b.Records[j].Redacted {
					w.touch(b.Seq, to)
				}
			}
		}
	}
	return nil
}

// change adds a change: its parts, its end of the stream, its identifiers.
func (w *working) change(seq uint64, r *Record, d *derived) error {
	for _, doc := range d.made {
		if old := w.parts[doc.place]; old != nil && old.stored >= seq {
			w.late = true
			continue
		}
		w.parts[doc.place] = doc
	}
	if s := w.streams[d.stream]; s.takes(seq) {
		if err := w.name(s, r, d); err != nil {
			return err
		}
		s.Head.advance(seq, r.Version)
		if d.known && s.Head.Known == 0 {
			s.Head.Known = seq
		}
		if d.into != nil {
			s.Head.Into = &merged{seq, d.into.term()}
		}
		for _, from := range d.absorbed {
			s.Head.From = append(s.Head.From, merged{seq, from.term()})
		}
	}
	for _, h := range d.held {
		if doc := w.ids[h.id]; doc.takes(seq) {
			doc.holders = hold(doc.holders, h.holder)
		}
	}
	return nil
}

// name seals the stream's name under the record's key.
func (w *working) name(s *streamDoc, r *Record, d *derived) error {
	if s.Name != nil && s.Head.Key == r.KeyID {
		return nil
	}
	sealer, err := newBox(r.KeyID, r.Key)
	if err != nil {
		return err
	}
	s.Tenant, s.Kind, s.Head.Key = w.x.hash.tenant(w.tenant).id(), kindTerm(r.Stream.Kind), r.KeyID
	s.Name, err = sealer.seal(nil, d.stream.id(), encodeName(w.tenant, r.Stream))
	return err
}

// coder encodes texts that are sealed at once.
type coder struct {
	encoding.Encoder
	text []byte
}

var coders = sync.Pool{New: func() any { return new(coder) }}

func (w *working) newPart(p place, seq uint64, r *Record, d *derived, sealer box) (*partDoc, error) {
	doc := &partDoc{place: p, kept: kept{dirty: seq}}
	doc.part = part{
		Stream: p.stream.term(), Version: p.version, Part: p.part, Tenant: w.x.hash.tenant(w.tenant).id(), Seq: seq, At: seq,
	}
	return doc, doc.fill(d.part(p.part), r, sealer)
}

// fill puts objects in.
func (d *partDoc) fill(added []storage.Added, r *Record, sealer box) (err error) {
	d.selection = selection{}
	d.gather(added)
	d.Objects = nil
	for i := range added {
		o := added[i].Object
		d.Objects = append(d.Objects, byte(encoding.ClassOf(o)), byte(o.ObjectStatus()))
	}
	var claimed []storage.Claim
	if d.place.part == 0 {
		claimed = r.Claims // a redaction must know what it takes away
	}
	c := coders.Get().(*coder)
	defer coders.Put(c)
	if c.text, err = c.Append(c.text[:0], []storage.Event{{Kind: storage.EventSubmitted, Added: added}}, claimed); err != nil {
		return err
	}
	d.Data, err = sealer.seal(make([]byte, 0, len(c.text)+sealedMore), d.place.id(), c.text)
	return err
}

// touch puts on an object what a batch says of it. One that is nowhere was erased.
func (w *working) touch(seq uint64, to touching) {
	h := w.ids[to.id].object()
	if h == nil {
		return
	}
	doc := w.parts[h.place()]
	switch {
	case doc == nil:
	case doc.takes(seq):
		doc.part.touch(touch{n: h.n, seq: seq, said: to.said})
	default:
		w.late = true
	}
}

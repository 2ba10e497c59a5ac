package scaled

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
	"samdok/storage/s3"
)

// Redact implements storage.Eraser. What is left of a stream is written under a new
// data key into one batch, which also names the old keys. They are destroyed before
// the batch counts as projected, so that whoever projects it, after a crash too,
// destroys them.
func (l *Log) Redact(ctx context.Context, t access.Tenant, s storage.Stream, objects []metadata.ID) (storage.Redacted, error) {
	const op = "scaled.Redact"
	one, err := l.reading(ctx, t)
	if err != nil {
		return storage.Redacted{}, wrap(op, err, nothingWritten)
	}
	erased := func(id metadata.ID) bool { return objects == nil }
	if objects != nil {
		set := make(map[metadata.ID]bool, len(objects))
		for _, id := range objects {
			set[id] = true
		}
		erased = func(id metadata.ID) bool { return set[id] }
	}
	var done storage.Redacted
	err = one.submit(ctx, op, &submission{done: make(chan error, 1), alone: func(ctx context.Context) (err error) {
		for {
			done, err = one.redact(ctx, s, erased, objects == nil)
			if !errors.Is(err, s3.ErrTaken) {
				return wrap(op, err, "What was to be erased may still be readable; erase it again.")
			}
		}
	}})
	if err != nil {
		return storage.Redacted{}, err // it may still be going on
	}
	return done, nil
}

// redact is one attempt; s3.ErrTaken when another node was first.
func (l *line) redact(ctx context.Context, s storage.Stream, erased func(metadata.ID) bool, whole bool) (done storage.Redacted, err error) {
	if err := errors.Join(l.settle(ctx), l.refresh(ctx), l.follow(ctx, 1<<20), l.quiet()); err != nil {
		return done, err
	}
	l.mu.Lock()
	at, next := l.at, l.next
	l.mu.Unlock()
	all, err := l.log.index.Lineage(ctx, l.tenant, at, s)
	if err != nil {
		return done, err
	}
	b := &batch{seq: next, own: true, known: l.log.o.Clock()}
	var records []record
	for _, s := range all {
		r := redactor{line: l, stream: s, erased: erased, whole: whole, old: map[uint64]bool{}}
		more, err := r.run(ctx)
		if err != nil {
			return done, err
		}
		records = append(records, more...)
		b.changes = append(b.changes, r.changes...)
		done.Objects += r.count
		if len(more) > 0 {
			for id := range r.old {
				done.Keys = append(done.Keys, id)
			}
		}
	}
	if len(records) == 0 {
		return done, nil
	}
	slices.Sort(done.Keys)
	if b.doomed = done.Keys; len(b.doomed) > 0 {
		records = append(records, record{kind: recordDestroyed, keys: b.doomed})
	}
	l.log.o.Step("before what is left is written")
	if err := l.put(ctx, b, records); err != nil {
		return done, err
	}
	l.log.o.Step("after what is left is written")
	return done, l.quiet()
}

// put writes a batch that stands alone, and hands it to the projector.
func (l *line) put(ctx context.Context, b *batch, records []record) error {
	prev, err := l.before(ctx, b.seq)
	if err != nil {
		return err
	}
	raw, err := newRawBatch(b.seq, prev, records)
	if err != nil {
		return err
	}
	d := raw.encode()
	b.hash, b.size = sha256.Sum256(d), len(d)
	if err := l.journal.Append(ctx, b.seq, d); err != nil {
		return err
	}
	l.add(b)
	return nil
}

// redactor writes one stream anew.
type redactor struct {
	*line
	stream  storage.Stream
	erased  func(metadata.ID) bool
	whole   bool
	old     map[uint64]bool // data keys that it was sealed under
	changes []change
	count   int
}

// run makes the records of the stream; none when it has nothing to lose.
func (r *redactor) run(ctx context.Context) ([]record, error) {
	changed := false
	for c, err := range r.log.changes(ctx, r.tenant, r.stream, 1) {
		if err != nil {
			return nil, err
		}
		left, kept, n, some := storage.RedactEvents(c.events, c.claims, r.erased, r.whole)
		changed = changed || some
		r.count += n
		if c.keyID != 0 {
			r.old[c.keyID] = true
		}
		c.kind, c.events, c.claims = recordRedaction, left, kept
		r.changes = append(r.changes, c)
	}
	if !changed {
		r.changes = nil
		return nil, nil
	}
	var k numbered
	var err error
	if k.id, k.key, err = r.log.o.Keys.New(ctx); err != nil {
		return nil, err
	}
	enc := r.log.encoders.Get().(*encoding.Encoder)
	defer r.log.encoders.Put(enc)
	records := make([]record, len(r.changes))
	for i := range r.changes {
		c, rec := &r.changes[i], &records[i]
		c.keyID, c.key = k.id, k.key
		*rec = record{kind: recordRedaction, ref: c.ref, keyID: k.id, version: c.version}
		text, err := appendText(nil, enc, c.stream, c.events, c.claims)
		if err != nil {
			return nil, err
		}
		if err := rec.seal(k.key, text); err != nil {
			return nil, err
		}
	}
	return records, nil
}

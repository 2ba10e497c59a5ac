package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/encoding"
	"samdok/storage/keyring"
)

// metaDoomed starts the name in table meta of a data key that nothing needs any
// more and that is to be destroyed: n is its number.
const metaDoomed = "doomed-"

// Redact implements storage.Eraser. The rows of the stream are written anew under
// a new data key in one transaction, which also notes the old key as doomed; then
// the old key is destroyed. Places of objects and sequence numbers stay, so that
// nothing that leads to them changes.
func (db *DB) Redact(ctx context.Context, t access.Tenant, s storage.Stream, objects []metadata.ID) (done storage.Redacted, err error) {
	const op = "sqlite.Redact"
	if db.broken.Load() {
		return done, wrap(op, errProjection, nothingWritten)
	}
	err = db.writer.between(ctx, op, func() error {
		all, err := db.writer.lineage(name{t, s})
		if err != nil {
			return wrap(op, err, nothingWritten)
		}
		for _, of := range all {
			r := &redactor{w: db.writer, whole: objects == nil, objects: newSet(objects), old: map[uint64]bool{}, of: of}
			if err := r.run(context.WithoutCancel(ctx)); err != nil {
				return wrap(op, err, "What was to be erased may still be readable; erase it again.")
			}
			done.Objects += r.count
			done.Keys = append(done.Keys, r.keys...)
		}
		return nil
	})
	return done, err
}

// lineage are the streams of a patient: the named one and those merged into it. An
// unknown name gives one unknown stream, for the keys that are still to be
// destroyed.
func (w *writer) lineage(n name) ([]*stream, error) {
	var all []*stream
	err := w.session.read(func() error {
		of, err := w.named(n)
		if of == nil || err != nil {
			return err
		}
		for _, key := range w.session.db.cache.lineage(of.key) {
			of, err := w.keyed(key)
			if err != nil {
				return err
			}
			all = append(all, of)
		}
		return nil
	})
	if len(all) == 0 {
		all = []*stream{nil}
	}
	return all, err
}

// redactor is one Redact. It runs on the writer's goroutine.
type redactor struct {
	w       *writer
	whole   bool
	objects set[metadata.ID]
	of      *stream // as it is; nil: there is none
	to      *stream // under the new key
	old     map[uint64]bool
	count   int
	keys    []uint64
}

func (r *redactor) erased(id metadata.ID) bool { return r.whole || r.objects.has(id) }

func (r *redactor) run(ctx context.Context) error {
	w := r.w
	needed := false
	err := w.session.read(func() (err error) {
		if r.of == nil || r.of.erased {
			return nil
		}
		r.of = w.current(r.of)
		needed, err = r.needed()
		return err
	})
	if err != nil || !needed {
		return errors.Join(err, w.destroyDoomed(ctx))
	}
	r.to = &stream{name: r.of.name, key: r.of.key}
	if w.session.db.ring != nil {
		id, key, err := w.session.db.ring.New(ctx)
		if err != nil {
			return err
		}
		if r.to.box, err = newBox(id, key); err != nil {
			return err
		}
	}
	r.count = 0
	w.at("before the rows are written anew")
	if err := r.rewrite(); err != nil {
		if w.inTransaction() {
			err = errors.Join(err, w.rollback())
		}
		return err
	}
	w.at("before the old key is destroyed")
	for id := range r.old {
		r.keys = append(r.keys, id)
	}
	slices.Sort(r.keys)
	if err := w.destroyDoomed(ctx); err != nil {
		return err
	}
	w.at("after the old key is destroyed")
	if w.session.db.ring == nil {
		_, err = w.checkpoint() // the old bytes leave the write-ahead log when it starts over
	}
	return err
}

// rewrite is the transaction.
func (r *redactor) rewrite() error {
	w := r.w
	if w.session.db.ring == nil {
		if err := w.exec("PRAGMA secure_delete = ON"); err != nil {
			return err
		}
	}
	if err := w.begin.run(); err != nil {
		return err
	}
	head, err := w.session.head(r.of)
	if err != nil {
		return err
	}
	w.seq++
	for v := storage.Version(0); v <= head; v++ {
		if err := r.row(logID(r.of.key, v)); err != nil {
			return err
		}
	}
	for id := range r.old {
		if err := w.exec(fmt.Sprintf("INSERT OR REPLACE INTO meta (name, n) VALUES ('%s%d', %d)", metaDoomed, id, id)); err != nil {
			return err
		}
	}
	if err := w.commit.run(); err != nil {
		return err
	}
	// Whoever found the stream before seals with its old key from now on, unless the
	// writer knows better.
	w.rekeyed[r.of.key] = r.to
	w.session.db.cache.drop(r.of.key, w.seq)
	w.session.db.seq.Store(w.seq)
	w.session.db.checkpoint.wake(w)
	return nil
}

// needed tells whether a row of the stream has something to lose.
func (r *redactor) needed() (bool, error) {
	head, err := r.w.session.head(r.of)
	if err != nil {
		return false, err
	}
	for v := storage.Version(1); v <= head; v++ {
		if _, _, changed, err := r.redacted(logID(r.of.key, v)); changed || err != nil {
			return changed, err
		}
	}
	return false, nil
}

// row writes one row anew and takes the hashes of what it no longer says out of
// the index.
func (r *redactor) row(id int64) error {
	w := r.w
	var text []byte
	if id&maxVersion == 0 {
		text = r.of.name.encode(nil)
		if err := r.noteKey(id); err != nil {
			return err
		}
	} else {
		after, gone, _, err := r.redacted(id)
		if err != nil {
			return err
		}
		text = after
		for i := range gone {
			if err := w.forget(gone[i].h, place{id, gone[i].n}); err != nil {
				return err
			}
		}
	}
	var err error
	if w.sealed, err = r.to.box.seal(w.sealed[:0], id, text); err != nil {
		return err
	}
	if err := w.replaceLog.bind(id).bindBytes(2, w.sealed); err != nil {
		return err
	}
	return w.replaceLog.run()
}

// redacted is what is left of a row, and the identifiers that it does not have any
// more.
func (r *redactor) redacted(id int64) (text []byte, gone []identifier, changed bool, err error) {
	w := r.w
	if err := r.noteKey(id); err != nil {
		return nil, nil, false, err
	}
	had, err := w.stored(r.of, id)
	if err != nil {
		return nil, nil, false, err
	}
	if err := w.reader.Reset(had); err != nil {
		return nil, nil, false, err
	}
	events, err := w.reader.Events()
	if err != nil {
		return nil, nil, false, err
	}
	claims, err := w.reader.Claims()
	if err != nil {
		return nil, nil, false, err
	}
	left, kept, n, changed := storage.RedactEvents(events, claims, r.erased, r.whole)
	if !changed {
		return []byte(had), nil, false, nil
	}
	r.count += n
	var before, after derived
	if err := errors.Join(before.derive(w.session.db.hash, events, claims), after.derive(w.session.db.hash, left, kept)); err != nil {
		return nil, nil, false, err
	}
	for _, i := range before.ids {
		if !slices.ContainsFunc(after.ids, func(j identifier) bool { return i.h == j.h && i.n == j.n }) {
			gone = append(gone, i)
		}
	}
	enc := w.session.db.encoders.Get().(*encoding.Encoder)
	defer w.session.db.encoders.Put(enc)
	text, err = enc.Append(nil, left, kept)
	return text, gone, true, err
}

// noteKey remembers the data key of a row as it is.
func (r *redactor) noteKey(id int64) error {
	row, err := r.w.raw(id)
	if err != nil {
		return err
	}
	key, encrypted, _, err := header(row)
	if encrypted {
		r.old[key] = true
	}
	return err
}

// raw is a copy of a row as it is stored.
func (w *writer) raw(id int64) ([]byte, error) {
	ok, err := w.session.row.bind(id).step()
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errProjection
	}
	defer w.session.row.reset()
	return slices.Clone(w.session.row.bytes(1)), nil
}

// stored is the opened row, past the cache.
func (w *writer) stored(of *stream, id int64) (string, error) {
	row, err := w.raw(id)
	if err != nil {
		return "", err
	}
	return w.session.open(of, id, row)
}

// forget takes an identifier out of the index. Entries of one hash lie without a
// gap, so one with a neighbour behind it stays, leading nowhere.
func (w *writer) forget(h int64, p place) error {
	for ; ; h++ {
		ok, err := w.session.ids.bind(h).step()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		at, found := w.session.ids.int(0), place{w.session.ids.int(1), w.session.ids.int(2)}
		w.session.ids.reset()
		if at != h {
			return nil // it was not there: moved away by a rebuild
		}
		if found != p {
			continue
		}
		next, err := w.number(fmt.Sprintf("SELECT count(*) FROM ids WHERE h = %d", h+1))
		if err != nil {
			return err
		}
		if next > 0 {
			return w.exec(fmt.Sprintf("UPDATE ids SET at = 0, n = %d WHERE h = %d", byClaim, h))
		}
		return w.exec(fmt.Sprintf("DELETE FROM ids WHERE h = %d", h))
	}
}

// current is a stream under the key that it has now.
func (w *writer) current(of *stream) *stream {
	if now, ok := w.rekeyed[of.key]; ok && of.key != 0 {
		return now
	}
	return of
}

// at is where tests stop the process.
func (w *writer) at(step string) {
	if f := w.session.db.step; f != nil {
		f(step)
	}
}

// destroyDoomed destroys the keys that a Redact noted and forgets the notes.
func (w *writer) destroyDoomed(ctx context.Context) error {
	return w.session.db.destroyDoomed(ctx, w.conn)
}

func (db *DB) destroyDoomed(ctx context.Context, c *conn) error {
	for {
		id, err := c.number("SELECT coalesce(max(n), 0) FROM meta WHERE name LIKE '" + metaDoomed + "%'")
		if err != nil || id == 0 {
			return err
		}
		// A copy of the folder may have a keyring that is older than the key.
		if err := db.ring.Destroy(ctx, uint64(id)); err != nil && !errors.Is(err, keyring.ErrUnknown) {
			return err
		}
		if err := c.exec(fmt.Sprintf("DELETE FROM meta WHERE name = '%s%d'", metaDoomed, id)); err != nil {
			return err
		}
	}
}

// Reference implements storage.Eraser: the keyed hash of the stream's name.
func (db *DB) Reference(ctx context.Context, t access.Tenant, s storage.Stream) (ref []byte, err error) {
	err = db.read(ctx, func(r *session) error {
		of, err := r.named(name{t, s})
		if of != nil && err == nil {
			hash := db.hash.stream(t, s)
			ref = hash[:]
		}
		return err
	})
	return ref, wrap("sqlite.Reference", err, onlyRead)
}

// Referred implements storage.Eraser.
func (db *DB) Referred(ctx context.Context, ref []byte) (t access.Tenant, s storage.Stream, ok bool, err error) {
	err = db.read(ctx, func(r *session) error {
		if err := r.streamKey.bindBytes(1, ref); err != nil {
			return err
		}
		found, err := r.streamKey.step()
		if !found || err != nil {
			return err
		}
		key := r.streamKey.int(0)
		r.streamKey.reset()
		of, err := r.keyed(key)
		if err != nil || of.erased {
			return err
		}
		t, s, ok = of.tenant, of.stream, true
		return nil
	})
	return t, s, ok, wrap("sqlite.Referred", err, onlyRead)
}

// streamsAtOnce is how many streams Streams reads in one snapshot of the file.
const streamsAtOnce = 256

// Streams implements storage.Eraser.
func (db *DB) Streams(ctx context.Context, t access.Tenant, kind storage.StreamKind) iter.Seq2[storage.Stream, error] {
	return func(yield func(storage.Stream, error) bool) {
		for next := int64(1); ; next += streamsAtOnce {
			var found []storage.Stream
			more := false
			err := db.read(ctx, func(s *session) (err error) {
				found, more, err = s.streams(next, t, kind)
				return err
			})
			if err != nil {
				yield(storage.Stream{}, wrap("sqlite.Streams", err, onlyRead))
				return
			}
			for _, s := range found {
				if !yield(s, nil) {
					return
				}
			}
			if !more {
				return
			}
		}
	}
}

// streams reads the names of streams from a key on, past the cache, which shall
// keep what is used.
func (s *session) streams(from int64, t access.Tenant, kind storage.StreamKind) (found []storage.Stream, more bool, err error) {
	for key := from; key < from+streamsAtOnce; key++ {
		ok, err := s.row.bind(logID(key, 0)).step()
		if !ok || err != nil {
			return found, false, err
		}
		row := slices.Clone(s.row.bytes(1))
		s.row.reset()
		b, err := boxFor(s.db.ring, row)
		if errors.Is(err, keyring.ErrDestroyed) {
			continue
		} else if err != nil {
			return nil, false, err
		}
		if s.buf, err = b.open(s.buf[:0], logID(key, 0), row); err != nil {
			return nil, false, err
		}
		n, err := decodeName(s.buf)
		if err != nil {
			return nil, false, err
		}
		if n.tenant == t && n.stream.Kind == kind {
			found = append(found, n.stream)
		}
	}
	return found, true, nil
}

var _ storage.Eraser = (*DB)(nil)

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// Forget implements storage.Forgetter. Letters share the key of their day: those
// that stay are sealed anew under a fresh one, in the transaction that deletes the
// others and notes the old keys as doomed.
func (db *DB) Forget(ctx context.Context, t access.Tenant, about func(*storage.Letter) bool) (n int, err error) {
	const op = "sqlite.Forget"
	err = db.writer.between(ctx, op, func() error {
		f := &forgetter{w: db.writer, keys: map[uint64]bool{}}
		if err := f.find(t, about); err != nil {
			return wrap(op, err, nothingWritten)
		}
		if len(f.gone) > 0 {
			if err := f.run(context.WithoutCancel(ctx)); err != nil {
				return wrap(op, err, "What was to be erased from the outbox may still be readable; erase it again.")
			}
		}
		n = len(f.gone)
		return nil
	})
	return n, err
}

// forgetter is one Forget. It runs on the writer's goroutine.
type forgetter struct {
	w     *writer
	gone  []int64         // numbers of rows
	keys  map[uint64]bool // their data keys
	fresh *letterKey
}

// find looks at all letters. One that cannot be opened says nothing any more.
func (f *forgetter) find(t access.Tenant, about func(*storage.Letter) bool) error {
	return f.w.eachRow("SELECT n, hi, lo, due, created, expires, attempts, dead, queue, note, data FROM letter", func(q *stmt) error {
		l := letterOf(q)
		if err := f.w.openLetter(&l, q.bytes(9), q.bytes(10)); err != nil || l.Tenant != t || !about(&l) {
			return nil //nolint:nilerr // unreadable already
		}
		f.gone = append(f.gone, q.int(0))
		key, encrypted, _, err := header(q.bytes(10))
		if encrypted {
			f.keys[key] = true
		}
		return err
	})
}

func (f *forgetter) run(ctx context.Context) error {
	w := f.w
	f.fresh = &letterKey{}
	if c := w.db.letterKeys.current.Load(); c != nil {
		f.fresh.day = c.day
	}
	if w.db.ring != nil {
		id, key, err := w.db.ring.New(ctx)
		if err != nil {
			return err
		}
		if f.fresh.box, err = newBox(id, key); err != nil {
			return err
		}
	} else if err := w.exec("PRAGMA secure_delete = ON"); err != nil {
		return err
	}
	w.at("before letters are forgotten")
	if err := w.transaction(f.rewrite); err != nil {
		return err
	}
	if c := w.db.letterKeys.current.Load(); c != nil && f.keys[c.box.keyID] && w.db.ring != nil {
		w.db.letterKeys.current.Store(f.fresh)
	}
	w.at("before the key of letters is destroyed")
	if err := w.destroyDoomed(ctx); err != nil {
		return err
	}
	w.at("after letters were forgotten")
	if w.db.ring != nil {
		return nil
	}
	_, err := w.checkpoint() // the old bytes leave the write-ahead log when it starts over
	return err
}

// rewrite is the transaction.
func (f *forgetter) rewrite() error {
	w := f.w
	for _, n := range f.gone {
		if err := w.exec(fmt.Sprintf("DELETE FROM letter WHERE n = %d", n)); err != nil {
			return err
		}
	}
	if len(f.keys) == 0 {
		return nil
	}
	var stay []int64
	if err := w.eachRow("SELECT n, substr(data, 1, 12) FROM letter", func(q *stmt) error {
		key, _, _, err := header(q.bytes(1))
		if f.keys[key] {
			stay = append(stay, q.int(0))
		}
		return err
	}); err != nil {
		return err
	}
	for _, n := range stay {
		if err := f.reseal(n); err != nil {
			return err
		}
	}
	for key := range f.keys {
		if err := errors.Join(
			w.exec(fmt.Sprintf("INSERT OR REPLACE INTO meta (name, n) VALUES ('%s%d', %d)", metaDoomed, key, key)),
			w.exec(fmt.Sprintf("DELETE FROM letter_key WHERE key = %d", key)),
		); err != nil {
			return err
		}
	}
	return w.letters.insertKey.bind(int64(f.fresh.box.keyID), f.fresh.day).run()
}

// reseal writes one letter anew under the fresh key.
func (f *forgetter) reseal(n int64) error {
	w := f.w
	var id metadata.UUID
	var note, data []byte
	if err := w.eachRow(fmt.Sprintf("SELECT hi, lo, note, data FROM letter WHERE n = %d", n), func(q *stmt) error {
		id, note, data = whole(q.int(0), q.int(1)), slices.Clone(q.bytes(2)), slices.Clone(q.bytes(3))
		return nil
	}); err != nil {
		return err
	}
	old, err := boxFor(w.db.ring, data)
	if err != nil {
		return err
	}
	hi, _ := halves(id)
	for _, part := range []struct {
		column string
		at     int64
		sealed []byte
	}{{"data", hi, data}, {"note", ^hi, note}} {
		if part.sealed == nil {
			continue
		}
		text, err := old.open(nil, part.at, part.sealed)
		if err != nil {
			return err
		}
		if w.sealed, err = f.fresh.box.seal(w.sealed[:0], part.at, text); err != nil {
			return err
		}
		s, _, err := w.compile("UPDATE letter SET " + part.column + " = ?2 WHERE n = ?1")
		if err != nil {
			return err
		}
		err = errors.Join(s.bind(n).bindBytes(2, w.sealed), s.run())
		s.finalize()
		if err != nil {
			return err
		}
	}
	return nil
}

var _ storage.Forgetter = (*DB)(nil)

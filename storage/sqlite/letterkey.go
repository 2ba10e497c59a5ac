package sqlite

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// letterKeys gives letters a data key for each day. Letters are deleted when they
// are settled, but their bytes may linger in free pages and backups: they are gone
// for good when the key of their day is destroyed.
type letterKeys struct {
	mu      sync.Mutex
	current atomic.Pointer[letterKey] // nil before the first letter
}

type letterKey struct {
	day int64
	box box
}

// provide makes the current key one of the day of t, or a later one.
func (k *letterKeys) provide(ctx context.Context, db *DB, t time.Time) error {
	day := t.Unix() / 86_400
	if c := k.current.Load(); c != nil && (c.day >= day || db.ring == nil) {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.current.Load(); c != nil && c.day >= day {
		return nil
	}
	fresh := &letterKey{day: day}
	if db.ring != nil {
		id, key, err := db.ring.New(ctx)
		if err != nil {
			return err
		}
		if fresh.box, err = newBox(id, key); err != nil {
			return err
		}
	}
	k.current.Store(fresh)
	return db.writer.between(ctx, "sqlite.Post", func() error { return db.destroyLetterKeys(ctx) })
}

// destroyLetterKeys destroys the keys that no letter has. Between two
// transactions: letters that wait for the writer are sealed under the current key.
func (db *DB) destroyLetterKeys(ctx context.Context) error {
	if db.ring == nil {
		return nil
	}
	w, current := db.writer, db.letterKeys.current.Load()
	have := map[uint64]bool{current.box.keyID: true}
	if err := w.eachRow("SELECT substr(data, 1, 12) FROM letter", func(q *stmt) error {
		id, _, _, err := header(q.bytes(0))
		have[id] = true
		return err
	}); err != nil {
		return err
	}
	var unused []uint64
	if err := w.eachRow("SELECT key FROM letter_key", func(q *stmt) error {
		if id := uint64(q.int(0)); !have[id] {
			unused = append(unused, id)
		}
		return nil
	}); err != nil {
		return err
	}
	for _, id := range unused {
		if err := db.ring.Destroy(ctx, id); err != nil {
			return err
		}
		s, _, err := w.compile("DELETE FROM letter_key WHERE key = ?")
		if err != nil {
			return err
		}
		err = s.bind(int64(id)).run()
		s.finalize()
		if err != nil {
			return err
		}
	}
	return nil
}

// eachRow runs a statement once.
func (c *conn) eachRow(sql string, visit func(*stmt) error) error {
	s, _, err := c.compile(sql)
	if err != nil {
		return err
	}
	defer s.finalize()
	for {
		if ok, err := s.step(); !ok || err != nil {
			return err
		}
		if err := visit(s); err != nil {
			return err
		}
	}
}

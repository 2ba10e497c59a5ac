package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
)

// Names in table meta.
const (
	metaProjection = "projection" // n: version of the projection when it is whole
	metaHashKey    = "hash-key"   // data: the hasher's key, sealed like a row with log.id 0
	metaEpoch      = "epoch"      // n: how often the file was opened; the high bits of seq
	metaProbe      = "probe"      // n: tries to write after a failure
)

// epochBits of seq count the commits since the file was opened.
const epochBits = 40

// loadHasher reads the key of the hashes and makes it in a new file.
func (db *DB) loadHasher(ctx context.Context, c *conn) error {
	row, err := c.blob("SELECT data FROM meta WHERE name = '" + metaHashKey + "'")
	if err != nil {
		return err
	}
	var key [32]byte
	if row == nil {
		if key, err = db.makeHashKey(ctx, c); err != nil {
			return err
		}
	} else {
		b, err := boxFor(db.ring, row)
		if err != nil {
			return err
		}
		text, err := b.open(nil, 0, row)
		if err != nil {
			return err
		}
		if copy(key[:], text) != len(key) {
			return ErrTampered
		}
	}
	db.hash, err = newHasher(key)
	return err
}

func (db *DB) makeHashKey(ctx context.Context, c *conn) (key [32]byte, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, err
	}
	var b box
	if db.ring != nil {
		id, data, err := db.ring.New(ctx)
		if err != nil {
			return key, err
		}
		if b, err = newBox(id, data); err != nil {
			return key, err
		}
	}
	row, err := b.seal(nil, 0, key[:])
	if err != nil {
		return key, err
	}
	s, err := c.prepare("INSERT INTO meta (name, data) VALUES ('" + metaHashKey + "', ?)")
	if err != nil {
		return key, err
	}
	return key, errors.Join(s.bindBytes(1, row), s.run())
}

// position finds where the writer goes on: a new epoch of seq, and the next free
// stream key.
func (w *writer) position() error {
	if err := w.exec("INSERT INTO meta (name, n) VALUES ('" + metaEpoch + "', 1) ON CONFLICT DO UPDATE SET n = n + 1"); err != nil {
		return err
	}
	epoch, err := w.number("SELECT n FROM meta WHERE name = '" + metaEpoch + "'")
	if err != nil {
		return err
	}
	if epoch >= 1<<(63-epochBits) {
		return fmt.Errorf("sqlite: the file was opened %d times, which is more than it can count", epoch)
	}
	w.seq = epoch << epochBits
	w.db.seq.Store(w.seq)
	w.db.cache.seq = w.seq
	last, err := w.number("SELECT id FROM log ORDER BY id DESC LIMIT 1")
	w.nextKey = last>>versionBits + 1
	return err
}

// probe tries to write something durable.
func (w *writer) probe() error {
	if err := w.exec("INSERT INTO meta (name, n) VALUES ('" + metaProbe + "', 1) ON CONFLICT DO UPDATE SET n = n + 1"); err != nil {
		return err
	}
	w.db.sick.Store(nil)
	return nil
}

package sqlite

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"samdok/storage/keyring"
)

// Names in table meta.
const (
	metaProjection = "projection" // n: version of the projection when it is whole
	metaHashKey    = "hash-key"   // data: the hasher's key, sealed like a row with log.id 0
	metaCardsKey   = "cards-key"  // data: the secret of a file of cards, sealed the same way
	metaEpoch      = "epoch"      // n: how often the file was opened; the high bits of seq
	metaProbe      = "probe"      // n: tries to write after a failure
)

// epochBits of seq count the commits since the file was opened.
const epochBits = 40

// loadHasher reads the key of the hashes and makes it in a new file.
func (db *DB) loadHasher(ctx context.Context, c *conn) error {
	key, _, err := loadSecret(ctx, db.ring, c, metaHashKey)
	if err != nil {
		return err
	}
	db.hash, err = newHasher(key)
	return err
}

// loadSecret reads a random secret of the file, sealed like a row with log.id 0,
// and makes it in a new file. It tells what sealed it.
func loadSecret(ctx context.Context, ring *keyring.Ring, c *conn, name string) (key [32]byte, of box, err error) {
	row, err := c.blob("SELECT data FROM meta WHERE name = '" + name + "'")
	if err != nil {
		return key, of, err
	}
	if row == nil {
		return makeSecret(ctx, ring, c, name)
	}
	if of, err = boxFor(ring, row); err != nil {
		return key, of, err
	}
	text, err := of.open(nil, 0, row)
	if err != nil {
		return key, of, err
	}
	if copy(key[:], text) != len(key) {
		return key, of, ErrTampered
	}
	return key, of, nil
}

func makeSecret(ctx context.Context, ring *keyring.Ring, c *conn, name string) (key [32]byte, of box, err error) {
	if _, err := rand.Read(key[:]); err != nil {
		return key, of, err
	}
	if ring != nil {
		id, data, err := ring.New(ctx)
		if err != nil {
			return key, of, err
		}
		if of, err = newBox(id, data); err != nil {
			return key, of, err
		}
	}
	row, err := of.seal(nil, 0, key[:])
	if err != nil {
		return key, of, err
	}
	s, err := c.prepare("INSERT INTO meta (name, data) VALUES ('" + name + "', ?)")
	if err != nil {
		return key, of, err
	}
	return key, of, errors.Join(s.bindBytes(1, row), s.run())
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

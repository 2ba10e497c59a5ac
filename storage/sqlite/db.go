package sqlite

import (
	"context"
	"errors"
	"iter"
	"time"

	"samdok/access"
	"samdok/storage"
)

// Options of Open. The zero value is usable: no encryption, defaults elsewhere.
type Options struct {
	// Ring gives each stream its data key. Nil: rows are only checksummed.
	Ring Keys
	// Clock is the source of time; nil: time.Now.
	Clock func() time.Time
	// Readers bounds the searches that read the file at one time; 0: a default.
	Readers int
	// Queue bounds the submissions that wait for the writer; 0: a default. More
	// are refused with fault.Busy.
	Queue int
	// CacheBytes bounds the cache of streams; 0: a default, negative: none.
	CacheBytes int
}

// Keys is the part of keyring.Ring that is needed here.
type Keys interface {
	New(ctx context.Context) (id uint64, key [32]byte, err error)
	Key(id uint64) ([32]byte, error)
}

// DB implements storage.Log and storage.Index. Make one with Open.
type DB struct{}

// Open opens or creates the database file at path.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	return nil, errors.New("sqlite: not built yet")
}

// Close lets running calls end, moves the write-ahead log into the file and
// closes it.
func (db *DB) Close() error { return nil }

func (db *DB) Load(ctx context.Context, t access.Tenant, s storage.Stream, refs storage.Refs) (storage.State, storage.Version, error) {
	return storage.State{}, 0, errors.New("sqlite: not built yet")
}

func (db *DB) Append(ctx context.Context, t access.Tenant, changes []storage.Change) error {
	return errors.New("sqlite: not built yet")
}

func (db *DB) Events(ctx context.Context, t access.Tenant, s storage.Stream, from storage.Version) iter.Seq2[storage.Event, error] {
	return func(func(storage.Event, error) bool) {}
}

func (db *DB) Ready(ctx context.Context) error { return errors.New("sqlite: not built yet") }

func (db *DB) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(func(storage.Placed, error) bool) {}
}

func (db *DB) Lookup(ctx context.Context, t access.Tenant, refs storage.Refs) (storage.State, error) {
	return storage.State{}, errors.New("sqlite: not built yet")
}

func (db *DB) Rebuild(ctx context.Context, progress func(done, total int64)) error {
	return errors.New("sqlite: not built yet")
}

var (
	_ storage.Log   = (*DB)(nil)
	_ storage.Index = (*DB)(nil)
)

package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"samdok/fault"
	"samdok/storage"
	"samdok/storage/encoding"
	"samdok/storage/keyring"
)

// Options of Open. The zero value is usable: no encryption, defaults elsewhere.
type Options struct {
	// Ring gives each stream its data key. Nil: rows are only checksummed.
	Ring *keyring.Ring
	// Readers bounds the searches that read the file at one time; 0: twice the
	// number of processors, at least 4. More would only starve the writer.
	Readers int
	// Queue bounds the submissions that wait for the writer; 0: 1024. More are
	// refused with fault.Busy.
	Queue int
	// CacheBytes bounds the memory of the streams used last; 0: 64 MiB, negative:
	// none.
	CacheBytes int
}

const (
	// pageSize of a new file. 2, 4 and 8 KiB measured the same within the noise;
	// 16 KiB wrote a third slower.
	pageSize = 4096
	// pageCache is each connection's, in KiB: enough for all inner pages of a
	// million documents. After most commits SQLite walks all of it, so 16 MiB costs
	// a submission about a fifth more time.
	pageCache = 4000
)

// DB implements storage.Log, storage.Index and storage.Outbox. Make one with Open.
type DB struct {
	path    string
	ring    *keyring.Ring
	lock    *os.File
	hash    *hasher
	cache   *cache
	writer  *writer
	readers chan *session
	size    int // of readers

	letterKeys letterKeys
	checkpoint *checkpointer
	walLimit   atomic.Int32          // walPages, less in tests
	seq        atomic.Int64          // of the last commit
	sick       atomic.Pointer[error] // why the last commit failed
	broken     atomic.Bool           // the index must be rebuilt
	anyKnown   atomic.Bool           // an identity feed has told of a patient
	step       func(string)          // tests stop here, between the steps of Redact

	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error

	decoders, encoders sync.Pool
}

// ErrLocked: another process has the file open.
var ErrLocked = errors.New("sqlite: the data folder is in use by another samdok")

// Open opens the database file at path and makes it when there is none. It does
// not read the data, so it takes the same time for any size, but for a list of
// the patients that were merged into others.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	if o.Readers <= 0 {
		o.Readers = max(4, 2*runtime.GOMAXPROCS(0))
	}
	if o.Queue <= 0 {
		o.Queue = 1024
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	db := &DB{
		path: path, ring: o.Ring, size: o.Readers,
		cache:    newCache(max(o.CacheBytes, 0)),
		readers:  make(chan *session, o.Readers),
		closing:  make(chan struct{}),
		decoders: sync.Pool{New: func() any { return new(encoding.Reader) }},
		encoders: sync.Pool{New: func() any { return new(encoding.Encoder) }},
	}
	db.walLimit.Store(walPages)
	if err := db.start(ctx, o.Queue); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.abandon())
	}
	return db, nil
}

func (db *DB) start(ctx context.Context, queue int) (err error) {
	if db.lock, err = lockFile(db.path); err != nil {
		return err
	}
	c, err := db.open()
	if err != nil {
		return err
	}
	if err := db.prepareFile(ctx, c); err != nil {
		return errors.Join(err, c.close())
	}
	w := &writer{
		session: &session{db: db}, queue: make(chan *submission, queue), ended: make(chan struct{}),
		versions: map[int64]storage.Version{}, merged: map[int64]int64{}, rekeyed: map[int64]*stream{},
	}
	if err := w.use(c); err != nil {
		return errors.Join(err, c.close())
	}
	db.writer = w
	if err := w.position(); err != nil {
		return err
	}
	if err := db.loadMerges(c); err != nil {
		return err
	}
	for range db.size {
		c, err := db.open()
		if err != nil {
			return err
		}
		s, err := newSession(db, c, "")
		if err != nil {
			return errors.Join(err, c.close())
		}
		db.readers <- s
	}
	if db.checkpoint, err = startCheckpointer(db); err != nil {
		return err
	}
	go w.run()
	return nil
}

// abandon undoes a start that failed.
func (db *DB) abandon() error {
	var errs []error
	for len(db.readers) > 0 {
		errs = append(errs, (<-db.readers).close())
	}
	if db.writer != nil {
		errs = append(errs, db.writer.close())
	}
	if db.lock != nil {
		errs = append(errs, db.lock.Close())
	}
	return errors.Join(errs...)
}

// lockFile keeps a second process off the file: what is cached is true only for
// one writer. (Not the file itself: closing any descriptor of it would drop
// SQLite's own locks.)
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+"-lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(ErrLocked, f.Close())
	}
	return f, nil
}

// open makes a connection. Writes are durable when a commit returns
// (synchronous=FULL syncs the write-ahead log); the checkpointer moves it into
// the file.
func (db *DB) open() (*conn, error) {
	c, err := openConn(db.path, true)
	if err != nil {
		return nil, err
	}
	err = c.exec(fmt.Sprintf(`PRAGMA page_size = %d; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
		PRAGMA wal_autocheckpoint = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d`, pageSize, pageCache, walKeep))
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// prepareFile brings tables and keys up to date and makes a new file's name
// durable.
func (db *DB) prepareFile(ctx context.Context, c *conn) error {
	mode, err := c.text("PRAGMA journal_mode")
	if err != nil {
		return err
	}
	if mode != "wal" {
		return errNoWAL(mode)
	}
	if err := migrate(c); err != nil {
		return err
	}
	if err := syncDir(filepath.Dir(db.path)); err != nil {
		return err
	}
	if err := db.loadHasher(ctx, c); err != nil {
		return err
	}
	if err := db.destroyDoomed(ctx, c); err != nil {
		return err
	}
	whole, err := checkProjection(c)
	db.broken.Store(!whole)
	return err
}

func errNoWAL(mode string) error {
	return fmt.Errorf("sqlite: the file system does not allow a write-ahead log (journal_mode is %q); use a local disk", mode)
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read runs body on a reader in one snapshot of the file.
func (db *DB) read(ctx context.Context, body func(*session) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if db.broken.Load() {
		return errProjection
	}
	select {
	case <-db.closing:
		return errClosed
	default:
	}
	var s *session
	select {
	case s = <-db.readers:
	default:
		select {
		case s = <-db.readers:
		case <-ctx.Done():
			return ctx.Err()
		case <-db.closing:
			return errClosed
		}
	}
	defer func() { db.readers <- s }()
	return s.read(func() error { return body(s) })
}

var errClosed = fault.New(fault.Unavailable, "sqlite.read", fault.RegistryError, "The registry is shutting down.")

// Ready implements storage.Log.
func (db *DB) Ready(ctx context.Context) error {
	const op = "sqlite.Ready"
	select {
	case <-db.closing:
		return errClosed
	default:
	}
	if db.broken.Load() {
		return wrap(op, errProjection, "")
	}
	if err := db.checkpoint.failed.Load(); err != nil {
		db.checkpoint.poke()
		return wrap(op, *err, "")
	}
	if db.sick.Load() == nil {
		return nil
	}
	// The last commit failed. Nobody may send any more while we are not ready, so
	// try one of our own.
	if err := db.writer.between(ctx, op, db.writer.probe); err != nil {
		return wrap(op, err, "")
	}
	return nil
}

// Close lets running calls end, moves the write-ahead log into the file and
// closes it.
func (db *DB) Close() error {
	db.closeOnce.Do(func() {
		db.writer.stop()
		close(db.closing)
		errs := []error{db.checkpoint.stop()}
		for range db.size {
			errs = append(errs, (<-db.readers).close())
		}
		errs = append(errs, db.writer.exec("PRAGMA wal_checkpoint(TRUNCATE)"), db.writer.close(), db.lock.Close())
		db.closeErr = errors.Join(errs...)
	})
	return db.closeErr
}

var (
	_ storage.Log    = (*DB)(nil)
	_ storage.Index  = (*DB)(nil)
	_ storage.Outbox = (*DB)(nil)
)

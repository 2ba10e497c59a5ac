package sqlite

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"samdok/access"
	"samdok/fault"
	"samdok/storage"
	"samdok/storage/keyring"
)

//go:embed cards.sql
var cardTables string

// cardsVersion is kept in the user_version of a file of cards.
const cardsVersion = 1

// cardCheckpoint is how many pages the write-ahead log of a file of cards may have
// before a commit moves it into the file: cards lie in no order, so that many
// commits together write a page once.
const cardCheckpoint = 8192

// CardsOptions of OpenCards. The zero value is usable.
type CardsOptions struct {
	// Ring gives the file its data key. Nil: cards are only checksummed.
	Ring *keyring.Ring
	// Queue bounds the changes that wait for the writer; 0: 1024.
	Queue int

	narrow uint // bits that ids lose, for tests of keys that share one
}

// Cards implements storage.Cards in a file of its own, apart from the log: it is
// truth of another kind, and its writers must not hold up submissions. Make one
// with OpenCards.
type Cards struct {
	path    string
	lock    *os.File
	box     cardBox
	readers chan *cardSession
	size    int // of readers

	queue  chan *revision
	mu     sync.RWMutex // guards closed against senders
	closed bool
	ended  chan struct{}
	sick   sickness

	words words
}

var _ storage.Cards = (*Cards)(nil)

// cardSession is a connection with its statements.
type cardSession struct {
	*conn
	get, put, del, next, count *stmt
	putWord, begin, commit     *stmt
}

// OpenCards opens the file at path and makes it when there is none. But for the
// words, it reads nothing.
func OpenCards(ctx context.Context, path string, o CardsOptions) (*Cards, error) {
	if o.Queue <= 0 {
		o.Queue = 1024
	}
	size := max(4, 2*runtime.GOMAXPROCS(0))
	c := &Cards{path: path, size: size, readers: make(chan *cardSession, size), queue: make(chan *revision, o.Queue), ended: make(chan struct{})}
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), c.abandon())
	}
	return c, nil
}

func (c *Cards) start(ctx context.Context, o CardsOptions) (err error) {
	if c.lock, err = lockFile(c.path); err != nil {
		return err
	}
	writer, err := c.open()
	if err != nil {
		return err
	}
	if err := c.prepare(ctx, writer, o); err != nil {
		return errors.Join(err, writer.close())
	}
	w, err := newCardSession(writer)
	if err != nil {
		return errors.Join(err, writer.close())
	}
	for range c.size {
		s, err := c.reader()
		if err != nil {
			return errors.Join(err, w.close())
		}
		c.readers <- s
	}
	go c.run(w)
	return nil
}

// prepare brings tables, key and words into being.
func (c *Cards) prepare(ctx context.Context, w *conn, o CardsOptions) error {
	at, err := w.number("PRAGMA user_version")
	switch {
	case err != nil:
		return err
	case at > cardsVersion:
		return fmt.Errorf("%w (its data has version %d, this program knows %d)", ErrNewer, at, cardsVersion)
	case at == 0:
		if err := w.transaction(func() error {
			return w.exec(cardTables + fmt.Sprintf("PRAGMA user_version = %d", cardsVersion))
		}); err != nil {
			return err
		}
	}
	if err := syncDir(filepath.Dir(c.path)); err != nil {
		return err
	}
	secret, of, err := loadSecret(ctx, o.Ring, w, metaCardsKey)
	if err != nil {
		return err
	}
	if c.box, err = newCardBox(secret, of, o.narrow); err != nil {
		return err
	}
	return c.words.load(w)
}

func (c *Cards) open() (*conn, error) {
	s, err := openConn(c.path, true)
	if err != nil {
		return nil, err
	}
	err = s.exec(fmt.Sprintf(`PRAGMA page_size = %d; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
		PRAGMA wal_autocheckpoint = %d; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -%d; PRAGMA secure_delete = FAST`, pageSize, cardCheckpoint, 4*pageCache))
	if err == nil {
		var mode string
		if mode, err = s.text("PRAGMA journal_mode"); err == nil && mode != "wal" {
			err = errNoWAL(mode)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (c *Cards) reader() (*cardSession, error) {
	s, err := c.open()
	if err != nil {
		return nil, err
	}
	r, err := newCardSession(s)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return r, nil
}

func newCardSession(c *conn) (*cardSession, error) {
	s := &cardSession{conn: c}
	for _, p := range []struct {
		to  **stmt
		sql string
	}{
		{&s.get, "SELECT data FROM card WHERE id = ?"},
		{&s.put, "INSERT INTO card (id, data) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET data = excluded.data"},
		{&s.del, "DELETE FROM card WHERE id = ?"},
		{&s.next, "SELECT id, data FROM card WHERE id > ?1 ORDER BY id LIMIT ?2"},
		{&s.count, "SELECT count(*) FROM card"},
		{&s.putWord, "INSERT INTO word (id, text) VALUES (?1, ?2)"},
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
	} {
		var err error
		if *p.to, err = c.prepare(p.sql); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// abandon undoes a start that failed.
func (c *Cards) abandon() error {
	var errs []error
	for len(c.readers) > 0 {
		errs = append(errs, (<-c.readers).close())
	}
	if c.lock != nil {
		errs = append(errs, c.lock.Close())
	}
	return errors.Join(errs...)
}

// Close lets running calls end and closes the file.
func (c *Cards) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	close(c.queue)
	c.mu.Unlock()
	<-c.ended
	var errs []error
	for range c.size {
		errs = append(errs, (<-c.readers).close())
	}
	return errors.Join(append(errs, c.sick.closed, c.lock.Close())...)
}

// Backup copies the whole file, as it is when Backup begins, to a new one; see
// DB.Backup.
func (c *Cards) Backup(ctx context.Context, path string) error { return copyFile(ctx, c.path, path) }

var errCardsClosed = fault.New(fault.Unavailable, "sqlite.Cards", fault.RegistryError, "The server is shutting down.")

// read runs body on a reader.
func (c *Cards) read(ctx context.Context, body func(*cardSession) error) error {
	c.mu.RLock() // Close waits for those who read
	defer c.mu.RUnlock()
	if c.closed {
		return errCardsClosed
	}
	select {
	case s := <-c.readers:
		defer func() { c.readers <- s }()
		return body(s)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Card implements storage.Cards.
func (c *Cards) Card(ctx context.Context, t access.Tenant, key string) (card []byte, err error) {
	at := c.box.place(t, key)
	err = c.read(ctx, func(s *cardSession) error {
		ok, err := s.get.bind(at.id).step()
		if !ok || err != nil {
			return err
		}
		defer s.get.reset()
		card, err = c.box.find(nil, at, s.get.bytes(0))
		return err
	})
	return card, wrap("sqlite.Card", err, onlyRead)
}

// Count implements storage.Cards.
func (c *Cards) Count(ctx context.Context) (n int64, err error) {
	err = c.read(ctx, func(s *cardSession) error {
		if _, err := s.count.step(); err != nil {
			return err
		}
		n = s.count.int(0)
		s.count.reset()
		return nil
	})
	return n, wrap("sqlite.Count", err, onlyRead)
}

// Ready implements storage.Cards.
func (c *Cards) Ready(ctx context.Context) error {
	if c.sick.last.Load() == nil {
		return c.read(ctx, func(*cardSession) error { return nil })
	}
	// Nobody may write any more while we are not ready, so try ourselves.
	return c.submit(ctx, &revision{done: make(chan error, 1), work: func(w *cardSession) (bool, error) {
		return true, w.exec("INSERT INTO meta (name, n) VALUES ('" + metaProbe + "', 1) ON CONFLICT DO UPDATE SET n = n + 1")
	}})
}

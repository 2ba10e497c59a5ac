package sqlite

import (
	"context"
	"sync/atomic"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"

	"samdok/fault"
)

const (
	// walPages: at this many pages the write-ahead log is moved into the file. A
	// longer log writes a page that changes often fewer times, and takes longer to
	// read after a crash (about 0.1 s for its 32 MiB).
	walPages = 8192
	// walKeep is the size that the log's file keeps when it starts over.
	walKeep = 2 * walPages * pageSize
)

// checkpointer moves the write-ahead log into the file beside the writer, on a
// connection of its own. Only the rest that was written meanwhile is moved
// between two transactions, so that no submission waits long and the log can
// start over.
type checkpointer struct {
	db     *DB
	c      *conn
	work   chan struct{}
	quit   chan struct{}
	ended  chan struct{}
	failed atomic.Pointer[error] // why the last try failed
}

func startCheckpointer(db *DB) (*checkpointer, error) {
	c, err := db.open()
	if err != nil {
		return nil, err
	}
	k := &checkpointer{db: db, c: c, work: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{})}
	go k.run()
	return k, nil
}

// wake is called by the writer after a commit.
func (k *checkpointer) wake(w *writer) {
	if w.walPages() >= w.db.walLimit.Load() {
		k.poke()
	}
}

func (k *checkpointer) poke() {
	select {
	case k.work <- struct{}{}:
	default: // it is at work
	}
}

func (k *checkpointer) run() {
	defer close(k.ended)
	for {
		select {
		case <-k.work:
			if err := k.once(); err != nil {
				k.failed.Store(&err) // the next commit, or Ready, tries again
			} else {
				k.failed.Store(nil)
			}
		case <-k.quit:
			return
		}
	}
}

func (k *checkpointer) once() error {
	if all, err := k.c.checkpoint(); err != nil || all {
		return err
	}
	err := k.db.writer.between(context.Background(), "sqlite.checkpoint", func() error {
		_, err := k.db.writer.checkpoint()
		return err
	})
	if fault.KindOf(err) == fault.Busy {
		return nil // the commits that wait wake us again
	}
	return err
}

func (k *checkpointer) stop() error {
	close(k.quit)
	<-k.ended
	return k.c.close()
}

// checkpoint moves what no reader stands in the way of; all when nothing is left.
func (c *conn) checkpoint() (all bool, err error) {
	out := libc.Xcalloc(c.tls, 2, 4)
	if out == 0 {
		return false, errMemory
	}
	defer libc.Xfree(c.tls, out)
	rc := sqlite3.Xsqlite3_wal_checkpoint_v2(c.tls, c.db, 0, sqlite3.SQLITE_CHECKPOINT_PASSIVE, out, out+4)
	if rc != sqlite3.SQLITE_OK {
		return false, c.err(rc)
	}
	pages := (*[2]int32)(pointer(out))
	return pages[0] == pages[1], nil
}

// watchWAL makes walPages true after each commit of this connection.
func (c *conn) watchWAL() error {
	if c.pages = libc.Xcalloc(c.tls, 1, 4); c.pages == 0 {
		return errMemory
	}
	hook := struct {
		f func(*libc.TLS, uintptr, uintptr, uintptr, int32) int32
	}{func(_ *libc.TLS, arg, _, _ uintptr, pages int32) int32 {
		*(*int32)(pointer(arg)) = pages
		return sqlite3.SQLITE_OK
	}}
	sqlite3.Xsqlite3_wal_hook(c.tls, c.db, *(*uintptr)(unsafe.Pointer(&hook)), c.pages)
	return nil
}

// walPages is the length of the write-ahead log after the last commit.
func (c *conn) walPages() int32 { return *(*int32)(pointer(c.pages)) }

package sqlite

import (
	"errors"
	"os"
	"syscall"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"

	"samdok/internal/disk"
)

// walFile stands between the writer's connection and its write-ahead log. SQLite
// writes each page with two calls and syncs also the file's times; here a commit
// is one write and one fdatasync. Nothing is published before that sync: SQLite
// tells the readers of a commit only when its xSync has returned (walFrames in
// wal.c; storagetest's power cuts watch it). All other methods are SQLite's own.
type walFile struct {
	file   disk.File // a descriptor of our own for the same file
	noSync bool      // tests forget the sync
	gathered
	methods uintptr // the table of methods that SQLite calls
	own     sqlite3.Tsqlite3_io_methods
	// SQLite's memory leads to these, where the garbage collector does not look.
	callbacks []any
}

// gathered are bytes that SQLite has written and the file has not.
type gathered struct {
	at    int64
	bytes []byte
}

// mostGathered is written at once; a longer transaction takes several writes.
const mostGathered = 1 << 20

// gatherWAL puts a walFile between the connection and its write-ahead log. The
// connection must have read the file, so that SQLite has opened its log.
func (c *conn) gatherWAL(path string) error {
	out := libc.Xcalloc(c.tls, 1, types.Size_t(unsafe.Sizeof(uintptr(0))))
	if out == 0 {
		return errMemory
	}
	defer libc.Xfree(c.tls, out)
	if rc := sqlite3.Xsqlite3_file_control(c.tls, c.db, 0, sqlite3.SQLITE_FCNTL_JOURNAL_POINTER, out); rc != sqlite3.SQLITE_OK {
		return c.err(rc)
	}
	f := (*sqlite3.Tsqlite3_file)(pointer(*(*uintptr)(pointer(out))))
	w := &walFile{own: *(*sqlite3.Tsqlite3_io_methods)(pointer(f.FpMethods))}
	var err error
	if w.file, err = (disk.OS{}).Open(path+"-wal", os.O_RDWR, 0o600); err != nil {
		return err
	}
	if w.methods = libc.Xmalloc(c.tls, types.Size_t(unsafe.Sizeof(w.own))); w.methods == 0 {
		return errors.Join(errMemory, w.file.Close())
	}
	m := w.own
	m.FxWrite = callback(w, w.write)
	m.FxSync = callback(w, w.sync)
	m.FxRead = callback(w, w.read)
	m.FxTruncate = callback(w, w.truncate)
	m.FxFileSize = callback(w, w.fileSize)
	m.FxClose = callback(w, w.closed)
	*(*sqlite3.Tsqlite3_io_methods)(pointer(w.methods)) = m
	f.FpMethods = w.methods
	c.wal = w
	return nil
}

// callback is a function as SQLite calls it.
func callback[F any](w *walFile, f F) uintptr {
	held := &struct{ f F }{f}
	w.callbacks = append(w.callbacks, held)
	return *(*uintptr)(unsafe.Pointer(held))
}

// method is a function of SQLite's as Go calls it.
func method[F any](p uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{p})) }

// release frees what is left when the connection is closed.
func (w *walFile) release(tls *libc.TLS) error {
	libc.Xfree(tls, w.methods)
	return w.file.Close()
}

func (w *walFile) write(_ *libc.TLS, _, from uintptr, n int32, at int64) int32 {
	if end := w.at + int64(len(w.bytes)); len(w.bytes) > 0 && at != end || len(w.bytes)+int(n) > mostGathered {
		if rc := w.flush(); rc != sqlite3.SQLITE_OK {
			return rc
		}
	}
	if len(w.bytes) == 0 {
		w.at = at
	}
	w.bytes = append(w.bytes, unsafe.Slice((*byte)(pointer(from)), int(n))...)
	return sqlite3.SQLITE_OK
}

// flush writes what was gathered. When that fails it is forgotten: SQLite rolls
// the transaction back and writes the next one to the same place.
func (w *walFile) flush() int32 {
	if len(w.bytes) == 0 {
		return sqlite3.SQLITE_OK
	}
	_, err := w.file.WriteAt(w.bytes, w.at)
	if w.bytes = w.bytes[:0]; cap(w.bytes) > mostGathered {
		w.bytes = nil
	}
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return sqlite3.SQLITE_FULL
	case err != nil:
		return sqlite3.SQLITE_IOERR_WRITE
	}
	return sqlite3.SQLITE_OK
}

func (w *walFile) sync(*libc.TLS, uintptr, int32) int32 {
	if rc := w.flush(); rc != sqlite3.SQLITE_OK || w.noSync {
		return rc
	}
	if err := w.file.Sync(); err != nil {
		return sqlite3.SQLITE_IOERR_FSYNC
	}
	return sqlite3.SQLITE_OK
}

func (w *walFile) read(tls *libc.TLS, f, to uintptr, n int32, at int64) int32 {
	if rc := w.flush(); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return method[func(*libc.TLS, uintptr, uintptr, int32, int64) int32](w.own.FxRead)(tls, f, to, n, at)
}

func (w *walFile) truncate(tls *libc.TLS, f uintptr, size int64) int32 {
	if rc := w.flush(); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return method[func(*libc.TLS, uintptr, int64) int32](w.own.FxTruncate)(tls, f, size)
}

func (w *walFile) fileSize(tls *libc.TLS, f, size uintptr) int32 {
	if rc := w.flush(); rc != sqlite3.SQLITE_OK {
		return rc
	}
	return method[func(*libc.TLS, uintptr, uintptr) int32](w.own.FxFileSize)(tls, f, size)
}

func (w *walFile) closed(tls *libc.TLS, f uintptr) int32 {
	rc := w.flush()
	if own := method[func(*libc.TLS, uintptr) int32](w.own.FxClose)(tls, f); own != sqlite3.SQLITE_OK {
		return own
	}
	return rc
}

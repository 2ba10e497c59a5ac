package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"unsafe"

	"modernc.org/libc"
	"modernc.org/libc/sys/types"
	sqlite3 "modernc.org/sqlite/lib"
)

// conn is one connection to the file, on SQLite's own C interface as modernc.org
// translates it. database/sql would cost more than SQLite itself here: it copies
// and boxes every value and starts a goroutine per call that has a deadline
// (BenchmarkRead and docs/performance.md). Not for concurrent use.
type conn struct {
	tls   *libc.TLS
	db    uintptr
	stmts []*stmt
	pages uintptr  // see watchWAL
	wal   *walFile // of the writer's connection only
}

// stmt is a prepared statement. Its parameters are bound by position, then step
// moves from row to row, then reset lets it be used again.
type stmt struct {
	c    *conn
	p    uintptr
	blob uintptr // memory that the blob parameter is copied to
	size int     // of blob
}

// Error is what SQLite answered.
type Error struct {
	Code int // extended result code, https://www.sqlite.org/rescode.html
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("sqlite: %s (%d)", e.Text, e.Code) }

// primary is the result code without its extension.
func (e *Error) primary() int { return e.Code & 0xff }

var errMemory = errors.New("sqlite: out of memory")

// openConn opens the file; it is made when create is true.
func openConn(path string, create bool) (*conn, error) {
	flags := int32(sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_NOMUTEX | sqlite3.SQLITE_OPEN_EXRESCODE)
	if create {
		flags |= sqlite3.SQLITE_OPEN_CREATE
	}
	c := &conn{tls: libc.NewTLS()}
	name, err := libc.CString(path)
	if err != nil {
		c.tls.Close()
		return nil, errMemory
	}
	defer libc.Xfree(c.tls, name)
	out := libc.Xcalloc(c.tls, 1, types.Size_t(unsafe.Sizeof(uintptr(0))))
	if out == 0 {
		c.tls.Close()
		return nil, errMemory
	}
	defer libc.Xfree(c.tls, out)
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, out, flags, 0)
	c.db = *(*uintptr)(pointer(out))
	if rc != sqlite3.SQLITE_OK {
		err := c.err(rc)
		c.close()
		return nil, err
	}
	sqlite3.Xsqlite3_busy_timeout(c.tls, c.db, 10_000)
	return c, nil
}

// close ends the connection and its statements.
func (c *conn) close() error {
	for _, s := range c.stmts {
		s.finalize()
	}
	c.stmts = nil
	var err error
	if rc := sqlite3.Xsqlite3_close_v2(c.tls, c.db); rc != sqlite3.SQLITE_OK {
		err = &Error{int(rc), "cannot close"}
	}
	c.db = 0
	libc.Xfree(c.tls, c.pages)
	if c.wal != nil {
		err = errors.Join(err, c.wal.release(c.tls))
	}
	c.tls.Close()
	return err
}

func (c *conn) err(rc int32) error {
	e := &Error{Code: int(rc), Text: "cannot open"}
	if c.db != 0 {
		if x := sqlite3.Xsqlite3_extended_errcode(c.tls, c.db); x&0xff == rc&0xff {
			e.Code = int(x)
			e.Text = libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))
			return e
		}
	}
	e.Text = libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))
	return e
}

// prepare makes a statement that lives as long as the connection.
func (c *conn) prepare(sql string) (*stmt, error) {
	s, _, err := c.compile(sql)
	if err == nil {
		c.stmts = append(c.stmts, s)
	}
	return s, err
}

// compile makes a statement of the first one in sql and tells what is left.
func (c *conn) compile(sql string) (*stmt, string, error) {
	text, err := libc.CString(sql)
	if err != nil {
		return nil, "", errMemory
	}
	defer libc.Xfree(c.tls, text)
	const word = unsafe.Sizeof(uintptr(0))
	out := libc.Xcalloc(c.tls, 2, types.Size_t(word))
	if out == 0 {
		return nil, "", errMemory
	}
	defer libc.Xfree(c.tls, out)
	if rc := sqlite3.Xsqlite3_prepare_v2(c.tls, c.db, text, -1, out, out+word); rc != sqlite3.SQLITE_OK {
		return nil, "", c.err(rc)
	}
	rest := *(*uintptr)(pointer(out + word))
	return &stmt{c: c, p: *(*uintptr)(pointer(out))}, sql[rest-text:], nil
}

// exec runs statements without results; rows are passed over.
func (c *conn) exec(sql string) error {
	for sql != "" {
		s, rest, err := c.compile(sql)
		if err != nil {
			return err
		}
		sql = rest
		if s.p == 0 { // blanks or a comment
			continue
		}
		err = s.run()
		s.finalize()
		if err != nil {
			return err
		}
	}
	return nil
}

// number runs a statement whose first row's first column is a number; 0 when
// there is no row.
func (c *conn) number(sql string) (int64, error) {
	s, _, err := c.compile(sql)
	if err != nil {
		return 0, err
	}
	defer s.finalize()
	ok, err := s.step()
	if !ok || err != nil {
		return 0, err
	}
	return s.int(0), nil
}

// blob runs a statement and copies its first row's first column; nil when there
// is no row.
func (c *conn) blob(sql string) ([]byte, error) {
	s, _, err := c.compile(sql)
	if err != nil {
		return nil, err
	}
	defer s.finalize()
	ok, err := s.step()
	if !ok || err != nil {
		return nil, err
	}
	return bytes.Clone(s.bytes(0)), nil
}

// text is blob for text.
func (c *conn) text(sql string) (string, error) {
	b, err := c.blob(sql)
	return string(b), err
}

// changes is how many rows the last statement wrote.
func (c *conn) changes() int { return int(sqlite3.Xsqlite3_changes(c.tls, c.db)) }

// inTransaction tells whether a transaction is open.
func (c *conn) inTransaction() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// bind sets parameters 1, 2, ... to numbers.
func (s *stmt) bind(numbers ...int64) *stmt {
	for i, n := range numbers {
		sqlite3.Xsqlite3_bind_int64(s.c.tls, s.p, int32(i+1), n)
	}
	return s
}

// bindBytes sets parameter n to a copy of b. A statement has at most one such
// parameter.
func (s *stmt) bindBytes(n int, b []byte) error {
	if len(b) > s.size || s.blob == 0 {
		size := max(len(b), 2*s.size, 1024)
		libc.Xfree(s.c.tls, s.blob)
		s.blob, s.size = libc.Xmalloc(s.c.tls, types.Size_t(size)), size
		if s.blob == 0 {
			s.size = 0
			return errMemory
		}
	}
	copy(unsafe.Slice((*byte)(pointer(s.blob)), len(b)), b)
	if rc := sqlite3.Xsqlite3_bind_blob(s.c.tls, s.p, int32(n), s.blob, int32(len(b)), sqlite3.SQLITE_STATIC); rc != sqlite3.SQLITE_OK {
		return s.c.err(rc)
	}
	return nil
}

// step moves to the next row; false after the last. At the end and after an
// error the statement is ready to be used again.
func (s *stmt) step() (bool, error) {
	switch rc := sqlite3.Xsqlite3_step(s.c.tls, s.p); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		sqlite3.Xsqlite3_reset(s.c.tls, s.p)
		return false, nil
	default:
		err := s.c.err(rc)
		sqlite3.Xsqlite3_reset(s.c.tls, s.p)
		return false, err
	}
}

// run steps to the end.
func (s *stmt) run() error {
	for {
		if more, err := s.step(); !more || err != nil {
			return err
		}
	}
}

// finalize ends a statement for ever.
func (s *stmt) finalize() {
	sqlite3.Xsqlite3_finalize(s.c.tls, s.p)
	libc.Xfree(s.c.tls, s.blob)
}

// reset ends a statement before its last row.
func (s *stmt) reset() { sqlite3.Xsqlite3_reset(s.c.tls, s.p) }

// int is a column of the row as a number.
func (s *stmt) int(column int) int64 {
	return sqlite3.Xsqlite3_column_int64(s.c.tls, s.p, int32(column))
}

// bytes is a column of the row, valid until the next step or reset.
func (s *stmt) bytes(column int) []byte {
	p := sqlite3.Xsqlite3_column_blob(s.c.tls, s.p, int32(column))
	if p == 0 {
		return nil
	}
	n := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.p, int32(column))
	return unsafe.Slice((*byte)(pointer(p)), int(n))
}

// pointer is an address that SQLite gave us. Its memory was never Go's, so the
// garbage collector neither moves nor frees it; go vet cannot know that of a
// plain conversion.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

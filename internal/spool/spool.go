package spool

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
)

// Options of a Spool. The zero value is usable.
type Options struct {
	// Memory is how many bytes stay in memory; 0 means DefaultMemory.
	Memory int
	// More is asked for further memory, as much as Memory at a time, before anything
	// goes to disk; Close gives it back. nil: there is none.
	More *Budget
	// Dir holds the temporary file; "" means os.TempDir().
	Dir string
	// Max is how many bytes fit in all; 0 means no limit. MaxName is the name of
	// the limit for the message.
	Max     int64
	MaxName string
}

// Budget is memory that many share. It is safe for concurrent use.
type Budget struct{ left atomic.Int64 }

// NewBudget makes a Budget of n octets.
func NewBudget(n int64) *Budget {
	b := &Budget{}
	b.left.Store(n)
	return b
}

// Take takes n octets if there are as many left.
func (b *Budget) Take(n int64) bool {
	if b.left.Add(-n) >= 0 {
		return true
	}
	b.left.Add(n)
	return false
}

// Give gives n octets back.
func (b *Budget) Give(n int64) { b.left.Add(n) }

// After is for one of several spools that share Memory, of which the others use
// held. Each may always keep a little, so that a small one needs no file.
func (o Options) After(held int64) Options {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	o.Memory = int(max(min(chunkSize, int64(o.Memory)), int64(o.Memory)-held))
	return o
}

// DefaultMemory is how much of one spool stays in memory.
const DefaultMemory = 1 << 20

// ErrClosed is returned by a spool that was closed.
var ErrClosed = errors.New("spool: closed")

// LimitError says that a spool's Max was passed.
type LimitError struct {
	Name string
	Max  int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("more than %d bytes, which is the limit %s", e.Max, e.Name)
}

// Spool is written first and read, once or more, afterwards. It is not safe for
// concurrent use. Close it.
type Spool struct {
	opts   Options
	pieces []*[]byte // in memory, in order; the last one is written to. Never empty.
	more   int64     // taken from opts.More
	file   *file     // what stands before pieces, which is one then
	size   int64
	done   bool
}

// New makes an empty spool.
func New(o Options) *Spool {
	if o.Memory <= 0 {
		o.Memory = DefaultMemory
	}
	return &Spool{opts: o, pieces: []*[]byte{firstPieces.Get().(*[]byte)}}
}

// Append lets add extend the spool in place: it gets a buffer and returns it with
// more bytes at its end, as append does.
func (s *Spool) Append(add func(b []byte) []byte) error {
	if s.done {
		return ErrClosed
	}
	last := s.last()
	if s.file == nil && len(*last) > 0 && cap(*last)-len(*last) < usualAppend {
		last = s.extend()
	}
	before := len(*last)
	*last = add(*last)
	return s.grown(len(*last) - before)
}

// Write adds p.
func (s *Spool) Write(p []byte) (int, error) {
	if s.done {
		return 0, ErrClosed
	}
	last := s.last()
	if s.file == nil && cap(*last)-len(*last) < len(p) {
		last = s.extend()
	}
	*last = append(*last, p...)
	if err := s.grown(len(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (s *Spool) last() *[]byte { return s.pieces[len(s.pieces)-1] }

// extend makes room: the first piece becomes a large one, so that most answers leave
// in one write; then there are more.
func (s *Spool) extend() *[]byte {
	more := morePieces.Get().(*[]byte)
	if first := s.last(); cap(*first) == firstSize {
		*more = append(*more, *first...)
		freePiece(first)
		s.pieces[len(s.pieces)-1] = more
		return more
	}
	s.pieces = append(s.pieces, more)
	return more
}

func (s *Spool) grown(n int) error {
	s.size += int64(n)
	if s.opts.Max > 0 && s.size > s.opts.Max {
		return &LimitError{s.opts.MaxName, s.opts.Max}
	}
	if s.file != nil {
		return s.seal()
	}
	if s.roomFor(s.size) {
		return nil
	}
	f, err := newFile(s.opts.Dir)
	if err != nil {
		return err
	}
	s.file = f
	return s.moveOut()
}

// moveOut seals what is in memory, but for less than a chunk, and gives back what it
// took of the shared memory.
func (s *Spool) moveOut() error {
	moved := s.pieces
	s.pieces = []*[]byte{morePieces.Get().(*[]byte)}
	for i, p := range moved {
		last := s.last()
		*last = append(*last, *p...)
		freePiece(p)
		if err := s.seal(); err != nil {
			for _, p := range moved[i+1:] {
				freePiece(p)
			}
			return err
		}
	}
	s.giveBack()
	return nil
}

// seal takes whole chunks out of memory.
func (s *Spool) seal() error {
	last := s.last()
	rest, err := s.file.seal(*last)
	if err != nil {
		return err
	}
	*last = append((*last)[:0], rest...)
	return nil
}

// roomFor tells whether n bytes may be in memory.
func (s *Spool) roomFor(n int64) bool {
	step := int64(s.opts.Memory)
	for n > step+s.more {
		if s.opts.More == nil || !s.opts.More.Take(step) {
			return false
		}
		s.more += step
	}
	return true
}

func (s *Spool) giveBack() {
	if s.more > 0 {
		s.opts.More.Give(s.more)
		s.more = 0
	}
}

// Size is the number of bytes written.
func (s *Spool) Size() int64 { return s.size }

// WriteTo writes everything to w. It may be called again.
func (s *Spool) WriteTo(w io.Writer) (int64, error) {
	if s.done {
		return 0, ErrClosed
	}
	var n int64
	if s.file != nil {
		m, err := s.file.writeTo(w)
		n += m
		if err != nil {
			return n, err
		}
	}
	for _, p := range s.pieces {
		m, err := w.Write(*p)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// Reader reads everything from the start. Several readers may be used one after
// another.
func (s *Spool) Reader() io.Reader {
	if s.done {
		return errReader{ErrClosed}
	}
	return &reader{s: s}
}

// Close forgets the bytes, in memory and on disk. It may be called twice.
func (s *Spool) Close() error {
	if s.done {
		return nil
	}
	s.done = true
	s.giveBack()
	for _, p := range s.pieces {
		freePiece(p)
	}
	s.pieces = nil
	if s.file != nil {
		return s.file.close()
	}
	return nil
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

// reader walks the sealed chunks, then the memory.
type reader struct {
	s     *Spool
	chunk int64
	piece int
	buf   []byte // opened, not yet read
	keep  []byte
}

func (r *reader) Read(p []byte) (int, error) {
	if r.s.done {
		return 0, ErrClosed
	}
	for len(r.buf) == 0 {
		switch {
		case r.s.file != nil && r.chunk < r.s.file.chunks:
			b, err := r.s.file.open(r.keep[:0], r.chunk)
			if err != nil {
				return 0, err
			}
			r.buf, r.keep = b, b
			r.chunk++
		case r.piece < len(r.s.pieces):
			r.buf = *r.s.pieces[r.piece]
			r.piece++
		default:
			return 0, io.EOF
		}
	}
	n := copy(p, r.buf)
	r.buf = r.buf[n:]
	return n, nil
}

package xmlscan

import (
	"fmt"
	"io"
)

// Divert names an element whose character data is not kept: a document that a
// sender left inside the envelope as base64, instead of attaching it.
type Divert struct {
	NS    NS
	Local string
}

// feedSize is how much is asked of the reader at a time, in octets.
const feedSize = 32 << 10

// source is where a scanner gets its input from while it runs.
type source struct {
	r      io.Reader
	divert Divert
	store  []byte // the input so far, without the character data taken out
	inside int    // Depth of the open element that is diverted; 0: none
	taken  bool   // the event is character data to be taken out
	gone   gone
}

// NewReader makes a scanner that reads its input as it goes. It keeps all of it, as
// New does and unless Forget is called, except the character data of the diverted element (and of what is
// inside that): this comes as Text events of at most some 32 KiB each, cut anywhere
// between two characters, and is then forgotten. So memory is bounded by
// Limits.Size however large such an element is; Limits.Text does not apply to it,
// but to each CDATA section in it. An error of the reader other than io.EOF comes
// back wrapped from Next.
//
// Use New for an input that is small and in memory: it is faster.
func NewReader(r io.Reader, l Limits, d Divert) *Scanner {
	s := &Scanner{}
	s.ResetReader(r, l, d)
	return s
}

// ResetReader begins anew, as NewReader does, and keeps the buffers.
func (s *Scanner) ResetReader(r io.Reader, l Limits, d Divert) {
	var store []byte
	if s.src != nil {
		store = s.src.store[:0]
	}
	s.Reset(nil, l)
	s.feeding = true
	s.src = &source{r: r, divert: d, store: store}
}

// nextFed is Next for a scanner that reads as it goes.
func (s *Scanner) nextFed() (Kind, error) {
	if s.err != nil {
		return EOF, s.err
	}
	s.takeOut()
	for {
		k, err := s.next()
		if err == error(errMore) {
			if err := s.fill(); err != nil {
				return EOF, err
			}
			continue
		}
		if err != nil {
			return EOF, err
		}
		if err := s.follow(k); err != nil {
			return EOF, err
		}
		return k, nil
	}
}

// follow keeps track of the diverted element and of the size.
func (s *Scanner) follow(k Kind) error {
	src := s.src
	switch {
	case k == Start && src.inside == 0 && s.Is(src.divert.NS, src.divert.Local):
		src.inside = len(s.stack)
		s.foreign++
	case k == End && len(s.stack) < src.inside:
		src.inside = 0
	case k == Text && src.inside > 0:
		src.taken = true
		return nil
	}
	if s.used() > s.lim.Size {
		return s.failLimit(s.at, "size", s.lim.Size)
	}
	return nil
}

// takeOut removes the last event's character data from the input.
func (s *Scanner) takeOut() {
	src := s.src
	if !src.taken {
		return
	}
	src.taken = false
	n := s.p - s.at
	src.store = append(src.store[:s.at], src.store[s.p:]...)
	s.p = s.at
	s.checked -= n
	s.use()
}

// use makes what is stored the scanner's input.
func (s *Scanner) use() {
	n := len(s.src.store)
	s.b = s.src.store[:n:n]
	s.forget()
}

// fill reads on: enough to make progress, and as much again as lies unread, so that
// reading one long piece of markup takes a time in proportion to its length.
func (s *Scanner) fill() error {
	src := s.src
	want := max(1, len(s.b)-s.p)
	if s.used()+want > s.lim.Size+feedSize {
		return s.failLimit(s.p, "size", s.lim.Size)
	}
	room := max(want, feedSize)
	if free := cap(src.store) - len(src.store); free < room {
		grown := make([]byte, len(src.store), 2*len(src.store)+room)
		copy(grown, src.store)
		src.store = grown
	}
	err := src.read(want, room)
	s.use()
	if err == io.EOF {
		s.feeding = false
		return nil
	}
	if err != nil {
		s.err = fmt.Errorf("xmlscan: %w", err)
		return s.err
	}
	return nil
}

// read appends at least want and at most room octets; io.EOF alone means that the
// input is whole.
func (src *source) read(want, room int) error {
	for n, empty := 0, 0; n < want; {
		end := len(src.store)
		m, err := src.r.Read(src.store[end : end+room-n])
		src.store = src.store[:end+m]
		n += m
		if err != nil {
			return err
		}
		if m > 0 {
			empty = 0
		} else if empty++; empty == 100 {
			return io.ErrNoProgress
		}
	}
	return nil
}

// piece cuts character data of the diverted element where it can be cut: not inside
// a character, a reference, a line end or what could be "]]>".
func (s *Scanner) piece(from, end int) int {
	end = min(end, s.checked)
	b := s.b
	for i := end - 1; i >= from && i >= end-16; i-- {
		if b[i] == ';' {
			break
		}
		if b[i] == '&' {
			end = i
			break
		}
	}
	for end > from && (b[end-1] == '\r' || b[end-1] == ']') {
		end--
	}
	return end
}

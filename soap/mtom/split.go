package mtom

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// splitter cuts a multipart body at its boundary (RFC 2046 5.1.1). The standard
// library's reader has no limit for header lines, reads 4 KiB at a time and does
// not tell a closed message from one that ends inside a header.
type splitter struct {
	br      *bufio.Reader
	dash    []byte // --boundary
	nlDash  []byte // CRLF --boundary
	limits  *Limits
	content bool // inside a part
	fresh   bool // nothing of the part's content has been seen
	ready   int  // buffered bytes known to be content
	closed  bool // the closing boundary has been seen
	err     error
}

func newSplitter(br *bufio.Reader, boundary string, limits *Limits) *splitter {
	nl := append([]byte("\r\n--"), boundary...)
	return &splitter{br: br, nlDash: nl, dash: nl[2:], limits: limits}
}

// header holds the header lines that matter.
type header struct{ id, mediaType, encoding string }

var (
	errHeaders = errors.New("header lines over their limit")
	errLine    = errors.New("malformed header line")
	errCut     = errors.New("no closing boundary")
)

// first skips the preamble and the first boundary line.
func (s *splitter) first() error {
	for left := s.limits.HeaderBytes; ; {
		line, err := s.line(&left)
		if err != nil && len(line) == 0 {
			return err
		}
		if rest, ok := bytes.CutPrefix(line, s.dash); ok {
			if blankLine(rest) {
				if !bytes.HasSuffix(rest, []byte("\r\n")) { // a sender of bare line feeds
					s.nlDash = s.nlDash[1:]
				}
				return nil
			}
			if rest, ok := bytes.CutPrefix(rest, []byte("--")); ok && blankLine(rest) {
				s.closed = true
				return io.EOF
			}
		}
		if err != nil {
			return err
		}
	}
}

// line reads to the next line feed. The error is errCut at the end of input; the
// line may then still hold something.
func (s *splitter) line(left *int) ([]byte, error) {
	line, err := s.br.ReadSlice('\n')
	if *left -= len(line); *left < 0 || errors.Is(err, bufio.ErrBufferFull) {
		return nil, errHeaders
	}
	if errors.Is(err, io.EOF) {
		err = errCut
	}
	return line, err
}

// blankLine accepts blanks and a line end after a boundary, or nothing at all when
// the message ends there.
func blankLine(b []byte) bool {
	switch string(bytes.TrimLeft(b, " \t")) {
	case "", "\n", "\r\n":
		return true
	}
	return false
}

// next moves to the next part and reads its header lines. io.EOF after the
// closing boundary. The part before must have been read to its end.
func (s *splitter) next() (header, error) {
	if s.err == nil {
		s.err = s.boundary()
	}
	if s.err != nil {
		return header{}, s.err
	}
	h, err := s.headers()
	if err != nil {
		s.err = err
		return header{}, err
	}
	s.content, s.fresh, s.ready = true, true, 0
	return h, nil
}

// boundary reads the boundary line that stands before a part.
func (s *splitter) boundary() error {
	if !s.content { // before the first part
		return s.first()
	}
	left := s.limits.HeaderBytes
	line, err := s.line(&left)
	if err != nil && len(line) == 0 {
		return err
	}
	if len(bytes.TrimRight(line, "\r\n")) == 0 { // the line end that belongs to the delimiter
		if line, err = s.line(&left); err != nil && len(line) == 0 {
			return err
		}
	}
	rest := bytes.TrimPrefix(line, s.dash)
	if rest, ok := bytes.CutPrefix(rest, []byte("--")); ok && blankLine(rest) {
		s.closed = true
		return io.EOF
	}
	if err != nil {
		return err
	}
	if !blankLine(rest) {
		return errLine
	}
	return nil
}

func (s *splitter) headers() (h header, err error) {
	var last *string
	for left := s.limits.HeaderBytes; ; {
		line, err := s.line(&left)
		if err != nil {
			return h, err
		}
		text := bytes.TrimRight(line, "\r\n")
		if len(text) == 0 {
			return h, nil
		}
		if text[0] == ' ' || text[0] == '\t' {
			if last != nil {
				*last += " " + string(bytes.TrimSpace(text))
			}
			continue
		}
		name, value, ok := bytes.Cut(text, []byte(":"))
		if !ok || len(name) == 0 {
			return h, errLine
		}
		if last = h.field(string(name)); last != nil {
			*last = string(bytes.TrimSpace(value))
		}
	}
}

func (h *header) field(name string) *string {
	switch {
	case strings.EqualFold(name, "Content-ID"):
		return &h.id
	case strings.EqualFold(name, "Content-Type"):
		return &h.mediaType
	case strings.EqualFold(name, "Content-Transfer-Encoding"):
		return &h.encoding
	}
	return nil
}

// Read reads content of the current part; io.EOF at its boundary.
func (s *splitter) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for s.ready == 0 {
		if s.err != nil {
			return 0, s.err
		}
		end, err := s.look()
		if end {
			return 0, io.EOF
		}
		if err != nil {
			s.err = err
			return 0, err
		}
	}
	n := min(len(p), s.ready)
	n, err := s.br.Read(p[:n]) // buffered: never short of what is ready, never an error
	s.ready -= n
	return n, err
}

// look finds out how many of the buffered bytes are content, and reads more when
// that cannot be said yet. end is true at the boundary.
func (s *splitter) look() (end bool, err error) {
	buf, _ := s.br.Peek(s.br.Buffered())
	if s.fresh && len(buf) > 0 { // an empty part: the boundary follows its header lines at once
		switch at(buf, s.dash) {
		case yes:
			return true, nil
		case maybe:
			return false, s.more(len(buf))
		}
		s.fresh = false
	}
	i := bytes.Index(buf, s.nlDash)
	if i < 0 {
		i = len(buf) - tail(buf, s.nlDash)
	}
	if i > 0 {
		s.ready = i
		return false, nil
	}
	switch at(buf, s.nlDash) {
	case yes:
		return true, nil
	case no:
		s.ready = min(len(buf), len(s.nlDash))
		if s.ready > 0 {
			return false, nil
		}
	}
	return false, s.more(len(buf))
}

func (s *splitter) more(have int) error {
	if _, err := s.br.Peek(have + 1); err != nil {
		if errors.Is(err, io.EOF) {
			return errCut
		}
		return err
	}
	return nil
}

type answer uint8

const (
	no answer = iota
	yes
	maybe
)

// at tells whether b starts with the delimiter. What follows a delimiter is a
// blank, a line end or two dashes; anything else is content that looks like it.
func at(b, delimiter []byte) answer {
	if len(b) <= len(delimiter) {
		if bytes.HasPrefix(delimiter, b) {
			return maybe
		}
		return no
	}
	if !bytes.HasPrefix(b, delimiter) {
		return no
	}
	switch b[len(delimiter)] {
	case ' ', '\t', '\r', '\n':
		return yes
	case '-':
		if len(b) == len(delimiter)+1 {
			return maybe
		}
		if b[len(delimiter)+1] == '-' {
			return yes
		}
	}
	return no
}

// tail is the length of the longest end of b that starts the delimiter.
func tail(b, delimiter []byte) int {
	from := max(0, len(b)-len(delimiter)+1)
	for i := from; i < len(b); i++ {
		j := bytes.IndexByte(b[i:], delimiter[0])
		if j < 0 {
			return 0
		}
		if i += j; bytes.HasPrefix(delimiter, b[i:]) {
			return len(b) - i
		}
	}
	return 0
}

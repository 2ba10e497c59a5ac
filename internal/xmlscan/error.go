package xmlscan

import (
	"bytes"
	"strconv"
)

// Error says why an input was refused and where. Its text never quotes the
// input's values, so it may be logged and shown; element names it may name.
type Error struct {
	Offset int    // octets before the place
	Line   int    // from 1
	Column int    // from 1, in octets
	Reason string // plain words
	// Limit is the name of the limit that was passed ("depth", "attributes",
	// "text", "elements", "namespaces", "size"); "" when the XML is malformed.
	Limit string
	// Incomplete: the input ended too early.
	Incomplete bool
}

func (e *Error) Error() string {
	b := append(make([]byte, 0, 96), "XML line "...)
	b = strconv.AppendInt(b, int64(e.Line), 10)
	b = append(b, ", column "...)
	b = strconv.AppendInt(b, int64(e.Column), 10)
	b = append(b, ": "...)
	return string(append(b, e.Reason...))
}

// fail makes the scanner stay in the error.
func (s *Scanner) fail(at int, reason string) *Error {
	e := &Error{Reason: reason}
	e.Offset, e.Line, e.Column = s.place(min(at, len(s.b)))
	s.err = e
	return e
}

// place says where an octet stands in the input.
func (s *Scanner) place(at int) (offset, line, column int) {
	before := s.b[:at]
	last := bytes.LastIndexByte(before, '\n')
	offset, line, column = at, 1+bytes.Count(before, []byte{'\n'}), at-last
	if s.src == nil || s.src.gone.octets == 0 {
		return offset, line, column
	}
	g := &s.src.gone
	if last < g.at {
		column = g.column + at - g.at
	}
	return offset + g.octets, line + g.lines, column
}

func (s *Scanner) failLimit(at int, name string, limit int) *Error {
	e := s.fail(at, "the limit "+setting(name)+" of "+strconv.Itoa(limit)+" is passed")
	e.Limit = name
	return e
}

// setting is the name under which people can change a limit; those that have none
// say so.
func setting(name string) string {
	switch name {
	case "depth", "attributes":
		return "limits." + name
	case "text":
		return "limits.value-bytes"
	case "size":
		return "limits.root-bytes"
	}
	return "xml." + name + " (fixed)"
}

// failEnd reports that the input ends inside something. A scanner that is being
// fed (Divert) makes no error of it but asks for more.
func (s *Scanner) failEnd(what string) *Error {
	if s.feeding {
		return errMore
	}
	e := s.fail(len(s.b), "the input ends inside "+what)
	e.Incomplete = true
	return e
}

// errMore is never seen outside this package.
var errMore = &Error{Reason: "more input needed", Incomplete: true}

// shown is a name for an error text, cut to a bearable length.
func shown(name []byte) string {
	if len(name) > 64 {
		return string(name[:64]) + "..."
	}
	return string(name)
}

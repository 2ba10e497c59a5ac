package hl7v2

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Limits bound one message. A zero field means its default.
type Limits struct {
	Bytes    int // default 1 MiB
	Segments int // default 1000
	Repeats  int // of one field that is read; default 100
}

func (l Limits) withDefaults() Limits {
	def := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	def(&l.Bytes, 1<<20)
	def(&l.Segments, 1000)
	def(&l.Repeats, 100)
	return l
}

// delimiters are the encoding characters of one message (HL7 v2.5 2.5.4).
type delimiters struct{ field, component, repeat, escape, sub byte }

// Message is a message in pieces. Its header is read; other fields are taken out
// by need. Values are UTF-8.
type Message struct {
	Header
	d        delimiters
	segments []string // without their terminators; the first is MSH
	limits   Limits
}

// Header is what MSH says. Strings are as they stand, without escapes.
type Header struct {
	SendingApplication, SendingFacility     HD
	ReceivingApplication, ReceivingFacility HD
	Type, Trigger                           string // "ADT", "A01"
	ControlID                               string // MSH-10
	Processing                              string // P, T or D
	Version                                 string // "2.3.1"
	Charset                                 string // MSH-18 as sent
}

// HD is a hierarchic designator: who assigned an id, or an application.
type HD struct{ Namespace, Universal, Type string }

// maxControlID is HL7's length for MSH-10 in its latest versions; older ones have 20.
const maxControlID = 199

// TooLong is the error of a message that passes Limits.Bytes.
func TooLong(l Limits) *Error {
	return reject(ApplicationFailed, "", 0, fmt.Sprintf("the message is longer than the limit mllp.message-bytes of %d octets", l.withDefaults().Bytes))
}

// Parse reads a message without its transport's framing. The Message is not nil
// when its header could be read, also with an error, so that the error can be
// answered to its sender. Errors are *Error.
func Parse(b []byte, l Limits) (*Message, error) {
	l = l.withDefaults()
	if len(b) > l.Bytes {
		return nil, TooLong(l)
	}
	b = bytes.TrimRight(b, "\r\n")
	if !bytes.HasPrefix(b, []byte("MSH")) {
		return nil, reject(SegmentSequence, "MSH", 0, "the message does not begin with an MSH segment")
	}
	m := &Message{limits: l}
	if err := m.encodingCharacters(b); err != nil {
		return nil, err
	}
	first, _, _ := bytes.Cut(b, []byte{'\r'})
	first, _, _ = bytes.Cut(first, []byte{'\n'})
	m.segments = []string{fromLatin1(first)} // as good as it gets, until MSH-18 is known
	m.Charset = m.value(0, 18, 1)
	cs, ok := charsetOf(m.Charset)
	if !ok {
		m.readHeader()
		return m, reject(TableValue, "MSH", 18, "the character set is not supported; send UNICODE UTF-8, 8859/1 or ASCII")
	}
	text, err := decode(b, cs)
	if err != nil {
		m.readHeader()
		return m, err
	}
	if err := m.split(text); err != nil {
		m.readHeader()
		return m, err
	}
	m.readHeader()
	return m, m.check()
}

// encodingCharacters reads MSH-1 and MSH-2.
func (m *Message) encodingCharacters(b []byte) error {
	bad := reject(DataType, "MSH", 2, `the encoding characters cannot be used; the usual ones are |^~\&`)
	if len(b) < 9 {
		return bad
	}
	m.d = delimiters{b[3], b[4], b[5], b[6], b[7]}
	if b[8] != m.d.field && (len(b) < 10 || b[9] != m.d.field) { // HL7 v2.7 has a fifth, for truncation
		return bad
	}
	all := b[3:8]
	for i, c := range all {
		if c <= ' ' || c >= 0x7f || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || bytes.IndexByte(all[:i], c) >= 0 {
			return bad
		}
	}
	return nil
}

// split cuts a message into segments: CR ends one (HL7 v2.5 2.5.2); LF and CR LF,
// which many send, are taken for it.
func (m *Message) split(text string) error {
	m.segments = m.segments[:0]
	for len(text) > 0 {
		n := strings.IndexAny(text, "\r\n")
		line := text
		if n >= 0 {
			line, text = text[:n], text[n+1:]
		} else {
			text = ""
		}
		if line == "" {
			continue
		}
		if len(m.segments) == m.limits.Segments {
			return reject(SegmentSequence, "", 0, fmt.Sprintf("the message has more than %d segments", m.limits.Segments))
		}
		m.segments = append(m.segments, line)
		if len(m.segments) > 1 && !m.named(line) {
			return refuse(SegmentSequence, "", 0, fmt.Sprintf("segment %d does not begin with a segment's name and a field separator", len(m.segments)))
		}
	}
	return nil
}

// named tells whether a line begins like a segment: three capitals or digits, then
// a separator or nothing.
func (m *Message) named(line string) bool {
	if len(line) < 3 || len(line) > 3 && line[3] != m.d.field {
		return false
	}
	for i := range 3 {
		if c := line[i]; (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

func (m *Message) readHeader() {
	m.SendingApplication, m.SendingFacility = m.designator(0, 3), m.designator(0, 4)
	m.ReceivingApplication, m.ReceivingFacility = m.designator(0, 5), m.designator(0, 6)
	m.Type, m.Trigger = m.value(0, 9, 1), m.value(0, 9, 2)
	m.ControlID, m.Processing, m.Version = m.value(0, 10, 1), m.value(0, 11, 1), m.value(0, 12, 1)
}

// check holds what every message must have (HL7 v2.5 2.9.2).
func (m *Message) check() error {
	switch {
	case m.ControlID == "":
		return reject(RequiredField, "MSH", 10, "the message control id is missing: the acknowledgement must refer to it")
	case len(m.ControlID) > maxControlID:
		m.ControlID = strings.ToValidUTF8(m.ControlID[:maxControlID], "")
		return reject(DataType, "MSH", 10, fmt.Sprintf("the message control id is longer than %d characters", maxControlID))
	case m.Type == "":
		return reject(RequiredField, "MSH", 9, "the message type is missing")
	case !strings.HasPrefix(m.Version, "2."):
		return reject(UnsupportedLevel, "MSH", 12, "only versions 2.x of HL7 are understood; ITI-8 is 2.3.1")
	case m.Processing != "" && m.Processing != "P" && m.Processing != "T" && m.Processing != "D":
		return reject(UnsupportedMode, "MSH", 11, "the processing id is none of P, T and D")
	}
	return nil
}

// field is a field as it stands, with its delimiters. MSH-1 is the separator itself.
func (m *Message) field(segment, n int) string {
	s := m.segments[segment]
	if s[:3] == "MSH" {
		if n == 1 {
			return string(m.d.field)
		}
		n--
	}
	return part(s, m.d.field, n+1)
}

// value is a component of a field's first repetition, without escapes.
func (m *Message) value(segment, field, component int) string {
	return m.plain(part(part(m.field(segment, field), m.d.repeat, 1), m.d.component, component))
}

func (m *Message) designator(segment, field int) HD {
	first := part(m.field(segment, field), m.d.repeat, 1)
	c := m.d.component
	return HD{m.plain(part(first, c, 1)), m.plain(part(first, c, 2)), m.plain(part(first, c, 3))}
}

// plain is the first subcomponent without escapes.
func (m *Message) plain(s string) string { return m.unescape(part(s, m.d.sub, 1)) }

// part is the n-th (from 1) piece of s between separators; "" when there is none.
func part(s string, sep byte, n int) string {
	for ; n > 1; n-- {
		i := strings.IndexByte(s, sep)
		if i < 0 {
			return ""
		}
		s = s[i+1:]
	}
	if i := strings.IndexByte(s, sep); i >= 0 {
		s = s[:i]
	}
	return s
}

// unescape resolves escape sequences (HL7 v2.5 2.7). Highlighting is dropped; an
// unknown sequence stays as it is.
func (m *Message) unescape(s string) string {
	esc := m.d.escape
	if strings.IndexByte(s, esc) < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		n := -1
		if s[i] == esc {
			n = strings.IndexByte(s[i+1:], esc)
		}
		if n < 0 {
			b = append(b, s[i])
			i++
			continue
		}
		var ok bool
		if b, ok = m.sequence(b, s[i+1:i+1+n]); !ok {
			b = append(b, s[i])
			i++
			continue
		}
		i += n + 2
	}
	return strings.ToValidUTF8(string(b), string(utf8.RuneError))
}

func (m *Message) sequence(b []byte, s string) ([]byte, bool) {
	switch s {
	case "F":
		return append(b, m.d.field), true
	case "S":
		return append(b, m.d.component), true
	case "T":
		return append(b, m.d.sub), true
	case "R":
		return append(b, m.d.repeat), true
	case "E":
		return append(b, m.d.escape), true
	case "H", "N":
		return b, true
	case ".br":
		return append(b, '\n'), true
	}
	if len(s) < 3 || len(s)%2 == 0 || s[0] != 'X' {
		return b, false
	}
	decoded := make([]byte, 0, len(s)/2)
	for i := 1; i < len(s); i += 2 {
		high, low := hexDigit(s[i]), hexDigit(s[i+1])
		if high < 0 || low < 0 {
			return b, false
		}
		decoded = append(decoded, byte(high<<4|low))
	}
	return append(b, decoded...), true
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}

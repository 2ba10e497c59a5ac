package xmlscan

import (
	"bytes"
	"unicode/utf8"
)

type valueKind uint8

const (
	charData  valueKind = iota // references, line ends to \n
	cdata                      // line ends only
	attrValue                  // references, each blank to a space
)

// appendDecoded appends the meaning of raw, whose references have been checked.
func appendDecoded(dst, raw []byte, kind valueKind) []byte {
	if kind == charData && bytes.IndexByte(raw, '\r') < 0 { // as in nearly all ids of HL7
		return appendResolved(dst, raw)
	}
	for i := 0; i < len(raw); {
		c := raw[i]
		switch {
		case c == '&' && kind != cdata:
			r, n, _ := reference(raw[i:])
			dst = utf8.AppendRune(dst, r)
			i += n
			continue
		case c == '\r':
			if i+1 < len(raw) && raw[i+1] == '\n' {
				i++
			}
			c = '\n'
			fallthrough
		case c == '\n' || c == '\t':
			if kind == attrValue {
				c = ' '
			}
		}
		dst = append(dst, c)
		i++
	}
	return dst
}

// appendResolved is appendDecoded of text with references and without line ends.
func appendResolved(dst, raw []byte) []byte {
	for {
		at := bytes.IndexByte(raw, '&')
		if at < 0 {
			return append(dst, raw...)
		}
		dst = append(dst, raw[:at]...)
		r, n, _ := reference(raw[at:])
		dst = utf8.AppendRune(dst, r)
		raw = raw[at+n:]
	}
}

// reference reads the entity or character reference at the beginning of b and
// tells its length in octets; reason is "" when it is right.
func reference(b []byte) (r rune, n int, reason string) {
	end := bytes.IndexByte(b[:min(len(b), 16)], ';')
	if end < 2 {
		return 0, 0, "an ampersand that begins no reference (write &amp;)"
	}
	name, n := b[1:end], end+1
	if name[0] == '#' {
		r, ok := charReference(name[1:])
		if !ok {
			return 0, n, "a reference to a character that XML does not allow"
		}
		return r, n, ""
	}
	switch string(name) {
	case "amp":
		return '&', n, ""
	case "lt":
		return '<', n, ""
	case "gt":
		return '>', n, ""
	case "quot":
		return '"', n, ""
	case "apos":
		return '\'', n, ""
	}
	return 0, n, "an entity that is none of amp, lt, gt, quot, apos"
}

func charReference(digits []byte) (rune, bool) {
	base := rune(10)
	if len(digits) > 0 && digits[0] == 'x' {
		base, digits = 16, digits[1:]
	}
	if len(digits) == 0 {
		return 0, false
	}
	var r rune
	for _, c := range digits {
		var d rune
		switch {
		case '0' <= c && c <= '9':
			d = rune(c - '0')
		case base == 16 && 'a' <= c && c <= 'f':
			d = rune(c-'a') + 10
		case base == 16 && 'A' <= c && c <= 'F':
			d = rune(c-'A') + 10
		default:
			return 0, false
		}
		if r = r*base + d; r > utf8.MaxRune {
			return 0, false
		}
	}
	return r, validRune(r)
}

// checkValue checks an attribute value; plain tells that it means what it says.
func (s *Scanner) checkValue(from, to int) (plain bool, err *Error) {
	if to-from > s.lim.Text {
		return false, s.failLimit(from, "text", s.lim.Text)
	}
	plain = true
	if s.amp.within(s.b, '&', from, to) {
		plain = false
		if err := s.checkReferences(from, to); err != nil {
			return false, err
		}
	}
	if plain && (s.nl.within(s.b, '\n', from, to) || s.tab.within(s.b, '\t', from, to) || s.cr.within(s.b, '\r', from, to)) {
		plain = false
	}
	return plain, nil
}

func (s *Scanner) checkReferences(from, to int) *Error {
	for i := from; i < to; {
		n := bytes.IndexByte(s.b[i:to], '&')
		if n < 0 {
			return nil
		}
		i += n
		_, n, reason := reference(s.b[i:to])
		if reason != "" {
			return s.fail(i, reason)
		}
		i += n
	}
	return nil
}

// finder remembers the next place of one octet, so that asking of many short
// stretches whether they hold it costs one pass over the input in all. A stretch may lie
// before the one asked of last: what was tried in vain is read again from its beginning.
type finder struct{ from, at int } // at is the first place from from on

func (f *finder) within(b []byte, c byte, from, to int) bool {
	if f.at < from {
		f.from, f.at = from, find(b, c, from)
	} else if from < f.from {
		if n := bytes.IndexByte(b[from:f.from], c); n >= 0 {
			f.at = from + n
		}
		f.from = from
	}
	return f.at < to
}

func find(b []byte, c byte, from int) int {
	if n := bytes.IndexByte(b[from:], c); n >= 0 {
		return from + n
	}
	return len(b)
}

package xmlscan

import (
	"math/bits"
	"unicode/utf8"
)

// What must not stand as it is in text and in an attribute value.
const (
	escText = 1 << iota
	escAttr
)

var escape = func() (t [256]uint8) {
	for c := range t {
		if c < ' ' || c >= utf8.RuneSelf {
			t[c] = escText | escAttr
		}
	}
	t['\t'], t['\n'] = escAttr, escAttr
	t['&'], t['<'], t['>'] = escText|escAttr, escText|escAttr, escText|escAttr
	t['"'] = escAttr
	return t
}()

// AppendText appends s as character data. What XML cannot hold becomes U+FFFD.
func AppendText(b []byte, s string) []byte { return appendEscaped(b, s, escText) }

// AppendAttr appends s as the inside of an attribute value in double quotes. What
// XML cannot hold becomes U+FFFD.
func AppendAttr(b []byte, s string) []byte { return appendEscaped(b, s, escAttr) }

func appendEscaped(b []byte, s string, where uint8) []byte {
	from := 0
	for i := odd(s, 0); i < len(s); {
		c := s[i]
		switch {
		case escape[c] == 0:
			i = odd(s, i)
			continue
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 || r == 0xFFFE || r == 0xFFFF {
				b = append(append(b, s[from:i]...), "\uFFFD"...)
				from = i + size
			}
			i += size
			continue
		case escape[c]&where != 0:
			b = append(append(b, s[from:i]...), entity(c)...)
			from = i + 1
		}
		i++
	}
	return append(b, s[from:]...)
}

// odd is the first place from i on of an octet that may have to be written otherwise, or
// the end of s.
func odd(s string, i int) int {
	for ; i+8 <= len(s); i += 8 {
		if m := marks(eight(s[i : i+8])); m != 0 {
			return i + bits.TrailingZeros64(m)/8
		}
	}
	if left := len(s) - i; left > 0 && len(s) >= 8 { // what is shifted in is odd
		return i + bits.TrailingZeros64(marks(eight(s[len(s)-8:])>>(64-8*left)))/8
	}
	for i < len(s) && escape[s[i]] == 0 {
		i++
	}
	return i
}

// eight are the first octets of s as a number, the first one lowest.
func eight(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 | uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// marks looks at eight octets at a time: the lowest mark is in the lowest octet that may
// have to be written otherwise. An octet equals another if their difference is zero, and
// taking one from each octet of a number borrows from the highest bit of those that are
// zero; octets above a marked one may be marked without need.
func marks(x uint64) uint64 {
	const each = 0x0101010101010101
	amp, less, more, quote := x^each*'&', x^each*'<', x^each*'>', x^each*'"'
	zero := (amp-each)&^amp | (less-each)&^less | (more-each)&^more | (quote-each)&^quote
	return (x | zero | ^(x + ctlBias)) & hiBits
}

func entity(c byte) string {
	switch c {
	case '&':
		return "&amp;"
	case '<':
		return "&lt;"
	case '>':
		return "&gt;"
	case '"':
		return "&quot;"
	case '\t':
		return "&#9;"
	case '\n':
		return "&#10;"
	case '\r':
		return "&#13;"
	}
	return "\uFFFD"
}

package xmlscan

import (
	"encoding/binary"
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
	start := len(b)
	b = append(b, s...)
	plain := plainPrefix(b[start:])
	if plain == len(s) {
		return b
	}
	b = b[:start+plain]
	s = s[plain:]
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if escape[c]&where == 0 {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if (r == utf8.RuneError && size == 1) || r == 0xFFFE || r == 0xFFFF {
				b = append(append(b, s[from:i]...), "\uFFFD"...)
				from = i + size
			}
			i += size
			continue
		}
		b = append(b, s[from:i]...)
		b = append(b, entity(c)...)
		i++
		from = i
	}
	return append(b, s[from:]...)
}

// plainPrefix is how much of b, in eights and to the end, holds nothing but ASCII that
// means itself in text and in attributes.
func plainPrefix(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if !plainEight(binary.LittleEndian.Uint64(b[i:])) {
			return i
		}
	}
	for j := i; j < len(b); j++ {
		if escape[b[j]] != 0 {
			return i
		}
	}
	return len(b)
}

// plainEight looks at eight octets at a time. An octet equals another if their
// difference is zero, and taking one from each octet of a number borrows from the
// highest bit of those that are zero; it may say no of octets that are plain.
func plainEight(x uint64) bool {
	const each = 0x0101010101010101
	amp, less, more, quote := x^each*'&', x^each*'<', x^each*'>', x^each*'"'
	zero := (amp-each)&^amp | (less-each)&^less | (more-each)&^more | (quote-each)&^quote
	return (x|zero|^(x+ctlBias))&hiBits == 0
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

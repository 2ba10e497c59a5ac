package xmlscan

import "unicode/utf8"

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

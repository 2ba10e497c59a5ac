package hl7v2

import (
	"strings"
	"unicode/utf8"
)

// charset is how octets become characters (HL7 table 0211).
type charset uint8

const (
	unstated charset = iota
	ascii
	latin1
	utf8Set
)

// charsetOf knows MSH-18's first repetition.
func charsetOf(name string) (charset, bool) {
	switch strings.ToUpper(strings.TrimSpace(name)) {
	case "":
		return unstated, true
	case "ASCII", "US-ASCII", "ISO IR6", "ISO-IR6":
		return ascii, true
	case "8859/1", "8859-1", "ISO-8859-1", "ISO 8859-1", "ISO IR100", "LATIN1":
		return latin1, true
	case "UNICODE UTF-8", "UTF-8", "UTF8", "UNICODE":
		return utf8Set, true
	}
	return unstated, false
}

// decode makes UTF-8 of a message and refuses what cannot be text. A message that
// does not say its character set is UTF-8 when it can be read so, else 8859/1: the
// two that are in use in Norway.
func decode(b []byte, cs charset) (string, error) {
	plain := true
	for _, c := range b {
		if c >= utf8.RuneSelf {
			plain = false
		} else if c < ' ' && c != '\r' && c != '\n' && c != '\t' || c == 0x7f {
			return "", reject(DataType, "", 0, "the message holds control characters that are not text")
		}
	}
	switch {
	case plain:
		return string(b), nil
	case cs == ascii:
		return "", refuse(DataType, "MSH", 18, "the message says ASCII but holds other characters; say UNICODE UTF-8 or 8859/1")
	case cs == utf8Set && !utf8.Valid(b):
		return "", refuse(DataType, "MSH", 18, "the message says UTF-8 but is not")
	case cs == utf8Set, cs == unstated && utf8.Valid(b):
		return string(b), nil
	}
	return fromLatin1(b), nil
}

// fromLatin1 reads each octet as a character of 8859/1.
func fromLatin1(b []byte) string {
	var s strings.Builder
	s.Grow(len(b) + 8)
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}

// encode writes UTF-8 in the character set of an answer; what it lacks becomes '?'.
func encode(s string, cs charset) []byte {
	if cs == utf8Set || cs == unstated {
		return []byte(s)
	}
	most := rune(0x7f)
	if cs == latin1 {
		most = 0xff
	}
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > most {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return b
}

package xmlscan

import (
	"encoding/binary"
	"unicode/utf8"
)

// Classes of octets. Names are ASCII here (see doc.go) and the colon is handled
// by the caller, as it parts prefix and local name.
const (
	nameByte  = 1 << iota // may stand in a name
	nameFirst             // may begin a name
	blank
)

var class = func() (t [256]uint8) {
	for c := 'a'; c <= 'z'; c++ {
		t[c] = nameByte | nameFirst
		t[c-'a'+'A'] = nameByte | nameFirst
	}
	t['_'] = nameByte | nameFirst
	for c := '0'; c <= '9'; c++ {
		t[c] = nameByte
	}
	t['-'], t['.'] = nameByte, nameByte
	t[' '], t['\t'], t['\n'], t['\r'] = blank, blank, blank, blank
	return t
}()

const (
	hiBits  = 0x8080808080808080
	lowBits = 0x7f7f7f7f7f7f7f7f
	ctlBias = 0x6060606060606060
)

// validChars finds the first octet from position i on that is not part of a valid
// UTF-8 sequence of a Char (XML 1.0, 2.2). It returns len(b) when all is valid.
// partial tells that the octets from the returned position on may be the
// beginning of a valid sequence.
func validChars(b []byte, i int) (end int, ascii, partial bool) {
	ascii = true
	for {
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			if x&hiBits != 0 {
				break
			}
			if ctl := ^((x & lowBits) + ctlBias) & hiBits; ctl != 0 && !onlyBlanks(b[i:i+8]) {
				break
			}
			i += 8
		}
		// One octet or one sequence by hand, then eight at a time again.
		for n := 0; n < 8; n++ {
			if i >= len(b) {
				return i, ascii, false
			}
			c := b[i]
			if c < utf8.RuneSelf {
				if c < ' ' && class[c]&blank == 0 {
					return i, ascii, false
				}
				i++
				continue
			}
			ascii = false
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				return i, ascii, !utf8.FullRune(b[i:])
			}
			if r == 0xFFFE || r == 0xFFFF {
				return i, ascii, false
			}
			i += size
		}
	}
}

func onlyBlanks(b []byte) bool {
	for _, c := range b {
		if c < ' ' && class[c]&blank == 0 {
			return false
		}
	}
	return true
}

// validRune is Char of XML 1.0, 2.2.
func validRune(r rune) bool {
	switch {
	case r < ' ':
		return r == '\t' || r == '\n' || r == '\r'
	case r < 0xD800:
		return true
	case r < 0xE000:
		return false
	}
	return r != 0xFFFE && r != 0xFFFF && r <= utf8.MaxRune
}

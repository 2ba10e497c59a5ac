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

// traits are what an input holds besides ordinary ASCII.
type traits uint8

const (
	hasControls traits = 1 << iota // tabs or line ends
	hasWide                        // other than ASCII
)

// validChars finds the first octet from position i on that is not part of a valid
// UTF-8 sequence of a Char (XML 1.0, 2.2). It returns len(b) when all is valid.
// partial tells that the octets from the returned position on may be the
// beginning of a valid sequence; traits are what was met on the way.
func validChars(b []byte, i int) (end int, met traits, partial bool) {
	for {
		for i+32 <= len(b) { // nearly all is ordinary ASCII
			c := b[i : i+32 : i+32]
			v, w := binary.LittleEndian.Uint64(c), binary.LittleEndian.Uint64(c[8:])
			x, y := binary.LittleEndian.Uint64(c[16:]), binary.LittleEndian.Uint64(c[24:])
			if (v|w|x|y)&hiBits != 0 || ^((v+ctlBias)&(w+ctlBias)&(x+ctlBias)&(y+ctlBias))&hiBits != 0 {
				break
			}
			i += 32
		}
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			if x&hiBits != 0 {
				break
			}
			if ctl := ^((x & lowBits) + ctlBias) & hiBits; ctl != 0 {
				met |= hasControls
				if !onlyBlanks(b[i : i+8]) {
					break
				}
			}
			i += 8
		}
		// One octet or one sequence by hand, then eight at a time again.
		for n := 0; n < 8; n++ {
			if i >= len(b) {
				return i, met, false
			}
			c := b[i]
			if c < utf8.RuneSelf {
				if c < ' ' {
					met |= hasControls
					if class[c]&blank == 0 {
						return i, met, false
					}
				}
				i++
				continue
			}
			met |= hasWide
			r, size := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && size == 1 {
				return i, met, !utf8.FullRune(b[i:])
			}
			if r == 0xFFFE || r == 0xFFFF {
				return i, met, false
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

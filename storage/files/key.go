package files

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"

	"samdok/storage"
)

// place is what a DocumentKey says: where a record is, whether it must be sealed
// (so that nobody can put an open one in its place) and its random part.
type place struct {
	large  bool
	sealed bool
	pack   uint32
	unit   uint32 // offset in the pack, in units of align
	units  uint32 // padded length, in units of align
	random [randomSize]byte
}

// First letters of keys.
const (
	keyPacked     = 'p'
	keyPackedOpen = 'q'
	keyLarge      = 'l'
	keyLargeOpen  = 'm'
)

func (p *place) key() storage.DocumentKey {
	var b [33]byte
	if p.large {
		b[0] = keyLarge
		if !p.sealed {
			b[0] = keyLargeOpen
		}
		hex.Encode(b[1:], p.random[:])
		return storage.DocumentKey(b[:1+2*randomSize])
	}
	b[0] = keyPacked
	if !p.sealed {
		b[0] = keyPackedOpen
	}
	var raw [24]byte
	binary.BigEndian.PutUint32(raw[:], p.pack)
	binary.BigEndian.PutUint32(raw[4:], p.unit)
	binary.BigEndian.PutUint32(raw[8:], p.units)
	copy(raw[12:], p.random[:])
	base64.RawURLEncoding.Encode(b[1:], raw[:])
	return storage.DocumentKey(b[:])
}

// parseKey is false for what was never a key of this engine.
func parseKey(k storage.DocumentKey) (p place, ok bool) {
	if len(k) == 0 {
		return p, false
	}
	p.sealed = k[0] == keyPacked || k[0] == keyLarge
	switch {
	case (k[0] == keyLarge || k[0] == keyLargeOpen) && len(k) == 1+2*randomSize:
		p.large = true
		if _, err := hex.Decode(p.random[:], []byte(k[1:])); err != nil {
			return place{}, false
		}
		return p, p.key() == k // refuses upper-case digits
	case (k[0] == keyPacked || k[0] == keyPackedOpen) && len(k) == 33:
		var raw [24]byte
		// The decoder skips line ends, which would give one document many keys.
		if n, err := base64.RawURLEncoding.Strict().Decode(raw[:], []byte(k[1:])); err != nil || n != len(raw) {
			return place{}, false
		}
		p.pack = binary.BigEndian.Uint32(raw[:])
		p.unit = binary.BigEndian.Uint32(raw[4:])
		p.units = binary.BigEndian.Uint32(raw[8:])
		p.random = [randomSize]byte(raw[12:])
		return p, true
	}
	return place{}, false
}

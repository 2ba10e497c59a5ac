package s3

import (
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"time"

	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

// threshold is the size of the largest document that is sealed whole, and read
// whole when it is opened, bytes.
const threshold = 128 << 10

// Format 1 of a document: its stored body (storage/body), the stored info, and a
// tail of 64 bytes, which the info is tied to. Numbers are little-endian.
//
//	 0 magic "sDoT"
//	 4 version 1
//	 5 kind of the body
//	 6 length of the stored info
//	 8 number of the data key, 0 for none
//	16 time, Unix nanoseconds
//	24 size of the document
//	32 random part of the key, 12 bytes
//	44 zeros 16
//	60 CRC-32C of bytes 0-59
const (
	tailMagic = "sDoT"
	tailSize  = 64
	endMost   = tailSize + body.InfoMost // the longest end that tells all about a document
)

// place is what a DocumentKey says: a letter, then time, data key and random part
// in hexadecimal digits. It is the object's name, too. Time is when the intake was
// committed, or, of a document of several parts, when its first part was sent.
type place struct {
	letter byte
	time   int64
	keyID  uint64
	random [12]byte
}

// First letters of keys. An open document cannot be put in the place of a sealed
// one: the key tells them apart.
const (
	letterSmall     = 's' // sealed whole
	letterLarge     = 'l' // sealed in blocks
	letterSmallOpen = 'o'
	letterLargeOpen = 'p'
)

const placeLen = 1 + 16 + 16 + 24

func (p *place) key() storage.DocumentKey {
	return storage.DocumentKey(fmt.Sprintf("%c%016x%016x%x", p.letter, p.time, p.keyID, p.random))
}

// parsePlace is false for what was never a key of this engine.
func parsePlace(k storage.DocumentKey) (p place, ok bool) {
	if len(k) != placeLen {
		return p, false
	}
	var raw [28]byte
	if _, err := hex.Decode(raw[:], []byte(k[1:])); err != nil {
		return p, false
	}
	p = place{k[0], int64(binary.BigEndian.Uint64(raw[:])), binary.BigEndian.Uint64(raw[8:]), [12]byte(raw[16:])}
	sealed := p.letter == letterSmall || p.letter == letterLarge
	open := p.letter == letterSmallOpen || p.letter == letterLargeOpen
	// The last one refuses upper-case digits.
	return p, (sealed && p.keyID != 0 || open && p.keyID == 0) && p.key() == k
}

const documentsDir = "documents/"

func hourDir(t time.Time) string { return documentsDir + t.UTC().Format("2006010215") + "/" }

func (p *place) name() string { return hourDir(time.Unix(0, p.time)) + string(p.key()) }

func (p *place) small() bool { return p.letter == letterSmall || p.letter == letterSmallOpen }

func (p *place) kind() body.Kind {
	switch p.letter {
	case letterSmall:
		return body.Sealed
	case letterLarge:
		return body.DARE
	}
	return body.Checked
}

// appendTail appends the tail of a document.
func appendTail(b []byte, p *place, infoLen int, size int64) []byte {
	var t [tailSize]byte
	copy(t[:], tailMagic)
	t[4], t[5] = 1, uint8(p.kind())
	binary.LittleEndian.PutUint16(t[6:], uint16(infoLen))
	binary.LittleEndian.PutUint64(t[8:], p.keyID)
	binary.LittleEndian.PutUint64(t[16:], uint64(p.time))
	binary.LittleEndian.PutUint64(t[24:], uint64(size))
	copy(t[32:], p.random[:])
	binary.LittleEndian.PutUint32(t[60:], crc32.Checksum(t[:60], castagnoli()))
	return append(b, t[:]...)
}

// tail is the end of a document as it was read.
type tail struct {
	bound   []byte // the 64 bytes
	infoLen int64
	size    int64
	stored  int64 // of the body
}

// parseTail reads the tail at the end of b, which must be that of a place in an
// object of some length. ErrDamaged.
func parseTail(b []byte, p *place, length int64) (t tail, err error) {
	if len(b) < tailSize {
		return t, body.ErrDamaged
	}
	t.bound = b[len(b)-tailSize:]
	if string(t.bound[:4]) != tailMagic || crc32.Checksum(t.bound[:60], castagnoli()) != binary.LittleEndian.Uint32(t.bound[60:]) {
		return t, body.ErrDamaged
	}
	if t.bound[4] != 1 {
		return t, fmt.Errorf("document format %d, this samdok knows 1: use a newer samdok", t.bound[4])
	}
	t.infoLen = int64(binary.LittleEndian.Uint16(t.bound[6:]))
	size := binary.LittleEndian.Uint64(t.bound[24:])
	stored, ok := p.kind().Stored(size)
	t.size, t.stored = int64(size), int64(stored)
	if string(appendTail(nil, p, int(t.infoLen), t.size)) != string(t.bound) || !ok || t.stored+t.infoLen+tailSize != length {
		return t, body.ErrDamaged
	}
	return t, nil
}

// end is stored info and tail of a document.
func (p *place) end(key keyring.Key, info *storage.DocumentInfo) (end []byte, aead cipher.AEAD, err error) {
	if p.keyID != 0 {
		if aead, err = body.AEAD(key); err != nil {
			return nil, nil, err
		}
	}
	n := body.InfoSize(info.Owner, aead != nil)
	bound := appendTail(nil, p, n, info.Size)
	return append(body.AppendInfo(make([]byte, 0, n+tailSize), bound, info, aead), bound...), aead, nil
}

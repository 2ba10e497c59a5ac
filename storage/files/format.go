package files

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"samdok/storage"
	"samdok/storage/body"
)

// Format 1 of a record. Numbers are little-endian.
//
//	 0 magic "sDoc"
//	 4 version 1
//	 5 body kind
//	 6 length of the stored info
//	 8 number of the data key, 0 for none
//	16 length of the stored body
//	24 size of the document
//	32 time of commit, Unix nanoseconds
//	40 random part of the key, 12 bytes
//	52 CRC-32C of stored info and body; 0 in a file of its own
//	56 distance to the beginning of the batch (groupsync.Position), bytes
//	60 CRC-32C of bytes 0-59
//	64 state; 15 zeros
//	80 info, body
//
// Bytes 0-51 are the associated data of info and body.
const (
	magic      = "sDoc"
	version    = 1
	headSize   = 80
	boundSize  = 52
	randomSize = 12
	align      = 64 // records in a pack begin at its multiples
)

// States of a record. Numbers are stored.
const (
	stateLive    = 1
	stateDeleted = 2
	stateTorn    = 3 // its commit never ended
)

var errFormat = errors.New("not a document record")

// header is a record's header.
type header struct {
	kind    body.Kind
	infoLen uint16
	keyID   uint64
	bodyLen uint64
	size    uint64
	time    int64
	random  [randomSize]byte
	crc     uint32
	back    uint32
	state   uint8
}

// put writes the header to b[:headSize].
func (h *header) put(b []byte) {
	h.putBound(b)
	h.seal(b)
}

// putBound writes what info and body are bound to.
func (h *header) putBound(b []byte) {
	copy(b, magic)
	b[4], b[5] = version, uint8(h.kind)
	binary.LittleEndian.PutUint16(b[6:], h.infoLen)
	binary.LittleEndian.PutUint64(b[8:], h.keyID)
	binary.LittleEndian.PutUint64(b[16:], h.bodyLen)
	binary.LittleEndian.PutUint64(b[24:], h.size)
	binary.LittleEndian.PutUint64(b[32:], uint64(h.time))
	copy(b[40:], h.random[:])
}

// seal writes the rest, which is known last.
func (h *header) seal(b []byte) {
	binary.LittleEndian.PutUint32(b[52:], h.crc)
	binary.LittleEndian.PutUint32(b[56:], h.back)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], body.Castagnoli()))
	clear(b[64:headSize])
	b[64] = h.state
}

// parseHeader reads b[:headSize]; errFormat when it holds no sound header.
func parseHeader(b []byte) (h header, err error) {
	if len(b) < headSize || string(b[:4]) != magic ||
		binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], body.Castagnoli()) {
		return h, errFormat
	}
	if b[4] != version {
		return h, fmt.Errorf("record format %d, this samdok knows %d: use a newer samdok", b[4], version)
	}
	h = header{
		kind:    body.Kind(b[5]),
		infoLen: binary.LittleEndian.Uint16(b[6:]),
		keyID:   binary.LittleEndian.Uint64(b[8:]),
		bodyLen: binary.LittleEndian.Uint64(b[16:]),
		size:    binary.LittleEndian.Uint64(b[24:]),
		time:    int64(binary.LittleEndian.Uint64(b[32:])),
		random:  [randomSize]byte(b[40:52]),
		crc:     binary.LittleEndian.Uint32(b[52:]),
		back:    binary.LittleEndian.Uint32(b[56:]),
		state:   b[64],
	}
	if want, ok := h.kind.Stored(h.size); !ok || want != h.bodyLen || (h.keyID == 0) != (h.kind == body.Plain || h.kind == body.Checked) {
		return header{}, errFormat
	}
	return h, nil
}

// length of the whole record without padding.
func (h *header) length() int64 { return headSize + int64(h.infoLen) + int64(h.bodyLen) }

// openInfo checks and reads stored info; it overwrites stored.
func openInfo(h *header, bound, stored []byte, aead cipher.AEAD) (storage.DocumentInfo, error) {
	i, err := body.OpenInfo(bound, stored, aead)
	i.Size, i.Modified = int64(h.size), time.Unix(0, h.time).UTC()
	return i, err
}

func padded(n int64) int64 { return (n + align - 1) / align * align }

package files

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"samdok/access"
	"samdok/storage"
	"samdok/storage/keyring"
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
	tagSize    = 16
)

// Body kinds. Numbers are stored.
const (
	bodySealed  = 1 // one AES-256-GCM message
	bodyPlain   = 2 // as it is; the CRC in the header
	bodyDARE    = 3 // DARE 2.0, AES-256-GCM
	bodyChecked = 4 // blocks of 64 KiB, each with a CRC
)

// States of a record. Numbers are stored.
const (
	stateLive    = 1
	stateDeleted = 2
	stateTorn    = 3 // its commit never ended
)

// Nonces under a document's own key, which seals each at most once.
var (
	nonceInfo = [12]byte{1}
	nonceBody = [12]byte{2}
)

var (
	errDamaged = errors.New("stored bytes damaged or altered")
	errFormat  = errors.New("not a document record")
)

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// header is a record's header.
type header struct {
	kind    uint8
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
	b[4], b[5] = version, h.kind
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
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli()))
	clear(b[64:headSize])
	b[64] = h.state
}

// parseHeader reads b[:headSize]; errFormat when it holds no sound header.
func parseHeader(b []byte) (h header, err error) {
	if len(b) < headSize || string(b[:4]) != magic ||
		binary.LittleEndian.Uint32(b[60:]) != crc32.Checksum(b[:60], castagnoli()) {
		return h, errFormat
	}
	if b[4] != version {
		return h, fmt.Errorf("record format %d, this samdok knows %d: use a newer samdok", b[4], version)
	}
	h = header{
		kind:    b[5],
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
	if want, ok := storedSize(h.kind, h.size); !ok || want != h.bodyLen || (h.keyID == 0) != (h.kind == bodyPlain || h.kind == bodyChecked) {
		return header{}, errFormat
	}
	return h, nil
}

// length of the whole record without padding.
func (h *header) length() int64 { return headSize + int64(h.infoLen) + int64(h.bodyLen) }

// Info: SHA-1 20, SHA-256 32, length of tenant 2, tenant, uniqueId. Sealed under
// the document's key, or followed by a CRC-32C without one.
const infoFixed = 20 + 32 + 2

func infoSize(o storage.Owner, sealed bool) int {
	n := infoFixed + len(o.Tenant) + len(o.UniqueID)
	if sealed {
		return n + tagSize
	}
	return n + 4
}

// appendInfo appends the stored info to b, in place.
func appendInfo(b, bound []byte, i *storage.DocumentInfo, aead cipher.AEAD) []byte {
	from := len(b)
	b = append(b, i.SHA1[:]...)
	b = append(b, i.SHA256[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(i.Owner.Tenant)))
	b = append(b, i.Owner.Tenant...)
	b = append(b, i.Owner.UniqueID...)
	if aead != nil {
		return aead.Seal(b[:from], nonceInfo[:], b[from:], bound)
	}
	crc := crc32.Update(crc32.Checksum(bound, castagnoli()), castagnoli(), b[from:])
	return binary.LittleEndian.AppendUint32(b, crc)
}

// openInfo checks and reads stored info; it overwrites stored.
func openInfo(h *header, bound, stored []byte, aead cipher.AEAD) (i storage.DocumentInfo, err error) {
	var b []byte
	if aead != nil {
		if b, err = aead.Open(stored[:0], nonceInfo[:], stored, bound); err != nil {
			return i, errDamaged
		}
	} else {
		if len(stored) < 4 {
			return i, errDamaged
		}
		b = stored[:len(stored)-4]
		crc := crc32.Update(crc32.Checksum(bound, castagnoli()), castagnoli(), b)
		if crc != binary.LittleEndian.Uint32(stored[len(b):]) {
			return i, errDamaged
		}
	}
	if len(b) < infoFixed {
		return i, errDamaged
	}
	tenant := int(binary.LittleEndian.Uint16(b[52:]))
	if len(b) < infoFixed+tenant {
		return i, errDamaged
	}
	i.SHA1, i.SHA256 = [20]byte(b[:20]), [32]byte(b[20:52])
	i.Owner.Tenant = access.Tenant(b[infoFixed : infoFixed+tenant])
	i.Owner.UniqueID = string(b[infoFixed+tenant:])
	i.Size, i.Modified = int64(h.size), time.Unix(0, h.time).UTC()
	return i, nil
}

func newAEAD(key keyring.Key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func padded(n int64) int64 { return (n + align - 1) / align * align }

package body

import (
	"crypto/cipher"
	"encoding/binary"
	"hash/crc32"

	"samdok/access"
	"samdok/storage"
)

// Nonces under a document's own key, which seals each at most once.
var (
	nonceInfo = [12]byte{1}
	nonceBody = [12]byte{2}
)

// Info: SHA-1 20, SHA-256 32, length of tenant 2, tenant, uniqueId. Sealed under
// the document's key, or followed by a CRC-32C without one.
const InfoFixed = 20 + 32 + 2

// InfoMost is the longest stored info.
const InfoMost = InfoFixed + storage.MaxOwner + TagSize

// InfoSize is the length of the stored info of an owner.
func InfoSize(o storage.Owner, sealed bool) int {
	n := InfoFixed + len(o.Tenant) + len(o.UniqueID)
	if sealed {
		return n + TagSize
	}
	return n + checkSize
}

// AppendInfo appends the stored info to b, in place. It is tied to bound. aead nil
// means no encryption.
func AppendInfo(b, bound []byte, i *storage.DocumentInfo, aead cipher.AEAD) []byte {
	from := len(b)
	b = append(b, i.SHA1[:]...)
	b = append(b, i.SHA256[:]...)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(i.Owner.Tenant)))
	b = append(b, i.Owner.Tenant...)
	b = append(b, i.Owner.UniqueID...)
	if aead != nil {
		return aead.Seal(b[:from], nonceInfo[:], b[from:], bound)
	}
	crc := crc32.Update(crc32.Checksum(bound, Castagnoli()), Castagnoli(), b[from:])
	return binary.LittleEndian.AppendUint32(b, crc)
}

// OpenInfo checks and reads stored info; it overwrites stored. Size and Modified
// are not in it. ErrDamaged.
func OpenInfo(bound, stored []byte, aead cipher.AEAD) (i storage.DocumentInfo, err error) {
	var b []byte
	if aead != nil {
		if b, err = aead.Open(stored[:0], nonceInfo[:], stored, bound); err != nil {
			return i, ErrDamaged
		}
	} else {
		if len(stored) < checkSize {
			return i, ErrDamaged
		}
		b = stored[:len(stored)-checkSize]
		crc := crc32.Update(crc32.Checksum(bound, Castagnoli()), Castagnoli(), b)
		if crc != binary.LittleEndian.Uint32(stored[len(b):]) {
			return i, ErrDamaged
		}
	}
	if len(b) < InfoFixed {
		return i, ErrDamaged
	}
	tenant := int(binary.LittleEndian.Uint16(b[52:]))
	if len(b) < InfoFixed+tenant {
		return i, ErrDamaged
	}
	i.SHA1, i.SHA256 = [20]byte(b[:20]), [32]byte(b[20:52])
	i.Owner.Tenant = access.Tenant(b[InfoFixed : InfoFixed+tenant])
	i.Owner.UniqueID = string(b[InfoFixed+tenant:])
	return i, nil
}

// Seal appends a document, sealed whole, to dst, which may be the beginning of its
// own buffer.
func Seal(dst, doc, bound []byte, aead cipher.AEAD) []byte {
	return aead.Seal(dst, nonceBody[:], doc, bound)
}

// Open checks a document that was sealed whole and opens it in place. ErrDamaged.
func Open(stored, bound []byte, aead cipher.AEAD) ([]byte, error) {
	doc, err := aead.Open(stored[:0], nonceBody[:], stored, bound)
	if err != nil {
		return nil, ErrDamaged
	}
	return doc, nil
}

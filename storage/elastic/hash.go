package elastic

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"

	"samdok/access"
	"samdok/storage"
)

// hash stands for an identifier: the first half of SHA-256 after the secret key,
// cut off so that lengths cannot be extended.
type hash [16]byte

// ordered writes hashes as text that sorts as they do; plain, where no order is
// needed, in a form that Elasticsearch keeps as bytes.
var (
	ordered = base32.HexEncoding.WithPadding(base32.NoPadding)
	plain   = base64.RawURLEncoding
)

func (h hash) term() string { return ordered.EncodeToString(h[:]) }
func (h hash) id() string   { return plain.EncodeToString(h[:]) }

// termOf reads what term wrote.
func termOf(s string) (h hash, err error) {
	if n, err := ordered.Decode(h[:], []byte(s)); len(s) != ordered.EncodedLen(len(h)) || n != len(h) || err != nil {
		return h, odd("the name of a stream")
	}
	return h, nil
}

type hasher struct{ secret [32]byte }

func (x *hasher) sum(kind byte, t access.Tenant, more byte, id string) (h hash) {
	var buf [192]byte
	b := append(buf[:0], x.secret[:]...)
	b = append(b, kind, more)
	b = binary.AppendUvarint(b, uint64(len(t)))
	b = append(b, t...)
	b = append(b, id...)
	full := sha256.Sum256(b)
	copy(h[:], full[:])
	return h
}

func (x *hasher) stream(t access.Tenant, s storage.Stream) hash {
	return x.sum('s', t, byte(s.Kind), s.ID)
}

// id is the hash of an entryUUID or uniqueId.
func (x *hasher) id(t access.Tenant, id string) hash { return x.sum('i', t, 0, id) }

func (x *hasher) tenant(t access.Tenant) hash { return x.sum('t', t, 0, "") }

// owner stands for the installation, whose secret no other has.
func (x *hasher) owner() uint64 {
	h := x.sum('o', "", 0, "")
	return binary.BigEndian.Uint64(h[:]) >> 1 // a long of Elasticsearch has a sign
}

// value stands for the value of a shared claim; never zero for one that is known.
func (x *hasher) value(t access.Tenant, v string) uint64 {
	if v == "" {
		return 0
	}
	h := x.sum('v', t, 0, v)
	return binary.BigEndian.Uint64(h[:]) | 1
}

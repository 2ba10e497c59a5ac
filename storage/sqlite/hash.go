package sqlite

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// hasher makes the keyed hashes that stand in the file instead of identifiers.
// Its key is random per file and kept sealed in meta.
type hasher struct {
	key   [32]byte
	block cipher.Block
}

func newHasher(key [32]byte) (*hasher, error) {
	block, err := aes.NewCipher(key[:])
	return &hasher{key, block}, err
}

// stream is the hash of a stream's name.
func (h *hasher) stream(t access.Tenant, s storage.Stream) (sum [16]byte) {
	var buf [160]byte
	b := append(buf[:0], h.key[:]...)
	b = append(b, 's', byte(s.Kind))
	b = binary.AppendUvarint(b, uint64(len(t)))
	b = append(b, t...)
	b = append(b, s.ID...)
	full := sha256.Sum256(b)
	copy(sum[:], full[:])
	return sum
}

const (
	// maxHash leaves room above every hash for entries that are moved up.
	maxHash = 1<<63 - 1 - 1<<32
	// uuidTail is how many bits of a UUID's hash are keyed.
	uuidTail = 23
)

// id is where an entryUUID or uniqueId belongs in table ids: 63 bits of SHA-256
// after the secret key (cut off, so that lengths cannot be extended). UUIDs tell
// of nobody: theirs keep their own first 40 bits, so that UUIDs made together
// with a common start lie on one page; the rest is keyed against crowding.
func (h *hasher) id(id string) int64 {
	if u, ok := metadata.ParseUUID(id); ok {
		var sum [aes.BlockSize]byte
		h.block.Encrypt(sum[:], u[:])
		tail := binary.BigEndian.Uint64(sum[:]) & (1<<uuidTail - 1)
		return clamp(binary.BigEndian.Uint64(u[:])>>24<<uuidTail | tail)
	}
	var buf [160]byte
	b := append(buf[:0], h.key[:]...)
	b = append(b, 'i')
	b = append(b, id...)
	sum := sha256.Sum256(b)
	return clamp(binary.BigEndian.Uint64(sum[:]) >> 1)
}

func clamp(v uint64) int64 { return int64(min(v, maxHash)) }

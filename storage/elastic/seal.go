package elastic

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"samdok/storage/keyring"
)

// What is sealed: format, cipher, uvarint number of the data key; then for
// AES-256-GCM a nonce and the sealed text, otherwise the text and its checksum.
// Both cover the header and the place that it belongs to.
const (
	sealFormat = 1
	cipherNone = 0
	cipherGCM  = 1
	nonceSize  = 12
	sumSize    = 4
	sealedMore = 2 + binary.MaxVarintLen64 + nonceSize + 16 // bytes that sealing adds, at most
)

// box seals and opens under one data key; the zero value does not encrypt.
type box struct {
	id   uint64
	aead cipher.AEAD
}

func newBox(id uint64, key keyring.Key) (box, error) {
	if id == 0 {
		return box{}, nil
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return box{}, err
	}
	aead, err := cipher.NewGCM(block)
	return box{id, aead}, err
}

// seal appends the sealed text to dst. place is what it belongs to.
func (b box) seal(dst []byte, place string, text []byte) ([]byte, error) {
	start := len(dst)
	if b.aead == nil {
		dst = append(dst, sealFormat, cipherNone, 0)
		sum := checksum(dst[start:], place, text)
		return binary.LittleEndian.AppendUint32(append(dst, text...), sum), nil
	}
	dst = binary.AppendUvarint(append(dst, sealFormat, cipherGCM), b.id)
	more := append(append(make([]byte, 0, 64), dst[start:]...), place...)
	var nonce [nonceSize]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	return b.aead.Seal(append(dst, nonce[:]...), nonce[:], text, more), nil
}

// opener opens what was sealed under various keys; it remembers the last one.
// Not for concurrent use.
type opener struct {
	keys Keys
	box
}

// open returns the text; ok is false when its key was destroyed.
func (o *opener) open(ctx context.Context, place string, sealed []byte) (text []byte, ok bool, err error) {
	id, encrypted, size, err := sealHeader(sealed)
	if err != nil {
		return nil, false, err
	}
	header, rest := sealed[:size], sealed[size:]
	if !encrypted {
		if len(rest) < sumSize {
			return nil, false, odd("a text without its checksum")
		}
		text := rest[:len(rest)-sumSize]
		if checksum(header, place, text) != binary.LittleEndian.Uint32(rest[len(text):]) {
			return nil, false, odd("a wrong checksum")
		}
		return text, true, nil
	}
	if err := o.use(ctx, id); errors.Is(err, keyring.ErrDestroyed) {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	if len(rest) < nonceSize {
		return nil, false, odd("a sealed text that is too short")
	}
	more := append(append(make([]byte, 0, 64), header...), place...)
	text, err = o.aead.Open(rest[nonceSize:nonceSize], rest[:nonceSize], rest[nonceSize:], more)
	if err != nil {
		return nil, false, odd("its seal is broken")
	}
	return text, true, nil
}

// use makes the box of a data key the current one.
func (o *opener) use(ctx context.Context, id uint64) error {
	if o.aead != nil && o.id == id {
		return nil
	}
	if o.keys == nil {
		return errors.New("elastic: the index is sealed but encryption is off; start with the keys that it was made with")
	}
	key, err := o.keys.Key(ctx, id)
	if err != nil {
		return err
	}
	o.box, err = newBox(id, key)
	return err
}

func sealHeader(sealed []byte) (key uint64, encrypted bool, size int, err error) {
	if len(sealed) < 3 {
		return 0, false, 0, odd("nothing is sealed")
	}
	if sealed[0] != sealFormat {
		return 0, false, 0, fmt.Errorf("%w: format %d of what is sealed, this program knows %d", ErrNewer, sealed[0], sealFormat)
	}
	key, n := binary.Uvarint(sealed[2:])
	if n <= 0 || sealed[1] > cipherGCM {
		return 0, false, 0, odd("the header of what is sealed")
	}
	return key, sealed[1] == cipherGCM, 2 + n, nil
}

func checksum(header []byte, place string, text []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(crc32.Checksum(header, table), table, []byte(place)), table, text)
}

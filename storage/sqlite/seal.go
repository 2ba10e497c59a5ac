package sqlite

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"samdok/storage/keyring"
)

// A row's data is: format 1, cipher, uvarint number of the data key, then
//
//	cipherNone: the text and its CRC-32C (little-endian)
//	cipherGCM:  nonce 12, the text under AES-256-GCM, tag 16
//
// The check covers the header and log.id too, so that a row cannot be moved.
const (
	rowFormat  = 1
	cipherNone = 0
	cipherGCM  = 1
	nonceSize  = 12
)

// ErrTampered: a row is not what was written.
var ErrTampered = errors.New("sqlite: a row of the log is damaged or was altered; restore it from a backup")

// box seals and opens the rows of one stream. The zero box only checksums.
type box struct {
	keyID uint64
	aead  cipher.AEAD
}

func newBox(id uint64, key keyring.Key) (box, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return box{}, err
	}
	aead, err := cipher.NewGCM(block)
	return box{id, aead}, err
}

// seal appends the row with this log.id and text to dst.
func (b box) seal(dst []byte, id int64, text []byte) ([]byte, error) {
	start := len(dst)
	dst = append(dst, rowFormat, cipherNone)
	if b.aead != nil {
		dst[start+1] = cipherGCM
	}
	dst = binary.AppendUvarint(dst, b.keyID)
	var ad [24]byte
	more := binary.BigEndian.AppendUint64(append(ad[:0], dst[start:]...), uint64(id))
	if b.aead == nil {
		dst = append(dst, text...)
		return binary.LittleEndian.AppendUint32(dst, checksum(more, text)), nil
	}
	var nonce [nonceSize]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return nil, err
	}
	dst = append(dst, nonce[:]...)
	return b.aead.Seal(dst, dst[len(dst)-nonceSize:], text, more), nil
}

// open appends the text of a row to dst.
func (b box) open(dst []byte, id int64, row []byte) ([]byte, error) {
	_, _, size, err := header(row)
	if err != nil {
		return nil, err
	}
	var ad [24]byte
	more := binary.BigEndian.AppendUint64(append(ad[:0], row[:size]...), uint64(id))
	encrypted, row := row[1] == cipherGCM, row[size:]
	if !encrypted {
		if len(row) < 4 {
			return nil, ErrTampered
		}
		text := row[:len(row)-4]
		if checksum(more, text) != binary.LittleEndian.Uint32(row[len(text):]) {
			return nil, ErrTampered
		}
		return append(dst, text...), nil
	}
	if b.aead == nil || len(row) < nonceSize {
		return nil, ErrTampered
	}
	dst, err = b.aead.Open(dst, row[:nonceSize], row[nonceSize:], more)
	if err != nil {
		return nil, ErrTampered
	}
	return dst, nil
}

// header reads a row's header: its data key and where the rest starts.
func header(row []byte) (keyID uint64, encrypted bool, size int, err error) {
	if len(row) < 3 {
		return 0, false, 0, ErrTampered
	}
	if row[0] != rowFormat {
		return 0, false, 0, fmt.Errorf("sqlite: a row of the log has format %d, this program knows only %d", row[0], rowFormat)
	}
	keyID, n := binary.Uvarint(row[2:])
	if n <= 0 || n > 10 || row[1] > cipherGCM {
		return 0, false, 0, ErrTampered
	}
	return keyID, row[1] == cipherGCM, 2 + n, nil
}

func checksum(more, text []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Checksum(more, table), table, text)
}

// boxFor is the box that a row asks for.
func boxFor(ring *keyring.Ring, row []byte) (box, error) {
	keyID, encrypted, _, err := header(row)
	if err != nil || !encrypted {
		return box{}, err
	}
	if ring == nil {
		return box{}, errors.New("sqlite: the data is encrypted but encryption is off; start with the keyring and master key of this data folder")
	}
	key, err := ring.Key(keyID)
	if err != nil {
		return box{}, err
	}
	return newBox(keyID, key)
}

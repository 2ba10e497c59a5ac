package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"samdok/storage/keyring"
)

// Header of a segment: magic 8, version 2, zeros 6, number 8, time made 8, number
// of the data key 8, index of its own leaf 8, zeros 12, CRC-32C 4. Numbers are
// little-endian.
const (
	magic    = "samdokLG"
	version  = 1
	headSize = 64

	segmentSuffix = ".segment"
	indexSuffix   = ".index"
	droppedSuffix = ".dropped"
)

// Frame of a record: CRC-32C 4, length 4, distance to the beginning of the batch
// 4, the sealed event, zeros up to a multiple of 8. A length of 0 is the end. The
// checksum and the leaf's hash are over everything after the checksum, without the
// zeros.
const (
	frameHead = 12
	frameStep = 8 // frames begin at its multiples
	maxRecord = 4 << 20
	tagSize   = 16
)

var errHeader = errors.New("header damaged")

type header struct {
	number uint64
	made   time.Time
	keyID  uint64
	first  int64 // index of the header's leaf; the first record's is one more
}

func (h *header) bytes() (b [headSize]byte) {
	copy(b[:], magic)
	binary.LittleEndian.PutUint16(b[8:], version)
	binary.LittleEndian.PutUint64(b[16:], h.number)
	binary.LittleEndian.PutUint64(b[24:], uint64(h.made.UnixNano()))
	binary.LittleEndian.PutUint64(b[32:], h.keyID)
	binary.LittleEndian.PutUint64(b[40:], uint64(h.first))
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli()))
	return b
}

func parseHeader(b []byte) (h header, err error) {
	if len(b) < headSize || string(b[:8]) != magic || crc32.Checksum(b[:60], castagnoli()) != binary.LittleEndian.Uint32(b[60:]) {
		return h, errHeader
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != version {
		return h, fmt.Errorf("segment format %d, this samdok knows %d: use a newer samdok", v, version)
	}
	h.number = binary.LittleEndian.Uint64(b[16:])
	h.made = time.Unix(0, int64(binary.LittleEndian.Uint64(b[24:]))).UTC()
	h.keyID = binary.LittleEndian.Uint64(b[32:])
	h.first = int64(binary.LittleEndian.Uint64(b[40:]))
	if h.first < 0 {
		return h, errHeader
	}
	return h, nil
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func fileName(n uint64, suffix string) string { return fmt.Sprintf("%016x%s", n, suffix) }

func parseFileName(name, suffix string) (uint64, bool) {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, err == nil && fileName(n, suffix) == name
}

// newAEAD is nil for number 0: not sealed.
func newAEAD(keyID uint64, key keyring.Key) (cipher.AEAD, error) {
	if keyID == 0 {
		return nil, nil
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func nonce(off int64) (n [12]byte) {
	binary.LittleEndian.PutUint64(n[:], uint64(off))
	return n
}

// bound is what a sealed record is bound to: segment, length and batch. leaf is
// the frame without its checksum.
func bound(number uint64, leaf []byte) (b [16]byte) {
	binary.LittleEndian.PutUint64(b[:], number)
	copy(b[8:], leaf[:8])
	return b
}

// frameSize is the room of a record whose stored length is n.
func frameSize(n int) int { return (frameHead + n + frameStep - 1) / frameStep * frameStep }

// appendFrame appends the frame of a record that will lie at off, and returns the
// hash of its leaf. A segment is never taken up again after it was closed, so that
// no offset, and with it no nonce, is used twice under its key.
func appendFrame(b []byte, record []byte, number uint64, aead cipher.AEAD, off, batch int64) ([]byte, tlog.Hash) {
	from := len(b)
	n := len(record)
	if aead != nil {
		n += tagSize
	}
	b = append(b, 0, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = binary.LittleEndian.AppendUint32(b, uint32(off-batch))
	if aead != nil {
		nonce, bound := nonce(off), bound(number, b[from+4:])
		b = aead.Seal(b, nonce[:], record, bound[:])
	} else {
		b = append(b, record...)
	}
	leaf := b[from+4:]
	binary.LittleEndian.PutUint32(b[from:], crc32.Checksum(leaf, castagnoli()))
	hash := tlog.RecordHash(leaf)
	for (len(b)-from)%frameStep != 0 {
		b = append(b, 0)
	}
	return b, hash
}

// soundFrame tells whether b begins with a whole frame whose checksum holds.
func soundFrame(b []byte) (leaf []byte, back int64, ok bool) {
	if len(b) < frameHead {
		return nil, 0, false
	}
	n := int64(binary.LittleEndian.Uint32(b[4:]))
	if n == 0 || n > maxRecord+tagSize || n > int64(len(b)-frameHead) {
		return nil, 0, false
	}
	leaf = b[4 : frameHead+n]
	return leaf, int64(binary.LittleEndian.Uint32(b[8:])), crc32.Checksum(leaf, castagnoli()) == binary.LittleEndian.Uint32(b)
}

// Kept tells whether a file of a ledger must be kept for as long as its records:
// segments, checkpoints and keys. All others can be made again or are small.
func Kept(name string) bool {
	base := filepath.Base(name)
	return strings.HasSuffix(base, segmentSuffix) || base == checkpointsName || base == keysName
}

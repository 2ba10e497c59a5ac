package s3

import (
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/body"
)

// Format 1 of a letter. Numbers are little-endian.
//
//	 0 magic "sLet"
//	 4 version 1, zeros 3
//	 8 number of the data key, 0 for none
//	16 nonce 12: another one each time the letter is written
//	28 the letter, sealed, or followed by a CRC-32C
//
// The letter: created, due, expires and posted, Unix nanoseconds, 8 bytes each;
// attempts 4; dead 1; then note, tenant and body, each after its length (4 bytes).
// Bytes 0-15 and its object's name are the associated data.
const (
	letterMagic = "sLet"
	letterHead  = 28
	letterFixed = 4*8 + 4 + 1
)

const lettersDir = "outbox/letters/"

func queueDir(q storage.Queue) string { return lettersDir + strconv.Itoa(int(q)) + "/" }

func letterName(q storage.Queue, id metadata.UUID) string {
	return queueDir(q) + hex.EncodeToString(id[:])
}

// parseLetterName is false for what is no letter.
func parseLetterName(name string) (q storage.Queue, id metadata.UUID, ok bool) {
	number, text, ok := strings.Cut(strings.TrimPrefix(name, lettersDir), "/")
	n, err := strconv.ParseUint(number, 10, 8)
	if !ok || err != nil {
		return 0, id, false
	}
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return 0, id, false
	}
	id = metadata.UUID(b)
	return storage.Queue(n), id, letterName(storage.Queue(n), id) == name
}

// written is a letter and what else is stored with it.
type written struct {
	storage.Letter
	posted time.Time // orders letters that are due at the same time
	keyID  uint64
}

func nanos(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

func timeOf(n uint64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(n)).UTC()
}

// encode seals a letter. aead nil means encryption off.
func (w *written) encode(aead cipher.AEAD) ([]byte, error) {
	size := letterHead + letterFixed + 12 + len(w.Note) + len(w.Tenant) + len(w.Body)
	b := make([]byte, letterHead, size+body.TagSize)
	copy(b, letterMagic)
	b[4] = 1
	binary.LittleEndian.PutUint64(b[8:], w.keyID)
	if _, err := rand.Read(b[16:letterHead]); err != nil {
		return nil, err
	}
	for _, t := range []time.Time{w.Created, w.Due, w.Expires, w.posted} {
		b = binary.LittleEndian.AppendUint64(b, nanos(t))
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(w.Attempts))
	dead := byte(0)
	if w.Dead {
		dead = 1
	}
	b = append(b, dead)
	for _, text := range []string{w.Note, string(w.Tenant), string(w.Body)} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	bound := w.bound(b)
	if aead == nil {
		return binary.LittleEndian.AppendUint32(b, crc32.Update(crc32.Checksum(bound, castagnoli()), castagnoli(), b[16:])), nil
	}
	return aead.Seal(b[:letterHead], b[16:letterHead], b[letterHead:], bound), nil
}

func (w *written) bound(b []byte) []byte {
	return append(append(make([]byte, 0, 80), b[:16]...), letterName(w.Queue, w.ID)...)
}

var (
	errLetter = errors.New("the letter is damaged or altered")
	errNewer  = errors.New("the letter has a format that this samdok does not know: use a newer one")
)

// letterKeyOf is the number of the data key of a stored letter. errLetter, errNewer.
func letterKeyOf(b []byte) (uint64, error) {
	if len(b) < letterHead || string(b[:4]) != letterMagic {
		return 0, errLetter
	}
	if b[4] != 1 {
		return 0, errNewer
	}
	return binary.LittleEndian.Uint64(b[8:]), nil
}

// decode opens the letter of a name; it overwrites b. errLetter.
func (w *written) decode(b []byte, aead cipher.AEAD) error {
	bound := w.bound(b)
	var text []byte
	var err error
	if aead != nil {
		if text, err = aead.Open(b[letterHead:letterHead], b[16:letterHead], b[letterHead:], bound); err != nil {
			return errLetter
		}
	} else {
		end := len(b) - 4
		if end < letterHead || crc32.Update(crc32.Checksum(bound, castagnoli()), castagnoli(), b[16:end]) != binary.LittleEndian.Uint32(b[end:]) {
			return errLetter
		}
		text = b[letterHead:end]
	}
	if len(text) < letterFixed {
		return errLetter
	}
	for i, t := range []*time.Time{&w.Created, &w.Due, &w.Expires, &w.posted} {
		*t = timeOf(binary.LittleEndian.Uint64(text[8*i:]))
	}
	w.Attempts, w.Dead = int(binary.LittleEndian.Uint32(text[32:])), text[36] != 0
	var parts [3][]byte
	for i, rest := 0, text[letterFixed:]; i < len(parts); i++ {
		if len(rest) < 4 || uint64(binary.LittleEndian.Uint32(rest)) > uint64(len(rest)-4) {
			return errLetter
		}
		n := 4 + int(binary.LittleEndian.Uint32(rest))
		parts[i], rest = rest[4:n], rest[n:]
	}
	w.Note, w.Tenant, w.Body = string(parts[0]), access.Tenant(parts[1]), parts[2]
	return nil
}

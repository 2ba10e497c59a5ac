package scaled

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"

	"samdok/storage"
	"samdok/storage/encoding"
	"samdok/storage/keyring"
)

// The text of a record is the kind of the stream (1 byte), the length of its id
// (uvarint), its id, and the change in the form of storage/encoding. It stands in
// the journal as
//
//	data key 0: the text (the batch has a checksum)
//	otherwise:  nonce 12, the text under AES-256-GCM, tag 16
//
// The associated data are the record's kind, its stream's reference, its data key and
// its version, so that a text cannot be moved to another place.
const nonceSize = 12

func (r *record) associated() []byte {
	ad := append(make([]byte, 0, 48), byte(r.kind))
	ad = append(ad, r.ref[:]...)
	ad = binary.AppendUvarint(ad, r.keyID)
	return binary.AppendUvarint(ad, uint64(r.version))
}

// seal puts a text into a record whose other fields are set.
func (r *record) seal(key keyring.Key, text []byte) error {
	if r.keyID == 0 {
		r.sealed = text
		return nil
	}
	aead, err := aeadOf(key)
	if err != nil {
		return err
	}
	b := make([]byte, nonceSize, nonceSize+len(text)+aead.Overhead())
	if _, err := rand.Read(b); err != nil {
		return err
	}
	r.sealed = aead.Seal(b, b, text, r.associated())
	return nil
}

// open gives the text of a record.
func (r *record) open(key keyring.Key) ([]byte, error) {
	if r.keyID == 0 {
		return r.sealed, nil
	}
	aead, err := aeadOf(key)
	if err != nil {
		return nil, err
	}
	if len(r.sealed) < nonceSize {
		return nil, ErrBatch
	}
	text, err := aead.Open(nil, r.sealed[:nonceSize], r.sealed[nonceSize:], r.associated())
	if err != nil {
		return nil, ErrBatch
	}
	return text, nil
}

func aeadOf(key keyring.Key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// appendText writes the text of a change.
func appendText(dst []byte, enc *encoding.Encoder, s storage.Stream, events []storage.Event, claims []storage.Claim) ([]byte, error) {
	dst = append(dst, byte(s.Kind))
	dst = binary.AppendUvarint(dst, uint64(len(s.ID)))
	dst = append(dst, s.ID...)
	return enc.Append(dst, events, claims)
}

// said is an opened text.
type said struct {
	stream storage.Stream
	events []storage.Event
	claims []storage.Claim
}

func parseText(text []byte) (t said, err error) {
	c := reader{rest: text}
	t.stream.Kind = storage.StreamKind(c.byte())
	t.stream.ID = string(c.bytes(c.uvarint()))
	if c.bad {
		return t, ErrBatch
	}
	var r encoding.Reader
	if err := r.Reset(string(c.rest)); err != nil {
		return t, err
	}
	if t.events, err = r.Events(); err != nil {
		return t, err
	}
	t.claims, err = r.Claims()
	return t, err
}

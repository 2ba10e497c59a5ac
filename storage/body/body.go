package body

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"hash/crc32"
	"io"

	"github.com/minio/sio"

	"samdok/storage/keyring"
)

// BlockSize is the length of a block in bytes of the document.
const BlockSize = 64 << 10

// TagSize is what sealing adds to a message.
const TagSize = 16

const (
	darePackage = 32 // what DARE adds to a block: header 16, tag 16
	checkSize   = 4
)

// Kind of a body. Numbers are stored.
type Kind uint8

const (
	Sealed  Kind = 1 // one AES-256-GCM message
	Plain   Kind = 2 // as it is
	DARE    Kind = 3 // DARE 2.0, AES-256-GCM
	Checked Kind = 4 // blocks, each with a CRC
)

// ErrDamaged: what is stored is not what was written.
var ErrDamaged = errors.New("stored bytes damaged or altered")

// Castagnoli is the polynomial of all checksums.
func Castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Stored is the length of the stored body of a document of some size; false for
// an unknown kind or no sensible size.
func (k Kind) Stored(size uint64) (uint64, bool) {
	if size > 1<<47 {
		return 0, false
	}
	switch k {
	case Sealed:
		return size + TagSize, true
	case Plain:
		return size, true
	case DARE:
		n, err := sio.EncryptedSize(size)
		return n, err == nil
	case Checked:
		return size + checkSize*((size+BlockSize-1)/BlockSize), true
	}
	return 0, false
}

// Start is where the block that holds an offset begins in a stored body of kind
// DARE or Checked.
func (k Kind) Start(offset int64) int64 {
	if k == DARE {
		return offset / BlockSize * (BlockSize + darePackage)
	}
	return offset / BlockSize * (BlockSize + checkSize)
}

// AEAD is AES-256-GCM under a key.
func AEAD(key keyring.Key) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Derive makes a key for a purpose of a document's own key.
func Derive(key keyring.Key, purpose string) (k keyring.Key, err error) {
	b, err := hkdf.Expand(sha256.New, key[:], purpose, len(k))
	copy(k[:], b)
	return k, err
}

func dareConfig(key *keyring.Key, sequence uint32) sio.Config {
	return sio.Config{
		MinVersion: sio.Version20, MaxVersion: sio.Version20,
		CipherSuites: []byte{sio.AES_256_GCM}, Key: key[:], SequenceNumber: sequence,
	}
}

// NewWriter writes a body of kind DARE or Checked to dst; Close ends it. key is
// used by DARE only, and for one body.
func (k Kind) NewWriter(dst io.Writer, key *keyring.Key) (io.WriteCloser, error) {
	if k == DARE {
		return sio.EncryptWriter(dst, dareConfig(key, 0))
	}
	return &blockWriter{dst: dst, buf: make([]byte, 0, BlockSize+checkSize)}, nil
}

// NewReader reads a document of some size from an offset on. src is its stored
// body, of kind DARE or Checked, from Start(offset) on. It never ends early:
// fewer bytes than the document has are ErrDamaged.
func (k Kind) NewReader(src io.Reader, key *keyring.Key, size, offset int64) (io.Reader, error) {
	block := offset / BlockSize
	r := &reader{left: size - block*BlockSize}
	if k == DARE {
		plain, err := sio.DecryptReader(src, dareConfig(key, uint32(block)))
		if err != nil {
			return nil, err
		}
		r.src = plain
	} else {
		r.src = &blockReader{src: src, number: uint64(block), left: r.left, buf: make([]byte, BlockSize+checkSize)}
	}
	if _, err := io.CopyN(io.Discard, r, offset-block*BlockSize); err != nil {
		if errors.Is(err, io.EOF) {
			err = ErrDamaged
		}
		return nil, err
	}
	return r, nil
}

// reader ends where the document does.
type reader struct {
	src  io.Reader
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	var alien sio.Error
	switch {
	case errors.As(err, &alien), errors.Is(err, io.EOF) && r.left > 0, errors.Is(err, io.ErrUnexpectedEOF):
		err = ErrDamaged
	case errors.Is(err, io.EOF):
		err = nil // the next call says so
	}
	return n, err
}

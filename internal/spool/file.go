package spool

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// chunkSize is how many plain bytes are sealed together.
const chunkSize = 64 << 10

// file is an unlinked temporary file of sealed chunks: AES-256-GCM under a
// random key that never leaves memory, the chunk's number as nonce. Order and
// number of chunks are known here, so that none can be swapped or dropped.
type file struct {
	f      *os.File
	aead   cipher.AEAD
	chunks int64
	sealed []byte // scratch
}

func newFile(dir string) (*file, error) {
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	clear(key[:])
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	f, err := os.CreateTemp(dir, "samdok-spool-*")
	if err != nil {
		return nil, fmt.Errorf("spool: make a temporary file (see the setting of the temporary folder): %w", err)
	}
	// Without a name the file is gone when the process is, however it ends.
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("spool: %w", err)
	}
	return &file{f: f, aead: aead}, nil
}

func nonce(i int64) (n [12]byte) {
	binary.BigEndian.PutUint64(n[4:], uint64(i))
	return n
}

const sealedSize = chunkSize + 16

// seal writes all whole chunks of b and returns what is left of it.
func (f *file) seal(b []byte) (rest []byte, err error) {
	for len(b) >= chunkSize {
		n := nonce(f.chunks)
		f.sealed = f.aead.Seal(f.sealed[:0], n[:], b[:chunkSize], nil)
		if _, err := f.f.WriteAt(f.sealed, f.chunks*sealedSize); err != nil {
			return nil, fmt.Errorf("spool: write the temporary file: %w", err)
		}
		f.chunks++
		b = b[chunkSize:]
	}
	return b, nil
}

// open appends the plain bytes of chunk i to b.
func (f *file) open(b []byte, i int64) ([]byte, error) {
	if cap(f.sealed) < sealedSize {
		f.sealed = make([]byte, sealedSize)
	}
	f.sealed = f.sealed[:sealedSize]
	if _, err := f.f.ReadAt(f.sealed, i*sealedSize); err != nil {
		return nil, fmt.Errorf("spool: read the temporary file: %w", err)
	}
	n := nonce(i)
	b, err := f.aead.Open(b, n[:], f.sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("spool: the temporary file was altered: %w", err)
	}
	return b, nil
}

func (f *file) writeTo(w io.Writer) (n int64, err error) {
	var b []byte
	for i := range f.chunks {
		if b, err = f.open(b[:0], i); err != nil {
			return n, err
		}
		m, err := w.Write(b)
		n += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (f *file) close() error { return f.f.Close() }

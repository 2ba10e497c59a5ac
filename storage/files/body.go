package files

import (
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/minio/sio"

	"samdok/internal/disk"
	"samdok/storage/keyring"
)

const blockSize = 64 << 10 // of DARE, and of checked bodies

// storedSize is the length of a stored body of a document of some size.
func storedSize(kind uint8, size uint64) (uint64, bool) {
	if size > 1<<47 {
		return 0, false
	}
	switch kind {
	case bodySealed:
		return size + tagSize, true
	case bodyPlain:
		return size, true
	case bodyDARE:
		n, err := sio.EncryptedSize(size)
		return n, err == nil
	case bodyChecked:
		return size + 4*((size+blockSize-1)/blockSize), true
	}
	return 0, false
}

func dareConfig(key *keyring.Key, sequence uint32) sio.Config {
	return sio.Config{
		MinVersion: sio.Version20, MaxVersion: sio.Version20,
		CipherSuites: []byte{sio.AES_256_GCM}, Key: key[:], SequenceNumber: sequence,
	}
}

// at writes to a file from an offset on.
type at struct {
	f   disk.File
	off int64
}

func (a *at) Write(p []byte) (int, error) {
	n, err := a.f.WriteAt(p, a.off)
	a.off += int64(n)
	return n, err
}

// blockWriter writes blocks of blockSize, each followed by a CRC-32C over its
// number and bytes.
type blockWriter struct {
	dst    io.Writer
	number uint64
	buf    []byte
}

func blockCRC(number uint64, b []byte) uint32 {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], number)
	return crc32.Update(crc32.Checksum(n[:], castagnoli()), castagnoli(), b)
}

func newBlockWriter(dst io.Writer) *blockWriter {
	return &blockWriter{dst: dst, buf: make([]byte, 0, blockSize+4)}
}

func (w *blockWriter) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := min(len(p), blockSize-len(w.buf))
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
		if len(w.buf) == blockSize {
			if err := w.flush(); err != nil {
				return total - len(p), err
			}
		}
	}
	return total, nil
}

func (w *blockWriter) flush() error {
	w.buf = binary.LittleEndian.AppendUint32(w.buf, blockCRC(w.number, w.buf))
	_, err := w.dst.Write(w.buf)
	w.buf, w.number = w.buf[:0], w.number+1
	return err
}

func (w *blockWriter) Close() error {
	if len(w.buf) > 0 {
		return w.flush()
	}
	return nil
}

// blockReader checks and reads what blockWriter wrote, from a block on.
type blockReader struct {
	src    io.Reader
	number uint64
	left   int64 // bytes of the document not yet read from src
	buf    []byte
	have   []byte
}

func (r *blockReader) Read(p []byte) (int, error) {
	if len(r.have) == 0 {
		if r.left == 0 {
			return 0, io.EOF
		}
		n := int(min(r.left, blockSize))
		if _, err := io.ReadFull(r.src, r.buf[:n+4]); err != nil {
			return 0, errDamaged
		}
		if blockCRC(r.number, r.buf[:n]) != binary.LittleEndian.Uint32(r.buf[n:]) {
			return 0, errDamaged
		}
		r.have, r.left, r.number = r.buf[:n], r.left-int64(n), r.number+1
	}
	n := copy(p, r.have)
	r.have = r.have[n:]
	return n, nil
}

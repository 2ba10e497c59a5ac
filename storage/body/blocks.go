package body

import (
	"encoding/binary"
	"hash/crc32"
	"io"
)

// blockWriter writes blocks of BlockSize, each followed by a CRC-32C over its
// number and bytes.
type blockWriter struct {
	dst    io.Writer
	number uint64
	buf    []byte
}

func blockCRC(number uint64, b []byte) uint32 {
	var n [8]byte
	binary.LittleEndian.PutUint64(n[:], number)
	return crc32.Update(crc32.Checksum(n[:], Castagnoli()), Castagnoli(), b)
}

func (w *blockWriter) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 {
		n := min(len(p), BlockSize-len(w.buf))
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
		if len(w.buf) == BlockSize {
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
		n := int(min(r.left, BlockSize))
		if _, err := io.ReadFull(r.src, r.buf[:n+checkSize]); err != nil {
			return 0, err
		}
		if blockCRC(r.number, r.buf[:n]) != binary.LittleEndian.Uint32(r.buf[n:]) {
			return 0, ErrDamaged
		}
		r.have, r.left, r.number = r.buf[:n], r.left-int64(n), r.number+1
	}
	n := copy(p, r.have)
	r.have = r.have[n:]
	return n, nil
}

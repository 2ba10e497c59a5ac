package files

import (
	"context"
	"crypto/cipher"
	"crypto/subtle"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"samdok/fault"
	"samdok/internal/disk"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

// eager is the longest record that Open reads and checks whole; others are read
// when their first byte is wanted, so that many opened documents cost little.
const eager = 32 << 10

// opened is a record whose header and info were checked.
type opened struct {
	head header
	info storage.DocumentInfo
	aead cipher.AEAD // nil without encryption
	key  keyring.Key
	bnd  [boundSize]byte
}

// Stat implements storage.Documents.
func (s *Store) Stat(ctx context.Context, key storage.DocumentKey) (storage.DocumentInfo, error) {
	r, info, err := s.open(ctx, "files.Stat", key, 0, false)
	if r != nil {
		err = errors.Join(err, r.Close())
	}
	return info, err
}

// Open implements storage.Documents.
func (s *Store) Open(ctx context.Context, key storage.DocumentKey, offset int64) (io.ReadCloser, storage.DocumentInfo, error) {
	return s.open(ctx, "files.Open", key, offset, true)
}

func (s *Store) open(ctx context.Context, op string, key storage.DocumentKey, offset int64, bytes bool) (io.ReadCloser, storage.DocumentInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, storage.DocumentInfo{}, failure(op, context.Cause(ctx))
	}
	p, ok := parseKey(key)
	if !ok {
		return nil, storage.DocumentInfo{}, notFound(op)
	}
	var r io.ReadCloser
	var o opened
	var err error
	if p.large {
		r, o, err = s.openLarge(ctx, &p, offset)
	} else {
		r, o, err = s.openPacked(ctx, &p, offset, bytes)
	}
	if err != nil {
		return nil, storage.DocumentInfo{}, failure(op, err)
	}
	if offset < 0 || offset > o.info.Size {
		return nil, storage.DocumentInfo{}, errors.Join(r.Close(),
			fault.New(fault.Invalid, op, fault.RepositoryError, "offset %d is outside the document of %d bytes", offset, o.info.Size))
	}
	return r, o.info, nil
}

// check makes sense of a header and info, which begin in b, and proves that they
// are those the key was given out for.
func (s *Store) check(p *place, b []byte) (o opened, err error) {
	h, err := parseHeader(b)
	if errors.Is(err, errFormat) {
		return o, body.ErrDamaged
	} else if err != nil {
		return o, err
	}
	if subtle.ConstantTimeCompare(h.random[:], p.random[:]) != 1 || h.state == stateDeleted {
		return o, fs.ErrNotExist
	}
	if h.state != stateLive || (h.keyID != 0) != p.sealed || len(b) < headSize+int(h.infoLen) {
		return o, body.ErrDamaged
	}
	o.head = h
	copy(o.bnd[:], b)
	if h.keyID != 0 {
		if o.key, err = s.Ring.Key(h.keyID); errors.Is(err, keyring.ErrDestroyed) {
			return o, fs.ErrNotExist
		} else if err != nil {
			return o, err
		}
		if o.aead, err = body.AEAD(o.key); err != nil {
			return o, err
		}
	}
	o.info, err = openInfo(&o.head, o.bnd[:], b[headSize:headSize+int(h.infoLen)], o.aead)
	return o, err
}

// headMost is the most that header and info take.
const headMost = headSize + body.InfoMost

func (s *Store) openPacked(ctx context.Context, p *place, offset int64, bytes bool) (io.ReadCloser, opened, error) {
	length := int64(p.units) * align
	n := min(length, headMost)
	if bytes && length <= eager {
		n = length
	}
	buf := *records.Get().(*[]byte)
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	r := &packedReader{s: s, ctx: ctx, p: *p, off: offset, buf: buf}
	err := s.readPack(p, buf, 0)
	if err == nil {
		r.o, err = s.check(p, buf)
	}
	if err == nil && padded(r.o.head.length()) != length {
		err = body.ErrDamaged
	}
	if err == nil && bytes && n == length {
		err = r.unseal()
	}
	if err != nil {
		return nil, opened{}, errors.Join(err, r.Close())
	}
	return r, r.o, nil
}

// readPack reads a part of a record.
func (s *Store) readPack(p *place, b []byte, from int64) error {
	h, err := s.handles.get(p.pack)
	if err != nil {
		return err // no such pack: never given out, or all of it deleted
	}
	defer s.handles.release(h)
	if _, err := h.ReadAt(b, int64(p.unit)*align+from); errors.Is(err, io.EOF) {
		return body.ErrDamaged
	} else if err != nil {
		return err
	}
	return nil
}

// packedReader gives the bytes of a packed document, which are in memory and
// checked before the first one leaves.
type packedReader struct {
	s    *Store
	ctx  context.Context
	p    place
	o    opened
	off  int64
	buf  []byte // the record, from records
	doc  []byte // in buf, once unsealed
	open bool
	err  error
}

// unseal checks the body in buf and leaves the document in doc.
func (r *packedReader) unseal() error {
	from := headSize + int(r.o.head.infoLen)
	stored := r.buf[from : from+int(r.o.head.bodyLen)]
	if r.o.aead == nil {
		// The info was read in place and is unchanged without encryption.
		if crc32.Checksum(r.buf[headSize:from+len(stored)], body.Castagnoli()) != r.o.head.crc {
			return r.damaged()
		}
		r.doc, r.open = stored, true
		return nil
	}
	doc, err := body.Open(stored, r.o.bnd[:], r.o.aead)
	if err != nil {
		return r.damaged()
	}
	r.doc, r.open = doc, true
	return nil
}

// damaged tells a record that was deleted while it was read from a damaged one.
func (r *packedReader) damaged() error {
	var head [headSize]byte
	if err := r.s.readPack(&r.p, head[:], 0); err != nil {
		return err
	}
	if h, err := parseHeader(head[:]); err == nil && h.state == stateDeleted {
		return fs.ErrNotExist
	}
	return body.ErrDamaged
}

func (r *packedReader) load() error {
	if err := r.ctx.Err(); err != nil {
		return context.Cause(r.ctx)
	}
	n := int(int64(r.p.units) * align)
	if cap(r.buf) < n {
		putRecord(r.buf)
		r.buf = make([]byte, n)
	}
	r.buf = r.buf[:n]
	if err := r.s.readPack(&r.p, r.buf, 0); err != nil {
		return err
	}
	return r.unseal()
}

// Read implements io.Reader.
func (r *packedReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if !r.open {
		if r.err = failure("files.Read", r.load()); r.err != nil {
			return 0, r.err
		}
	}
	if r.off >= int64(len(r.doc)) {
		return 0, io.EOF
	}
	n := copy(p, r.doc[r.off:])
	r.off += int64(n)
	return n, nil
}

// WriteTo spares io.Copy a buffer.
func (r *packedReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if n, err := r.Read(nil); n == 0 && err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return total, err
		}
		n, err := w.Write(r.doc[r.off:])
		r.off, total = r.off+int64(n), total+int64(n)
		if err != nil {
			return total, err
		}
	}
}

// Close implements io.Closer.
func (r *packedReader) Close() error {
	putRecord(r.buf)
	r.buf, r.doc, r.open, r.err = nil, nil, false, errEnded
	return nil
}

func (s *Store) openLarge(ctx context.Context, p *place, offset int64) (io.ReadCloser, opened, error) {
	dir, name := s.largePath(p.random)
	r := &largeReader{s: s, ctx: ctx, path: filepath.Join(dir, name), off: offset}
	f, err := s.FS.Open(r.path, os.O_RDONLY, 0)
	if err != nil {
		return nil, opened{}, err
	}
	size, err := f.Size()
	if err == nil {
		b := make([]byte, min(size, headMost))
		if _, err = f.ReadAt(b, 0); err == nil {
			r.o, err = s.check(p, b)
		}
	}
	if err == nil && r.o.head.length() != size {
		err = body.ErrDamaged // cut or grown
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, opened{}, err
	}
	return r, r.o, nil
}

// largeReader streams a document from its own file, which it opens at the first
// Read and closes at the end.
type largeReader struct {
	s    *Store
	ctx  context.Context
	path string
	o    opened
	off  int64
	f    disk.File
	src  io.Reader
	err  error
}

func (r *largeReader) start() error {
	f, err := r.s.FS.Open(r.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	r.f = f
	key, err := dareKey(r.o.key)
	if err != nil {
		return err
	}
	kind := r.o.head.kind
	at, end := headSize+int64(r.o.head.infoLen)+kind.Start(r.off), r.o.head.length()
	r.src, err = kind.NewReader(io.NewSectionReader(f, at, end-at), &key, r.o.info.Size, r.off)
	return err
}

// Read implements io.Reader. It never ends early: fewer bytes than the document
// has are an error.
func (r *largeReader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.read(p)
	r.off += int64(n)
	if err != nil {
		if r.err = io.EOF; !errors.Is(err, io.EOF) {
			r.err = failure("files.Read", err)
		}
	}
	return n, r.err
}

func (r *largeReader) read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil && r.off < r.o.info.Size {
		return 0, context.Cause(r.ctx)
	}
	if r.src == nil {
		if err := r.start(); err != nil {
			return 0, err
		}
	}
	return r.src.Read(p)
}

// Close implements io.Closer.
func (r *largeReader) Close() error {
	r.err = errEnded
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}

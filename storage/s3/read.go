package s3

import (
	"bytes"
	"context"
	"crypto/cipher"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/fault"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

// opened is a document whose end was read and checked.
type opened struct {
	place place
	tail  tail
	info  storage.DocumentInfo
	key   keyring.Key
	aead  cipher.AEAD // nil without encryption
}

// Stat implements storage.Documents.
func (d *Documents) Stat(ctx context.Context, key storage.DocumentKey) (storage.DocumentInfo, error) {
	o, _, err := d.look(ctx, "s3.Stat", key, endMost)
	if err != nil {
		return storage.DocumentInfo{}, d.fault("s3.Stat", err, reads)
	}
	return o.info, nil
}

// Open implements storage.Documents. A small document is read and checked at once,
// with one call; of a large one the end is, and the bytes are asked for when the
// first one is wanted.
func (d *Documents) Open(ctx context.Context, key storage.DocumentKey, offset int64) (io.ReadCloser, storage.DocumentInfo, error) {
	const op = "s3.Open"
	most := int64(endMost)
	if p, ok := parsePlace(key); ok && p.small() {
		most += 2 * threshold
	}
	o, object, err := d.look(ctx, op, key, most)
	if err != nil {
		return nil, storage.DocumentInfo{}, d.fault(op, err, reads)
	}
	if offset < 0 || offset > o.info.Size {
		return nil, storage.DocumentInfo{}, fault.New(fault.Invalid, op, fault.RepositoryError,
			"offset %d is outside the document of %d bytes", offset, o.info.Size)
	}
	r := &reader{d: d, ctx: ctx, o: o, offset: offset}
	if o.place.small() {
		if err := r.unseal(object); err != nil {
			return nil, storage.DocumentInfo{}, d.fault(op, err, reads)
		}
	}
	return r, o.info, nil
}

// look reads the last bytes of a document and what they say. The data key is
// looked up meanwhile.
func (d *Documents) look(ctx context.Context, op string, key storage.DocumentKey, most int64) (o opened, object []byte, err error) {
	if ctx.Err() != nil {
		return o, nil, gone(ctx)
	}
	p, ok := parsePlace(key)
	if !ok {
		return o, nil, errMissing
	}
	o.place = p
	var unlocked error
	var both sync.WaitGroup
	if p.keyID != 0 {
		both.Go(func() { o.key, unlocked = d.keys.Key(ctx, p.keyID) })
	}
	object, length, err := d.s.end(ctx, op, p.name(), most)
	both.Wait()
	switch {
	case err != nil:
		return o, nil, err
	case errors.Is(unlocked, keyring.ErrUnknown) && d.keys != nil:
		return o, nil, errors.Join(body.ErrDamaged, unlocked)
	case unlocked != nil:
		return o, nil, unlocked
	}
	if p.keyID != 0 {
		if o.aead, err = body.AEAD(o.key); err != nil {
			return o, nil, err
		}
	}
	if o.tail, err = parseTail(object, &p, length); err != nil {
		return o, nil, err
	}
	info := len(object) - tailSize - int(o.tail.infoLen)
	if info < 0 {
		return o, nil, body.ErrDamaged
	}
	o.info, err = body.OpenInfo(o.tail.bound, object[info:len(object)-tailSize], o.aead)
	o.info.Size, o.info.Modified = o.tail.size, time.Unix(0, p.time).UTC()
	return o, object, err
}

// end reads the last bytes of an object, or all when it has no more.
func (s *Store) end(ctx context.Context, op, name string, most int64) (data []byte, length int64, err error) {
	var o minio.GetObjectOptions
	if err := o.SetRange(0, -most); err != nil {
		return nil, 0, err
	}
	err = s.do(ctx, op, func(ctx context.Context) error {
		r, info, header, err := s.client.GetObject(ctx, s.Bucket, s.Prefix+name, o)
		if err != nil {
			return err
		}
		defer r.Close()
		length = info.Size
		if _, total, ok := strings.Cut(header.Get("Content-Range"), "/"); ok {
			if length, err = strconv.ParseInt(total, 10, 64); err != nil {
				return err
			}
		}
		if info.Size > most || info.Size < min(length, most) {
			return errTooLong
		}
		data = make([]byte, info.Size)
		_, err = io.ReadFull(r, data)
		return err
	})
	return data, length, err
}

// reader gives the bytes of a document.
type reader struct {
	d      *Documents
	ctx    context.Context
	o      opened
	offset int64
	doc    []byte // of a small document
	stream *stream
	src    io.Reader
	err    error
}

// unseal checks a small document, which is in memory with all that is stored.
func (r *reader) unseal(object []byte) (err error) {
	if int64(len(object)) != r.o.tail.stored+r.o.tail.infoLen+tailSize {
		return body.ErrDamaged
	}
	stored := object[:r.o.tail.stored]
	if r.o.place.kind() == body.Sealed {
		r.doc, err = body.Open(stored, r.o.tail.bound, r.o.aead)
		return err
	}
	src, err := r.o.place.kind().NewReader(bytes.NewReader(stored), nil, r.o.info.Size, 0)
	if err != nil {
		return err
	}
	r.doc, err = io.ReadAll(src)
	return err
}

// start asks for the bytes of a large document.
func (r *reader) start() error {
	key, err := bodyKey(r.o.key)
	if err != nil {
		return err
	}
	kind := r.o.place.kind()
	r.stream = &stream{s: r.d.s, ctx: r.ctx, name: r.o.place.name(), at: kind.Start(r.offset), end: r.o.tail.stored}
	r.src, err = kind.NewReader(r.stream, &key, r.o.info.Size, r.offset)
	return err
}

// Read implements io.Reader. It never ends early: fewer bytes than the document
// has are an error.
func (r *reader) Read(p []byte) (n int, err error) {
	if r.err != nil {
		return 0, r.err
	}
	switch {
	case r.offset == r.o.info.Size:
		err = io.EOF
	case r.ctx.Err() != nil:
		err = gone(r.ctx)
	case r.o.place.small():
		n = copy(p, r.doc[r.offset:])
	case r.src == nil:
		if err = r.start(); err == nil {
			n, err = r.src.Read(p)
		}
	default:
		n, err = r.src.Read(p)
	}
	r.offset += int64(n)
	r.err = r.d.fault("s3.Read", err, reads)
	return n, r.err
}

// chunks are buffers of WriteTo: whole blocks are opened where they lie.
var chunks = sync.Pool{New: func() any { return new([4 * body.BlockSize]byte) }}

// WriteTo implements io.WriterTo: it spares io.Copy small reads.
func (r *reader) WriteTo(w io.Writer) (total int64, err error) {
	buf := chunks.Get().(*[4 * body.BlockSize]byte)
	defer chunks.Put(buf)
	for {
		n, err := r.Read(buf[:])
		if n > 0 {
			m, failed := w.Write(buf[:n])
			if total += int64(m); failed != nil {
				return total, failed
			}
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close implements io.Closer.
func (r *reader) Close() error {
	r.err = errEnded
	if r.stream != nil {
		r.stream.close()
	}
	return nil
}

package files

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"sync"

	"samdok/fault"
	"samdok/internal/disk"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

// writer is one intake. It holds a small document in memory: room for header and
// info, then the bytes, so that the record is sealed where it lies.
type writer struct {
	s     *Store
	ctx   context.Context
	owner storage.Owner
	body  int    // where the body begins in buf
	buf   []byte // from records; nil once spilled or ended
	size  int64
	spill *spill
	key   storage.DocumentKey
	err   error // why nothing more is taken
}

// spill is the part of an intake that grew beyond the threshold.
type spill struct {
	path    string
	f       disk.File
	keyID   uint64
	key     keyring.Key
	body    io.WriteCloser
	sha1    hash.Hash
	sha256  hash.Hash
	renamed bool
}

var errEnded = errors.New("files: the intake has ended")

// records are buffers of small intakes and small readers.
var records = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

func putRecord(b []byte) {
	if cap(b) > 0 && cap(b) <= 2<<20 {
		b = b[:0]
		records.Put(&b)
	}
}

// Create implements storage.Documents. ctx also bounds writes that must wait.
func (s *Store) Create(ctx context.Context, owner storage.Owner) (storage.DocumentWriter, error) {
	if len(owner.Tenant)+len(owner.UniqueID) > storage.MaxOwner {
		return nil, fault.New(fault.TooLarge, "files.Create", fault.RepositoryError,
			"tenant and uniqueId of a document are longer than the limit of %d bytes", storage.MaxOwner)
	}
	w := &writer{s: s, ctx: ctx, owner: owner}
	w.body = headSize + body.InfoSize(owner, s.Ring != nil)
	w.buf = *records.Get().(*[]byte)
	if cap(w.buf) < w.body {
		w.buf = make([]byte, 0, w.body+4096)
	}
	w.buf = w.buf[:w.body]
	return w, nil
}

func (w *writer) Key() storage.DocumentKey { return w.key }

// Write implements io.Writer.
func (w *writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	if w.spill == nil {
		if len(w.buf)-w.body+len(p) <= w.s.Threshold {
			w.buf = append(w.buf, p...)
			w.size += int64(len(p))
			return len(p), nil
		}
		if err := w.startSpill(); err != nil {
			w.err = failure("files.Write", err)
			return 0, w.err
		}
	}
	n, err := w.spill.write(p)
	w.size += int64(n)
	if err != nil {
		w.err = failure("files.Write", err)
	}
	return n, w.err
}

func (sp *spill) write(p []byte) (int, error) {
	sp.sha1.Write(p) // hashes never fail
	sp.sha256.Write(p)
	return sp.body.Write(p)
}

func (w *writer) startSpill() error {
	if err := w.ctx.Err(); err != nil {
		return context.Cause(w.ctx)
	}
	var name [16]byte
	if _, err := rand.Read(name[:]); err != nil {
		return err
	}
	sp := &spill{path: filepath.Join(w.s.incoming(), hex.EncodeToString(name[:])), sha1: sha1.New(), sha256: sha256.New()}
	var err error
	if sp.keyID, sp.key, err = w.s.Ring.New(w.ctx); err != nil {
		return err
	}
	if sp.f, err = w.s.FS.Open(sp.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return err
	}
	w.spill = sp // from here on Cancel removes the file
	dst := &at{sp.f, int64(w.body)}
	kind := body.DARE
	if w.s.Ring == nil {
		kind = body.Checked
	}
	key, err := dareKey(sp.key)
	if err != nil {
		return err
	}
	if sp.body, err = kind.NewWriter(dst, &key); err != nil {
		return err
	}
	_, err = sp.write(w.buf[w.body:])
	putRecord(w.buf)
	w.buf = nil
	return err
}

// Commit implements storage.DocumentWriter.
func (w *writer) Commit(ctx context.Context) (storage.DocumentInfo, error) {
	if w.err != nil {
		return storage.DocumentInfo{}, w.err
	}
	if err := ctx.Err(); err != nil {
		return storage.DocumentInfo{}, failure("files.Commit", context.Cause(ctx))
	}
	h := &header{size: uint64(w.size), time: w.s.Clock().UnixNano(), state: stateLive, infoLen: uint16(w.body - headSize)}
	info := storage.DocumentInfo{Owner: w.owner, Size: w.size}
	_, err := rand.Read(h.random[:])
	var p place
	switch {
	case err != nil:
	case w.spill != nil:
		p, err = w.commitLarge(h, &info)
	default:
		p, err = w.commitPacked(ctx, h, &info)
	}
	if err != nil {
		w.err = failure("files.Commit", err)
		return storage.DocumentInfo{}, w.err
	}
	info.Modified = timeOf(h)
	w.key, w.err = p.key(), errEnded
	return info, nil
}

func (w *writer) commitPacked(ctx context.Context, h *header, info *storage.DocumentInfo) (place, error) {
	keyID, key, err := w.s.Ring.New(ctx)
	if err != nil {
		return place{}, err
	}
	doc := w.buf[w.body:]
	info.SHA1, info.SHA256 = sha1.Sum(doc), sha256.Sum256(doc)
	h.keyID, h.kind = keyID, body.Plain
	if w.s.Ring != nil {
		h.kind = body.Sealed
	}
	h.bodyLen, _ = h.kind.Stored(h.size)
	h.putBound(w.buf)
	bound := w.buf[:boundSize]
	if h.kind == body.Plain {
		body.AppendInfo(w.buf[:headSize], bound, info, nil)
	} else {
		aead, err := body.AEAD(key)
		if err != nil {
			return place{}, err
		}
		body.AppendInfo(w.buf[:headSize], bound, info, aead)
		w.buf = body.Seal(w.buf[:w.body], doc, bound, aead)
	}
	h.crc = crc32.Checksum(w.buf[headSize:], body.Castagnoli())
	p, err := w.s.appendRecord(ctx, h, w.buf)
	putRecord(w.buf)
	w.buf = nil
	return p, err
}

// Cancel implements storage.DocumentWriter.
func (w *writer) Cancel() error {
	if w.key != "" {
		return nil
	}
	w.err = errEnded
	if w.buf != nil {
		putRecord(w.buf)
		w.buf = nil
	}
	sp := w.spill
	if sp == nil || sp.f == nil {
		return nil
	}
	err := sp.f.Close()
	sp.f = nil
	if !sp.renamed {
		err = errors.Join(err, w.s.FS.Remove(sp.path))
	}
	return failure("files.Cancel", err)
}

package s3

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // what S3 asks for with object lock
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"github.com/minio/minio-go/v7"
)

// partSize is that of all parts but the last one, bytes: the least that S3 takes.
// With at most 10,000 parts, a document has up to 48 GiB.
const partSize = 5 << 20

// parts are buffers of partSize.
var parts = sync.Pool{New: func() any { return new([partSize]byte) }}

// upload is an object that is written part by part: one part is filled while the
// one before it is sent. What fits in a single part is one put.
type upload struct {
	s      *Store
	ctx    context.Context
	stop   context.CancelFunc
	name   string
	part   []byte // being filled
	sent   []byte // being sent
	spare  []byte // was sent, to be filled next
	id     string // "" before the first part is sent
	done   []minio.CompletePart
	flying chan error // of the part that is being sent; nil when none is
	size   int64      // of what was sent
	err    error
}

// kept is how documents are written.
func (s *Store) kept() minio.PutObjectOptions {
	return s.locked(minio.PutObjectOptions{StorageClass: s.StorageClass})
}

func (s *Store) newUpload(ctx context.Context, name string) *upload {
	u := &upload{s: s, name: name}
	u.ctx, u.stop = context.WithCancel(ctx)
	return u
}

// Write implements io.Writer.
func (u *upload) Write(p []byte) (int, error) {
	total := len(p)
	for len(p) > 0 && u.err == nil {
		if len(u.part) == partSize {
			u.err = u.send()
			continue
		}
		u.room(len(p))
		n := min(len(p), cap(u.part)-len(u.part))
		u.part = append(u.part, p[:n]...)
		p = p[n:]
	}
	return total - len(p), u.err
}

// room sees to a buffer: a small one first, since most documents are small.
func (u *upload) room(n int) {
	const first = 512 << 10
	switch {
	case len(u.part)+n <= cap(u.part) || cap(u.part) == partSize:
	case u.spare != nil:
		u.part, u.spare = u.spare[:0], nil
	case len(u.part)+n <= first && u.id == "":
		u.part = append(make([]byte, 0, first), u.part...)
	default:
		u.part = append(parts.Get().(*[partSize]byte)[:0], u.part...)
	}
}

// release gives the buffers back.
func (u *upload) release() {
	for _, b := range [][]byte{u.part, u.spare} {
		if cap(b) == partSize {
			parts.Put((*[partSize]byte)(b[:partSize]))
		}
	}
	u.part, u.spare = nil, nil
}

// send begins to send the part that is full, when the one before has arrived.
func (u *upload) send() error {
	const op = "s3.Write"
	if err := u.land(); err != nil {
		return err
	}
	if u.id == "" {
		o := u.s.kept()
		o.ServerSideEncryption = u.s.sse
		err := u.s.do(u.ctx, op, func(ctx context.Context) (err error) {
			u.id, err = u.s.client.NewMultipartUpload(ctx, u.s.Bucket, u.s.Prefix+u.name, o)
			return err
		})
		if err != nil {
			return err
		}
	}
	number, part, flying := len(u.done)+1, u.part, make(chan error, 1)
	u.part, u.sent, u.flying = nil, part, flying
	u.done = append(u.done, minio.CompletePart{PartNumber: number})
	u.size += int64(len(part))
	go func() {
		etag, err := u.s.putPart(u.ctx, op, u.name, u.id, number, part)
		u.done[number-1].ETag = etag // read after land only
		flying <- err
	}()
	return nil
}

// land waits for the part that is being sent.
func (u *upload) land() error {
	if u.flying == nil {
		return nil
	}
	err := <-u.flying
	u.spare, u.sent, u.flying = u.sent, nil, nil
	return err
}

func (s *Store) putPart(ctx context.Context, op, name, id string, number int, part []byte) (etag string, err error) {
	sum := sha256.Sum256(part)
	o := minio.PutObjectPartOptions{Sha256Hex: hex.EncodeToString(sum[:]), DisableContentSha256: true}
	if s.Retention > 0 {
		o.Md5Base64 = md5Of(part)
	}
	err = s.do(ctx, op, func(ctx context.Context) error {
		p, err := s.client.PutObjectPart(ctx, s.Bucket, s.Prefix+name, id, number, bytes.NewReader(part), int64(len(part)), o)
		etag = p.ETag
		return err
	})
	if errors.Is(err, errMissing) {
		err = errors.New("S3 has forgotten the parts that were sent; is a lifecycle rule set that ends uploads?")
	}
	return etag, err
}

func md5Of(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // see the import
	return base64.StdEncoding.EncodeToString(sum[:])
}

// finish sends the rest and makes the object appear.
func (u *upload) finish(ctx context.Context, rest []byte) error {
	const op = "s3.Commit"
	if _, err := u.Write(rest); err != nil {
		return err
	}
	defer u.stop()
	if err := u.land(); err != nil {
		return err
	}
	defer u.release()
	if u.id == "" {
		_, err := u.s.put(ctx, op, u.name, u.part, condition{}, u.s.kept())
		return err
	}
	etag, err := u.s.putPart(ctx, op, u.name, u.id, len(u.done)+1, u.part)
	if err != nil {
		return err
	}
	u.done = append(u.done, minio.CompletePart{PartNumber: len(u.done) + 1, ETag: etag})
	u.size += int64(len(u.part))
	if err = u.complete(ctx, op); err == nil {
		u.id = ""
	}
	return err
}

func (u *upload) complete(ctx context.Context, op string) error {
	s := u.s
	err := s.do(ctx, op, func(ctx context.Context) error {
		_, err := s.client.CompleteMultipartUpload(ctx, s.Bucket, s.Prefix+u.name, u.id, u.done, minio.PutObjectOptions{})
		return err
	})
	if !errors.Is(err, errMissing) {
		return err
	}
	// The upload is not known any more: an answer was lost, if the object is there.
	err = s.do(ctx, op, func(ctx context.Context) error {
		info, err := s.client.StatObject(ctx, s.Bucket, s.Prefix+u.name, minio.StatObjectOptions{})
		if err == nil && info.Size != u.size {
			return fmt.Errorf("S3 has made an object of %d bytes of parts of %d", info.Size, u.size)
		}
		return err
	})
	if errors.Is(err, errMissing) {
		return errors.New("S3 has forgotten the parts that were sent; is a lifecycle rule set that ends uploads?")
	}
	return err
}

// cancel forgets what was sent.
func (u *upload) cancel() error {
	u.stop()
	if err := u.land(); err != nil {
		u.err = err // it was to be forgotten anyway
	}
	u.release()
	if u.id == "" {
		return nil
	}
	return u.s.abort(context.WithoutCancel(u.ctx), "s3.Cancel", u.s.Prefix+u.name, u.id)
}

// abort forgets the parts of an upload; unknown ones are fine.
func (s *Store) abort(ctx context.Context, op, object, id string) error {
	err := s.do(ctx, op, func(ctx context.Context) error {
		return s.client.AbortMultipartUpload(ctx, s.Bucket, object, id)
	})
	if errors.Is(err, errMissing) {
		return nil
	}
	return err
}

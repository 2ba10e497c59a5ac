package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/access"
)

// condition of a put: the zero value has none.
type condition struct {
	create bool   // nothing may have the name (If-None-Match: *)
	etag   string // the object must be this one (If-Match)
}

// put writes an object that fits in memory. errCondition when the condition does
// not hold; after a lost answer that may be our own doing, see settle.
func (s *Store) put(ctx context.Context, op, name string, data []byte, c condition, o minio.PutObjectOptions) (etag string, err error) {
	o.ServerSideEncryption = s.sse
	// The signature covers the hash of the bytes; without this minio-go replaces it.
	o.DisableContentSha256 = true
	switch {
	case c.create:
		o.SetMatchETagExcept("*")
	case c.etag != "":
		o.SetMatchETag(c.etag)
	}
	sum, md5 := sha256.Sum256(data), ""
	if o.Mode != "" {
		md5 = md5Of(data)
	}
	err = s.do(ctx, op, func(ctx context.Context) error {
		up, err := s.client.PutObject(ctx, s.Bucket, s.Prefix+name, bytes.NewReader(data), int64(len(data)), md5, hex.EncodeToString(sum[:]), o)
		etag = up.ETag
		return err
	})
	if errors.Is(err, errMissing) { // If-Match on a name that nothing has
		err = errCondition
	}
	return etag, err
}

// create writes an object whose name nothing has yet. When something has it
// already, found is that, and err is errCondition unless it is the very same: then
// an answer was lost.
func (s *Store) create(ctx context.Context, op, name string, data []byte, o minio.PutObjectOptions) (etag string, found []byte, err error) {
	etag, err = s.put(ctx, op, name, data, condition{create: true}, o)
	if !errors.Is(err, errCondition) {
		return etag, nil, err
	}
	found, etag, err = s.get(ctx, op, name, maxObject)
	if errors.Is(err, errMissing) { // deleted between the two
		return "", nil, errCondition
	}
	if err != nil {
		return "", nil, unsettled(err)
	}
	if bytes.Equal(found, data) {
		return etag, nil, nil
	}
	return etag, found, errCondition
}

// replace writes an object in the place of the one with an ETag. errCondition when
// that is gone or another one. Contents must differ each time (they have a random
// part), so that an ETag never comes back.
func (s *Store) replace(ctx context.Context, op, name string, data []byte, etag string) (string, error) {
	fresh, err := s.put(ctx, op, name, data, condition{etag: etag}, minio.PutObjectOptions{})
	if !errors.Is(err, errCondition) {
		return fresh, err
	}
	found, is, err := s.get(ctx, op, name, maxObject)
	switch {
	case errors.Is(err, errMissing):
		return "", errCondition
	case err != nil:
		return "", unsettled(err)
	case bytes.Equal(found, data):
		return is, nil
	}
	return "", errCondition
}

// maxObject is the longest object that is read whole, bytes.
const maxObject = 64 << 20

// get reads an object that fits in memory. errMissing.
func (s *Store) get(ctx context.Context, op, name string, most int64) (data []byte, etag string, err error) {
	err = s.do(ctx, op, func(ctx context.Context) error {
		r, info, _, err := s.client.GetObject(ctx, s.Bucket, s.Prefix+name, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer r.Close()
		if info.Size > most {
			return errTooLong
		}
		data = make([]byte, info.Size)
		etag = info.ETag
		_, err = io.ReadFull(r, data)
		return err
	})
	if err != nil {
		return nil, "", err
	}
	return data, etag, nil
}

// remove deletes an object; one that is not there is fine.
func (s *Store) remove(ctx context.Context, op, name string) error {
	err := s.do(ctx, op, func(ctx context.Context) error {
		return s.client.RemoveObject(ctx, s.Bucket, s.Prefix+name, minio.RemoveObjectOptions{})
	})
	if errors.Is(err, errMissing) {
		return nil
	}
	return err
}

// listed is an object as a list tells it.
type listed struct {
	name     string
	etag     string
	size     int64
	modified time.Time
}

// pageSize is what a store lists in one answer.
const pageSize = 1000

// page lists the names below a prefix and after a name, in order, at most pageSize.
// Unless deep, what is in folders is left out and the folders, whose names end
// in a slash, are listed instead.
func (s *Store) page(ctx context.Context, op, prefix, after string, deep bool, most int) (list []listed, err error) {
	o := minio.ListObjectsOptions{Prefix: s.Prefix + prefix, Recursive: deep, MaxKeys: most, FetchOwner: new(bool)}
	if after != "" {
		o.StartAfter = s.Prefix + after
	}
	err = s.do(ctx, op, func(ctx context.Context) error {
		list = list[:0]
		for info := range s.client.ListObjectsIter(ctx, s.Bucket, o) {
			if info.Err != nil {
				return info.Err
			}
			if unfinished(info.Key) {
				continue
			}
			list = append(list, listed{strings.TrimPrefix(info.Key, s.Prefix), info.ETag, info.Size, info.LastModified})
			if len(list) >= most {
				break
			}
		}
		return ctx.Err() // a list that was cut off ends without an error
	})
	return list, err
}

// unfinished tells whether a name is that of an object which is just being replaced:
// versitygw lists "keys/.NAME.sgwtmp.NUMBER" for a moment. No name of ours begins so.
func unfinished(key string) bool {
	name := key[strings.LastIndexByte(key, '/')+1:]
	return strings.HasPrefix(name, ".") && strings.Contains(name, ".sgwtmp.")
}

// all calls visit with everything below a prefix and after a name, in order; it
// ends at an error.
func (s *Store) all(ctx context.Context, op, prefix, after string, visit func(listed) error) error {
	for {
		list, err := s.page(ctx, op, prefix, after, true, pageSize)
		if err != nil {
			return err
		}
		for _, l := range list {
			if err := visit(l); err != nil {
				return err
			}
		}
		if len(list) < pageSize {
			return nil
		}
		after = list[len(list)-1].name
	}
}

// escape makes one part of a name of any text: letters, digits, "-" and "_" stay,
// every other byte is "=" and two digits.
func escape(t access.Tenant) string {
	b := make([]byte, 0, len(t)+1)
	for _, c := range []byte(t) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' {
			b = append(b, c)
		} else {
			b = append(b, '=')
			b = hex.AppendEncode(b, []byte{c})
		}
	}
	if len(b) == 0 {
		b = append(b, '=')
	}
	return string(b)
}

// unescape is false for what escape does not make.
func unescape(s string) (access.Tenant, bool) {
	var b []byte
	for i := 0; i < len(s) && s != "="; i++ {
		if s[i] != '=' {
			b = append(b, s[i])
			continue
		}
		if i+3 > len(s) {
			return "", false
		}
		c, err := hex.DecodeString(s[i+1 : i+3])
		if err != nil {
			return "", false
		}
		b = append(b, c...)
		i += 2
	}
	t := access.Tenant(b)
	return t, escape(t) == s
}

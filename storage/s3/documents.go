package s3

import (
	"context"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/fault"
	"samdok/storage"
	"samdok/storage/body"
	"samdok/storage/keyring"
)

// Documents implements storage.Documents. Each document is an object, written once;
// it does not exist before Commit has ended.
type Documents struct {
	s    *Store
	keys *Keys
}

var _ storage.Documents = (*Documents)(nil)

// Documents of the store; keys nil: encryption off.
func (s *Store) Documents(keys *Keys) *Documents { return &Documents{s, keys} }

func notFound(op string) error {
	return fault.New(fault.NotFound, op, fault.DocumentUniqueIDError, "the document is not in this repository")
}

// fault is the error of an operation on a document.
func (d *Documents) fault(op string, err error, e effect) error {
	switch {
	case errors.Is(err, errMissing), errors.Is(err, keyring.ErrDestroyed):
		return notFound(op)
	case errors.Is(err, body.ErrDamaged):
		return fault.Wrap(err, fault.Internal, op, fault.RepositoryError, "The stored document is damaged; the repository's operator must restore it from a backup.")
	}
	err = d.s.fault(op, err, e)
	var f *fault.Error
	if err == nil || errors.Is(err, io.EOF) || errors.As(err, &f) {
		return err
	}
	return fault.Wrap(err, fault.Internal, op, fault.RepositoryError, "The repository could not reach its stored documents.")
}

// gone is the error of a caller who went away.
func gone(ctx context.Context) error { return &failure{class: ended, err: context.Cause(ctx)} }

// deletingDir holds an empty object for each document whose deletion has begun.
const deletingDir = "deleting/"

// Delete implements storage.Documents. The data key goes first, so that no copy of
// the bytes can be read, wherever it lies; what is cut off after that is ended by
// the next Keys.
func (d *Documents) Delete(ctx context.Context, key storage.DocumentKey) error {
	const op = "s3.Delete"
	p, ok := parsePlace(key)
	if !ok {
		return nil
	}
	err := d.s.do(ctx, op, func(ctx context.Context) error {
		_, err := d.s.client.StatObject(ctx, d.s.Bucket, d.s.Prefix+p.name(), minio.StatObjectOptions{})
		return err
	})
	if errors.Is(err, errMissing) { // also when another data key's number was written into a key
		return nil
	}
	if err == nil && p.keyID != 0 {
		_, err = d.s.put(ctx, op, deletingDir+string(key), nil, condition{}, minio.PutObjectOptions{})
	}
	if err == nil {
		err = d.finish(ctx, &p)
	}
	return d.fault(op, err, writes)
}

// finish does what is left of a deletion. It may be done by many at once.
func (d *Documents) finish(ctx context.Context, p *place) error {
	const op = "s3.Delete"
	if p.keyID != 0 && d.keys != nil {
		if err := d.keys.Destroy(ctx, p.keyID); err != nil && !errors.Is(err, keyring.ErrUnknown) {
			return err
		}
	}
	if err := d.removeAll(ctx, op, p.name()); err != nil || p.keyID == 0 {
		return err
	}
	return d.s.remove(ctx, op, deletingDir+string(p.key()))
}

// removeAll deletes an object with its former versions, unless they are locked.
func (d *Documents) removeAll(ctx context.Context, op, name string) error {
	if err := d.s.remove(ctx, op, name); err != nil || !d.s.versioned || d.s.Retention > 0 {
		return err
	}
	return d.s.purge(ctx, op, name, true)
}

// Keys implements storage.Documents. It also ends deletions that were cut off, and
// forgets the parts of intakes that ended more than a day ago without a Commit.
func (d *Documents) Keys(ctx context.Context, from, before time.Time) iter.Seq2[storage.DocumentKey, error] {
	const op = "s3.Keys"
	return func(yield func(storage.DocumentKey, error) bool) {
		err := d.tidy(ctx)
		if err != nil {
			yield("", d.fault(op, err, reads))
			return
		}
		after := ""
		if !from.IsZero() {
			after = hourDir(from)
		}
		end := hourDir(before.Add(time.Hour))
		err = d.s.all(ctx, op, documentsDir, after, func(l listed) error {
			if l.name >= end {
				return errStop
			}
			p, ok := parsePlace(storage.DocumentKey(l.name[strings.LastIndexByte(l.name, '/')+1:]))
			if t := time.Unix(0, p.time); !ok || p.name() != l.name || t.Before(from) || !t.Before(before) {
				return nil
			}
			if !yield(p.key(), nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield("", d.fault(op, err, reads))
		}
	}
}

var errStop = errors.New("no more is wanted")

func (d *Documents) tidy(ctx context.Context) error {
	const op = "s3.Keys"
	err := d.s.all(ctx, op, deletingDir, "", func(l listed) error {
		p, ok := parsePlace(storage.DocumentKey(strings.TrimPrefix(l.name, deletingDir)))
		if !ok {
			return d.s.remove(ctx, op, l.name)
		}
		return d.finish(ctx, &p)
	})
	if err != nil {
		return err
	}
	old := d.s.Clock().Add(-longestIntake)
	for object, upload := "", ""; ; {
		var list minio.ListMultipartUploadsResult
		err := d.s.do(ctx, op, func(ctx context.Context) (err error) {
			list, err = d.s.client.ListMultipartUploads(ctx, d.s.Bucket, d.s.Prefix+documentsDir, object, upload, "", pageSize)
			return err
		})
		if err != nil {
			return err
		}
		for _, u := range list.Uploads {
			if u.Initiated.Before(old) {
				if err := d.s.abort(ctx, op, u.Key, u.UploadID); err != nil {
					return err
				}
			}
		}
		if object, upload = list.NextKeyMarker, list.NextUploadIDMarker; !list.IsTruncated {
			return nil
		}
	}
}

package s3

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/minio/minio-go/v7"

	"samdok/storage"
)

const journalDir = "journal/"

// Stray is an object below documents/ or journal/ that no samdok has written there.
type Stray struct {
	Name string
	// Missing: it has the form of a batch, but there is none before it.
	Missing bool
}

// Strays yields the objects below documents/ and journal/ that nobody here gives a
// meaning to, while nodes write: what they write has its last name from the start.
// looked is called with the number of objects looked at.
func (s *Store) Strays(ctx context.Context, looked func(n int64)) iter.Seq2[Stray, error] {
	return func(yield func(Stray, error) bool) {
		w := &strays{s: s, looked: looked, yield: yield}
		err := s.all(ctx, "s3.Strays", documentsDir, "", func(l listed) error { return w.found(l, isDocument(l.name), false) })
		if err == nil {
			err = s.all(ctx, "s3.Strays", journalDir, "", func(l listed) error { return w.batch(ctx, l) })
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(Stray{}, s.fault("s3.Strays", err, reads))
		}
	}
}

// strays is one walk.
type strays struct {
	s      *Store
	looked func(int64)
	yield  func(Stray, error) bool
	n      int64
	tenant string // whose journal was looked at last, as its folder
	last   uint64 // its last batch
}

func isDocument(name string) bool {
	p, ok := parsePlace(storage.DocumentKey(name[strings.LastIndexByte(name, '/')+1:]))
	return ok && p.name() == name
}

// found yields what is not known. A folder that some stores list is nothing.
func (w *strays) found(l listed, known, missing bool) error {
	if w.n++; w.looked != nil {
		w.looked(w.n)
	}
	if known || l.size == 0 && strings.HasSuffix(l.name, "/") || w.yield(Stray{l.name, missing}, nil) {
		return nil
	}
	return errStop
}

// batch looks at a name below journal/. The names of a tenant come in the order of its
// batches.
func (w *strays) batch(ctx context.Context, l listed) error {
	folder, number, _ := strings.Cut(strings.TrimPrefix(l.name, journalDir), "/")
	_, tenant := unescape(folder)
	seq, ok := parseSeq(number)
	if !tenant || !ok || seq == 0 {
		return w.found(l, false, false)
	}
	if folder != w.tenant {
		w.tenant, w.last = folder, 0
	}
	before := w.last
	w.last = seq
	if seq == before+1 {
		return w.found(l, true, false)
	}
	// A list that was begun before two batches were written may show the second alone.
	there, err := w.written(ctx, journalDir+folder+"/", seq-1)
	if err != nil {
		return err
	}
	return w.found(l, there, !there)
}

func (w *strays) written(ctx context.Context, dir string, seq uint64) (bool, error) {
	if seq == 0 {
		return true, nil
	}
	const op = "s3.Strays"
	err := w.s.do(ctx, op, func(ctx context.Context) error {
		_, err := w.s.client.StatObject(ctx, w.s.Bucket, w.s.Prefix+(&Journal{w.s, dir}).name(seq), minio.StatObjectOptions{})
		return err
	})
	if errors.Is(err, errMissing) {
		return false, nil
	}
	return err == nil, err
}

package storagetest

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"samdok/storage"
)

// DocumentsEngine is what the suite must know about an engine.
type DocumentsEngine struct {
	// Open opens the documents in dir, anew each time it is called. The returned
	// function closes them.
	Open func(tb testing.TB, dir string) (storage.Documents, func() error)
	// Edges are sizes in bytes at which the engine changes its ways (thresholds,
	// blocks); the suite tries them and their neighbours.
	Edges []int64
	// Large tries documents of 100 MiB too; one variant of an engine is enough.
	Large bool
	// Allocate is what may be allocated, bytes, while a document much larger than
	// that is stored and read; default 16 MiB. An engine across a network has
	// requests to make.
	Allocate uint64
	// Idle lets go of connections that are kept for later, which are no leak; nil for
	// an engine without any.
	Idle func(storage.Documents)
	// Damage alters, cuts or swaps stored bytes of a key in every way the engine
	// can think of, one after another; after each it calls check and puts the
	// bytes back.
	Damage func(t *testing.T, dir string, key storage.DocumentKey, check func(what string))
}

// RunDocuments runs the suite for storage.Documents (promises P1, P2 and P4 for
// bytes). Engines also call RunDocumentsKill from a test whose TestMain calls
// DocumentsChild.
func RunDocuments(t *testing.T, e DocumentsEngine) {
	t.Run("sizes", e.sizes)
	t.Run("reopen", e.reopen)
	t.Run("offsets", e.offsets)
	t.Run("unknown keys", e.unknown)
	t.Run("cancel", e.cancel)
	t.Run("ended writers", e.ended)
	t.Run("owner", e.owner)
	t.Run("delete", e.delete)
	t.Run("keys", e.keys)
	t.Run("many at once", e.concurrent)
	t.Run("canceled context", e.context)
	if e.Large {
		t.Run("constant memory", e.memory)
	}
	if e.Damage != nil {
		t.Run("damage", e.damage)
	}
}

var testOwner = storage.Owner{Tenant: "test", UniqueID: "1.2.3.4.5"}

func (e *DocumentsEngine) open(t *testing.T) storage.Documents {
	d, done := e.Open(t, t.TempDir())
	t.Cleanup(func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// Bytes are n bytes that depend on seed only.
func Bytes(seed uint64, n int64) []byte {
	b := make([]byte, n)
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	rand.NewChaCha8(key).Read(b) // never fails
	return b
}

// PutDocument stores bytes and checks what Commit tells.
func PutDocument(ctx context.Context, d storage.Documents, b []byte) (storage.DocumentKey, error) {
	w, err := d.Create(ctx, testOwner)
	if err != nil {
		return "", err
	}
	defer w.Cancel()
	if w.Key() != "" {
		return "", errors.New("a key before Commit")
	}
	for chunk := 1 << 15; len(b) > 0; {
		n, err := w.Write(b[:min(chunk, len(b))])
		if err != nil {
			return "", err
		}
		b = b[n:]
	}
	if _, err := w.Commit(ctx); err != nil {
		return "", err
	}
	if err := w.Cancel(); err != nil {
		return "", fmt.Errorf("cancel after commit: %w", err)
	}
	return w.Key(), nil
}

// CheckDocument reads a document and compares bytes, size and hashes.
func CheckDocument(ctx context.Context, d storage.Documents, key storage.DocumentKey, want []byte) error {
	r, info, err := d.Open(ctx, key, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	stat, err := d.Stat(ctx, key)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(got, want):
		return fmt.Errorf("read %d other bytes than the %d written", len(got), len(want))
	case info != stat:
		return errors.New("info of Open and of Stat differ")
	case info.Size != int64(len(want)) || info.SHA1 != sha1.Sum(want) || info.SHA256 != sha256.Sum256(want):
		return errors.New("size or hashes are wrong")
	case info.Owner != testOwner:
		return errors.New("owner is wrong")
	}
	return nil
}

// ReadSome reads a document as far as it goes.
func ReadSome(ctx context.Context, d storage.Documents, key storage.DocumentKey) ([]byte, error) {
	r, _, err := d.Open(ctx, key, 0)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

func put(t *testing.T, d storage.Documents, b []byte) storage.DocumentKey {
	t.Helper()
	key, err := PutDocument(context.Background(), d, b)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func check(t *testing.T, d storage.Documents, key storage.DocumentKey, want []byte) {
	t.Helper()
	if err := CheckDocument(context.Background(), d, key, want); err != nil {
		t.Fatal(err)
	}
}

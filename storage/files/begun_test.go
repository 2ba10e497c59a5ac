package files

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"samdok/storage"
	"samdok/storage/storagetest"
)

// TestBegunDeletion: a deletion that ended after its key was destroyed is ended by
// the next list of keys, for small and large documents.
func TestBegunDeletion(t *testing.T) {
	dir := t.TempDir()
	s, done := mustOpen(t, dir, true, Options{})
	ctx := context.Background()
	var keys []storage.DocumentKey
	for i, size := range []int64{100, 10_240, 600_000} {
		key, err := storagetest.PutDocument(ctx, s, storagetest.Bytes(uint64(i), size))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	stays, err := storagetest.PutDocument(ctx, s, storagetest.Bytes(9, 1000))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		p, _ := parseKey(key)
		b := make([]byte, headSize)
		if p.large {
			folder, name := s.largePath(p.random)
			f, err := os.Open(filepath.Join(folder, name))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
			f.Close()
		} else if err := s.readPack(&p, b, 0); err != nil {
			t.Fatal(err)
		}
		h, err := parseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Ring.Destroy(ctx, h.keyID); err != nil {
			t.Fatal(err)
		}
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	s, done = mustOpen(t, dir, true, Options{})
	for range 2 {
		n := 0
		for key, err := range s.Keys(ctx, time.Time{}, time.Now().Add(time.Hour)) {
			if err != nil || key != stays {
				t.Fatalf("%s is listed: %v", key, err)
			}
			n++
		}
		if n != 1 {
			t.Fatalf("%d keys", n)
		}
	}
	p, _ := parseKey(keys[0])
	b := make([]byte, headSize)
	if err := s.readPack(&p, b, 0); err != nil {
		t.Fatal(err)
	}
	if h, err := parseHeader(b); err != nil || h.state != stateDeleted {
		t.Fatalf("the record is not marked: %+v, %v", h.state, err)
	}
	p, _ = parseKey(keys[2])
	folder, name := s.largePath(p.random)
	if _, err := os.Stat(filepath.Join(folder, name)); !os.IsNotExist(err) {
		t.Fatalf("the large file is still there: %v", err)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

package files

import (
	"context"
	"os"
	"testing"

	"samdok/storage"
	"samdok/storage/storagetest"
)

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestFilesAreClosed opens many documents of many packs at once: opening keeps no
// file of its own, packs are kept open up to a bound, and all are closed at last.
func TestFilesAreClosed(t *testing.T) {
	before := openFiles(t)
	s, done := mustOpen(t, t.TempDir(), true, Options{PackSize: 50_000, Threshold: 40_000, Handles: 4})
	ctx := context.Background()
	var keys []storage.DocumentKey
	for i := range 200 {
		key, err := storagetest.PutDocument(ctx, s, storagetest.Bytes(uint64(i), int64(i*500)))
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		r, _, err := s.Open(ctx, key, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
	}
	w, err := s.Create(ctx, testOwner())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	// Keyring, the pack that takes commits, 4 handles, the intake.
	if n := openFiles(t) - before; n > 10 {
		t.Fatalf("%d files open with 200 documents opened", n)
	}
	if err := w.Cancel(); err != nil {
		t.Fatal(err)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	if n := openFiles(t) - before; n > 0 {
		t.Fatalf("%d files were not closed", n)
	}
}

func testOwner() storage.Owner { return storage.Owner{Tenant: "t", UniqueID: "1.2"} }

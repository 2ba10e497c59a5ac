package files

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"samdok/storage"
	"samdok/storage/storagetest"
)

type fixture struct {
	Key  storage.DocumentKey
	Seed uint64
	Size int64
}

// TestFixtures opens folders written by every data format there ever was. To
// write the one of a new format: SAMDOK_WRITE_FIXTURE=v2 go test -run Fixtures
func TestFixtures(t *testing.T) {
	if name := os.Getenv("SAMDOK_WRITE_FIXTURE"); name != "" {
		for kind, sealed := range map[string]bool{"sealed": true, "open": false} {
			writeFixture(t, filepath.Join("testdata", name, kind), sealed)
		}
	}
	for _, name := range []string{"v1"} {
		for kind, sealed := range map[string]bool{"sealed": true, "open": false} {
			t.Run(name+"/"+kind, func(t *testing.T) { openFixture(t, filepath.Join("testdata", name, kind), sealed) })
		}
	}
}

func openFixture(t *testing.T, from string, sealed bool) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "fixture.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []fixture
	if err := json.Unmarshal(b, &all); err != nil || len(all) < 5 {
		t.Fatal(len(all), err)
	}
	s, done := mustOpen(t, dir, sealed, Options{Threshold: 4_000})
	for _, f := range all {
		if err := storagetest.CheckDocument(context.Background(), s, f.Key, storagetest.Bytes(f.Seed, f.Size)); err != nil {
			t.Fatalf("document of %d bytes: %v", f.Size, err)
		}
	}
	if n := len(storagetest.Keys(t, s, time.Time{}, time.Now())); n != len(all) {
		t.Fatalf("%d keys, want %d", n, len(all))
	}
	for _, f := range all {
		if err := s.Delete(context.Background(), f.Key); err != nil {
			t.Fatal(err)
		}
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

func writeFixture(t *testing.T, dir string, sealed bool) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s, done := mustOpen(t, dir, sealed, Options{Threshold: 4_000})
	var all []fixture
	for i, size := range []int64{0, 1, 1_000, 4_000, 4_001, 70_000} {
		key, err := storagetest.PutDocument(context.Background(), s, storagetest.Bytes(uint64(i), size))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, fixture{key, uint64(i), size})
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	b, err := json.MarshalIndent(all, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "fixture.json"), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

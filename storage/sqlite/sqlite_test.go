package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

func open(t testing.TB, path string, o Options) *DB {
	t.Helper()
	db, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.db")
	db := open(t, path, Options{})
	s := storage.PatientStream(metadata.PatientID{ID: "1", Authority: "2.3"})
	doc := &metadata.DocumentEntry{ID: metadata.NewUUID().ID(), UniqueID: "1.2.3", Status: metadata.Approved, Kind: metadata.Stable}
	if err := db.Append(ctx, "t", []storage.Change{{Stream: s, Events: []storage.Event{{Kind: storage.EventSubmitted, Added: []storage.Added{{Object: doc}}}}, Claims: []storage.Claim{{ID: string(doc.ID), Exclusive: true}}}}); err != nil {
		t.Fatal(err)
	}
	st, v, err := db.Load(ctx, "t", s, storage.Refs{UniqueIDs: []string{"1.2.3"}})
	if err != nil || v != 1 || len(st.Objects) != 1 {
		t.Fatal(st, v, err)
	}
	n := 0
	for p, err := range db.Find(ctx, access.Tenant("t"), s, storage.Filter{Documents: &metadata.DocumentFilter{}}, access.Restriction{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		_ = p
	}
	if n != 1 {
		t.Fatal(n)
	}
}

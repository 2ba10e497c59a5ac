package sqlite_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/keyring"
	"samdok/storage/storagetest"
)

func TestErase(t *testing.T) {
	t.Run("encrypted", func(t *testing.T) { storagetest.RunErase(t, engine(true)) })
	t.Run("plain", func(t *testing.T) { storagetest.RunErase(t, engine(false)) })
}

func TestEraseKill(t *testing.T) { storagetest.RunEraseKill(t, engine(true)) }

// TestErasedIsInNoCopy: an older copy of the database, with its write-ahead log, is
// worth nothing with the keyring as it is now, for what was erased; the wrapped key
// is overwritten in the file.
func TestErasedIsInNoCopy(t *testing.T) {
	const secret = "Utskriving etter hjerteinfarkt"
	ctx := context.Background()
	dir, copied := t.TempDir(), t.TempDir()
	db, done, err := openIn(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	g := metadatatest.New(8)
	p := g.Patient()
	c := storagetest.NewChange(g.Metadata(p, 1), 0)
	for _, a := range c.Events[0].Added {
		if d, ok := a.Object.(*metadata.DocumentEntry); ok {
			d.Title = metadata.NewText(secret)
		}
	}
	if err := db.Append(ctx, "t", []storage.Change{c}); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	if err := db.Post(ctx, []storage.Letter{{ID: metadata.NewUUID(), Tenant: "t", Queue: storage.QueueAnswers, Body: []byte(secret), Created: now, Due: now, Expires: now.Add(time.Hour)}}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"log.db", "log.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ring := filepath.Join(dir, "keys", keyring.FileName)
	before, err := os.ReadFile(ring)
	if err != nil {
		t.Fatal(err)
	}
	ev := storage.Event{Kind: storage.EventErased, ID: metadata.NewUUID()}
	for _, a := range c.Events[0].Added {
		ev.Removed = append(ev.Removed, a.Object.ObjectID())
	}
	if err := db.Append(ctx, "t", []storage.Change{{Stream: c.Stream, Expect: 1, Events: []storage.Event{ev}}}); err != nil {
		t.Fatal(err)
	}
	if n, err := db.Forget(ctx, "t", func(l *storage.Letter) bool { return string(l.Body) == secret }); err != nil || n != 1 {
		t.Fatalf("%d letters, %v", n, err)
	}
	redacted, err := db.Redact(ctx, "t", c.Stream, nil)
	if err != nil || len(redacted.Keys) != 1 {
		t.Fatalf("%+v, %v", redacted, err)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(ring)
	if err != nil {
		t.Fatal(err)
	}
	const slot = 64
	at := redacted.Keys[0] * slot
	if !bytes.Equal(after[at:at+60], make([]byte, 60)) || bytes.Equal(before[at:at+60], after[at:at+60]) {
		t.Fatal("the wrapped key is still in the keyring")
	}
	for _, d := range []string{dir, copied} {
		grep(t, d, secret)
	}
	// The old database beside the keyring of today.
	if err := os.MkdirAll(filepath.Join(copied, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(copied, "keys", keyring.FileName), after, 0o600); err != nil {
		t.Fatal(err)
	}
	old, done, err := openIn(copied, true)
	if err != nil {
		t.Fatal(err)
	}
	for o, err := range old.Find(ctx, "t", c.Stream, storage.Filter{Documents: &metadata.DocumentFilter{}}, access.Restriction{}) {
		t.Fatalf("found in an older copy: %T %v", o.Object, err)
	}
	if letters, err := old.Take(ctx, storage.QueueAnswers, now, 0, 10); err != nil || len(letters) > 0 {
		t.Fatalf("%d letters in an older copy, %v", len(letters), err)
	}
	for ev, err := range old.Events(ctx, "t", c.Stream, 0) {
		t.Fatalf("an event in an older copy: %v %v", ev.Kind, err)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

func grep(t *testing.T, dir, secret string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds what was erased", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/keyring"
)

// TestLetterKeys: the data key of a day is destroyed when the day is over and its
// letters are settled, and not before.
func TestLetterKeys(t *testing.T) {
	dir := t.TempDir()
	ring := openRing(t, filepath.Join(dir, "keys"))
	db := open(t, filepath.Join(dir, "log.db"), Options{Ring: ring})
	day := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	var letters []storage.Letter
	var keys []uint64
	for i := range 3 {
		l := storage.Letter{ID: metadata.NewUUID(), Tenant: tenant, Queue: storage.QueueAnswers, Body: []byte("x"), Created: day.AddDate(0, 0, i), Expires: day.AddDate(1, 0, 0)}
		if err := db.Post(context.Background(), []storage.Letter{l}); err != nil {
			t.Fatal(err)
		}
		letters, keys = append(letters, l), append(keys, db.letterKeys.current.Load().box.keyID)
		if i == 0 {
			if err := db.Settle(context.Background(), l); err != nil {
				t.Fatal(err)
			}
		}
	}
	if keys[0] == keys[1] || keys[1] == keys[2] {
		t.Fatalf("keys %d", keys)
	}
	if _, err := ring.Key(keys[0]); !errors.Is(err, keyring.ErrDestroyed) {
		t.Fatalf("the key of a day without letters: %v", err)
	}
	for _, id := range keys[1:] {
		if _, err := ring.Key(id); err != nil {
			t.Fatalf("the key of a letter that waits: %v", err)
		}
	}
	// A letter that lost its key is buried, not in the way of others.
	if err := ring.Destroy(context.Background(), keys[1]); err != nil {
		t.Fatal(err)
	}
	got, err := db.Take(context.Background(), storage.QueueAnswers, day.AddDate(0, 1, 0), time.Minute, 10)
	if err != nil || len(got) != 1 || got[0].ID != letters[2].ID {
		t.Fatalf("%d letters, %v", len(got), err)
	}
	if b, err := db.Count(context.Background(), storage.QueueAnswers); err != nil || b.Waiting != 1 || b.Dead != 1 {
		t.Fatalf("%+v, %v", b, err)
	}
}

package keyring

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestRewrap: all keys and what is destroyed survive a new master key; the old one
// opens nothing any more, and no wrapped key is as it was.
func TestRewrap(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	r := open(t, dir, master(t, 1))
	want := map[uint64]Key{}
	var gone uint64
	for range 3 * aheadMost {
		id, k, err := r.New(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want[id], gone = k, id
	}
	var told []uint64
	r.Watch(func(id uint64) { told = append(told, id) })
	if err := r.Destroy(ctx, gone); err != nil || len(told) != 1 || told[0] != gone {
		t.Fatal(err, told)
	}
	delete(want, gone)
	was := r.Fingerprint()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Rewrap(ctx, dir, master(t, 3), master(t, 2), nil); !errors.Is(err, ErrOtherMaster) {
		t.Fatalf("with a wrong key: %v", err)
	}
	steps := 0
	n, err := Rewrap(ctx, dir, master(t, 1), master(t, 2), func(int64, int64) { steps++ })
	if err != nil || n < int64(len(want)) || steps == 0 {
		t.Fatal(n, steps, err)
	}
	if _, err := Open(dir, master(t, 1)); !errors.Is(err, ErrOtherMaster) {
		t.Fatalf("the old key: %v", err)
	}
	r = open(t, dir, master(t, 2))
	for id, k := range want {
		if got, err := r.Key(id); err != nil || got != k {
			t.Fatalf("key %d: %v", id, err)
		}
	}
	if _, err := r.Key(gone); !errors.Is(err, ErrDestroyed) {
		t.Fatalf("the destroyed key: %v", err)
	}
	if r.Fingerprint() == was {
		t.Fatal("the same fingerprint")
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for id := range want {
		if bytes.Equal(before[id*slotSize+12:id*slotSize+60], after[id*slotSize+12:id*slotSize+60]) {
			t.Fatalf("key %d is wrapped as before", id)
		}
	}
}

// TestRewrapBroken: a damaged slot, or a stop in the middle, changes nothing.
func TestRewrapBroken(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	r := open(t, dir, master(t, 1))
	id, key, err := r.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	if _, err := Rewrap(stopped, dir, master(t, 1), master(t, 2), nil); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	// A process that was killed leaves a half file, which is written over.
	if err := os.WriteFile(filepath.Join(dir, FileName+".new"), bytes.Repeat([]byte{7}, 100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	r = open(t, dir, master(t, 1))
	if got, err := r.Key(id); err != nil || got != key {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[(id+1)%aheadMost*slotSize+20] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Rewrap(ctx, dir, master(t, 1), master(t, 2), nil); !errors.Is(err, ErrDamaged) {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + ".new"); !os.IsNotExist(err) {
		t.Fatal("the half file is left")
	}
	open(t, dir, master(t, 1))
}

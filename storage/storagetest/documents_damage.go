package storagetest

import (
	"bytes"
	"context"
	"testing"

	"samdok/storage"
)

func (e *DocumentsEngine) damage(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	all := map[storage.DocumentKey][]byte{}
	d, done := e.Open(t, dir)
	for i, n := range []int64{0, 1, 1000, 50_000, 300_000, 3 << 20} {
		b := Bytes(uint64(i), n)
		all[put(t, d, b)] = b
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	for key, want := range all {
		e.Damage(t, dir, key, func(what string) {
			d, done := e.Open(t, dir)
			got, err := ReadSome(ctx, d, key)
			if err == nil {
				t.Errorf("document of %d bytes, %s: read without an error", len(want), what)
			}
			if !bytes.HasPrefix(want, got) {
				t.Errorf("document of %d bytes, %s: altered bytes were returned", len(want), what)
			}
			if err := done(); err != nil {
				t.Fatal(err)
			}
		})
	}
	d, done = e.Open(t, dir)
	for key, b := range all {
		check(t, d, key, b)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

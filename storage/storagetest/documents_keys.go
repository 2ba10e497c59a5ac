package storagetest

import (
	"context"
	"sync"
	"testing"
	"time"

	"samdok/fault"
	"samdok/storage"
)

func (e *DocumentsEngine) gone(t *testing.T, d storage.Documents, key storage.DocumentKey) {
	t.Helper()
	if _, _, err := d.Open(context.Background(), key, 0); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("Open of a key that is not there: %v", err)
	}
	if _, err := d.Stat(context.Background(), key); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("Stat of a key that is not there: %v", err)
	}
	if err := d.Delete(context.Background(), key); err != nil {
		t.Fatalf("Delete of a key that is not there: %v", err)
	}
}

func (e *DocumentsEngine) unknown(t *testing.T) {
	d := e.open(t)
	real := put(t, d, Bytes(1, 100))
	long := put(t, d, Bytes(2, 3<<20))
	for _, key := range []storage.DocumentKey{"", "x", "../../etc/passwd", real[:len(real)-1], real + "A", long[:len(long)-1], long + "0", "p\x00", storage.DocumentKey(make([]byte, 33))} {
		e.gone(t, d, key)
	}
	// One wrong letter of the random part must not lead to the document.
	for _, key := range []storage.DocumentKey{real, long} {
		b := []byte(key)
		if b[len(b)-1]++; b[len(b)-1] == ':' || b[len(b)-1] == 'g' {
			b[len(b)-1] = '0'
		}
		if r, _, err := d.Open(context.Background(), storage.DocumentKey(b), 0); err == nil {
			r.Close()
			t.Fatalf("key %q opened the document of %q", b, key)
		}
		check(t, d, key, map[storage.DocumentKey][]byte{real: Bytes(1, 100), long: Bytes(2, 3<<20)}[key])
	}
}

func (e *DocumentsEngine) delete(t *testing.T) {
	dir := t.TempDir()
	d, done := e.Open(t, dir)
	var gone []storage.DocumentKey
	kept := map[storage.DocumentKey][]byte{}
	for i, n := range append(e.sizeList(), e.sizeList()...) {
		b := Bytes(uint64(i), n)
		key := put(t, d, b)
		if i%2 == 0 {
			kept[key] = b
		} else {
			gone = append(gone, key)
		}
	}
	verify := func() {
		for _, key := range gone {
			e.gone(t, d, key)
		}
		for key, b := range kept {
			check(t, d, key, b)
		}
		if keys := Keys(t, d, time.Time{}, time.Now().Add(time.Hour)); len(keys) != len(kept) {
			t.Fatalf("%d keys, want %d", len(keys), len(kept))
		}
	}
	var wg sync.WaitGroup
	for _, key := range append(gone, gone...) { // twice, at the same time
		wg.Go(func() {
			if err := d.Delete(context.Background(), key); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	verify()
	if err := done(); err != nil {
		t.Fatal(err)
	}
	d, done = e.Open(t, dir)
	verify()
	for key := range kept {
		if err := d.Delete(context.Background(), key); err != nil {
			t.Fatal(err)
		}
	}
	if keys := Keys(t, d, time.Time{}, time.Now().Add(time.Hour)); len(keys) != 0 {
		t.Fatalf("%d keys after everything was deleted", len(keys))
	}
	b := Bytes(9, 10)
	check(t, d, put(t, d, b), b)
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

// Keys lists the keys of an engine.
func Keys(t testing.TB, d storage.Documents, from, before time.Time) map[storage.DocumentKey]bool {
	t.Helper()
	all := map[storage.DocumentKey]bool{}
	for key, err := range d.Keys(context.Background(), from, before) {
		if err != nil {
			t.Fatal(err)
		}
		if all[key] {
			t.Fatalf("key %q listed twice", key)
		}
		all[key] = true
	}
	return all
}

func (e *DocumentsEngine) keys(t *testing.T) {
	d, ctx := e.open(t), context.Background()
	times := map[storage.DocumentKey]time.Time{}
	for i, n := range append(e.sizeList(), e.sizeList()...) {
		key := put(t, d, Bytes(uint64(i), n))
		info, err := d.Stat(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		times[key] = info.Modified
	}
	for _, pivot := range times {
		old, young := Keys(t, d, time.Time{}, pivot), Keys(t, d, pivot, time.Now().Add(time.Hour))
		for key, at := range times {
			if old[key] != at.Before(pivot) || young[key] == at.Before(pivot) {
				t.Fatalf("key of %v, pivot %v: old %v young %v", at, pivot, old[key], young[key])
			}
		}
		if len(old)+len(young) != len(times) {
			t.Fatal("keys that nobody stored")
		}
	}
	for range d.Keys(ctx, time.Time{}, time.Now().Add(time.Hour)) {
		break // whoever stops early must not break anything
	}
}

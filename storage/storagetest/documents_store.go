package storagetest

import (
	"bytes"
	"cmp"
	"context"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"samdok/fault"
	"samdok/storage"
)

func (e *DocumentsEngine) sizeList() []int64 {
	sizes := []int64{0, 1, 63, 64, 65, 4095, 4096, 10 << 10, 100_000, 3 << 20}
	for _, n := range e.Edges {
		sizes = append(sizes, n-1, n, n+1)
	}
	return sizes
}

func (e *DocumentsEngine) sizes(t *testing.T) {
	d := e.open(t)
	seen := map[storage.DocumentKey]bool{}
	sizes := e.sizeList()
	if e.Large {
		sizes = append(sizes, 100<<20)
	}
	for i, n := range sizes {
		b := Bytes(uint64(i), n)
		key := put(t, d, b)
		if seen[key] || key == "" {
			t.Fatalf("size %d: key %q given twice or empty", n, key)
		}
		seen[key] = true
		if err := CheckDocument(context.Background(), d, key, b); err != nil {
			t.Fatalf("size %d: %v", n, err)
		}
	}
	same := Bytes(1, 100)
	if first := put(t, d, same); first == put(t, d, same) {
		t.Fatal("equal bytes got one key")
	}
}

func (e *DocumentsEngine) reopen(t *testing.T) {
	dir := t.TempDir()
	all := map[storage.DocumentKey][]byte{}
	for round := range 4 {
		d, done := e.Open(t, dir)
		for key, b := range all {
			check(t, d, key, b)
		}
		for i, n := range e.sizeList() {
			b := Bytes(uint64(round*1000+i), n)
			all[put(t, d, b)] = b
		}
		if err := done(); err != nil {
			t.Fatal(err)
		}
	}
}

func (e *DocumentsEngine) offsets(t *testing.T) {
	d, ctx := e.open(t), context.Background()
	for _, n := range e.sizeList() {
		b := Bytes(uint64(n), n)
		key := put(t, d, b)
		offs := []int64{0, 1, n / 2, n - 1, n}
		for _, edge := range e.Edges {
			offs = append(offs, edge-1, edge, edge+1)
		}
		for _, off := range offs {
			if off < 0 || off > n {
				continue
			}
			r, info, err := d.Open(ctx, key, off)
			if err != nil || info.Size != n {
				t.Fatalf("size %d offset %d: %v", n, off, err)
			}
			got, err := io.ReadAll(iotest.HalfReader(r))
			if err != nil || !bytes.Equal(got, b[off:]) {
				t.Fatalf("size %d offset %d: other bytes, %v", n, off, err)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		for _, off := range []int64{-1, n + 1} {
			if r, _, err := d.Open(ctx, key, off); err == nil {
				r.Close()
				t.Fatalf("size %d: offset %d was taken", n, off)
			}
		}
	}
}

func (e *DocumentsEngine) owner(t *testing.T) {
	d, ctx := e.open(t), context.Background()
	long := make([]byte, storage.MaxOwner-4)
	for i := range long {
		long[i] = byte(i)
	}
	for _, o := range []storage.Owner{{}, {Tenant: "t"}, {UniqueID: "1^2"}, {Tenant: "abcd", UniqueID: string(long)}} {
		for _, n := range []int64{0, 3 << 20} {
			w, err := d.Create(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(Bytes(1, n)); err != nil {
				t.Fatal(err)
			}
			info, err := w.Commit(ctx)
			if err != nil || info.Owner != o {
				t.Fatal(err)
			}
			if got, err := d.Stat(ctx, w.Key()); err != nil || got != info {
				t.Fatalf("Stat tells %+v, Commit told %+v: %v", got, info, err)
			}
		}
	}
	if _, err := d.Create(ctx, storage.Owner{Tenant: "abcde", UniqueID: string(long)}); fault.KindOf(err) != fault.TooLarge {
		t.Fatalf("an owner that is too long: %v", err)
	}
}

// memory streams documents much larger than what may stay in memory.
func (e *DocumentsEngine) memory(t *testing.T) {
	size := int64(64 << 20)
	if Long() {
		size = 1 << 30
	}
	d, ctx := e.open(t), context.Background()
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w, err := d.Create(ctx, testOwner)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Cancel()
	block := Bytes(5, 1<<20)
	for range size / int64(len(block)) {
		if _, err := w.Write(block); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	r, _, err := d.Open(ctx, w.Key(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 64<<10)); err != nil || n != size {
		t.Fatal(n, err)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > cmp.Or(e.Allocate, 16<<20) {
		t.Fatalf("%d bytes allocated to store and read %d", got, size)
	}
}

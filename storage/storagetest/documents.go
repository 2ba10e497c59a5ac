package storagetest

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"samdok/fault"
	"samdok/storage"
)

// DocumentsEngine is what the suite must know about an engine.
type DocumentsEngine struct {
	// Open opens the documents in dir, anew each time it is called. The returned
	// function closes them.
	Open func(tb testing.TB, dir string) (storage.Documents, func() error)
	// Edges are sizes in bytes at which the engine changes its ways (thresholds,
	// blocks); the suite tries them and their neighbours.
	Edges []int64
	// Large tries documents of 100 MiB too; one variant of an engine is enough.
	Large bool
	// Damage alters, cuts or swaps stored bytes of a key in every way the engine
	// can think of, one after another; after each it calls check and puts the
	// bytes back.
	Damage func(t *testing.T, dir string, key storage.DocumentKey, check func(what string))
}

// RunDocuments runs the suite for storage.Documents (promises P1, P2 and P4 for
// bytes). Engines also call RunDocumentsKill from a test whose TestMain calls
// DocumentsChild.
func RunDocuments(t *testing.T, e DocumentsEngine) {
	t.Run("sizes", e.sizes)
	t.Run("reopen", e.reopen)
	t.Run("offsets", e.offsets)
	t.Run("unknown keys", e.unknown)
	t.Run("cancel", e.cancel)
	t.Run("ended writers", e.ended)
	t.Run("owner", e.owner)
	t.Run("delete", e.delete)
	t.Run("keys", e.keys)
	t.Run("many at once", e.concurrent)
	t.Run("canceled context", e.context)
	if e.Large {
		t.Run("constant memory", e.memory)
	}
	if e.Damage != nil {
		t.Run("damage", e.damage)
	}
}

var testOwner = storage.Owner{Tenant: "test", UniqueID: "1.2.3.4.5"}

// Bytes are n bytes that depend on seed only.
func Bytes(seed uint64, n int64) []byte {
	b := make([]byte, n)
	var key [32]byte
	for i := range 8 {
		key[i] = byte(seed >> (8 * i))
	}
	rand.NewChaCha8(key).Read(b) // never fails
	return b
}

func (e *DocumentsEngine) open(t *testing.T) storage.Documents {
	d, done := e.Open(t, t.TempDir())
	t.Cleanup(func() {
		if err := done(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// PutDocument stores bytes and checks what Commit tells.
func PutDocument(ctx context.Context, d storage.Documents, b []byte) (storage.DocumentKey, error) {
	w, err := d.Create(ctx, testOwner)
	if err != nil {
		return "", err
	}
	defer w.Cancel()
	if w.Key() != "" {
		return "", errors.New("a key before Commit")
	}
	for chunk := 1 << 15; len(b) > 0; {
		n, err := w.Write(b[:min(chunk, len(b))])
		if err != nil {
			return "", err
		}
		b = b[n:]
	}
	if _, err := w.Commit(ctx); err != nil {
		return "", err
	}
	if err := w.Cancel(); err != nil {
		return "", fmt.Errorf("cancel after commit: %w", err)
	}
	return w.Key(), nil
}

// CheckDocument reads a document and compares bytes, size and hashes.
func CheckDocument(ctx context.Context, d storage.Documents, key storage.DocumentKey, want []byte) error {
	r, info, err := d.Open(ctx, key, 0)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	stat, err := d.Stat(ctx, key)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(got, want):
		return fmt.Errorf("read %d other bytes than the %d written", len(got), len(want))
	case info != stat:
		return errors.New("info of Open and of Stat differ")
	case info.Size != int64(len(want)) || info.SHA1 != sha1.Sum(want) || info.SHA256 != sha256.Sum256(want):
		return errors.New("size or hashes are wrong")
	case info.Owner != testOwner:
		return errors.New("owner is wrong")
	}
	return nil
}

func put(t *testing.T, d storage.Documents, b []byte) storage.DocumentKey {
	t.Helper()
	key, err := PutDocument(context.Background(), d, b)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func check(t *testing.T, d storage.Documents, key storage.DocumentKey, want []byte) {
	t.Helper()
	if err := CheckDocument(context.Background(), d, key, want); err != nil {
		t.Fatal(err)
	}
}

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

func (e *DocumentsEngine) cancel(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	d, done := e.Open(t, dir)
	for _, n := range e.sizeList() {
		w, err := d.Create(ctx, testOwner)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(Bytes(3, n)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.Cancel(); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := w.Commit(ctx); err == nil {
			t.Fatal("Commit after Cancel")
		}
	}
	if keys := Keys(t, d, time.Time{}, time.Now().Add(time.Hour)); len(keys) != 0 {
		t.Fatalf("%d keys after nothing but cancels", len(keys))
	}
	// An intake that nobody ended is forgotten by the next start.
	for _, n := range []int64{100, 3 << 20} {
		w, err := d.Create(ctx, testOwner)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Cancel()
		if _, err := w.Write(Bytes(4, n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	d, done = e.Open(t, dir)
	if keys := Keys(t, d, time.Time{}, time.Now().Add(time.Hour)); len(keys) != 0 {
		t.Fatalf("%d keys of intakes that never ended", len(keys))
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

func (e *DocumentsEngine) ended(t *testing.T) {
	d, ctx := e.open(t), context.Background()
	for _, n := range []int64{10, 3 << 20} {
		w, err := d.Create(ctx, testOwner)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(Bytes(1, n)); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte{1}); err == nil {
			t.Fatal("Write after Commit")
		}
		if _, err := w.Commit(ctx); err == nil {
			t.Fatal("Commit after Commit")
		}
		if err := w.Cancel(); err != nil {
			t.Fatal(err)
		}
		check(t, d, w.Key(), Bytes(1, n))
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

func (e *DocumentsEngine) concurrent(t *testing.T) {
	d, ctx := e.open(t), context.Background()
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 60 {
				n := int64(i * 997)
				if i%20 == 0 {
					n = 2 << 20
				}
				b := Bytes(uint64(worker*1000+i), n)
				key, err := PutDocument(ctx, d, b)
				if err == nil {
					err = CheckDocument(ctx, d, key, b)
				}
				if err == nil && i%3 == 0 {
					err = d.Delete(ctx, key)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			for _, err := range d.Keys(ctx, time.Time{}, time.Now()) {
				if err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	wg.Wait()
	if n := len(Keys(t, d, time.Time{}, time.Now().Add(time.Hour))); n != 8*40 {
		t.Fatalf("%d keys, want %d", n, 8*40)
	}
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

func (e *DocumentsEngine) context(t *testing.T) {
	d := e.open(t)
	key := put(t, d, Bytes(1, 3<<20))
	ctx, cancel := context.WithCancel(context.Background())
	r, _, err := d.Open(ctx, key, 0)
	if err != nil {
		t.Fatal(err)
	}
	w, err := d.Create(ctx, testOwner)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v", err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := w.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Commit: %v", err)
	}
	if err := w.Cancel(); err != nil {
		t.Error(err)
	}
	if _, _, err := d.Open(ctx, key, 0); fault.KindOf(err) != fault.Canceled {
		t.Errorf("Open: %v", err)
	}
	if _, err := d.Stat(ctx, key); fault.KindOf(err) != fault.Canceled {
		t.Errorf("Stat: %v", err)
	}
	if err := d.Delete(ctx, key); fault.KindOf(err) != fault.Canceled {
		t.Errorf("Delete: %v", err)
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
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Fatalf("%d bytes allocated to store and read %d", got, size)
	}
}

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

// ReadSome reads a document as far as it goes.
func ReadSome(ctx context.Context, d storage.Documents, key storage.DocumentKey) ([]byte, error) {
	r, _, err := d.Open(ctx, key, 0)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(r)
	return got, errors.Join(err, r.Close())
}

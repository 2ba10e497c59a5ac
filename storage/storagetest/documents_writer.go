package storagetest

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"samdok/fault"
)

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
		if e.Idle != nil {
			e.Idle(d)
		}
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%d goroutines before, %d after", before, runtime.NumGoroutine())
}

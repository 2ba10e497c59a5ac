package files

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"samdok/fault"
	"samdok/internal/disk/crashdisk"
	"samdok/storage"
	"samdok/storage/keyring"
	"samdok/storage/storagetest"
)

func openOn(t *testing.T, d *crashdisk.Disk, sealed bool) (*Store, func()) {
	t.Helper()
	o := Options{FS: d, PackSize: 30_000, Threshold: 4_000}
	var err error
	if sealed {
		if o.Ring, err = keyring.OpenOn(d, "/data/keys", testMaster()); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open("/data/documents", o)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() {
		if err := errors.Join(s.Close(), o.Ring.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// work stores and deletes with 4 writers, and marks what was acknowledged.
func work(t *testing.T, d *crashdisk.Disk, sealed bool) {
	s, done := openOn(t, d, sealed)
	ctx := context.Background()
	d.Fail = func(op, _ string) error {
		if op == "sync" { // as slow as a disk, so that commits meet in batches
			time.Sleep(300 * time.Microsecond)
		}
		return nil
	}
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 12 {
				seed, size := uint64(w*100+i), int64(i*431)
				if i%6 == 5 {
					size = 9_000 // a file of its own
				}
				key, err := storagetest.PutDocument(ctx, s, storagetest.Bytes(seed, size))
				if err != nil {
					t.Error(err)
					return
				}
				d.Mark(fmt.Sprintf("ack %s %d %d", key, seed, size))
				if i%4 == 3 {
					d.Mark(fmt.Sprintf("deleting %s", key))
					if err := s.Delete(ctx, key); err != nil {
						t.Error(err)
						return
					}
					d.Mark(fmt.Sprintf("deleted %s", key))
				}
			}
		})
	}
	wg.Wait()
	done()
}

// TestPowerLoss cuts the power after every single operation of the disk, several
// times with different luck for what was not synced.
func TestPowerLoss(t *testing.T) {
	for name, sealed := range map[string]bool{"sealed": true, "open": false} {
		t.Run(name, func(t *testing.T) {
			d := crashdisk.New()
			work(t, d, sealed)
			rng := rand.New(rand.NewPCG(1, 2))
			fates := map[string]func() bool{
				"nothing unsynced is kept": func() bool { return false },
				"all is kept":              func() bool { return true },
				"half is kept":             func() bool { return rng.IntN(2) == 0 },
				"nearly all is kept":       func() bool { return rng.IntN(8) > 0 },
			}
			for n := 0; n <= d.Len(); n++ {
				for fate, keep := range fates {
					afterPowerLoss(t, d, n, keep, sealed)
					if t.Failed() {
						t.Fatalf("after operation %d of %d, %s", n, d.Len(), fate)
					}
				}
			}
			t.Logf("%d operations, %d fates each", d.Len(), len(fates))
		})
	}
}

func afterPowerLoss(t *testing.T, d *crashdisk.Disk, n int, keep func() bool, sealed bool) {
	ctx := context.Background()
	s, done := openOn(t, d.At(n, keep), sealed)
	defer done()
	deleting, deleted := map[storage.DocumentKey]bool{}, map[storage.DocumentKey]bool{}
	acked := map[storage.DocumentKey][]byte{}
	for _, m := range d.Marks(n) {
		f := strings.Fields(m)
		key := storage.DocumentKey(f[1])
		switch f[0] {
		case "deleting":
			deleting[key] = true
		case "deleted":
			deleted[key] = true
		case "ack":
			var seed uint64
			var size int64
			if _, err := fmt.Sscan(f[2]+" "+f[3], &seed, &size); err != nil {
				t.Fatal(err)
			}
			acked[key] = storagetest.Bytes(seed, size)
		}
	}
	for key, b := range acked {
		switch {
		case deleted[key]:
			if _, _, err := s.Open(ctx, key, 0); fault.KindOf(err) != fault.NotFound {
				t.Errorf("a deleted document is back: %v", err)
			}
		case deleting[key]: // either way
		default:
			if err := storagetest.CheckDocument(ctx, s, key, b); err != nil {
				t.Errorf("an acknowledged document of %d bytes: %v", len(b), err)
			}
		}
	}
	// What is listed and not in deletion can be read: nothing uncommitted shows.
	for key := range storagetest.Keys(t, s, time.Time{}, time.Now().Add(time.Hour)) {
		if deleting[key] {
			continue
		}
		if _, err := storagetest.ReadSome(ctx, s, key); err != nil {
			t.Errorf("a listed key cannot be read: %v", err)
		}
	}
	b := storagetest.Bytes(77, 2_000)
	key, err := storagetest.PutDocument(ctx, s, b)
	if err == nil {
		err = storagetest.CheckDocument(ctx, s, key, b)
	}
	if err != nil {
		t.Errorf("the reopened store takes nothing: %v", err)
	}
}

func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	for _, op := range []string{"write", "create", "sync"} {
		for _, size := range []int64{1_000, 9_000} {
			t.Run(fmt.Sprint(op, " ", size), func(t *testing.T) {
				d := crashdisk.New()
				s, done := openOn(t, d, true)
				before := storagetest.Bytes(1, size)
				first, err := storagetest.PutDocument(ctx, s, before)
				if err != nil {
					t.Fatal(err)
				}
				var mu sync.Mutex
				full := true
				d.Fail = func(o, name string) error {
					mu.Lock()
					defer mu.Unlock()
					if full && o == op {
						return syscall.ENOSPC
					}
					return nil
				}
				failed := 0
				for range 40 { // packs fill up meanwhile, so that a file must be created
					_, err := storagetest.PutDocument(ctx, s, before)
					if err == nil {
						continue
					}
					failed++
					if fault.KindOf(err) != fault.Unavailable || fault.ProblemsOf(err)[0].Code != fault.RepositoryOutOfResources {
						t.Fatalf("got %v", err)
					}
				}
				if failed == 0 {
					t.Fatal("the full disk was not noticed")
				}
				if err := storagetest.CheckDocument(ctx, s, first, before); err != nil {
					t.Fatal(err)
				}
				mu.Lock()
				full = false
				mu.Unlock()
				second, err := storagetest.PutDocument(ctx, s, before)
				if err != nil {
					t.Fatalf("after space was freed: %v", err)
				}
				done()
				s, done = openOn(t, d, true)
				for _, key := range []storage.DocumentKey{first, second} {
					if err := storagetest.CheckDocument(ctx, s, key, before); err != nil {
						t.Fatal(err)
					}
				}
				for key := range storagetest.Keys(t, s, time.Time{}, time.Now().Add(time.Hour)) {
					if err := storagetest.CheckDocument(ctx, s, key, before); err != nil {
						t.Fatal(err)
					}
				}
				if names, err := d.Names("/data/documents/incoming"); err != nil || len(names) > 0 {
					t.Fatal("uncommitted intakes were left", names, err)
				}
				done()
			})
		}
	}
}

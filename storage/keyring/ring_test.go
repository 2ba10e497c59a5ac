package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func master(t testing.TB, b byte) Master {
	t.Helper()
	m, err := NewMaster(bytes.Repeat([]byte{b}, MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func open(t testing.TB, dir string, m Master) *Ring {
	t.Helper()
	r, err := Open(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func TestKeysSurviveReopening(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	r := open(t, dir, master(t, 1))
	want := map[uint64]Key{}
	for range 3*aheadMost + 7 {
		id, k, err := r.New(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := want[id]; twice || id == 0 {
			t.Fatalf("number %d handed out twice or zero", id)
		}
		want[id] = k
	}
	check := func(r *Ring) {
		t.Helper()
		for id, k := range want {
			if got, err := r.Key(id); err != nil || got != k {
				t.Fatalf("key %d: %v, equal %v", id, err, got == k)
			}
		}
	}
	check(r)
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = open(t, dir, master(t, 1))
	check(r)
	for range aheadMost {
		id, _, err := r.New(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := want[id]; twice {
			t.Fatalf("number %d handed out again after reopening", id)
		}
	}
}

func TestDestroyedStaysDestroyed(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	r := open(t, dir, master(t, 1))
	id, key, err := r.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Key(id); err != nil { // into the cache
		t.Fatal(err)
	}
	for range 2 {
		if err := r.Destroy(ctx, id); err != nil {
			t.Fatal(err)
		}
	}
	if k, err := r.Key(id); !errors.Is(err, ErrDestroyed) || k == key {
		t.Fatalf("after Destroy: %v", err)
	}
	r.Close()
	b, err := os.ReadFile(filepath.Join(dir, FileName))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b[id*slotSize:id*slotSize+60], make([]byte, 60)) {
		t.Fatal("the wrapped key is still in the file")
	}
	if _, err := open(t, dir, master(t, 1)).Key(id); !errors.Is(err, ErrDestroyed) {
		t.Fatalf("after reopening: %v", err)
	}
}

func TestUnknown(t *testing.T) {
	r := open(t, t.TempDir(), master(t, 1))
	for _, id := range []uint64{0, 1, 1 << 40, 1 << 63} {
		if _, err := r.Key(id); !errors.Is(err, ErrUnknown) {
			t.Errorf("Key(%d): %v", id, err)
		}
		if err := r.Destroy(context.Background(), id); !errors.Is(err, ErrUnknown) {
			t.Errorf("Destroy(%d): %v", id, err)
		}
	}
}

func TestWrongMaster(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, master(t, 1)).Close()
	_, err := Open(dir, master(t, 2))
	if err == nil || !strings.Contains(err.Error(), "another master key") {
		t.Fatalf("got %v", err)
	}
}

func TestTamperedSlots(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	r := open(t, dir, master(t, 1))
	id, _, err := r.New(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	path := filepath.Join(dir, FileName)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 61 * 8 {
		b := bytes.Clone(good)
		b[int(id)*slotSize+bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r := open(t, dir, master(t, 1))
		if _, err := r.Key(id); err == nil {
			t.Fatalf("bit %d altered and the key was still given", bit)
		}
		r.Close()
	}
	// A slot moved to another number.
	b := bytes.Clone(good)
	copy(b[(id-1)*slotSize:id*slotSize], good[id*slotSize:])
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if id == 1 {
		t.Fatal("the test needs a slot before this one")
	}
	if _, err := open(t, dir, master(t, 1)).Key(id - 1); !errors.Is(err, ErrDamaged) {
		t.Fatalf("moved slot: %v", err)
	}
}

func TestHeader(t *testing.T) {
	for name, c := range map[string]struct {
		alter func([]byte)
		want  string
	}{
		"other file":    {func(b []byte) { copy(b, "SQLite format 3") }, "not a samdok keyring"},
		"newer format":  {func(b []byte) { b[8] = 9 }, "newer samdok"},
		"damaged":       {func(b []byte) { b[20] ^= 1 }, "header damaged"},
		"zeros, longer": {func(b []byte) { clear(b) }, "not a samdok keyring"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			r := open(t, dir, master(t, 1))
			if _, _, err := r.New(context.Background()); err != nil {
				t.Fatal(err)
			}
			r.Close()
			path := filepath.Join(dir, FileName)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c.alter(b[:slotSize])
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(dir, master(t, 1)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestTornCreation(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), make([]byte, 10), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := open(t, dir, master(t, 1)).New(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	r, ctx := open(t, t.TempDir(), master(t, 1)), context.Background()
	var seen sync.Map
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 500 {
				id, key, err := r.New(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				if _, twice := seen.LoadOrStore(id, true); twice {
					t.Errorf("key %d handed out twice", id)
				}
				if got, err := r.Key(id); err != nil || got != key {
					t.Errorf("key %d: %v", id, err)
				}
				if i%10 == 0 {
					if err := r.Destroy(ctx, id); err != nil {
						t.Error(err)
					}
					if _, err := r.Key(id); !errors.Is(err, ErrDestroyed) {
						t.Errorf("key %d: %v", id, err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func TestOffAndClosed(t *testing.T) {
	ctx := context.Background()
	var off *Ring
	if id, _, err := off.New(ctx); id != 0 || err != nil {
		t.Fatal(id, err)
	}
	if _, err := off.Key(3); !errors.Is(err, ErrUnknown) {
		t.Fatal(err)
	}
	if err := errors.Join(off.Destroy(ctx, 3), off.Close()); err != nil {
		t.Fatal(err)
	}
	r := open(t, t.TempDir(), master(t, 1))
	r.Close()
	if _, _, err := r.New(ctx); !errors.Is(err, ErrClosed) {
		t.Fatal(err)
	}
}

func TestMasterFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "master.key")
	m, created, err := LoadOrCreateMaster(path)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	again, created, err := LoadOrCreateMaster(path)
	if err != nil || created || again != m {
		t.Fatal(created, err)
	}
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatal(st.Mode(), err)
	}
	if p, err := ParseMaster(" " + strings.TrimRight(m.Encode(), "=") + "\n"); err != nil || p != m {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(m), fmt.Sprintf("%#v %+v %x %s %d", m, &m, m, m, m)} {
		if strings.Contains(s, m.Encode()) || strings.Contains(s, fmt.Sprintf("%x", m.key)) || strings.Contains(s, fmt.Sprint(m.key)) {
			t.Fatal("printing a master key shows it")
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadMaster(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "abc", strings.Repeat("A", 44), strings.Repeat("A", 43) + "=", "a#$"} {
		if _, err := ParseMaster(bad); err == nil {
			t.Errorf("%q taken", bad)
		} else if bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("the error repeats the secret: %v", err)
		}
	}
}

func BenchmarkNew(b *testing.B) {
	r, ctx := open(b, b.TempDir(), master(b, 1)), context.Background()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := r.New(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkKey(b *testing.B) {
	r, ctx := open(b, b.TempDir(), master(b, 1)), context.Background()
	id, _, err := r.New(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("cached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Key(id); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.read(id); err != nil {
				b.Fatal(err)
			}
		}
	})
}

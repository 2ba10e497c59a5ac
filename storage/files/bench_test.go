package files

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/storage"
	"samdok/storage/storagetest"
)

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// run does body b.N times in some goroutines and reports rate and CPU.
func run(b *testing.B, callers int, body func() error) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := body(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

func BenchmarkPut10KB(b *testing.B) {
	doc := storagetest.Bytes(1, 10<<10)
	for _, sealed := range []bool{true, false} {
		for _, callers := range []int{1, 8, 64} {
			b.Run(fmt.Sprintf("sealed=%v/%d callers", sealed, callers), func(b *testing.B) {
				s, done := mustOpen(b, b.TempDir(), sealed, Options{})
				run(b, callers, func() error {
					w, err := s.Create(context.Background(), storage.Owner{Tenant: "t", UniqueID: "1.2.3"})
					if err != nil {
						return err
					}
					defer w.Cancel()
					if _, err := w.Write(doc); err != nil {
						return err
					}
					_, err = w.Commit(context.Background())
					return err
				})
				if err := done(); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

func BenchmarkGet10KB(b *testing.B) {
	s, done := mustOpen(b, b.TempDir(), true, Options{})
	var keys []storage.DocumentKey
	for i := range 500 {
		key, err := storagetest.PutDocument(context.Background(), s, storagetest.Bytes(uint64(i), 10<<10))
		if err != nil {
			b.Fatal(err)
		}
		keys = append(keys, key)
	}
	var next atomic.Int64
	run(b, 8, func() error {
		r, _, err := s.Open(context.Background(), keys[int(next.Add(1))%len(keys)], 0)
		if err != nil {
			return err
		}
		defer r.Close()
		_, err = io.Copy(io.Discard, r)
		return err
	})
	if err := done(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLarge stores and reads 1 GiB and compares with a plain loop that
// writes, hashes and syncs the same bytes.
func BenchmarkLarge(b *testing.B) {
	const size = 1 << 30
	block := storagetest.Bytes(1, 1<<20)
	b.Run("plain loop", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			f, err := os.Create(filepath.Join(b.TempDir(), "x"))
			if err != nil {
				b.Fatal(err)
			}
			h1, h2 := sha1.New(), sha256.New()
			for range size / len(block) {
				h1.Write(block)
				h2.Write(block)
				if _, err := f.Write(block); err != nil {
					b.Fatal(err)
				}
			}
			if err := f.Sync(); err != nil {
				b.Fatal(err)
			}
			f.Close()
			os.Remove(f.Name())
		}
	})
	s, done := mustOpen(b, b.TempDir(), true, Options{})
	put := func() storage.DocumentKey {
		w, err := s.Create(context.Background(), storage.Owner{})
		if err != nil {
			b.Fatal(err)
		}
		defer w.Cancel()
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := w.Commit(context.Background()); err != nil {
			b.Fatal(err)
		}
		return w.Key()
	}
	b.Run("put", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			if err := s.Delete(context.Background(), put()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("get", func(b *testing.B) {
		key := put()
		b.SetBytes(size)
		for b.Loop() {
			r, _, err := s.Open(context.Background(), key, 0)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r, make([]byte, 64<<10)); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
	if err := done(); err != nil {
		b.Fatal(err)
	}
}

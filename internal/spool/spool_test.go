package spool

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"pgregory.net/rapid"
)

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := New(Options{Memory: rapid.SampledFrom([]int{1, 1000, 1 << 17}).Draw(t, "memory"), Dir: dir})
		defer s.Close()
		var want []byte
		for range rapid.IntRange(0, 12).Draw(t, "writes") {
			p := bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, rapid.IntRange(0, 100_000).Draw(t, "len"))
			want = append(want, p...)
			var err error
			if rapid.Bool().Draw(t, "append") {
				err = s.Append(func(b []byte) []byte { return append(b, p...) })
			} else {
				_, err = s.Write(p)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			got, err := io.ReadAll(s.Reader())
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("Reader: %d bytes, %v; want %d", len(got), err, len(want))
			}
			var buf bytes.Buffer
			if n, err := s.WriteTo(&buf); err != nil || n != int64(len(want)) || !bytes.Equal(buf.Bytes(), want) {
				t.Fatalf("WriteTo: %d bytes, %v; want %d", n, err, len(want))
			}
		}
		if s.Size() != int64(len(want)) {
			t.Fatalf("Size %d, want %d", s.Size(), len(want))
		}
	})
}

func TestDiskHoldsNoPlainBytesAndNoName(t *testing.T) {
	dir := t.TempDir()
	s := New(Options{Memory: 10, Dir: dir})
	defer s.Close()
	if _, err := s.Write(bytes.Repeat([]byte("a secret word "), 20_000)); err != nil {
		t.Fatal(err)
	}
	if names, _ := os.ReadDir(dir); len(names) != 0 {
		t.Fatalf("the temporary file has a name: %v", names)
	}
	raw := make([]byte, 200_000)
	n, _ := s.file.f.ReadAt(raw, 0)
	if n < 100_000 || bytes.Contains(raw, []byte("secret")) {
		t.Fatalf("%d bytes on disk, plain text among them: %v", n, bytes.Contains(raw, []byte("secret")))
	}
	if _, err := s.file.f.WriteAt([]byte{raw[70_000] ^ 1}, 70_000); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, s.Reader()); err == nil {
		t.Fatal("an altered temporary file was read")
	}
}

func TestLimitAndClose(t *testing.T) {
	s := New(Options{Max: 5, MaxName: "answer.max-bytes"})
	_, err := s.Write([]byte("123456"))
	var limit *LimitError
	if !errors.As(err, &limit) || limit.Name != "answer.max-bytes" {
		t.Fatalf("got %v", err)
	}
	s.Close()
	s.Close()
	if _, err := s.Write(nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("write after close: %v", err)
	}
	if _, err := io.ReadAll(s.Reader()); !errors.Is(err, ErrClosed) {
		t.Fatalf("read after close: %v", err)
	}
}

// Spools that share their memory leave it to those that come first, and each may
// keep a chunk.
func TestAfter(t *testing.T) {
	for _, c := range []struct {
		memory int
		held   int64
		want   int
	}{{0, 0, DefaultMemory}, {0, DefaultMemory - chunkSize, chunkSize}, {0, 5 << 30, chunkSize}, {1 << 20, 1 << 19, 1 << 19}, {100, 50, 100}} {
		if got := (Options{Memory: c.memory}).After(c.held).Memory; got != c.want {
			t.Errorf("%d after %d: %d, want %d", c.memory, c.held, got, c.want)
		}
	}
}

// What is left of a shared budget keeps spools off the disk; Close gives it back.
func TestSharedBudget(t *testing.T) {
	const step = chunkSize
	b := NewBudget(3 * step)
	o := Options{Memory: step, More: b}
	inMemory := func(s *Spool, n int) bool {
		t.Helper()
		if _, err := s.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		return s.file == nil
	}
	first, second := New(o), New(o)
	defer second.Close()
	if !inMemory(first, 3*step) || !inMemory(second, 2*step) {
		t.Error("on disk, although the budget has room")
	}
	if inMemory(second, 1) || second.Size() != 2*step+1 {
		t.Error("beyond the budget in memory")
	}
	if left := b.left.Load(); left != step {
		t.Errorf("%d octets left when one is on disk", left)
	}
	first.Close()
	first.Close()
	if left := b.left.Load(); left != 3*step {
		t.Errorf("%d octets left", left)
	}
	if inMemory(second, step) {
		t.Error("what was on disk is in memory")
	}
	third := New(o)
	defer third.Close()
	if !inMemory(third, 3*step) {
		t.Error("what was given back is not there")
	}
}

// BenchmarkAnswer is an answer of 200 entries that waits in memory.
func BenchmarkAnswer(b *testing.B) {
	entry := bytes.Repeat([]byte{'x'}, 6600)
	more := NewBudget(64 << 20)
	b.SetBytes(int64(200 * len(entry)))
	b.ReportAllocs()
	for b.Loop() {
		s := New(Options{More: more})
		for range 200 {
			if err := s.Append(func(b []byte) []byte { return append(b, entry...) }); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := s.WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"

	"samdok/internal/disk"
)

// content reads a file as another process sees it.
func content(t testing.TB, s *Store, name string) []byte {
	t.Helper()
	b, err := readAll(s.Files(nil), name)
	must(t, err)
	return b
}

func readAll(f *Files, name string) ([]byte, error) {
	h, err := f.Open(name, os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	size, err := h.Size()
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if _, err := h.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// A file is what was written, however it was, also when answers are lost and calls
// fail: what Sync acknowledged is there, and nothing that was cut.
func TestFilesInAStorm(t *testing.T) {
	m := &meddler{}
	weather := storm(m, 0.3)
	s := open(t, meddle(t, m), func(o *Options) { o.Patience, o.Failures = time.Millisecond, 1<<30 })
	f := s.Files(func(name string) bool { return strings.HasSuffix(name, "kept") })
	for round := range 3 {
		name := fmt.Sprint("dir/file ", round)
		h, err := f.Open(name, os.O_RDWR|os.O_CREATE, 0)
		must(t, err)
		weather.Store(true)
		var want []byte
		unsure := 0
		for range 60 {
			switch rand.IntN(6) {
			case 0: // cut off what was not synced, as a ledger does after an error
				to := rand.IntN(len(want) + 1)
				must(t, h.Truncate(int64(to)))
				want = want[:to]
			case 1: // opened again; what was not synced is still there
				must(t, h.Close())
				h, err = f.Open(name, os.O_RDWR|os.O_CREATE, 0)
				for err != nil {
					h, err = f.Open(name, os.O_RDWR|os.O_CREATE, 0)
				}
			default:
				b := bytes.Repeat([]byte{byte('a' + rand.IntN(26))}, 1+rand.IntN(300))
				if _, err := h.WriteAt(b, int64(len(want))); err != nil {
					t.Fatal(err)
				}
				want = append(want, b...)
			}
			if err := h.Sync(); err != nil {
				unsure++
				continue
			}
			if rand.IntN(8) == 0 {
				weather.Store(false)
				if got := content(t, s, name); !bytes.Equal(got, want) {
					t.Fatalf("%d octets instead of %d, after %d failures", len(got), len(want), unsure)
				}
				weather.Store(true)
			}
		}
		weather.Store(false)
		must(t, h.Sync())
		must(t, h.Close())
		must(t, f.Close())
		if got := content(t, s, name); !bytes.Equal(got, want) {
			t.Fatalf("%d octets instead of %d, after %d failures", len(got), len(want), unsure)
		}
		if unsure == 0 {
			t.Error("nothing failed")
		}
	}
	if f.fenced.Load() {
		t.Error("its own parts were taken for somebody else's")
	}
}

// Whole files appear at once and are replaced; small reads are right at every place
// of a file of many objects.
func TestFilesAreWhole(t *testing.T) {
	s := open(t)
	f := s.Files(nil)
	var all []byte
	h, err := f.Open("dir/a", os.O_RDWR|os.O_CREATE, 0)
	must(t, err)
	for i := range 3*wholeParts/2 + 7 {
		b := bytes.Repeat([]byte{byte(i)}, 100+i%7)
		if i == 10 {
			b = bytes.Repeat([]byte("large"), 60_000)
		}
		_, err := h.WriteAt(b, int64(len(all)))
		must(t, errors.Join(err, h.Sync()))
		all = append(all, b...)
	}
	must(t, errors.Join(h.Close(), f.Close()))
	objects, err := s.objects(t.Context(), "dir/a")
	must(t, err)
	if len(objects) != 2 || !objects[0].whole || !objects[1].whole {
		t.Errorf("%d objects after Close: %+v", len(objects), objects)
	}
	h, err = s.Files(nil).Open("dir/a", os.O_RDONLY, 0)
	must(t, err)
	for range 200 {
		off := rand.IntN(len(all))
		b := make([]byte, rand.IntN(3*blockSize))
		n, err := h.ReadAt(b, int64(off))
		if want := all[off:min(len(all), off+len(b))]; !bytes.Equal(b[:n], want) || (err != nil) != (n < len(b)) || err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("%d octets from %d on: %d, %v", len(b), off, n, err)
		}
	}
	for _, text := range []string{"one", "", "the third"} {
		w, err := f.Open("dir/b.new", os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0)
		must(t, err)
		_, err = w.WriteAt([]byte(text), 0)
		must(t, errors.Join(err, w.Sync(), w.Close(), f.Rename("dir/b.new", "dir/b")))
		if got := content(t, s, "dir/b"); string(got) != text {
			t.Errorf("%q instead of %q", got, text)
		}
	}
	must(t, f.Close())
	if objects, err = s.objects(t.Context(), "dir/b"); err != nil || len(objects) != 1 {
		t.Errorf("%+v %v", objects, err)
	}
	names, err := f.Names("dir")
	if fmt.Sprint(names) != "[a b]" || err != nil {
		t.Errorf("%v %v", names, err)
	}
	must(t, f.Remove("dir/a"))
	if _, err := f.Open("dir/a", os.O_RDWR, 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if names, err = s.Files(nil).Names("dir"); fmt.Sprint(names) != "[b]" || err != nil {
		t.Errorf("%v %v", names, err)
	}
}

// Two processes that write one file: the second one is stopped for good, and what
// the first one has written stays.
func TestFilesAreFenced(t *testing.T) {
	s := open(t)
	var files [2]*Files
	var open [2]disk.File
	for i := range files {
		files[i] = s.Files(nil)
		h, err := files[i].Open("dir/a", os.O_RDWR|os.O_CREATE, 0)
		must(t, err)
		open[i] = h
	}
	write := func(i int, text string) error {
		size, err := open[i].Size()
		must(t, err)
		_, err = open[i].WriteAt([]byte(text), size)
		must(t, err)
		return open[i].Sync()
	}
	must(t, write(0, "first"))
	for range 2 {
		if err := write(1, "second"); !errors.Is(err, ErrFenced) {
			t.Fatalf("%v", err)
		}
	}
	other, err := files[1].Open("dir/b", os.O_RDWR|os.O_CREATE, 0)
	must(t, err)
	if err := other.Sync(); !errors.Is(err, ErrFenced) {
		t.Errorf("another file is still written: %v", err)
	}
	must(t, write(0, " and on"))
	if got := content(t, s, "dir/a"); string(got) != "first and on" {
		t.Errorf("%q", got)
	}
}

// Parts that are missing or forged are zeros or gone, never an error that hides
// everything else.
func TestFilesWithoutAPart(t *testing.T) {
	s := open(t)
	f := s.Files(nil)
	h, err := f.Open("dir/a", os.O_RDWR|os.O_CREATE, 0)
	must(t, err)
	for _, text := range []string{"one ", "two ", "three ", "four"} {
		size, err := h.Size()
		must(t, err)
		_, err = h.WriteAt([]byte(text), size)
		must(t, errors.Join(err, h.Sync()))
	}
	must(t, s.remove(context.Background(), filesOp, partName("dir/a", 2)))
	if got := content(t, s, "dir/a"); string(got) != "one \x00\x00\x00\x00three four" {
		t.Errorf("%q", got)
	}
	b, _, err := s.get(t.Context(), filesOp, partName("dir/a", 3), maxObject)
	must(t, err)
	b[len(b)-1] ^= 1
	_, err = s.put(t.Context(), filesOp, partName("dir/a", 3), b, condition{}, minio.PutObjectOptions{})
	must(t, err)
	if got := content(t, s, "dir/a"); string(got) != "one "+strings.Repeat("\x00", 10)+"four" {
		t.Errorf("%q", got)
	}
	must(t, s.remove(context.Background(), filesOp, partName("dir/a", 4)))
	if got := content(t, s, "dir/a"); string(got) != "one " {
		t.Errorf("%q", got)
	}
}

func FuzzPart(f *testing.F) {
	f.Add(appendPart(nil, 7, []byte("octets")))
	f.Add([]byte(partMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		off, octets, ok := parsePart(b)
		if ok && !bytes.Equal(appendPart(nil, off, octets)[16:], b[16:]) {
			t.Error("a part that is not written so")
		}
	})
}

package body

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"pgregory.net/rapid"

	"samdok/storage/keyring"
)

// What is written is read from any offset; what was altered or cut is never given
// out.
func TestBody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{DARE, Checked}).Draw(t, "kind")
		size := rapid.IntRange(0, 4*BlockSize).Draw(t, "size")
		doc := bytes.Repeat([]byte{7, 1, 2}, size/3+1)[:size]
		key := keyring.Key{1, 2}
		var stored bytes.Buffer
		w, err := kind.NewWriter(&stored, &key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(doc); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if n, ok := kind.Stored(uint64(size)); !ok || n != uint64(stored.Len()) {
			t.Fatalf("%d bytes stored, %d told", stored.Len(), n)
		}
		offset := rapid.IntRange(0, size).Draw(t, "offset")
		read := func(b []byte) ([]byte, error) {
			from := min(kind.Start(int64(offset)), int64(len(b)))
			r, err := kind.NewReader(bytes.NewReader(b[from:]), &key, int64(size), int64(offset))
			if err != nil {
				return nil, err
			}
			return io.ReadAll(r)
		}
		got, err := read(stored.Bytes())
		if err != nil || !bytes.Equal(got, doc[offset:]) {
			t.Fatalf("other bytes, %v", err)
		}
		if size == 0 || offset == size {
			return
		}
		bad := bytes.Clone(stored.Bytes())
		if cut := rapid.IntRange(1, len(bad)).Draw(t, "cut"); rapid.Bool().Draw(t, "cuts") {
			bad = bad[:len(bad)-cut]
		} else {
			bad[rapid.IntRange(int(kind.Start(int64(offset))), len(bad)-1).Draw(t, "bit")] ^= 16
		}
		if got, err := read(bad); !errors.Is(err, ErrDamaged) || !bytes.HasPrefix(doc[offset:], got) {
			t.Fatalf("damage was not noticed: %v", err)
		}
	})
}

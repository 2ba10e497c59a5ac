package disk

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestWriteSync writes blocks past the page cache where the file system can, and in
// two calls where it cannot, and reads back the same.
func TestWriteSync(t *testing.T) {
	for _, indirect := range []bool{false, true} {
		f, err := OS{}.Open(filepath.Join(t.TempDir(), "f"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		f.(*osFile).indirect = indirect
		want := bytes.Repeat([]byte("samdok"), 3*Block/6+1)[:3*Block]
		for at := int64(0); at < 3*Block; at += Block {
			b := append(Blocks(Block)[:0], want[at:at+Block]...)
			if err := f.WriteSync(b, at); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, 3*Block)
		if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("other octets than were written: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.WriteSync(Blocks(Block), 0); err == nil {
			t.Error("written after Close")
		}
	}
}

// TestFallsBack gives WriteSync memory that a device may refuse.
func TestFallsBack(t *testing.T) {
	f, err := OS{}.Open(filepath.Join(t.TempDir(), "f"), os.O_RDWR|os.O_CREATE, fs.FileMode(0o600))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.WriteSync(Blocks(2 * Block)[7:][:Block], 0); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Size(); n != Block || err != nil {
		t.Fatal(n, err)
	}
}

package ledger

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"samdok/internal/disk"
)

func witness(t *testing.T, dir, trusted string) *Witness {
	t.Helper()
	w, err := OpenWitness(disk.OS{}, dir, trusted)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func see(t *testing.T, w *Witness, l *Ledger) (Checkpoint, error) {
	t.Helper()
	said, err := l.Testify(w.Size())
	if err != nil {
		t.Fatal(err)
	}
	return w.See(said)
}

// A witness signs what continues what it signed, across restarts and new keys, and
// verification with what it kept finds a ledger that was set back.
func TestWitness(t *testing.T) {
	dir, kept, keys := folder(t), t.TempDir(), t.TempDir()
	o := Options{Ring: ring(t, keys), SegmentSize: 2000, CheckpointEvery: -1}
	l := open(t, dir, o)
	first := l.PublicKeys()[0]
	if _, err := OpenWitness(disk.OS{}, t.TempDir(), ""); err == nil {
		t.Error("a witness began without a key to trust")
	}
	w := witness(t, kept, first)
	for i := range 30 {
		record(t, l, "a")
		if i == 15 {
			if _, err := l.RotateKey(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
		}
		if i%4 == 0 {
			c, err := see(t, w, l)
			if err != nil {
				t.Fatal(err)
			}
			if err := WitnessedBy(c.Note, w.PublicKey()); err != nil {
				t.Error(err)
			}
			if _, err := OpenCheckpoint(c.Note, l.PublicKeys()...); err != nil {
				t.Errorf("the ledger's own signature is gone: %v", err)
			}
			w.Close()
			w = witness(t, kept, "")
		}
		if i == 20 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			l = open(t, dir, o)
		}
	}
	// Twice the same is fine.
	for range 2 {
		if _, err := see(t, w, l); err != nil {
			t.Fatal(err)
		}
	}
	newest, err := os.ReadFile(filepath.Join(kept, witnessNewest))
	if err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir, VerifyOptions{Trusted: []string{first}, Checkpoints: [][]byte{newest}}); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
	if err := WitnessedBy(newest, first); err == nil {
		t.Error("the ledger's key passes for the witness's")
	}
}

// A ledger that was restored from an older copy, and one that went on from there,
// are both found out, by the witness and by verification.
func TestWitnessSeesRollback(t *testing.T) {
	dir, kept, keys := t.TempDir(), t.TempDir(), t.TempDir()
	o := Options{Ring: ring(t, keys), SegmentSize: 2000, CheckpointEvery: -1}
	l := open(t, dir, o)
	w := witness(t, kept, l.PublicKeys()[0])
	for range 5 {
		record(t, l, "a")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, o)
	for range 10 {
		record(t, l, "b")
	}
	if _, err := see(t, w, l); err != nil {
		t.Fatal(err)
	}
	size := w.Size()
	newest := readFile(t, filepath.Join(kept, witnessNewest))

	restored := open(t, backup, o)
	refused := func(what string) {
		t.Helper()
		_, err := see(t, w, restored)
		var back *SetBackError
		if !errors.As(err, &back) || !strings.Contains(err.Error(), what) {
			t.Errorf("the witness said %v", err)
		}
		if _, err := restored.Checkpoint(); err != nil {
			t.Fatal(err)
		}
		if r := verify(t, backup, VerifyOptions{Checkpoints: [][]byte{newest}}); len(r.Findings) == 0 {
			t.Error("verification with the kept checkpoint found nothing")
		}
		if r := verify(t, backup, VerifyOptions{}); len(r.Findings) > 0 {
			t.Errorf("nobody could tell without a kept checkpoint, yet: %+v", r.Findings)
		}
	}
	refused("set back")
	for range 20 {
		record(t, restored, "c")
	}
	refused("replaced")
	if again := witness(t, kept, ""); again.Size() != size || string(readFile(t, filepath.Join(kept, witnessNewest))) != string(newest) {
		t.Error("the witness took what it refused")
	}
	other := open(t, t.TempDir(), Options{Ring: ring(t, t.TempDir()), CheckpointEvery: -1})
	record(t, other, "d")
	if _, err := see(t, w, other); err == nil {
		t.Error("another ledger was signed")
	}
}

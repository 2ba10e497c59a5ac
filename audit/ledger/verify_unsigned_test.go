package ledger

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// withoutRecord takes a record out of a copied ledger as somebody without any key can:
// segments are closed up, headers and tree made anew, and of the checkpoints only those
// that keep wants are left.
func withoutRecord(t *testing.T, s sample, keep func(Checkpoint) bool) string {
	t.Helper()
	dir := s.copy(t)
	t.Cleanup(func() { os.RemoveAll(dir) })
	numbers, err := segments(held, dir, segmentSuffix)
	if err != nil || len(numbers) < 4 {
		t.Fatal(numbers, err)
	}
	var stored []byte
	var front frontier
	add := func(h tlog.Hash) { front.add(h, func(h tlog.Hash) { stored = append(stored, h[:]...) }) }
	for i, n := range numbers {
		path := filepath.Join(dir, fileName(n, segmentSuffix))
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			third := framesOf(b)[2]
			b = slices.Delete(b, int(third[0]), int(third[1]))
		}
		h, err := parseHeader(b)
		if err != nil {
			t.Fatal(err)
		}
		h.first = front.size
		head := h.bytes()
		copy(b, head[:])
		add(tlog.RecordHash(head[:]))
		for s := newScanner(b); ; {
			f, ok := s.next()
			if !ok {
				break
			}
			add(tlog.RecordHash(f.leaf))
		}
		write(t, path, b)
	}
	write(t, filepath.Join(dir, treeName), stored)
	all, _, err := readNotes(held, dir, checkpointsName)
	if err != nil {
		t.Fatal(err)
	}
	var left []byte
	for _, msg := range all {
		if c, err := parseCheckpoint(string(msg)); err == nil && keep(c) {
			left = appendNote(left, msg)
		}
	}
	write(t, filepath.Join(dir, checkpointsName), left)
	return dir
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRecordsWithoutCheckpointsAreFound: a record that was taken out together with the
// checkpoints that would tell is not passed over in silence, by verification or by the
// start, which would sign what is left.
func TestRecordsWithoutCheckpointsAreFound(t *testing.T) {
	s := makeSample(t, 3, 30)
	if r := verify(t, s.dir, VerifyOptions{}); len(r.Findings) > 0 {
		t.Fatal(r.Findings)
	}
	for name, keep := range map[string]func(Checkpoint) bool{
		"none is left":      func(Checkpoint) bool { return false },
		"the first is left": func(c Checkpoint) bool { return c.Size == 0 },
		"two are left":      func(c Checkpoint) bool { return c.Size < 6 },
	} {
		t.Run(name, func(t *testing.T) {
			dir := withoutRecord(t, s, keep)
			r := verify(t, dir, VerifyOptions{Trusted: []string{s.public}})
			if len(r.Findings) != 1 || r.Findings[0].Kind != Unsigned || r.Findings[0].Index != r.Signed {
				t.Errorf("%+v", r.Findings)
			}
			l := open(t, dir, s.o)
			if len(l.Found()) != 1 || !strings.Contains(l.Found()[0], "checkpoint") {
				t.Errorf("the start says %q", l.Found())
			}
		})
	}
}

// TestNewLedgerMayBeUnsigned: for some minutes, and no longer.
func TestNewLedgerMayBeUnsigned(t *testing.T) {
	dir, now := folder(t), time.Now()
	l := open(t, dir, Options{CheckpointEvery: -1, Clock: func() time.Time { return now }})
	record(t, l, "first")
	for later, findings := range map[time.Duration]int{time.Second: 0, unsignedFor + time.Second: 1} {
		if r := verify(t, dir, VerifyOptions{Clock: func() time.Time { return now.Add(later) }}); len(r.Findings) != findings || r.Signed != 0 {
			t.Errorf("after %v: %+v", later, r.Findings)
		}
	}
}

// TestKeptCheckpointSigns: records that a checkpoint kept elsewhere proves are signed,
// whatever became of the ledger's own.
func TestKeptCheckpointSigns(t *testing.T) {
	s := makeSample(t, 2, 20)
	all, _, err := readNotes(held, s.dir, checkpointsName)
	if err != nil {
		t.Fatal(err)
	}
	dir := s.copy(t)
	defer os.RemoveAll(dir)
	write(t, filepath.Join(dir, checkpointsName), nil)
	newest := all[len(all)-1]
	r := verify(t, dir, VerifyOptions{Checkpoints: [][]byte{newest}})
	if len(r.Findings) > 0 || r.Signed != r.Leaves || !bytes.Equal(r.Checkpoint.Note, newest) || r.SignedTime.IsZero() {
		t.Fatalf("%+v", r)
	}
}

// TestSegmentsAreNamed: what a missing or renamed segment is called.
func TestSegmentsAreNamed(t *testing.T) {
	s := makeSample(t, 2, 30)
	numbers, err := segments(held, s.dir, segmentSuffix)
	if err != nil || len(numbers) < 4 {
		t.Fatal(numbers, err)
	}
	path := func(dir string, i int) string { return filepath.Join(dir, fileName(numbers[i], segmentSuffix)) }
	gone := s.copy(t)
	defer os.RemoveAll(gone)
	if err := os.Remove(path(gone, 1)); err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, f := range verify(t, gone, VerifyOptions{}).Findings {
		said += f.Text + "\n"
	}
	for _, want := range []string{"0000000000000002.segment is not there", "it and those up to"} {
		if !strings.Contains(said, want) || strings.Count(said, "\n") != 2 {
			t.Errorf("a segment that is gone: %s", said)
		}
	}
	swapped := s.copy(t)
	defer os.RemoveAll(swapped)
	for _, move := range [][2]string{{path(swapped, 1), swapped + "/x"}, {path(swapped, 2), path(swapped, 1)}, {swapped + "/x", path(swapped, 2)}} {
		if err := os.Rename(move[0], move[1]); err != nil {
			t.Fatal(err)
		}
	}
	if r := verify(t, swapped, VerifyOptions{}); len(r.Findings) != 2 || r.Findings[0].Kind != Reordered && r.Findings[1].Kind != Reordered ||
		!strings.Contains(r.Findings[0].Text+r.Findings[1].Text, "0000000000000002.segment is segment 3 under another name") {
		t.Errorf("segments that were swapped: %+v", r.Findings)
	}
}

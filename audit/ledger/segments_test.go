package ledger

import (
	"context"
	"path/filepath"
	"testing"
)

// A drop that a crash cut off after its note is ended at the next start; one whose
// note nobody signed destroys nothing. Segments lists what is left.
func TestDropCutOff(t *testing.T) {
	s := makeSample(t, 4, 30)
	l := open(t, s.dir, s.o)
	all, err := l.Segments()
	if err != nil || len(all) < 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	for i := range all {
		if all[i].Until.IsZero() || i > 0 && (all[i].Number <= all[i-1].Number || all[i].Until.Before(all[i-1].Until)) {
			t.Fatalf("%+v", all)
		}
	}
	path, other := filepath.Join(s.dir, fileName(2, segmentSuffix)), filepath.Join(s.dir, fileName(3, droppedSuffix))
	was := readFile(t, path)
	if _, err := l.Drop(context.Background(), 2, "kept for ten years"); err != nil {
		t.Fatal(err)
	}
	l.Close()
	writeFile(t, path, was)
	writeFile(t, other, []byte("samdok ledger dropped segment\n3\n"))
	l = open(t, s.dir, s.o)
	left, err := segments(l.FS, s.dir, segmentSuffix)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range left {
		if n == 2 {
			t.Fatal("the dropped segment is still there")
		}
	}
	if _, _, err := readHeader(l.FS, s.dir, 3); err != nil {
		t.Fatal("a segment was dropped for a note that nobody signed", err)
	}
	now, err := l.Segments()
	if err != nil || len(now) < len(all)-2 {
		t.Fatalf("%+v, %v", now, err)
	}
	for _, x := range now {
		if x.Number == 2 {
			t.Fatal("a dropped segment is listed")
		}
	}
}

package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDamagedIndexIsFound: an index that hides records from searches is told of; made
// anew, all is right.
func TestDamagedIndexIsFound(t *testing.T) {
	dir, o := t.TempDir(), Options{Ring: ring(t, t.TempDir()), SegmentSize: 3000, CheckpointEvery: -1}
	l := open(t, dir, o)
	for i := range 30 {
		e := typicalEvent()
		e.Items = e.Items[:i%2]
		if _, err := l.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l = open(t, dir, o)
	if err := l.RebuildIndex(t.Context(), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*"+indexSuffix))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	if r := verify(t, dir, VerifyOptions{}); len(r.Findings) > 0 {
		t.Fatal(r.Findings)
	}
	b, err := os.ReadFile(names[0])
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-6] ^= 4 // where the last record lies
	write(t, names[0], b)
	r := verify(t, dir, VerifyOptions{})
	if len(r.Findings) != 1 || r.Findings[0].Kind != Damaged || !strings.Contains(r.Findings[0].Text, filepath.Base(names[0])) {
		t.Errorf("%+v", r.Findings)
	}
	if err := l.RebuildIndex(t.Context(), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, dir, VerifyOptions{}); len(r.Findings) > 0 {
		t.Error(r.Findings)
	}
}

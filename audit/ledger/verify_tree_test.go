package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// forge writes another record in the place of a segment's record i, whole by itself.
func forge(t *testing.T, dir string, segment uint64, i int) (index int64) {
	t.Helper()
	path := filepath.Join(dir, fileName(segment, segmentSuffix))
	b := readFile(t, path)
	h, err := parseHeader(b)
	if err != nil {
		t.Fatal(err)
	}
	at := framesOf(b)[i][0]
	leaf, _, _ := soundFrame(b[at:])
	leaf[len(leaf)-1] ^= 1
	binary.LittleEndian.PutUint32(b[at:], crc32.Checksum(leaf, crc32.MakeTable(crc32.Castagnoli)))
	writeFile(t, path, b)
	return h.first + 1 + int64(i)
}

func kindsOf(r *Report) (all []Kind) {
	for _, f := range r.Findings {
		all = append(all, f.Kind)
	}
	return all
}

// The hashes are derived: without them, or with others, the records are compared with what
// was signed all the same, and none is accused that is right.
func TestVerifyWithoutTheTree(t *testing.T) {
	s := makeSample(t, 2, 30)
	whole := verify(t, s.dir, VerifyOptions{Trusted: []string{s.public}})
	kept := [][]byte{whole.Checkpoint.Note}
	tree := readFile(t, filepath.Join(s.dir, treeName))
	for name, c := range map[string]struct {
		tree   []byte // nil: it is gone
		forged bool
		want   []Kind
	}{
		"gone":          {nil, false, []Kind{Damaged}},
		"gone, forged":  {nil, true, []Kind{Damaged, Forked, Forked}},
		"cut":           {tree[:len(tree)/2], false, []Kind{Damaged}},
		"empty":         {tree[:0], false, []Kind{Damaged}},
		"zeros":         {make([]byte, len(tree)), false, []Kind{Damaged}},
		"right, forged": {tree, true, []Kind{Altered}},
		"cut, forged":   {tree[:len(tree)/2], true, []Kind{Altered, Damaged}},
		"zeros, forged": {make([]byte, len(tree)), true, nil}, // something is found
	} {
		t.Run(name, func(t *testing.T) {
			dir := s.copy(t)
			defer os.RemoveAll(dir)
			if err := os.Remove(filepath.Join(dir, treeName)); err != nil {
				t.Fatal(err)
			}
			if c.tree != nil {
				writeFile(t, filepath.Join(dir, treeName), c.tree)
			}
			index := int64(-1)
			if c.forged {
				index = forge(t, dir, 1, 5)
			}
			r := verify(t, dir, VerifyOptions{Trusted: []string{s.public}, Checkpoints: kept})
			if got := kindsOf(r); c.want != nil && !slices.Equal(got, c.want) || len(got) == 0 {
				t.Fatalf("%+v", r.Findings)
			}
			if r.Records != whole.Records && !c.forged || r.Signed != whole.Signed || !r.Trusted {
				t.Errorf("%+v", r)
			}
			if c.want != nil && slices.Contains(c.want, Altered) && r.Findings[0].Index != index {
				t.Errorf("record %d was forged: %+v", index, r.Findings)
			}
			for _, f := range r.Findings {
				if f.Kind == Forked && f.Index > index {
					t.Errorf("record %d was forged: %+v", index, f)
				}
			}
		})
	}
}

// The hashes of records that were destroyed by law are nowhere else: what follows them is
// not proven, and nobody is accused of it.
func TestVerifyWithoutTheTreeOfDroppedSegments(t *testing.T) {
	s := makeSample(t, 2, 30)
	l := open(t, s.dir, s.o)
	if _, err := l.Drop(context.Background(), 1, "too old"); err != nil {
		t.Fatal(err)
	}
	l.Close()
	whole := verify(t, s.dir, VerifyOptions{Trusted: []string{s.public}})
	if len(whole.Findings) > 0 {
		t.Fatalf("%+v", whole.Findings)
	}
	if err := os.Remove(filepath.Join(s.dir, treeName)); err != nil {
		t.Fatal(err)
	}
	r := verify(t, s.dir, VerifyOptions{Trusted: []string{s.public}, Checkpoints: [][]byte{whole.Checkpoint.Note}})
	if !slices.Equal(kindsOf(r), []Kind{Damaged, Damaged, Damaged}) || !strings.Contains(r.Findings[1].Text, "segment 1, whose records were destroyed") || !strings.Contains(r.Findings[2].Text, "compared with nothing") {
		t.Fatalf("%+v", r.Findings)
	}
}

// Without the file of keys the keys that the caller trusts do; without those the
// checkpoints are compared unproven. A record that was altered is named in any case.
func TestVerifyWithoutTheKeys(t *testing.T) {
	s := makeSample(t, 2, 30)
	for name, c := range map[string]struct {
		keys   []byte // nil: the file is gone
		given  []string
		forged bool
		want   []Kind
	}{
		"gone, key given": {nil, []string{s.public, s.public}, false, []Kind{Damaged}},
		"gone":            {nil, nil, false, []Kind{Damaged}},
		"empty":           {[]byte{}, nil, false, []Kind{Damaged}},
		"garbage":         {[]byte("garbage\n"), []string{s.public}, false, []Kind{Damaged}},
		"gone, forged":    {nil, nil, true, []Kind{Damaged, Altered}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := s.copy(t)
			defer os.RemoveAll(dir)
			if err := os.Remove(filepath.Join(dir, keysName)); err != nil {
				t.Fatal(err)
			}
			if c.keys != nil {
				writeFile(t, filepath.Join(dir, keysName), c.keys)
			}
			index := int64(-1)
			if c.forged {
				index = forge(t, dir, 2, 3)
			}
			r := verify(t, dir, VerifyOptions{Trusted: c.given})
			if !slices.Equal(kindsOf(r), c.want) || r.Trusted != (c.given != nil) || r.Checkpoints == 0 || r.Signed == 0 {
				t.Fatalf("%+v", r)
			}
			if c.forged && r.Findings[1].Index != index {
				t.Errorf("record %d was forged: %+v", index, r.Findings)
			}
		})
	}
	// The keys of another ledger prove nothing.
	if err := os.Remove(filepath.Join(s.dir, keysName)); err != nil {
		t.Fatal(err)
	}
	if r := verify(t, s.dir, VerifyOptions{Trusted: []string{mustKey(t)}, Clock: func() time.Time { return time.Now().Add(time.Hour) }}); len(r.Findings) < 2 || r.Signed > 0 {
		t.Errorf("%+v", r)
	}
	if _, err := Verify(context.Background(), t.TempDir(), VerifyOptions{FS: held}); !errors.Is(err, ErrNoLedger) {
		t.Error(err)
	}
}

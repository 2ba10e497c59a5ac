package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"samdok/internal/disk"
	"samdok/storage/keyring"
)

func verify(t testing.TB, dir string, o VerifyOptions) *Report {
	t.Helper()
	if o.FS == nil {
		o.FS = held
	}
	r, err := Verify(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// sample is a closed ledger of a few segments.
type sample struct {
	dir     string
	o       Options
	public  string
	records int
}

func makeSample(t testing.TB, runs, each int) sample {
	t.Helper()
	s := sample{dir: folder(t), o: Options{Ring: ring(t, t.TempDir()), SegmentSize: 6000, CheckpointEvery: -1}}
	for run := range runs {
		l := open(t, s.dir, s.o)
		for i := range each {
			e := typicalEvent()
			e.Items = e.Items[:i%4]
			e.Request.Caller.EventID = fmt.Sprint(run, "/", i)
			if _, err := l.Record(context.Background(), e); err != nil {
				t.Fatal(err)
			}
			s.records++
			if i%7 == 3 {
				if _, err := l.Checkpoint(); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.public = l.PublicKeys()[0]
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s sample) copy(t testing.TB) string {
	t.Helper()
	if _, local := held.(disk.OS); !local {
		return copyFolder(t, s.dir)
	}
	dir, err := os.MkdirTemp("", "ledger-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestVerifyIsContentWithWhatWasWritten(t *testing.T) {
	s := makeSample(t, 3, 20)
	r := verify(t, s.dir, VerifyOptions{Trusted: []string{s.public}})
	if len(r.Findings) > 0 || r.Torn || !r.Trusted || r.Records != int64(s.records) || r.Signed != r.Leaves || r.Leaves != r.Records+int64(r.Segments) || r.Segments < 4 {
		t.Fatalf("%+v", r)
	}
	if r := verify(t, s.dir, VerifyOptions{Trusted: []string{mustKey(t)}}); len(r.Findings) != 1 || r.Findings[0].Kind != Forked || r.Trusted {
		t.Fatalf("another key is trusted: %+v", r)
	}
}

func mustKey(t testing.TB) string {
	t.Helper()
	_, public, err := NewSigningKey("")
	if err != nil {
		t.Fatal(err)
	}
	return public
}

type fatal interface{ Fatal(...any) }

// framesOf are the places of the records of a segment.
func framesOf(b []byte) (all [][2]int64) {
	for s := newScanner(b); ; {
		f, ok := s.next()
		if !ok {
			return all
		}
		all = append(all, [2]int64{f.off, f.end()})
	}
}

// TestEveryTamperingIsFound alters a ledger in one way and demands a finding, and
// where a record can be named, that it is named.
func TestEveryTamperingIsFound(t *testing.T) {
	s := makeSample(t, 2, 30)
	numbers, err := segments(open(t, t.TempDir(), Options{}).FS, s.dir, segmentSuffix)
	if err != nil || len(numbers) < 4 {
		t.Fatal(numbers, err)
	}
	kinds := map[Kind]int{}
	rapid.Check(t, func(rt *rapid.T) {
		dir := s.copy(t)
		defer os.RemoveAll(dir)
		n := rapid.SampledFrom(numbers).Draw(rt, "segment")
		path := filepath.Join(dir, fileName(n, segmentSuffix))
		b := readFile(rt, path)
		h, err := parseHeader(b)
		if err != nil {
			rt.Fatal(err)
		}
		frames := framesOf(b)
		i := rapid.IntRange(0, len(frames)-1).Draw(rt, "record")
		at := frames[i]
		index := h.first + 1 + int64(i)
		op := rapid.SampledFrom([]string{"flip", "drop", "swap", "truncate", "duplicate", "replay", "segment gone", "segments swapped", "bit of tree", "bit of checkpoints", "bit of keys", "checkpoints cut"}).Draw(rt, "op")
		switch op {
		case "flip":
			bit := rapid.IntRange(0, len(b)*8-1).Draw(rt, "bit")
			b[bit/8] ^= 1 << (bit % 8)
			index = -2
			for j, f := range frames {
				if int64(bit/8) >= f[0] && int64(bit/8) < f[1] {
					index = h.first + 1 + int64(j)
				}
			}
			if bit/8 < headSize {
				index = -3 // the header; its own number may be what was altered
			}
		case "drop":
			b = slices.Concat(b[:at[0]], b[at[1]:])
		case "swap":
			j := rapid.IntRange(0, len(frames)-1).Filter(func(j int) bool { return j != i }).Draw(rt, "other")
			lo, hi := frames[min(i, j)], frames[max(i, j)]
			index = h.first + 1 + int64(min(i, j))
			b = slices.Concat(b[:lo[0]], b[hi[0]:hi[1]], b[lo[1]:hi[0]], b[lo[0]:lo[1]], b[hi[1]:])
		case "truncate":
			cut := rapid.Int64Range(0, int64(len(b))-1).Draw(rt, "cut")
			b = b[:cut]
			index = -3
		case "duplicate":
			b = slices.Concat(b[:at[1]], b[at[0]:at[1]], b[at[1]:])
			index++
		case "replay":
			b = slices.Concat(b, b[at[0]:at[1]])
			index = h.first + 1 + int64(len(frames))
		case "segment gone":
			if err := os.Remove(path); err != nil {
				rt.Fatal(err)
			}
			index, b = h.first, nil
		case "segments swapped":
			other := filepath.Join(dir, fileName(rapid.SampledFrom(numbers).Filter(func(m uint64) bool { return m != n }).Draw(rt, "other"), segmentSuffix))
			c := readFile(rt, other)
			writeFile(rt, other, b)
			b, index = c, -3
		case "checkpoints cut":
			c := readFile(rt, filepath.Join(dir, checkpointsName))
			writeFile(rt, filepath.Join(dir, checkpointsName), c[:rapid.IntRange(0, len(c)-1).Draw(rt, "cut")])
			index = -4
		default:
			name := map[string]string{"bit of tree": treeName, "bit of checkpoints": checkpointsName, "bit of keys": keysName}[op]
			c := readFile(rt, filepath.Join(dir, name))
			bit := rapid.IntRange(0, len(c)*8-1).Draw(rt, "bit")
			c[bit/8] ^= 1 << (bit % 8)
			writeFile(rt, filepath.Join(dir, name), c)
			index = -3
		}
		if b != nil {
			writeFile(rt, path, b)
		}
		r, err := Verify(context.Background(), dir, VerifyOptions{Trusted: []string{s.public}})
		if err != nil {
			rt.Fatal(err)
		}
		if index == -4 {
			if len(r.Findings) == 0 && !r.Torn && r.Signed == r.Leaves {
				rt.Fatalf("%s: not seen: %+v", op, r)
			}
			return
		}
		if len(r.Findings) == 0 {
			rt.Fatalf("%s: not found: %+v", op, r)
		}
		kinds[r.Findings[0].Kind]++
		if index >= 0 && r.Findings[0].Index != index {
			rt.Fatalf("%s: record %d is named, want %d: %+v", op, r.Findings[0].Index, index, r.Findings)
		}
	})
	t.Log(kinds)
}

// Two histories that share a beginning: each is right by itself, and the
// checkpoint of the other gives it away.
func TestForkIsFound(t *testing.T) {
	s := makeSample(t, 1, 12)
	base := verify(t, s.dir, VerifyOptions{}).Signed
	other := s.copy(t)
	defer os.RemoveAll(other)
	var kept Checkpoint
	for i, dir := range []string{s.dir, other} {
		l := open(t, dir, s.o)
		for j := range 5 {
			record(t, l, fmt.Sprint("branch ", i, j))
		}
		l.Close()
		r := verify(t, dir, VerifyOptions{Trusted: []string{s.public}})
		if len(r.Findings) > 0 {
			t.Fatalf("branch %d: %+v", i, r.Findings)
		}
		if i == 0 {
			kept = r.Checkpoint
		}
	}
	r := verify(t, other, VerifyOptions{Checkpoints: [][]byte{kept.Note}})
	if len(r.Findings) != 1 || r.Findings[0].Kind != Forked || r.Findings[0].Index != base {
		t.Fatalf("%+v, the branches part at %d", r.Findings, base)
	}
	if r := verify(t, s.dir, VerifyOptions{Checkpoints: [][]byte{kept.Note}}); len(r.Findings) > 0 {
		t.Fatalf("its own checkpoint: %+v", r.Findings)
	}
	// Set back to before the checkpoint.
	back := makeSample(t, 1, 3)
	if r := verify(t, back.dir, VerifyOptions{Checkpoints: [][]byte{kept.Note}}); len(r.Findings) != 1 {
		t.Fatalf("another ledger's checkpoint: %+v", r.Findings)
	}
	short := filepath.Join(t.TempDir(), "short")
	if err := os.CopyFS(short, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	l := open(t, s.dir, s.o)
	record(t, l, "more")
	l.Close()
	newest := verify(t, s.dir, VerifyOptions{}).Checkpoint
	if r := verify(t, short, VerifyOptions{Checkpoints: [][]byte{newest.Note}}); len(r.Findings) != 1 || r.Findings[0].Kind != Removed {
		t.Fatalf("set back: %+v", r.Findings)
	}
}

// Somebody rewrites hashes; only the signature is missing.
func TestRewrittenTreeIsFound(t *testing.T) {
	s := makeSample(t, 1, 30)
	l := open(t, s.dir, s.o)
	l.Close()
	b := readFile(t, filepath.Join(s.dir, treeName))
	size := storedSize(int64(len(b)))
	var front frontier
	var out []byte
	for n := range size {
		var leaf tlog.Hash
		copy(leaf[:], b[tlog.StoredHashIndex(0, n)*tlog.HashSize:])
		if n == 9 {
			leaf[0] ^= 1
		}
		front.add(leaf, func(h tlog.Hash) { out = append(out, h[:]...) })
	}
	writeFile(t, filepath.Join(s.dir, treeName), out)
	r := verify(t, s.dir, VerifyOptions{})
	if len(r.Findings) != 1 || r.Findings[0].Kind != Damaged || r.Findings[0].Index > 9 {
		t.Fatalf("only hashes were rewritten, the records are right: %+v", r.Findings)
	}
	// The server makes the tree from its records again.
	l = open(t, s.dir, s.o)
	l.Close()
	if r := verify(t, s.dir, VerifyOptions{}); len(r.Findings) > 0 {
		t.Fatalf("after a start: %+v", r.Findings)
	}
}

func TestIncrementalVerification(t *testing.T) {
	s := makeSample(t, 1, 30)
	first := verify(t, s.dir, VerifyOptions{})
	l := open(t, s.dir, s.o)
	for i := range 10 {
		record(t, l, fmt.Sprint(i))
	}
	l.Close()
	r := verify(t, s.dir, VerifyOptions{Since: first.Checkpoint.Note})
	if len(r.Findings) > 0 || r.From != first.Signed || r.Records >= int64(s.records) || r.Records < 10 || r.Signed <= first.Signed {
		t.Fatalf("%+v", r)
	}
}

func TestFrontierIsTlogs(t *testing.T) {
	var front frontier
	var mine []tlog.Hash
	reader := tlog.HashReaderFunc(func(at []int64) ([]tlog.Hash, error) {
		var out []tlog.Hash
		for _, i := range at {
			out = append(out, mine[i])
		}
		return out, nil
	})
	for n := range int64(300) {
		leaf := tlog.RecordHash(fmt.Append(nil, n))
		want, err := tlog.StoredHashesForRecordHash(n, leaf, reader)
		if err != nil {
			t.Fatal(err)
		}
		before := len(mine)
		front.add(leaf, func(h tlog.Hash) { mine = append(mine, h) })
		if !slices.Equal(mine[before:], want) {
			t.Fatalf("leaf %d", n)
		}
		root, err := tlog.TreeHash(n+1, reader)
		if err != nil || root != front.root() {
			t.Fatalf("root of %d: %v", n+1, err)
		}
		again, err := readFrontier(n+1, reader)
		if err != nil || again.root() != root {
			t.Fatal(n, err)
		}
		if got := storedSize(int64(len(mine)) * tlog.HashSize); got != n+1 {
			t.Fatalf("%d hashes are %d leaves, want %d", len(mine), got, n+1)
		}
	}
}

func TestProofs(t *testing.T) {
	s := makeSample(t, 1, 20)
	l := open(t, s.dir, s.o)
	old, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	at := record(t, l, "x")
	p, err := l.Prove(at.Index)
	if err != nil || p.Check() != nil {
		t.Fatal(err, p.Check())
	}
	b := readFile(t, filepath.Join(s.dir, fileName(at.Segment, segmentSuffix)))
	if leaf, _, ok := soundFrame(b[at.Offset:]); !ok || tlog.RecordHash(leaf) != p.Leaf {
		t.Fatal("the proof is of another record")
	}
	if c, err := OpenCheckpoint(p.Checkpoint.Note, s.public); err != nil || c.Root != p.Checkpoint.Root || c.Size != p.Checkpoint.Size {
		t.Fatal(c, err)
	}
	p.Leaf[3] ^= 1
	if p.Check() == nil {
		t.Fatal("an altered leaf is proven")
	}
	path, c, err := l.Consistency(old.Size)
	if err != nil || tlog.CheckTree(path, c.Size, c.Root, old.Size, old.Root) != nil {
		t.Fatal(err)
	}
	if _, err := l.Prove(c.Size); err == nil {
		t.Fatal("a record that is not there is proven")
	}
	if _, err := OpenCheckpoint(c.Note, mustKey(t)); err == nil {
		t.Fatal("anybody's key opens it")
	}
}

func TestKeysAreRotated(t *testing.T) {
	s := makeSample(t, 1, 5)
	l := open(t, s.dir, s.o)
	for i := range 3 {
		record(t, l, fmt.Sprint(i))
		if _, err := l.RotateKey(context.Background(), ""); err != nil {
			t.Fatal(err)
		}
	}
	keys := l.PublicKeys()
	l.Close()
	l = open(t, s.dir, s.o)
	record(t, l, "after")
	l.Close()
	for _, k := range keys {
		if r := verify(t, s.dir, VerifyOptions{Trusted: []string{k}}); len(r.Findings) > 0 || !r.Trusted || r.Newest != keys[3] {
			t.Fatalf("%+v", r)
		}
	}
	// The power fails between the steps of a rotation.
	for _, introduced := range []bool{false, true} {
		dir := s.copy(t)
		defer os.RemoveAll(dir)
		private, _, err := NewSigningKey(verify(t, dir, VerifyOptions{}).Origin)
		if err != nil {
			t.Fatal(err)
		}
		o := on(s.o)
		o.defaults()
		if err := saveSigner(context.Background(), o.FS, dir, nextSigner, o.Ring, private); err != nil {
			t.Fatal(err)
		}
		if introduced {
			sig, err := openSigning(context.Background(), t.TempDir(), &o)
			if err != nil {
				t.Fatal(err)
			}
			sig.file.close()
			if sig, err = openSigning(context.Background(), s.dir, &o); err != nil {
				t.Fatal(err)
			}
			sig.file.close()
			f, _, err := openNotes(o.FS, dir, keysName)
			if err != nil {
				t.Fatal(err)
			}
			sig.file = f
			signer, public, err := parseSigner(private)
			if err == nil {
				err = sig.introduce(public, signer, verify(t, dir, VerifyOptions{}).Signed, time.Now())
			}
			if err != nil {
				t.Fatal(err)
			}
			f.close()
		}
		l := open(t, dir, s.o)
		record(t, l, "x")
		want := 4
		if introduced {
			want = 5
		}
		if n := len(l.PublicKeys()); n != want {
			t.Fatalf("%d keys, want %d", n, want)
		}
		l.Close()
		if r := verify(t, dir, VerifyOptions{Trusted: []string{s.public}}); len(r.Findings) > 0 {
			t.Fatalf("%+v", r.Findings)
		}
	}
}

func TestGivenKey(t *testing.T) {
	private, public, err := NewSigningKey("")
	if err != nil {
		t.Fatal(err)
	}
	dir, o := folder(t), on(Options{SigningKey: private})
	l := open(t, dir, o)
	record(t, l, "a")
	signed, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	origin := signed.Origin
	next, _, err := NewSigningKey(l.signing.chain.origin())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.RotateKey(context.Background(), ""); err == nil {
		t.Fatal("a given key is replaced by one of the folder")
	}
	if _, err := l.RotateKey(context.Background(), next); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := loadFile(held, dir, signerName); !errors.Is(err, os.ErrNotExist) {
		t.Fatal("a given key lies in the folder")
	}
	if _, err := Open(context.Background(), dir, o); err == nil {
		t.Fatal("the old key opens it", origin)
	}
	o.SigningKey = next
	open(t, dir, o).Close()
	if r := verify(t, dir, VerifyOptions{Trusted: []string{public}}); len(r.Findings) > 0 {
		t.Fatalf("%+v", r.Findings)
	}
}

// Dropping a segment by law and destroying a key break no proof.
func TestLawfulDeletion(t *testing.T) {
	s := makeSample(t, 2, 30)
	l := open(t, s.dir, s.o)
	d, err := l.Drop(context.Background(), 2, "kept for ten years")
	if err != nil {
		t.Fatal(err)
	}
	h, _, err := readHeader(l.FS, s.dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.o.Ring.Destroy(context.Background(), h.keyID); err != nil {
		t.Fatal(err)
	}
	p, err := l.Prove(d.First + 1)
	if err != nil || p.Check() != nil {
		t.Fatal("a dropped record is no longer proven", err)
	}
	l.Close()
	open(t, s.dir, s.o).Close()
	r := verify(t, s.dir, VerifyOptions{Trusted: []string{s.public}})
	if len(r.Findings) > 0 || len(r.Dropped) != 1 || r.Dropped[0].Reason != "kept for ten years" {
		t.Fatalf("%+v", r)
	}
	var hidden int
	for _, err := range Read(context.Background(), s.dir, on(s.o)) {
		if errors.Is(err, keyring.ErrDestroyed) {
			hidden++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if hidden != 1 {
		t.Fatalf("%d segments without a key", hidden)
	}
	path := filepath.Join(s.dir, fileName(2, droppedSuffix))
	writeFile(t, path, bytes.Replace(readFile(t, path), []byte("ten years"), []byte("two years"), 1))
	if r := verify(t, s.dir, VerifyOptions{}); len(r.Findings) == 0 {
		t.Fatal("an altered note of a dropped segment is believed")
	}
}

// Verify beside a ledger that takes records.
func TestVerifyWhileRecording(t *testing.T) {
	dir, o := folder(t), Options{Ring: ring(t, t.TempDir()), SegmentSize: 20_000, CheckpointEvery: 5 * time.Millisecond}
	l := open(t, dir, o)
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					record(t, l, "x")
				}
			}
		})
	}
	rounds := 40
	if _, local := held.(disk.OS); !local {
		rounds = 4
	}
	for range rounds {
		if r := verify(t, dir, VerifyOptions{}); len(r.Findings) > 0 {
			t.Errorf("%+v", r.Findings)
			break
		}
	}
	close(stop)
	group.Wait()
}

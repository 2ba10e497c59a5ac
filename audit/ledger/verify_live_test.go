package ledger

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"samdok/internal/disk"
)

// tornFS reads segments as they look while they are written: in the first so many
// readings two records are not there yet, while those behind them are.
type tornFS struct {
	disk.FS
	readings int
	from, to int64
}

type tornFile struct {
	disk.File
	fs *tornFS
}

func (f *tornFS) Open(name string, flag int, perm os.FileMode) (disk.File, error) {
	file, err := f.FS.Open(name, flag, perm)
	if err != nil || !strings.HasSuffix(name, segmentSuffix) {
		return file, err
	}
	return tornFile{file, f}, nil
}

func (f tornFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(b, off)
	if off == 0 && int64(n) > f.fs.to && f.fs.readings > 0 {
		f.fs.readings--
		clear(b[f.fs.from:f.fs.to])
	}
	return n, err
}

// TestVerifyWhatIsBeingWritten: a server writes into the blocks that verification reads,
// and that is no finding. What stays so is one, also of records that no checkpoint
// knows of.
func TestVerifyWhatIsBeingWritten(t *testing.T) {
	dir := folder(t)
	l := open(t, dir, Options{CheckpointEvery: -1, Ahead: -1})
	for range 6 {
		record(t, l, "x")
	}
	b, err := loadFile(held, dir, fileName(1, segmentSuffix))
	if err != nil {
		t.Fatal(err)
	}
	frames := framesOf(b)
	for readings, findings := range map[int]int{0: 0, 1: 0, 2: 1, 1000: 1} {
		fsys := &tornFS{FS: held, readings: readings, from: frames[2][0], to: frames[3][1]}
		r := verify(t, dir, VerifyOptions{FS: fsys})
		if len(r.Findings) != findings {
			t.Errorf("%d torn readings: %+v", readings, r.Findings)
		}
		for _, f := range r.Findings {
			if f.Kind != Removed || f.Index != 3 {
				t.Errorf("%d torn readings: %+v", readings, f)
			}
		}
		if findings == 0 && r.Records != 6 {
			t.Errorf("%d torn readings: %d records were checked", readings, r.Records)
		}
	}
	// More was written while it was read again, and only the end of that is seen.
	for range 4 {
		record(t, l, "x")
	}
	if b, err = loadFile(held, dir, fileName(1, segmentSuffix)); err != nil {
		t.Fatal(err)
	}
	frames = framesOf(b)
	c := partCheck{v: &verifier{r: &Report{}}, p: &part{number: 1, last: true, end: -1}, b: b, settled: frames[6][0]}
	clear(b[frames[7][0]:frames[8][1]])
	if c.run(); len(c.found) > 0 || c.index != 8 {
		t.Errorf("what was written later is %+v after record %d", c.found, c.index)
	}
}

// youngFS has, for the first so many times that they are opened, the checkpoints of a
// ledger that nothing was recorded in yet.
type youngFS struct {
	disk.FS
	times int
	young string // their file
}

func (f *youngFS) Open(name string, flag int, perm os.FileMode) (disk.File, error) {
	if filepath.Base(name) == checkpointsName && f.times > 0 {
		f.times--
		name = f.young
	}
	return f.FS.Open(name, flag, perm)
}

// TestVerifyWhatIsBeingSigned: segments that are begun while a ledger is verified are
// signed meanwhile. Checkpoints that are not there afterwards either are missed.
func TestVerifyWhatIsBeingSigned(t *testing.T) {
	s := makeSample(t, 2, 30)
	all, _, err := readNotes(held, s.dir, checkpointsName)
	if err != nil || len(all) < 2 {
		t.Fatal(len(all), err)
	}
	young := filepath.Join(folder(t), checkpointsName)
	write(t, young, appendNote(nil, all[0]))
	for times, findings := range map[int]int{1: 0, 1000: 1} {
		r := verify(t, s.dir, VerifyOptions{FS: &youngFS{FS: held, times: times, young: young}})
		if len(r.Findings) != findings || findings > 0 && r.Findings[0].Kind != Unsigned {
			t.Errorf("%d old readings: %+v", times, r.Findings)
		}
	}
}

// TestSegmentsWaitForTheirSignature: records do not run ahead of what signs them, so that
// verification never misses a checkpoint that was only late.
func TestSegmentsWaitForTheirSignature(t *testing.T) {
	dir := folder(t)
	l := open(t, dir, Options{CheckpointEvery: -1, SegmentSize: 2000})
	l.stop() // nobody signs behind the records
	l.workers.Wait()
	for range 40 {
		record(t, l, "x")
	}
	if numbers, err := segments(held, dir, segmentSuffix); err != nil || len(numbers) < 4 {
		t.Fatal(numbers, err)
	}
	if r := verify(t, dir, VerifyOptions{}); len(r.Findings) > 0 {
		t.Errorf("%+v", r.Findings)
	}
}

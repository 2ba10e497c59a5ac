package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samdok/access"
	"samdok/audit"
	"samdok/internal/disk"
	"samdok/metadata"
)

// someEvent is about a few patients, people and organisations.
func someEvent(i int) *audit.Event {
	e := smallEvent()
	e.Time = time.Unix(int64(1e9+i), 0).UTC()
	e.Request.Caller = access.Caller{EventID: fmt.Sprint(i), Subject: fmt.Sprint("person ", i%11), Organisation: fmt.Sprint("org ", i%2)}
	e.Request.Patients = []metadata.PatientID{{ID: fmt.Sprint("patient ", i%5), Authority: "1.2"}}
	e.Items = nil
	return e
}

// indexedLedger has n records in many small segments, all of them indexed.
func indexedLedger(t testing.TB, n int, o Options) *Ledger {
	t.Helper()
	o.CheckpointEvery, o.Ahead = -1, -1
	if o.SegmentSize == 0 {
		o.SegmentSize = 1200
	}
	l := open(t, t.TempDir(), o)
	for i := range n {
		if _, err := l.Record(t.Context(), someEvent(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func indexNames(t testing.TB, l *Ledger) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(l.dir, "*"+indexSuffix))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// Indexes are merged so that their number stays small, and every search over them
// yields what reading all records yields, also when some segments were dropped.
func TestMergedIndexes(t *testing.T) {
	l := indexedLedger(t, 700, Options{Ring: ring(t, t.TempDir())})
	all, err := l.Segments()
	if err != nil || len(all) < 72 {
		t.Fatalf("%d segments, %v", len(all), err)
	}
	if n := len(indexNames(t, l)); n > len(all)/64+7+7 {
		t.Fatalf("%d indexes of %d segments", n, len(all))
	}
	compareSearches(t, l)
	for _, i := range []int{0, 20, 21, 63, 70} {
		if _, err := l.Drop(t.Context(), all[i].Number, "kept for ten years"); err != nil {
			t.Fatal(err)
		}
	}
	compareSearches(t, l)
	before := indexNames(t, l)
	if err := l.RebuildIndex(t.Context(), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	if len(indexNames(t, l)) > len(before)+7 {
		t.Errorf("%d indexes after they were made anew", len(indexNames(t, l)))
	}
	compareSearches(t, l)
}

func compareSearches(t *testing.T, l *Ledger) {
	t.Helper()
	var records []Record
	for r, err := range Read(t.Context(), l.dir, l.Options) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	slices.Reverse(records)
	rapid.Check(t, func(t *rapid.T) {
		q := Search{Person: rapid.SampledFrom([]string{"", "person 3", "person 6", "nobody"}).Draw(t, "person"), Organisation: rapid.SampledFrom([]string{"", "org 0", "org 1"}).Draw(t, "organisation")}
		if n := rapid.IntRange(-1, 5).Draw(t, "patient"); n >= 0 {
			q.Patient = metadata.PatientID{ID: fmt.Sprint("patient ", n), Authority: "1.2"}
		}
		if rapid.Bool().Draw(t, "since") {
			q.Since = time.Unix(int64(1e9+rapid.IntRange(-5, 705).Draw(t, "from")), 0)
		}
		if rapid.Bool().Draw(t, "until") {
			q.Until = time.Unix(int64(1e9+rapid.IntRange(-5, 705).Draw(t, "to")), 0)
		}
		var want []string
		for i := range records {
			if q.matches(&records[i]) {
				want = append(want, records[i].Event.Request.Caller.EventID)
			}
		}
		var got []string
		for r, err := range l.Find(context.Background(), q) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r.Event.Request.Caller.EventID)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v: %v, want %v", q, got, want)
		}
	})
}

// stopping fails every change of the folder after some.
type stopping struct {
	disk.FS
	left int
}

var errStopped = errors.New("stopped")

func (s *stopping) step() error {
	if s.left--; s.left < 0 {
		return errStopped
	}
	return nil
}

func (s *stopping) Open(name string, flag int, perm os.FileMode) (disk.File, error) {
	if flag&os.O_CREATE != 0 {
		if err := s.step(); err != nil {
			return nil, err
		}
	}
	return s.FS.Open(name, flag, perm)
}

func (s *stopping) Rename(from, to string) error {
	return errors.Join(s.step(), s.renamed(from, to))
}

func (s *stopping) renamed(from, to string) error {
	if s.left < 0 {
		return nil
	}
	return s.FS.Rename(from, to)
}

func (s *stopping) Remove(name string) error {
	if err := s.step(); err != nil {
		return err
	}
	return s.FS.Remove(name)
}

// A crash at any step of making and merging indexes leaves a ledger whose searches
// are right, and whose next start brings the indexes to their end.
func TestCrashWhileMerging(t *testing.T) {
	o := Options{Ring: ring(t, t.TempDir())}
	l := indexedLedger(t, 100, o)
	o.CheckpointEvery, o.SegmentSize = -1, 1200
	want := found(t, l, Search{Person: "person 3"})
	for left := 0; ; left++ {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range indexNames(t, l) {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		fsys := &stopping{FS: disk.OS{}, left: left}
		crashed := &Ledger{Options: l.Options, dir: l.dir, next: l.next}
		crashed.FS, crashed.index.key, crashed.index.keyID = fsys, l.index.key, l.index.keyID
		stopped := crashed.tend(t.Context()) != nil
		l = open(t, l.dir, o)
		if got := found(t, l, Search{Person: "person 3"}); !slices.Equal(got, want) {
			t.Fatalf("stopped at step %d: %v, want %v", left, got, want)
		}
		if err := l.tend(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := found(t, l, Search{Person: "person 3"}); !slices.Equal(got, want) || len(indexNames(t, l)) > 14 {
			t.Fatalf("after step %d and a new start: %v, want %v; %d indexes", left, got, want, len(indexNames(t, l)))
		}
		if !stopped {
			t.Logf("%d steps", left)
			return
		}
	}
}

// An index whose octets changed is not merged: it is made anew of its segment.
func TestDamagedIndexIsMadeAnew(t *testing.T) {
	l := indexedLedger(t, 40, Options{Ring: ring(t, t.TempDir())})
	names := indexNames(t, l)
	if strings.Contains(filepath.Base(names[len(names)-1]), "-") {
		t.Fatal("the last index is a merged one")
	}
	want := found(t, l, Search{Person: "person 3"})
	b := readFile(t, names[len(names)-1])
	b[indexHead+indexTable+2*indexEntry+3] ^= 1
	writeFile(t, names[len(names)-1], b)
	for i := 40; len(indexNames(t, l)) >= len(names) && i < 140; i++ { // until it is merged
		if _, err := l.Record(t.Context(), someEvent(i)); err != nil {
			t.Fatal(err)
		}
		_ = l.tend(t.Context()) // says that it was damaged
	}
	if err := l.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := found(t, l, Search{Person: "person 3"})
	if !slices.Equal(got[len(got)-len(want):], want) {
		t.Fatalf("%v, want %v at its end", got, want)
	}
}

// Searches go on while indexes are merged and segments are recorded.
func TestSearchWhileMerging(t *testing.T) {
	l := indexedLedger(t, 30, Options{Ring: ring(t, t.TempDir())})
	stop := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		var err error
		for i := 30; err == nil; i++ {
			select {
			case <-stop:
				ended <- nil
				return
			default:
				_, err = l.Record(context.Background(), someEvent(i))
			}
		}
		ended <- err
	}()
	for range 300 {
		got := found(t, l, Search{Person: "person 3"})
		if len(got) < 3 || !slices.Equal(got[len(got)-3:], []string{"25", "14", "3"}) {
			t.Fatalf("%v", got)
		}
	}
	close(stop)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

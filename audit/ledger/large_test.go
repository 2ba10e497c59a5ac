package ledger

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/internal/disk"
	"samdok/metadata"
)

// unsynced is the machine's file system without its fsync, so that large ledgers
// are made in a bearable time.
type unsynced struct{ disk.FS }

type unsyncedFile struct{ disk.File }

func (u unsynced) Open(name string, flag int, perm os.FileMode) (disk.File, error) {
	f, err := u.FS.Open(name, flag, perm)
	return unsyncedFile{f}, err
}

func (unsyncedFile) Sync() error { return nil }

func (f unsyncedFile) WriteSync(b []byte, off int64) error {
	_, err := f.WriteAt(b, off)
	return err
}

// many makes a ledger of n records, whose newest checkpoint but one covers the first
// nine tenths; it is returned.
func many(t testing.TB, dir string, o Options, n int64) (before Checkpoint) {
	o.FS = unsynced{disk.OS{}}
	l := open(t, dir, o)
	fill(t, l, 0, n-n/10, largePatients(n))
	before, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	fill(t, l, n-n/10, n, largePatients(n))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return before
}

// largePatients is how many patients a large ledger is about.
func largePatients(n int64) int64 { return max(10, n/100) }

// fill records events from from to to, of so many patients in turn. 64 callers each take a hundred at a time.
func fill(t testing.TB, l *Ledger, from, to, patients int64) {
	var group sync.WaitGroup
	var next atomic.Int64
	next.Store(from)
	for range 64 {
		group.Go(func() {
			e := smallEvent()
			for {
				begin := next.Add(100) - 100
				for i := begin; i < min(begin+100, to); i++ {
					e.Time = time.Unix(1e9+i, 0)
					e.Request.Patients = []metadata.PatientID{{ID: fmt.Sprint("patient ", i%patients), Authority: "1.2"}}
					e.Items[0].Patient = e.Request.Patients[0]
					if _, err := l.Record(context.Background(), e); err != nil {
						t.Error(err)
						return
					}
				}
				if begin >= to {
					return
				}
			}
		})
	}
	group.Wait()
}

// peak is the most memory that the process had since it was asked last, octets.
func peak(t testing.TB) (n int64) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// TestLarge makes a ledger of ten million records (./test --long; 20,000 else), verifies
// all of it with one and with two workers and the last tenth alone, and searches it by
// patient. SAMDOK_LARGE says how many records.
func TestLarge(t *testing.T) {
	n := int64(20_000)
	if os.Getenv("SAMDOK_LONG") != "" {
		n = 10_000_000
	}
	if s := os.Getenv("SAMDOK_LARGE"); s != "" {
		if _, err := fmt.Sscan(s, &n); err != nil {
			t.Fatal(err)
		}
	}
	dir, o := t.TempDir(), Options{Ring: ring(t, t.TempDir())}
	if n < 1_000_000 {
		o.SegmentSize = 200_000
	}
	start := time.Now()
	before := many(t, dir, o, n)
	t.Logf("%d records made in %s", n, time.Since(start))
	for _, workers := range []int{1, 2} {
		largeVerify(t, dir, n, VerifyOptions{Workers: workers})
	}
	largeVerify(t, dir, n/10, VerifyOptions{Since: before.Note, Workers: 2})
	l := open(t, dir, o)
	start = time.Now()
	if err := l.tend(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("indexes made and merged after the start in %s", time.Since(start))
	largeSearch(t, l, n)
	start = time.Now()
	if err := l.RebuildIndex(t.Context(), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	t.Logf("index made anew in %s", time.Since(start))
	largeSearch(t, l, n)
}

func largeVerify(t *testing.T, dir string, least int64, o VerifyOptions) {
	t.Helper()
	peak(t)
	var told atomic.Int64
	o.Progress = func(int64, int64) { told.Add(1) }
	start := time.Now()
	r := verify(t, dir, o)
	if len(r.Findings) > 0 || r.Records < least {
		t.Fatalf("%+v", r)
	}
	took := time.Since(start)
	t.Logf("verified %d records of %d leaves from %d on with %d workers in %s, %.0f per s; progress told %d times; peak memory %d MiB", r.Records, r.Leaves, r.From, o.Workers, took.Round(time.Millisecond), float64(r.Records)/took.Seconds(), told.Load(), peak(t)>>20)
}

func largeSearch(t *testing.T, l *Ledger, n int64) {
	t.Helper()
	peak(t)
	names, err := filepath.Glob(filepath.Join(l.dir, "*"+indexSuffix))
	if err != nil {
		t.Fatal(err)
	}
	all, err := l.Segments()
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var times []time.Duration
	for range 200 {
		start := time.Now()
		p := rng.Int64N(largePatients(n))
		found := int64(0)
		for _, err := range l.Find(t.Context(), Search{Patient: metadata.PatientID{ID: fmt.Sprint("patient ", p), Authority: "1.2"}}) {
			if err != nil {
				t.Fatal(err)
			}
			found++
		}
		if found != n/largePatients(n) {
			t.Fatalf("%d records of a patient, want %d", found, n/largePatients(n))
		}
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	t.Logf("%d segments, %d indexes: all %d records of a patient found in p50 %s, p99 %s; peak memory %d MiB", len(all), len(names), n/largePatients(n), times[len(times)/2], times[len(times)*99/100], peak(t)>>20)
}

package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"samdok/audit"
	"samdok/fault"
	"samdok/internal/disk"
	"samdok/storage/keyring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ring(t testing.TB, dir string) *keyring.Ring {
	t.Helper()
	m, err := keyring.NewMaster(bytes.Repeat([]byte{3}, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	r, err := keyring.Open(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func open(t testing.TB, dir string, o Options) *Ledger {
	t.Helper()
	r, err := Open(context.Background(), dir, on(o))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func record(t testing.TB, r *Ledger, id string) audit.Receipt {
	t.Helper()
	e := smallEvent()
	e.Request.Caller.EventID = id
	receipt, err := r.Record(context.Background(), e)
	if err != nil {
		t.Fatal(err)
	}
	return receipt
}

// read returns the event ids in order, and the alterations.
func read(t testing.TB, dir string, o Options) (ids []string, altered []*Unreadable) {
	t.Helper()
	for r, err := range Read(context.Background(), dir, on(o)) {
		var a *Unreadable
		if errors.As(err, &a) {
			altered = append(altered, a)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.Event.Request.Caller.EventID)
	}
	return ids, altered
}

func TestManyRecordAtOnce(t *testing.T) {
	for name, sealed := range map[string]bool{"sealed": true, "open": false} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t)
			o := Options{SegmentSize: 20_000, Ahead: 4096}
			if sealed {
				o.Ring = ring(t, t.TempDir())
			}
			var wrote, waited atomic.Int64
			o.Watch = Watch{Wrote: func(n, _ int, _ time.Duration) { wrote.Add(int64(n)) }, Waited: func(time.Duration) { waited.Add(1) }}
			want := map[audit.Receipt]string{}
			var mu sync.Mutex
			for round := range 3 {
				r := open(t, dir, o)
				var wg sync.WaitGroup
				for w := range 8 {
					wg.Go(func() {
						for i := range 50 {
							e := typicalEvent()
							id := fmt.Sprint(round, "/", w, "/", i)
							e.Request.Caller.EventID = id
							receipt, err := r.Record(context.Background(), e)
							if err != nil {
								t.Error(err)
								return
							}
							mu.Lock()
							want[receipt] = id
							mu.Unlock()
						}
					})
				}
				wg.Wait()
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if wrote.Load() != 3*8*50 || waited.Load() != 3*8*50 {
				t.Errorf("told of %d records and %d who waited; want %d", wrote.Load(), waited.Load(), 3*8*50)
			}
			var last audit.Receipt
			for r, err := range Read(context.Background(), dir, on(o)) {
				if err != nil {
					t.Fatal(err)
				}
				if r.Receipt.Segment < last.Segment || r.Receipt.Segment == last.Segment && r.Receipt.Offset <= last.Offset {
					t.Fatal("out of order")
				}
				if last = r.Receipt; want[last] != r.Event.Request.Caller.EventID {
					t.Fatal("another event at this receipt")
				}
				delete(want, last)
			}
			if len(want) > 0 || last.Segment < 5 {
				t.Fatalf("%d records lost; last segment %d", len(want), last.Segment)
			}
		})
	}
}

func TestPatientsAreNotReadable(t *testing.T) {
	dir, o := t.TempDir(), Options{Ring: ring(t, t.TempDir())}
	r := open(t, dir, o)
	record(t, r, "a")
	r.Close()
	b, err := os.ReadFile(filepath.Join(dir, fileName(1, segmentSuffix)))
	if err != nil || bytes.Contains(b, []byte("13920079911")) {
		t.Fatal("the record shows the patient", err)
	}
	o.Ring = nil
	for _, err := range Read(context.Background(), dir, on(o)) {
		if !errors.Is(err, keyring.ErrUnknown) {
			t.Fatal(err)
		}
	}
}

func TestTornEndIsCut(t *testing.T) {
	dir, o := t.TempDir(), Options{Ring: ring(t, t.TempDir()), Ahead: -1}
	r := open(t, dir, o)
	young, err := os.ReadFile(filepath.Join(dir, checkpointsName))
	if err != nil {
		t.Fatal(err)
	}
	var ends []int64
	for i := range 3 {
		record(t, r, fmt.Sprint(i))
		ends = append(ends, r.act.log.End())
	}
	r.Close()
	path := filepath.Join(dir, fileName(1, segmentSuffix))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	leaf, _, _ := soundFrame(good[ends[1]:])
	for cut := ends[1]; cut < ends[1]+4+int64(len(leaf)); cut += 13 {
		for _, tail := range [][]byte{nil, make([]byte, 4096), bytes.Repeat([]byte{0xff}, 100)} {
			if err := os.WriteFile(path, append(bytes.Clone(good[:cut]), tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			// The power fails before a record was signed.
			if err := errors.Join(os.WriteFile(filepath.Join(dir, checkpointsName), young, 0o600), os.Remove(filepath.Join(dir, treeName))); err != nil {
				t.Fatal(err)
			}
			r := open(t, dir, o)
			if len(r.Found()) > 0 {
				t.Fatalf("cut at %d: taken for an alteration", cut)
			}
			r.Close()
			st, err := os.Stat(path)
			if err != nil || st.Size() != ends[1] {
				t.Fatalf("cut at %d: %d bytes left, want %d", cut, st.Size(), ends[1])
			}
			if ids, altered := read(t, dir, o); fmt.Sprint(ids) != "[0 1]" || altered != nil {
				t.Fatalf("cut at %d: %v %v", cut, ids, altered)
			}
		}
	}
	if record(t, open(t, dir, o), "new").Segment != 2 {
		t.Fatal("a repaired segment was taken up again: a nonce would be used twice")
	}
}

// faulty fails writes or syncs on demand.
type faulty struct {
	disk.FS
	full, broken atomic.Bool
}

type faultyFile struct {
	disk.File
	fs *faulty
}

func (f *faulty) Open(name string, flag int, perm os.FileMode) (disk.File, error) {
	file, err := f.FS.Open(name, flag, perm)
	return faultyFile{file, f}, err
}

func (f faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if f.fs.full.Load() {
		n, _ := f.File.WriteAt(b[:len(b)/2], off)
		return n, syscall.ENOSPC
	}
	return f.File.WriteAt(b, off)
}

func (f faultyFile) WriteSync(b []byte, off int64) error {
	if _, err := f.WriteAt(b, off); err != nil {
		return err
	}
	return f.Sync()
}

func (f faultyFile) Sync() error {
	if f.fs.broken.Load() {
		return syscall.EIO
	}
	return f.File.Sync()
}

func TestFailsClosedAndRecovers(t *testing.T) {
	dir, fsys := folder(t), &faulty{FS: held}
	o := Options{Ring: ring(t, t.TempDir()), FS: fsys, Ahead: on(Options{}).Ahead}
	r := open(t, dir, o)
	record(t, r, "before")
	ready(t, r, true)
	fsys.full.Store(true)
	for range 2 {
		_, err := r.Record(context.Background(), smallEvent())
		if fault.KindOf(err) != fault.Unavailable || fault.ProblemsOf(err)[0].Code != fault.RegistryOutOfResources {
			t.Fatalf("full disk: %v", err)
		}
		if err := r.RecordTwo(context.Background(), smallEvent(), smallEvent()); fault.KindOf(err) != fault.Unavailable {
			t.Fatalf("full disk: %v", err) // and half of them stays nowhere
		}
		ready(t, r, false)
	}
	fsys.full.Store(false)
	ready(t, r, true)
	record(t, r, "between")
	fsys.broken.Store(true)
	if _, err := r.Record(context.Background(), smallEvent()); fault.KindOf(err) != fault.Internal || !errors.Is(err, syscall.EIO) {
		t.Fatalf("broken disk: %v", err)
	}
	ready(t, r, false)
	fsys.broken.Store(false)
	record(t, r, "after")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Record(context.Background(), smallEvent()); err == nil {
		t.Fatal("recorded after Close")
	}
	if err := r.Ready(t.Context()); err == nil {
		t.Error("ready after Close")
	}
	if ids, altered := read(t, dir, o); fmt.Sprint(ids) != "[before between after]" || altered != nil {
		t.Fatalf("%v %v", ids, altered)
	}
}

func ready(t *testing.T, r *Ledger, want bool) {
	t.Helper()
	switch err := r.Ready(t.Context()); {
	case want && err != nil:
		t.Errorf("not ready: %v", err)
	case !want && (err == nil || !strings.Contains(err.Error(), "make room on the disk")):
		t.Errorf("readiness while nothing can be recorded: %v", err)
	}
}

func TestTooLong(t *testing.T) {
	r := open(t, t.TempDir(), Options{})
	e := smallEvent()
	e.Rules = []string{string(make([]byte, maxRecord))}
	if _, err := r.Record(context.Background(), e); fault.KindOf(err) != fault.TooLarge {
		t.Fatal(err)
	}
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkRecord(b *testing.B) {
	for _, callers := range []int{1, 8, 64} {
		for name, e := range map[string]*audit.Event{"1 item": smallEvent(), "10 items": typicalEvent()} {
			b.Run(fmt.Sprint(callers, " callers/", name), func(b *testing.B) {
				r := open(b, b.TempDir(), Options{Ring: ring(b, b.TempDir())})
				var wg sync.WaitGroup
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ReportAllocs()
				b.ResetTimer()
				before := cpu(b)
				for range callers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := r.Record(context.Background(), e); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			})
		}
	}
}

package groupsync

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"samdok/internal/disk"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newFile(t testing.TB) (string, disk.File) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "log")
	f, err := disk.OS{}.Open(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return name, f
}

func put(p []byte) func([]byte, Position) []byte {
	return func(dst []byte, _ Position) []byte { return append(dst, p...) }
}

func TestAppendsLieWhereTheySay(t *testing.T) {
	for _, ahead := range []int64{0, 4096} {
		name, f := newFile(t)
		var told, octets atomic.Int64
		l := NewLog(f, 0, 0, Options{Ahead: ahead, Pending: 1000, Watch: func(appends, size int, _ time.Duration) {
			told.Add(int64(appends))
			octets.Add(int64(size))
		}})
		var wg sync.WaitGroup
		var mu sync.Mutex
		at := map[int64][]byte{}
		for w := range 16 {
			wg.Go(func() {
				for i := range 50 {
					p := bytes.Repeat([]byte{byte(w + 1)}, 1+i*3)
					pos, err := l.Append(context.Background(), len(p), put(p))
					if err != nil || pos.Batch > pos.Offset {
						t.Error(pos, err)
						return
					}
					mu.Lock()
					at[pos.Offset] = p
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		end := l.End()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(name)
		if err != nil || int64(len(b)) != end {
			t.Fatalf("%d bytes, want %d: %v", len(b), end, err)
		}
		if told.Load() != 16*50 || octets.Load() != end {
			t.Errorf("told of %d appends, %d octets; want %d, %d", told.Load(), octets.Load(), 16*50, end)
		}
		for off, p := range at {
			if !bytes.Equal(b[off:off+int64(len(p))], p) {
				t.Fatalf("other bytes at %d", off)
			}
		}
		if _, err := l.Append(context.Background(), 1, put([]byte{1})); !errors.Is(err, ErrClosed) {
			t.Fatal(err)
		}
	}
}

// slow counts syncs and can fail them.
type slow struct {
	disk.File
	syncs atomic.Int64
	fail  atomic.Bool
	gate  chan struct{}
}

func (s *slow) Sync() error {
	s.syncs.Add(1)
	if s.gate != nil {
		<-s.gate
	}
	if s.fail.Load() {
		return syscall.EIO
	}
	return s.File.Sync()
}

func (s *slow) WriteSync(p []byte, off int64) error {
	if _, err := s.WriteAt(p, off); err != nil {
		return err
	}
	return s.Sync()
}

func TestOneSyncServesAll(t *testing.T) {
	_, f := newFile(t)
	s := &slow{File: f, gate: make(chan struct{})}
	l := NewLog(s, 0, 0, Options{})
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if _, err := l.Append(context.Background(), 1, put([]byte{1})); err != nil {
				t.Error(err)
			}
		})
	}
	for l.End() < 64 {
		time.Sleep(time.Millisecond)
	}
	close(s.gate)
	wg.Wait()
	if n := s.syncs.Load(); n > 3 {
		t.Fatalf("%d syncs for 64 appends", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestErrorFailsAllWhoWaitAndStays(t *testing.T) {
	name, f := newFile(t)
	s := &slow{File: f, gate: make(chan struct{})}
	s.fail.Store(true)
	l := NewLog(s, 0, 0, Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := l.Append(context.Background(), 1, put([]byte{1})); !errors.Is(err, syscall.EIO) {
				t.Errorf("got %v", err)
			}
		})
	}
	for l.End() < 8 {
		time.Sleep(time.Millisecond)
	}
	close(s.gate)
	wg.Wait()
	s.fail.Store(false)
	if l.Durable() != 0 {
		t.Fatal("bytes of a failed batch count as durable")
	}
	if _, err := l.Append(context.Background(), 1, put([]byte{1})); !errors.Is(err, ErrBroken) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("after the error: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(name); err != nil || st.Size() != 0 {
		t.Fatal("the failed batch is still in the file", err)
	}
}

func TestCallerMayGo(t *testing.T) {
	_, f := newFile(t)
	s := &slow{File: f, gate: make(chan struct{})}
	l := NewLog(s, 0, 0, Options{Pending: 4})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	for range 3 { // the third finds the queue full
		if _, err := l.Append(ctx, 4, put([]byte("abcd"))); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	}
	close(s.gate)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// What an append has put into the buffer is written by Close, also when its
// commit has not been asked for yet.
func TestCloseTakesWhatIsBuffered(t *testing.T) {
	name, f := newFile(t)
	l := NewLog(f, 0, 0, Options{Ahead: 4096})
	if _, err := l.add(context.Background(), 4, put([]byte("late"))); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.syncer.Sync(context.Background()); err != nil {
		t.Errorf("the append that was late: %v", err)
	}
	if b, err := os.ReadFile(name); err != nil || string(b) != "late" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	if _, err := l.Append(context.Background(), 1, put([]byte("x"))); !errors.Is(err, ErrClosed) {
		t.Errorf("append after Close: %v", err)
	}
}

func benchmarkAppend(b *testing.B, size, callers int, ahead int64) {
	_, f := newFile(b)
	l := NewLog(f, 0, 0, Options{Ahead: ahead})
	p := make([]byte, size)
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for range callers {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if _, err := l.Append(context.Background(), size, put(p)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}

// A commit waits for more while they come from many; alone, or when enough wait, nobody
// waits. Time is the bubble's own.
func TestGather(t *testing.T) {
	for name, c := range map[string]struct {
		first int           // appends that share the commit before
		every time.Duration // between the appends that follow
		then  int           // of them
		want  []int         // appends in each commit that follows
		took  time.Duration // until the first of them is done
	}{
		"few before":  {crowd - 1, 300 * time.Microsecond, 2, []int{1, 1}, 0},
		"one":         {crowd, time.Hour, 1, []int{1}, time.Millisecond},
		"they come":   {crowd, 300 * time.Microsecond, 8, []int{8}, 4 * time.Millisecond},
		"they go on":  {crowd, 450 * time.Microsecond, 12, []int{9, 3}, 4 * time.Millisecond},
		"a pause":     {crowd, 1100 * time.Microsecond, 2, []int{1, 1}, time.Millisecond},
		"enough":      {crowd, 0, enough, []int{enough}, 0},
		"many before": {3 * enough, 0, enough, []int{enough}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, f := newFile(t)
				var commits []int
				l := NewLog(f, 0, 0, Options{Gather: 4 * time.Millisecond, Watch: func(n, _ int, _ time.Duration) { commits = append(commits, n) }})
				l.last = c.first
				var all sync.WaitGroup
				var first atomic.Int64
				began := time.Now()
				for i := range c.then {
					all.Go(func() {
						time.Sleep(time.Duration(i) * c.every)
						if _, err := l.Append(t.Context(), 1, put([]byte("x"))); err != nil {
							t.Error(err)
						}
						first.CompareAndSwap(0, int64(time.Since(began))+1)
					})
				}
				all.Wait()
				if took := time.Duration(first.Load() - 1); !slices.Equal(commits, c.want) || took != c.took {
					t.Errorf("commits of %v appends, the first after %v", commits, took)
				}
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// That enough waited for one commit does not cut short how long the next one waits.
func TestGatherAfterAFullCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f := newFile(t)
		var commits []int
		l := NewLog(f, 0, 0, Options{Gather: 4 * time.Millisecond, Watch: func(n, _ int, _ time.Duration) { commits = append(commits, n) }})
		l.full <- struct{}{} // as when the last of many came while a commit was under way
		if _, err := l.Append(t.Context(), 1, put([]byte("x"))); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		l.last = crowd
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 300 * time.Microsecond)
				if _, err := l.Append(t.Context(), 1, put([]byte("x"))); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if !slices.Equal(commits, []int{1, 8}) {
			t.Errorf("commits of %v appends", commits)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct {
		name          string
		size, callers int
		ahead         int64
	}{
		{"300B/1/append", 300, 1, 0}, {"300B/1/ahead", 300, 1, 256 << 10},
		{"300B/8/append", 300, 8, 0}, {"300B/8/ahead", 300, 8, 256 << 10},
		{"300B/64/append", 300, 64, 0}, {"300B/64/ahead", 300, 64, 256 << 10},
		{"10KB/1/append", 10240, 1, 0}, {"10KB/1/ahead", 10240, 1, 1 << 20},
		{"10KB/8/append", 10240, 8, 0}, {"10KB/8/ahead", 10240, 8, 1 << 20},
		{"10KB/64/append", 10240, 64, 0}, {"10KB/64/ahead", 10240, 64, 1 << 20},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkAppend(b, c.size, c.callers, c.ahead) })
	}
}

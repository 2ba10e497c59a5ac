package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/fault"
	"samdok/storage"
	"samdok/storage/storagetest"
)

// breaking is an answer whose body is cut off after some bytes.
type breaking struct {
	io.ReadCloser
	left int
}

func (b *breaking) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, syscall.ECONNRESET
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// storm answers some calls with faults, and loses the answers of others that took
// place.
func storm(m *meddler, share float64) (on *atomic.Bool) {
	on = new(atomic.Bool)
	m.before = func(*http.Request) (*http.Response, error) {
		if !on.Load() || rand.Float64() > share {
			return nil, nil
		}
		switch rand.IntN(4) {
		case 0:
			return nil, syscall.ECONNRESET
		case 1:
			return refusal(http.StatusServiceUnavailable, "SlowDown"), nil
		case 2:
			return refusal(http.StatusInternalServerError, "InternalError"), nil
		}
		time.Sleep(20 * time.Millisecond)
		return nil, nil
	}
	m.after = func(_ *http.Request, r *http.Response) error {
		switch {
		case !on.Load() || rand.Float64() > share:
			return nil
		case rand.IntN(2) == 0 && r.ContentLength > 10:
			r.Body = &breaking{r.Body, rand.IntN(int(r.ContentLength))}
			return nil
		}
		return syscall.ECONNRESET
	}
	return on
}

// retryable tells whether an error is one that says: try again.
func retryable(err error) bool {
	k := fault.KindOf(err)
	return k == fault.Busy || k == fault.Unavailable
}

// In a storm of resets, refusals, errors and lost answers, what is acknowledged is
// there, once and whole, and what is not says that it may be tried again.
func TestStorm(t *testing.T) {
	m := &meddler{}
	on := storm(m, 0.2)
	s, ctx := open(t, meddle(t, m), func(o *Options) { o.Patience, o.Failures = 3*time.Second, 1000 }), context.Background()
	k := openKeys(t, s)
	d := s.Documents(k)
	on.Store(true)
	var (
		mu    sync.Mutex
		won   = map[uint64]string{}
		maybe = map[uint64][]string{} // whose outcome is not known
		docs  = map[storage.DocumentKey][]byte{}
		all   sync.WaitGroup
	)
	for w := range 4 {
		all.Go(func() { // writers of the journal
			j, seq := s.Journal("t"), uint64(1)
			for i := range 25 {
				mine := fmt.Sprintf("%d of %d", i, w)
				for {
					err := j.Append(ctx, seq, []byte(mine))
					mu.Lock()
					if retryable(err) {
						maybe[seq] = append(maybe[seq], mine)
						err = nil // the same again, until it is settled
						mu.Unlock()
						continue
					}
					if err == nil {
						if other, ok := won[seq]; ok {
							t.Errorf("%d is %q and %q", seq, other, mine)
						}
						won[seq] = mine
					}
					mu.Unlock()
					if seq++; err == nil {
						break
					}
					if !errors.Is(err, ErrTaken) {
						t.Error(err)
						return
					}
				}
			}
		})
		all.Go(func() { // documents in and out
			for i, n := range []int64{10, 1000, 100_000, 300_000, 2 << 20, 2*partSize + 5} {
				b := storagetest.Bytes(uint64(w*100+i), n)
				key, err := storagetest.PutDocument(ctx, d, b)
				if err == nil {
					mu.Lock()
					docs[key] = b
					mu.Unlock()
					err = storagetest.CheckDocument(ctx, d, key, b)
				}
				if err != nil && !retryable(err) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	on.Store(false)
	for seq, mine := range won {
		if b, err := s.Journal("t").Read(ctx, seq); err != nil || string(b) != mine {
			t.Fatalf("%d: %q, want %q: %v", seq, b, mine, err)
		}
	}
	if n, err := s.Journal("t").End(ctx, 0); err != nil || n != uint64(len(won)+1) || n != 101 {
		t.Fatalf("%d batches, %d acknowledged: %v", n-1, len(won), err)
	}
	for key, b := range docs {
		must(t, storagetest.CheckDocument(ctx, d, key, b))
	}
	if len(docs) < 12 {
		t.Fatalf("only %d of 24 documents were taken", len(docs))
	}
	t.Logf("%d calls, %d appends whose outcome was not known at first, %d documents", m.calls.Load(), len(maybe), len(docs))
}

// A store that takes 2 seconds for each call is slow, not gone.
func TestSlow(t *testing.T) {
	slow := new(atomic.Bool)
	m := &meddler{before: func(*http.Request) (*http.Response, error) {
		if slow.Load() {
			time.Sleep(2 * time.Second)
		}
		return nil, nil
	}}
	s, ctx := open(t, meddle(t, m)), context.Background()
	k := openKeys(t, s)
	newKeys(t, k, 1)
	d, o := s.Documents(k), s.Outbox(k)
	slow.Store(true)
	began := time.Now()
	var all sync.WaitGroup
	for name, f := range map[string]func() error{
		"journal": func() error {
			if err := s.Journal("t").Append(ctx, 1, []byte("a")); err != nil {
				return err
			}
			_, err := s.Journal("t").Read(ctx, 1)
			return err
		},
		"documents": func() error {
			key, err := storagetest.PutDocument(ctx, d, []byte("slow"))
			if err != nil {
				return err
			}
			return storagetest.CheckDocument(ctx, d, key, []byte("slow"))
		},
		"outbox": func() error { return o.Post(ctx, letters(1)) },
	} {
		all.Go(func() {
			if err := f(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > time.Minute {
		t.Fatal(took)
	}
}

// While the store is gone every call ends soon with an error that says so; work in
// progress goes on when it is back before patience ends.
func TestGone(t *testing.T) {
	away := new(atomic.Bool)
	m := &meddler{before: func(*http.Request) (*http.Response, error) {
		if away.Load() {
			return nil, syscall.ECONNREFUSED
		}
		return nil, nil
	}}
	s, ctx := open(t, meddle(t, m), func(o *Options) { o.Patience, o.Pause = 2*time.Second, 300*time.Millisecond }), context.Background()
	k := openKeys(t, s)
	d, o, j := s.Documents(k), s.Outbox(k), s.Journal("t")
	big := storagetest.Bytes(1, 3*partSize)
	key, err := storagetest.PutDocument(ctx, d, big)
	must(t, err)
	must(t, j.Append(ctx, 1, nil))
	r, _, err := d.Open(ctx, key, 0)
	must(t, err)
	defer r.Close()
	head := make([]byte, 1000)
	_, err = io.ReadFull(r, head)
	must(t, err)

	away.Store(true)
	began := time.Now()
	var all sync.WaitGroup
	for name, f := range map[string]func() error{
		"ready":    func() error { return s.Ready(ctx) },
		"append":   func() error { return j.Append(ctx, 2, nil) },
		"read":     func() error { _, err := j.Read(ctx, 1); return err },
		"end":      func() error { _, err := j.End(ctx, 0); return err },
		"tenants":  func() error { _, err := s.Tenants(ctx); return err },
		"open":     func() error { _, _, err := d.Open(ctx, key, 0); return err },
		"stat":     func() error { _, err := d.Stat(ctx, key); return err },
		"put":      func() error { _, err := storagetest.PutDocument(ctx, d, []byte("a")); return err },
		"put more": func() error { _, err := storagetest.PutDocument(ctx, d, big); return err },
		"delete":   func() error { return d.Delete(ctx, key) },
		"post":     func() error { return o.Post(ctx, letters(1)) },
		"post two": func() error { return o.Post(ctx, letters(2)) },
		"take":     func() error { _, err := o.Take(ctx, storage.QueueNotify, noon, time.Minute, 1); return err },
		"settle":   func() error { return o.Settle(ctx, letters(1)[0]) },
		"advance":  func() error { return o.Advance(ctx, "a", "", "1", nil) },
		"destroy":  func() error { return k.Destroy(ctx, 300) },
	} {
		all.Go(func() {
			if err := f(); !retryable(err) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s to say that the store is gone", took)
	}
	time.AfterFunc(time.Second, func() { away.Store(false) })
	for s.Ready(ctx) != nil {
		time.Sleep(50 * time.Millisecond)
	}
	rest, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(append(head, rest...), big) {
		t.Fatal("a document whose reading had begun:", len(rest), err)
	}
	if n, err := j.End(ctx, 0); n != 2 || err != nil {
		t.Fatal(n, err)
	}
}

// A document that the store cuts off again and again is read to its end, and never
// ends early without an error.
func TestReadCutOff(t *testing.T) {
	cut := new(atomic.Bool)
	m := &meddler{after: func(r *http.Request, resp *http.Response) error {
		if cut.Load() && r.Method == http.MethodGet && resp.ContentLength > 200_000 {
			resp.Body = &breaking{resp.Body, 200_000}
		}
		return nil
	}}
	s, ctx := open(t, meddle(t, m)), context.Background()
	d := s.Documents(nil)
	b := storagetest.Bytes(3, 3<<20)
	key, err := storagetest.PutDocument(ctx, d, b)
	must(t, err)
	cut.Store(true)
	must(t, storagetest.CheckDocument(ctx, d, key, b))
	m.after = func(r *http.Request, resp *http.Response) error {
		if r.Method == http.MethodGet && resp.ContentLength > 200_000 {
			resp.Body = &breaking{resp.Body, 0}
		}
		return nil
	}
	got, err := storagetest.ReadSome(ctx, d, key)
	if !retryable(err) || len(got) > 0 {
		t.Fatal(len(got), err)
	}
}

// A full store refuses; nothing of it is acknowledged, and what is there can be
// read and deleted.
func TestFull(t *testing.T) {
	full := new(atomic.Bool)
	m := &meddler{before: func(r *http.Request) (*http.Response, error) {
		if full.Load() && (r.Method == http.MethodPut || r.Method == http.MethodPost) {
			return refusal(http.StatusInsufficientStorage, "XMinioStorageFull"), nil
		}
		return nil, nil
	}}
	s, ctx := open(t, meddle(t, m)), context.Background()
	d := s.Documents(nil)
	key, err := storagetest.PutDocument(ctx, d, []byte("before"))
	must(t, err)
	full.Store(true)
	for name, err := range map[string]error{
		"append":   s.Journal("t").Append(ctx, 1, nil),
		"small":    second(storagetest.PutDocument(ctx, d, []byte("after"))),
		"large":    second(storagetest.PutDocument(ctx, d, make([]byte, 2*partSize))),
		"post":     s.Outbox(nil).Post(ctx, letters(1)),
		"post two": s.Outbox(nil).Post(ctx, letters(2)),
	} {
		if p := fault.ProblemsOf(err); fault.KindOf(err) != fault.Busy || p[0].Code != fault.RegistryOutOfResources {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, storagetest.CheckDocument(ctx, d, key, []byte("before")))
	must(t, d.Delete(ctx, key))
	if keys := storagetest.Keys(t, d, time.Time{}, time.Now().Add(time.Hour)); len(keys) != 0 {
		t.Fatal(len(keys))
	}
}

func second(_ storage.DocumentKey, err error) error { return err }

// A lost answer to the end of an upload in parts is settled.
func TestCompleteLostAnswer(t *testing.T) {
	lost := false
	m := &meddler{after: func(r *http.Request, _ *http.Response) error {
		if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && !lost {
			lost = true
			return syscall.ECONNRESET
		}
		return nil
	}}
	s, ctx := open(t, meddle(t, m)), context.Background()
	d := s.Documents(nil)
	b := storagetest.Bytes(3, 2*partSize)
	key, err := storagetest.PutDocument(ctx, d, b)
	must(t, err)
	if !lost {
		t.Fatal("no answer was lost")
	}
	must(t, storagetest.CheckDocument(ctx, d, key, b))
}

package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samdok/access"
	"samdok/fault"
)

func TestJournal(t *testing.T) {
	s, ctx := open(t), context.Background()
	j := s.Journal("region one")
	if n, err := j.End(ctx, 0); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if _, err := j.Read(ctx, 1); !errors.Is(err, ErrNone) {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 20; seq++ {
		must(t, j.Append(ctx, seq, fmt.Appendf(nil, "batch %d", seq)))
	}
	must(t, s.Journal("other").Append(ctx, 1, nil))
	must(t, j.Append(ctx, 7, []byte("batch 7"))) // the same again: an answer was lost
	var taken *Taken
	if err := j.Append(ctx, 7, []byte("another")); !errors.Is(err, ErrTaken) || !errors.As(err, &taken) || string(taken.Batch) != "batch 7" {
		t.Fatal(err)
	}
	if b, err := j.Read(ctx, 7); string(b) != "batch 7" || err != nil {
		t.Fatal(b, err)
	}
	for hint := range uint64(21) {
		if n, err := j.End(ctx, hint); n != 21 || err != nil {
			t.Fatalf("hint %d: %d %v", hint, n, err)
		}
	}
	if err := j.Append(ctx, 21, make([]byte, MaxBatch+1)); fault.KindOf(err) != fault.TooLarge {
		t.Fatal(err)
	}
	all, err := s.Tenants(ctx)
	if slices.Sort(all); err != nil || !slices.Equal(all, []access.Tenant{"other", "region one"}) {
		t.Fatal(all, err)
	}
}

// The end is found however far the hint is behind.
func TestJournalEnd(t *testing.T) {
	s, ctx := open(t), context.Background()
	j := s.Journal("t")
	const n = 2500
	var all sync.WaitGroup
	for w := range 16 {
		all.Go(func() {
			for seq := 1 + w; seq <= n; seq += 16 {
				if err := j.Append(ctx, uint64(seq), nil); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	must(t, s.Journal("t2").Append(ctx, 1, nil)) // the neighbour does not count
	for _, hint := range []uint64{0, 1, 999, 1000, 1001, 1500, 1999, 2000, 2001, 2499, 2500} {
		if end, err := j.End(ctx, hint); end != n+1 || err != nil {
			t.Fatalf("hint %d: %d %v", hint, end, err)
		}
	}
}

// Many writers append at the same numbers: each number has one batch, which all of
// them see, and nobody is told of a success that another one has.
func TestJournalRace(t *testing.T) {
	s, ctx := open(t), context.Background()
	const writers, each = 8, 20
	var mu sync.Mutex
	won := map[uint64]string{}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			j := s.Journal("t")
			seq := uint64(1)
			for i := range each {
				mine := fmt.Sprintf("%d of writer %d", i, w)
				for ; ; seq++ {
					err := j.Append(ctx, seq, []byte(mine))
					if errors.Is(err, ErrTaken) {
						continue
					}
					mu.Lock()
					if before, ok := won[seq]; ok || err != nil {
						t.Errorf("%d: %q and %q: %v", seq, before, mine, err)
					}
					won[seq] = mine
					mu.Unlock()
					break
				}
			}
		})
	}
	all.Wait()
	j := s.Journal("t")
	for seq := uint64(1); seq <= writers*each; seq++ {
		if b, err := j.Read(ctx, seq); err != nil || string(b) != won[seq] {
			t.Fatalf("%d: %q, want %q: %v", seq, b, won[seq], err)
		}
	}
	if n, err := j.End(ctx, 0); n != writers*each+1 || err != nil {
		t.Fatal(n, err)
	}
}

// A lost answer is settled: the batch is there once, and its writer is told so.
func TestJournalLostAnswer(t *testing.T) {
	lost := 0
	m := &meddler{after: func(r *http.Request, _ *http.Response) error {
		if r.Method == http.MethodPut && lost%2 == 0 {
			lost++
			return syscall.ECONNRESET
		}
		lost++
		return nil
	}}
	s, ctx := open(t, meddle(t, m)), context.Background()
	j := s.Journal("t")
	must(t, j.Append(ctx, 1, []byte("mine")))
	if b, err := j.Read(ctx, 1); string(b) != "mine" || err != nil {
		t.Fatal(b, err)
	}
	if lost < 2 {
		t.Fatal("no answer was lost")
	}
	lost = 0
	if err := j.Append(ctx, 1, []byte("other")); !errors.Is(err, ErrTaken) {
		t.Fatal(err)
	}
}

// When it cannot be settled, nobody is told that nothing was written.
func TestJournalUnknownOutcome(t *testing.T) {
	m := &meddler{}
	s, ctx := open(t, meddle(t, m), func(o *Options) { o.Patience = 300 * time.Millisecond }), context.Background()
	m.after = func(*http.Request, *http.Response) error { return syscall.ECONNRESET }
	err := s.Journal("t").Append(ctx, 1, []byte("a"))
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), s.Endpoint) {
		t.Fatal(err)
	}
	m.after = nil
	m.before = func(*http.Request) (*http.Response, error) {
		return refusal(http.StatusServiceUnavailable, "SlowDown"), nil
	}
	if err := s.Journal("t").Append(ctx, 2, []byte("a")); fault.KindOf(err) != fault.Busy {
		t.Fatal(err)
	}
	m.before = func(*http.Request) (*http.Response, error) {
		return refusal(http.StatusInsufficientStorage, "XMinioStorageFull"), nil
	}
	if err := s.Journal("t").Append(ctx, 2, []byte("a")); fault.KindOf(err) != fault.Busy || fault.ProblemsOf(err)[0].Code != fault.RegistryOutOfResources {
		t.Fatal(err)
	}
}

func TestEscape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := access.Tenant(rapid.String().Draw(t, "a")), access.Tenant(rapid.String().Draw(t, "b"))
		back, ok := unescape(escape(a))
		if !ok || back != a || strings.Contains(escape(a), "/") || (a == b) != (escape(a) == escape(b)) {
			t.Fatalf("%q %q %q", a, escape(a), back)
		}
	})
}

package courier_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"samdok/internal/courier"
	"samdok/metadata"
	"samdok/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// box is the plainest outbox. The real ones are tested by storagetest.
type box struct {
	mu      sync.Mutex
	letters []storage.Letter
	takes   int
	broken  error
}

func (b *box) Post(_ context.Context, l []storage.Letter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters = append(b.letters, l...)
	return nil
}

func (b *box) Take(_ context.Context, q storage.Queue, now time.Time, lease time.Duration, limit int) (list []storage.Letter, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.takes++
	for i := range b.letters {
		if l := &b.letters[i]; len(list) < limit && l.Queue == q && !l.Dead && !now.Before(l.Due) {
			l.Due = now.Add(lease)
			l.Attempts++
			list = append(list, *l)
		}
	}
	return list, b.broken
}

func (b *box) change(l storage.Letter, f func(*storage.Letter)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.letters {
		if b.letters[i].ID == l.ID && b.letters[i].Due.Equal(l.Due) && !b.letters[i].Dead {
			f(&b.letters[i])
		}
	}
	return b.broken
}

func (b *box) Settle(_ context.Context, l storage.Letter) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.letters = slices.DeleteFunc(b.letters, func(have storage.Letter) bool { return have.ID == l.ID })
	return b.broken
}

func (b *box) Delay(_ context.Context, l storage.Letter, due time.Time) error {
	return b.change(l, func(have *storage.Letter) { have.Due, have.Attempts, have.Note = due, l.Attempts, l.Note })
}

func (b *box) Bury(_ context.Context, l storage.Letter) error {
	return b.change(l, func(have *storage.Letter) { have.Dead, have.Note = true, l.Note })
}

func (b *box) Count(context.Context, storage.Queue) (storage.Backlog, error) {
	return storage.Backlog{}, nil
}
func (b *box) Letters(context.Context, storage.Queue) iter.Seq2[storage.Letter, error] { return nil }
func (b *box) Revive(context.Context, metadata.UUID, time.Time, time.Time) (bool, error) {
	return false, nil
}
func (b *box) Cursor(context.Context, string) (storage.Position, error) { return "", nil }
func (b *box) Advance(context.Context, string, storage.Position, storage.Position, []storage.Letter) error {
	return nil
}

func (b *box) left() []storage.Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.letters)
}

func letter(to string) storage.Letter {
	now := time.Now()
	return storage.Letter{ID: metadata.NewUUID(), Queue: storage.QueueAnswers, Body: []byte(to), Created: now, Due: now, Expires: now.Add(time.Hour)}
}

func options(b *box, deliver func(context.Context, storage.Letter) error) courier.Options {
	return courier.Options{
		Outbox: b, Queue: storage.QueueAnswers, Deliver: deliver, Clock: time.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Destination: func(l storage.Letter) string { return string(l.Body) },
	}
}

// TestRetry: a letter is tried again, later each time, and settled when it arrives.
func TestRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		var mu sync.Mutex
		var at []time.Duration
		start := time.Now()
		o := options(b, func(context.Context, storage.Letter) error {
			mu.Lock()
			defer mu.Unlock()
			if at = append(at, time.Since(start)); len(at) < 5 {
				return errors.New("HTTP 503")
			}
			return nil
		})
		var outcomes []courier.Outcome
		o.Watch = func(e courier.Outcome) { outcomes = append(outcomes, e) }
		c := courier.Start(o)
		if err := b.Post(t.Context(), []storage.Letter{letter("a")}); err != nil {
			t.Fatal(err)
		}
		c.Poke()
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if l := b.left(); len(at) != 1 || len(l) != 1 || l[0].Note != "HTTP 503" {
			t.Fatalf("after the first try: %v, %+v", at, l)
		}
		mu.Unlock()
		time.Sleep(10 * time.Minute)
		c.Stop(t.Context())
		mu.Lock()
		if len(at) != 5 || len(b.left()) != 0 {
			t.Fatalf("tried at %v, %d left", at, len(b.left()))
		}
		// At most: the longest backoff, a place that rests as long and then lets it in within
		// five seconds, and the next look at the outbox.
		for i, least := range []time.Duration{0, 4, 8, 16, 32} {
			if i > 0 && (at[i]-at[i-1] < least*time.Second || at[i]-at[i-1] > (least*3/2+6)*time.Second) {
				t.Errorf("waited %v before try %d", at[i]-at[i-1], i+1)
			}
		}
		if want := []courier.Outcome{courier.Failed, courier.Failed, courier.Failed, courier.Failed, courier.Delivered}; !slices.Equal(outcomes, want) {
			t.Errorf("outcomes %v", outcomes)
		}
	})
}

// TestGivingUp: what expires or cannot be mended is dead, and says why.
func TestGivingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		tries := map[string]int{}
		var mu sync.Mutex
		o := options(b, func(_ context.Context, l storage.Letter) error {
			mu.Lock()
			defer mu.Unlock()
			tries[string(l.Body)]++
			switch string(l.Body) {
			case "hopeless":
				return courier.GiveUp(errors.New("the address is not allowed any more"))
			case "panic":
				panic("patient 13879999999")
			}
			return errors.New(strings.Repeat("HTTP 500 ", 100))
		})
		c := courier.Start(o)
		if err := b.Post(t.Context(), []storage.Letter{letter("hopeless"), letter("failing"), letter("panic")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		c.Stop(t.Context())
		for _, l := range b.left() {
			if !l.Dead || l.Note == "" || len(l.Note) > 310 || strings.Contains(l.Note, "1387") {
				t.Errorf("%+v", l)
			}
		}
		if tries["hopeless"] != 1 || tries["failing"] < 8 || tries["failing"] > 20 || tries["panic"] < 8 {
			t.Errorf("tries: %v", tries)
		}
	})
}

// TestDestinations: one that hangs or fails takes no more than its share.
func TestDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		var mu sync.Mutex
		running, most, delivered := map[string]int{}, map[string]int{}, map[string]int{}
		o := options(b, func(ctx context.Context, l storage.Letter) error {
			to := string(l.Body)
			mu.Lock()
			running[to]++
			most[to] = max(most[to], running[to])
			mu.Unlock()
			defer func() {
				mu.Lock()
				running[to]--
				mu.Unlock()
			}()
			switch to {
			case "hangs":
				<-ctx.Done()
				return ctx.Err()
			case "fails":
				return errors.New("no")
			}
			time.Sleep(100 * time.Millisecond)
			mu.Lock()
			delivered[to]++
			mu.Unlock()
			return nil
		})
		o.Timeout = 10 * time.Minute // longer than the lease: it must be renewed
		var letters []storage.Letter
		for range 200 {
			letters = append(letters, letter("hangs"), letter("fails"))
		}
		for i := range 100 {
			letters = append(letters, letter(fmt.Sprint("good", i%5)))
		}
		if err := b.Post(t.Context(), letters); err != nil {
			t.Fatal(err)
		}
		c := courier.Start(o)
		time.Sleep(5 * time.Minute)
		mu.Lock()
		for i := range 5 {
			if n := delivered[fmt.Sprint("good", i)]; n != 20 {
				t.Errorf("%d of 20 letters arrived at a destination that works", n)
			}
		}
		for to, n := range most {
			if n > 4 {
				t.Errorf("%d deliveries at the same time to %q", n, to)
			}
		}
		if running["hangs"] != 4 {
			t.Errorf("%d deliveries hang", running["hangs"])
		}
		mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		c.Stop(ctx)
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("Stop took %v", took)
		}
		if got := len(b.left()); got != 400 {
			t.Errorf("%d letters are left", got)
		}
		for _, l := range b.left() {
			if string(l.Body) == "hangs" && l.Attempts != 0 {
				t.Fatalf("a delivery that was broken off counts: %+v", l)
			}
		}
	})
}

// TestBrokenOutbox: the courier goes on when the outbox does.
func TestBrokenOutbox(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{broken: errors.New("disk full")}
		n := 0
		c := courier.Start(options(b, func(context.Context, storage.Letter) error { n++; return nil }))
		time.Sleep(time.Minute)
		b.mu.Lock()
		b.broken = nil
		if b.takes > 70 {
			t.Errorf("%d looks in a minute", b.takes)
		}
		b.mu.Unlock()
		if err := b.Post(t.Context(), []storage.Letter{letter("a")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		c.Stop(t.Context())
		if n != 1 || len(b.left()) != 0 {
			t.Fatalf("%d deliveries, %d left", n, len(b.left()))
		}
	})
}

// TestStopWaits: a delivery in work may end.
func TestStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &box{}
		c := courier.Start(options(b, func(context.Context, storage.Letter) error { time.Sleep(5 * time.Second); return nil }))
		if err := b.Post(t.Context(), []storage.Letter{letter("a")}); err != nil {
			t.Fatal(err)
		}
		c.Poke()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		c.Stop(ctx)
		if len(b.left()) != 0 {
			t.Fatal("the delivery was broken off")
		}
	})
}

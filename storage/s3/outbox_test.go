package s3

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/keyring"
	"samdok/storage/sqlite"
	"samdok/storage/storagetest"
)

// openMailroom opens the outbox of a bucket beside a log of SQLite: the suite feeds
// the outbox from a log, and this package has none.
func openMailroom(o Options, dir string, sealed bool, stale time.Duration) (storagetest.Mailroom, func() error, error) {
	d, done, err := openDocuments(o, sealed)
	if err != nil {
		return nil, nil, err
	}
	db, err := sqlite.Open(context.Background(), filepath.Join(dir, "log.db"), sqlite.Options{})
	if err != nil {
		return nil, nil, errors.Join(err, done())
	}
	box := d.s.Outbox(d.keys)
	box.stale = stale
	return struct {
		storagetest.LogIndex
		*Outbox
	}{db, box}, func() error { return errors.Join(db.Close(), done()) }, nil
}

// childStale is short, for children do not live long.
const childStale = 200 * time.Millisecond

func outboxEngine(b enginetest.Bucket, sealed bool, stale time.Duration) storagetest.OutboxEngine {
	return storagetest.OutboxEngine{Open: func(tb testing.TB, dir string) (storagetest.Mailroom, func() error) {
		tb.Helper()
		m, done, err := openMailroom(optionsOf(b, dir), dir, sealed, stale)
		must(tb, err)
		return m, done
	}}
}

func TestOutbox(t *testing.T) {
	t.Run("sealed", func(t *testing.T) { storagetest.RunOutbox(t, outboxEngine(enginetest.S3(t), true, staleAfter)) })
	t.Run("open", func(t *testing.T) { storagetest.RunOutbox(t, outboxEngine(enginetest.S3(t), false, staleAfter)) })
}

func TestOutboxKill(t *testing.T) {
	rounds := 6
	if storagetest.Long() {
		rounds = 60
	}
	storagetest.RunOutboxKill(t, outboxEngine(killable(t), true, childStale), rounds)
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func letters(n int) (all []storage.Letter) {
	for range n {
		all = append(all, storage.Letter{ID: metadata.NewUUID(), Tenant: "t", Queue: storage.QueueNotify, Body: []byte("body"),
			Created: noon, Due: noon, Expires: noon.Add(time.Hour)})
	}
	return all
}

// Letters that a node wrote and did not spread, because it died, are seen by another
// one at once, taken a little later, all of them, once, and are not there again
// after they were settled.
func TestCarriersAreHealed(t *testing.T) {
	dead := false
	var spread atomic.Int32 // letters that came through before the writer died
	m := &meddler{before: func(r *http.Request) (*http.Response, error) {
		if dead && r.Method == http.MethodPut && !strings.Contains(r.URL.Path, carriersDir) && spread.Add(1) != 1 {
			return nil, syscall.ECONNRESET
		}
		return nil, nil
	}}
	s, ctx := open(t, meddle(t, m), func(o *Options) { o.Patience, o.Failures = 200*time.Millisecond, 1000 }), context.Background()
	box := func() *Outbox {
		o := s.Outbox(nil)
		o.stale = 300 * time.Millisecond
		return o
	}
	waiting := func(o *Outbox) int {
		b, err := o.Count(ctx, storage.QueueNotify)
		must(t, err)
		return b.Waiting
	}
	for name, write := range map[string]func(*Outbox, []storage.Letter) error{
		"posted":   func(o *Outbox, l []storage.Letter) error { return o.Post(ctx, l) },
		"advanced": func(o *Outbox, l []storage.Letter) error { return o.Advance(ctx, "a", "", "1", l) },
	} {
		dead = true
		spread.Store(0)
		must(t, write(box(), letters(3)))
		dead = false
		others := []*Outbox{box(), box(), box()}
		taken := 0
		for limit := time.Now().Add(time.Minute); taken < 3; time.Sleep(10 * time.Millisecond) {
			for _, o := range others {
				if n := waiting(o); n != 3-taken {
					t.Fatalf("%s: %d letters wait, %d were settled", name, n, taken)
				}
				got, err := o.Take(ctx, storage.QueueNotify, noon, time.Minute, 10)
				must(t, err)
				for _, l := range got {
					must(t, o.Settle(ctx, l))
					taken++
				}
			}
			if time.Now().After(limit) {
				t.Fatalf("%s: %d letters after a long time", name, taken)
			}
		}
		time.Sleep(400 * time.Millisecond)
		if n := waiting(box()); n != 0 || taken != 3 {
			t.Fatalf("%s: %d letters taken, %d there again", name, taken, n)
		}
	}
	o := box()
	if p, err := o.Cursor(ctx, "a"); p != "1" || err != nil {
		t.Fatal(p, err)
	}
	// The next step goes on although the one before was left.
	dead = true
	must(t, o.Advance(ctx, "a", "1", "2", letters(2)))
	dead = false
	must(t, o.Advance(ctx, "a", "2", "3", letters(2)))
	if n := waiting(box()); n != 4 {
		t.Fatal(n)
	}
}

// A node that spreads letters while another one takes and settles them does not
// bring them back.
func TestSpreadWhileTaken(t *testing.T) {
	m := &meddler{before: func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, lettersDir) {
			time.Sleep(20 * time.Millisecond)
		}
		return nil, nil
	}}
	s, ctx := open(t, meddle(t, m)), context.Background()
	all := letters(100)
	var posting sync.WaitGroup
	posting.Go(func() {
		if err := s.Outbox(nil).Post(ctx, all); err != nil {
			t.Error(err)
		}
	})
	quick := open(t, func(o *Options) { o.Bucket = s.Bucket })
	o, taken := quick.Outbox(nil), 0
	for limit := time.Now().Add(2 * time.Minute); taken < len(all) && time.Now().Before(limit); {
		got, err := o.Take(ctx, storage.QueueNotify, noon, time.Minute, 50)
		must(t, err)
		for _, l := range got {
			must(t, o.Settle(ctx, l))
			taken++
		}
	}
	posting.Wait()
	if b, err := o.Count(ctx, storage.QueueNotify); err != nil || taken != len(all) || b.Waiting != 0 {
		t.Fatal(taken, b, err)
	}
}

// Nodes take from one queue: each letter goes to one of them.
func TestNodesTake(t *testing.T) {
	s, ctx := open(t), context.Background()
	must(t, s.Outbox(nil).Post(ctx, letters(60)))
	var mu sync.Mutex
	times := map[metadata.UUID]int{}
	var all sync.WaitGroup
	for range 4 {
		o := s.Outbox(nil) // as another process has it
		all.Go(func() {
			for {
				got, err := o.Take(ctx, storage.QueueNotify, noon, time.Minute, 7)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for _, l := range got {
					times[l.ID]++
				}
				n := len(times)
				mu.Unlock()
				if len(got) == 0 && n == 60 {
					return
				}
			}
		})
	}
	all.Wait()
	for _, n := range times {
		if n != 1 {
			t.Fatalf("a letter was taken %d times", n)
		}
	}
}

// The data key of a day is destroyed when no letter of it is left.
func TestLetterKeys(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s, ctx := open(t, func(o *Options) { o.Clock = func() time.Time { return now } }), context.Background()
	k := openKeys(t, s)
	o := s.Outbox(k)
	kept, gone := letters(1)[0], letters(1)[0]
	post := func(l storage.Letter) uint64 {
		must(t, o.Post(ctx, []storage.Letter{l}))
		return o.key.id
	}
	first := post(gone)
	now = now.AddDate(0, 0, 1)
	second := post(kept)
	must(t, o.Settle(ctx, gone))
	now = now.AddDate(0, 0, 3)
	post(letters(1)[0])
	if _, err := k.Key(ctx, first); !errors.Is(err, keyring.ErrDestroyed) || first == second {
		t.Fatalf("the key of a day without letters: %v", err)
	}
	_, err := k.Key(ctx, second)
	must(t, err)
	got, err := o.Take(ctx, storage.QueueNotify, noon, time.Minute, 10)
	if err != nil || len(got) != 2 {
		t.Fatal(len(got), err)
	}
	// A letter whose key is gone is dead, and can be settled.
	must(t, k.Destroy(ctx, second))
	fresh := s.Outbox(openKeys(t, s))
	b, err := fresh.Count(ctx, storage.QueueNotify)
	if err != nil || b.Dead != 1 || b.Waiting != 1 {
		t.Fatalf("%+v %v", b, err)
	}
	if found, err := fresh.Revive(ctx, kept.ID, noon, noon); found || err != nil {
		t.Fatal(found, err)
	}
	must(t, fresh.Settle(ctx, kept))
}

func FuzzLetter(f *testing.F) {
	w := written{Letter: letters(1)[0], posted: noon}
	b, err := w.encode(nil)
	must(f, err)
	f.Add(b)
	f.Add([]byte(letterMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := written{}
		l.Queue, l.ID = w.Queue, w.ID
		if _, err := letterKeyOf(b); err != nil {
			return
		}
		if l.decode(bytes.Clone(b), nil) != nil {
			return
		}
		again, err := l.encode(nil)
		must(t, err)
		back := written{}
		back.Queue, back.ID = w.Queue, w.ID
		if err := back.decode(again, nil); err != nil || back.Note != l.Note || !bytes.Equal(back.Body, l.Body) || !back.Due.Equal(l.Due) {
			t.Fatalf("another letter: %v", err)
		}
	})
}

func FuzzCarrier(f *testing.F) {
	c := carrier{position: "12", letters: []carried{{storage.QueueNotify, metadata.UUID{1}, []byte("abc")}}}
	b, err := c.encode()
	must(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCarrier(b)
		if err != nil {
			return
		}
		again, err := c.encode()
		must(t, err)
		if !bytes.Equal(again[16:len(again)-4], b[16:len(b)-4]) {
			t.Fatal("another carrier")
		}
	})
}

package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// Mailroom is a log whose changes are fed into letters.
type Mailroom interface {
	LogIndex
	storage.Outbox
}

// OutboxEngine is what the suite must know about an engine.
type OutboxEngine struct {
	// Open opens the engine in dir, anew each time it is called. The returned
	// function closes it.
	Open func(tb testing.TB, dir string) (Mailroom, func() error)
}

// RunOutbox runs the suite for storage.Outbox and for the feed of storage.Log.
// Engines also call RunOutboxKill from a test whose TestMain calls OutboxChild.
func RunOutbox(t *testing.T, e OutboxEngine) {
	t.Run("letters", e.letters)
	t.Run("known letters", e.known)
	t.Run("leases", e.leases)
	t.Run("dead letters", e.deadLetters)
	t.Run("takers", e.takers)
	t.Run("days", e.days)
	t.Run("forget", e.forget)
	t.Run("feed", e.feed)
	t.Run("feed while writing", e.feedWhileWriting)
	t.Run("advance", e.advance)
	t.Run("canceled context", e.outboxCanceled)
}

func (e OutboxEngine) open(t testing.TB) (m Mailroom, reopen func()) {
	t.Helper()
	dir := t.TempDir()
	m, done := e.Open(t, dir)
	t.Cleanup(func() { must(t, done()) })
	r := &reopened{Mailroom: m}
	return r, func() {
		t.Helper()
		must(t, done())
		r.Mailroom, done = e.Open(t, dir)
	}
}

type reopened struct{ Mailroom }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 3, 2, 12, 0, 0, 123456789, time.UTC)

// letter is due at once and expires after a day.
func letter(body string) storage.Letter {
	return storage.Letter{
		ID: metadata.NewUUID(), Tenant: tenant, Queue: storage.QueueAnswers, Body: []byte(body),
		Created: noon, Due: noon, Expires: noon.Add(24 * time.Hour),
	}
}

func take(t testing.TB, o storage.Outbox, now time.Time, limit int) []storage.Letter {
	t.Helper()
	list, err := o.Take(context.Background(), storage.QueueAnswers, now, time.Minute, limit)
	must(t, err)
	return list
}

func count(t testing.TB, o storage.Outbox, q storage.Queue) storage.Backlog {
	t.Helper()
	b, err := o.Count(context.Background(), q)
	must(t, err)
	return b
}

func list(t testing.TB, o storage.Outbox, q storage.Queue) (all []storage.Letter) {
	t.Helper()
	for l, err := range o.Letters(context.Background(), q) {
		must(t, err)
		all = append(all, l)
	}
	return all
}

// letters: what is posted is kept whole, in its queue, across a restart, until it
// is settled.
func (e OutboxEngine) letters(t *testing.T) {
	m, reopen := e.open(t)
	ctx := context.Background()
	first, second, other := letter("first"), letter(string(bytes.Repeat([]byte("x"), 300_000))), letter("")
	first.Due, other.Queue, other.Tenant = noon.Add(-time.Second), storage.QueueNotify, "another"
	later := letter("later")
	later.Due, later.Created = noon.Add(time.Hour), noon.Add(-time.Hour)
	must(t, m.Post(ctx, nil))
	must(t, m.Post(ctx, []storage.Letter{second, later, other, first}))
	reopen()
	if b := count(t, m, storage.QueueAnswers); b.Waiting != 3 || b.Dead != 0 || !b.Oldest.Equal(later.Created) {
		t.Fatalf("%+v", b)
	}
	if b := count(t, m, storage.QueueRegister); b != (storage.Backlog{}) {
		t.Fatalf("an empty queue: %+v", b)
	}
	got := take(t, m, noon, 10)
	if len(got) != 2 {
		t.Fatalf("%d letters", len(got))
	}
	for i, want := range []storage.Letter{first, second} {
		want.Due, want.Attempts = noon.Add(time.Minute), 1
		sameLetter(t, got[i], want)
	}
	for _, l := range got {
		must(t, m.Settle(ctx, l))
		must(t, m.Settle(ctx, l))
	}
	reopen()
	if got := take(t, m, noon.Add(30*time.Minute), 10); len(got) != 0 {
		t.Fatalf("%d settled letters, or not due ones", len(got))
	}
	if got := take(t, m, noon.Add(time.Hour), 10); len(got) != 1 || string(got[0].Body) != "later" {
		t.Fatalf("%d letters", len(got))
	}
	got, err := m.Take(ctx, storage.QueueNotify, noon, time.Minute, 10)
	must(t, err)
	if len(got) != 1 || got[0].Tenant != "another" || len(got[0].Body) != 0 {
		t.Fatalf("the other queue: %+v", got)
	}
}

func sameLetter(t testing.TB, got, want storage.Letter) {
	t.Helper()
	if got.ID != want.ID || got.Tenant != want.Tenant || got.Queue != want.Queue || !bytes.Equal(got.Body, want.Body) ||
		!got.Created.Equal(want.Created) || !got.Due.Equal(want.Due) || !got.Expires.Equal(want.Expires) ||
		got.Attempts != want.Attempts || got.Note != want.Note || got.Dead != want.Dead {
		t.Fatalf("got %+.200v\nwant %+.200v", got, want)
	}
}

// known: posting a letter again changes nothing.
func (e OutboxEngine) known(t *testing.T) {
	m, _ := e.open(t)
	ctx := context.Background()
	l := letter("once")
	must(t, m.Post(ctx, []storage.Letter{l, l}))
	again := l
	again.Body = []byte("twice")
	must(t, m.Post(ctx, []storage.Letter{again, letter("new")}))
	got := take(t, m, noon, 10)
	if len(got) != 2 || string(got[0].Body) != "once" || string(got[1].Body) != "new" {
		t.Fatalf("%d letters", len(got))
	}
	must(t, m.Bury(ctx, got[0]))
	must(t, m.Post(ctx, []storage.Letter{again}))
	if b := count(t, m, storage.QueueAnswers); b.Waiting != 1 || b.Dead != 1 {
		t.Fatalf("%+v", b)
	}
}

// leases: nobody gets a taken letter before its lease is over; who lost a lease
// changes nothing.
func (e OutboxEngine) leases(t *testing.T) {
	m, reopen := e.open(t)
	ctx := context.Background()
	must(t, m.Post(ctx, []storage.Letter{letter("a")}))
	first := take(t, m, noon, 1)[0]
	reopen() // the holder died
	if got := take(t, m, noon.Add(time.Minute-1), 1); len(got) > 0 {
		t.Fatal("a leased letter was given away")
	}
	second := take(t, m, noon.Add(time.Minute), 1)
	if len(second) != 1 || second[0].Attempts != 2 {
		t.Fatalf("after the lease: %+v", second)
	}
	first.Note = "too late"
	must(t, m.Delay(ctx, first, noon))
	must(t, m.Bury(ctx, first))
	if got := take(t, m, noon.Add(time.Minute), 1); len(got) > 0 {
		t.Fatal("a lost lease was ended")
	}
	l := second[0]
	l.Note, l.Attempts = "HTTP 503", 1
	must(t, m.Delay(ctx, l, noon.Add(time.Hour)))
	reopen()
	if got := take(t, m, noon.Add(time.Hour-1), 1); len(got) > 0 {
		t.Fatal("a delayed letter was given away")
	}
	third := take(t, m, noon.Add(time.Hour), 1)
	if len(third) != 1 || third[0].Attempts != 2 || third[0].Note != "HTTP 503" || string(third[0].Body) != "a" {
		t.Fatalf("%+v", third)
	}
	must(t, m.Settle(ctx, first)) // it was delivered all the same
	if b := count(t, m, storage.QueueAnswers); b.Waiting != 0 {
		t.Fatalf("%+v", b)
	}
}

// deadLetters stay, are listed, and can be revived.
func (e OutboxEngine) deadLetters(t *testing.T) {
	m, reopen := e.open(t)
	ctx := context.Background()
	must(t, m.Post(ctx, []storage.Letter{letter("dead"), letter("alive")}))
	l := take(t, m, noon, 1)[0]
	l.Note = "nobody answers"
	must(t, m.Bury(ctx, l))
	reopen()
	if got := take(t, m, noon.Add(time.Hour), 10); len(got) != 1 || string(got[0].Body) != "alive" {
		t.Fatalf("%d letters", len(got))
	}
	if b := count(t, m, storage.QueueAnswers); b.Waiting != 1 || b.Dead != 1 {
		t.Fatalf("%+v", b)
	}
	all := list(t, m, storage.QueueAnswers)
	if len(all) != 2 || !all[0].Dead || all[0].Note != "nobody answers" || all[0].Body != nil || all[0].Attempts != 1 || all[1].Dead {
		t.Fatalf("%+v", all)
	}
	found, err := m.Revive(ctx, metadata.NewUUID(), noon, noon)
	if found || err != nil {
		t.Fatal("an unknown letter was revived", err)
	}
	found, err = m.Revive(ctx, l.ID, noon, noon.Add(48*time.Hour))
	if !found || err != nil {
		t.Fatal(found, err)
	}
	got := take(t, m, noon, 10)
	if len(got) != 1 || string(got[0].Body) != "dead" || got[0].Attempts != 2 || !got[0].Expires.Equal(noon.Add(48*time.Hour)) {
		t.Fatalf("%+v", got)
	}
}

// takers: each letter is taken by one of many, once.
func (e OutboxEngine) takers(t *testing.T) {
	m, _ := e.open(t)
	const n = 400
	var letters []storage.Letter
	for range n {
		letters = append(letters, letter("a"))
	}
	must(t, m.Post(context.Background(), letters))
	var mu sync.Mutex
	times := map[metadata.UUID]int{}
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for {
				got, err := m.Take(context.Background(), storage.QueueAnswers, noon, time.Minute, 7)
				if err != nil {
					t.Error(err)
					return
				}
				if len(got) == 0 {
					return
				}
				mu.Lock()
				for _, l := range got {
					times[l.ID]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	for _, l := range letters {
		if times[l.ID] != 1 {
			t.Fatalf("a letter was taken %d times", times[l.ID])
		}
	}
}

// days: letters of many days, some settled, stay readable.
func (e OutboxEngine) days(t *testing.T) {
	m, reopen := e.open(t)
	ctx := context.Background()
	var kept []string
	for day := range 6 {
		for _, name := range []string{"kept", "settled"} {
			l := letter(fmt.Sprint(name, day))
			l.Created = noon.AddDate(0, 0, day)
			l.Due = l.Created
			l.Expires = noon.AddDate(1, 0, 0)
			must(t, m.Post(ctx, []storage.Letter{l}))
			if name == "settled" || day == 2 {
				must(t, m.Settle(ctx, l))
			} else {
				kept = append(kept, string(l.Body))
			}
		}
		if day == 3 {
			reopen()
		}
	}
	var got []string
	for _, l := range take(t, m, noon.AddDate(0, 1, 0), 100) {
		got = append(got, string(l.Body))
	}
	if !slices.Equal(got, kept) {
		t.Fatalf("%q, want %q", got, kept)
	}
}

// feed: changes come in the order of their commits, and positions hold across a
// rebuild and a restart.
func (e OutboxEngine) feed(t *testing.T) {
	m, reopen := e.open(t)
	g := metadatatest.New(31)
	p, q := g.Patient(), g.Patient()
	if got := fed(t, m, ""); len(got) > 0 {
		t.Fatalf("an empty log feeds %d changes", len(got))
	}
	appendAll(t, m, submission(g, p, 1, 0), submission(g, q, 2, 0))
	appendAll(t, m, submission(g, p, 1, 1), submission(g, p, 1, 2))
	if err := m.Append(context.Background(), "another", []storage.Change{submission(g, p, 1, 0)}); err != nil {
		t.Fatal(err)
	}
	reopen()
	appendAll(t, m, submission(g, q, 1, 1))
	before := fed(t, m, "")
	want := []storage.Fed{{Stream: streamOf(p), Version: 1}, {Stream: streamOf(q), Version: 1}, {Stream: streamOf(p), Version: 2}, {Stream: streamOf(p), Version: 3}, {Stream: streamOf(q), Version: 2}}
	if len(before) != len(want) {
		t.Fatalf("%d changes", len(before))
	}
	for i, f := range before {
		if f.Stream != want[i].Stream || f.Version != want[i].Version || len(f.Events) != 1 || len(f.Events[0].Added) < 3 {
			t.Fatalf("change %d: %v version %d, %d events", i, f.Stream.Kind, f.Version, len(f.Events))
		}
	}
	must(t, m.Rebuild(context.Background(), nil))
	reopen()
	for i := range before {
		got := fed(t, m, before[i].Position)
		if len(got) != len(before)-1-i {
			t.Fatalf("%d changes behind change %d", len(got), i)
		}
		for j, f := range got {
			if f.Position != before[i+1+j].Position || f.Version != before[i+1+j].Version {
				t.Fatal("a position moved")
			}
		}
	}
	for _, p := range []storage.Position{"x", "-1", "12", "9223372036854775807"} {
		var failure error
		for _, err := range m.Feed(context.Background(), tenant, p) {
			failure = err
		}
		if !errors.Is(failure, storage.ErrPosition) {
			t.Fatalf("position %q: %v", p, failure)
		}
	}
}

func fed(t testing.TB, l storage.Log, after storage.Position) (all []storage.Fed) {
	t.Helper()
	for f, err := range l.Feed(context.Background(), tenant, after) {
		must(t, err)
		all = append(all, f)
	}
	return all
}

// feedWhileWriting: who follows the feed sees each change once, those of a stream
// in the order of their versions, none passed over.
func (e OutboxEngine) feedWhileWriting(t *testing.T) {
	m, _ := e.open(t)
	const each = 40
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			g := metadatatest.New(uint64(100 + w))
			patients := childPatients()
			for i := range each {
				if err := persist(m, submission(g, patients[(w+i)%len(patients)], 1, 0)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	written := make(chan struct{})
	go func() { all.Wait(); close(written) }()
	versions := map[storage.Stream]storage.Version{}
	seen := 0
	var at storage.Position
	for done := false; !done; {
		select {
		case <-written:
			done = true
		default:
		}
		for _, f := range fed(t, m, at) {
			if f.Version != versions[f.Stream]+1 {
				t.Fatalf("version %d after %d", f.Version, versions[f.Stream])
			}
			versions[f.Stream], at = f.Version, f.Position
			seen++
		}
	}
	if seen != writers*each {
		t.Fatalf("%d of %d changes", seen, writers*each)
	}
}

// advance moves a cursor and posts letters in one step, or does neither.
func (e OutboxEngine) advance(t *testing.T) {
	m, reopen := e.open(t)
	ctx := context.Background()
	g := metadatatest.New(32)
	p := g.Patient()
	appendAll(t, m, submission(g, p, 1, 0), submission(g, p, 1, 1))
	changes := fed(t, m, "")
	at := func(name string) storage.Position {
		t.Helper()
		p, err := m.Cursor(ctx, name)
		must(t, err)
		return p
	}
	if at("a") != "" {
		t.Fatal("a cursor before its first Advance")
	}
	must(t, m.Advance(ctx, "a", "", changes[0].Position, []storage.Letter{letter("one")}))
	must(t, m.Advance(ctx, "b", "", changes[1].Position, nil))
	err := m.Advance(ctx, "a", "", changes[1].Position, []storage.Letter{letter("never")})
	if !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("from where the cursor is not: %v", err)
	}
	reopen()
	if at("a") != changes[0].Position || at("b") != changes[1].Position || at("c") != "" {
		t.Fatal("cursors moved")
	}
	must(t, m.Advance(ctx, "a", changes[0].Position, changes[1].Position, []storage.Letter{letter("two")}))
	got := take(t, m, noon, 10)
	if len(got) != 2 || string(got[0].Body) != "one" || string(got[1].Body) != "two" {
		t.Fatalf("%d letters", len(got))
	}
	must(t, m.Rebuild(ctx, nil))
	if at("a") != changes[1].Position || len(fed(t, m, at("a"))) != 0 {
		t.Fatal("a rebuild moved a cursor")
	}
	// Of several at the same place, one goes on.
	won := 0
	var mu sync.Mutex
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			err := m.Advance(ctx, "c", "", changes[0].Position, []storage.Letter{letter("race")})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, storage.ErrConflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if b := count(t, m, storage.QueueAnswers); won != 1 || b.Waiting != 3 {
		t.Fatalf("%d won, %d letters", won, b.Waiting)
	}
}

func (e OutboxEngine) outboxCanceled(t *testing.T) {
	m, _ := e.open(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.Post(ctx, []storage.Letter{letter("a")}); err == nil {
		t.Fatal("posted")
	}
	if _, err := m.Take(ctx, storage.QueueAnswers, noon, time.Minute, 1); err == nil {
		t.Fatal("taken")
	}
	if b := count(t, m, storage.QueueAnswers); b.Waiting != 0 {
		t.Fatalf("%+v", b)
	}
}

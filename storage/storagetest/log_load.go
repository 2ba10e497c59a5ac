package storagetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

const writers = 8

// persist appends like a registry: on a conflict it loads again.
func persist(l storage.Log, c storage.Change) error {
	for {
		_, v, err := l.Load(context.Background(), tenant, c.Stream, storage.Refs{})
		if err != nil {
			return err
		}
		c.Expect = v
		if err := l.Append(context.Background(), tenant, []storage.Change{c}); !errors.Is(err, storage.ErrConflict) {
			return err
		}
	}
}

// oneStream: eight writers of one stream never interleave, and each sees its own
// submission at once.
func (e LogEngine) oneStream(t *testing.T) {
	l := e.open(t)
	p := metadatatest.New(20).Patient()
	const each = 12
	run(t, func(w int) error {
		g := metadatatest.New(uint64(100 + w))
		for range each {
			c := submission(g, p, 1, 0)
			if err := persist(l, c); err != nil {
				return err
			}
			if err := visible(l, c); err != nil {
				return err
			}
		}
		return nil
	})
	if v := version(t, l, tenant, streamOf(p)); v != writers*each {
		t.Fatalf("version %d, want %d", v, writers*each)
	}
	if n := len(find(t, l, tenant, streamOf(p), documents, access.Restriction{})); n != writers*each {
		t.Fatalf("%d documents, want %d", n, writers*each)
	}
}

// counters: eight writers count on in streams whose last event holds the number: Events has
// the version that Load told, though its Append be under way, so that nothing is counted twice.
func (e LogEngine) counters(t *testing.T) {
	l := e.open(t)
	const each, streams = 2, 24
	counter := func(n int) storage.Stream {
		return storage.Stream{Kind: storage.StreamSubscription, ID: fmt.Sprint("counter ", n)}
	}
	read := func(s storage.Stream) (n byte, at storage.Version, err error) {
		if _, at, err = l.Load(context.Background(), tenant, s, storage.Refs{}); err != nil || at == 0 {
			return 0, at, err
		}
		for ev, err := range l.Events(context.Background(), tenant, s, at) {
			if err != nil {
				return 0, at, err
			}
			n = ev.Body[0]
		}
		return n, at, nil
	}
	run(t, func(int) error {
		for i := range each * streams {
			for {
				n, at, err := read(counter(i / each))
				if err != nil {
					return err
				}
				ev := storage.Event{Kind: storage.EventSubscribed, ID: metadata.NewUUID(), Time: time.Unix(1e9, 0).UTC(), Body: []byte{n + 1}}
				err = l.Append(context.Background(), tenant, []storage.Change{{Stream: counter(i / each), Expect: at, Events: []storage.Event{ev}}})
				if err == nil {
					break
				}
				if !errors.Is(err, storage.ErrConflict) {
					return err
				}
			}
		}
		return nil
	})
	for i := range streams {
		if n, at, err := read(counter(i)); err != nil || n != writers*each || at != writers*each {
			t.Errorf("counted to %d in %d versions, want %d: %v", n, at, writers*each, err)
		}
	}
}

// manyStreams: eight writers of the same twenty streams, new ones too; some of
// their changes touch two streams.
func (e LogEngine) manyStreams(t *testing.T) {
	l := e.open(t)
	g := metadatatest.New(21)
	patients := make([]metadatatest.Patient, 20)
	for i := range patients {
		patients[i] = g.Patient()
	}
	var total atomic.Int64
	run(t, func(w int) error {
		g := metadatatest.New(uint64(200 + w))
		for i := range 25 {
			c := submission(g, patients[(i*7+w)%len(patients)], 1, 0)
			if i%5 > 0 {
				if err := errors.Join(persist(l, c), visible(l, c)); err != nil {
					return err
				}
				total.Add(1)
				continue
			}
			other := submission(g, patients[(i*7+w+1)%len(patients)], 1, 0)
			for {
				_, v, err := l.Load(context.Background(), tenant, c.Stream, storage.Refs{})
				_, u, err2 := l.Load(context.Background(), tenant, other.Stream, storage.Refs{})
				if err := errors.Join(err, err2); err != nil {
					return err
				}
				c.Expect, other.Expect = v, u
				err = l.Append(context.Background(), tenant, []storage.Change{c, other})
				if err == nil {
					break
				}
				if !errors.Is(err, storage.ErrConflict) {
					return err
				}
			}
			if err := errors.Join(visible(l, c), visible(l, other)); err != nil {
				return err
			}
			total.Add(2)
		}
		return nil
	})
	n := 0
	for _, p := range patients {
		n += len(find(t, l, tenant, streamOf(p), documents, access.Restriction{}))
	}
	if int64(n) != total.Load() {
		t.Fatalf("%d documents, want %d", n, total.Load())
	}
}

// readersAndWriters: a search sees each submission whole or not at all, never a
// state that was not.
func (e LogEngine) readersAndWriters(t *testing.T) {
	l := e.open(t)
	g := metadatatest.New(22)
	p := g.Patient()
	first := submission(g, p, 1, 0)
	appendAll(t, l, first)
	// Each change replaces the document of the one before: exactly one is Approved
	// at any time.
	done := make(chan struct{})
	var searching sync.WaitGroup
	for range 4 {
		searching.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				n := 0
				for _, err := range l.Find(context.Background(), tenant, streamOf(p), documents, access.Restriction{}) {
					if err != nil {
						t.Error(err)
						return
					}
					n++
				}
				if n != 1 {
					t.Errorf("%d approved documents at once", n)
					return
				}
			}
		})
	}
	old := entries(first)[0].ID
	for v := range storage.Version(60) {
		c := submission(g, p, 1, v+1)
		now := entries(c)[0].ID
		relate(&c, metadata.Replaces, now, old)
		c.Events[0].Touched = []storage.Touch{{ID: old, Status: metadata.Deprecated}}
		appendAll(t, l, c)
		old = now
	}
	close(done)
	searching.Wait()
}

// visible is an error unless a change that was acknowledged is found in every
// way.
func visible(l LogIndex, c storage.Change) error {
	st, err := l.Lookup(context.Background(), tenant, refsOf(c))
	if err != nil {
		return err
	}
	want := len(c.Events[0].Added)
	if len(st.Objects) != want {
		return fmt.Errorf("%d of %d objects are looked up after the acknowledgement", len(st.Objects), want)
	}
	n := 0
	for p, err := range l.Find(context.Background(), tenant, c.Stream, everything, access.Restriction{}) {
		if err != nil {
			return err
		}
		if slices.ContainsFunc(c.Events[0].Added, func(a storage.Added) bool { return a.Object.ObjectID() == p.Object.ObjectID() }) {
			n++
		}
	}
	if n != want {
		return fmt.Errorf("%d of %d objects are found after the acknowledgement", n, want)
	}
	return nil
}

// run runs eight writers.
func run(t *testing.T, write func(w int) error) {
	t.Helper()
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			if err := write(w); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// large: a patient with 50,000 documents is searched in bounded memory (P4), and
// the search does not stop the writer.
func (e LogEngine) large(t *testing.T) {
	const total, each = 50_000 / slower, 500
	l, g := e.open(t), metadatatest.New(23)
	p := g.Patient()
	for v := range storage.Version(total / each) {
		appendAll(t, l, submission(g, p, each, v))
	}
	before := heap()
	most, n := uint64(0), 0
	for _, err := range l.Find(context.Background(), tenant, streamOf(p), documents, access.Restriction{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n%5000 == 0 {
			most = max(most, heap())
		}
		if n == total/2 { // while the search stands still
			appendAll(t, l, submission(g, p, 1, total/each))
		}
	}
	if n != total {
		t.Fatalf("%d documents, want %d", n, total)
	}
	if grown := int64(most) - int64(before); grown > 24<<20 {
		t.Fatalf("searching %d documents took %d MiB", total, grown>>20)
	}
	if n := len(find(t, l, tenant, streamOf(p), documents, access.Restriction{})); n != total+1 {
		t.Fatalf("%d documents after one more", n)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// largeSubmission: 1,000 documents at once, and lookups of all of them.
func (e LogEngine) largeSubmission(t *testing.T) {
	l, g := e.open(t), metadatatest.New(24)
	p := g.Patient()
	const many = 1000 / slower
	c := submission(g, p, many, 0)
	appendAll(t, l, c)
	refs := refsOf(c)
	st := lookup(t, l, tenant, refs)
	if len(st.Objects) != 2*many+1 || len(st.Associations) != many {
		t.Fatalf("%d objects and %d associations", len(st.Objects), len(st.Associations))
	}
	// All of them are replaced in another.
	again := submission(g, p, many, 1)
	for i, d := range entries(again) {
		relate(&again, metadata.Replaces, d.ID, entries(c)[i].ID)
		again.Events[0].Touched = append(again.Events[0].Touched, storage.Touch{ID: entries(c)[i].ID, Status: metadata.Deprecated})
	}
	appendAll(t, l, again)
	if n := len(find(t, l, tenant, streamOf(p), documents, access.Restriction{})); n != many {
		t.Fatalf("%d approved documents", n)
	}
}

// rebuild: answers are equal before and after, while it is interrupted, and for
// what is written after it.
func (e LogEngine) rebuild(t *testing.T) {
	l, g := e.open(t), metadatatest.New(25)
	var streams []storage.Stream
	var changes []storage.Change
	for i := range 300 / slower {
		p := g.Patient()
		c := submission(g, p, 1+i%3, 0)
		if i > 0 {
			old := entries(changes[len(changes)-1])[0].ID // of another stream
			relate(&c, metadata.HasMember, c.Events[0].Added[0].Object.ObjectID(), old)
			c.Events[0].Touched = []storage.Touch{{ID: old, Status: metadata.Deprecated}}
		}
		next := submission(g, p, 1, 1)
		relate(&next, metadata.Appends, entries(next)[0].ID, entries(c)[0].ID)
		streams, changes = append(streams, streamOf(p)), append(changes, c, next)
		appendAll(t, l, c, next)
	}
	refs := refsOf(changes...)
	before := answers(t, l, tenant, streams, refs)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Rebuild(ctx, nil); err == nil {
		t.Fatal("a canceled rebuild succeeded")
	}
	if answers(t, l, tenant, streams, refs) != before {
		t.Fatal("answers differ after an interrupted rebuild")
	}
	var done, total int64
	if err := l.Rebuild(context.Background(), func(d, n int64) {
		if d < done || d > n {
			t.Errorf("progress went from %d to %d of %d", done, d, n)
		}
		done, total = d, n
	}); err != nil {
		t.Fatal(err)
	}
	if total != int64(len(changes)) || done != total {
		t.Errorf("progress ended at %d of %d, want %d", done, total, len(changes))
	}
	if answers(t, l, tenant, streams, refs) != before {
		t.Fatal("answers differ after the rebuild")
	}
	// Claims and versions hold as before.
	for _, c := range changes[:4] {
		c.Expect = 2
		conflict(t, l, "claim after a rebuild", c)
	}
	appendAll(t, l, submission(g, g.Patient(), 1, 0))
}

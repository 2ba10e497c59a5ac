package scaled_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
)

// op is one call of the history of a patient.
type op struct {
	began, ended time.Time
	wrote        metadata.ID // the document that was added; "" for queries
	acked        bool        // writes
	saw          string      // queries: the approved documents, sorted
}

// history is what happened to one patient.
type history struct {
	mu  sync.Mutex
	ops []op
}

func (h *history) add(o op) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, o)
}

func state(approved []metadata.ID) string {
	words := make([]string, len(approved))
	for i, id := range approved {
		words[i] = string(id)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// check accepts a history when there is one order of its calls, that of the log
// for writes, in which each query saw what was written before it, and no call
// comes before one that had ended when it began. Each change adds a document, so
// that every state is another one and tells its place by itself.
func (h *history) check(events []storage.Event) error {
	var now []metadata.ID
	place := map[metadata.ID]int{}
	states := map[string]int{"": 0}
	for i, ev := range events {
		for _, t := range ev.Touched {
			now = slices.DeleteFunc(now, func(id metadata.ID) bool { return id == t.ID })
		}
		for _, a := range ev.Added {
			if d, ok := a.Object.(*metadata.DocumentEntry); ok {
				now = append(now, d.ID)
				place[d.ID] = i + 1
			}
		}
		states[state(now)] = i + 1
	}
	type point struct {
		op
		at int
	}
	var points []point
	for _, o := range h.ops {
		at, ok := place[o.wrote]
		if o.wrote == "" {
			if at, ok = states[o.saw]; !ok {
				return errors.New("a query saw what never was")
			}
		} else if !ok {
			if o.acked {
				return errors.New("an acknowledged change is not in the log")
			}
			continue
		}
		if o.wrote != "" && !o.acked {
			o.ended = time.Now().Add(time.Hour) // nobody was told when
		}
		points = append(points, point{o, at})
	}
	slices.SortFunc(points, func(a, b point) int { return a.began.Compare(b.began) })
	ended := slices.Clone(points)
	slices.SortFunc(ended, func(a, b point) int { return a.ended.Compare(b.ended) })
	last, n := 0, 0
	for _, p := range points {
		for ; n < len(ended) && ended[n].ended.Before(p.began); n++ {
			last = max(last, ended[n].at)
		}
		if p.at < last || p.at == last && p.wrote != "" && last > 0 {
			return fmt.Errorf("a call saw place %d of the log, and one that had ended before it began saw place %d", p.at, last)
		}
	}
	for _, p := range points { // nothing is seen before it was begun
		if p.wrote != "" {
			continue
		}
		for _, w := range points {
			if w.wrote != "" && w.at <= p.at && w.began.After(p.ended) {
				return errors.New("a query saw a change that had not begun")
			}
		}
	}
	return nil
}

// TestLinearizable: two nodes, many writers and readers of some patients; every
// answer fits one order. SAMDOK_LONG: 16 writers, 200 patients, 10 minutes, and a
// rebuild in the middle.
func TestLinearizable(t *testing.T) {
	writers, patients, span := 8, 5, 5*time.Second
	if storagetest.Long() {
		writers, patients, span = 16, 200, 10*time.Minute
	}
	p := newPlace(t)
	nodes := []*scaled.Log{open(t, p), open(t, p)}
	g := metadatatest.New(50)
	var streams []metadatatest.Patient
	for range patients {
		streams = append(streams, g.Patient())
	}
	histories := make([]history, patients)
	end := time.Now().Add(span)
	var done atomic.Int64
	enough := int64(4 * writers) // however busy the machine is
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			c := caller{l: nodes[w%len(nodes)], gen: metadatatest.New(uint64(5000 + w)), rng: rand.New(rand.NewPCG(50, uint64(w)))}
			for time.Now().Before(end) || done.Load() < enough {
				i := c.rng.IntN(patients)
				done.Add(1)
				if err := c.call(streams[i], &histories[i]); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	if storagetest.Long() {
		time.Sleep(span / 3)
		must(t, nodes[0].Rebuild(context.Background(), nil))
	}
	all.Wait()
	calls := 0
	for i := range histories {
		var events []storage.Event
		for ev, err := range nodes[0].Events(context.Background(), tenant, stream(streams[i]), 0) {
			must(t, err)
			events = append(events, ev)
		}
		if err := histories[i].check(events); err != nil {
			t.Errorf("patient %d: %v", i, err)
		}
		calls += len(histories[i].ops)
	}
	t.Logf("%d calls", calls)
}

type caller struct {
	l   *scaled.Log
	gen *metadatatest.Gen
	rng *rand.Rand
}

// call submits, replaces or asks.
func (c *caller) call(p metadatatest.Patient, h *history) error {
	ctx := context.Background()
	o := op{began: time.Now()}
	if c.rng.IntN(2) == 0 {
		var approvedNow []metadata.ID
		for d, err := range c.l.Find(ctx, tenant, stream(p), approved, access.Restriction{}) {
			if err != nil {
				return err
			}
			approvedNow = append(approvedNow, d.Object.ObjectID())
		}
		o.ended, o.saw = time.Now(), state(approvedNow)
		h.add(o)
		return nil
	}
	_, v, err := c.l.Load(ctx, tenant, stream(p), storage.Refs{})
	if err != nil {
		return err
	}
	change := storagetest.NewChange(c.gen.Metadata(p, 1), v)
	if c.rng.IntN(2) == 0 {
		for d, err := range c.l.Find(ctx, tenant, stream(p), approved, access.Restriction{}) {
			if err != nil {
				return err
			}
			change.Events[0].Touched = []storage.Touch{{ID: d.Object.ObjectID(), Status: metadata.Deprecated}}
			break
		}
	}
	o.wrote = entry(change).ID
	err = c.l.Append(ctx, tenant, []storage.Change{change})
	o.ended, o.acked = time.Now(), err == nil
	if errors.Is(err, storage.ErrConflict) {
		return nil
	}
	h.add(o)
	if kind := fault.KindOf(err); err != nil && kind != fault.Busy && kind != fault.Unavailable {
		return err
	}
	return nil
}

// TestHistoryCheck: the checker sees what it is for.
func TestHistoryCheck(t *testing.T) {
	id := func(s string) metadata.ID { return metadata.ID(s) }
	event := func(added string, replaced ...string) (ev storage.Event) {
		ev.Added = []storage.Added{{Object: &metadata.DocumentEntry{ID: id(added)}}}
		for _, r := range replaced {
			ev.Touched = append(ev.Touched, storage.Touch{ID: id(r), Status: metadata.Deprecated})
		}
		return ev
	}
	events := []storage.Event{event("a"), event("b", "a")}
	at := func(n int) time.Time { return time.Unix(int64(n), 0) }
	write := func(from, to int, d string) op { return op{began: at(from), ended: at(to), wrote: id(d), acked: true} }
	query := func(from, to int, saw string) op { return op{began: at(from), ended: at(to), saw: saw} }
	for name, c := range map[string]struct {
		ops []op
		ok  bool
	}{
		"in order":              {[]op{write(1, 2, "a"), query(3, 4, "a"), write(5, 6, "b"), query(7, 8, "b")}, true},
		"at once":               {[]op{write(1, 9, "a"), write(1, 9, "b"), query(2, 3, ""), query(4, 5, "b")}, true},
		"too late":              {[]op{write(1, 2, "a"), query(3, 4, "")}, false},
		"back in time":          {[]op{write(1, 9, "a"), query(2, 3, "a"), query(4, 5, "")}, false},
		"before it began":       {[]op{query(1, 2, "a"), write(3, 4, "a")}, false},
		"half of a replacement": {[]op{write(1, 9, "a"), write(1, 9, "b"), query(2, 3, "a b")}, false},
		"lost":                  {[]op{write(1, 2, "c")}, false},
		"not acknowledged":      {[]op{{began: at(1), ended: at(2), wrote: "a"}, query(3, 4, ""), query(5, 6, "a")}, true},
		"writes out of order":   {[]op{write(1, 2, "b"), write(3, 4, "a")}, false},
	} {
		h := history{ops: c.ops}
		if err := h.check(events); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

package repository_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"samdok/fault"
	"samdok/repository"
	"samdok/storage"
)

// stored takes documents in and leaves them as a crash would.
func (w *world) stored(t *testing.T, ids ...string) map[string]storage.DocumentKey {
	t.Helper()
	p := &parts{}
	for _, id := range ids {
		p.list = append(p.list, bytesPart(id, "bytes of "+id))
	}
	in, err := w.Take(t.Context(), tenant, submission(ids...), p)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]storage.DocumentKey{}
	for id, key := range in.Keys() {
		keys[string(id)] = key
	}
	return keys
}

func (w *world) sweep(t *testing.T, want repository.Swept) {
	t.Helper()
	got, err := w.Sweep(t.Context(), false)
	if err != nil || got != want {
		t.Errorf("swept %+v, %v; want %+v", got, err, want)
	}
}

func TestSweep(t *testing.T) {
	w := newWorld(t, nil)
	keys := w.stored(t, "bound", "loose")
	// The same uniqueId was registered with other bytes, by another intake.
	w.log.bind("1.2.3.bound", keys["bound"])
	w.log.bind("1.2.3.loose", "another key")

	w.time = w.time.Add(repository.DefaultSweepAge - time.Second)
	w.sweep(t, repository.Swept{})
	if len(w.keys(t)) != 2 {
		t.Fatal("the sweep took something younger than its age")
	}
	young := w.stored(t, "young")
	w.time = w.time.Add(2 * time.Second)
	w.sweep(t, repository.Swept{Seen: 2, Bound: 1, Deleted: 1})
	left := w.keys(t)
	if len(left) != 2 {
		t.Fatalf("left: %v", left)
	}
	if _, err := w.docs.Stat(t.Context(), keys["bound"]); err != nil {
		t.Errorf("a bound document is gone: %v", err)
	}
	if _, err := w.docs.Stat(t.Context(), keys["loose"]); err == nil {
		t.Error("an unbound document is still there")
	}

	// Next day: what was found bound is not looked at again, the rest is.
	w.time = w.time.Add(repository.DefaultSweepAge)
	w.sweep(t, repository.Swept{Seen: 1, Deleted: 1})
	if _, err := w.docs.Stat(t.Context(), young["young"]); err == nil {
		t.Error("the second sweep left something")
	}
	// A new process looks at all again, and bound is bound for ever.
	again := repository.New(repository.Options{Documents: w.docs, Log: w.log, ID: own, Clock: func() time.Time { return w.time.Add(1000 * time.Hour) }})
	if got, err := again.Sweep(t.Context(), false); err != nil || got != (repository.Swept{Seen: 1, Bound: 1}) {
		t.Errorf("swept %+v, %v", got, err)
	}
}

// A log that cannot be asked deletes nothing, and the next sweep does it all.
func TestSweepWithoutLog(t *testing.T) {
	w := newWorld(t, nil)
	w.stored(t, "1", "2")
	w.time = w.time.Add(2 * repository.DefaultSweepAge)
	w.log.err = errors.New("database is locked")
	if s, err := w.Sweep(t.Context(), true); err == nil || s.Deleted != 0 || len(w.keys(t)) != 2 {
		t.Errorf("swept %+v, %v", s, err)
	}
	w.log.err, w.log.ready = nil, errors.New("run samdok reindex")
	if s, err := w.Sweep(t.Context(), true); err == nil || s.Deleted != 0 || len(w.keys(t)) != 2 {
		t.Errorf("swept %+v, %v", s, err)
	}
	w.log.ready = nil
	w.sweep(t, repository.Swept{Seen: 2, Deleted: 2})
}

// The documents of another database are not leftovers.
func TestSweepBrake(t *testing.T) {
	w := newWorld(t, nil)
	for n := range 2 {
		var ids []string
		for i := range 600 {
			ids = append(ids, fmt.Sprintf("%d.%d", n, i))
		}
		w.stored(t, ids...)
	}
	w.time = w.time.Add(2 * repository.DefaultSweepAge)
	if s, err := w.Sweep(t.Context(), false); err == nil || s.Deleted != 0 || s.Seen != 1200 || len(w.keys(t)) != 1200 {
		t.Errorf("swept %+v, %v", s, err)
	}
	if w.log.loads != 5 { // 1200 in batches of 256
		t.Errorf("the log was asked %d times", w.log.loads)
	}
	if s, err := w.Sweep(t.Context(), true); err != nil || s.Deleted != 1200 || len(w.keys(t)) != 0 {
		t.Errorf("forced: %+v, %v", s, err)
	}
}

// The age is a setting, and an intake may only take half of it: what is not
// registered by then may be swept before it is.
func TestSweepAge(t *testing.T) {
	const age = 2 * time.Hour
	w := newWorld(t, func(o *repository.Options) { o.SweepAge = age })
	w.stored(t, "loose")
	in, err := w.Take(t.Context(), tenant, submission("slow"), &parts{list: []part{bytesPart("slow", "x")}})
	if err != nil {
		t.Fatal(err)
	}
	in.Delete(t.Context())
	w.time = w.time.Add(age / 2)
	if err := in.Fresh(); err != nil {
		t.Error(err)
	}
	w.time = w.time.Add(time.Second)
	if err := in.Fresh(); err == nil || !strings.Contains(fault.ProblemsOf(err)[0].Context, "at most 1h0m0s are allowed, half of sweep.age") {
		t.Errorf("an intake that took more than half: %v", err)
	}
	w.time = w.time.Add(age/2 - 2*time.Second)
	w.sweep(t, repository.Swept{})
	w.time = w.time.Add(2 * time.Second)
	w.sweep(t, repository.Swept{Seen: 1, Deleted: 1})
}

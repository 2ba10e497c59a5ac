package storagetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// ErasingLog is an engine whose log can forget.
type ErasingLog interface {
	LogIndex
	storage.Eraser
}

const (
	eraseDir  = "SAMDOK_ERASE_CHILD"
	eraseStep = "SAMDOK_ERASE_STEP"
	eraseAll  = "SAMDOK_ERASE_ALL"
)

// EraseChild erases in a folder and kills itself at one step when this process was
// started for that; otherwise it returns at once. It belongs at the beginning of
// TestMain. open gets a function that the engine calls between the steps of
// Redact.
func EraseChild(open func(dir string, step func(string)) (ErasingLog, error)) {
	dir := os.Getenv(eraseDir)
	if dir == "" {
		return
	}
	at, err := strconv.Atoi(os.Getenv(eraseStep))
	if err != nil {
		fail(err)
	}
	var steps atomic.Int64 // engines step in goroutines of their own
	step := func(string) {
		if steps.Add(1) > int64(at) {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {} // not one instruction more
		}
	}
	l, err := open(dir, step)
	if err != nil {
		fail(err)
	}
	w := eraseWorld()
	w.whole = os.Getenv(eraseAll) != ""
	if err := w.erase(l, step); err != nil {
		fail(err)
	}
	os.Exit(0)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// erasing is a patient of whom something is erased, and one who must not notice.
type erasing struct {
	gone, stays, other storage.Change
	patient            storage.Stream
	whole              bool
}

// erasedWord is in the letter that goes.
const erasedWord = "a letter about an infarkt"

// eraseWorld is the same in every process.
func eraseWorld() *erasing {
	g := metadatatest.New(1905)
	p, q := g.Patient(), g.Patient()
	w := &erasing{gone: submission(g, p, 1, 0), stays: submission(g, p, 1, 1), other: submission(g, q, 1, 0), patient: streamOf(p)}
	// Something of the other patient leads to what is erased.
	w.other.Events[0].Touched = []storage.Touch{{ID: entries(w.gone)[0].ID, Status: metadata.Deprecated}}
	d := entries(w.gone)[0]
	d.Title = metadata.NewText("Utskriving etter hjerteinfarkt")
	return w
}

func (w *erasing) fill(t testing.TB, l storage.Log) {
	t.Helper()
	appendAll(t, l, w.gone, w.stays, w.other)
	if o, ok := l.(storage.Outbox); ok {
		must(t, o.Post(context.Background(), []storage.Letter{letter(erasedWord), letter("of others")}))
	}
}

// erased are the objects that go.
func (w *erasing) erased() (all []metadata.ID) {
	changes := []storage.Change{w.gone}
	if w.whole {
		changes = append(changes, w.stays)
	}
	for _, c := range changes {
		for _, a := range c.Events[0].Added {
			all = append(all, a.Object.ObjectID())
		}
	}
	return all
}

// erase is what an erasure does to a log. It may be done again.
func (w *erasing) erase(l ErasingLog, step func(string)) error {
	ctx := context.Background()
	st, v, err := l.Load(ctx, tenant, w.patient, storage.Refs{IDs: w.erased(), WithRemoved: true})
	if err != nil {
		return err
	}
	ev := happened(storage.EventErased)
	ev.Body = []byte{1}
	for _, o := range append(st.Objects, st.Associations...) {
		if !o.Removed && !slices.Contains(ev.Removed, o.Object.ObjectID()) {
			ev.Removed = append(ev.Removed, o.Object.ObjectID())
		}
	}
	step("before the event")
	if len(ev.Removed) > 0 {
		if err := l.Append(ctx, tenant, []storage.Change{{Stream: w.patient, Expect: v, Events: []storage.Event{ev}}}); err != nil {
			return err
		}
	}
	step("after the event")
	if f, ok := l.(storage.Forgetter); ok {
		if _, err := f.Forget(ctx, tenant, func(l *storage.Letter) bool { return strings.Contains(string(l.Body), erasedWord) }); err != nil {
			return err
		}
	}
	objects := w.erased()
	if w.whole {
		objects = nil
	}
	if _, err = l.Redact(ctx, tenant, w.patient, objects); err == nil {
		step("after all")
	}
	return err
}

// RunErase runs the suite for storage.Eraser. Engines also call RunEraseKill from a
// test whose TestMain calls EraseChild.
func RunErase(t *testing.T, e LogEngine) {
	for _, whole := range []bool{false, true} {
		t.Run(map[bool]string{false: "a document", true: "a patient"}[whole], func(t *testing.T) { e.eraseOne(t, whole) })
	}
	t.Run("not removed", e.redactLiving)
	t.Run("streams", e.streams)
	t.Run("writers meanwhile", e.eraseAndWrite)
	t.Run("events that say nothing", e.redactBodies)
}

func (e LogEngine) eraseOne(t *testing.T, whole bool) {
	dir := t.TempDir()
	l, done := e.Open(t, dir)
	w := eraseWorld()
	w.whole = whole
	w.fill(t, l)
	find(t, l, tenant, w.patient, everything, access.Restriction{}) // into the cache
	for range 2 {
		if err := w.erase(l.(ErasingLog), func(string) {}); err != nil {
			t.Fatal(err)
		}
		rebuilt(t, l, func() { t.Helper(); w.check(t, l) })
	}
	if v := version(t, l, tenant, w.patient); v != 3 {
		t.Fatalf("version %d", v)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	l, done = e.Open(t, dir)
	w.check(t, l)
	w.goesOn(t, l)
	if err := done(); err != nil {
		t.Fatal(err)
	}
	l, done = e.Open(t, dir)
	rebuilt(t, l, func() { t.Helper(); w.check(t, l) })
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

// goesOn: the stream takes submissions, also of what was erased.
func (w *erasing) goesOn(t testing.TB, l LogIndex) {
	t.Helper()
	fresh := eraseWorld().gone
	fresh.Expect = version(t, l, tenant, w.patient)
	conflict(t, l, "an entryUUID that was erased", fresh)
	sub := &metadata.Submission{}
	for _, a := range eraseWorld().gone.Events[0].Added {
		switch o := a.Object.(type) {
		case *metadata.SubmissionSet:
			sub.Set = *o
			sub.Set.ID = metadata.NewUUID().ID()
		case *metadata.DocumentEntry:
			o.ID, o.Hash = metadata.NewUUID().ID(), "5d41402abc4b2a76b9719d911017c592ae8b1c2d"
			o.Title = nil
			sub.Entries = append(sub.Entries, o)
		}
	}
	appendAll(t, l, NewChange(sub, fresh.Expect))
	if st := lookup(t, l, tenant, storage.Refs{UniqueIDs: []string{sub.Set.UniqueID}}); len(st.Objects) != 1 {
		t.Fatal("what was sent again is not there")
	}
	appendAll(t, l, removeAll(fresh.Expect+1, storage.Change{Stream: w.patient, Events: []storage.Event{{Added: []storage.Added{{Object: &sub.Set}, {Object: sub.Entries[0]}}}}}))
}

// check: what was erased is as if it had never been, everything else as it was.
func (w *erasing) check(t testing.TB, l LogIndex) {
	t.Helper()
	if err := w.verify(l); err != nil {
		t.Fatal(err)
	}
}

func (w *erasing) verify(l LogIndex) error {
	ctx := context.Background()
	if o, ok := l.(storage.Outbox); ok {
		b, err := o.Count(ctx, storage.QueueAnswers)
		if err != nil || b.Waiting != 1 || b.Dead != 0 {
			return fmt.Errorf("%+v wait in the outbox, %w", b, err)
		}
		letters, err := o.Take(ctx, storage.QueueAnswers, noon, 0, 10)
		if err != nil || len(letters) != 1 || string(letters[0].Body) != "of others" {
			return fmt.Errorf("the letter of others is not there, %w", err)
		}
	}
	gone := refsOf(w.gone)
	gone.WithRemoved = true
	st, err := l.Lookup(ctx, tenant, gone)
	if err != nil {
		return err
	}
	for _, o := range append(st.Objects, st.Associations...) {
		if !slices.Contains(gone.IDs, o.Object.ObjectID()) {
			continue // sent again
		}
		if !o.Removed || !storage.IsTombstone(o.Object) || o.Document != "" || o.Controller != "" {
			return fmt.Errorf("more than a tombstone is left: %+v", o)
		}
	}
	left := map[metadata.ID]bool{}
	for _, c := range []storage.Change{w.stays, w.other} {
		for _, a := range c.Events[0].Added {
			left[a.Object.ObjectID()] = c.Stream != w.patient || !w.whole
		}
	}
	for _, s := range []storage.Stream{w.patient, w.other.Stream} {
		for o, err := range l.Find(ctx, tenant, s, everything, access.Restriction{}) {
			if err != nil {
				return err
			}
			id := o.Object.ObjectID()
			if !left[id] {
				return fmt.Errorf("%T is found", o.Object)
			}
			left[id] = false
			if d, ok := o.Object.(*metadata.DocumentEntry); ok && (d.UniqueID == "" || o.Document == "" || len(d.Title) == 0) {
				return errors.New("what stays has lost something")
			}
		}
		for ev, err := range l.Events(ctx, tenant, s, 0) {
			if err != nil {
				return err
			}
			for _, a := range ev.Added {
				if slices.Contains(w.erased(), a.Object.ObjectID()) && !storage.IsTombstone(a.Object) {
					return errors.New("an event still holds what was erased")
				}
			}
		}
	}
	for id, missing := range left {
		if missing {
			return fmt.Errorf("%s is not found any more", id)
		}
	}
	return nil
}

// eraseAndWrite: a stream takes submissions while it is written anew, and nothing of
// them is lost with the old key.
func (e LogEngine) eraseAndWrite(t *testing.T) {
	dir := t.TempDir()
	l, done := e.Open(t, dir)
	g := metadatatest.New(31)
	p := g.Patient()
	ctx := context.Background()
	stop := make(chan struct{})
	var all sync.WaitGroup
	var kept atomic.Int64
	for w := range 3 {
		g := metadatatest.New(uint64(100 + w))
		all.Go(func() {
			for range 100 { // each redaction writes all of them anew
				select {
				case <-stop:
					return
				default:
				}
				if err := persistAll(l, []storage.Change{submission(g, p, 1, 0)}); err != nil {
					t.Error(err)
					return
				}
				kept.Add(1)
			}
		})
	}
	for range 15 {
		c := submission(g, p, 1, 0)
		if err := persistAll(l, []storage.Change{c}); err != nil {
			t.Fatal(err)
		}
		gone := removeAll(0, c)
		if err := persistAll(l, []storage.Change{gone}); err != nil {
			t.Fatal(err)
		}
		if r, err := l.(ErasingLog).Redact(ctx, tenant, streamOf(p), gone.Events[0].Removed); err != nil || r.Objects != len(gone.Events[0].Removed) {
			t.Fatalf("%+v, %v", r, err)
		}
		find(t, l, tenant, streamOf(p), everything, access.Restriction{})
	}
	close(stop)
	all.Wait()
	check := func() {
		t.Helper()
		if n := len(find(t, l, tenant, streamOf(p), documents, access.Restriction{})); int64(n) != kept.Load() {
			t.Fatalf("%d documents are left of %d", n, kept.Load())
		}
	}
	rebuilt(t, l, check)
	if err := done(); err != nil {
		t.Fatal(err)
	}
	l, done = e.Open(t, dir)
	rebuilt(t, l, check)
	if err := done(); err != nil {
		t.Fatal(err)
	}
}

// redactLiving: what is written anew by mistake is not lost to its claims.
func (e LogEngine) redactLiving(t *testing.T) {
	l := e.open(t)
	w := eraseWorld()
	w.fill(t, l)
	var before []storage.Event
	for ev, err := range l.Events(context.Background(), tenant, w.patient, 0) {
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, ev)
	}
	done, err := l.(ErasingLog).Redact(context.Background(), tenant, w.patient, []metadata.ID{metadata.NewUUID().ID()})
	if err != nil || done.Objects != 0 || len(done.Keys) != 0 {
		t.Fatalf("nothing to redact: %+v, %v", done, err)
	}
	if done, err = l.(ErasingLog).Redact(context.Background(), tenant, storage.Stream{Kind: storage.StreamPatient, ID: "nobody"}, nil); err != nil || done.Objects != 0 {
		t.Fatalf("no such stream: %+v, %v", done, err)
	}
	n := 0
	for _, err := range l.Events(context.Background(), tenant, w.patient, 0) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(before) {
		t.Fatalf("%d events, %d before", n, len(before))
	}
}

// redactBodies: of a whole stream the bodies of events go too, but for those that
// say that something was erased, or who the patient is.
func (e LogEngine) redactBodies(t *testing.T) {
	l := e.open(t)
	w := eraseWorld()
	w.whole = true
	w.fill(t, l)
	received := happened(storage.EventReceived)
	received.Body = []byte("\x01Nordmann^Kari")
	known := storage.PatientKnown(received.Time)
	appendAll(t, l, storage.Change{Stream: w.patient, Expect: 2, Events: []storage.Event{received, known}})
	if err := w.erase(l.(ErasingLog), func(string) {}); err != nil {
		t.Fatal(err)
	}
	kinds := []storage.EventKind{}
	for ev, err := range l.Events(context.Background(), tenant, w.patient, 0) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, ev.Kind)
	}
	if !slices.Equal(kinds, []storage.EventKind{storage.EventSubmitted, storage.EventSubmitted, storage.EventPatientKnown, storage.EventErased}) {
		t.Fatalf("%v", kinds)
	}
	if v := version(t, l, tenant, w.patient); v != 4 {
		t.Fatalf("version %d", v)
	}
}

// streams: all of a kind are walked, and found again by their references.
func (e LogEngine) streams(t *testing.T) {
	l := e.open(t).(ErasingLog)
	g := metadatatest.New(77)
	want := map[storage.Stream]bool{}
	for range 300 {
		p := g.Patient()
		want[streamOf(p)] = true
		appendAll(t, l, submission(g, p, 1, version(t, l, tenant, streamOf(p))))
	}
	hold := storage.Stream{Kind: storage.StreamHold, ID: "1"}
	appendAll(t, l, storage.Change{Stream: hold, Events: []storage.Event{happened(storage.EventHeld)}})
	n := 0
	for s, err := range l.Streams(context.Background(), tenant, storage.StreamPatient) {
		if err != nil || !want[s] {
			t.Fatalf("%v: %v", s.Kind, err)
		}
		n++
	}
	if n != len(want) {
		t.Fatalf("%d of %d streams", n, len(want))
	}
	for s, err := range l.Streams(context.Background(), tenant, storage.StreamHold) {
		if err != nil || s != hold {
			t.Fatal(s, err)
		}
	}
	ref, err := l.Reference(context.Background(), tenant, hold)
	if err != nil || len(ref) == 0 {
		t.Fatal(err)
	}
	of, s, ok, err := l.Referred(context.Background(), ref)
	if err != nil || !ok || of != tenant || s != hold {
		t.Fatal(of, s, ok, err)
	}
	if _, _, ok, err := l.Referred(context.Background(), []byte("0123456789abcdef")); ok || err != nil {
		t.Fatal(ok, err)
	}
	if ref, err := l.Reference(context.Background(), "another", hold); ref != nil || err != nil {
		t.Fatal(ref, err)
	}
}

// RunEraseKill kills a process between every two steps of an erasure. After each
// the folder opens, nothing else is lost, and the erasure can be ended.
func RunEraseKill(t *testing.T, e LogEngine) {
	for _, whole := range []bool{false, true} {
		for step := 0; ; step++ {
			if e.killAt(t, step, whole) {
				if step < 5 {
					t.Fatalf("only %d steps: the test proves too little", step)
				}
				break
			}
		}
	}
}

func (e LogEngine) killAt(t *testing.T, step int, whole bool) (ended bool) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := eraseWorld()
	w.whole = whole
	l, done := e.Open(t, dir)
	w.fill(t, l)
	if err := done(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), eraseDir+"="+dir, eraseStep+"="+strconv.Itoa(step))
	if whole {
		cmd.Env = append(cmd.Env, eraseAll+"=1")
	}
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ProcessState.Exited()) {
		t.Fatalf("step %d: %v", step, err)
	}
	l, done = e.Open(t, dir)
	if err != nil { // it was killed
		if err := w.erase(l.(ErasingLog), func(string) {}); err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
	}
	w.check(t, l)
	if err := l.Rebuild(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	w.check(t, l)
	if err := done(); err != nil {
		t.Fatal(err)
	}
	return err == nil
}

package storagetest

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

var mergeTime = time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)

// mergeInto are the changes that merge streams into another, at the versions given.
func mergeInto(version func(storage.Stream) storage.Version, survivor storage.Stream, subsumed ...storage.Stream) []storage.Change {
	var changes []storage.Change
	for _, s := range subsumed {
		changes = append(changes, storage.Change{Stream: s, Expect: version(s), Events: []storage.Event{storage.MergedInto(survivor, mergeTime)}})
	}
	return append(changes, storage.Change{Stream: survivor, Expect: version(survivor), Events: []storage.Event{storage.Absorbed(subsumed, mergeTime)}})
}

func standing(t testing.TB, l storage.Log, of access.Tenant, s storage.Stream) storage.Standing {
	t.Helper()
	st, _, err := l.Load(context.Background(), of, s, storage.Refs{})
	if err != nil {
		t.Fatal(err)
	}
	return st.Standing
}

// known: that a patient is known is told from the first event on, to its tenant.
func (e LogEngine) known(t *testing.T) {
	l, g := e.open(t), metadatatest.New(31)
	p, q := g.Patient(), g.Patient()
	appendAll(t, l, submission(g, q, 1, 0))
	tell := func(s storage.Stream, v storage.Version) storage.Change {
		return storage.Change{Stream: s, Expect: v, Events: []storage.Event{storage.PatientKnown(mergeTime)}}
	}
	for _, s := range []storage.Stream{streamOf(p), streamOf(q)} {
		if standing(t, l, tenant, s).Known {
			t.Fatal("known before anybody told of it")
		}
	}
	appendAll(t, l, tell(streamOf(p), 0))
	rebuilt(t, l, func() {
		t.Helper()
		if got := standing(t, l, tenant, streamOf(p)); got != (storage.Standing{Known: true}) {
			t.Fatalf("standing %+v", got)
		}
		if standing(t, l, tenant, streamOf(q)).Known || standing(t, l, "other", streamOf(p)).Known {
			t.Fatal("another patient, or another tenant's, is known")
		}
	})
	appendAll(t, l, submission(g, p, 1, 1), tell(streamOf(p), 2), tell(streamOf(q), 1))
	rebuilt(t, l, func() {
		t.Helper()
		if !standing(t, l, tenant, streamOf(p)).Known || !standing(t, l, tenant, streamOf(q)).Known {
			t.Fatal("not known any more")
		}
	})
}

// merge: a patient's objects are found as the survivor's, in chains, and changed
// from there; the subsumed stream is closed. What is stored stays.
func (e LogEngine) merge(t *testing.T) {
	l, g := e.open(t), metadatatest.New(32)
	a, b, c := g.Patient(), g.Patient(), g.Patient()
	at := func(s storage.Stream) storage.Version { return version(t, l, tenant, s) }
	first := submission(g, a, 2, 0)
	docs := entries(first)
	stored := docs[0].PatientID
	second := submission(g, b, 1, 0)
	appendAll(t, l, first, second)
	conflict(t, l, "a stale merge", mergeInto(func(storage.Stream) storage.Version { return 0 }, streamOf(b), streamOf(a))...)
	merged := func(survivor metadatatest.Patient, subsumed ...metadatatest.Patient) {
		t.Helper()
		var streams []storage.Stream
		for _, p := range subsumed {
			streams = append(streams, streamOf(p))
		}
		if err := l.Append(context.Background(), tenant, mergeInto(at, streamOf(survivor), streams...)); err != nil {
			t.Fatal(err)
		}
	}
	check := func(survivor metadatatest.Patient, objects int, subsumed ...metadatatest.Patient) {
		t.Helper()
		rebuilt(t, l, func() {
			t.Helper()
			s := streamOf(survivor)
			list := find(t, l, tenant, s, everything, access.Restriction{})
			if len(list) != objects {
				t.Fatalf("%d objects of the survivor, want %d", len(list), objects)
			}
			all := refsOf(first, second)
			st := lookup(t, l, tenant, storage.Refs{IDs: all.IDs, AssociationsOf: []metadata.ID{docs[0].ID}})
			for _, o := range append(append(list, st.Objects...), st.Associations...) {
				p, link := o.Object.(*metadata.Association)
				if o.Stream != s || !link && patientOf(o.Object) != survivor.ID().CX() {
					t.Fatalf("an object of %v that shows %q (%v)", o.Stream, patientOf(o.Object), p)
				}
			}
			for _, p := range subsumed {
				if list := find(t, l, tenant, streamOf(p), everything, access.Restriction{}); len(list) > 0 {
					t.Fatalf("%d objects of a patient who is no more", len(list))
				}
				if got := standing(t, l, tenant, streamOf(p)); got.Into != s {
					t.Fatalf("standing %+v", got)
				}
				conflict(t, l, "a closed stream", submission(g, p, 1, at(streamOf(p))))
				conflict(t, l, "merged twice", mergeInto(at, streamOf(g.Patient()), streamOf(p))...)
				conflict(t, l, "merged into one that is no more", mergeInto(at, streamOf(p), streamOf(g.Patient()))...)
				conflict(t, l, "a cycle", mergeInto(at, streamOf(p), s)...)
			}
			if got := standing(t, l, tenant, s); got.Into != (storage.Stream{}) {
				t.Fatalf("the survivor's standing is %+v", got)
			}
		})
	}
	merged(b, a)
	check(b, len(first.Events[0].Added)+len(second.Events[0].Added), a)
	for ev, err := range l.Events(context.Background(), tenant, streamOf(a), 1) {
		if err != nil || len(ev.Added) > 0 && ev.Added[0].Object.(*metadata.SubmissionSet).PatientID != stored {
			t.Fatalf("what was stored shows the survivor: %v", err)
		}
	}

	// The survivor's stream changes the objects of both.
	third := submission(g, b, 1, at(streamOf(b)))
	relate(&third, metadata.Replaces, entries(third)[0].ID, docs[0].ID)
	third.Events[0].Touched = []storage.Touch{{ID: docs[0].ID, Status: metadata.Deprecated}}
	appendAll(t, l, third)
	gone := removeAll(at(streamOf(a)), second)
	gone.Events[0].Removed = nil
	for _, o := range lookup(t, l, tenant, storage.Refs{AssociationsOf: []metadata.ID{docs[1].ID}}).Associations {
		gone.Events[0].Removed = append(gone.Events[0].Removed, o.Object.ObjectID(), docs[1].ID)
	}
	gone.Stream = streamOf(a)
	conflict(t, l, "removed in the closed stream", gone)
	gone.Stream, gone.Expect = streamOf(b), at(streamOf(b))
	appendAll(t, l, gone)
	late := submission(g, b, 1, at(streamOf(b)))
	relate(&late, metadata.HasMember, setOf(late).ID, docs[1].ID)
	conflict(t, l, "a reference to what was removed after the merge", late)
	if st := lookup(t, l, tenant, storage.Refs{IDs: []metadata.ID{docs[0].ID, docs[1].ID}}); len(st.Objects) != 1 || st.Objects[0].Object.ObjectStatus() != metadata.Deprecated {
		t.Fatalf("%d objects, the first %v", len(st.Objects), st.Objects[0].Object.ObjectStatus())
	}
	left := len(first.Events[0].Added) + len(second.Events[0].Added) + len(third.Events[0].Added) - 2
	check(b, left, a)

	// A chain, and a patient of whom there is nothing.
	d := g.Patient()
	merged(c, b, d)
	check(c, left, a, b, d)
	if st := standing(t, l, "other", streamOf(a)); st != (storage.Standing{}) {
		t.Fatal("another tenant's patient was merged")
	}
}

// halfMerges are refused: both sides belong to one Append.
func (e LogEngine) halfMerges(t *testing.T) {
	l, g := e.open(t), metadatatest.New(33)
	a, b := streamOf(g.Patient()), streamOf(g.Patient())
	none := func(storage.Stream) storage.Version { return 0 }
	whole := mergeInto(none, b, a)
	both := append(mergeInto(none, b, a), mergeInto(func(storage.Stream) storage.Version { return 1 }, a, b)...)
	late := mergeInto(none, b, a)
	late[0].Events = append(late[0].Events, storage.PatientKnown(mergeTime))
	torn := mergeInto(none, b, a)
	torn[0].Events[0].Body = []byte{1, 1}
	for what, changes := range map[string][]storage.Change{
		"without the survivor": whole[:1], "into itself": mergeInto(none, a, a), "both ways": both, "something after it": late, "a torn body": torn,
	} {
		if err := l.Append(context.Background(), tenant, changes); err == nil {
			t.Fatalf("%s: accepted", what)
		}
	}
	if version(t, l, tenant, a)+version(t, l, tenant, b) != 0 {
		t.Fatal("half a merge was written")
	}
}

// mergeAndWriters: whoever writes while two patients become one ends before the
// merge or is refused, and every search sees all of both or what was before.
func (e LogEngine) mergeAndWriters(t *testing.T) {
	l, g := e.open(t), metadatatest.New(34)
	for round := range uint64(15) {
		a, b := g.Patient(), g.Patient()
		old := submission(g, a, 1, 0)
		appendAll(t, l, old)
		var all sync.WaitGroup
		var accepted []storage.Change
		all.Go(func() {
			g := metadatatest.New(3400 + round)
			for {
				c := submission(g, a, 1, version(t, l, tenant, streamOf(a)))
				err := l.Append(context.Background(), tenant, []storage.Change{c})
				if err == nil {
					accepted = append(accepted, c)
					continue
				}
				if !errors.Is(err, storage.ErrConflict) {
					t.Error(err)
				}
				if standing(t, l, tenant, streamOf(a)).Into == streamOf(b) {
					return
				}
			}
		})
		all.Go(func() {
			for range 50 {
				before := find(t, l, tenant, streamOf(a), documents, access.Restriction{})
				after := find(t, l, tenant, streamOf(b), documents, access.Restriction{})
				if len(before) == 0 && len(after) == 0 {
					t.Error("the document is of nobody")
				}
			}
		})
		for {
			at := func(s storage.Stream) storage.Version { return version(t, l, tenant, s) }
			err := l.Append(context.Background(), tenant, mergeInto(at, streamOf(b), streamOf(a)))
			if err == nil {
				break
			}
			if !errors.Is(err, storage.ErrConflict) {
				t.Fatal(err)
			}
		}
		all.Wait()
		if got := len(find(t, l, tenant, streamOf(b), documents, access.Restriction{})); got != len(accepted)+1 {
			t.Fatalf("%d documents, want %d", got, len(accepted)+1)
		}
	}
}

// largeMerge: a chain that no cache holds is read whole, as of one moment.
func (e LogEngine) largeMerge(t *testing.T) {
	l, g := e.open(t), metadatatest.New(35)
	a, b := g.Patient(), g.Patient()
	const each = 1100 / slower
	var changes []storage.Change
	for v := range storage.Version(each) {
		changes = append(changes, submission(g, a, 1, v), submission(g, b, 1, v))
	}
	for part := range slices.Chunk(changes, 200) {
		if err := l.Append(context.Background(), tenant, part); err != nil {
			t.Fatal(err)
		}
	}
	at := func(s storage.Stream) storage.Version { return version(t, l, tenant, s) }
	if err := l.Append(context.Background(), tenant, mergeInto(at, streamOf(b), streamOf(a))); err != nil {
		t.Fatal(err)
	}
	n := 0
	for o, err := range l.Find(context.Background(), tenant, streamOf(b), documents, access.Restriction{}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 1 { // the rest is read after this
			c := submission(g, b, 1, at(streamOf(b)))
			c.Events[0].Touched = []storage.Touch{{ID: entries(changes[len(changes)-1])[0].ID, Status: metadata.Deprecated}}
			appendAll(t, l, c)
		}
		if o.Stream != streamOf(b) || patientOf(o.Object) != b.ID().CX() {
			t.Fatalf("a document of %v", o.Stream)
		}
	}
	if n != 2*each {
		t.Fatalf("%d documents, want %d", n, 2*each)
	}
	for range l.Find(context.Background(), tenant, streamOf(b), documents, access.Restriction{}) {
		if n--; n < each { // in the second stream
			break
		}
	}
}

func patientOf(o metadata.Object) metadata.CX {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		return o.PatientID
	case *metadata.SubmissionSet:
		return o.PatientID
	case *metadata.Folder:
		return o.PatientID
	}
	return ""
}

// identity are random changes that an identity feed makes, sometimes wrong ones.
func (w *world) identity(of access.Tenant) []storage.Change {
	at := func(s storage.Stream) storage.Version { return w.model.versions[placeName{of, s}] }
	a, b := streamOf(w.patients[w.rng.IntN(len(w.patients))]), streamOf(w.patients[w.rng.IntN(len(w.patients))])
	if w.rng.IntN(2) == 0 || a == b {
		return []storage.Change{{Stream: a, Expect: at(a), Events: []storage.Event{storage.PatientKnown(mergeTime)}}}
	}
	return mergeInto(at, b, a)
}

func (w *world) compareStanding(t *testing.T, l LogIndex, of access.Tenant, s storage.Stream) {
	t.Helper()
	if got, want := standing(t, l, of, s), w.model.standing(of, s); got != want {
		t.Fatalf("standing %+v, want %+v", got, want)
	}
}

// compareFind holds the order within each stream; which stream comes first is the
// engine's.
func (w *world) compareFind(t *testing.T, l LogIndex, of access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) {
	t.Helper()
	streams := map[metadata.ID]storage.Stream{}
	for _, o := range w.model.objects {
		streams[o.Object.ObjectID()] = o.Stream
	}
	byStream := func(list []storage.Placed) []storage.Placed {
		slices.SortStableFunc(list, func(a, b storage.Placed) int {
			return cmp.Compare(streams[a.Object.ObjectID()].ID, streams[b.Object.ObjectID()].ID)
		})
		return list
	}
	same(t, "Find", byStream(find(t, l, of, s, f, r)), byStream(w.model.find(of, s, f, r)))
}

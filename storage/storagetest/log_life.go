package storagetest

import (
	"context"
	"errors"
	"fmt"
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

// happened is an event of a kind that adds nothing.
func happened(kind storage.EventKind) storage.Event {
	return storage.Event{Kind: kind, ID: metadata.NewUUID(), Time: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)}
}

// revise is a change with a new version of a document, and the version.
func revise(g *metadatatest.Gen, p metadatatest.Patient, old *metadata.DocumentEntry, expect storage.Version) (storage.Change, *metadata.DocumentEntry) {
	c := NewChange(g.Submission(p), expect)
	d := old.Clone()
	d.ID, d.LogicalID, d.Version, d.Status = metadata.NewUUID().ID(), old.LogicalID, old.Version+1, metadata.Approved
	d.Title = metadata.NewText(fmt.Sprint("version ", d.Version))
	ev := &c.Events[0]
	ev.Kind = storage.EventUpdated
	ev.Added = append(ev.Added, storage.Added{Object: d, Document: "key-0", Controller: "974749025"})
	ev.Touched = append(ev.Touched, storage.Touch{ID: old.ID, Status: metadata.Deprecated, Succession: storage.Superseded})
	c.Claims = append(c.Claims, storage.Claim{ID: string(d.ID), Exclusive: true}, storage.Claim{ID: d.UniqueID, Value: contentOf(d)})
	relate(&c, metadata.HasMember, setOf(c).ID, d.ID).Membership = metadata.Original
	return c, d
}

// removeAll is a change that removes everything that was added by others.
func removeAll(expect storage.Version, of ...storage.Change) storage.Change {
	ev := happened(storage.EventRemoved)
	for _, c := range of {
		for _, a := range c.Events[0].Added {
			ev.Removed = append(ev.Removed, a.Object.ObjectID())
		}
	}
	return storage.Change{Stream: of[0].Stream, Expect: expect, Events: []storage.Event{ev}}
}

// rebuilt runs check before and after a rebuild.
func rebuilt(t testing.TB, l LogIndex, check func()) {
	t.Helper()
	check()
	if err := l.Rebuild(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	check()
}

// successions: all versions are found by their logical id; the newest is told
// from the others everywhere.
func (e LogEngine) successions(t *testing.T) {
	l, g := e.open(t), metadatatest.New(21)
	p := g.Patient()
	first := submission(g, p, 1, 0)
	v1 := entries(first)[0]
	appendAll(t, l, first)
	second, v2 := revise(g, p, v1, 1)
	appendAll(t, l, second)
	third, v3 := revise(g, p, v2, 2)
	appendAll(t, l, third)
	want := map[metadata.ID]bool{v1.ID: true, v2.ID: true, v3.ID: false}
	all := storage.Filter{Documents: &metadata.DocumentFilter{}}
	rebuilt(t, l, func() {
		t.Helper()
		for _, list := range [][]storage.Placed{
			find(t, l, tenant, streamOf(p), all, access.Restriction{}),
			lookup(t, l, tenant, storage.Refs{LogicalIDs: []metadata.ID{v1.ID}}).Objects,
			lookup(t, l, tenant, storage.Refs{UniqueIDs: []string{v1.UniqueID}}).Objects,
		} {
			if len(list) != 3 {
				t.Fatalf("%d versions", len(list))
			}
			for _, o := range list {
				d := o.Object.(*metadata.DocumentEntry)
				if o.Superseded != want[d.ID] || (d.Status == metadata.Deprecated) != want[d.ID] {
					t.Fatalf("version %d: superseded %v, %v", d.Version, o.Superseded, d.Status)
				}
			}
		}
		if st := lookup(t, l, tenant, storage.Refs{LogicalIDs: []metadata.ID{v2.ID, v3.ID}}); len(st.Objects) > 0 {
			t.Fatal("later versions are logical ids")
		}
	})
	// Without the newest, the one before is the newest again.
	c := removeAll(3, storage.Change{Stream: third.Stream, Events: third.Events})
	c.Events[0].Touched = []storage.Touch{{ID: v2.ID, Succession: storage.Newest}}
	appendAll(t, l, c)
	want = map[metadata.ID]bool{v1.ID: true, v2.ID: false}
	rebuilt(t, l, func() {
		t.Helper()
		list := lookup(t, l, tenant, storage.Refs{LogicalIDs: []metadata.ID{v1.ID}}).Objects
		if len(list) != 2 {
			t.Fatalf("%d versions", len(list))
		}
		for _, o := range list {
			if o.Superseded != want[o.Object.ObjectID()] || o.Object.ObjectStatus() != metadata.Deprecated {
				t.Fatalf("%s: superseded %v, %v", o.Object.ObjectID(), o.Superseded, o.Object.ObjectStatus())
			}
		}
	})
}

// removal: nobody finds what was removed but those who ask for it. Its uniqueIds
// are free again, its entryUUIDs never.
func (e LogEngine) removal(t *testing.T) {
	l, g := e.open(t), metadatatest.New(22)
	p, q := g.Patient(), g.Patient()
	sub := g.Metadata(p, 2)
	metadatatest.AddFolder(sub, g.Folder(p, "mappe"))
	again := sub.Clone()
	gone, stays := NewChange(sub, 0), submission(g, p, 1, 1)
	other := submission(g, q, 1, 0)
	appendAll(t, l, gone, stays, other)
	conflict(t, l, "stale", removeAll(1, gone))
	both := removeAll(1, other)
	if err := l.Append(context.Background(), tenant, []storage.Change{removeAll(2, gone), both}); err != nil {
		t.Fatal(err)
	}
	refs := refsOf(gone, other)
	with := refs
	with.WithRemoved = true
	rebuilt(t, l, func() {
		t.Helper()
		if got := len(find(t, l, tenant, streamOf(p), everything, access.Restriction{})); got != len(stays.Events[0].Added) {
			t.Fatalf("%d objects are left", got)
		}
		if got := find(t, l, tenant, streamOf(q), everything, access.Restriction{}); len(got) > 0 {
			t.Fatalf("%d objects of the other patient are left", len(got))
		}
		if st := lookup(t, l, tenant, refs); len(st.Objects)+len(st.Associations) > 0 {
			t.Fatal("removed objects are looked up")
		}
		st := lookup(t, l, tenant, with)
		if want := len(gone.Events[0].Added) + len(other.Events[0].Added); len(st.Objects) != want {
			t.Fatalf("%d removed objects, want %d", len(st.Objects), want)
		}
		for _, o := range append(st.Objects, st.Associations...) {
			if !o.Removed {
				t.Fatal("a removed object that does not say so")
			}
		}
	})
	if v := version(t, l, tenant, streamOf(p)); v != 3 {
		t.Fatalf("version %d", v)
	}
	conflict(t, l, "removed twice", removeAll(3, gone))
	conflict(t, l, "the same entryUUIDs", NewChange(again.Clone(), 3))
	again.Set.ID = metadata.NewUUID().ID()
	again.Folders[0].ID = metadata.NewUUID().ID()
	again.Associations = nil
	for _, d := range again.Entries {
		d.ID, d.Hash = metadata.NewUUID().ID(), "5d41402abc4b2a76b9719d911017c592ae8b1c2d"
	}
	appendAll(t, l, NewChange(again.Clone(), 3)) // the same uniqueIds, other bytes
	again.Set.ID = metadata.NewUUID().ID()
	conflict(t, l, "uniqueIds that are taken again", NewChange(again.Clone(), 4))
	var events []storage.Event
	for ev, err := range l.Events(context.Background(), tenant, streamOf(p), 3) {
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, ev)
	}
	if len(events) != 2 || events[0].Kind != storage.EventRemoved || len(events[0].Removed) != len(gone.Events[0].Added) {
		t.Fatalf("%d events, the first %v with %d removed", len(events), events[0].Kind, len(events[0].Removed))
	}
}

// removalAndReferences: nothing leads to what is removed, also when both are
// written at the same time.
func (e LogEngine) removalAndReferences(t *testing.T) {
	l, g := e.open(t), metadatatest.New(23)
	p, q := g.Patient(), g.Patient()
	gone := submission(g, p, 1, 0)
	d := entries(gone)[0]
	reference := submission(g, q, 1, 0)
	link := relate(&reference, metadata.HasMember, setOf(reference).ID, d.ID)
	appendAll(t, l, gone, reference)
	conflict(t, l, "referred to from another stream", removeAll(1, gone))
	unlink := happened(storage.EventRemoved)
	unlink.Removed = []metadata.ID{link.ID}
	if err := l.Append(context.Background(), tenant, []storage.Change{{Stream: reference.Stream, Expect: 1, Events: []storage.Event{unlink}}, removeAll(1, gone)}); err != nil {
		t.Fatalf("together with the reference: %v", err)
	}
	late := submission(g, q, 1, 2)
	relate(&late, metadata.HasMember, setOf(late).ID, d.ID)
	conflict(t, l, "a reference to what was removed", late)
	elsewhere := removeAll(2, gone)
	elsewhere.Stream = reference.Stream
	if err := l.Append(context.Background(), tenant, []storage.Change{elsewhere}); err == nil {
		t.Fatal("an object was removed in a stream that it is not of")
	}
	for range 20 {
		gone := submission(g, p, 1, version(t, l, tenant, streamOf(p)))
		appendAll(t, l, gone)
		d := entries(gone)[0].ID
		late := submission(g, q, 1, version(t, l, tenant, streamOf(q)))
		link := relate(&late, metadata.HasMember, setOf(late).ID, d)
		var won atomic.Int32
		var all sync.WaitGroup
		for _, c := range []storage.Change{removeAll(gone.Expect+1, gone), late} {
			all.Go(func() {
				switch err := l.Append(context.Background(), tenant, []storage.Change{c}); {
				case err == nil:
					won.Add(1)
				case !errors.Is(err, storage.ErrConflict):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of a removal and a reference to the removed went in", won.Load())
		}
		st := lookup(t, l, tenant, storage.Refs{IDs: []metadata.ID{d, link.ID}})
		if len(st.Objects) != 2 && len(st.Objects) != 0 {
			t.Fatal("a reference leads to nothing")
		}
	}
}

// unbind: an entry loses its document, also one that was removed.
func (e LogEngine) unbind(t *testing.T) {
	l, g := e.open(t), metadatatest.New(24)
	p := g.Patient()
	first, second := submission(g, p, 1, 0), submission(g, p, 1, 1)
	appendAll(t, l, first, second, removeAll(2, second))
	ev := happened(storage.EventDocumentsRemoved)
	for _, c := range []storage.Change{first, second} {
		ev.Touched = append(ev.Touched, storage.Touch{ID: entries(c)[0].ID, Unbind: true})
	}
	refs := storage.Refs{IDs: []metadata.ID{entries(first)[0].ID, entries(second)[0].ID}, WithRemoved: true}
	documentsOf := func() (keys []storage.DocumentKey) {
		for _, o := range lookup(t, l, tenant, refs).Objects {
			keys = append(keys, o.Document)
		}
		return keys
	}
	if got := documentsOf(); !slices.Equal(got, []storage.DocumentKey{"key-0", "key-0"}) {
		t.Fatalf("before: %q", got)
	}
	appendAll(t, l, storage.Change{Stream: first.Stream, Expect: 3, Events: []storage.Event{ev}})
	rebuilt(t, l, func() {
		t.Helper()
		if got := documentsOf(); !slices.Equal(got, []storage.DocumentKey{"", ""}) {
			t.Fatalf("after: %q", got)
		}
		found := find(t, l, tenant, streamOf(p), documents, access.Restriction{})
		if len(found) != 1 || found[0].Document != "" || found[0].Object.ObjectStatus() != metadata.Approved {
			t.Fatalf("the entry that stays: %+v", found)
		}
	})
}

// lifeCycle are changes other than submissions: a new version, a removal of
// everything that one submission added, a changed status, a removed document. Nil:
// there is nothing yet.
func (w *world) lifeCycle(of access.Tenant) []storage.Change {
	old := w.random(of)
	if old == nil || old.Removed && w.rng.IntN(4) > 0 {
		return nil
	}
	n := placeName{of, old.Stream}
	owner := w.model.survivor(of, old.Stream)
	c := storage.Change{Stream: owner, Expect: w.model.versions[placeName{of, owner}]}
	ev := happened(storage.EventUpdated)
	d, isEntry := old.Object.(*metadata.DocumentEntry)
	switch w.rng.IntN(4) {
	case 0:
		ev.Touched = []storage.Touch{{ID: old.Object.ObjectID(), Status: metadata.Status(1 + w.rng.IntN(2)), Succession: storage.Succession(w.rng.IntN(3))}}
		if _, ok := old.Object.(*metadata.SubmissionSet); ok {
			return nil
		}
	case 1:
		ev.Kind, ev.Touched = storage.EventDocumentsRemoved, []storage.Touch{{ID: old.Object.ObjectID(), Unbind: true}}
	case 2: // often refused: something else leads there
		ev.Kind = storage.EventRemoved
		for _, e := range w.model.events[n] {
			if slices.ContainsFunc(e.Added, func(a storage.Added) bool { return a.Object.ObjectID() == old.Object.ObjectID() }) {
				for _, a := range e.Added {
					ev.Removed = append(ev.Removed, a.Object.ObjectID())
				}
			}
		}
	case 3:
		if !isEntry || old.Removed {
			return nil
		}
		for _, p := range w.patients {
			if streamOf(p) == owner {
				c, _ = revise(w.gen, p, d, c.Expect)
			}
		}
		return []storage.Change{c}
	}
	c.Events = []storage.Event{ev}
	return []storage.Change{c}
}

package storagetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

func conflict(t testing.TB, l storage.Log, what string, changes ...storage.Change) {
	t.Helper()
	if err := l.Append(context.Background(), tenant, changes); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("%s: %v, want a conflict", what, err)
	}
}

// versions: Append needs the exact version; each change makes the next one.
func (e LogEngine) versions(t *testing.T) {
	l, g := e.open(t), metadatatest.New(1)
	p := g.Patient()
	if v := version(t, l, tenant, streamOf(p)); v != 0 {
		t.Fatalf("version %d of an unknown stream", v)
	}
	conflict(t, l, "ahead", submission(g, p, 1, 1))
	for v := range storage.Version(3) {
		appendAll(t, l, submission(g, p, 1, v))
		if got := version(t, l, tenant, streamOf(p)); got != v+1 {
			t.Fatalf("version %d, want %d", got, v+1)
		}
		conflict(t, l, "behind", submission(g, p, 1, v))
		conflict(t, l, "ahead", submission(g, p, 1, v+2))
	}
	// Two changes of one stream in one Append, also of a new one.
	q := g.Patient()
	both := func(p metadatatest.Patient, v storage.Version) []storage.Change {
		return []storage.Change{submission(g, p, 1, v), submission(g, p, 1, v+1)}
	}
	for _, c := range [][]storage.Change{both(p, 3), both(q, 0)} {
		if err := l.Append(context.Background(), tenant, c); err != nil {
			t.Fatal(err)
		}
	}
	if v, w := version(t, l, tenant, streamOf(p)), version(t, l, tenant, streamOf(q)); v != 5 || w != 2 {
		t.Fatalf("versions %d and %d, want 5 and 2", v, w)
	}
	conflict(t, l, "twice the same", submission(g, p, 1, 5), submission(g, p, 1, 5))
	r := g.Patient()
	conflict(t, l, "twice the same, new", submission(g, r, 1, 0), submission(g, r, 1, 0))
	if v := version(t, l, tenant, streamOf(r)); v != 0 {
		t.Fatalf("version %d after a conflict", v)
	}
	if err := l.Append(context.Background(), tenant, nil); err != nil {
		t.Fatalf("nothing to append: %v", err)
	}
}

// guards: a change without events holds that a stream is at a version, and leaves
// it there.
func (e LogEngine) guards(t *testing.T) {
	l, g := e.open(t), metadatatest.New(7)
	p, q := g.Patient(), g.Patient()
	guard := func(p metadatatest.Patient, v storage.Version) storage.Change {
		return storage.Change{Stream: streamOf(p), Expect: v}
	}
	together := func(changes ...storage.Change) {
		t.Helper()
		if err := l.Append(context.Background(), tenant, changes); err != nil {
			t.Fatal(err)
		}
	}
	together(guard(q, 0))
	together(guard(q, 0), submission(g, p, 1, 0))
	conflict(t, l, "nothing is there", guard(q, 1), submission(g, p, 1, 1))
	together(submission(g, q, 1, 0), guard(q, 0))
	conflict(t, l, "something came", submission(g, p, 1, 1), guard(q, 0))
	conflict(t, l, "it has not come", submission(g, p, 1, 1), guard(q, 2))
	together(submission(g, p, 1, 1), guard(q, 1))
	together(guard(q, 1))
	if v, w := version(t, l, tenant, streamOf(p)), version(t, l, tenant, streamOf(q)); v != 2 || w != 1 {
		t.Fatalf("versions %d and %d, want 2 and 1", v, w)
	}
	// Of two that guard each other's stream and append to their own, one is first.
	for round := range storage.Version(20) {
		changes := [2][]storage.Change{
			{submission(g, p, 1, 2+round), guard(q, 1)},
			{submission(g, q, 1, 1), guard(p, 2+round)},
		}
		var done [2]error
		var wg sync.WaitGroup
		for i := range changes {
			wg.Go(func() { done[i] = l.Append(context.Background(), tenant, changes[i]) })
		}
		wg.Wait()
		if (done[0] == nil) == (done[1] == nil) {
			t.Fatalf("round %d: %v and %v", round, done[0], done[1])
		}
		if done[1] == nil {
			return
		}
	}
}

// claims: exclusive and shared, in the log and inside one Append, in the order
// that storage.Claim tells.
func (e LogEngine) claims(t *testing.T) {
	g := metadatatest.New(2)
	claim := func(exclusive bool, value string) storage.Claim {
		return storage.Claim{ID: "1.2.3.4", Exclusive: exclusive, Value: value}
	}
	cases := []struct {
		name         string
		held, wanted storage.Claim
		ok           bool
	}{
		{"exclusive after exclusive", claim(true, ""), claim(true, ""), false},
		{"exclusive after shared", claim(false, "a 1"), claim(true, ""), false},
		{"shared after exclusive", claim(true, ""), claim(false, "a 1"), true},
		{"shared, same value", claim(false, "a 1"), claim(false, "a 1"), true},
		{"shared, other value", claim(false, "a 1"), claim(false, "a 2"), false},
		{"shared, held is unknown", claim(false, ""), claim(false, "a 2"), true},
		{"shared, wanted is unknown", claim(false, "a 1"), claim(false, ""), true},
		{"shared, the same word", claim(false, "on-demand"), claim(false, "on-demand"), true},
		{"shared, a word and bytes", claim(false, "on-demand"), claim(false, "a 1"), false},
		{"shared, bytes and a word", claim(false, "a 1"), claim(false, "on-demand"), false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, together := range []bool{false, true} {
				l := e.open(t)
				a, b := submission(g, g.Patient(), 1, 0), submission(g, g.Patient(), 1, 0)
				a.Claims, b.Claims = append(a.Claims, c.held), append(b.Claims, c.wanted)
				var err error
				if together {
					err = l.Append(context.Background(), tenant, []storage.Change{a, b})
				} else {
					appendAll(t, l, a)
					err = l.Append(context.Background(), tenant, []storage.Change{b})
				}
				if c.ok && err != nil || !c.ok && !errors.Is(err, storage.ErrConflict) {
					t.Fatalf("together %v: %v", together, err)
				}
				// Another tenant has claims of its own.
				if err := l.Append(context.Background(), "other", []storage.Change{b}); err != nil {
					t.Fatalf("other tenant: %v", err)
				}
			}
		})
	}
}

// allOrNone: a refused change takes all others of the Append with it.
func (e LogEngine) allOrNone(t *testing.T) {
	l, g := e.open(t), metadatatest.New(3)
	p, q := g.Patient(), g.Patient()
	first := submission(g, p, 1, 0)
	appendAll(t, l, first)
	good := submission(g, q, 2, 0)
	for what, bad := range map[string]storage.Change{
		"version": submission(g, p, 1, 0),
		"claim":   func() storage.Change { c := submission(g, p, 1, 1); c.Claims[0].ID = first.Claims[0].ID; return c }(),
	} {
		conflict(t, l, what, good, bad)
		conflict(t, l, what, bad, good)
	}
	lost := submission(g, p, 1, 1)
	lost.Events[0].Touched = []storage.Touch{{ID: metadata.NewUUID().ID(), Status: metadata.Deprecated}}
	if err := l.Append(context.Background(), tenant, []storage.Change{good, lost}); err == nil {
		t.Fatal("touching what is not there")
	}
	missing := submission(g, p, 1, 1)
	missing.Events[0].Added = append(missing.Events[0].Added, storage.Added{})
	if err := l.Append(context.Background(), tenant, []storage.Change{good, missing}); err == nil {
		t.Fatal("an Added without object")
	}
	if found := find(t, l, tenant, streamOf(q), everything, access.Restriction{}); len(found) > 0 {
		t.Fatalf("%d objects of a refused Append", len(found))
	}
	if st := lookup(t, l, tenant, refsOf(good)); len(st.Objects)+len(st.Associations) > 0 {
		t.Fatal("ids of a refused Append are found")
	}
	if err := l.Append(context.Background(), tenant, []storage.Change{good, submission(g, p, 1, 1)}); err != nil {
		t.Fatal(err)
	}
}

// overlay: later changes of the same and of other streams show everywhere, and
// filters see them.
func (e LogEngine) overlay(t *testing.T) {
	l, g := e.open(t), metadatatest.New(4)
	p, q := g.Patient(), g.Patient()
	sub := g.Metadata(p, 3)
	metadatatest.AddFolder(sub, g.Folder(p, "mappe"))
	first := NewChange(sub, 0)
	appendAll(t, l, first)
	docs, folder := entries(first), sub.Folders[0].ID
	second := submission(g, p, 1, 1)
	second.Events[0].Touched = []storage.Touch{{ID: docs[0].ID, Status: metadata.Deprecated}, {ID: folder, LastUpdateTime: "20260401120000"}}
	other := submission(g, q, 1, 0)
	other.Events[0].Touched = []storage.Touch{{ID: docs[1].ID, Status: metadata.Deprecated}}
	appendAll(t, l, second, other)
	third := submission(g, p, 1, 2)
	third.Events[0].Touched = []storage.Touch{{ID: folder, LastUpdateTime: "20260501120000"}, {ID: folder, Status: metadata.Deprecated}, {ID: docs[1].ID, Status: metadata.Approved}, {ID: docs[1].ID, Status: metadata.Deprecated}}
	appendAll(t, l, third)

	check := func() {
		t.Helper()
		got := ids(find(t, l, tenant, streamOf(p), documents, access.Restriction{}))
		if want := []metadata.ID{docs[2].ID, entries(second)[0].ID, entries(third)[0].ID}; !slices.Equal(got, want) {
			t.Fatalf("approved: %v, want %v", got, want)
		}
		st := lookup(t, l, tenant, storage.Refs{IDs: []metadata.ID{docs[0].ID, docs[1].ID, docs[2].ID, folder}})
		status := map[metadata.ID]metadata.Status{}
		for _, o := range st.Objects {
			status[o.Object.ObjectID()] = o.Object.ObjectStatus()
			if f, ok := o.Object.(*metadata.Folder); ok && f.LastUpdateTime != "20260501120000" {
				t.Fatalf("lastUpdateTime %s", f.LastUpdateTime)
			}
		}
		if want := map[metadata.ID]metadata.Status{docs[0].ID: metadata.Deprecated, docs[1].ID: metadata.Deprecated, docs[2].ID: metadata.Approved, folder: metadata.Deprecated}; !gocmp.Equal(status, want) {
			t.Fatalf("%v, want %v", status, want)
		}
		f := storage.Filter{Folders: &metadata.FolderFilter{LastUpdate: metadata.TimeRange{From: "20260501"}}}
		if got := find(t, l, tenant, streamOf(p), f, access.Restriction{}); len(got) != 1 {
			t.Fatalf("%d folders updated in May", len(got))
		}
	}
	check()
	if err := l.Rebuild(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	check()
}

// associations are found from both ends: in their own submission, in later ones,
// in other streams, and when an end is nowhere.
func (e LogEngine) associations(t *testing.T) {
	l, g := e.open(t), metadatatest.New(5)
	p, q := g.Patient(), g.Patient()
	first := submission(g, p, 2, 0)
	docs, set := entries(first), first.Events[0].Added[0].Object.ObjectID()
	second := submission(g, p, 1, 1)
	replaces := relate(&second, metadata.Replaces, entries(second)[0].ID, docs[0].ID)
	third := submission(g, q, 1, 0)
	reference := relate(&third, metadata.HasMember, third.Events[0].Added[0].Object.ObjectID(), docs[0].ID)
	nowhere := metadata.NewUUID().ID()
	dangling := relate(&third, metadata.Appends, entries(third)[0].ID, nowhere)
	appendAll(t, l, first, second, third)

	// An association of an association, whose status changes later.
	fourth := submission(g, p, 1, 2)
	ofLink := relate(&fourth, metadata.HasMember, fourth.Events[0].Added[0].Object.ObjectID(), replaces.ID)
	fourth.Events[0].Touched = []storage.Touch{{ID: replaces.ID, Status: metadata.Deprecated}}
	appendAll(t, l, fourth)

	member := func(c storage.Change, id metadata.ID) metadata.ID {
		for _, a := range c.Events[0].Added {
			if x, ok := a.Object.(*metadata.Association); ok && x.Target == id && x.Membership == metadata.Original {
				return x.ID
			}
		}
		t.Fatal("no membership")
		return ""
	}
	check := func() {
		t.Helper()
		for _, c := range []struct {
			of   []metadata.ID
			want []metadata.ID
		}{
			{[]metadata.ID{docs[0].ID}, []metadata.ID{member(first, docs[0].ID), replaces.ID, reference.ID}},
			{[]metadata.ID{docs[1].ID}, []metadata.ID{member(first, docs[1].ID)}},
			{[]metadata.ID{set}, []metadata.ID{member(first, docs[0].ID), member(first, docs[1].ID)}},
			{[]metadata.ID{replaces.ID}, []metadata.ID{ofLink.ID}},
			{[]metadata.ID{nowhere}, []metadata.ID{dangling.ID}},
			{[]metadata.ID{docs[0].ID, set, docs[0].ID}, []metadata.ID{member(first, docs[0].ID), member(first, docs[1].ID), replaces.ID, reference.ID}},
			{[]metadata.ID{metadata.NewUUID().ID()}, nil},
		} {
			got := ids(lookup(t, l, tenant, storage.Refs{AssociationsOf: c.of}).Associations)
			slices.Sort(got)
			slices.Sort(c.want)
			if !slices.Equal(got, c.want) {
				t.Fatalf("associations of %v: %v, want %v", c.of, got, c.want)
			}
		}
		st := lookup(t, l, tenant, storage.Refs{IDs: []metadata.ID{replaces.ID}})
		if len(st.Objects) != 1 || st.Objects[0].Object.ObjectStatus() != metadata.Deprecated {
			t.Fatalf("an association by its id: %v", st.Objects)
		}
		if st := lookup(t, l, tenant, storage.Refs{AssociationsOf: []metadata.ID{entries(second)[0].ID}}); len(st.Associations) != 2 {
			t.Fatalf("%d associations of the new document", len(st.Associations))
		}
	}
	check()
	if err := l.Rebuild(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	check()
}

// order: Find yields objects as they were registered, stops when asked to, and
// keeps restricted entries back.
func (e LogEngine) order(t *testing.T) {
	l, g := e.open(t), metadatatest.New(6)
	p := g.Patient()
	var want, open []metadata.ID
	hidden := metadata.Code{Value: "V", Scheme: "2.16.840.1.113883.5.25"}
	for v := range storage.Version(5) {
		sub := g.Metadata(p, 2)
		sub.Entries[1].Confidential = append(sub.Entries[1].Confidential, hidden)
		c := NewChange(sub, v)
		for _, a := range c.Events[0].Added {
			want = append(want, a.Object.ObjectID())
		}
		open = append(open, sub.Entries[0].ID)
		appendAll(t, l, c)
	}
	if got := ids(find(t, l, tenant, streamOf(p), everything, access.Restriction{})); !slices.Equal(got, want) {
		t.Fatalf("order %v, want %v", got, want)
	}
	// The scheme's two forms are one.
	r := access.Restriction{WithoutCodes: []metadata.CodeRef{{Value: "V", Scheme: "urn:oid:2.16.840.1.113883.5.25"}}}
	if got := ids(find(t, l, tenant, streamOf(p), documents, r)); !slices.Equal(got, open) {
		t.Fatalf("restricted %v, want %v", got, open)
	}
	n := 0
	for range l.Find(context.Background(), tenant, streamOf(p), everything, access.Restriction{}) {
		if n++; n == 3 {
			break
		}
	}
	if n != 3 {
		t.Fatalf("%d objects after break", n)
	}
	if got := find(t, l, tenant, streamOf(g.Patient()), everything, access.Restriction{}); got != nil {
		t.Fatalf("an unknown stream yields %v", got)
	}
	if got := find(t, l, tenant, storage.Stream{Kind: storage.StreamUnknown, ID: streamOf(p).ID}, everything, access.Restriction{}); got != nil {
		t.Fatalf("a stream of another kind yields %v", got)
	}
}

// tenants see nothing of each other.
func (e LogEngine) tenants(t *testing.T) {
	l, g := e.open(t), metadatatest.New(7)
	p := g.Patient()
	c := submission(g, p, 1, 0)
	appendAll(t, l, c)
	if found := find(t, l, "other", streamOf(p), everything, access.Restriction{}); found != nil {
		t.Fatalf("another tenant finds %v", found)
	}
	if st := lookup(t, l, "other", refsOf(c)); len(st.Objects)+len(st.Associations) > 0 {
		t.Fatal("another tenant looks it up")
	}
	if v := version(t, l, "other", streamOf(p)); v != 0 {
		t.Fatalf("another tenant's version is %d", v)
	}
	if err := l.Append(context.Background(), "other", []storage.Change{c}); err != nil {
		t.Fatal(err)
	}
	touching := submission(g, g.Patient(), 1, 0)
	only := submission(g, p, 1, 1)
	appendAll(t, l, only)
	touching.Events[0].Touched = []storage.Touch{{ID: entries(only)[0].ID, Status: metadata.Deprecated}}
	if err := l.Append(context.Background(), "other", []storage.Change{touching}); err == nil {
		t.Fatal("a tenant touches another's object")
	}
}

// events come back as they were appended, from a version on.
func (e LogEngine) events(t *testing.T) {
	l, g := e.open(t), metadatatest.New(8)
	p := g.Patient()
	var all []storage.Event
	for v := range storage.Version(4) {
		c := submission(g, p, 1, v)
		c.Events = append(c.Events, storage.Event{Kind: storage.EventSubmitted, ID: metadata.NewUUID(), Time: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)})
		appendAll(t, l, c)
		all = append(all, c.Events...)
	}
	for from, want := range map[storage.Version][]storage.Event{0: all, 1: all, 3: all[4:], 4: all[6:], 5: nil} {
		var got []storage.Event
		for ev, err := range l.Events(context.Background(), tenant, streamOf(p), from) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ev)
		}
		if d := gocmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatalf("from %d: -want +got\n%s", from, d)
		}
	}
}

// owned: what a caller does with an object it was given changes nothing for
// others, and what it does after Append with what it gave neither.
func (e LogEngine) owned(t *testing.T) {
	l, g := e.open(t), metadatatest.New(9)
	p := g.Patient()
	c := submission(g, p, 1, 0)
	d := entries(c)[0]
	title := d.Title.String()
	appendAll(t, l, c)
	d.Title = metadata.NewText("changed")
	d.Authors[0].Person = "changed"
	for range 3 {
		for _, o := range append(find(t, l, tenant, streamOf(p), documents, access.Restriction{}), lookup(t, l, tenant, storage.Refs{IDs: []metadata.ID{d.ID}}).Objects...) {
			x := o.Object.(*metadata.DocumentEntry)
			if x.Title.String() != title || x.Authors[0].Person == "changed" || x.Home != "" {
				t.Fatal("a caller's change shows")
			}
			x.Title[0].Value, x.Home, x.Authors[0].Person = "changed", "changed", "changed"
			x.Confidential[0].Value = "changed"
		}
	}
}

// canceled: a context that has ended stops everything, and nothing is written.
func (e LogEngine) canceled(t *testing.T) {
	l, g := e.open(t), metadatatest.New(10)
	p := g.Patient()
	appendAll(t, l, submission(g, p, 1, 0))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ended := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Canceled {
			t.Errorf("%s: %v (%v)", what, err, fault.KindOf(err))
		}
	}
	ended("Append", l.Append(ctx, tenant, []storage.Change{submission(g, p, 1, 1)}))
	_, _, err := l.Load(ctx, tenant, streamOf(p), storage.Refs{})
	ended("Load", err)
	_, err = l.Lookup(ctx, tenant, storage.Refs{IDs: []metadata.ID{metadata.NewUUID().ID()}})
	ended("Lookup", err)
	for _, err := range l.Find(ctx, tenant, streamOf(p), everything, access.Restriction{}) {
		ended("Find", err)
	}
	for _, err := range l.Events(ctx, tenant, streamOf(p), 0) {
		ended("Events", err)
	}
	ended("Rebuild", l.Rebuild(ctx, nil))
	if v := version(t, l, tenant, streamOf(p)); v != 1 {
		t.Errorf("version %d after a canceled Append", v)
	}
	if n := len(find(t, l, tenant, streamOf(p), documents, access.Restriction{})); n != 1 {
		t.Errorf("%d documents after a canceled rebuild", n)
	}
	if err := l.Ready(context.Background()); err != nil {
		t.Errorf("Ready: %v", err)
	}
}

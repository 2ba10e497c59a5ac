package storagetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// model is what storage promises, in the plainest form.
type model struct {
	versions map[placeName]storage.Version
	events   map[placeName][]storage.Event
	objects  []*modelObject // as registered
	claims   map[access.Tenant]map[string][]modelClaim
	known    map[placeName]bool
	into     map[placeName]storage.Stream
}

// modelClaim is a claim and the objects of its change that have its uniqueId.
type modelClaim struct {
	storage.Claim
	holders []*modelObject
}

func (c modelClaim) released() bool {
	return len(c.holders) > 0 && !slices.ContainsFunc(c.holders, func(o *modelObject) bool { return !o.Removed })
}

type placeName struct {
	t access.Tenant
	s storage.Stream
}

type modelObject struct {
	t access.Tenant
	storage.Placed
}

func newModel() *model {
	return &model{
		versions: map[placeName]storage.Version{}, events: map[placeName][]storage.Event{},
		claims: map[access.Tenant]map[string][]modelClaim{}, known: map[placeName]bool{}, into: map[placeName]storage.Stream{},
	}
}

// survivor is the stream that one lives on in.
func (m *model) survivor(t access.Tenant, s storage.Stream) storage.Stream {
	for {
		next, ok := m.into[placeName{t, s}]
		if !ok {
			return s
		}
		s = next
	}
}

// placed is an object as it is found: of the patient who survives.
func (m *model) placed(o *modelObject) storage.Placed {
	p := o.Placed
	if p.Stream = m.survivor(o.t, o.Stream); p.Stream != o.Stream {
		id, _ := p.Stream.Patient()
		p.Object = metadata.CloneObject(p.Object)
		storage.ShowPatient(p.Object, id.CX())
	}
	return p
}

func (m *model) standing(t access.Tenant, s storage.Stream) storage.Standing {
	n := placeName{t, s}
	st := storage.Standing{Known: m.known[n]}
	if _, closed := m.into[n]; closed {
		st.Into = m.survivor(t, s)
	}
	return st
}

func (m *model) append(t access.Tenant, changes []storage.Change) error {
	versions, closing := map[placeName]storage.Version{}, map[placeName]bool{}
	for _, c := range changes {
		n := placeName{t, c.Stream}
		if m.versions[n]+versions[n] != c.Expect {
			return storage.ErrConflict
		}
		versions[n]++
		if _, closed := m.into[n]; closed || closing[n] {
			return storage.ErrConflict
		}
		closing[n] = c.Events[len(c.Events)-1].Kind == storage.EventMergedInto
		for _, want := range c.Claims {
			for _, held := range m.claims[t][want.ID] {
				if held.released() {
					continue
				}
				differ := want.Value != held.Value && want.Value != "" && held.Value != ""
				if want.Exclusive || !held.Exclusive && differ {
					return storage.ErrConflict
				}
			}
		}
	}
	if m.dangling(t, changes) {
		return storage.ErrConflict
	}
	for _, c := range changes {
		first := len(m.objects)
		n := placeName{t, c.Stream}
		m.versions[n]++
		m.events[n] = append(m.events[n], c.Events...)
		for _, ev := range c.Events {
			for _, a := range ev.Added {
				a.Object = metadata.CloneObject(a.Object)
				m.objects = append(m.objects, &modelObject{t, storage.Placed{Added: a, Stream: c.Stream}})
			}
		}
		for _, claim := range c.Claims {
			if m.claims[t] == nil {
				m.claims[t] = map[string][]modelClaim{}
			}
			held := modelClaim{Claim: claim}
			for _, o := range m.objects[first:] {
				if metadata.UniqueIDOf(o.Object) == claim.ID {
					held.holders = append(held.holders, o)
				}
			}
			m.claims[t][claim.ID] = append(m.claims[t][claim.ID], held)
		}
	}
	for _, c := range changes {
		for _, ev := range c.Events {
			for _, touch := range ev.Touched {
				m.touch(t, touch)
			}
			for _, id := range ev.Removed {
				m.object(t, id).Removed = true
			}
			n := placeName{t, c.Stream}
			m.known[n] = m.known[n] || ev.Kind == storage.EventPatientKnown
			if ev.Kind == storage.EventMergedInto {
				to, err := ev.Merged()
				if err != nil {
					return err
				}
				m.into[n] = to[0]
			}
		}
	}
	return nil
}

// dangling tells whether something would lead to what is removed.
func (m *model) dangling(t access.Tenant, changes []storage.Change) bool {
	going := map[metadata.ID]bool{}
	for _, c := range changes {
		for _, ev := range c.Events {
			for _, id := range ev.Removed {
				if m.object(t, id).Removed {
					return true
				}
				going[id] = true
			}
		}
	}
	gone := func(id metadata.ID) bool {
		o := m.object(t, id)
		return going[id] || o != nil && o.Removed
	}
	for _, c := range changes {
		for _, ev := range c.Events {
			for _, a := range ev.Added {
				if l, ok := a.Object.(*metadata.Association); ok && (gone(l.Source) || gone(l.Target)) {
					return true
				}
			}
		}
	}
	for _, o := range m.objects {
		l, ok := o.Object.(*metadata.Association)
		if ok && o.t == t && !o.Removed && !going[l.ID] && (going[l.Source] || going[l.Target]) {
			return true
		}
	}
	return false
}

func (m *model) object(t access.Tenant, id metadata.ID) *modelObject {
	for _, o := range m.objects {
		if o.t == t && o.Object.ObjectID() == id {
			return o
		}
	}
	return nil
}

func (m *model) touch(t access.Tenant, touch storage.Touch) {
	for _, o := range m.objects {
		if o.t != t || o.Object.ObjectID() != touch.ID {
			continue
		}
		if touch.Succession != storage.Unchanged {
			o.Superseded = touch.Succession == storage.Superseded
		}
		if touch.Unbind {
			o.Document = ""
		}
		switch x := o.Object.(type) {
		case *metadata.DocumentEntry:
			x.Status = cmp.Or(touch.Status, x.Status)
		case *metadata.Association:
			x.Status = cmp.Or(touch.Status, x.Status)
		case *metadata.Folder:
			x.Status = cmp.Or(touch.Status, x.Status)
			x.LastUpdateTime = max(x.LastUpdateTime, touch.LastUpdateTime) // and time goes forward
		}
	}
}

func (m *model) lookup(t access.Tenant, refs storage.Refs) (st storage.State) {
	for _, o := range m.objects {
		if o.t != t || o.Removed && !refs.WithRemoved {
			continue
		}
		if lid := metadata.LogicalIDOf(o.Object); lid != "" && slices.Contains(refs.LogicalIDs, lid) || slices.Contains(refs.IDs, o.Object.ObjectID()) || metadata.UniqueIDOf(o.Object) != "" && slices.Contains(refs.UniqueIDs, metadata.UniqueIDOf(o.Object)) {
			st.Objects = append(st.Objects, m.placed(o))
		}
		if a, ok := o.Object.(*metadata.Association); ok && (slices.Contains(refs.AssociationsOf, a.Source) || slices.Contains(refs.AssociationsOf, a.Target)) {
			st.Associations = append(st.Associations, m.placed(o))
		}
	}
	return st
}

func (m *model) find(t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) (list []storage.Placed) {
	for _, o := range m.objects {
		if o.t != t || m.survivor(t, o.Stream) != s || o.Removed {
			continue
		}
		ok := f.Associations
		switch x := o.Object.(type) {
		case *metadata.DocumentEntry:
			ok = f.Documents != nil && f.Documents.Match(x)
			for _, code := range x.Confidential {
				for _, hidden := range r.WithoutCodes {
					ok = ok && !code.Ref().Same(hidden)
				}
			}
		case *metadata.SubmissionSet:
			ok = f.SubmissionSets != nil && f.SubmissionSets.Match(x)
		case *metadata.Folder:
			ok = f.Folders != nil && f.Folders.Match(x)
		}
		if ok {
			list = append(list, m.placed(o))
		}
	}
	return list
}

// world drives an engine and the model side by side with random changes.
type world struct {
	rng      *rand.Rand
	gen      *metadatatest.Gen
	model    *model
	tenants  []access.Tenant
	patients []metadatatest.Patient
	clock    int
}

func (e LogEngine) model(t *testing.T) {
	for seed := range uint64(max(1, 4/slower)) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			dir := t.TempDir()
			l, done := e.Open(t, dir)
			w := &world{
				rng: rand.New(rand.NewPCG(seed, 1)), gen: metadatatest.New(seed), model: newModel(),
				tenants: []access.Tenant{"north", "south"},
			}
			for range 8 {
				w.patients = append(w.patients, w.gen.Patient())
			}
			for range 60 {
				w.step(t, l)
			}
			w.compare(t, l)
			if err := l.Rebuild(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			w.compare(t, l)
			for range 20 {
				w.step(t, l)
			}
			if err := done(); err != nil {
				t.Fatal(err)
			}
			l, done = e.Open(t, dir)
			w.compare(t, l)
			if err := done(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// step appends something random to both and compares a little.
func (w *world) step(t *testing.T, l LogIndex) {
	t.Helper()
	of := w.tenants[w.rng.IntN(len(w.tenants))]
	changes := []storage.Change{w.change(of)}
	if w.rng.IntN(12) == 0 {
		changes = w.identity(of)
	} else if w.rng.IntN(4) == 0 {
		if changes = w.lifeCycle(of); changes == nil {
			return
		}
	}
	if w.rng.IntN(5) == 0 {
		changes = append(changes, w.change(of))
		if len(changes) == 2 && changes[0].Stream == changes[1].Stream && w.rng.IntN(3) > 0 {
			changes[1].Expect++
		}
	}
	want := w.model.append(of, changes)
	if got := l.Append(context.Background(), of, changes); !errors.Is(got, want) {
		t.Fatalf("Append: %v, want %v", got, want)
	}
	for _, c := range changes {
		w.compareStanding(t, l, of, c.Stream)
	}
	refs := refsOf(changes...)
	if len(refs.IDs) == 0 {
		return
	}
	w.compareRefs(t, l, of, storage.Refs{IDs: refs.IDs[:1], UniqueIDs: refs.UniqueIDs[:1], AssociationsOf: refs.AssociationsOf[len(refs.AssociationsOf)-1:]})
	for _, c := range changes {
		w.compareFind(t, l, of, c.Stream, documents, access.Restriction{})
	}
}

// change is a random change: new documents, sometimes a folder, a replacement, a
// reference, an old uniqueId, a stale version.
func (w *world) change(of access.Tenant) storage.Change {
	p := w.patients[w.rng.IntN(len(w.patients))]
	sub := w.gen.Metadata(p, 1+w.rng.IntN(2))
	if w.rng.IntN(4) == 0 {
		metadatatest.AddFolder(sub, w.gen.Folder(p, "mappe"))
	}
	s := streamOf(p)
	expect := w.model.versions[placeName{of, s}]
	if w.rng.IntN(10) == 0 {
		expect += storage.Version(w.rng.IntN(3)) // stale or early
	}
	old := w.random(of)
	if old == nil {
		return NewChange(sub, expect)
	}
	d := sub.Entries[0]
	switch x := old.Object.(type) {
	case *metadata.DocumentEntry:
		switch w.rng.IntN(5) {
		case 0: // the same bytes again
			d.UniqueID, d.Hash, d.Size = x.UniqueID, x.Hash, x.Size
		case 1: // other bytes under its uniqueId
			d.UniqueID, d.Hash, d.Size = x.UniqueID, "5d41402abc4b2a76b9719d911017c592ae8b1c2d", metadata.Octets(1)
		case 2: // its entryUUID
			d.ID = x.ID
		}
	case *metadata.SubmissionSet:
		if w.rng.IntN(3) == 0 {
			sub.Set.UniqueID = x.UniqueID
		}
	}
	c := NewChange(sub, expect)
	w.clock++
	ev := &c.Events[0]
	switch x := old.Object.(type) {
	case *metadata.DocumentEntry:
		switch w.rng.IntN(3) {
		case 0:
			relate(&c, metadata.Replaces, d.ID, x.ID)
			ev.Touched = append(ev.Touched, storage.Touch{ID: x.ID, Status: metadata.Deprecated})
		case 1:
			relate(&c, metadata.HasMember, sub.Set.ID, x.ID).Membership = metadata.Reference
		}
	case *metadata.Folder:
		relate(&c, metadata.HasMember, x.ID, d.ID)
		ev.Touched = append(ev.Touched, storage.Touch{ID: x.ID, LastUpdateTime: metadata.DTM(fmt.Sprintf("2026040112%04d", w.clock))})
	}
	return c
}

// random is an object of the tenant, of any stream.
func (w *world) random(of access.Tenant) *modelObject {
	for range 20 {
		if n := len(w.model.objects); n > 0 {
			if o := w.model.objects[w.rng.IntN(n)]; o.t == of {
				return o
			}
		}
	}
	return nil
}

func (w *world) compareRefs(t *testing.T, l LogIndex, of access.Tenant, refs storage.Refs) {
	t.Helper()
	got, want := lookup(t, l, of, refs), w.model.lookup(of, refs)
	same(t, "objects", sorted(got.Objects), sorted(want.Objects))
	same(t, "associations", sorted(got.Associations), sorted(want.Associations))
}

// compare compares everything.
func (w *world) compare(t *testing.T, l LogIndex) {
	t.Helper()
	hidden := access.Restriction{WithoutCodes: []metadata.CodeRef{{Value: "N", Scheme: "urn:oid:2.16.840.1.113883.5.25"}}}
	for _, of := range w.tenants {
		for _, p := range w.patients {
			s := streamOf(p)
			if got, want := version(t, l, of, s), w.model.versions[placeName{of, s}]; got != want {
				t.Fatalf("version %d, want %d", got, want)
			}
			w.compareStanding(t, l, of, s)
			for _, f := range []storage.Filter{everything, documents, {Folders: &metadata.FolderFilter{}}, {Associations: true}, {}} {
				for _, r := range []access.Restriction{{}, hidden} {
					w.compareFind(t, l, of, s, f, r)
				}
			}
		}
		for _, f := range []storage.Filter{everything, documents} {
			var want []storage.Placed
			for _, p := range w.patients {
				want = append(want, w.model.find(of, streamOf(p), f, hidden)...)
			}
			same(t, "Scan", sorted(scan(t, l, of, f, hidden)), sorted(want))
		}
		var refs storage.Refs
		for _, o := range w.model.objects { // of both tenants: the other's are not found
			id := o.Object.ObjectID()
			refs.IDs, refs.AssociationsOf = append(refs.IDs, id), append(refs.AssociationsOf, id)
			one := storage.Refs{IDs: []metadata.ID{id}, AssociationsOf: []metadata.ID{id}, LogicalIDs: []metadata.ID{metadata.LogicalIDOf(o.Object)}}
			if u := metadata.UniqueIDOf(o.Object); u != "" {
				refs.UniqueIDs = append(refs.UniqueIDs, u)
				one.UniqueIDs = []string{u}
			}
			w.compareRefs(t, l, of, one)
			one.WithRemoved = true
			w.compareRefs(t, l, of, one)
		}
		w.compareRefs(t, l, of, refs)
	}
}

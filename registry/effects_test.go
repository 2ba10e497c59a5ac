package registry_test

import (
	"context"
	"reflect"
	"slices"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
	"samdok/storage"
)

// TestIDsAndStates: what is stored is complete (ITI TF-2 3.42.4.1.3.7).
func TestIDsAndStates(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	sub := w.with(w.entry(), w.entry())
	f := w.gen.Folder(w.patient, "f")
	f.LastUpdateTime = "19990101"
	metadatatest.AddFolder(sub, f)
	metadatatest.AddToFolder(sub, f.ID, sub.Entries[1].ID)
	metadatatest.Relate(sub, metadata.Appends, sub.Entries[0].ID, sub.Entries[1].ID).Documentation = &metadata.Code{
		Value: "c", Scheme: "1.2.3", Display: metadata.NewText("c"),
	}
	sub.Entries[0].EventCodes = []metadata.Code{{Value: "c", Scheme: "1.2.3", Display: metadata.NewText("c")}}
	sub.Entries[0].Status = metadata.Deprecated // a submitted status is ignored
	kept := sub.Entries[0].ID
	symbolic(sub)
	sub.Entries[0].ID, sub.Entries[0].LogicalID = kept, kept
	for _, a := range sub.Associations {
		if a.Source == "D0" {
			a.Source = kept
		}
		if a.Target == "D0" {
			a.Target = kept
		}
	}
	r, err := w.reg.Submit(context.Background(), tenant, registry.Submission{
		Submission: sub,
		Documents:  map[metadata.ID]storage.DocumentKey{kept: "k0", "D1": "k1"},
		Controller: func(o metadata.Object) string { return "org " + string(o.ObjectID()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.IDs[kept] != kept || r.IDs["D1"] == "" || r.IDs["D1"].IsSymbolic() || len(r.IDs) != len(m.order) {
		t.Fatalf("ids %v", r.IDs)
	}
	for _, id := range m.order {
		p := m.objects[id]
		if p.Controller != "org "+string(id) || p.Stream != storage.PatientStream(w.patient.ID()) {
			t.Errorf("%s is controlled by %q in %v", id, p.Controller, p.Stream)
		}
		if p.Object.ObjectStatus() != metadata.Approved {
			t.Errorf("%s is not Approved", id)
		}
		if a, ok := p.Object.(*metadata.Association); ok && (m.objects[a.Source].Object == nil || m.objects[a.Target].Object == nil) {
			t.Errorf("the association %s leads nowhere", id)
		}
		noZeroUUIDs(t, reflect.ValueOf(p.Object).Elem(), string(id))
	}
	e := m.objects[r.IDs["D1"]]
	if d := e.Object.(*metadata.DocumentEntry); d.LogicalID != d.ID || d.Version != 1 || e.Document != "k1" {
		t.Errorf("lid %s, version %d, key %s", d.LogicalID, d.Version, e.Document)
	}
	if m.objects[kept].Document != "k0" {
		t.Error("the key by UUID was lost")
	}
	if got := m.objects[r.IDs["F0"]].Object.(*metadata.Folder).LastUpdateTime; got != "20261102030405" {
		t.Errorf("lastUpdateTime %s", got)
	}
	if ev := m.events[e.Stream]; len(ev) != 1 || ev[0].ID.IsZero() || !ev[0].Time.Equal(w.now) || ev[0].Kind != storage.EventSubmitted {
		t.Errorf("events %+v", ev)
	}
}

// noZeroUUIDs looks for codes, authors and external identifiers without an id.
func noZeroUUIDs(t *testing.T, v reflect.Value, at string) {
	switch v.Kind() {
	case reflect.Array:
		if v.Type() == reflect.TypeFor[metadata.UUID]() && v.IsZero() {
			t.Errorf("%s has a zero UUID", at)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			noZeroUUIDs(t, v.Field(i), at+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		for i := range v.Len() {
			noZeroUUIDs(t, v.Index(i), at)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			noZeroUUIDs(t, v.Elem(), at)
		}
	}
}

// TestReplace: the old document and, through every step, what was made from it
// or appended to it are deprecated; signatures and snapshots are not; the new
// one joins every approved folder (ITI TF-2 3.42.4.1.3.5).
func TestReplace(t *testing.T) {
	for _, kind := range []metadata.AssociationType{metadata.Replaces, metadata.TransformReplaces} {
		m := newMemory()
		w := newWorld(t, m)
		old := w.registered()
		addendum := w.related(metadata.Appends, old.ID)
		transform := w.related(metadata.Transforms, old.ID)
		transformed := w.related(metadata.Transforms, addendum.ID)
		ofTransform := w.related(metadata.Transforms, transform.ID)
		signature := w.related(metadata.Signs, old.ID)
		bystander := w.registered()
		kept, closed := w.folder(old.ID, bystander.ID), w.folder(old.ID)
		m.objects[closed.ID].Object.(*metadata.Folder).Status = metadata.Deprecated
		untouched := w.folder(bystander.ID)
		before := untouched.LastUpdateTime

		w.now = w.now.Add(time.Hour)
		sub := w.with(w.entry())
		metadatatest.Relate(sub, kind, sub.Entries[0].ID, old.ID)
		n := len(m.order)
		w.must(sub)

		for _, e := range []*metadata.DocumentEntry{old, addendum, transform, transformed, ofTransform} {
			if w.status(e.ID) != metadata.Deprecated {
				t.Errorf("%s: %s is still Approved", kind, e.ID)
			}
		}
		for _, id := range []metadata.ID{signature.ID, bystander.ID, sub.Entries[0].ID} {
			if w.status(id) != metadata.Approved {
				t.Errorf("%s: %s was deprecated", kind, id)
			}
		}
		if got := w.get(kept.ID).(*metadata.Folder).LastUpdateTime; got != "20261102040405" {
			t.Errorf("lastUpdateTime of the folder is %s", got)
		}
		if got := w.get(untouched.ID).(*metadata.Folder).LastUpdateTime; got != before {
			t.Errorf("lastUpdateTime of another folder became %s", got)
		}
		// Set, entry, its membership, the relationship, and for one folder FD-DE and SS-HM.
		if got := len(m.order) - n; got != 6 {
			t.Errorf("%s: %d objects were added, want 6", kind, got)
		}
		w.wantMember(kept.ID, sub.Entries[0].ID, sub.Set.ID)
		w.wantMember(kept.ID, old.ID, "")
	}
}

// wantMember looks for FD-DE, and when set is given for the SS-HM to it.
func (w *world) wantMember(folder, document, set metadata.ID) {
	w.t.Helper()
	for _, a := range w.associationsOf(document) {
		if a.Type != metadata.HasMember || a.Source != folder {
			continue
		}
		if set == "" || slices.ContainsFunc(w.associationsOf(a.ID), func(h *metadata.Association) bool {
			return h.Type == metadata.HasMember && h.Source == set && h.Target == a.ID
		}) {
			return
		}
	}
	w.t.Errorf("folder %s does not hold %s as the set %s says", folder, document, set)
}

// TestOtherRelationshipsLeaveStatus: APND, XFRM and signs change nothing.
func TestOtherRelationshipsLeaveStatus(t *testing.T) {
	w := newWorld(t, newMemory())
	for _, kind := range []metadata.AssociationType{metadata.Appends, metadata.Transforms, metadata.Signs} {
		old := w.registered()
		w.folder(old.ID)
		e := w.related(kind, old.ID)
		if w.status(old.ID) != metadata.Approved {
			t.Errorf("%s deprecated its target", kind)
		}
		if n := len(w.associationsOf(e.ID)); n != 2 {
			t.Errorf("%s: the new document has %d associations, want its own two", kind, n)
		}
	}
}

// TestFolderTimes: each folder that receives a document, once, whoever has it.
func TestFolderTimes(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	f := w.folder()
	a, b := w.registered(), w.registered()
	w.now = w.now.Add(time.Minute)
	sub := w.set()
	metadatatest.AddToFolder(sub, f.ID, a.ID)
	metadatatest.AddToFolder(sub, f.ID, b.ID)
	w.must(sub)
	if got := w.get(f.ID).(*metadata.Folder).LastUpdateTime; got != "20261102030505" {
		t.Errorf("lastUpdateTime %s", got)
	}
	list := m.events[storage.PatientStream(w.patient.ID())]
	if touched := list[len(list)-1].Touched; len(touched) != 1 {
		t.Errorf("touched %v", touched)
	}
}

// TestReplaceInFolderOfSameSubmission: no membership is said twice, and none is
// forgotten.
func TestReplaceInFolderOfSameSubmission(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	old := w.registered()
	f := w.folder(old.ID)
	sub := w.with(w.entry())
	metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, old.ID)
	metadatatest.AddToFolder(sub, f.ID, sub.Entries[0].ID)
	n := len(m.order)
	w.must(sub)
	if got := len(m.order) - n; got != 6 {
		t.Errorf("%d objects were added, want 6", got)
	}

	old, g := w.registered(), w.gen.Folder(w.patient, "g")
	sub = w.with(w.entry())
	metadatatest.AddFolder(sub, g)
	metadatatest.AddToFolder(sub, g.ID, old.ID)
	metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, old.ID)
	w.must(sub)
	w.wantMember(g.ID, sub.Entries[0].ID, sub.Set.ID)
}

// TestLoads: a plain submission costs one Load; a replacement one per step.
func TestLoads(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	m.loads = 0
	old := w.registered()
	if m.loads != 1 {
		t.Errorf("a plain submission took %d loads", m.loads)
	}
	w.related(metadata.Appends, old.ID)
	w.folder(old.ID)
	m.loads = 0
	w.related(metadata.Replaces, old.ID)
	if m.loads != 2 {
		t.Errorf("a replacement took %d loads, want 2", m.loads)
	}
}

// TestLoadStartsAgain: another writer between two steps of a load.
func TestLoadStartsAgain(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	old := w.registered()
	addendum := w.related(metadata.Appends, old.ID)
	var second *metadata.DocumentEntry
	sub := w.with(w.entry())
	metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, old.ID)
	m.onLoad = func() {
		m.onLoad = func() { second = w.related(metadata.Appends, old.ID) }
	}
	w.must(sub)
	if second == nil || w.status(second.ID) != metadata.Deprecated || w.status(addendum.ID) != metadata.Deprecated {
		t.Fatal("an addendum that came in between was overlooked")
	}
}

package registry_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/profile"
	"samdok/registry"
	"samdok/storage"
)

var patientHistory = metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved, metadata.Deprecated}}

func (w *world) announce(p metadata.PatientID) error {
	return w.reg.Announce(context.Background(), tenant, p)
}

func (w *world) merge(survivor metadatatest.Patient, subsumed ...metadatatest.Patient) error {
	var ids []metadata.PatientID
	for _, p := range subsumed {
		ids = append(ids, p.ID())
	}
	return w.reg.Merge(context.Background(), tenant, ids, survivor.ID())
}

func (w *world) mustMerge(survivor metadatatest.Patient, subsumed ...metadatatest.Patient) {
	w.t.Helper()
	if err := w.merge(survivor, subsumed...); err != nil {
		w.t.Fatal(err, fault.ProblemsOf(err))
	}
}

// as lets f act for another patient.
func (w *world) as(p metadatatest.Patient, f func()) {
	own := w.patient
	w.patient = p
	defer func() { w.patient = own }()
	f()
}

// documentsOf are the ids that FindDocuments shows, all with the patient's own id.
func (w *world) documentsOf(p metadatatest.Patient) (ids []metadata.ID) {
	w.t.Helper()
	list, err := w.find(metadata.StoredQuery{Return: metadata.LeafClass, Query: &metadata.FindDocuments{Patient: p.CX(), Filter: patientHistory}}, access.Restriction{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, o := range list {
		if e := o.(*metadata.DocumentEntry); e.PatientID != p.CX() {
			w.t.Fatalf("patientId %q, want %q", e.PatientID, p.CX())
		}
		ids = append(ids, o.ObjectID())
	}
	slices.Sort(ids)
	return ids
}

func sortedIDs(ids ...metadata.ID) []metadata.ID { return slices.Sorted(slices.Values(ids)) }

// events counts those of a patient.
func (w *world) events(p metadatatest.Patient) (n int) {
	w.t.Helper()
	for _, err := range w.engine.Events(context.Background(), tenant, storage.PatientStream(p.ID()), 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		n++
	}
	return n
}

func TestKnownPatients(t *testing.T) { // rule 7
	m := newMemory()
	w := newWorld(t, m, func(o *registry.Options) { o.KnownPatients = true })
	_, err := w.submit(w.with(w.entry()))
	w.wantRefused(err, fault.UnknownPatientID)
	if got := fault.ProblemsOf(err)[0].Context; got != string(w.patient.CX()) {
		t.Errorf("context %q", got)
	}
	if err := w.reg.Revise(w.patient.ID()); err != nil { // A08 makes nobody known
		t.Fatal(err)
	}
	_, err = w.submit(w.with(w.entry()))
	w.wantRefused(err, fault.UnknownPatientID)
	for range 3 { // sent again and again
		if err := w.announce(w.patient.ID()); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.events(w.patient); n != 1 {
		t.Errorf("%d events of one that is known", n)
	}
	e := w.registered()
	w.as(w.other, func() {
		_, err := w.submit(w.with(w.entry()))
		w.wantRefused(err, fault.UnknownPatientID)
	})
	e.PatientID = w.other.CX()
	u := w.set()
	u.Set.PatientID = w.other.CX()
	addRevision(u, e, "1")
	_, err = w.reg.Update(context.Background(), tenant, registry.Update{Submission: registry.Submission{Submission: u}})
	if !slices.Contains(codes(err), fault.UnknownPatientID) {
		t.Errorf("an update for an unknown patient: %v", codes(err))
	}
	// Another patient is told by the feed while a submission is on its way.
	m.refuse = errors.New("the feed's disk is full")
	if err := w.announce(w.other.ID()); fault.KindOf(err) != fault.Internal {
		t.Errorf("error %v", err)
	}
}

func addRevision(sub *metadata.Submission, e *metadata.DocumentEntry, previous string) *metadata.DocumentEntry {
	e = e.Clone()
	e.ID = metadata.NewUUID().ID()
	sub.Entries = append(sub.Entries, e)
	sub.Associations = append(sub.Associations, &metadata.Association{
		ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: sub.Set.ID, Target: e.ID,
		Membership: metadata.Original, PreviousVersion: previous,
	})
	return e
}

// ITI TF-2 3.8.4.2.4 and 3.18.4.1.2.3.9, as the sheet of rules tells them.
func TestMergeShowsTheSurvivor(t *testing.T) {
	w := newWorld(t, newMemory())
	mine := w.registered()
	folder := w.folder(mine.ID)
	var theirs *metadata.DocumentEntry
	w.as(w.other, func() { theirs = w.registered() })
	w.mustMerge(w.other, w.patient)

	if got, want := w.documentsOf(w.other), sortedIDs(mine.ID, theirs.ID); !slices.Equal(got, want) {
		t.Fatalf("the survivor has %v, want %v", got, want)
	}
	if got := w.documentsOf(w.patient); len(got) > 0 {
		t.Fatalf("the subsumed id has %v", got)
	}
	all := []metadata.Status{metadata.Approved}
	for name, q := range map[string]metadata.Query{
		"FindSubmissionSets":   &metadata.FindSubmissionSets{Patient: w.other.CX(), Filter: metadata.SubmissionSetFilter{Status: all}},
		"FindFolders":          &metadata.FindFolders{Patient: w.other.CX(), Filter: metadata.FolderFilter{Status: all}},
		"GetAll":               &metadata.GetAll{Patient: w.other.CX(), DocumentStatus: all, SetStatus: all, FolderStatus: all},
		"GetDocuments":         &metadata.GetDocuments{Documents: metadata.Target{IDs: []metadata.ID{mine.ID, theirs.ID}}},
		"GetFolders":           &metadata.GetFolders{Folders: metadata.Target{UniqueIDs: []string{folder.UniqueID}}},
		"GetFolderAndContents": &metadata.GetFolderAndContents{Folder: metadata.Target{IDs: []metadata.ID{folder.ID}}},
		"GetSubmissionSets":    &metadata.GetSubmissionSets{IDs: []metadata.ID{mine.ID, theirs.ID}},
	} {
		list, err := w.find(metadata.StoredQuery{Return: metadata.LeafClass, Query: q}, access.Restriction{})
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %d objects, %v", name, len(list), err)
		}
		for _, o := range list {
			if cx := patientOf(o); cx != "" && cx != w.other.CX() {
				t.Errorf("%s shows %q", name, cx)
			}
			if e, ok := o.(*metadata.DocumentEntry); ok && e.ID == mine.ID && e.SourcePatientID != mine.SourcePatientID {
				t.Errorf("%s: sourcePatientId changed to %q", name, e.SourcePatientID)
			}
		}
	}
	found, err := w.reg.Documents(context.Background(), tenant, []string{mine.UniqueID})
	if err != nil || len(found) != 1 || patientOf(found[0].Object) != w.other.CX() || found[0].Stream != storage.PatientStream(w.other.ID()) {
		t.Fatalf("for retrieval: %v, %v", found, err)
	}
	for e := range w.engine.Events(context.Background(), tenant, storage.PatientStream(w.patient.ID()), 0) {
		for _, a := range e.Added {
			if cx := patientOf(a.Object); cx != "" && cx != w.patient.CX() {
				t.Errorf("stored with %q", cx)
			}
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

// After a merge the subsumed id is as one that nobody has.
func TestSubsumedIsUnknown(t *testing.T) {
	w := newWorld(t, newMemory())
	e := w.registered()
	w.mustMerge(w.other, w.patient)
	_, err := w.submit(w.with(w.entry()))
	w.wantRefused(err, fault.UnknownPatientID)
	if got := fault.ProblemsOf(err)[0].Context; got != string(w.patient.CX()) {
		t.Errorf("context %q", got)
	}
	u := w.set()
	addRevision(u, e, "1")
	_, err = w.reg.Update(context.Background(), tenant, registry.Update{Submission: registry.Submission{Submission: u}})
	if !slices.Contains(codes(err), fault.UnknownPatientID) {
		t.Errorf("an update in the name of the subsumed id: %v", codes(err))
	}
	if err := w.announce(w.patient.ID()); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the feed brings the subsumed id back: %v", err)
	}
}

// What belongs to both is one patient's: replacement, folder, addendum, reference,
// update and removal go across, and what hangs together is kept.
func TestMergedPatientsAreOne(t *testing.T) {
	w := newWorld(t, newMemory())
	mine, doomed := w.registered(), w.registered()
	folder := w.folder(mine.ID)
	w.mustMerge(w.other, w.patient)
	w.as(w.other, func() {
		late := w.related(metadata.Replaces, mine.ID)
		if got := w.status(mine.ID); got != metadata.Deprecated {
			t.Errorf("the replaced document is %v", got)
		}
		joined := false
		for _, a := range w.associationsOf(late.ID) {
			joined = joined || a.Source == folder.ID
		}
		if !joined {
			t.Error("the new document is not in the old one's folder")
		}
		w.related(metadata.Appends, late.ID)
		own := w.registered()
		sub := w.set()
		metadatatest.AddToFolder(sub, folder.ID, own.ID)
		w.must(sub)

		// A new version of the other's document, named as it is shown.
		shown := w.get(doomed.ID).(*metadata.DocumentEntry)
		u := w.set()
		next := addRevision(u, shown, "1")
		next.Title = metadata.NewText("rettet")
		if _, err := w.reg.Update(context.Background(), tenant, registry.Update{Submission: registry.Submission{Submission: u}, Restricted: true}); err != nil {
			t.Fatal(fault.ProblemsOf(err))
		}
		if got := w.status(doomed.ID); got != metadata.Deprecated {
			t.Errorf("the previous version is %v", got)
		}
		if n := len(w.documentsOf(w.other)); n != 5 { // the previous version is shown at level 2 only
			t.Errorf("%d documents", n)
		}
	})
	// Everything of the first submission goes.
	var ids []metadata.ID
	for _, o := range []metadata.ID{mine.ID, folder.ID} {
		for _, a := range w.associationsOf(o) {
			ids = append(ids, a.ID)
		}
	}
	if err := w.reg.Remove(context.Background(), tenant, append(ids, mine.ID, folder.ID), nil, nil); err == nil {
		t.Error("removed although a set would be left with nothing")
	} else if got := codes(err); slices.Contains(got, fault.RegistryError) {
		t.Errorf("%v: %v", got, fault.ProblemsOf(err))
	}
	held, err := w.reg.Unbind(context.Background(), tenant, "1.2.3.4", []string{mine.UniqueID}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range held {
		if p.Stream != storage.PatientStream(w.other.ID()) {
			t.Errorf("unbound in %v", p.Stream)
		}
	}
}

// A removal of what a subsumed patient had.
func TestRemoveAfterMerge(t *testing.T) {
	w := newWorld(t, newMemory())
	sub := w.with(w.entry())
	w.must(sub)
	ids := []metadata.ID{sub.Set.ID, sub.Entries[0].ID}
	for _, a := range sub.Associations {
		ids = append(ids, a.ID)
	}
	w.mustMerge(w.other, w.patient)
	if err := w.reg.Remove(context.Background(), tenant, ids, nil, nil); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	if got := w.documentsOf(w.other); len(got) > 0 {
		t.Errorf("%v is left", got)
	}
}

func TestMergeChains(t *testing.T) {
	w := newWorld(t, newMemory())
	a, b, c, d := w.patient, w.other, w.gen.Patient(), w.gen.Patient()
	var want []metadata.ID
	for _, p := range []metadatatest.Patient{a, b, c, d} {
		w.as(p, func() { want = append(want, w.registered().ID) })
	}
	w.mustMerge(b, a)
	w.mustMerge(c, b)
	w.mustMerge(c, b, a, d) // some are there already
	if got := w.documentsOf(c); !slices.Equal(got, sortedIDs(want...)) {
		t.Fatalf("%v, want %v", got, want)
	}
	before := []int{w.events(a), w.events(b), w.events(c), w.events(d)}
	w.mustMerge(c, d, a) // sent again
	for _, again := range []struct {
		name           string
		survivor, from metadatatest.Patient
		kind           fault.Kind
	}{
		{"a cycle", a, c, fault.Conflict},
		{"into a subsumed id", b, w.gen.Patient(), fault.Conflict},
		{"subsumed by another before", w.gen.Patient(), a, fault.Conflict},
		{"into itself", c, c, fault.Invalid},
	} {
		if err := w.merge(again.survivor, again.from); fault.KindOf(err) != again.kind || len(fault.ProblemsOf(err)) != 1 {
			t.Errorf("%s: %v", again.name, err)
		}
	}
	if err := w.merge(c); fault.KindOf(err) != fault.Invalid {
		t.Errorf("nobody to merge: %v", err)
	}
	if err := w.reg.Merge(context.Background(), tenant, []metadata.PatientID{{ID: "1", Authority: "here"}}, c.ID()); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an id that cannot be printed: %v", err)
	}
	if after := []int{w.events(a), w.events(b), w.events(c), w.events(d)}; !slices.Equal(before, after) {
		t.Errorf("events %v, before %v", after, before)
	}
}

// In a registry of known patients both ids of a merge are known ones.
func TestMergeOfUnknown(t *testing.T) {
	w := newWorld(t, newMemory(), func(o *registry.Options) { o.KnownPatients = true })
	if err := w.merge(w.other, w.patient); fault.KindOf(err) != fault.NotFound {
		t.Errorf("both unknown: %v", err)
	}
	if err := w.announce(w.other.ID()); err != nil {
		t.Fatal(err)
	}
	if err := w.merge(w.other, w.patient); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the subsumed is unknown: %v", err)
	}
	if err := w.announce(w.patient.ID()); err != nil {
		t.Fatal(err)
	}
	stranger := w.gen.Patient()
	if err := w.merge(stranger, w.patient); fault.KindOf(err) != fault.NotFound {
		t.Errorf("the survivor is unknown: %v", err)
	}
	if err := w.merge(w.other, w.patient, stranger); fault.KindOf(err) != fault.NotFound {
		t.Errorf("one of two is unknown: %v", err)
	}
	w.registered() // nothing was merged yet
	w.mustMerge(w.other, w.patient)
}

// A submission that was held against the registry before a merge is not written
// after it.
func TestSubmissionRacesWithMerge(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	old := w.registered()
	reached := 0
	m.onAppend = func() {
		reached++
		w.mustMerge(w.other, w.patient)
	}
	_, err := w.submit(w.with(w.entry()))
	w.wantRefused(err, fault.UnknownPatientID)
	third := w.gen.Patient()
	m.onAppend = func() {
		reached++
		w.mustMerge(third, w.other)
	}
	u := w.set()
	u.Set.PatientID = w.other.CX()
	addRevision(u, w.get(old.ID).(*metadata.DocumentEntry), "1")
	_, err = w.reg.Update(context.Background(), tenant, registry.Update{Submission: registry.Submission{Submission: u}})
	if !slices.Contains(codes(err), fault.UnknownPatientID) || reached != 2 {
		t.Errorf("an update that a merge overtook: %v, %d merges", codes(err), reached)
	}
	// A removal follows the document to where it is now.
	last := w.gen.Patient()
	m.onAppend = func() {
		reached++
		w.mustMerge(last, third)
	}
	ids := []metadata.ID{old.ID}
	for _, a := range w.associationsOf(old.ID) {
		ids = append(ids, a.ID, a.Source)
	}
	if err := w.reg.Remove(context.Background(), tenant, ids, nil, nil); err != nil || reached != 3 {
		t.Errorf("%v, %d merges", fault.ProblemsOf(err), reached)
	}
	// Two merges that exclude each other.
	p, q := w.gen.Patient(), w.gen.Patient()
	m.onAppend = func() { w.mustMerge(p, q) }
	if err := w.merge(q, p); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a cycle of two at a time: %v", err)
	}
}

// A lost reply is settled by looking.
func TestLostReplyOfMerge(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	m.lose = errors.New("the connection broke")
	w.mustMerge(w.other, w.patient)
	m.lose = nil
	w.mustMerge(w.other, w.patient)
}

// A number that cannot be anybody's is refused by its profile, in a submission and
// in a feed, and is not repeated.
func TestIdentityNumbersAreChecked(t *testing.T) {
	p, err := profile.Load("norway")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, newMemory(), func(o *registry.Options) { o.Profile = p })
	wrong := w.patient.ID()
	wrong.ID = wrong.ID[:10] + string('0'+(wrong.ID[10]-'0'+1)%10)
	sub := w.with(w.entry())
	sub.Set.PatientID, sub.Entries[0].PatientID = wrong.CX(), wrong.CX()
	_, err = w.submit(sub)
	w.wantRefused(err, fault.RegistryMetadataError)
	for name, err := range map[string]error{
		"submission": err,
		"feed":       w.announce(wrong),
		"change":     w.reg.Revise(wrong),
		"survivor":   w.reg.Merge(context.Background(), tenant, []metadata.PatientID{w.other.ID()}, wrong),
		"subsumed":   w.reg.Merge(context.Background(), tenant, []metadata.PatientID{wrong}, w.other.ID()),
	} {
		if fault.KindOf(err) != fault.Invalid || len(fault.ProblemsOf(err)) == 0 {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if text := err.Error() + fault.ProblemsOf(err)[0].Context; strings.Contains(text, wrong.ID) {
			t.Errorf("%s: the number is repeated: %s", name, text)
		}
	}
}

package registry_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
	"samdok/storage"
)

func (w *world) update(sub *metadata.Submission, restricted ...bool) (registry.Receipt, error) {
	return w.reg.Update(context.Background(), tenant, registry.Update{
		Submission: registry.Submission{Submission: sub}, Restricted: len(restricted) > 0,
	})
}

func (w *world) mustUpdate(sub *metadata.Submission) registry.Receipt {
	w.t.Helper()
	r, err := w.update(sub)
	if err != nil {
		w.t.Fatalf("refused: %v\n%v", err, fault.ProblemsOf(err))
	}
	return r
}

// revise adds a new version of a registered object to a submission.
func (w *world) revise(sub *metadata.Submission, id metadata.ID, change func(metadata.Object)) metadata.ID {
	w.t.Helper()
	o := metadata.CloneObject(w.get(id))
	next := metadata.NewUUID().ID()
	link := &metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: sub.Set.ID, Target: next}
	switch x := o.(type) {
	case *metadata.DocumentEntry:
		link.PreviousVersion, link.Membership = strconv.Itoa(x.Version), metadata.Original
		x.ID, x.Title = next, metadata.NewText("corrected")
		sub.Entries = append(sub.Entries, x)
	case *metadata.Folder:
		link.PreviousVersion = strconv.Itoa(x.Version)
		x.ID, x.Title = next, metadata.NewText("corrected")
		sub.Folders = append(sub.Folders, x)
	}
	if change != nil {
		change(o)
	}
	sub.Associations = append(sub.Associations, link)
	return next
}

// askFor adds an association from the set that asks for something.
func askFor(sub *metadata.Submission, t metadata.AssociationType, target metadata.ID, slots ...string) *metadata.Association {
	a := &metadata.Association{ID: metadata.NewUUID().ID(), Type: t, Source: sub.Set.ID, Target: target}
	if len(slots) == 2 {
		a.OriginalStatus, a.NewStatus = slots[0], slots[1]
	}
	sub.Associations = append(sub.Associations, a)
	return a
}

var approvedURN, deprecatedURN = metadata.Approved.URN(), metadata.Deprecated.URN()

// submitNew adds a new association and asks for it.
func submitNew(sub *metadata.Submission, t metadata.AssociationType, from, to metadata.ID) metadata.ID {
	a := &metadata.Association{ID: metadata.NewUUID().ID(), Type: t, Source: from, Target: to}
	sub.Associations = append(sub.Associations, a)
	askFor(sub, metadata.SubmitAssociation, a.ID)
	return a.ID
}

// placed is the present state of an object.
func (w *world) placed(id metadata.ID) storage.Placed {
	w.t.Helper()
	st, err := w.engine.Lookup(context.Background(), tenant, storage.Refs{IDs: []metadata.ID{id}})
	if err != nil || len(st.Objects) != 1 {
		w.t.Fatalf("Lookup(%s) = %d objects, %v", id, len(st.Objects), err)
	}
	return st.Objects[0]
}

// linked tells whether an approved association goes from one object to another.
func (w *world) linked(t metadata.AssociationType, from, to metadata.ID) bool {
	return slices.ContainsFunc(w.associationsOf(from), func(a *metadata.Association) bool {
		return a.Type == t && a.Source == from && a.Target == to && a.Status == metadata.Approved
	})
}

func onEngines(t *testing.T, f func(t *testing.T, w *world)) {
	t.Run("memory", func(t *testing.T) { f(t, newWorld(t, newMemory())) })
	t.Run("sqlite", func(t *testing.T) { f(t, newWorld(t, openSQLite(t))) })
}

// A new version takes the place of the previous one; what linked to that links to
// the new one too.
func TestNewVersion(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		old := w.registered()
		folder := w.folder(old.ID)
		addendum := w.related(metadata.Appends, old.ID)
		w.now = w.now.Add(3600e9)
		sub := w.set()
		next := w.revise(sub, old.ID, nil)
		r := w.mustUpdate(sub)
		if r.IDs[next] != next {
			t.Errorf("ids %v", r.IDs)
		}
		e := w.get(next).(*metadata.DocumentEntry)
		if e.Version != 2 || e.LogicalID != old.ID || e.Status != metadata.Approved || e.Title.String() != "corrected" {
			t.Errorf("new version %d of %s, %v", e.Version, e.LogicalID, e.Status)
		}
		if p := w.placed(old.ID); !p.Superseded || p.Object.ObjectStatus() != metadata.Deprecated || w.placed(next).Superseded {
			t.Error("the previous version is not superseded")
		}
		if !w.linked(metadata.HasMember, folder.ID, next) || !w.linked(metadata.Appends, addendum.ID, next) || !w.linked(metadata.HasMember, sub.Set.ID, next) {
			t.Error("the new version lacks associations of the previous one")
		}
		for _, a := range w.associationsOf(folder.ID) {
			if a.Target == next && !w.linked(metadata.HasMember, sub.Set.ID, a.ID) {
				t.Error("no submission set holds the new membership")
			}
		}
		if f := w.get(folder.ID).(*metadata.Folder); f.LastUpdateTime != metadata.FormatDTM(w.now) {
			t.Errorf("lastUpdateTime %s", f.LastUpdateTime)
		}
		if addendum := w.status(addendum.ID); addendum != metadata.Approved {
			t.Error("the addendum is deprecated")
		}
		w.levels(old.ID, next)
		third := w.set()
		last := w.revise(third, next, func(o metadata.Object) { o.(*metadata.DocumentEntry).Extra = nil })
		third.Associations[len(third.Associations)-1].Propagation = "no"
		w.mustUpdate(third)
		if w.linked(metadata.HasMember, folder.ID, last) {
			t.Error("AssociationPropagation no was not heeded")
		}
	})
}

// levels: $MetadataLevel 1 shows the newest version only, 2 all.
func (w *world) levels(old, next metadata.ID) {
	w.t.Helper()
	for level, want := range map[int][]metadata.ID{0: {next}, 1: {next}, 2: {old, next}} {
		for _, q := range []metadata.Query{
			&metadata.GetDocuments{Documents: metadata.Target{LogicalIDs: []metadata.ID{old}}},
			&metadata.GetDocuments{Documents: metadata.Target{IDs: []metadata.ID{old, next}}},
			&metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{w.get(next).(*metadata.DocumentEntry).UniqueID}}},
		} {
			list, err := w.find(metadata.StoredQuery{Query: q, Level: level}, access.Restriction{})
			if err != nil {
				w.t.Fatal(err)
			}
			var got []metadata.ID
			for _, o := range list {
				got = append(got, o.ObjectID())
			}
			if slices.Sort(got); !sameIDs(got, want) {
				w.t.Errorf("level %d, %T: %v, want %v", level, q, got, want)
			}
		}
		list, err := w.find(metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: allStatuses}}, Level: level}, access.Restriction{})
		if err != nil {
			w.t.Fatal(err)
		}
		if found := slices.ContainsFunc(list, func(o metadata.Object) bool { return o.ObjectID() == old }); found != (level == 2) {
			w.t.Errorf("level %d finds the old version: %v", level, found)
		}
	}
}

func sameIDs(a, b []metadata.ID) bool {
	b = slices.Sorted(slices.Values(b))
	return slices.Equal(slices.Sorted(slices.Values(a)), b)
}

func TestFolderVersionAndPlanTogether(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		doc, other := w.registered(), w.registered()
		folder := w.folder(doc.ID, other.ID)
		sub := w.set()
		f2 := w.revise(sub, folder.ID, nil)
		d2 := w.revise(sub, doc.ID, nil)
		w.mustUpdate(sub)
		if !w.linked(metadata.HasMember, f2, d2) || !w.linked(metadata.HasMember, f2, other.ID) {
			t.Error("the new folder lacks members")
		}
		if w.linked(metadata.HasMember, folder.ID, d2) || w.linked(metadata.HasMember, f2, doc.ID) {
			t.Error("old and new versions are mixed")
		}
		if p := w.placed(folder.ID); !p.Superseded || p.Object.ObjectStatus() != metadata.Deprecated {
			t.Error("the previous folder is not superseded")
		}
		mixed := w.set()
		w.revise(mixed, f2, nil)
		w.revise(mixed, d2, nil)
		mixed.Associations[len(mixed.Associations)-1].Propagation = "no"
		_, err := w.update(mixed)
		w.wantRefused(err, fault.MetadataUpdateError)
	})
}

func TestStatusAndAssociations(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		doc, other := w.registered(), w.registered()
		folder := w.folder(doc.ID)
		change := func(id metadata.ID, from, to string) error {
			sub := w.set()
			askFor(sub, metadata.UpdateStatus, id, from, to)
			_, err := w.update(sub)
			return err
		}
		if err := change(doc.ID, approvedURN, deprecatedURN); err != nil || w.status(doc.ID) != metadata.Deprecated {
			t.Fatalf("%v, %v", err, w.status(doc.ID))
		}
		w.wantRefused(change(doc.ID, approvedURN, deprecatedURN), fault.MetadataUpdateError)
		if err := change(doc.ID, deprecatedURN, approvedURN); err != nil || w.status(doc.ID) != metadata.Approved || w.placed(doc.ID).Superseded {
			t.Fatalf("%v, %v", err, w.status(doc.ID))
		}
		var member *metadata.Association
		for _, a := range w.associationsOf(folder.ID) {
			if a.Source == folder.ID {
				member = a
			}
		}
		if err := change(member.ID, approvedURN, deprecatedURN); err != nil || w.status(member.ID) != metadata.Deprecated {
			t.Fatalf("%v, %v", err, w.status(member.ID))
		}
		list, err := w.find(metadata.StoredQuery{Query: &metadata.GetFolderAndContents{Folder: metadata.Target{IDs: []metadata.ID{folder.ID}}}}, access.Restriction{})
		if err != nil || len(list) != 1 {
			t.Errorf("%d objects of a folder whose member was taken out: %v", len(list), err)
		}
		if err := change(member.ID, deprecatedURN, approvedURN); err != nil {
			t.Fatal(err)
		}
		for _, a := range w.associationsOf(doc.ID) {
			if a.Membership == metadata.Original {
				w.wantRefused(change(a.ID, approvedURN, deprecatedURN), fault.MetadataUpdateError)
			}
		}
		if err := change(folder.ID, approvedURN, deprecatedURN); err != nil || w.status(folder.ID) != metadata.Deprecated {
			t.Fatal(err)
		}
		sub := w.set()
		submitNew(sub, metadata.HasMember, folder.ID, other.ID)
		_, err = w.update(sub)
		w.wantRefused(err, fault.DeprecatedDocument)
		sub = w.set()
		id := submitNew(sub, metadata.Appends, other.ID, doc.ID)
		w.mustUpdate(sub)
		if !w.linked(metadata.Appends, other.ID, doc.ID) || !w.linked(metadata.HasMember, sub.Set.ID, id) {
			t.Error("the new association is not there, or no set holds it")
		}
		// A new version and its status at once, by either id.
		for _, byOld := range []bool{true, false} {
			d := w.registered()
			sub := w.set()
			next := w.revise(sub, d.ID, nil)
			target := next
			if byOld {
				target = d.ID
			}
			askFor(sub, metadata.UpdateStatus, target, approvedURN, deprecatedURN)
			w.mustUpdate(sub)
			if w.status(next) != metadata.Deprecated || w.placed(next).Superseded {
				t.Error("the new version's status did not change")
			}
		}
	})
}

// A correction of the patient: the new version goes to the other patient's stream,
// all or nothing.
func TestCorrectedPatient(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		doc := w.registered()
		w.folder(doc.ID)
		move := func(propagation string) (metadata.ID, error) {
			sub := w.gen.Submission(w.other)
			next := w.revise(sub, doc.ID, func(o metadata.Object) { o.(*metadata.DocumentEntry).PatientID = w.other.CX() })
			sub.Associations[len(sub.Associations)-1].Propagation = propagation
			_, err := w.update(sub)
			return next, err
		}
		_, err := move("yes")
		w.wantRefused(err, fault.PatientIDReconciliation)
		next, err := move("no")
		if err != nil {
			t.Fatal(fault.ProblemsOf(err))
		}
		if p := w.placed(next); p.Stream != storage.PatientStream(w.other.ID()) || p.Object.(*metadata.DocumentEntry).Version != 2 {
			t.Error("the new version is not the other patient's")
		}
		if p := w.placed(doc.ID); !p.Superseded || p.Stream != storage.PatientStream(w.patient.ID()) {
			t.Error("the old version is not superseded")
		}
	})
}

// The framework says UnresolvedReferenceException of an unknown logical id; those
// who expect what ITI-92 answers can have that.
func TestUnknownLogicalIDIsAChoice(t *testing.T) {
	for chosen, want := range map[fault.Code]fault.Code{
		"": fault.UnresolvedReference, fault.UnresolvedReference: fault.UnresolvedReference, fault.MetadataVersionError: fault.MetadataVersionError,
	} {
		w := newWorld(t, newMemory(), func(o *registry.Options) { o.UnknownLogicalID = chosen })
		doc, sub := w.registered(), w.set()
		w.revise(sub, doc.ID, func(o metadata.Object) { o.(*metadata.DocumentEntry).LogicalID = metadata.NewUUID().ID() })
		_, err := w.update(sub)
		w.wantRefused(err, want)
	}
}

// The error of a changed objectType has two names, and an entry of another community
// is nobody's here.
func TestRestrictedUpdateChoices(t *testing.T) {
	for chosen, want := range map[bool]fault.Code{false: fault.UnmodifiableMetadata, true: fault.ObjectTypeError} {
		w := newWorld(t, newMemory(), func(o *registry.Options) { o.ObjectTypeError = chosen })
		doc, sub := w.registered(), w.set()
		w.revise(sub, doc.ID, func(o metadata.Object) {
			e := o.(*metadata.DocumentEntry)
			e.Kind, e.Hash, e.Size, e.CreationTime = metadata.OnDemand, "", metadata.Size{}, ""
		})
		_, err := w.update(sub, true)
		w.wantRefused(err, want)
	}
	for home, want := range map[string]fault.Code{"urn:oid:1.2.3": "", "": "", "urn:oid:1.2.4": fault.UnknownCommunity} {
		w := newWorld(t, newMemory(), func(o *registry.Options) { o.Home = "urn:oid:1.2.3" })
		doc, sub := w.registered(), w.set()
		w.revise(sub, doc.ID, func(o metadata.Object) { o.(*metadata.DocumentEntry).Home = home })
		if want == "" {
			if _, err := w.update(sub, true); err != nil {
				t.Errorf("home %q: %v", home, fault.ProblemsOf(err))
			}
			continue
		}
		_, err := w.update(sub, true)
		w.wantRefused(err, want)
		sub = w.set()
		w.revise(sub, doc.ID, func(o metadata.Object) {
			o.(*metadata.DocumentEntry).Home, o.(*metadata.DocumentEntry).LogicalID = home, metadata.NewUUID().ID()
		})
		_, err = w.update(sub, true)
		w.wantRefused(err, want)
	}
}

// Every way to be wrong, with the code and the place that the standard wants.
func TestUpdateRefusals(t *testing.T) {
	type s = *metadata.Submission
	w := newWorld(t, newMemory())
	doc, folder := w.registered(), w.folder()
	old := w.registered()
	newest := w.set()
	w.revise(newest, old.ID, nil)
	w.mustUpdate(newest)
	entry := func(change func(*metadata.DocumentEntry)) func(s) metadata.ID {
		return func(sub s) metadata.ID {
			return w.revise(sub, doc.ID, func(o metadata.Object) { change(o.(*metadata.DocumentEntry)) })
		}
	}
	link := func(change func(*metadata.Association)) func(s) metadata.ID {
		return func(sub s) metadata.ID {
			id := w.revise(sub, doc.ID, nil)
			change(sub.Associations[len(sub.Associations)-1])
			return id
		}
	}
	status := func(id metadata.ID, from, to string) func(s) metadata.ID {
		return func(sub s) metadata.ID { return askFor(sub, metadata.UpdateStatus, id, from, to).ID }
	}
	for _, c := range []struct {
		name       string
		make       func(s) metadata.ID
		restricted bool
		want       fault.Code
	}{
		{"nothing asked for", func(sub s) metadata.ID { return sub.Set.ID }, false, fault.MetadataUpdateOperation},
		{"a first version", entry(func(e *metadata.DocumentEntry) { e.LogicalID = "" }), false, fault.InvalidRequest},
		{"unknown logical id", entry(func(e *metadata.DocumentEntry) { e.LogicalID = metadata.NewUUID().ID() }), false, fault.UnresolvedReference},
		{"unknown logical id, restricted", entry(func(e *metadata.DocumentEntry) { e.LogicalID = metadata.NewUUID().ID() }), true, fault.MetadataVersionError},
		{"another uniqueId", entry(func(e *metadata.DocumentEntry) { e.UniqueID += ".1" }), false, fault.MetadataIdentifierError},
		{"another type", entry(func(e *metadata.DocumentEntry) {
			e.Kind, e.Hash, e.Size, e.CreationTime = metadata.OnDemand, "", metadata.Size{}, ""
		}), true, fault.UnmodifiableMetadata},
		{"another hash", entry(func(e *metadata.DocumentEntry) { e.Hash = strings.Repeat("0", 40) }), false, fault.MetadataUpdateError},
		{"wrong previous version", link(func(a *metadata.Association) { a.PreviousVersion = "2" }), false, fault.MetadataVersionError},
		{"no previous version", link(func(a *metadata.Association) { a.PreviousVersion = "" }), false, fault.MetadataUpdateOperation},
		{"no previous version, restricted", link(func(a *metadata.Association) { a.PreviousVersion = "" }), true, fault.MetadataAnnotationError},
		{"previous version is no number", link(func(a *metadata.Association) { a.PreviousVersion = "1.0" }), false, fault.MetadataUpdateOperation},
		{"previous version is no number, restricted", link(func(a *metadata.Association) { a.PreviousVersion = "first" }), true, fault.MetadataAnnotationError},
		{"a first version of a folder, restricted", func(sub s) metadata.ID {
			return w.revise(sub, folder.ID, func(o metadata.Object) { o.(*metadata.Folder).LogicalID = "" })
		}, true, fault.InvalidRequest},
		{"strange propagation", link(func(a *metadata.Association) { a.Propagation = "maybe" }), false, fault.MetadataUpdateOperation},
		{"a required attribute lacks", entry(func(e *metadata.DocumentEntry) { e.MimeType = "" }), false, fault.RegistryMetadataError},
		{"another patient than the set", entry(func(e *metadata.DocumentEntry) { e.PatientID = w.other.CX() }), false, fault.PatientIDReconciliation},
		{"another patient, restricted", entry(func(e *metadata.DocumentEntry) { e.PatientID = w.other.CX() }), true, fault.PatientIDReconciliation},
		{"offline, restricted", entry(func(e *metadata.DocumentEntry) { e.Availability = metadata.AvailabilityOffline }), true, fault.UnmodifiableMetadata},
		{"repository, restricted", entry(func(e *metadata.DocumentEntry) { e.RepositoryID = "1.2.3.9" }), true, fault.UnmodifiableMetadata},
		{"source patient, restricted", entry(func(e *metadata.DocumentEntry) { e.SourcePatientID = w.other.CX() }), true, fault.UnmodifiableMetadata},
		{"status, restricted", entry(func(e *metadata.DocumentEntry) { e.Status = metadata.Deprecated }), true, fault.UnmodifiableMetadata},
		{"update of a status, restricted", status(doc.ID, approvedURN, deprecatedURN), true, fault.UnmodifiableMetadata},
		{"folder, restricted", func(sub s) metadata.ID { return w.revise(sub, folder.ID, nil) }, true, fault.UnmodifiableMetadata},
		{"the old version twice", func(sub s) metadata.ID { w.revise(sub, doc.ID, nil); return w.revise(sub, doc.ID, nil) }, false, fault.MetadataUpdateError},
		{"status of nothing", status(metadata.NewUUID().ID(), approvedURN, deprecatedURN), false, fault.UnresolvedReference},
		{"status of an old version", status(old.ID, deprecatedURN, approvedURN), false, fault.MetadataVersionError},
		{"status unknown", status(doc.ID, approvedURN, "urn:x"), false, fault.MetadataUpdateError},
		{"status missing", status(doc.ID, "", deprecatedURN), false, fault.MetadataUpdateOperation},
		{"status not the original one", status(doc.ID, deprecatedURN, approvedURN), false, fault.MetadataUpdateError},
		{"member that is registered", func(sub s) metadata.ID { return askFor(sub, metadata.HasMember, doc.ID).ID }, false, fault.MetadataUpdateOperation},
		{"association from nothing", func(sub s) metadata.ID {
			return submitNew(sub, metadata.Appends, metadata.NewUUID().ID(), doc.ID)
		}, false, fault.UnresolvedReference},
		{"association to itself", func(sub s) metadata.ID { return submitNew(sub, metadata.Appends, doc.ID, doc.ID) }, false, fault.MetadataUpdateError},
		{"association with an old version", func(sub s) metadata.ID { return submitNew(sub, metadata.Appends, old.ID, doc.ID) }, false, fault.DeprecatedDocument},
		{"association that nobody asks for", func(sub s) metadata.ID {
			w.revise(sub, doc.ID, nil)
			return metadatatest.Relate(sub, metadata.Appends, doc.ID, old.ID).ID
		}, false, fault.MetadataUpdateOperation},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			sub := w.set()
			id := c.make(sub)
			var restricted []bool
			if c.restricted {
				restricted = []bool{true}
			}
			_, err := w.update(sub, restricted...)
			w.wantRefused(err, c.want)
			for _, p := range fault.ProblemsOf(err) {
				if p.Location != string(id) {
					t.Errorf("location %q, want %q: %s", p.Location, id, p.Context)
				}
			}
		})
	}
	w.t = t
	if p := w.placed(doc.ID); p.Superseded || p.Object.ObjectStatus() != metadata.Approved {
		t.Error("a refused update left something behind")
	}
}

// What an Update Initiator may change is changed, and a repeated request is not
// carried out again.
func TestRestrictedUpdate(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		doc := w.registered()
		sub := w.set()
		next := w.revise(sub, doc.ID, func(o metadata.Object) {
			e := o.(*metadata.DocumentEntry)
			e.ClassCode, e.Language, e.Hash, e.Comments = metadata.Code{Value: "x", Scheme: "y"}, "nn-NO", strings.Repeat("0", 40), metadata.NewText("c")
		})
		again := sub.Clone()
		if _, err := w.update(sub, true); err != nil {
			t.Fatal(fault.ProblemsOf(err))
		}
		if e := w.get(next).(*metadata.DocumentEntry); e.Version != 2 || e.Language != "nn-NO" || e.Status != metadata.Approved {
			t.Errorf("%+v", e)
		}
		_, err := w.update(again, true)
		w.wantRefused(err, fault.DuplicateUniqueID)
	})
}

// everythingOf is a submission with all its associations, as ids to be removed.
func everythingOf(sub *metadata.Submission) []metadata.ID {
	ids := []metadata.ID{sub.Set.ID}
	for _, e := range sub.Entries {
		ids = append(ids, e.ID)
	}
	for _, f := range sub.Folders {
		ids = append(ids, f.ID)
	}
	for _, a := range sub.Associations {
		ids = append(ids, a.ID)
	}
	return ids
}

func (w *world) remove(ids ...metadata.ID) error {
	return w.reg.Remove(context.Background(), tenant, ids, nil, nil)
}

func TestRemove(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		sub := w.with(w.entry(), w.entry())
		again := sub.Clone()
		w.must(sub)
		entry, set := sub.Entries[0].ID, sub.Set.ID
		var link metadata.ID
		for _, a := range sub.Associations {
			if a.Target == entry {
				link = a.ID
			}
		}
		w.wantRefused(w.remove(metadata.NewUUID().ID()), fault.UnresolvedReference)
		w.wantRefused(w.remove(entry), fault.ReferencesExist)
		w.wantRefused(w.remove(link), fault.UnreferencedObject)
		w.wantRefused(w.remove(set), fault.ReferencesExist)
		w.wantRefused(w.remove(), fault.RegistryError)
		if err := w.remove(entry, link); err != nil {
			t.Fatal(fault.ProblemsOf(err))
		}
		rest := slices.DeleteFunc(everythingOf(sub), func(id metadata.ID) bool { return id == entry || id == link })
		w.wantRefused(w.remove(slices.DeleteFunc(slices.Clone(rest), func(id metadata.ID) bool { return id == set })...), fault.UnreferencedObject)
		if err := w.remove(rest...); err != nil {
			t.Fatal(fault.ProblemsOf(err))
		}
		list, err := w.find(metadata.StoredQuery{Level: 2, Query: &metadata.GetAll{Patient: w.patient.CX(), DocumentStatus: allStatuses, SetStatus: allStatuses, FolderStatus: allStatuses}}, access.Restriction{})
		if err != nil || len(list) != 0 {
			t.Fatalf("%d objects are left: %v", len(list), err)
		}
		w.wantRefused(w.remove(rest...), fault.UnresolvedReference)
		_, err = w.submit(again.Clone())
		w.wantRefused(err, fault.RegistryMetadataError) // an entryUUID names one object for ever
		w.must(symbolic(again))                         // the uniqueIds are free
	})
}

// Removing the newest version makes the one before the newest; its status stays.
func TestRemoveNewestVersion(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		doc := w.registered()
		sub := w.set()
		w.revise(sub, doc.ID, nil)
		w.mustUpdate(sub)
		if err := w.remove(everythingOf(sub)...); err != nil {
			t.Fatal(fault.ProblemsOf(err))
		}
		if p := w.placed(doc.ID); p.Superseded || p.Object.ObjectStatus() != metadata.Deprecated {
			t.Errorf("superseded %v, %v", p.Superseded, p.Object.ObjectStatus())
		}
		next := w.set()
		w.revise(next, doc.ID, nil)
		w.mustUpdate(next)
	})
}

// Objects of several patients are removed together or not at all.
func TestRemoveAcrossPatients(t *testing.T) {
	onEngines(t, func(t *testing.T, w *world) {
		doc := w.entry()
		own := w.with(doc)
		w.must(own)
		other := w.gen.Metadata(w.other, 1)
		metadatatest.AddReference(other, doc.ID)
		w.must(other)
		w.wantRefused(w.remove(everythingOf(own)...), fault.ReferencesExist)
		if err := w.remove(append(everythingOf(own), everythingOf(other)...)...); err != nil {
			t.Fatal(fault.ProblemsOf(err))
		}
		for _, id := range []metadata.ID{doc.ID, other.Set.ID} {
			st, err := w.engine.Lookup(context.Background(), tenant, storage.Refs{IDs: []metadata.ID{id}})
			if err != nil || len(st.Objects) != 0 {
				t.Errorf("%s is left: %v", id, err)
			}
		}
	})
}

package sharing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
)

// kindsOf counts objects by class.
func kindsOf(list []metadata.Object) (entries, sets, folders, associations int) {
	for _, o := range list {
		switch o.(type) {
		case *metadata.DocumentEntry:
			entries++
		case *metadata.SubmissionSet:
			sets++
		case *metadata.Folder:
			folders++
		case *metadata.Association:
			associations++
		}
	}
	return
}

// What leads to a hidden object is hidden with it.
func TestHiddenIsNotRevealed(t *testing.T) {
	w := newWorld(t)
	secret, open := w.document(), w.document()
	folder := w.gen.Folder(w.patient, "Mappe")
	sub := w.gen.Submission(w.patient, secret, open)
	metadatatest.AddFolder(sub, folder)
	metadatatest.AddToFolder(sub, folder.ID, secret.Entry.ID)
	metadatatest.AddToFolder(sub, folder.ID, open.Entry.ID)
	p, _ := message(sub, secret, open)
	if _, err := w.Provide(t.Context(), caller, p); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	alone := w.document()
	_, lonely := w.provided(alone)

	check := func(q metadata.Query, entries, sets, folders, associations, hidden int) {
		t.Helper()
		list, _ := w.found(q)
		e, s, f, a := kindsOf(list)
		if e != entries || s != sets || f != folders || a != associations {
			t.Errorf("%T: %d entries, %d sets, %d folders, %d associations; want %d %d %d %d", q, e, s, f, a, entries, sets, folders, associations)
		}
		if got := w.last(); got.Hidden != hidden || len(got.Items) != len(list) {
			t.Errorf("%T: %d hidden (want %d), %d items for %d objects", q, got.Hidden, hidden, len(got.Items), len(list))
		}
	}
	// SS1: 2 members, 1 folder, 2 FD-DE, 2 SS-HM: 7 associations. SS2: 1.
	check(w.all(), 3, 2, 1, 8, 0)
	w.policy.hide = func(i access.Item) bool {
		return i.UniqueID == secret.Entry.UniqueID || i.UniqueID == alone.Entry.UniqueID
	}
	// Hidden: both entries, SS2 (all its members are hidden), SS2-entry, SS1-secret, FD-secret and its SS-HM.
	check(w.all(), 1, 1, 1, 4, 7)
	// The ends are not in these answers and must be looked up.
	check(&metadata.GetAssociations{IDs: []metadata.ID{sub.Set.ID}}, 0, 0, 0, 3, 2)
	check(&metadata.GetAssociations{IDs: []metadata.ID{lonely.Set.ID}}, 0, 0, 0, 0, 1)
	approved := []metadata.Status{metadata.Approved}
	check(&metadata.FindSubmissionSets{Patient: w.patient.CX(), Filter: metadata.SubmissionSetFilter{Status: approved}}, 0, 1, 0, 0, 1)
	check(&metadata.FindDocuments{Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: approved}}, 1, 0, 0, 0, 2)
	check(&metadata.GetSubmissionSetAndContents{Set: metadata.Target{IDs: []metadata.ID{sub.Set.ID}}}, 1, 1, 1, 4, 4)

	// Hiding the folder hides the associations from, to and about it.
	w.policy.hide = func(i access.Item) bool { return i.Kind == access.ItemFolder }
	check(w.all(), 3, 2, 0, 3, 6)
}

// Answers of many batches come in order.
func TestFindInOrder(t *testing.T) {
	w := newWorld(t)
	sub := w.gen.Metadata(w.patient, 700)
	for _, e := range sub.Entries {
		e.RepositoryID = "1.2.3.4.5"
	}
	if _, err := w.Register(t.Context(), caller, sharing.Register{Submission: sub}); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	q := &metadata.FindDocuments{Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}
	list, _ := w.found(q)
	w.policy.hide = func(i access.Item) bool { return i.ID[len(i.ID)-1]%2 == 0 }
	some, _ := w.found(q)
	at := 0
	for _, o := range list {
		if at < len(some) && some[at].ObjectID() == o.ObjectID() {
			at++
		}
	}
	if len(list) != 700 || at != len(some) || len(some) == 0 || len(some) == 700 {
		t.Errorf("%d objects, %d shown, %d of them in order", len(list), len(some), at)
	}
	if e := w.last(); len(e.Items) != len(some) || e.Hidden != 700-len(some) {
		t.Errorf("%d items and %d hidden in the record", len(e.Items), e.Hidden)
	}
}

// What is found is shown when its record is durable, and what then cannot be shown, by
// an error or a panic, is recorded as aborted.
func TestShowFails(t *testing.T) {
	w := newWorld(t)
	w.provided(w.document())
	full := errors.New("spool is full")
	for name, fail := range map[string]func() error{"error": func() error { return full }, "panic": func() error { panic("13916900216") }} {
		t.Run(name, func(t *testing.T) {
			before := len(w.records.events)
			panicked, err := func() (panicked any, err error) {
				defer func() { panicked = recover() }()
				_, err = w.Find(t.Context(), caller, metadata.StoredQuery{Query: w.all()}, func(metadata.Object) error {
					if n := len(w.records.events) - before; n != 1 || w.last().Outcome != audit.Success || len(w.last().Items) == 0 {
						t.Errorf("%d records when the first object is shown: %+v", n, w.last())
					}
					return fail()
				})
				return nil, err
			}()
			if (panicked == nil) != errors.Is(err, full) {
				t.Error(err, panicked)
			}
			if n := len(w.records.events) - before; n != 2 || w.last().Outcome != audit.Aborted || len(w.last().Items) == 0 {
				t.Errorf("%d records: %+v", n, w.last())
			}
		})
	}
}

// What the plan forbids is never read.
func TestRestriction(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	w.policy.plan = func() (access.Plan, error) {
		var hide []metadata.CodeRef
		for _, c := range d.Entry.Confidential {
			hide = append(hide, c.Ref())
		}
		return access.Plan{Effect: access.Allow, Restriction: access.Restriction{WithoutCodes: hide}}, nil
	}
	w.policy.items = nil
	q := &metadata.FindDocuments{Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}
	if list, _ := w.found(q); len(list) != 0 || len(w.policy.items) != 0 {
		t.Errorf("%d shown, %d decided on", len(list), len(w.policy.items))
	}
}

func TestRetrieveProblems(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	id := d.Entry.UniqueID
	r, err := w.Retrieve(t.Context(), caller, []metadata.DocumentRequest{
		{RepositoryID: own, UniqueID: id},
		{RepositoryID: "1.9.9", UniqueID: id},
		{RepositoryID: own, UniqueID: "1.2.3"},
		{RepositoryID: own, UniqueID: id, Home: home},
		{RepositoryID: own, UniqueID: id, Home: "urn:oid:1.5"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []fault.Code{fault.UnknownRepositoryID, fault.DocumentUniqueIDError, fault.UnknownCommunity}
	if got := codesOf(r.Problems); !slices.Equal(got, want) {
		t.Errorf("problems %v, want %v", r.Problems, want)
	}
	for i, at := range []string{id, "1.2.3", id} {
		if r.Problems[i].Location != at {
			t.Errorf("location %q, want %q", r.Problems[i].Location, at)
		}
	}
	if len(r.Documents) != 2 || r.Documents[0].Request.Home != "" || r.Documents[1].Request.Home != home {
		t.Errorf("documents %+v", r.Documents)
	}
	for _, b := range w.read(r) { // the same document twice, each with its own reader
		if !bytes.Equal(b, d.Bytes) {
			t.Error("other bytes")
		}
	}
	if e := w.last(); e.Outcome != audit.Failed || e.Part != audit.PartThatDidNot || len(e.Items) != 0 || len(e.Codes) != 3 {
		t.Errorf("second record %+v", e)
	}
	if e := w.records.events[len(w.records.events)-2]; e.Outcome != audit.Success || e.Part != audit.PartThatWorked || len(e.Items) != 2 || len(e.Codes) != 0 {
		t.Errorf("first record %+v", e)
	}

	w.docs.fail = errEngine
	r, err = w.Retrieve(t.Context(), caller, ask(id))
	if err != nil || len(r.Problems) != 1 || r.Problems[0].Code != fault.RepositoryError || r.Problems[0].Location != id {
		t.Errorf("a broken store: %+v, %v", r, err)
	}
	if e := w.last(); e.Outcome != audit.Failed {
		t.Errorf("recorded as %v", e.Outcome)
	}
}

// Of several entries with one uniqueId a visible one is chosen, and a deprecated
// document stays retrievable.
func TestRetrieveChoosesVisible(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	first := d.Entry.ID
	again := w.document()
	again.Entry.UniqueID, again.Bytes = d.Entry.UniqueID, d.Bytes
	again.Entry.Hash, again.Entry.Size = "", metadata.Size{}
	again.Entry.MimeType = "application/x-second"
	s := w.gen.Submission(w.patient, again)
	metadatatest.Relate(s, metadata.Replaces, again.Entry.ID, first)
	p, _ := message(s, again)
	if _, err := w.Provide(t.Context(), caller, p); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	mime := func() string {
		t.Helper()
		r, err := w.Retrieve(t.Context(), caller, ask(d.Entry.UniqueID))
		if err != nil || len(r.Documents) != 1 {
			t.Fatal(err, r)
		}
		if got := w.read(r); !bytes.Equal(got[0], d.Bytes) {
			t.Error("other bytes")
		}
		return r.Documents[0].MimeType
	}
	if got := mime(); got != "application/x-second" {
		t.Errorf("the Approved entry is preferred, but the answer is %s", got)
	}
	// A third entry, Approved like the second: the one registered last counts. A
	// fourth has no bytes here and does not.
	third := w.gen.Document(w.patient, metadatatest.Kinds()[0])
	third.Entry.UniqueID, third.Bytes, third.Entry.MimeType = d.Entry.UniqueID, d.Bytes, "application/x-third"
	third.Entry.Hash, third.Entry.Size = "", metadata.Size{}
	w.provided(third)
	if got := mime(); got != "application/x-third" {
		t.Errorf("the entry registered last is preferred, but the answer is %s", got)
	}
	fourth := w.elsewhere()
	e := fourth.Entries[0]
	e.RepositoryID, e.UniqueID, e.Hash, e.Size = own, d.Entry.UniqueID, third.Entry.Hash, third.Entry.Size
	if _, err := w.Register(t.Context(), caller, sharing.Register{Submission: fourth}); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	if got := mime(); got != "application/x-third" {
		t.Errorf("an entry without bytes was chosen: %s", got)
	}
	w.policy.hide = func(i access.Item) bool { return i.ID != first }
	if got := mime(); got != d.Entry.MimeType {
		t.Errorf("only the deprecated entry is visible, but the answer is %s", got)
	}
}

// Metadata whose bytes are elsewhere leads to no document here.
func TestRetrieveHeldElsewhere(t *testing.T) {
	w := newWorld(t)
	s := w.elsewhere()
	s.Entries[0].RepositoryID = own // a lie: nothing was stored
	if _, err := w.Register(t.Context(), caller, sharing.Register{Submission: s}); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	r, err := w.Retrieve(t.Context(), caller, ask(s.Entries[0].UniqueID))
	if err != nil || len(r.Documents) != 0 || len(r.Problems) != 1 || r.Problems[0].Code != fault.DocumentUniqueIDError {
		t.Errorf("retrieved %+v, %v", r, err)
	}
}

// A result that cannot be recorded is released.
func TestRetrieveReleasesUnrecorded(t *testing.T) {
	w := newWorld(t)
	var docs []metadatatest.Document
	var ids []string
	for range 3 {
		d := w.document()
		docs, ids = append(docs, d), append(ids, d.Entry.UniqueID)
	}
	w.provided(docs...)
	before := len(w.records.events)
	w.records.err = errEngine
	r, err := w.Retrieve(context.Background(), caller, ask(ids...))
	if r != nil || fault.KindOf(err) != fault.Unavailable || w.docs.open != 0 || len(w.records.events) != before+1 {
		t.Errorf("%v, %v, %d open", r, err, w.docs.open)
	}
	w.wantCodes(err, fault.RepositoryBusy)
	if msg := fmt.Sprint(err); bytes.Contains([]byte(msg), []byte(w.patient.FNR)) {
		t.Error("the error names the patient")
	}
}

// A query about several patients is an action of its own, and names them all.
func TestFindAcross(t *testing.T) {
	w := newWorld(t)
	_, first := w.provided(w.document())
	other := w.gen.Patient()
	sub := w.elsewhere()
	if _, err := w.Register(t.Context(), caller, sharing.Register{Submission: sub}); err != nil {
		t.Fatal(err)
	}
	q := &metadata.FindDocumentsForMultiplePatients{Patients: []metadata.CX{w.patient.CX(), other.CX()},
		Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}
	list, _ := w.found(q)
	if len(list) < 1 {
		t.Fatalf("%d documents", len(list))
	}
	e := w.last()
	if e.Request.Action != access.ActionFindAcross || e.Request.Transaction != "ITI-51" || len(e.Request.Patients) != 2 || len(e.Items) != len(list) {
		t.Errorf("the record: %v %s, %d patients, %d items", e.Request.Action, e.Request.Transaction, len(e.Request.Patients), len(e.Items))
	}
	w.policy.hide = func(i access.Item) bool { return i.UniqueID == first.Entries[0].UniqueID }
	if some, _ := w.found(q); len(some) != len(list)-1 {
		t.Errorf("%d of %d documents are shown without the hidden one", len(some), len(list))
	}
}

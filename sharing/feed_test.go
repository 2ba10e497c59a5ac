package sharing_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/sharing"
)

func mergeOf(survivor metadata.PatientID, subsumed ...metadata.PatientID) sharing.PatientFeed {
	return sharing.PatientFeed{Transaction: "ITI-8", Kind: sharing.PatientsMerged, Patient: survivor, Subsumed: subsumed}
}

// Each message of a feed is one use with one record, also when it is refused.
func TestFeedIsRecorded(t *testing.T) {
	w := newWorld(t)
	a, b := w.patient.ID(), w.gen.Patient().ID()
	cases := []struct {
		name    string
		feed    sharing.PatientFeed
		action  access.Action
		iti     string
		outcome audit.Outcome
		kind    fault.Kind
	}{
		{"added", sharing.PatientFeed{Kind: sharing.PatientAdded, Patient: a}, access.ActionFeed, "ITI-44", audit.Success, 0},
		{"revised", sharing.PatientFeed{Kind: sharing.PatientRevised, Patient: a, Transaction: "ITI-8"}, access.ActionFeed, "ITI-8", audit.Success, 0},
		{"merged", mergeOf(b, a), access.ActionMerge, "ITI-8", audit.Success, 0},
		{"merged again", mergeOf(b, a), access.ActionMerge, "ITI-8", audit.Success, 0},
		{"back", mergeOf(a, b), access.ActionMerge, "ITI-8", audit.Failed, fault.Conflict},
		{"added again", sharing.PatientFeed{Kind: sharing.PatientAdded, Patient: a}, access.ActionFeed, "ITI-44", audit.Failed, fault.Conflict},
		{"of no kind", sharing.PatientFeed{Patient: a}, access.ActionFeed, "ITI-44", audit.Failed, fault.Invalid},
		{"added and merged", sharing.PatientFeed{Kind: sharing.PatientAdded, Patient: b, Subsumed: []metadata.PatientID{a}}, access.ActionFeed, "ITI-44", audit.Failed, fault.Invalid},
		{"merged with nobody", mergeOf(b), access.ActionMerge, "ITI-8", audit.Failed, fault.Invalid},
	}
	for _, c := range cases {
		w.policy.plans, w.records.events = 0, nil
		err := w.Feed(t.Context(), caller, c.feed)
		if (err == nil) != (c.outcome == audit.Success) || err != nil && fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", c.name, err)
		}
		if w.policy.plans != 1 || len(w.records.events) != 1 {
			t.Fatalf("%s: %d plans, %d records", c.name, w.policy.plans, len(w.records.events))
		}
		e := w.last()
		if e.Outcome != c.outcome || e.Request.Action != c.action || e.Request.Transaction != c.iti {
			t.Errorf("%s: recorded %v of %v %s", c.name, e.Outcome, e.Request.Action, e.Request.Transaction)
		}
		var patients []metadata.PatientID
		for _, i := range e.Items {
			if i.Kind != access.ItemPatient {
				t.Errorf("%s: an item %v", c.name, i.Kind)
			}
			patients = append(patients, i.Patient)
		}
		if want := append([]metadata.PatientID{c.feed.Patient}, c.feed.Subsumed...); !slices.Equal(patients, want) || !slices.Equal(e.Request.Patients, want) {
			t.Errorf("%s: recorded patients %v and %v, want %v", c.name, patients, e.Request.Patients, want)
		}
	}
}

// Who may not touch one of the patients merges none of them.
func TestMergeIsDecidedOnBoth(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	a, b := w.patient.ID(), w.gen.Patient().ID()
	for _, forbidden := range []metadata.PatientID{a, b} {
		w.policy.hide = func(i access.Item) bool { return i.Kind == access.ItemPatient && i.Patient == forbidden }
		if err := w.Feed(t.Context(), caller, mergeOf(b, a)); fault.KindOf(err) != fault.Denied || w.last().Outcome != audit.Denied {
			t.Errorf("%v, recorded as %v", err, w.last().Outcome)
		}
	}
	w.policy.hide = nil
	if list, _ := w.found(w.all()); len(list) == 0 {
		t.Error("the patient's documents are gone")
	}
	w.records.err = errEngine
	if err := w.Feed(t.Context(), caller, mergeOf(b, a)); !errors.Is(err, errEngine) {
		t.Errorf("without a record: %v", err)
	}
}

// After a merge decisions are about the survivor and records name it, however the
// document is asked for.
func TestMergedDocumentsAreTheSurvivors(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	a, b := w.patient.ID(), w.gen.Patient().ID()
	if err := w.Feed(t.Context(), caller, mergeOf(b, a)); err != nil {
		t.Fatal(err)
	}
	find := func(q metadata.Query) (list []metadata.Object) {
		t.Helper()
		_, err := w.Find(t.Context(), caller, metadata.StoredQuery{Return: metadata.LeafClass, Query: q}, func(o metadata.Object) error {
			list = append(list, o)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	status := []metadata.Status{metadata.Approved}
	uses := map[string]func() int{
		"FindDocuments": func() int {
			return len(find(&metadata.FindDocuments{Patient: b.CX(), Filter: metadata.DocumentFilter{Status: status}}))
		},
		"GetAll": func() int {
			return len(find(&metadata.GetAll{Patient: b.CX(), DocumentStatus: status, SetStatus: status, FolderStatus: status}))
		},
		"GetDocuments": func() int {
			return len(find(&metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{d.Entry.UniqueID}}}))
		},
		"Retrieve": func() int {
			r, err := w.Retrieve(t.Context(), caller, ask(d.Entry.UniqueID))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close(nil)
			return len(r.Documents)
		},
	}
	for name, use := range uses {
		var seen []metadata.PatientID
		w.policy.hide = func(i access.Item) bool { seen = append(seen, i.Patient); return false }
		if use() == 0 {
			t.Fatalf("%s: nothing", name)
		}
		for _, p := range seen {
			if p != b {
				t.Errorf("%s: decided on %v", name, p)
			}
		}
		items := w.last().Items
		if len(items) == 0 || len(seen) == 0 {
			t.Fatalf("%s: %d items in the record, %d decisions", name, len(items), len(seen))
		}
		for _, i := range items {
			if i.Patient != b {
				t.Errorf("%s: recorded %v", name, i.Patient)
			}
		}
		// A rule about the survivor hides what was registered for the other.
		w.policy.hide = func(i access.Item) bool { return i.Patient == b }
		if n := use(); n != 0 {
			t.Errorf("%s: %d although the survivor's are hidden", name, n)
		}
		w.policy.hide = nil
	}
	if list := find(&metadata.FindDocuments{Patient: a.CX(), Filter: metadata.DocumentFilter{Status: status}}); len(list) > 0 {
		t.Errorf("the subsumed id has %d documents", len(list))
	}
	late := w.document()
	p, _ := message(w.gen.Submission(w.patient, late), late)
	_, err := w.Provide(context.Background(), caller, p)
	if !slices.ContainsFunc(fault.ProblemsOf(err), func(p fault.Problem) bool { return p.Code == fault.UnknownPatientID }) {
		t.Errorf("a document for the subsumed id: %v", err)
	}
}

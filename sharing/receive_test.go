package sharing_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/mailbox"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
)

// What is received is in the mailbox, and nowhere else; the sweep leaves it alone.
func TestReceive(t *testing.T) {
	w := newWorld(t)
	p := w.letter(org)
	d := p.Submission.Entries[0]
	r, err := w.Receive(t.Context(), caller, p)
	if err != nil || len(r.Warnings) > 0 {
		t.Fatal(err, fault.ProblemsOf(err), r.Warnings)
	}
	e := w.last()
	if e.Request.Action != access.ActionReceive || e.Outcome != audit.Success || len(e.Items) != 2 || e.Items[0].Kind != access.ItemMessage || e.Items[0].Controller != org || e.Items[1].UniqueID != d.UniqueID {
		t.Errorf("the record: %+v", e)
	}
	nowhere := func() {
		t.Helper()
		for _, q := range []metadata.Query{w.all(), &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{d.UniqueID}}},
			&metadata.GetDocuments{Documents: metadata.Target{IDs: []metadata.ID{d.ID}}}, &metadata.GetSubmissionSetAndContents{Set: metadata.Target{UniqueIDs: []string{p.Submission.Set.UniqueID}}}} {
			if list, _ := w.found(q); len(list) > 0 {
				t.Errorf("%T finds %d objects", q, len(list))
			}
		}
		got, err := w.Retrieve(t.Context(), caller, ask(d.UniqueID))
		if err != nil || len(got.Documents) > 0 || len(got.Problems) != 1 || got.Problems[0].Code != fault.DocumentUniqueIDError {
			t.Errorf("the repository opens it: %v %+v", err, got)
		}
	}
	nowhere()
	w.pass(100 * 24 * time.Hour)
	if s, err := w.repo.Sweep(t.Context(), false); err != nil || s.Bound != 1 || s.Deleted != 0 {
		t.Fatalf("%+v %v", s, err)
	}
	m, err := w.OpenMail(t.Context(), caller, org, p.Submission.Set.UniqueID)
	if err != nil || len(m.Entries) != 1 || m.Entries[0].UniqueID != d.UniqueID {
		t.Fatal(err, m)
	}
	if docs := w.read(m.Retrieved); len(docs) != 1 || int64(len(docs[0])) != m.Entries[0].Size.Octets {
		t.Fatal("other documents came out")
	}

	// The same document may be registered as well.
	w.provided(w.document())
	other := w.letter(org)
	other.Submission.Set.UniqueID = p.Submission.Set.UniqueID
	if _, err := w.Receive(t.Context(), caller, other); !slices.Equal(codesOf(fault.ProblemsOf(err)), []fault.Code{fault.DuplicateUniqueID}) {
		t.Errorf("the same message again: %v", err)
	}
	if n := len(w.keys()); n != 2 {
		t.Errorf("%d documents are stored", n)
	}
}

// A message without documents to store, to nobody, or denied leaves nothing.
func TestReceiveNothing(t *testing.T) {
	w := newWorld(t)
	p := w.letter("999999999")
	_, err := w.Receive(t.Context(), caller, p)
	if codes := codesOf(fault.ProblemsOf(err)); !slices.Equal(codes, []fault.Code{fault.UnknownRecipient}) {
		t.Errorf("%v", err)
	}
	w.policy.hide = func(i access.Item) bool { return i.Kind == access.ItemMessage }
	if _, err = w.Receive(t.Context(), caller, w.letter(org)); fault.KindOf(err) != fault.Denied {
		t.Errorf("%v", err)
	}
	w.policy.hide = nil
	n, err := w.ListMail(t.Context(), caller, org, func(mailbox.Message) error { return nil })
	if n != 0 || err != nil || len(w.keys()) != 0 {
		t.Errorf("%d messages, %d documents, %v", n, len(w.keys()), err)
	}
}

// Limited metadata is taken in when it is marked so, and only by a recipient.
func TestReceiveLimited(t *testing.T) {
	limited := func(w *world) (*metadata.Submission, metadatatest.Document) {
		d := w.document()
		sub := w.gen.Submission(w.patient, d)
		*d.Entry = metadata.DocumentEntry{ID: d.Entry.ID, Kind: metadata.Stable, MimeType: d.Entry.MimeType, UniqueID: d.Entry.UniqueID, Limited: true}
		set := &sub.Set
		sub.Set = metadata.SubmissionSet{ID: set.ID, UniqueID: set.UniqueID, SourceID: set.SourceID, SubmissionTime: set.SubmissionTime, Limited: true,
			Recipients: []string{"Sykehus^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^" + org}}
		return sub, d
	}
	w := newWorld(t)
	sub, d := limited(w)
	p, _ := message(sub, d)
	if _, err := w.Receive(t.Context(), caller, p); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	sub, d = limited(w)
	sub.Entries[0].Limited = false
	p, _ = message(sub, d)
	if _, err := w.Receive(t.Context(), caller, p); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without the mark: %v", err)
	}
	sub, d = limited(w)
	sub.Entries[0].UniqueID = ""
	p, _ = message(sub, d)
	if _, err := w.Receive(t.Context(), caller, p); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without uniqueId: %v", err)
	}
	sub, d = limited(w)
	p, _ = message(sub, d)
	if _, err := w.Provide(context.Background(), caller, p); fault.KindOf(err) != fault.Invalid {
		t.Errorf("to the repository: %v", err)
	}
}

package sharing_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/ondemand"
	"samdok/sharing"
)

// late registers a stable document that is assembled when somebody opens it.
func (w *world) late(mark bool) *metadata.DocumentEntry {
	w.Helper()
	s := w.gen.Metadata(w.patient, 1)
	e := s.Entries[0]
	e.MimeType, e.RepositoryID, e.Hash, e.Size = "text/xml", own, strings.ToUpper(ondemand.EmptyHash), metadata.Octets(0)
	if mark {
		e.Extra = append(e.Extra, metadata.Slot{Name: ondemand.DelayedSlot, Values: []string{"summary"}})
	}
	if _, err := w.Register(context.Background(), caller, sharing.Register{Submission: s}); err != nil {
		w.Fatal(err, fault.ProblemsOf(err))
	}
	return e
}

// versions are those of a document's entry, the newest last.
func (w *world) versions(unique string) (list []*metadata.DocumentEntry) {
	w.Helper()
	var found []metadata.Object
	q := metadata.StoredQuery{Level: 2, Query: &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{unique}}}}
	if _, err := w.Find(context.Background(), caller, q, func(o metadata.Object) error { found = append(found, o); return nil }); err != nil {
		w.Fatal(err)
	}
	for _, o := range found {
		list = append(list, o.(*metadata.DocumentEntry))
	}
	slices.SortFunc(list, func(a, b *metadata.DocumentEntry) int { return a.Version - b.Version })
	return list
}

// A delayed document is assembled once, of what there was when it was registered,
// is the same for ever, and its entry tells size and hash from then on.
func TestDelayedAssembly(t *testing.T) {
	w := newWorld(t, making(lister{}))
	docs, e := w.three(), w.late(true)
	later := w.document()
	w.provided(later)
	d, text := w.opened(e.UniqueID)
	if d.NewID != (metadata.DocumentRequest{}) || !strings.HasPrefix(text, e.UniqueID+" ") || strings.Count(text, "\n") != 1+len(docs) || strings.Contains(text, string(later.Entry.ID)) {
		t.Fatalf("%+v\n%s", d.NewID, text)
	}
	if n := len(w.last().Items); n != 1+len(docs) {
		t.Errorf("%d items", n)
	}
	all := w.versions(e.UniqueID)
	if len(all) != 2 || all[1].Version != 2 || all[1].Size.Octets != int64(len(text)) || all[1].Hash == ondemand.EmptyHash || all[1].Status != metadata.Approved || all[0].Status != metadata.Deprecated ||
		slices.ContainsFunc(all[1].Extra, func(s metadata.Slot) bool { return s.Name == ondemand.DelayedSlot }) {
		t.Errorf("%d versions: %+v", len(all), all)
	}
	w.pass(time.Hour)
	stored := len(w.keys())
	if _, again := w.opened(e.UniqueID); again != text || len(w.keys()) != stored || len(w.versions(e.UniqueID)) != 2 {
		t.Errorf("assembled again:\n%s", again)
	}
	if r, err := w.RemoveDocuments(t.Context(), caller, ask(e.UniqueID)); err != nil || r.Documents != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err := w.Retrieve(t.Context(), caller, ask(e.UniqueID)); err != nil || len(r.Documents) != 0 {
		t.Errorf("a removed document came back: %+v, %v", r, err)
	}
}

// It holds nothing that is more confidential than its entry, and whoever may not
// see all of it does not have it assembled.
func TestDelayedAssemblyIsTheSameForAll(t *testing.T) {
	w := newWorld(t, making(lister{}))
	open, secret, own := w.document(), w.document(), w.document()
	secret.Entry.Confidential = []metadata.Code{{Value: "V", Scheme: "2.16.840.1.113883.5.25", Display: metadata.NewText("V")}}
	w.provided(open, secret, own)
	e := w.late(true)
	w.policy.hide = func(i access.Item) bool { return i.UniqueID == own.Entry.UniqueID }
	r, err := w.Retrieve(t.Context(), caller, ask(e.UniqueID))
	if err != nil || len(r.Documents) != 0 || !slices.Equal(codesOf(r.Problems), []fault.Code{fault.DocumentUniqueIDError}) || len(w.versions(e.UniqueID)) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	w.policy.hide = nil
	_, text := w.opened(e.UniqueID)
	if strings.Contains(text, string(secret.Entry.ID)) || !strings.Contains(text, string(own.Entry.ID)) || !strings.Contains(text, string(open.Entry.ID)) {
		t.Errorf("%s", text)
	}
}

func TestDelayedAssemblyAtTheSameTime(t *testing.T) {
	w := newWorld(t, making(lister{}, func(o *sharing.OnDemand) { o.Concurrent = 8 }))
	w.three()
	e := w.late(true)
	texts := make([]string, 8)
	var all sync.WaitGroup
	for i := range texts {
		all.Go(func() {
			w.pass(time.Second)
			_, texts[i] = w.opened(e.UniqueID)
		})
	}
	all.Wait()
	if slices.Sort(texts); texts[0] != texts[7] || len(w.keys()) != 4 || len(w.versions(e.UniqueID)) != 2 {
		t.Errorf("%d documents are stored, %d versions", len(w.keys()), len(w.versions(e.UniqueID)))
	}
}

// An entry of size 0 without the mark is an empty document somewhere else.
func TestEmptyIsNotDelayed(t *testing.T) {
	w := newWorld(t, making(lister{}))
	e := w.late(false)
	if r, err := w.Retrieve(t.Context(), caller, ask(e.UniqueID)); err != nil || len(r.Documents) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// After a merge an on-demand document is made of the survivor's documents, and a
// snapshot of it is registered for the survivor.
func TestOnDemandAfterMerge(t *testing.T) {
	for _, change := range []func(*sharing.OnDemand){func(*sharing.OnDemand) {}, keeping} {
		w := newWorld(t, making(lister{}, change))
		w.three()
		e := w.announced()
		was := w.patient
		w.patient = w.gen.Patient()
		other := w.document()
		w.provided(other)
		for _, p := range []metadata.PatientID{was.ID(), w.patient.ID()} {
			if err := w.Feed(t.Context(), caller, sharing.PatientFeed{Kind: sharing.PatientAdded, Patient: p}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Feed(t.Context(), caller, mergeOf(w.patient.ID(), was.ID())); err != nil {
			t.Fatal(err, fault.ProblemsOf(err))
		}
		d, text := w.opened(e.UniqueID)
		if strings.Count(text, "\n") != 1+4 || !strings.Contains(text, string(other.Entry.ID)) {
			t.Errorf("%s", text)
		}
		if d.NewID.RepositoryID != "" {
			if s := w.entry(d.NewID.UniqueID).Object.(*metadata.DocumentEntry); s.PatientID != w.patient.CX() {
				t.Errorf("the snapshot is of %s", s.PatientID)
			}
		}
	}
}

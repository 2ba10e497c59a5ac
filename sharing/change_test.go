package sharing_test

import (
	"errors"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/repository"
)

// What the caller may not remove is answered like what does not exist, and stays.
func TestHiddenIsNotRemoved(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	w.stored = d.Entry.UniqueID
	everything := w.everything()
	w.policy.hide = func(i access.Item) bool { return i.Kind == access.ItemEntry }
	denied := w.Remove(t.Context(), caller, everything[:1])
	if got := fault.ProblemsOf(denied); len(got) != 1 || got[0].Code != fault.UnresolvedReference {
		t.Fatal(denied)
	}
	removed, err := w.RemoveDocuments(t.Context(), caller, ask(w.stored))
	absent, _ := w.RemoveDocuments(t.Context(), caller, ask("1.2.3.4"))
	if err != nil || removed.Documents != 0 || len(removed.Problems) != 1 || removed.Problems[0].Code != absent.Problems[0].Code {
		t.Fatalf("%+v, %v", removed, err)
	}
	w.policy.hide = nil
	if r, err := w.Retrieve(t.Context(), caller, ask(w.stored)); err != nil || len(r.Documents) != 1 {
		t.Fatalf("the document is gone: %v", err)
	} else {
		r.Close(nil)
	}
}

// Metadata first, then the document: its bytes stay until they are asked to go,
// also from the sweep, and then they are gone.
func TestRemoveMetadataThenDocument(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	w.stored = d.Entry.UniqueID
	if err := w.Remove(t.Context(), caller, w.everything()); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	retrieve := func() int {
		r, err := w.Retrieve(t.Context(), caller, ask(w.stored))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close(nil)
		return len(r.Documents)
	}
	if retrieve() != 0 {
		t.Error("a document without entry is retrieved")
	}
	w.pass(2 * repository.DefaultSweepAge)
	if s, err := w.repo.Sweep(t.Context(), false); err != nil || s.Deleted != 0 || len(w.keys()) != 1 {
		t.Fatalf("the sweep took a removed entry's document: %+v, %v", s, err)
	}
	if r, err := w.RemoveDocuments(t.Context(), caller, ask(w.stored)); err != nil || r.Documents != 1 || len(r.Problems) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if len(w.keys()) != 0 {
		t.Error("the bytes are still there")
	}
	if r, _ := w.RemoveDocuments(t.Context(), caller, ask(w.stored)); len(r.Problems) != 1 || r.Problems[0].Code != fault.DocumentUniqueIDError {
		t.Errorf("removed twice: %+v", r)
	}
}

// A crash between the log and the bytes: nothing leads to them, and the sweep
// deletes them.
func TestUnboundBytesAreSwept(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	w.stored = d.Entry.UniqueID
	w.engine.after = func() error { panic("the power goes") }
	if _, err := w.RemoveDocuments(t.Context(), caller, ask(w.stored)); err == nil {
		t.Fatal("no error")
	}
	w.engine.after = nil
	if len(w.keys()) != 1 {
		t.Fatal("the bytes are gone already")
	}
	w.pass(2 * repository.DefaultSweepAge)
	if s, err := w.repo.Sweep(t.Context(), false); err != nil || s.Deleted != 1 || len(w.keys()) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	if e := w.entry(w.stored); e.Document != "" || e.Object.ObjectStatus() != metadata.Approved {
		t.Errorf("the entry: %+v", e)
	}
}

// An update that touches what the caller may not change is refused.
func TestHiddenIsNotUpdated(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	w.stored = d.Entry.UniqueID
	sub := w.revision("1")
	previous := sub.Entries[0].LogicalID
	w.policy.hide = func(i access.Item) bool { return i.ID == previous }
	_, err := w.Update(t.Context(), caller, updateOf(sub))
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind != fault.Denied {
		t.Fatalf("%v", err)
	}
	if p := w.entry(w.stored); p.Superseded {
		t.Error("it was updated")
	}
	w.pass(time.Second)
	w.policy.hide = nil
	if _, err := w.Update(t.Context(), caller, updateOf(w.revision("1"))); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	if items := w.last().Items; len(items) < 3 {
		t.Errorf("%d items are recorded, the previous version must be among them", len(items))
	}
}

package sharing_test

import (
	"testing"

	"samdok/fault"
	"samdok/metadata"
	"samdok/sharing"
)

// Metadata that sends readers to the own repository for a document that it does not
// have is refused, if the operator did not say otherwise.
func TestUnheldDocuments(t *testing.T) {
	refusing := newWorld(t, func(o *sharing.Options) { o.RefuseUnheld = true })
	accepting := newWorld(t)
	d := refusing.document()
	refusing.provided(d)
	held := refusing.entry(d.Entry.UniqueID)
	for _, c := range []struct {
		name       string
		w          *world
		repository string
		change     func(*metadata.DocumentEntry)
		ok         bool
	}{
		{"another repository's", refusing, "1.2.3.4", nil, true},
		{"not held", refusing, own, nil, false},
		{"held", refusing, own, func(e *metadata.DocumentEntry) {
			of := held.Object.(*metadata.DocumentEntry)
			e.UniqueID, e.Hash, e.Size = of.UniqueID, of.Hash, of.Size
		}, true},
		{"accepted", accepting, own, nil, true},
	} {
		e := c.w.document()
		e.Entry.RepositoryID = c.repository
		if c.change != nil {
			c.change(e.Entry)
		}
		_, err := c.w.Register(t.Context(), caller, sharing.Register{Submission: c.w.gen.Submission(c.w.patient, e)})
		problems := fault.ProblemsOf(err)
		if (err == nil) != c.ok || err != nil && (len(problems) != 1 || problems[0].Code != fault.RegistryMetadataError) {
			t.Errorf("%s: %v, %+v", c.name, err, problems)
		}
	}
}

// An update may not move a document into the own repository, and needs no bytes for
// one that was always there.
func TestUpdateOfUnheldDocuments(t *testing.T) {
	w := newWorld(t, func(o *sharing.Options) { o.RefuseUnheld = true })
	d := w.document()
	d.Entry.RepositoryID = "1.2.3.4"
	if _, err := w.Register(t.Context(), caller, sharing.Register{Submission: w.gen.Submission(w.patient, d)}); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	w.stored = d.Entry.UniqueID
	sub := w.revision("1")
	sub.Entries[0].RepositoryID = own
	if _, err := w.Update(t.Context(), caller, updateOf(sub)); len(fault.ProblemsOf(err)) != 1 || fault.ProblemsOf(err)[0].Code != fault.RegistryMetadataError {
		t.Errorf("moved here: %v", err)
	}
	if _, err := w.Update(t.Context(), caller, updateOf(w.revision("1"))); err != nil {
		t.Error(fault.ProblemsOf(err))
	}

	d = w.document()
	w.provided(d)
	w.stored = d.Entry.UniqueID
	if r, err := w.RemoveDocuments(t.Context(), caller, ask(w.stored)); err != nil || r.Documents != 1 {
		t.Fatal(r, err)
	}
	if _, err := w.Update(t.Context(), caller, updateOf(w.revision("1"))); err != nil {
		t.Errorf("its bytes are gone: %+v", fault.ProblemsOf(err))
	}
}

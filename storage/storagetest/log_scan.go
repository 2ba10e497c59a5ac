package storagetest

import (
	"context"
	"errors"
	"testing"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// scan yields every patient's objects, and nobody else's, as they were when it
// began.
func (e LogEngine) scan(t *testing.T) {
	l, g := e.open(t), metadatatest.New(31)
	var all []storage.Change
	var patients []metadatatest.Patient
	for range 40 {
		p := g.Patient()
		patients = append(patients, p)
		for v := range 3 {
			all = append(all, submission(g, p, 1, storage.Version(v)))
		}
	}
	appendAll(t, l, all...)
	foreign := submission(g, g.Patient(), 1, 0)
	if err := l.Append(context.Background(), "other", []storage.Change{foreign}); err != nil {
		t.Fatal(err)
	}
	elsewhere := submission(g, g.Patient(), 1, 0)
	elsewhere.Stream = storage.Stream{Kind: storage.StreamMailbox, ID: "974749025"}
	appendAll(t, l, elsewhere)

	want := map[metadata.ID]bool{}
	for _, c := range all {
		want[entries(c)[0].ID] = true
	}
	seen, late := 0, 0
	for p, err := range l.Scan(context.Background(), tenant, documents, access.Restriction{}) {
		if err != nil {
			t.Fatal(err)
		}
		if !want[p.Object.ObjectID()] {
			t.Fatalf("%v of %v is no patient's, or was appended later, or came twice", p.Object.ObjectID(), p.Stream)
		}
		delete(want, p.Object.ObjectID())
		if seen++; late < 5 { // to new and to old streams
			appendAll(t, l, submission(g, g.Patient(), 1, 0))
			appendAll(t, l, submission(g, patients[len(patients)-1-late], 1, 3))
			late++
		}
	}
	if len(want) > 0 {
		t.Fatalf("%d documents were not found", len(want))
	}
	hidden := access.Restriction{WithoutCodes: []metadata.CodeRef{entries(all[0])[0].Confidential[0].Ref()}}
	for _, p := range scan(t, l, tenant, documents, hidden) {
		for _, c := range p.Object.(*metadata.DocumentEntry).Confidential {
			if c.Ref().Same(hidden.WithoutCodes[0]) {
				t.Fatal("a hidden document was found")
			}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range l.Scan(ctx, tenant, everything, access.Restriction{}) {
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("a cancelled scan: %v", err)
		}
		return
	}
	t.Fatal("a cancelled scan ended well")
}

package storagetest

import (
	"testing"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// mail: what lies in a stream that is no patient's is found by those who ask for
// everywhere, and by name, and does not stand in a patient's way.
func (e LogEngine) mail(t *testing.T) {
	l, g := e.open(t), metadatatest.New(41)
	p := g.Patient()
	box := storage.Stream{Kind: storage.StreamMailbox, ID: "974749025"}
	letter := submission(g, p, 2, 0)
	letter.Stream = box
	letter.Events[0].Kind, letter.Events[0].Body = storage.EventReceived, []byte{1, 0, 0}
	letter.Claims = []storage.Claim{{ID: "received 974749025 " + setOf(letter).UniqueID, Exclusive: true}}
	appendAll(t, l, letter)
	refs := refsOf(letter)
	unique := entries(letter)[0].UniqueID
	rebuilt(t, l, func() {
		t.Helper()
		if st := lookup(t, l, tenant, refs); len(st.Objects)+len(st.Associations) > 0 {
			t.Fatalf("%d objects and %d associations of a mailbox are found", len(st.Objects), len(st.Associations))
		}
		all := refs
		all.Everywhere = true
		st := lookup(t, l, tenant, all)
		if len(st.Objects) != 5 || len(st.Associations) != 2 || st.Objects[0].Stream != box {
			t.Fatalf("everywhere: %d objects and %d associations", len(st.Objects), len(st.Associations))
		}
		found := find(t, l, tenant, box, documents, access.Restriction{})
		if len(found) != 2 || found[0].Document == "" {
			t.Fatalf("%d documents in the mailbox", len(found))
		}
		if found := find(t, l, tenant, streamOf(p), everything, access.Restriction{}); len(found) > 0 {
			t.Fatal("the patient has what was sent to somebody")
		}
		if list := scan(t, l, tenant, everything, access.Restriction{}); len(list) > 0 {
			t.Fatal("a scan finds a mailbox")
		}
		for ev, err := range l.Events(t.Context(), tenant, box, 0) {
			if err != nil || ev.Kind != storage.EventReceived || string(ev.Body) != "\x01\x00\x00" || len(ev.Added) != len(letter.Events[0].Added) {
				t.Fatalf("event %+v, %v", ev, err)
			}
		}
	})
	again := letter
	again.Expect, again.Events = 1, []storage.Event{happened(storage.EventReceived)}
	conflict(t, l, "a message that is there", again)
	// The same document may be registered: a mailbox claims no uniqueId.
	own := submission(g, p, 1, 0)
	d := entries(own)[0]
	d.UniqueID = unique
	own.Claims = append(own.Claims, storage.Claim{ID: unique, Value: "other content"})
	appendAll(t, l, own)
	if st := lookup(t, l, tenant, storage.Refs{UniqueIDs: []string{unique}}); len(st.Objects) != 1 || st.Objects[0].Object.ObjectID() != d.ID {
		t.Fatalf("%d objects with the uniqueId", len(st.Objects))
	}
	both := []metadata.ID{d.ID, entries(letter)[0].ID}
	if st := lookup(t, l, tenant, storage.Refs{IDs: both, UniqueIDs: []string{unique}, Everywhere: true}); len(st.Objects) != 2 {
		t.Fatalf("%d objects everywhere", len(st.Objects))
	}
}

package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// A session says what was when it began, whatever the cache has learned meanwhile: an
// entry that is superseded by one that cannot be seen yet would be no document at all.
func TestLookupKeepsToItsMoment(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "log.db"), Options{})
	g := metadatatest.New(7)
	p := g.Patient()
	stored := store(t, db, g, p, 0)
	mustCount(t, db, p, 3) // in the cache from here on
	id := stored.Events[0].Added[0].Object.ObjectID()
	status := func(l *lookup) metadata.Status {
		if len(l.found.Objects) != 1 {
			t.Fatalf("%d objects", len(l.found.Objects))
		}
		return l.found.Objects[0].Object.ObjectStatus()
	}
	asked := func() *lookup { return &lookup{tenant: tenant, refs: storage.Refs{IDs: []metadata.ID{id}}} }
	err := db.read(t.Context(), func(s *session) error {
		first, second := asked(), asked()
		if err := first.run(t.Context(), s); err != nil {
			return err
		}
		if err := db.Append(t.Context(), tenant, []storage.Change{{Stream: stored.Stream, Expect: 1, Events: []storage.Event{{
			Kind: storage.EventUpdated, ID: metadata.NewUUID(), Time: time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC),
			Touched: []storage.Touch{{ID: id, Status: metadata.Deprecated, Succession: storage.Superseded}},
		}}}}); err != nil {
			return err
		}
		mustCount(t, db, p, 3)
		if err := second.run(t.Context(), s); err != nil {
			return err
		}
		if a, b := status(first), status(second); a != metadata.Approved || b != a || second.found.Objects[0].Superseded {
			t.Errorf("%v, then %v in the same session", a, b)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	after := asked()
	if err := db.read(t.Context(), func(s *session) error { return after.run(t.Context(), s) }); err != nil || status(after) != metadata.Deprecated {
		t.Errorf("afterwards %v, %v", status(after), err)
	}
	closeDB(t, db)
}

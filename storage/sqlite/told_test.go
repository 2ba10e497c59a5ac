package sqlite

import (
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// A commit is in the file a moment before the engine counts it. What Load tells then,
// Events has, also when another reader has put the stream into the cache as it was before;
// who changes what it read would lose it otherwise.
func TestEventsHaveTheVersionThatLoadTold(t *testing.T) {
	for name, old := range map[string]bool{"not held": false, "held as it was": true} {
		t.Run(name, func(t *testing.T) {
			db := open(t, t.TempDir()+"/db", Options{})
			n := streamName(metadatatest.New(1).Patient())
			for v := range storage.Version(4) {
				counted := db.seq.Load()
				of, snap := db.cache.whole(n)
				id := metadata.NewUUID()
				change := storage.Change{Stream: n.stream, Expect: v, Events: []storage.Event{{Kind: storage.EventSubscribed, ID: id, Time: time.Unix(1e9, 0).UTC(), Body: []byte("x")}}}
				if err := db.Append(t.Context(), tenant, []storage.Change{change}); err != nil {
					t.Fatal(err)
				}
				now := db.seq.Load()
				db.seq.Store(counted)
				db.cache.forget(counted)
				_, at, err := db.Load(t.Context(), tenant, n.stream, storage.Refs{})
				if err != nil || at != v+1 {
					t.Fatalf("version %d: Load told %d, %v", v+1, at, err)
				}
				if old && snap != nil {
					db.cache.put(of, snap, counted)
				}
				var found []metadata.UUID
				for e, err := range db.Events(t.Context(), tenant, n.stream, at) {
					if err != nil {
						t.Fatal(err)
					}
					found = append(found, e.ID)
				}
				if len(found) != 1 || found[0] != id {
					t.Errorf("version %d: Load told of it, Events has %v of it, want %v", v+1, found, id)
				}
				db.cache.forget(now)
				db.seq.Store(now)
				for range db.Events(t.Context(), tenant, n.stream, 1) { // is held again
				}
			}
		})
	}
}

func streamName(p metadatatest.Patient) name { return name{tenant, storage.PatientStream(p.ID())} }

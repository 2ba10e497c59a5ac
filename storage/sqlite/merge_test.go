package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/storagetest"
)

func mergeOf(t testing.TB, db *DB, survivor, subsumed metadatatest.Patient) {
	t.Helper()
	now := time.Date(2026, 3, 3, 12, 0, 0, 0, time.UTC)
	a, b := storage.PatientStream(subsumed.ID()), storage.PatientStream(survivor.ID())
	_, va, err := db.Load(t.Context(), tenant, a, storage.Refs{})
	if err != nil {
		t.Fatal(err)
	}
	_, vb, err := db.Load(t.Context(), tenant, b, storage.Refs{})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Append(t.Context(), tenant, []storage.Change{
		{Stream: a, Expect: va, Events: []storage.Event{storage.MergedInto(b, now)}},
		{Stream: b, Expect: vb, Events: []storage.Event{storage.Absorbed([]storage.Stream{a}, now)}},
	}); err != nil {
		t.Fatal(err)
	}
}

// A projection of version 1 goes on serving: what version 2 has more was empty
// then.
func TestProjection1Opens(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	db := open(t, path, Options{})
	g := metadatatest.New(5)
	a, b := g.Patient(), g.Patient()
	store(t, db, g, a, 0)
	closeDB(t, db)
	alter(t, path, "DROP TABLE known; DROP TABLE merged; UPDATE meta SET n = 1 WHERE name = 'projection'")

	db = open(t, path, Options{})
	mustCount(t, db, a, 3)
	mergeOf(t, db, b, a)
	mustCount(t, db, b, 3)
	closeDB(t, db)

	db = open(t, path, Options{})
	mustCount(t, db, b, 3)
	mustCount(t, db, a, 0)
	closeDB(t, db)

	// One table is missing: only Rebuild knows what was in it.
	alter(t, path, "DROP TABLE merged")
	db = open(t, path, Options{})
	if _, err := count(t, db, b); err == nil {
		t.Fatal("the merge was forgotten")
	}
	if err := db.Rebuild(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	mustCount(t, db, b, 3)
	mustCount(t, db, a, 0)
	closeDB(t, db)
}

// A copy made while serving has the merges, also without the index.
func TestBackupKeepsMerges(t *testing.T) {
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "log.db"), Options{CacheBytes: -1})
	g := metadatatest.New(6)
	a, b, c := g.Patient(), g.Patient(), g.Patient()
	store(t, db, g, a, 0)
	store(t, db, g, b, 0)
	mergeOf(t, db, b, a)
	mergeOf(t, db, c, b)
	copied := filepath.Join(dir, "copy.db")
	if err := db.Backup(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	db = open(t, copied, Options{CacheBytes: -1})
	for range 2 {
		mustCount(t, db, c, 6)
		mustCount(t, db, a, 0)
		if err := db.Rebuild(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	closeDB(t, db)
}

// The data key of one patient of a chain is destroyed: the others stay, and the
// closed stream stays closed.
func TestErasedMerges(t *testing.T) {
	dir := t.TempDir()
	g := metadatatest.New(7)
	a, b, c := g.Patient(), g.Patient(), g.Patient()
	ring := openRing(t, filepath.Join(dir, "keys"))
	db := open(t, filepath.Join(dir, "log.db"), Options{Ring: ring})
	store(t, db, g, a, 0)
	store(t, db, g, b, 0)
	store(t, db, g, c, 0)
	mergeOf(t, db, c, a)
	mergeOf(t, db, c, b)
	done, err := db.Redact(t.Context(), tenant, storage.PatientStream(c.ID()), nil)
	if err != nil || len(done.Keys) != 3 {
		t.Fatalf("%+v, %v: the whole chain has three keys", done, err)
	}
	for range 2 {
		for _, p := range []metadatatest.Patient{a, b, c} {
			mustCount(t, db, p, 0)
		}
		st, _, err := db.Load(t.Context(), tenant, storage.PatientStream(a.ID()), storage.Refs{})
		if err != nil || st.Standing.Into != storage.PatientStream(c.ID()) {
			t.Fatalf("an erased patient's id is free again: %+v, %v", st.Standing, err)
		}
		if err := db.Rebuild(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	store(t, db, g, c, 2+1)
	mustCount(t, db, c, 3)
	closeDB(t, db)
}

// A patient who was never merged costs nothing more to find: not one allocation.
func TestFindWithoutMergesAllocatesTheSame(t *testing.T) {
	dir := t.TempDir()
	db := open(t, filepath.Join(dir, "log.db"), Options{})
	g := metadatatest.New(8)
	a, b, c := g.Patient(), g.Patient(), g.Patient()
	store(t, db, g, a, 0)
	store(t, db, g, b, 0)
	find := func() {
		for _, err := range db.Find(context.Background(), tenant, storage.PatientStream(b.ID()), all, access.Restriction{}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	find()
	before := testing.AllocsPerRun(100, find)
	mergeOf(t, db, c, a)
	if after := testing.AllocsPerRun(100, find); after > before+4 { // the chain of one
		t.Errorf("%v allocations after somebody else was merged, %v before", after, before)
	}
	closeDB(t, db)
}

// A removal after a merge stands in the survivor's stream. Within one batch, where
// the cache does not know of it yet, nobody refers to what it removes.
func TestRemovalAfterMergeInOneBatch(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "log.db"), Options{})
	g := metadatatest.New(9)
	a, b, c := g.Patient(), g.Patient(), g.Patient()
	old := store(t, db, g, a, 0)
	mergeOf(t, db, b, a)
	removal := storage.Event{Kind: storage.EventRemoved, ID: metadata.NewUUID(), Time: time.Now().UTC()}
	for _, o := range old.Events[0].Added {
		removal.Removed = append(removal.Removed, o.Object.ObjectID())
	}
	late := storagetest.NewChange(g.Metadata(c, 1), 0)
	link := &metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Status: metadata.Approved,
		Source: late.Events[0].Added[0].Object.ObjectID(), Target: removal.Removed[1]}
	late.Events[0].Added = append(late.Events[0].Added, storage.Added{Object: link})

	release, held := make(chan struct{}), make(chan error, 1)
	started := make(chan struct{})
	go func() {
		held <- db.writer.between(context.Background(), "test", func() error { close(started); <-release; return nil })
	}()
	<-started
	answers := make([]chan error, 2)
	for i, change := range []storage.Change{{Stream: storage.PatientStream(b.ID()), Expect: 1, Events: []storage.Event{removal}}, late} {
		answers[i] = make(chan error, 1)
		go func() { answers[i] <- db.Append(context.Background(), tenant, []storage.Change{change}) }()
		for db.Waiting() <= i {
			time.Sleep(time.Millisecond)
		}
	}
	close(release)
	if err := <-held; err != nil {
		t.Fatal(err)
	}
	if err := <-answers[0]; err != nil {
		t.Fatal(err)
	}
	if err := <-answers[1]; !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("a reference to what the same batch removed: %v", err)
	}
	closeDB(t, db)
}

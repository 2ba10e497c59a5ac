package sqlite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/keyring"
	"samdok/storage/storagetest"
)

const tenant access.Tenant = "test"

var all = storage.Filter{
	Documents: &metadata.DocumentFilter{}, SubmissionSets: &metadata.SubmissionSetFilter{}, Folders: &metadata.FolderFilter{}, Associations: true,
}

func open(t testing.TB, path string, o Options) *DB {
	t.Helper()
	db, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() }) // the tests that care close it themselves
	return db
}

func closeDB(t testing.TB, db *DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func openRing(t testing.TB, dir string) *keyring.Ring {
	t.Helper()
	m, err := keyring.NewMaster(bytes.Repeat([]byte{7}, keyring.MasterSize))
	if err != nil {
		t.Fatal(err)
	}
	r, err := keyring.Open(dir, m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// store appends a submission and returns it.
func store(t testing.TB, db *DB, g *metadatatest.Gen, p metadatatest.Patient, v storage.Version) storage.Change {
	t.Helper()
	c := storagetest.NewChange(g.Metadata(p, 1), v)
	if err := db.Append(context.Background(), tenant, []storage.Change{c}); err != nil {
		t.Fatal(err)
	}
	return c
}

func count(t testing.TB, db *DB, p metadatatest.Patient) (n int, err error) {
	t.Helper()
	for _, err := range db.Find(context.Background(), tenant, storage.PatientStream(p.ID()), all, access.Restriction{}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func mustCount(t testing.TB, db *DB, p metadatatest.Patient, want int) {
	t.Helper()
	if n, err := count(t, db, p); err != nil || n != want {
		t.Fatalf("%d objects, want %d: %v", n, want, err)
	}
}

// TestNothingInClear: no identity number, name, id or title stands in the file or
// its log, nor what tells that two tenants know the same patient.
func TestNothingInClear(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	db := open(t, path, Options{Ring: openRing(t, filepath.Join(dir, "keys"))})
	g := metadatatest.New(1)
	p := g.Patient()
	c := store(t, db, g, p, 0)
	secret := []string{p.FNR, p.Family, c.Claims[1].ID, c.Claims[0].ID, "application/pdf", "HasMember"}
	look := func() {
		t.Helper()
		for _, name := range []string{path, path + "-wal", path + "-shm", path + "-lock"} {
			b, err := os.ReadFile(name)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
			for _, s := range secret {
				if bytes.Contains(b, []byte(s)) {
					t.Errorf("%s holds %q in clear", filepath.Base(name), s)
				}
			}
		}
	}
	look()
	if err := db.Rebuild(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	look()
	closeDB(t, db)
	look()
}

// TestKeysMatter: encrypted data does not open without its keyring, data written
// without encryption does with one, and both can be mixed.
func TestKeysMatter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	g := metadatatest.New(2)
	p, q := g.Patient(), g.Patient()
	db := open(t, path, Options{})
	store(t, db, g, p, 0)
	closeDB(t, db)
	ring := openRing(t, filepath.Join(dir, "keys"))
	db = open(t, path, Options{Ring: ring})
	store(t, db, g, p, 1)
	store(t, db, g, q, 0)
	mustCount(t, db, p, 6)
	mustCount(t, db, q, 3)
	closeDB(t, db)
	db = open(t, path, Options{})
	mustCount(t, db, p, 6)
	if _, err := count(t, db, q); err == nil || !strings.Contains(err.Error(), "encryption is off") {
		t.Fatalf("without the keyring: %v", err)
	}
	closeDB(t, db)

	path = filepath.Join(dir, "encrypted.db")
	closeDB(t, open(t, path, Options{Ring: ring}))
	if _, err := Open(context.Background(), path, Options{}); err == nil || !strings.Contains(err.Error(), "encryption is off") {
		t.Fatalf("an encrypted file opens without its keyring: %v", err)
	}
}

// TestErased: when a patient's key is destroyed, the patient is as never seen;
// others are as before, also after a rebuild.
func TestErased(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	ring := openRing(t, filepath.Join(dir, "keys"))
	db := open(t, path, Options{Ring: ring})
	g := metadatatest.New(3)
	p, q := g.Patient(), g.Patient()
	gone := store(t, db, g, p, 0)
	kept := storagetest.NewChange(g.Metadata(q, 1), 0)
	old := gone.Events[0].Added[1].Object.ObjectID()
	kept.Events[0].Touched = []storage.Touch{{ID: old, Status: metadata.Deprecated}}
	if err := db.Append(context.Background(), tenant, []storage.Change{kept}); err != nil {
		t.Fatal(err)
	}
	of := db.cache.named(name{tenant, storage.PatientStream(p.ID())})
	if err := ring.Destroy(context.Background(), of.box.keyID); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	db = open(t, path, Options{Ring: ring})
	for range 2 {
		mustCount(t, db, p, 0)
		mustCount(t, db, q, 3)
		st, err := db.Lookup(context.Background(), tenant, storage.Refs{IDs: []metadata.ID{old, kept.Events[0].Added[1].Object.ObjectID()}})
		if err != nil || len(st.Objects) != 1 {
			t.Fatalf("%d objects: %v", len(st.Objects), err)
		}
		if err := db.Rebuild(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
	}
	store(t, db, g, p, 0) // a new life
	mustCount(t, db, p, 3)
}

// TestTampered: a row that was altered, cut or moved is an error, never wrong
// data.
func TestTampered(t *testing.T) {
	for _, encrypted := range []bool{true, false} {
		for what, sql := range map[string]string{
			"altered": "UPDATE log SET data = substr(data, 1, 40) || x'00' || substr(data, 42) WHERE id & 2147483647 = 1",
			"cut":     "UPDATE log SET data = substr(data, 1, length(data) - 1) WHERE id & 2147483647 = 1",
			"empty":   "UPDATE log SET data = x'' WHERE id & 2147483647 = 1",
			"moved":   "UPDATE log SET data = (SELECT data FROM log WHERE id & 2147483647 = 2) WHERE id & 2147483647 = 1",
			"renamed": "UPDATE log SET data = (SELECT data FROM log WHERE id & 2147483647 = 2) WHERE id & 2147483647 = 0",
			"newer":   "UPDATE log SET data = x'02' || substr(data, 2) WHERE id & 2147483647 = 1",
		} {
			t.Run(fmt.Sprint(what, " encrypted ", encrypted), func(t *testing.T) {
				dir := t.TempDir()
				path := filepath.Join(dir, "log.db")
				var o Options
				if encrypted {
					o.Ring = openRing(t, filepath.Join(dir, "keys"))
				}
				db := open(t, path, o)
				g := metadatatest.New(4)
				p := g.Patient()
				c := store(t, db, g, p, 0)
				store(t, db, g, p, 1)
				closeDB(t, db)
				alter(t, path, sql)
				db = open(t, path, o)
				if n, err := count(t, db, p); err == nil || fault.KindOf(err) != fault.Internal {
					t.Fatalf("Find: %d objects, %v", n, err)
				}
				if _, err := db.Lookup(context.Background(), tenant, storage.Refs{IDs: []metadata.ID{c.Events[0].Added[0].Object.ObjectID()}}); err == nil {
					t.Fatal("Lookup finds it")
				}
				if err := db.Rebuild(context.Background(), nil); err == nil {
					t.Fatal("Rebuild took it")
				}
			})
		}
	}
}

// alter changes a closed file behind the engine's back.
func alter(t *testing.T, path, sql string) {
	t.Helper()
	c, err := openConn(path, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.exec(sql), c.close()); err != nil {
		t.Fatal(err)
	}
}

// TestLostIndex: without its index the file opens, says which command mends it,
// takes nothing, and gives the old answers after it.
func TestLostIndex(t *testing.T) {
	for what, sql := range map[string]string{
		"dropped":       "DROP TABLE ids; DROP TABLE touch; DROP TABLE stream",
		"one dropped":   "DROP TABLE ids",
		"older version": "UPDATE meta SET n = 0 WHERE name = 'projection'",
	} {
		t.Run(what, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log.db")
			db := open(t, path, Options{})
			g := metadatatest.New(5)
			p := g.Patient()
			store(t, db, g, p, 0)
			closeDB(t, db)
			alter(t, path, sql)
			for range 2 { // also when opened again
				db = open(t, path, Options{})
				err := db.Ready(context.Background())
				if err == nil || !strings.Contains(fault.ProblemsOf(err)[0].Context, "samdok reindex") {
					t.Fatalf("Ready: %v", err)
				}
				if _, err := count(t, db, p); fault.KindOf(err) != fault.Unavailable {
					t.Fatalf("Find: %v", err)
				}
				c := storagetest.NewChange(g.Metadata(g.Patient(), 1), 0)
				if err := db.Append(context.Background(), tenant, []storage.Change{c}); fault.KindOf(err) != fault.Unavailable {
					t.Fatalf("Append: %v", err)
				}
				closeDB(t, db)
			}
			db = open(t, path, Options{})
			if err := db.Rebuild(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			if err := db.Ready(context.Background()); err != nil {
				t.Fatal(err)
			}
			mustCount(t, db, p, 3)
			store(t, db, g, p, 1)
		})
	}
}

// TestRefusesToOpen: a second process, a newer file, something else.
func TestRefusesToOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log.db")
	db := open(t, path, Options{})
	if _, err := Open(context.Background(), path, Options{}); !errors.Is(err, ErrLocked) {
		t.Fatalf("twice: %v", err)
	}
	closeDB(t, db)
	alter(t, path, "PRAGMA user_version = 99")
	if _, err := Open(context.Background(), path, Options{}); !errors.Is(err, ErrNewer) {
		t.Fatalf("newer: %v", err)
	}
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, bytes.Repeat([]byte("not a database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(context.Background(), other, Options{}); err == nil {
		t.Fatal("a text file opens")
	}
	if _, err := Open(context.Background(), filepath.Join(dir, "no", "folder"), Options{}); err == nil {
		t.Fatal("opens in a folder that is not there")
	}
	db = open(t, filepath.Join(dir, "new.db"), Options{}) // the locks of the failed ones are gone
	closeDB(t, db)
	closeDB(t, db) // twice is fine
	if err := db.Ready(context.Background()); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("Ready after Close: %v", err)
	}
	if err := db.Append(context.Background(), tenant, []storage.Change{{}}); fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("Append after Close: %v", err)
	}
}

// TestBusy: when the writer hangs, submissions wait no longer than their
// deadline, only so many wait, and those who gave up are not written.
func TestBusy(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "log.db"), Options{Queue: 2})
	g := metadatatest.New(6)
	hang, hung := make(chan struct{}), make(chan struct{})
	go db.writer.between(context.Background(), "test", func() error { close(hung); <-hang; return nil })
	<-hung
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // it ends before
	defer cancel()
	results := make(chan error, 3)
	patients := []metadatatest.Patient{g.Patient(), g.Patient(), g.Patient()}
	for _, p := range patients {
		c := storagetest.NewChange(g.Metadata(p, 1), 0)
		go func() { results <- db.Append(ctx, tenant, []storage.Change{c}) }()
	}
	if err := <-results; fault.KindOf(err) != fault.Busy {
		t.Fatalf("the third is not turned away at once: %v", err)
	}
	cancel()
	for range 2 {
		if err := <-results; fault.KindOf(err) != fault.Canceled {
			t.Fatalf("who has gone is told %v", err)
		}
	}
	close(hang)
	for len(db.writer.queue) > 0 {
		time.Sleep(time.Millisecond)
	}
	store(t, db, g, g.Patient(), 0) // goes on
	for _, p := range patients {
		mustCount(t, db, p, 0)
	}
}

// TestReadersAreBounded: a search waits for a reader until its deadline.
func TestReadersAreBounded(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "log.db"), Options{Readers: 1, CacheBytes: -1})
	g := metadatatest.New(7)
	p := g.Patient()
	store(t, db, g, p, 0)
	s := <-db.readers
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := db.Lookup(ctx, tenant, storage.Refs{IDs: []metadata.ID{metadata.NewUUID().ID()}})
	if fault.KindOf(err) != fault.Canceled {
		t.Fatalf("%v", err)
	}
	db.readers <- s
	// A search may ask again while its objects are handed over, even with one
	// reader and no cache.
	n := 0
	for o, err := range db.Find(context.Background(), tenant, storage.PatientStream(p.ID()), all, access.Restriction{}) {
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Lookup(context.Background(), tenant, storage.Refs{IDs: []metadata.ID{o.Object.ObjectID()}}); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 3 {
		t.Fatal(n)
	}
}

// TestKnownOutlivesTheCache: that a feed has told of a patient is not forgotten with
// what the cache holds of it, in a log that had no known patient when it was opened.
func TestKnownOutlivesTheCache(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "log.db"), Options{CacheBytes: -1})
	g := metadatatest.New(17)
	for range 20 {
		s := storage.PatientStream(g.Patient().ID())
		if err := db.Append(t.Context(), tenant, []storage.Change{{Stream: s, Events: []storage.Event{storage.PatientKnown(time.Now())}}}); err != nil {
			t.Fatal(err)
		}
		if state, _, err := db.Load(t.Context(), tenant, s, storage.Refs{}); err != nil || !state.Standing.Known {
			t.Fatalf("%+v, %v", state.Standing, err)
		}
	}
}

// TestCacheStaysSmall: the cache keeps to its bytes and its answers stay right.
func TestCacheStaysSmall(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "log.db"), Options{CacheBytes: 64 << 10})
	g := metadatatest.New(8)
	var patients []metadatatest.Patient
	for range 60 {
		p := g.Patient()
		patients = append(patients, p)
		for v := range storage.Version(3) {
			store(t, db, g, p, v)
		}
	}
	for range 2 {
		for _, p := range patients {
			mustCount(t, db, p, 9)
			c := db.cache
			c.mu.Lock()
			sum := 0
			for at := c.used.Front(); at != nil; at = at.Next() {
				sum += at.Value.(*entry).bytes()
			}
			if c.bytes != sum || sum > c.max || len(c.byKey) != c.used.Len() || len(c.byName) != c.used.Len() {
				t.Fatalf("cache of %d bytes says %d, %d entries", sum, c.bytes, c.used.Len())
			}
			c.mu.Unlock()
		}
	}
}

// TestCrowdedHashes: identifiers whose hashes meet are told apart.
func TestCrowdedHashes(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "log.db"), Options{})
	g := metadatatest.New(9)
	p := g.Patient()
	// Everything lies in one run of neighbours: occupy what is next to each.
	c := storagetest.NewChange(g.Metadata(p, 3), 0)
	var d derived
	d.derive(db.hash, c.Events, c.Claims)
	first := store(t, db, g, p, 0)
	if err := db.writer.between(context.Background(), "test", func() error {
		for _, id := range d.ids {
			for range 3 {
				if err := db.writer.identifier(id.h, place{logID(1, 1), 0}); err != nil {
					return err
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	c.Expect = 1
	if err := db.Append(context.Background(), tenant, []storage.Change{c}); err != nil {
		t.Fatal(err)
	}
	for _, id := range d.ids {
		refs := storage.Refs{UniqueIDs: []string{id.id}}
		if id.entry {
			refs = storage.Refs{IDs: []metadata.ID{metadata.ID(id.id)}}
		}
		st, err := db.Lookup(context.Background(), tenant, refs)
		if err != nil || len(st.Objects) != 1 || st.Objects[0].Object.ObjectID() == first.Events[0].Added[0].Object.ObjectID() {
			t.Fatalf("%d objects: %v", len(st.Objects), err)
		}
	}
	c.Expect = 2
	if err := db.Append(context.Background(), tenant, []storage.Change{c}); !errors.Is(err, storage.ErrConflict) {
		t.Fatalf("the claims again: %v", err)
	}
}

func FuzzRow(f *testing.F) {
	var key keyring.Key
	sealed, err := newBox(3, key)
	if err != nil {
		f.Fatal(err)
	}
	for _, b := range []box{{}, sealed} {
		row, err := b.seal(nil, 5, []byte("text"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		for _, b := range []box{{}, sealed} {
			if text, err := b.open(nil, 5, row); err == nil {
				if _, err := b.open(nil, 6, row); err == nil {
					t.Fatalf("%q opens under another id", text)
				}
			}
		}
		decodeName(row) // must not panic
		var x touch
		x.decode(row)
	})
}

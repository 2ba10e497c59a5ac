package sqlite

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/storagetest"
)

var update = flag.Bool("update", false, "make the fixture of the current data version if it is missing")

// TestFixtures: a data folder of every earlier version, encrypted, opens and
// gives the same answers, also after its index was made again.
func TestFixtures(t *testing.T) {
	if *update {
		makeFixture(t, filepath.Join("testdata", fmt.Sprint("v", schemaVersion)))
	}
	all, err := filepath.Glob(filepath.Join("testdata", "v*"))
	if err != nil || len(all) < schemaVersion {
		t.Fatalf("%d fixtures for %d versions: %v", len(all), schemaVersion, err)
	}
	for _, from := range all {
		t.Run(filepath.Base(from), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(filepath.Join(dir, "answers.json"))
			if err != nil {
				t.Fatal(err)
			}
			db := open(t, filepath.Join(dir, "log.db"), Options{Ring: openRing(t, filepath.Join(dir, "keys"))})
			if got := fixtureAnswers(t, db); got != string(want) {
				t.Fatalf("answers differ:\n%s\nwant\n%s", got, want)
			}
			fixtureLetters(t, db, filepath.Base(from) != "v1")
			if err := db.Rebuild(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			if got := fixtureAnswers(t, db); got != string(want) {
				t.Fatal("answers differ after a rebuild")
			}
			store(t, db, metadatatest.New(1), metadatatest.New(77).Patient(), 0)
		})
	}
}

var fixturePatients = []metadata.PatientID{{ID: "13897512345", Authority: "2.16.578.1.12.4.1.4.1"}, {ID: "01815098765", Authority: "2.16.578.1.12.4.1.4.1"}}

// fixtureAnswers are all objects and events of the fixture's patients.
func fixtureAnswers(t *testing.T, db *DB) string {
	t.Helper()
	var answers []any
	for _, p := range fixturePatients {
		s := storage.PatientStream(p)
		for o, err := range db.Find(context.Background(), tenant, s, all, access.Restriction{}) {
			if err != nil {
				t.Fatal(err)
			}
			st, err := db.Lookup(context.Background(), tenant, storage.Refs{AssociationsOf: []metadata.ID{o.Object.ObjectID()}})
			if err != nil {
				t.Fatal(err)
			}
			if o.Superseded || o.Removed {
				t.Fatalf("%s: superseded %v, removed %v", o.Object.ObjectID(), o.Superseded, o.Removed)
			}
			answers = append(answers, fixtureObject{o.Added, o.Stream}, len(st.Associations))
		}
		for ev, err := range db.Events(context.Background(), tenant, s, 0) {
			if err != nil {
				t.Fatal(err)
			}
			answers = append(answers, inFixture(ev))
		}
	}
	b, err := json.MarshalIndent(answers, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// fixtureLetters: the feed leads through old changes too, and letters of version 2
// and later are there.
func fixtureLetters(t *testing.T, db *DB, has bool) {
	t.Helper()
	ctx := context.Background()
	changes := 0
	var last storage.Position
	for f, err := range db.Feed(ctx, tenant, "") {
		if err != nil {
			t.Fatal(err)
		}
		changes, last = changes+1, f.Position
	}
	if changes != 4 {
		t.Fatalf("%d changes in the feed", changes)
	}
	at, err := db.Cursor(ctx, "fixture")
	if err != nil || has && at != last || !has && at != "" {
		t.Fatalf("cursor %q, %v", at, err)
	}
	letters, err := db.Take(ctx, storage.QueueNotify, fixtureLetter.Due, time.Minute, 10)
	if err != nil || len(letters) > 1 || has != (len(letters) == 1) {
		t.Fatalf("%d letters, %v", len(letters), err)
	}
	if has && (string(letters[0].Body) != string(fixtureLetter.Body) || letters[0].ID != fixtureLetter.ID || letters[0].Tenant != tenant) {
		t.Fatalf("the letter: %+v", letters[0])
	}
}

var fixtureLetter = storage.Letter{
	ID: metadata.UUID{1, 2, 3, 15: 16}, Tenant: tenant, Queue: storage.QueueNotify, Body: []byte("a letter"),
	Created: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Due: time.Date(2026, 3, 2, 12, 0, 0, 5, time.UTC), Expires: time.Date(2126, 3, 2, 12, 0, 0, 0, time.UTC),
}

// What the fixture of version 1 says of an object and of an event: later fields
// have their zero value.
type (
	fixtureObject struct {
		storage.Added
		Stream storage.Stream
	}
	fixtureEvent struct {
		Kind    storage.EventKind
		ID      metadata.UUID
		Time    time.Time
		Added   []storage.Added
		Touched []fixtureTouch
	}
	fixtureTouch struct {
		ID             metadata.ID
		Status         metadata.Status
		LastUpdateTime metadata.DTM
	}
)

func inFixture(ev storage.Event) fixtureEvent {
	f := fixtureEvent{Kind: ev.Kind, ID: ev.ID, Time: ev.Time, Added: ev.Added}
	for _, t := range ev.Touched {
		f.Touched = append(f.Touched, fixtureTouch{t.ID, t.Status, t.LastUpdateTime})
	}
	return f
}

func makeFixture(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); err == nil {
		t.Fatalf("%s exists; a fixture is never changed", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ring := openRing(t, filepath.Join(dir, "keys"))
	db := open(t, filepath.Join(dir, "log.db"), Options{Ring: ring})
	g := metadatatest.New(1)
	var old metadata.ID
	for i, p := range fixturePatients {
		who := g.Patient()
		who.FNR = p.ID
		for v := range storage.Version(2) {
			sub := g.Metadata(who, 1)
			metadatatest.AddFolder(sub, g.Folder(who, "Innleggelse"))
			if old != "" {
				metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, old)
			}
			c := storagetest.NewChange(sub, v)
			if old != "" {
				c.Events[0].Touched = []storage.Touch{{ID: old, Status: metadata.Deprecated}}
			}
			old = sub.Entries[0].ID
			if i == 1 {
				old = "" // keep one
			}
			if err := db.Append(context.Background(), tenant, []storage.Change{c}); err != nil {
				t.Fatal(err)
			}
		}
	}
	var last storage.Position
	for f, err := range db.Feed(context.Background(), tenant, "") {
		if err != nil {
			t.Fatal(err)
		}
		last = f.Position
	}
	if err := db.Advance(context.Background(), "fixture", "", last, []storage.Letter{fixtureLetter}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "answers.json"), []byte(fixtureAnswers(t, db)), 0o644); err != nil {
		t.Fatal(err)
	}
	closeDB(t, db)
	if err := os.Remove(filepath.Join(dir, "log.db-lock")); err != nil {
		t.Fatal(err)
	}
}

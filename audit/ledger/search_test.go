package ledger

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samdok/access"
	"samdok/metadata"
)

func found(t testing.TB, l *Ledger, q Search) (ids []string) {
	t.Helper()
	for r, err := range l.Find(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.Event.Request.Caller.EventID)
	}
	return ids
}

// Searches answer the same by index, without one and by one made anew, and no
// index shows whom it is about.
func TestSearches(t *testing.T) {
	dir, o := folder(t), Options{Ring: ring(t, t.TempDir()), SegmentSize: 5000, CheckpointEvery: -1}
	l := open(t, dir, o)
	patient := func(i int) metadata.PatientID {
		return metadata.PatientID{ID: fmt.Sprintf("139200799%02d", i), Authority: "2.16.578.1.12.4.1.4.1"}
	}
	begin := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for i := range 90 {
		e := smallEvent()
		e.Time = begin.Add(time.Duration(i) * time.Minute)
		e.Request.Caller = access.Caller{EventID: fmt.Sprint(i), Subject: fmt.Sprint("person ", i%5), Organisation: fmt.Sprint("org ", i%3), DecisionRef: fmt.Sprint("decision ", i)}
		e.Request.Patients = []metadata.PatientID{patient(i % 10)}
		e.Items = []access.Item{{Kind: access.ItemEntry, Patient: patient((i + 1) % 10), Controller: fmt.Sprint("owner ", i%2)}}
		if _, err := l.Record(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	check := func(name string) {
		t.Helper()
		for _, c := range []struct {
			q    Search
			want string
		}{
			{Search{Patient: patient(3), Since: begin.Add(80 * time.Minute)}, "[83 82]"},
			{Search{Patient: patient(3), Until: begin.Add(13 * time.Minute)}, "[12 3 2]"},
			{Search{Patient: metadata.PatientID{ID: patient(3).ID, Authority: "1.2"}}, "[]"},
			{Search{Patient: patient(3), Person: "person 2", Since: begin.Add(50 * time.Minute)}, "[82 72 62 52]"},
			{Search{DecisionRef: "decision 41"}, "[41]"},
			{Search{Organisation: "org 1", Person: "person 1", Until: begin.Add(40 * time.Minute)}, "[31 16 1]"},
			{Search{Organisation: "owner 1", Since: begin.Add(86 * time.Minute)}, "[89 87]"},
			{Search{Since: begin.Add(88 * time.Minute)}, "[89 88]"},
			{Search{Person: "nobody"}, "[]"},
		} {
			if got := fmt.Sprint(found(t, l, c.q)); got != c.want {
				t.Errorf("%s: %+v: %s, want %s", name, c.q, got, c.want)
			}
		}
	}
	if err := l.tend(context.Background()); err != nil {
		t.Fatal(err)
	}
	have, err := segments(l.FS, dir, indexSuffix)
	if err != nil || len(have) < 3 {
		t.Fatalf("%d indexes, %v", len(have), err)
	}
	check("indexed")
	for _, n := range have {
		path := filepath.Join(dir, fileName(n, indexSuffix))
		if b := readFile(t, path); bytes.Contains(b, []byte("139200799")) || bytes.Contains(b, []byte("person")) {
			t.Fatal("an index shows whom it is about")
		}
		remove(t, path)
	}
	check("without an index")
	if err := l.RebuildIndex(context.Background(), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	check("made anew")
	path := filepath.Join(dir, fileName(have[0], indexSuffix))
	b := readFile(t, path)
	b[20] ^= 1
	writeFile(t, path, b)
	check("with a damaged index")
}

// The index that is made of what was gathered while recording is the one that the
// segment itself gives.
func TestIndexGatheredIsIndexRead(t *testing.T) {
	dir, o := folder(t), Options{Ring: ring(t, t.TempDir()), SegmentSize: 3000, CheckpointEvery: -1}
	l := open(t, dir, o)
	for i := range 40 {
		e := typicalEvent()
		e.Time = time.Unix(int64(1e9+(i*37)%11), 0)
		e.Request.Patients = []metadata.PatientID{{ID: fmt.Sprint("patient ", i%3), Authority: "1.2"}}
		e.Items[3].Patient, e.Items[4].Controller = metadata.PatientID{ID: "other", Authority: "1.2"}, fmt.Sprint("owner ", i%2)
		if _, err := l.Record(context.Background(), e); err != nil {
			t.Fatal(err)
		}
	}
	read := func() map[string]string {
		t.Helper()
		names, err := held.Names(dir)
		all := map[string]string{}
		for _, name := range names {
			if strings.HasSuffix(name, indexSuffix) {
				all[name] = string(readFile(t, filepath.Join(dir, name)))
			}
		}
		if err != nil || len(all) == 0 {
			t.Fatal(names, err)
		}
		return all
	}
	if err := l.tend(context.Background()); err != nil {
		t.Fatal(err)
	}
	gathered := read()
	if err := l.RebuildIndex(context.Background(), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(gathered, read()); d != "" {
		t.Error(d)
	}
}

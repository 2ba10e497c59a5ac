package storage_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samdok/metadata"
	"samdok/storage"
)

func TestMergedRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		streams := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) storage.Stream {
			return storage.Stream{Kind: storage.StreamKind(rapid.Byte().Draw(t, "kind")), ID: rapid.StringN(1, 40, -1).Draw(t, "id")}
		}), 1, 20).Draw(t, "streams")
		e := storage.Absorbed(streams, time.Now())
		if got, err := e.Merged(); err != nil || !slices.Equal(got, streams) {
			t.Fatalf("%v %v", got, err)
		}
		e = storage.MergedInto(streams[0], time.Now())
		if got, err := e.Merged(); err != nil || !slices.Equal(got, streams[:1]) {
			t.Fatalf("%v %v", got, err)
		}
		for n := range len(e.Body) {
			cut := e
			cut.Body = e.Body[:n]
			if _, err := cut.Merged(); !errors.Is(err, storage.ErrBody) {
				t.Fatalf("cut to %d bytes: %v", n, err)
			}
		}
		e.Body = append(e.Body, 0)
		if _, err := e.Merged(); !errors.Is(err, storage.ErrBody) {
			t.Fatalf("a byte too many: %v", err)
		}
	})
	two := storage.Absorbed([]storage.Stream{{Kind: 1, ID: "a"}, {Kind: 1, ID: "b"}}, time.Now())
	two.Kind = storage.EventMergedInto
	if _, err := two.Merged(); !errors.Is(err, storage.ErrBody) {
		t.Fatalf("merged into two: %v", err)
	}
	if known := storage.PatientKnown(time.Now()); len(known.Body) != 1 {
		t.Fatal("something of the patient is kept")
	}
}

func FuzzMerged(f *testing.F) {
	f.Add(storage.MergedInto(storage.PatientStream(metadata.PatientID{ID: "1", Authority: "1.2"}), time.Now()).Body)
	f.Add(storage.Absorbed([]storage.Stream{{Kind: 1, ID: "1^1.2"}, {Kind: 1, ID: "2^1.2"}}, time.Now()).Body)
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		e := storage.Event{Kind: storage.EventAbsorbed, Body: b}
		streams, err := e.Merged()
		if err == nil && len(streams) == 0 {
			t.Fatal("nothing, and no error")
		}
	})
}

func TestStreamPatient(t *testing.T) {
	for _, p := range []metadata.PatientID{{ID: "13897512345", Authority: "2.16.578.1.12.4.1.4.1"}, {ID: "a^b", Authority: "1.2.3"}} {
		if got, ok := storage.PatientStream(p).Patient(); !ok || got != p {
			t.Errorf("%v, want %v", got, p)
		}
	}
	if _, ok := (storage.Stream{Kind: storage.StreamHold, ID: "a^b"}).Patient(); ok {
		t.Error("a hold is a patient")
	}
}

package encoding

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"samdok/metadata"
	"samdok/storage"
)

// record is what one Append takes.
type record struct {
	Events []storage.Event
	Claims []storage.Claim
}

// decode reads all of a record by way of every function of Reader.
func decode(r *Reader, data string) (record, error) {
	if err := r.Reset(data); err != nil {
		return record{}, err
	}
	events, err := r.Events()
	if err != nil {
		return record{}, err
	}
	claims, err := r.Claims()
	return record{events, claims}, err
}

// drawRecord makes a record of arbitrary content. Some strings are drawn from a
// few, so that words, repeats, UUIDs and hexadecimal occur.
func drawRecord(t *rapid.T) record {
	var rec record
	str := rapid.OneOf(
		rapid.String(),
		rapid.SampledFrom(words[:]),
		rapid.SampledFrom([]string{
			"urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1", "urn:uuid:7EDCA82F-054d-47f2-a032-9b2a5b5186c1", "urn:uuid:7edca82f-054d-47f2-a032_9b2a5b5186c1",
			"da39a3ee5e6b4b0d3255bfef95601890afd80709", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "20240102030405", "0123456789abc", "0123456789abcde",
		}))
	for range rapid.IntRange(0, 3).Draw(t, "events") {
		ev := storage.Event{
			Kind: storage.EventKind(rapid.SampledFrom([]int{1, 1, 1, 2, 3, 4, 255}).Draw(t, "kind")),
			ID:   rapid.Make[metadata.UUID]().Draw(t, "id"),
			Time: time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "sec"), rapid.Int64Range(0, 999_999_999).Draw(t, "nsec")).UTC(),
		}
		for range rapid.IntRange(0, 3).Draw(t, "touched") {
			touch := rapid.Make[storage.Touch]().Draw(t, "touch")
			touch.Succession %= 3
			ev.Touched = append(ev.Touched, touch)
		}
		for range rapid.IntRange(0, 2).Draw(t, "removed") {
			ev.Removed = append(ev.Removed, metadata.ID(str.Draw(t, "gone")))
		}
		if rapid.Bool().Draw(t, "with body") {
			ev.Body = rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		}
		for range rapid.IntRange(0, 4).Draw(t, "added") {
			a := storage.Added{Document: storage.DocumentKey(str.Draw(t, "key")), Controller: str.Draw(t, "controller")}
			switch rapid.IntRange(0, 3).Draw(t, "class") {
			case 0:
				d := rapid.Make[metadata.DocumentEntry]().Draw(t, "entry")
				if !d.Size.Given {
					d.Size.Octets = 0
				}
				d.Hash, d.UniqueID, d.MimeType, d.ID = str.Draw(t, "hash"), str.Draw(t, "unique"), str.Draw(t, "mime"), metadata.ID(str.Draw(t, "entryUUID"))
				if rapid.Bool().Draw(t, "first") {
					d.LogicalID = d.ID
				}
				a.Object = &d
			case 1:
				s := rapid.Make[metadata.SubmissionSet]().Draw(t, "set")
				a.Object = &s
			case 2:
				f := rapid.Make[metadata.Folder]().Draw(t, "folder")
				a.Object = &f
			case 3:
				x := rapid.Make[metadata.Association]().Draw(t, "association")
				x.Source, x.Target = metadata.ID(str.Draw(t, "source")), metadata.ID(str.Draw(t, "target"))
				a.Object = &x
			}
			ev.Added = append(ev.Added, a)
		}
		rec.Events = append(rec.Events, ev)
	}
	for range rapid.IntRange(0, 3).Draw(t, "claims") {
		rec.Claims = append(rec.Claims, rapid.Make[storage.Claim]().Draw(t, "claim"))
	}
	return rec
}

// TestRoundTrip: what is read is what was written. Only nil and empty lists are
// not told apart: both mean "absent".
func TestRoundTrip(t *testing.T) {
	var e Encoder
	var r Reader
	other := encodeSample(t)
	rapid.Check(t, func(t *rapid.T) {
		want := drawRecord(t)
		data, err := e.Append([]byte("before"), want.Events, want.Claims)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(&r, string(data[len("before"):]))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
		// Objects alone, from the last to the first.
		var all []storage.Added
		for _, ev := range want.Events {
			all = append(all, ev.Added...)
		}
		if r.Len() != len(all) {
			t.Fatalf("%d objects, want %d", r.Len(), len(all))
		}
		var kept []storage.Added
		for n := len(all) - 1; n >= 0; n-- {
			if rapid.Bool().Draw(t, "give back") { // nothing kept shares its memory
				if _, err := r.Added(rapid.IntRange(0, len(all)-1).Draw(t, "other")); err != nil {
					t.Fatal(err)
				}
				r.GiveBack()
			}
			a, err := r.Added(n)
			if err != nil {
				t.Fatal(err)
			}
			kept = append(kept, a)
			if d := cmp.Diff(all[n], a, cmpopts.EquateEmpty()); d != "" || r.Class(n) != ClassOf(a.Object) {
				t.Fatal(d)
			}
		}
		slices.Reverse(kept)
		if err := r.Reset(other); err != nil { // the next record does not touch it either
			t.Fatal(err)
		}
		for n := range r.Len() {
			if _, err := r.Added(n); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(all, kept, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

// TestEveryPrefixIsCorrupt: a record that ends early is never taken for a whole
// one.
func TestEveryPrefixIsCorrupt(t *testing.T) {
	for _, data := range []string{encodeSample(t), encodeLifeCycle(t)} {
		var r Reader
		for n := range len(data) {
			if _, err := decode(&r, data[:n]); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%d of %d bytes: %v", n, len(data), err)
			}
		}
		if _, err := decode(&r, data+"x"); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("one byte too many: %v", err)
		}
		if _, err := decode(&r, "\x04"+data[1:]); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "use a newer samdok") {
			t.Fatalf("newer version: %v", err)
		}
	}
}

// encodeLifeCycle is a record of an update and a removal.
func encodeLifeCycle(t testing.TB) string {
	t.Helper()
	id := metadata.ID("urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1")
	events := []storage.Event{
		{Kind: storage.EventPatientKnown, Time: time.Unix(1, 2).UTC(), Body: []byte("body")},
		{Kind: storage.EventUpdated, Time: time.Unix(1, 2).UTC(), Touched: []storage.Touch{{ID: id, Status: metadata.Deprecated, Succession: storage.Superseded}, {ID: "x", Unbind: true}}},
		{Kind: storage.EventRemoved, Time: time.Unix(3, 4).UTC(), Removed: []metadata.ID{id, "y"}},
	}
	var e Encoder
	data, err := e.Append(nil, events, nil)
	if err != nil {
		t.Fatal(err)
	}
	if data[0] != VersionBody {
		t.Fatalf("version %d", data[0])
	}
	return string(data)
}

// A plain submission is written as before there were updates and removals.
func TestSubmissionsStayVersion1(t *testing.T) {
	if data := encodeSample(t); data[0] != Version {
		t.Fatalf("version %d", data[0])
	}
}

func TestMissingObject(t *testing.T) {
	var e Encoder
	for _, o := range []metadata.Object{nil, (*metadata.DocumentEntry)(nil), (*metadata.Folder)(nil), (*metadata.SubmissionSet)(nil), (*metadata.Association)(nil)} {
		if _, err := e.Append(nil, []storage.Event{{Added: []storage.Added{{Object: o}}}}, nil); !errors.Is(err, ErrObject) {
			t.Errorf("%T: %v", o, err)
		}
	}
}

// TestWords: numbers are stored, so the first words never move.
func TestWords(t *testing.T) {
	fixed := map[int]string{0: "", 1: string(metadata.HasMember), 2: string(metadata.Replaces), 28: "application/pdf", 63: "normal"}
	for n, w := range fixed {
		if words[n] != w {
			t.Errorf("word %d is %q, want %q", n, words[n], w)
		}
	}
	if len(numbers) != len(words) {
		t.Error("a word occurs twice")
	}
}

func FuzzReader(f *testing.F) {
	f.Add(encodeSample(f))
	f.Add(encodeLifeCycle(f))
	f.Add("\x01\x00\x00\x00")
	f.Add("")
	f.Fuzz(func(t *testing.T, data string) {
		var r Reader
		rec, err := decode(&r, data)
		if err != nil {
			return
		}
		// What was understood is written and read again the same.
		var e Encoder
		again, err := e.Append(nil, rec.Events, rec.Claims)
		if err != nil {
			t.Fatal(err)
		}
		rec2, err := decode(&r, string(again))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(rec, rec2, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

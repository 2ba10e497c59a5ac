package mailbox

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/sqlite"
)

const (
	tenant = access.Tenant("test")
	north  = "974749025"
	south  = "983974899"
)

func open(t *testing.T, o Options) (*Mailboxes, *sqlite.DB) {
	t.Helper()
	db, err := sqlite.Open(context.Background(), filepath.Join(t.TempDir(), "log.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	o.Log, o.Index = db, db
	o.Clock = func() time.Time { return time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC) }
	return New(o), db
}

func xon(id string) string { return "Sykehus^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^" + id }

func TestAddressees(t *testing.T) {
	for _, c := range []struct {
		o          Options
		recipients []string
		to         []string
		warnings   int
		refused    bool
	}{
		{Options{Organisations: []string{north}}, []string{xon(north)}, []string{north}, 0, false},
		{Options{Organisations: []string{north}}, []string{xon(north) + "|^Lege^Lise", xon(north)}, []string{north}, 0, false},
		{Options{Organisations: []string{north, south}}, []string{xon(south), xon(north)}, []string{south, north}, 0, false},
		{Options{Organisations: []string{north}}, []string{xon(north), xon(south)}, []string{north}, 1, false},
		{Options{Organisations: []string{north}}, []string{xon(south)}, nil, 0, true},
		{Options{Organisations: []string{north}}, []string{"|^Lege^Lise"}, nil, 0, true},
		{Options{Any: true}, []string{xon(south)}, []string{south}, 0, false},
		{Options{Any: true}, []string{"Sykehus uten id"}, nil, 0, true},
		{Options{Organisations: []string{north}}, nil, nil, 0, true},
		{Options{Organisations: []string{north}, Default: north}, nil, []string{north}, 0, false},
		{Options{Organisations: []string{north}, Default: north}, []string{xon(south)}, nil, 0, true},
	} {
		to, problems := New(c.o).Addressees(&metadata.SubmissionSet{Recipients: c.recipients})
		if !slices.Equal(to, c.to) || fault.HasErrors(problems) != c.refused || !c.refused && len(problems) != c.warnings {
			t.Errorf("%v to %v: %v, %+v", c.recipients, c.o.Organisations, to, problems)
		}
		for _, p := range problems {
			if p.Code != fault.UnknownRecipient || p.Context == "" {
				t.Errorf("%+v", p)
			}
		}
	}
}

// message is a submission with a document that replaces one elsewhere.
func message(g *metadatatest.Gen) (*metadata.Submission, map[metadata.ID]storage.DocumentKey) {
	p := g.Patient()
	sub := g.Metadata(p, 2)
	f := g.Folder(p, "mappe")
	metadatatest.AddFolder(sub, f)
	metadatatest.AddToFolder(sub, f.ID, sub.Entries[0].ID)
	metadatatest.Relate(sub, metadata.Appends, sub.Entries[0].ID, sub.Entries[1].ID)
	metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, metadata.NewUUID().ID())
	return sub, map[metadata.ID]storage.DocumentKey{sub.Entries[0].ID: "key-0", sub.Entries[1].ID: "key-1"}
}

func read1(t *testing.T, m *Mailboxes, org string) (list []Message) {
	t.Helper()
	for msg, err := range m.Messages(t.Context(), tenant, org) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, msg)
	}
	return list
}

func TestDeliver(t *testing.T) {
	m, db := open(t, Options{})
	g := metadatatest.New(1)
	sub, keys := message(g)
	d := Delivery{To: []string{north, south}, Submission: sub, Documents: keys, From: "sender", MessageID: "urn:uuid:1"}
	warnings, err := m.Deliver(t.Context(), tenant, d)
	if err != nil || len(warnings) != 1 || warnings[0].Code != fault.PartialReplaceContent || warnings[0].Severity != fault.SeverityWarning {
		t.Fatalf("%v %+v", err, warnings)
	}
	seen := map[metadata.ID]bool{}
	for _, org := range d.To {
		list := read1(t, m, org)
		if len(list) != 1 {
			t.Fatalf("%d messages", len(list))
		}
		got := list[0]
		if got.Set.UniqueID != sub.Set.UniqueID || got.From != "sender" || got.MessageID != "urn:uuid:1" || len(got.Entries) != 2 || len(got.Folders) != 1 ||
			len(got.Associations) != len(sub.Associations)-1 {
			t.Fatalf("%+v", got)
		}
		placed, err := m.Documents(t.Context(), tenant, got)
		if err != nil || len(placed) != 2 || placed[0].Document != "key-0" || placed[1].Document != "key-1" {
			t.Fatalf("%+v %v", placed, err)
		}
		ids := []metadata.ID{got.Set.ID, got.Entries[0].ID, got.Entries[1].ID, got.Folders[0].ID}
		ends := map[metadata.ID]bool{}
		for _, id := range ids {
			ends[id] = true
		}
		for _, a := range got.Associations {
			ids, ends[a.ID] = append(ids, a.ID), true
		}
		for _, a := range got.Associations {
			if !ends[a.Source] || !ends[a.Target] {
				t.Errorf("an association leads out of the message: %+v", a)
			}
		}
		for _, id := range ids {
			if seen[id] || id == sub.Set.ID || id == sub.Entries[0].ID {
				t.Errorf("%s is not the mailbox's own id", id)
			}
			seen[id] = true
		}
		if st, err := db.Lookup(t.Context(), tenant, storage.Refs{IDs: ids, UniqueIDs: []string{sub.Entries[0].UniqueID, sub.Set.UniqueID}, AssociationsOf: ids}); err != nil || len(st.Objects)+len(st.Associations) > 0 {
			t.Errorf("the registry sees %d objects, %v", len(st.Objects), err)
		}
	}
	// Again: refused by all, although one mailbox is new.
	_, err = m.Deliver(t.Context(), tenant, Delivery{To: []string{"999999999", south}, Submission: sub, Documents: keys})
	if fault.KindOf(err) != fault.Invalid || fault.ProblemsOf(err)[0].Code != fault.DuplicateUniqueID || len(read1(t, m, "999999999")) != 0 {
		t.Fatalf("again: %v", err)
	}
}

// Many senders of one mailbox: all arrive, each once.
func TestDeliverAtOnce(t *testing.T) {
	m, _ := open(t, Options{})
	var group sync.WaitGroup
	var yes, busy atomic.Int64
	for w := range 8 {
		g := metadatatest.New(uint64(100 + w))
		group.Go(func() {
			for range 5 {
				sub, keys := message(g)
				switch _, err := m.Deliver(t.Context(), tenant, Delivery{To: []string{north}, Submission: sub, Documents: keys}); fault.KindOf(err) {
				case fault.Busy:
					busy.Add(1)
				default:
					if err != nil {
						t.Error(err)
						return
					}
					yes.Add(1)
				}
			}
		})
	}
	group.Wait()
	if n := len(read1(t, m, north)); int64(n) != yes.Load() || yes.Load()+busy.Load() != 40 || n == 0 {
		t.Errorf("%d messages, %d acknowledged, %d told to come again", n, yes.Load(), busy.Load())
	}
}

func FuzzSlip(f *testing.F) {
	f.Add(slip{"sender", "urn:uuid:1"}.encode())
	f.Add([]byte{1, 255, 255, 255, 255, 15})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeSlip(b)
		if err != nil {
			return
		}
		if again, err := decodeSlip(s.encode()); err != nil || again != s {
			t.Fatal(fmt.Sprint(again, err))
		}
	})
}

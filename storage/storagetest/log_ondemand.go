package storagetest

import (
	"context"
	"testing"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// announced is a change with one on-demand entry (ITI-61): no document, no time,
// no hash and no size.
func announced(g *metadatatest.Gen, p metadatatest.Patient, expect storage.Version) (storage.Change, *metadata.DocumentEntry) {
	c := submission(g, p, 1, expect)
	ev := &c.Events[0]
	var d *metadata.DocumentEntry
	for i := range ev.Added {
		if e, ok := ev.Added[i].Object.(*metadata.DocumentEntry); ok {
			d, ev.Added[i].Document = e, ""
		}
	}
	for i := range c.Claims {
		if c.Claims[i].ID == d.UniqueID {
			c.Claims[i].Value = "on-demand"
		}
	}
	d.Kind, d.CreationTime, d.Hash, d.Size = metadata.OnDemand, "", "", metadata.Size{}
	return c, d
}

// entriesFound counts what a filter of documents finds.
func entriesFound(t *testing.T, l LogIndex, s storage.Stream, f metadata.DocumentFilter) (n int) {
	t.Helper()
	for _, err := range l.Find(context.Background(), tenant, s, storage.Filter{Documents: &f}, access.Restriction{}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// onDemand: an entry without content is found by those who ask for its kind only,
// keeps that it has none, and leads to its snapshots.
func (e LogEngine) onDemand(t *testing.T) {
	l, g := e.open(t), metadatatest.New(21)
	p := g.Patient()
	first, d := announced(g, p, 0)
	again, d2 := announced(g, p, 1)
	for i := range again.Claims {
		if again.Claims[i].ID == d2.UniqueID {
			again.Claims[i].ID = d.UniqueID
		}
	}
	d2.UniqueID = d.UniqueID
	snapshot := submission(g, p, 1, 2)
	link := relate(&snapshot, metadata.IsSnapshotOf, entries(snapshot)[0].ID, d.ID)
	appendAll(t, l, first, again, snapshot)
	rebuilt(t, l, func() {
		s := streamOf(p)
		both := []metadata.EntryKind{metadata.Stable, metadata.OnDemand}
		for want, f := range map[int]metadata.DocumentFilter{
			1: {}, 2: {Kinds: both[1:]}, 3: {Kinds: both},
		} {
			if n := entriesFound(t, l, s, f); n != want {
				t.Errorf("%v finds %d entries, want %d", f.Kinds, n, want)
			}
		}
		if n := entriesFound(t, l, s, metadata.DocumentFilter{Kinds: both[1:], Creation: metadata.TimeRange{From: "2999"}}); n != 2 {
			t.Errorf("a range of creationTime hides entries that have none: %d", n)
		}
		st, err := l.Lookup(context.Background(), tenant, storage.Refs{UniqueIDs: []string{d.UniqueID}, AssociationsOf: []metadata.ID{d.ID}})
		if err != nil || len(st.Objects) != 2 {
			t.Fatalf("%d entries of one uniqueId, %v", len(st.Objects), err)
		}
		for _, o := range st.Objects {
			if x := o.Object.(*metadata.DocumentEntry); x.Kind != metadata.OnDemand || x.Size.Given || x.Hash != "" || x.CreationTime != "" || o.Document != "" {
				t.Errorf("%+v", x)
			}
		}
		found := false
		for _, o := range st.Associations {
			found = found || o.Object.ObjectID() == link.ID
		}
		if !found {
			t.Error("the snapshot is not found from its origin")
		}
	})
}

// late: a document that comes with a later version of its entry is bound to that
// version, although its content is not the one claimed before.
func (e LogEngine) late(t *testing.T) {
	l, g := e.open(t), metadatatest.New(22)
	p := g.Patient()
	first := submission(g, p, 1, 0)
	old := entries(first)[0]
	old.Hash, old.Size = "da39a3ee5e6b4b0d3255bfef95601890afd80709", metadata.Octets(0)
	for i := range first.Events[0].Added {
		first.Events[0].Added[i].Document = ""
	}
	for i := range first.Claims {
		if first.Claims[i].ID == old.UniqueID {
			first.Claims[i].Value = contentOf(old)
		}
	}
	second, d := revise(g, p, old, 1)
	d.Hash, d.Size = "0000000000000000000000000000000000000001", metadata.Octets(9)
	for i := range second.Claims {
		if second.Claims[i].ID == d.UniqueID {
			second.Claims[i].Value = "" // unknown: it replaces nobody's
		}
	}
	appendAll(t, l, first, second)
	rebuilt(t, l, func() {
		st, err := l.Lookup(context.Background(), tenant, storage.Refs{UniqueIDs: []string{old.UniqueID}})
		if err != nil || len(st.Objects) != 2 {
			t.Fatalf("%d versions, %v", len(st.Objects), err)
		}
		for _, o := range st.Objects {
			newest := o.Object.ObjectID() == d.ID
			if newest != (o.Document != "") || newest == o.Superseded || newest && o.Object.(*metadata.DocumentEntry).Size != d.Size {
				t.Errorf("newest %v: document %q, superseded %v", newest, o.Document, o.Superseded)
			}
		}
	})
}

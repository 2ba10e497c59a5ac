package storagetest

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

const tenant access.Tenant = "test"

// everything selects all objects of a stream.
var everything = storage.Filter{
	Documents:      &metadata.DocumentFilter{Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}},
	SubmissionSets: &metadata.SubmissionSetFilter{},
	Folders:        &metadata.FolderFilter{},
	Associations:   true,
}

// documents selects approved documents.
var documents = storage.Filter{Documents: &metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}

// NewChange makes a change of a submission as a registry does: every object
// complete, Approved and claimed. It appends to the patient's stream at expect.
func NewChange(sub *metadata.Submission, expect storage.Version) storage.Change {
	patient, err := sub.Set.PatientID.Patient()
	if err != nil {
		panic(err) // the material is our own
	}
	ev := storage.Event{Kind: storage.EventSubmitted, ID: metadata.NewUUID(), Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	c := storage.Change{Stream: storage.PatientStream(patient), Expect: expect}
	add := func(o metadata.Object, a storage.Added) {
		a.Object, a.Controller = o, "974749025"
		ev.Added = append(ev.Added, a)
		c.Claims = append(c.Claims, storage.Claim{ID: string(o.ObjectID()), Exclusive: true})
	}
	sub.Set.Status, sub.Set.LogicalID, sub.Set.Version = metadata.Approved, sub.Set.ID, 1
	add(&sub.Set, storage.Added{})
	c.Claims = append(c.Claims, storage.Claim{ID: sub.Set.UniqueID, Exclusive: true})
	for i, d := range sub.Entries {
		d.Status, d.LogicalID, d.Version, d.Kind = metadata.Approved, d.ID, 1, metadata.Stable
		if d.Hash == "" {
			d.Hash, d.Size = "da39a3ee5e6b4b0d3255bfef95601890afd80709", metadata.Octets(int64(i))
		}
		add(d, storage.Added{Document: storage.DocumentKey("key-" + strconv.Itoa(i))})
		c.Claims = append(c.Claims, storage.Claim{ID: d.UniqueID, Value: contentOf(d)})
	}
	for _, f := range sub.Folders {
		f.Status, f.LogicalID, f.Version, f.LastUpdateTime = metadata.Approved, f.ID, 1, "20260301120000"
		add(f, storage.Added{})
		c.Claims = append(c.Claims, storage.Claim{ID: f.UniqueID, Exclusive: true})
	}
	for _, a := range sub.Associations {
		a.Status = metadata.Approved
		add(a, storage.Added{})
	}
	c.Events = []storage.Event{ev}
	return c
}

func contentOf(d *metadata.DocumentEntry) string {
	return strings.ToLower(d.Hash) + " " + strconv.FormatInt(d.Size.Octets, 10)
}

// submission is a change with n documents of a patient at a version.
func submission(g *metadatatest.Gen, p metadatatest.Patient, n int, expect storage.Version) storage.Change {
	return NewChange(g.Metadata(p, n), expect)
}

func streamOf(p metadatatest.Patient) storage.Stream { return storage.PatientStream(p.ID()) }

// entries of a change.
func entries(c storage.Change) (list []*metadata.DocumentEntry) {
	for _, a := range c.Events[0].Added {
		if d, ok := a.Object.(*metadata.DocumentEntry); ok {
			list = append(list, d)
		}
	}
	return list
}

// relate adds an association to a change.
func relate(c *storage.Change, t metadata.AssociationType, source, target metadata.ID) *metadata.Association {
	a := &metadata.Association{ID: metadata.NewUUID().ID(), Type: t, Source: source, Target: target, Status: metadata.Approved}
	c.Events[0].Added = append(c.Events[0].Added, storage.Added{Object: a, Controller: "974749025"})
	c.Claims = append(c.Claims, storage.Claim{ID: string(a.ID), Exclusive: true})
	return a
}

func appendAll(t testing.TB, l storage.Log, changes ...storage.Change) {
	t.Helper()
	for _, c := range changes {
		if err := l.Append(context.Background(), tenant, []storage.Change{c}); err != nil {
			t.Fatal(err)
		}
	}
}

// find collects what Find yields.
func find(t testing.TB, l storage.Index, of access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) (list []storage.Placed) {
	t.Helper()
	for p, err := range l.Find(context.Background(), of, s, f, r) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func scan(t testing.TB, l storage.Index, of access.Tenant, f storage.Filter, r access.Restriction) (list []storage.Placed) {
	t.Helper()
	for p, err := range l.Scan(context.Background(), of, f, r) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

func lookup(t testing.TB, l storage.Index, of access.Tenant, refs storage.Refs) storage.State {
	t.Helper()
	st, err := l.Lookup(context.Background(), of, refs)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func version(t testing.TB, l storage.Log, of access.Tenant, s storage.Stream) storage.Version {
	t.Helper()
	_, v, err := l.Load(context.Background(), of, s, storage.Refs{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// ids lists what was found.
func ids(list []storage.Placed) (all []metadata.ID) {
	for _, p := range list {
		all = append(all, p.Object.ObjectID())
	}
	return all
}

// same fails when two lists differ. Nil and empty lists inside objects are the
// same: both mean "absent".
func same(t testing.TB, what string, got, want []storage.Placed) {
	t.Helper()
	if len(got) == 0 && len(want) == 0 || reflect.DeepEqual(got, want) {
		return
	}
	if d := gocmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("%s: -want +got\n%s", what, d)
	}
}

// sorted by id, for lists in no order.
func sorted(list []storage.Placed) []storage.Placed {
	return slices.SortedFunc(slices.Values(list), func(a, b storage.Placed) int {
		return cmp.Compare(a.Object.ObjectID(), b.Object.ObjectID())
	})
}

// answers is everything an index can say of some streams and ids, as text.
func answers(t testing.TB, l LogIndex, of access.Tenant, streams []storage.Stream, refs storage.Refs) string {
	t.Helper()
	var b strings.Builder
	say := func(list []storage.Placed) {
		for _, p := range list {
			fmt.Fprintf(&b, "%v %s %s %+v\n", p.Stream, p.Document, p.Controller, p.Object)
		}
		b.WriteByte('\n')
	}
	for _, s := range streams {
		fmt.Fprintln(&b, s, version(t, l, of, s))
		say(find(t, l, of, s, everything, access.Restriction{}))
		say(find(t, l, of, s, documents, access.Restriction{}))
	}
	for _, id := range refs.IDs {
		say(sorted(lookup(t, l, of, storage.Refs{IDs: []metadata.ID{id}}).Objects))
	}
	for _, id := range refs.UniqueIDs {
		say(sorted(lookup(t, l, of, storage.Refs{UniqueIDs: []string{id}}).Objects))
	}
	for _, id := range refs.AssociationsOf {
		say(sorted(lookup(t, l, of, storage.Refs{AssociationsOf: []metadata.ID{id}}).Associations))
	}
	all := lookup(t, l, of, refs)
	say(sorted(all.Objects))
	say(sorted(all.Associations))
	return b.String()
}

// refsOf asks for every id that changes name.
func refsOf(changes ...storage.Change) (refs storage.Refs) {
	for _, c := range changes {
		for _, ev := range c.Events {
			for _, a := range ev.Added {
				refs.IDs = append(refs.IDs, a.Object.ObjectID())
				if u := metadata.UniqueIDOf(a.Object); u != "" {
					refs.UniqueIDs = append(refs.UniqueIDs, u)
				}
			}
		}
	}
	refs.AssociationsOf = refs.IDs
	return refs
}

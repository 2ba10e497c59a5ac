package registry_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
)

// library is registered material with names for its objects.
type library struct {
	*world
	names map[metadata.ID]string
}

var approved = []metadata.Status{metadata.Approved}

// newLibrary registers:
//
//	s1: d1, d2, folder f with d1 (m1) in it
//	s2: d3 replaces d1 (r1; d3 joins f: m2)
//	s3: d4 appends to d3 (r2), reference to d2
//	s4: of the other patient: x, reference to d2
//	s5: on-demand entry o; s6: d5 is a snapshot of o (r3)
func newLibrary(t *testing.T, e engine) *library {
	w := newWorld(t, e)
	l := &library{w, make(map[metadata.ID]string)}
	d1, d2, f := w.entry(), w.entry(), w.gen.Folder(w.patient, "f")
	f.UniqueID = "1.2.3.99"
	s1 := w.with(d1, d2)
	metadatatest.AddFolder(s1, f)
	m1 := metadatatest.AddToFolder(s1, f.ID, d1.ID)
	w.must(s1)

	d3 := w.entry()
	s2 := w.with(d3)
	r1 := metadatatest.Relate(s2, metadata.Replaces, d3.ID, d1.ID)
	w.must(s2)

	d4 := w.entry()
	s3 := w.with(d4)
	r2 := metadatatest.Relate(s3, metadata.Appends, d4.ID, d3.ID)
	metadatatest.AddReference(s3, d2.ID)
	w.must(s3)

	x := w.gen.Entry(w.other, metadatatest.Note)
	s4 := w.gen.Submission(w.other)
	metadatatest.AddEntry(s4, x)
	metadatatest.AddReference(s4, d2.ID)
	w.must(s4)

	o := w.onDemand()
	s5 := w.with(o)
	w.must(s5)
	d5 := w.entry()
	d5.Confidential = []metadata.Code{{Value: "V", Scheme: "2.16.840.1.113883.5.25", Display: metadata.NewText("v")}}
	s6 := w.with(d5)
	r3 := metadatatest.Relate(s6, metadata.IsSnapshotOf, d5.ID, o.ID)
	w.must(s6)

	for name, id := range map[string]metadata.ID{
		"d1": d1.ID, "d2": d2.ID, "d3": d3.ID, "d4": d4.ID, "d5": d5.ID, "o": o.ID, "x": x.ID, "f": f.ID,
		"s1": s1.Set.ID, "s2": s2.Set.ID, "s3": s3.Set.ID, "s4": s4.Set.ID, "s5": s5.Set.ID, "s6": s6.Set.ID,
		"m1": m1.ID, "r1": r1.ID, "r2": r2.ID, "r3": r3.ID,
	} {
		l.names[id] = name
	}
	l.nameAssociations()
	return l
}

// nameAssociations names HasMember associations by what they connect: "s1>d1".
// m1 and m2 are those of the folder.
func (l *library) nameAssociations() {
	ids := make([]metadata.ID, 0, len(l.names))
	for id := range l.names {
		ids = append(ids, id)
	}
	var later []*metadata.Association
	for _, id := range ids {
		for _, a := range l.associationsOf(id) {
			switch {
			case l.names[a.ID] != "":
			case l.names[a.Source] == "f":
				l.names[a.ID] = "m2"
			default:
				later = append(later, a)
			}
		}
	}
	for id, name := range l.names {
		if name == "m2" {
			later = append(later, l.associationsOf(id)...)
		}
	}
	for _, a := range later {
		l.names[a.ID] = l.names[a.Source] + ">" + l.names[a.Target]
	}
}

func (l *library) id(name string) metadata.ID {
	for id, n := range l.names {
		if n == name {
			return id
		}
	}
	panic("no object is called " + name)
}

func (l *library) ids(names ...string) []metadata.ID {
	var ids []metadata.ID
	for _, n := range names {
		ids = append(ids, l.id(n))
	}
	return ids
}

func (l *library) target(names ...string) metadata.Target {
	return metadata.Target{IDs: l.ids(names...)}
}

// unique names objects by uniqueId.
func (l *library) unique(name string) metadata.Target {
	return metadata.Target{UniqueIDs: []string{metadata.UniqueIDOf(l.get(l.id(name)))}}
}

// called turns an answer into sorted names; an object that comes twice is seen.
func (l *library) called(list []metadata.Object) string {
	var names []string
	for _, o := range list {
		n := l.names[o.ObjectID()]
		if n == "" {
			n = fmt.Sprintf("%T", o)
		}
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

func TestQueries(t *testing.T) {
	l := newLibrary(t, newMemory())
	for _, q := range questions {
		t.Run(q.name, func(t *testing.T) {
			got, err := l.find(q.query(l), access.Restriction{})
			if code, ok := strings.CutPrefix(q.want, "!"); ok {
				l.wantRefused(err, fault.Code(code))
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if s := l.called(got); s != q.want {
				t.Errorf("got  %s\nwant %s", s, q.want)
			}
		})
	}
}

// TestRestriction: what may not be found is not, and nothing leads to it.
func TestRestriction(t *testing.T) {
	l := newLibrary(t, newMemory())
	hide := access.Restriction{WithoutCodes: []metadata.CodeRef{{Value: "V", Scheme: "2.16.840.1.113883.5.25"}}}
	for _, q := range []question{
		ask("FindDocuments", func(l *library) metadata.Query {
			return &metadata.FindDocuments{Patient: l.patient.CX(), Filter: metadata.DocumentFilter{Status: approved}}
		}, "d2 d3 d4"),
		ask("GetDocuments", func(l *library) metadata.Query {
			return &metadata.GetDocuments{Documents: l.target("d5", "d4")}
		}, "d4"),
		ask("GetAll", func(l *library) metadata.Query { return getAllOf(l, none, approved, none) },
			"s1 s1>d1 s1>d2 s1>f s1>m1 s2 s2>d3 s2>m2 s3 s3>d2 s3>d4 s5 s5>o s6"),
		ask("GetAssociations", func(l *library) metadata.Query { return &metadata.GetAssociations{IDs: l.ids("o", "d5")} }, "s5>o"),
		ask("GetSubmissionSetAndContents", func(l *library) metadata.Query {
			return &metadata.GetSubmissionSetAndContents{Set: l.target("s6")}
		}, "s6"),
		ask("GetRelatedDocuments", func(l *library) metadata.Query {
			return &metadata.GetRelatedDocuments{Document: l.target("o"), Types: []metadata.AssociationType{metadata.IsSnapshotOf}, Kinds: both2}
		}, ""),
		ask("GetSubmissionSets", func(l *library) metadata.Query { return &metadata.GetSubmissionSets{IDs: l.ids("d5")} }, ""),
	} {
		t.Run(q.name, func(t *testing.T) {
			got, err := l.find(q.query(l), hide)
			if err != nil || l.called(got) != q.want {
				t.Errorf("got  %s, %v\nwant %s", l.called(got), err, q.want)
			}
		})
	}
}

// TestConcealNested: the membership of a hidden document in a folder, and the
// set's hold on that membership, are hidden with it.
func TestConcealNested(t *testing.T) {
	l := newLibrary(t, newMemory())
	e := l.entry()
	e.Confidential = []metadata.Code{{Value: "V", Scheme: "urn:oid:2.16.840.1.113883.5.25", Display: metadata.NewText("v")}}
	sub := l.with(e)
	member := metadatatest.AddToFolder(sub, l.id("f"), e.ID)
	l.must(sub)
	hide := access.Restriction{WithoutCodes: []metadata.CodeRef{{Value: "V", Scheme: "2.16.840.1.113883.5.25"}}}
	for _, id := range []metadata.ID{sub.Set.ID, member.ID} {
		got, err := l.find(metadata.StoredQuery{Query: &metadata.GetAssociations{IDs: []metadata.ID{id}}}, hide)
		if err != nil || len(got) != 0 {
			t.Errorf("%d associations of %s are shown, %v", len(got), id, err)
		}
	}
	got, err := l.find(metadata.StoredQuery{Query: &metadata.GetFolderAndContents{Folder: l.target("f")}}, hide)
	if err != nil || l.called(got) != "d1 d3 f m1 m2" {
		t.Errorf("%s, %v", l.called(got), err)
	}
}

// TestLevels: $MetadataLevel 1 withholds what is offline and deprecated folders
// and associations, unless the query names the status or availability.
func TestLevels(t *testing.T) {
	m := newMemory()
	l := newLibrary(t, m)
	m.objects[l.id("d2")].Object.(*metadata.DocumentEntry).Availability = metadata.AvailabilityOffline
	m.objects[l.id("f")].Object.(*metadata.Folder).Status = metadata.Deprecated
	m.objects[l.id("r2")].Object.(*metadata.Association).Status = metadata.Deprecated
	m.objects[l.id("m1")].Object.(*metadata.Association).Status = metadata.Deprecated
	find := func(f metadata.DocumentFilter) metadata.Query {
		f.Status = approved
		return &metadata.FindDocuments{Patient: l.patient.CX(), Filter: f}
	}
	deprecated := []metadata.Status{metadata.Deprecated}
	for _, c := range []struct {
		name  string
		level int
		query metadata.Query
		want  string
	}{
		{"offline", 0, find(metadata.DocumentFilter{}), "d3 d4 d5"},
		{"offline at 1", 1, find(metadata.DocumentFilter{}), "d3 d4 d5"},
		{"offline at 2", 2, find(metadata.DocumentFilter{}), "d2 d3 d4 d5"},
		{"offline asked for", 1, find(metadata.DocumentFilter{Availability: []string{metadata.AvailabilityOffline}}), "d2"},
		{"GetDocuments at 1", 1, &metadata.GetDocuments{Documents: l.target("d2")}, ""},
		{"GetDocuments at 2", 2, &metadata.GetDocuments{Documents: l.target("d2")}, "d2"},
		{"GetFolders at 1", 1, &metadata.GetFolders{Folders: l.target("f")}, ""},
		{"GetFolders at 2", 2, &metadata.GetFolders{Folders: l.target("f")}, "f"},
		{"FindFolders", 1, &metadata.FindFolders{Patient: l.patient.CX(), Filter: metadata.FolderFilter{Status: deprecated}}, "f"},
		{"deprecated folder", 1, &metadata.GetSubmissionSetAndContents{Set: l.target("s1")}, "d1 s1 s1>d1"},
		{"deprecated folder and member at 2", 2, &metadata.GetSubmissionSetAndContents{Set: l.target("s1")}, "d1 d2 f m1 s1 s1>d1 s1>d2 s1>f s1>m1"},
		{"associations", 2, &metadata.GetAssociations{IDs: l.ids("d4")}, "s3>d4"},
		{"deprecated associations", 1, &metadata.GetAssociations{IDs: l.ids("d4"), AssociationStatus: deprecated}, "r2"},
		{"related", 1, &metadata.GetRelatedDocuments{Document: l.target("d4"), Types: []metadata.AssociationType{metadata.Appends}}, ""},
		{"related, all", 1, &metadata.GetRelatedDocuments{Document: l.target("d4"), Types: []metadata.AssociationType{metadata.Appends}, AssociationStatus: allStatuses}, "d3 d4 r2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := l.find(metadata.StoredQuery{Query: c.query, Level: c.level}, access.Restriction{})
			if err != nil || l.called(got) != c.want {
				t.Errorf("got  %s, %v\nwant %s", l.called(got), err, c.want)
			}
		})
	}
}

// TestDeprecatedMember: a membership that was taken back is no content of the set
// that made it, at level 1.
func TestDeprecatedMember(t *testing.T) {
	m := newMemory()
	l := newLibrary(t, m)
	m.objects[l.id("m1")].Object.(*metadata.Association).Status = metadata.Deprecated
	got, err := l.find(metadata.StoredQuery{Query: &metadata.GetSubmissionSetAndContents{Set: l.target("s1")}}, access.Restriction{})
	if err != nil || l.called(got) != "d1 d2 f s1 s1>d1 s1>d2 s1>f" {
		t.Errorf("%s, %v", l.called(got), err)
	}
}

func TestHome(t *testing.T) {
	for _, c := range []struct{ own, asked, entry, want string }{
		{"", "", "", "d"},
		{"", "urn:oid:1.2", "", "d"}, // a registry without home cannot tell
		{"urn:oid:1.2", "urn:oid:1.2", "", "d"},
		{"urn:oid:1.2", "urn:oid:1.3", "", ""},
		{"urn:oid:1.2", "urn:oid:1.3", "urn:oid:1.3", "d"},
		{"", "urn:oid:1.3", "urn:oid:1.2", ""},
	} {
		w := newWorld(t, newMemory(), func(o *registry.Options) { o.Home = c.own })
		l := &library{w, map[metadata.ID]string{}}
		e := w.entry()
		e.Home = c.entry
		l.names[e.ID] = "d"
		w.must(w.with(e))
		got, err := l.find(metadata.StoredQuery{Home: c.asked, Query: &metadata.GetDocuments{Documents: l.target("d")}}, access.Restriction{})
		if err != nil || l.called(got) != c.want {
			t.Errorf("%+v: got %q, %v", c, l.called(got), err)
		}
	}
}

func TestTooManyResults(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m, func(o *registry.Options) { o.Limits = registry.Limits{LeafClass: 3, ObjectRefs: 8} })
	sub := w.set()
	for range 4 {
		metadatatest.AddEntry(sub, w.entry())
	}
	w.must(sub)
	ids := []metadata.ID{}
	for _, e := range sub.Entries {
		ids = append(ids, e.ID)
	}
	for _, q := range []metadata.Query{
		&metadata.FindDocuments{Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: approved}},
		&metadata.GetDocuments{Documents: metadata.Target{IDs: ids}},
		&metadata.GetAssociations{IDs: ids},
		&metadata.GetSubmissionSetAndContents{Set: metadata.Target{IDs: []metadata.ID{sub.Set.ID}}},
	} {
		_, err := w.find(metadata.StoredQuery{Query: q}, access.Restriction{})
		w.wantRefused(err, fault.TooManyResults)
		if fault.KindOf(err) != fault.TooLarge {
			t.Errorf("kind %d", fault.KindOf(err))
		}
		if _, ok := q.(*metadata.GetSubmissionSetAndContents); ok {
			continue // nine objects
		}
		if got, err := w.find(metadata.StoredQuery{Query: q, Return: metadata.ObjectRef}, access.Restriction{}); err != nil || len(got) != 4 {
			t.Errorf("%T: %d refs, %v", q, len(got), err)
		}
	}
}

// TestLongLists: more ids than one look into the index takes; an association with
// an end in each part is answered once.
func TestLongLists(t *testing.T) {
	w := newWorld(t, newMemory())
	sub := w.set()
	var ids []metadata.ID
	for range 700 {
		e := w.entry()
		metadatatest.AddEntry(sub, e)
		ids = append(ids, e.ID)
	}
	w.must(sub)
	got, err := w.find(metadata.StoredQuery{Query: &metadata.GetAssociations{IDs: append(ids, sub.Set.ID)}}, access.Restriction{})
	if err != nil || len(got) != 700 {
		t.Errorf("%d associations, %v", len(got), err)
	}
	got, err = w.find(metadata.StoredQuery{Query: &metadata.GetDocuments{Documents: metadata.Target{IDs: ids}}}, access.Restriction{})
	if err != nil || len(got) != 700 || got[699].ObjectID() != ids[699] {
		t.Errorf("%d documents, %v", len(got), err)
	}
}

// TestEarlyEnd: a consumer that has enough is not called again.
func TestEarlyEnd(t *testing.T) {
	l := newLibrary(t, newMemory())
	for _, q := range questions {
		for stop := 1; stop < 4; stop++ {
			n := 0
			for _, err := range l.reg.Find(t.Context(), tenant, q.query(l), access.Restriction{}) {
				if err != nil {
					break
				}
				if n++; n == stop {
					break
				}
			}
		}
	}
}

func TestDocuments(t *testing.T) {
	l := newLibrary(t, newMemory())
	old := l.get(l.id("d1")).(*metadata.DocumentEntry)
	again := l.entry()
	again.UniqueID, again.Hash, again.Size = old.UniqueID, old.Hash, old.Size
	l.must(l.with(again))
	o := l.get(l.id("o")).(*metadata.DocumentEntry)
	found, err := l.reg.Documents(t.Context(), tenant, []string{old.UniqueID, o.UniqueID, "1.2.3.99", "unknown", old.UniqueID})
	if err != nil || len(found) != 3 {
		t.Fatalf("%d entries, %v", len(found), err)
	}
	for _, p := range found {
		if u := metadata.UniqueIDOf(p.Object); u != old.UniqueID && u != o.UniqueID || p.Stream.ID == "" {
			t.Errorf("%+v", p)
		}
	}
}

func TestEngineErrors(t *testing.T) {
	bad := errors.New("the disk is gone")
	w := newWorld(t, brokenEngine{newMemory(), bad})
	_, err := w.submit(w.with(w.entry()))
	if fault.KindOf(err) != fault.Internal || !errors.Is(err, bad) {
		t.Errorf("Submit: %v", err)
	}
	_, err = w.find(metadata.StoredQuery{Query: &metadata.GetAssociations{IDs: []metadata.ID{"x"}}}, access.Restriction{})
	if fault.KindOf(err) != fault.Internal || !errors.Is(err, bad) {
		t.Errorf("Find: %v", err)
	}
	_, err = w.reg.Documents(t.Context(), tenant, []string{"x"})
	if fault.KindOf(err) != fault.Internal || !errors.Is(err, bad) {
		t.Errorf("Documents: %v", err)
	}
}

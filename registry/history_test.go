package registry_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
)

// TestHistories registers random submissions, good and bad, updates, removals and
// merges on the real engine and on a model that is as plain as can be, and compares what is refused and
// what every patient's data looks like afterwards, also after the index was made
// anew from the log (P3).
func TestHistories(t *testing.T) {
	db := openSQLite(t)
	seed := uint64(0)
	rapid.Check(t, func(rt *rapid.T) {
		seed++ // every history has patients of its own: one database serves all
		w := newWorld(t, db)
		w.gen = metadatatest.New(1000 + seed)
		w.gen.RepositoryID = "1.2.3.4"
		w.patient, w.other = w.gen.Patient(), w.gen.Patient()
		h := &history{world: w, rt: rt, model: newModel(), patients: []metadatatest.Patient{w.patient, w.other, w.gen.Patient()}}
		for range rapid.IntRange(1, 12).Draw(rt, "submissions") {
			h.step()
		}
		h.compare()
		if rapid.IntRange(0, 19).Draw(rt, "rebuild") == 0 {
			if err := db.Rebuild(context.Background(), func(int64, int64) {}); err != nil {
				rt.Fatal(err)
			}
			h.compare()
		}
	})
}

type history struct {
	*world
	rt       *rapid.T
	model    *model
	patients []metadatatest.Patient
}

// model is the registry as a child would write it: no versions, no claims, no
// event, everything looked up by walking.
type model struct {
	documents []*modelDocument
	folders   []*modelFolder
	sets      []string
	setIDs    []metadata.ID // of sets; what a submission makes has its place as by
	links     []modelLink
	into      map[string]string // patients who live on in others
}

type modelDocument struct {
	id         metadata.ID
	patient    string
	unique     string
	content    string
	deprecated bool
	lid        metadata.ID
	version    int
	old        bool // superseded
	by         int
}

type modelFolder struct {
	id      metadata.ID
	patient string
	unique  string
	changed metadata.DTM
	members []modelMember
	by      int
}

type modelMember struct {
	id metadata.ID
	by int
}

func (f *modelFolder) holds(id metadata.ID) bool {
	return slices.ContainsFunc(f.members, func(m modelMember) bool { return m.id == id })
}

type modelLink struct {
	kind     metadata.AssociationType
	from, to metadata.ID
	by       int
}

func newModel() *model { return &model{into: map[string]string{}} }

func (m *model) document(id metadata.ID) *modelDocument {
	for _, d := range m.documents {
		if d.id == id {
			return d
		}
	}
	return nil
}

func (m *model) folder(id metadata.ID) *modelFolder {
	for _, f := range m.folders {
		if f.id == id {
			return f
		}
	}
	return nil
}

func (m *model) isTransformation(id metadata.ID) bool {
	return slices.ContainsFunc(m.links, func(l modelLink) bool { return l.kind == metadata.Transforms && l.from == id })
}

// bury deprecates a document and what hangs on it.
func (m *model) bury(id metadata.ID) {
	d := m.document(id)
	if d == nil || d.deprecated {
		return
	}
	d.deprecated = true
	for _, l := range m.links {
		if l.to == id && (l.kind == metadata.Transforms || l.kind == metadata.Appends) {
			m.bury(l.from)
		}
	}
}

// step makes one submission and gives it to both.
func (h *history) step() {
	h.now = h.now.Add(time.Minute)
	if rapid.IntRange(0, 7).Draw(h.rt, "merge") == 0 {
		h.mergeTwo()
		return
	}
	if len(h.model.documents) > 0 && rapid.IntRange(0, 2).Draw(h.rt, "life cycle") == 0 {
		h.lifeCycle()
		return
	}
	patient := rapid.SampledFrom([]metadatatest.Patient{h.patient, h.patient, h.patient, h.other, h.patients[2]}).Draw(h.rt, "patient")
	sub := h.gen.Submission(patient)
	if len(h.model.sets) > 0 && rapid.IntRange(0, 9).Draw(h.rt, "again") == 0 {
		sub.Set.UniqueID = rapid.SampledFrom(h.model.sets).Draw(h.rt, "set")
	}
	for range rapid.IntRange(0, 3).Draw(h.rt, "documents") {
		h.addDocument(sub, patient)
	}
	if rapid.Bool().Draw(h.rt, "new folder") {
		metadatatest.AddFolder(sub, h.gen.Folder(patient, "f"))
	}
	for range rapid.IntRange(0, 2).Draw(h.rt, "memberships") {
		h.addMembership(sub)
	}
	want := h.model.judge(sub, string(patient.CX()))
	if rapid.Bool().Draw(h.rt, "symbolic") {
		sub = symbolic(sub)
	}
	r, err := h.submit(sub)
	if got := strings.Join(sortedCodes(err), " "); got != want {
		h.rt.Fatalf("the registry says %q, the model %q: %v", got, want, fault.ProblemsOf(err))
	}
	if err == nil {
		h.model.apply(sub, r.IDs, string(patient.CX()), metadata.FormatDTM(h.now))
	}
}

var kindsOfLink = []metadata.AssociationType{
	metadata.Replaces, metadata.Replaces, metadata.Appends, metadata.Transforms, metadata.TransformReplaces, metadata.Signs,
}

func (h *history) addDocument(sub *metadata.Submission, p metadatatest.Patient) {
	e := h.gen.Entry(p, metadatatest.LabText)
	if len(h.model.documents) > 0 {
		old := rapid.SampledFrom(h.model.documents).Draw(h.rt, "old")
		switch rapid.IntRange(0, 9).Draw(h.rt, "same") {
		case 0: // the same bytes once more
			e.UniqueID = old.unique
			e.Hash = old.content
			e.Size = metadata.Octets(int64(len(old.unique)))
		case 1: // other bytes
			e.UniqueID = old.unique
			e.Hash = strings.Repeat("0", 40)
			e.Size = metadata.Octets(int64(len(old.unique)))
		default:
			e.Size = metadata.Octets(int64(len(e.UniqueID)))
		}
	} else {
		e.Size = metadata.Octets(int64(len(e.UniqueID)))
	}
	metadatatest.AddEntry(sub, e)
	if len(h.model.documents) > 0 && rapid.Bool().Draw(h.rt, "related") {
		target := rapid.SampledFrom(h.model.documents).Draw(h.rt, "target").id
		metadatatest.Relate(sub, rapid.SampledFrom(kindsOfLink).Draw(h.rt, "kind"), e.ID, target)
	}
}

func (h *history) addMembership(sub *metadata.Submission) {
	var folders, documents []metadata.ID
	for _, f := range h.model.folders {
		folders = append(folders, f.id)
	}
	for _, f := range sub.Folders {
		folders = append(folders, f.ID)
	}
	for _, d := range h.model.documents {
		documents = append(documents, d.id)
	}
	for _, e := range sub.Entries {
		documents = append(documents, e.ID)
	}
	if len(folders) == 0 || len(documents) == 0 {
		return
	}
	metadatatest.AddToFolder(sub,
		rapid.SampledFrom(folders).Draw(h.rt, "folder"), rapid.SampledFrom(documents).Draw(h.rt, "member"))
}

// judge tells the codes, sorted, with which the submission has to be refused.
func (m *model) judge(sub *metadata.Submission, patient string) string {
	bad := map[string]bool{}
	uniques := map[string]bool{}
	for _, u := range append([]string{sub.Set.UniqueID}, documentUniques(sub)...) {
		if uniques[u] {
			bad[string(fault.DuplicateInMessage)] = true
		}
		uniques[u] = true
	}
	for _, e := range sub.Entries {
		for _, d := range m.documents {
			if d.unique == e.UniqueID && d.content != e.Hash {
				bad[string(fault.NonIdenticalHash)] = true
			}
		}
	}
	if m.into[patient] != "" {
		bad[string(fault.UnknownPatientID)] = true
	}
	if m.taken(sub.Set.UniqueID) {
		bad[string(fault.DuplicateUniqueID)] = true
		return strings.Join(slices.Sorted(maps.Keys(bad)), " ")
	}
	replaced := map[metadata.ID]int{}
	for _, a := range sub.Associations {
		if d := m.document(a.Target); d != nil && (a.Type == metadata.Replaces || a.Type == metadata.TransformReplaces) {
			replaced[a.Target]++
		}
	}
	for _, a := range sub.Associations {
		if a.Source == sub.Set.ID {
			continue
		}
		d := m.document(a.Target)
		if d != nil && d.deprecated {
			bad[string(fault.DeprecatedDocument)] = true
		}
		if d != nil && d.patient != patient {
			bad[string(fault.PatientIDDoesNotMatch)] = true
		}
		if f := m.folder(a.Source); f != nil && f.patient != patient {
			bad[string(fault.PatientIDDoesNotMatch)] = true
		}
		if a.Type == metadata.Appends && m.isTransformation(a.Target) {
			bad[string(fault.RegistryMetadataError)] = true
		}
		if replaced[a.Target] > 1 {
			bad[string(fault.DeprecatedDocument)] = true
		}
		if a.Type == metadata.Appends || a.Type == metadata.Transforms {
			for old := range replaced {
				if m.hangsOn(a.Target, old) {
					bad[string(fault.DeprecatedDocument)] = true
				}
			}
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(bad)), " ")
}

func (m *model) hangsOn(id, root metadata.ID) bool {
	return id == root || slices.ContainsFunc(m.links, func(l modelLink) bool {
		return l.from == id && (l.kind == metadata.Transforms || l.kind == metadata.Appends) && m.hangsOn(l.to, root)
	})
}

func documentUniques(sub *metadata.Submission) []string {
	var list []string
	for _, e := range sub.Entries {
		list = append(list, e.UniqueID)
	}
	return list
}

func sortedCodes(err error) []string {
	var list []string
	for _, c := range codes(err) {
		list = append(list, string(c))
	}
	sort.Strings(list)
	return list
}

// apply does to the model what the submission says.
func (m *model) apply(sub *metadata.Submission, ids map[metadata.ID]metadata.ID, patient string, now metadata.DTM) {
	by := m.addSet(sub)
	for _, e := range sub.Entries {
		m.documents = append(m.documents, &modelDocument{id: e.ID, patient: patient, unique: e.UniqueID, content: e.Hash, lid: e.ID, version: 1, by: by})
	}
	for _, f := range sub.Folders {
		m.folders = append(m.folders, &modelFolder{id: f.ID, patient: patient, unique: f.UniqueID, changed: now, by: by})
	}
	for _, a := range sub.Associations {
		if f := m.folder(a.Source); f != nil && a.Type == metadata.HasMember {
			f.members = append(f.members, modelMember{a.Target, by})
			f.changed = now
		}
	}
	before := slices.Clone(m.links)
	for _, a := range sub.Associations {
		if a.Type != metadata.HasMember {
			m.links = append(m.links, modelLink{a.Type, a.Source, a.Target, by})
		}
	}
	all := m.links
	m.links = before // what came with this submission hangs on nothing that it replaces
	for _, a := range sub.Associations {
		if a.Type != metadata.Replaces && a.Type != metadata.TransformReplaces {
			continue
		}
		m.bury(a.Target)
		for _, f := range m.folders {
			if f.holds(a.Target) && !f.holds(a.Source) {
				f.members = append(f.members, modelMember{a.Source, by})
				f.changed = now
			}
		}
	}
	m.links = all
}

// compare asks the registry for everything that the model knows.
func (h *history) compare() {
	for _, p := range h.patients {
		cx := string(p.CX())
		var want []string
		for _, d := range h.model.documents {
			if d.patient == cx && !d.old {
				want = append(want, fmt.Sprint(d.id, " ", d.deprecated))
			}
		}
		var got []string
		for _, o := range h.ask(&metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: allStatuses}}) {
			got = append(got, fmt.Sprint(o.ObjectID(), " ", o.ObjectStatus() == metadata.Deprecated))
		}
		h.merged(got, want)
		h.same("documents in the order of registration", got, want)
		h.compareFolders(p)
	}
	for _, d := range h.model.documents {
		h.compareRelated(d)
	}
}

func (h *history) compareFolders(p metadatatest.Patient) {
	var want, got []string
	for _, f := range h.model.folders {
		if f.patient != string(p.CX()) {
			continue
		}
		want = append(want, fmt.Sprint(f.id, " ", f.changed))
		var members []string
		for _, o := range h.ask(&metadata.GetFolderAndContents{Folder: metadata.Target{UniqueIDs: []string{f.unique}}}) {
			if _, ok := o.(*metadata.DocumentEntry); ok {
				members = append(members, string(o.ObjectID()))
			}
		}
		var expected []string
		for _, m := range f.members {
			if !slices.Contains(expected, string(m.id)) && !h.model.document(m.id).old {
				expected = append(expected, string(m.id))
			}
		}
		slices.Sort(members)
		slices.Sort(expected)
		h.same("members of a folder", members, expected)
	}
	for _, o := range h.ask(&metadata.FindFolders{Patient: p.CX(), Filter: metadata.FolderFilter{Status: approved}}) {
		got = append(got, fmt.Sprint(o.ObjectID(), " ", o.(*metadata.Folder).LastUpdateTime))
	}
	h.merged(got, want)
	h.same("folders and their times", got, want)
}

func (h *history) compareRelated(d *modelDocument) {
	var want, got []string
	for _, l := range h.model.links {
		if (l.from == d.id || l.to == d.id) && !h.model.document(l.from).old && !h.model.document(l.to).old {
			want = append(want, fmt.Sprint(l.kind, l.from, l.to))
		}
	}
	for _, o := range h.ask(&metadata.GetRelatedDocuments{Document: metadata.Target{IDs: []metadata.ID{d.id}}, Types: kindsOfLink}) {
		if a, ok := o.(*metadata.Association); ok {
			got = append(got, fmt.Sprint(a.Type, a.Source, a.Target))
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	h.same("relationships", got, want)
	entries, err := h.reg.Documents(context.Background(), tenant, []string{d.unique})
	if err != nil || !slices.ContainsFunc(entries, func(p storage.Placed) bool { return p.Object.ObjectID() == d.id }) {
		h.rt.Fatalf("Documents does not find %s: %v", d.id, err)
	}
}

func (h *history) ask(q metadata.Query) []metadata.Object {
	list, err := h.find(metadata.StoredQuery{Query: q}, access.Restriction{})
	if err != nil {
		h.rt.Fatal(err)
	}
	return list
}

func (h *history) same(what string, got, want []string) {
	if !slices.Equal(got, want) {
		h.rt.Fatalf("%s:\ngot  %v\nwant %v", what, got, want)
	}
}

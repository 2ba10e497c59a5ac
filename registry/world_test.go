package registry_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
	"samdok/storage"
)

const tenant access.Tenant = "test"

type engine interface {
	storage.Log
	storage.Index
}

// world is a registry with material for it.
type world struct {
	t       testing.TB
	engine  engine
	gen     *metadatatest.Gen
	reg     *registry.Registry
	now     time.Time
	patient metadatatest.Patient
	other   metadatatest.Patient
}

func newWorld(t testing.TB, e engine, change ...func(*registry.Options)) *world {
	w := &world{t: t, engine: e, gen: metadatatest.New(7), now: time.Date(2026, 11, 2, 3, 4, 5, 0, time.UTC)}
	w.gen.RepositoryID = "1.2.3.4"
	w.patient, w.other = w.gen.Patient(), w.gen.Patient()
	o := registry.Options{Log: e, Index: e, Clock: func() time.Time { return w.now }}
	for _, f := range change {
		f(&o)
	}
	w.reg = registry.New(o)
	return w
}

func (w *world) submit(sub *metadata.Submission) (registry.Receipt, error) {
	onDemand := len(sub.Entries) > 0 && sub.Entries[0].Kind == metadata.OnDemand // ITI-61
	return w.reg.Submit(context.Background(), tenant, registry.Submission{Submission: sub, OnDemand: onDemand})
}

// must registers what has to be accepted.
func (w *world) must(sub *metadata.Submission) registry.Receipt {
	w.t.Helper()
	r, err := w.submit(sub)
	if err != nil {
		w.t.Fatalf("refused: %v\n%v", err, fault.ProblemsOf(err))
	}
	return r
}

// entry is a document of the patient that is not registered yet.
func (w *world) entry() *metadata.DocumentEntry {
	return w.gen.Entry(w.patient, metadatatest.EpikriseCDA)
}

// set is a submission without documents.
func (w *world) set() *metadata.Submission { return w.gen.Submission(w.patient) }

// with is a submission of documents.
func (w *world) with(entries ...*metadata.DocumentEntry) *metadata.Submission {
	sub := w.set()
	for _, e := range entries {
		metadatatest.AddEntry(sub, e)
	}
	return sub
}

// registered is a document of the patient that is.
func (w *world) registered() *metadata.DocumentEntry {
	w.t.Helper()
	e := w.entry()
	w.must(w.with(e))
	return e
}

// folder registers a folder with documents in it.
func (w *world) folder(documents ...metadata.ID) *metadata.Folder {
	w.t.Helper()
	f := w.gen.Folder(w.patient, "Mappe")
	sub := w.set()
	metadatatest.AddFolder(sub, f)
	for _, d := range documents {
		metadatatest.AddToFolder(sub, f.ID, d)
	}
	w.must(sub)
	return f
}

// related registers a new document with a relationship to another.
func (w *world) related(t metadata.AssociationType, target metadata.ID) *metadata.DocumentEntry {
	w.t.Helper()
	e := w.entry()
	sub := w.with(e)
	metadatatest.Relate(sub, t, e.ID, target)
	w.must(sub)
	return e
}

// get is the present state of an object.
func (w *world) get(id metadata.ID) metadata.Object {
	w.t.Helper()
	st, err := w.engine.Lookup(context.Background(), tenant, storage.Refs{IDs: []metadata.ID{id}})
	if err != nil || len(st.Objects) != 1 {
		w.t.Fatalf("Lookup(%s) = %d objects, %v", id, len(st.Objects), err)
	}
	return st.Objects[0].Object
}

func (w *world) status(id metadata.ID) metadata.Status {
	w.t.Helper()
	return w.get(id).ObjectStatus()
}

// associationsOf are the associations with an object at an end.
func (w *world) associationsOf(id metadata.ID) []*metadata.Association {
	w.t.Helper()
	st, err := w.engine.Lookup(context.Background(), tenant, storage.Refs{AssociationsOf: []metadata.ID{id}})
	if err != nil {
		w.t.Fatal(err)
	}
	var list []*metadata.Association
	for _, p := range st.Associations {
		list = append(list, p.Object.(*metadata.Association))
	}
	return list
}

// codes are the codes of the problems, each once, in order.
func codes(err error) []fault.Code {
	var list []fault.Code
	for _, p := range fault.ProblemsOf(err) {
		if !slices.Contains(list, p.Code) {
			list = append(list, p.Code)
		}
	}
	return list
}

func (w *world) wantRefused(err error, want ...fault.Code) {
	w.t.Helper()
	if err == nil {
		w.t.Fatalf("accepted, want %v", want)
	}
	var f *fault.Error
	if !errors.As(err, &f) {
		w.t.Fatalf("error %T is no *fault.Error: %v", err, err)
	}
	if got := codes(err); !slices.Equal(got, want) {
		w.t.Fatalf("codes %v, want %v\n%v", got, want, f.Problems)
	}
	for _, p := range f.Problems {
		if p.Context == "" {
			w.t.Errorf("%s has no context", p.Code)
		}
	}
}

// find collects an answer.
func (w *world) find(q metadata.StoredQuery, hide access.Restriction) ([]metadata.Object, error) {
	var list []metadata.Object
	for p, err := range w.reg.Find(context.Background(), tenant, q, hide) {
		if err != nil {
			return nil, err
		}
		list = append(list, p.Object)
	}
	return list, nil
}

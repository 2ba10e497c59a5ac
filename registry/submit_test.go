package registry_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/profile"
	"samdok/registry"
)

func TestProfileIsAsked(t *testing.T) { // rule 6
	p, err := profile.Load("norway")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, newMemory(), func(o *registry.Options) { o.Profile = p })
	w.must(w.with(w.entry()))
	e := w.entry()
	e.ID, e.ClassCode.Value = "Document01", "no such class"
	_, err = w.submit(w.with(e))
	w.wantRefused(err, fault.RegistryMetadataError)
	namesObject(t, err, "Document01")
	old := w.registered()
	sub := w.set()
	w.revise(sub, old.ID, func(o metadata.Object) { o.(*metadata.DocumentEntry).ClassCode.Value = "no such class" })
	sub.Entries[0].ID, sub.Associations[0].Target = "Document02", "Document02"
	_, err = w.update(sub)
	w.wantRefused(err, fault.RegistryMetadataError)
	namesObject(t, err, "Document02")
}

// namesObject wants problems to speak of an object by the id that its sender gave it.
func namesObject(t *testing.T, err error, id string) {
	t.Helper()
	for _, p := range fault.ProblemsOf(err) {
		if p.Location != id || !strings.Contains(p.Context, "'"+id+"'") {
			t.Errorf("location %q, %s; want the id %s", p.Location, p.Context, id)
		}
	}
}

func TestGivenProblemsComeFirst(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	sub := w.with(w.entry())
	sub.Entries[0].PatientID = w.other.CX()
	warning := fault.Problem{Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning, Context: "w"}
	bad := fault.Problem{Code: fault.RegistryMetadataError, Context: "found while decoding"}
	_, err := w.reg.Submit(context.Background(), tenant, registry.Submission{Submission: sub, Problems: []fault.Problem{warning, bad}})
	w.wantRefused(err, fault.ExtraMetadataNotSaved, fault.RegistryMetadataError, fault.PatientIDDoesNotMatch)
	r, err := w.reg.Submit(context.Background(), tenant, registry.Submission{Submission: w.with(w.entry()), Problems: []fault.Problem{warning}})
	if err != nil || !reflect.DeepEqual(r.Warnings, []fault.Problem{warning}) {
		t.Fatalf("receipt %+v, %v", r, err)
	}
}

// TestRepeatedMessage: P2, a repeated message makes no second truth.
func TestRepeatedMessage(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	old := w.registered()
	f := w.gen.Folder(w.patient, "f")
	sub := w.with(w.entry())
	metadatatest.AddFolder(sub, f)
	metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, old.ID)
	again := sub.Clone()
	w.must(sub)
	before := len(m.order)
	_, err := w.submit(again)
	if got := codes(err); !slices.Contains(got, fault.DuplicateUniqueID) || len(got) != 1 {
		t.Fatalf("codes %v, want only %s", got, fault.DuplicateUniqueID)
	}
	if len(m.order) != before {
		t.Fatal("the repetition was stored")
	}
}

func TestManyProblemsAreBounded(t *testing.T) {
	w := newWorld(t, newMemory())
	sub := w.set()
	for range 3000 {
		link(sub, sub.Set.ID, w.gen.UUID().ID())
	}
	_, err := w.submit(sub)
	if n := len(fault.ProblemsOf(err)); n == 0 || n > 1100 {
		t.Fatalf("%d problems", n)
	}
}

func TestConflictsAreTriedAgain(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	m.conflicts = 5
	sub := symbolic(w.with(w.entry()))
	r := w.must(sub)
	if m.loads != 6 {
		t.Errorf("%d loads, want 6", m.loads)
	}
	if r.IDs["D0"] != sub.Entries[0].ID || w.get(r.IDs["D0"]) == nil {
		t.Errorf("ids %v", r.IDs)
	}
	m.conflicts = 1000
	_, err := w.submit(w.with(w.entry()))
	w.wantRefused(err, fault.RegistryBusy)
	if fault.KindOf(err) != fault.Busy {
		t.Errorf("kind %d, want Busy", fault.KindOf(err))
	}
}

func TestDeadlineEndsTheAttempts(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	m.conflicts = 1 << 30
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	_, err := w.reg.Submit(ctx, tenant, registry.Submission{Submission: w.with(w.entry())})
	if k := fault.KindOf(err); k != fault.Canceled && k != fault.Busy {
		t.Fatalf("%v", err)
	}
}

// TestLostReply: an Append that did its work and failed to say so is a success;
// one that did not is an error of unknown outcome.
func TestLostReply(t *testing.T) {
	m := newMemory()
	w := newWorld(t, m)
	m.lose = errors.New("the line broke")
	e := w.entry()
	w.must(w.with(e))
	w.get(e.ID)
	m.lose, m.refuse = nil, errors.New("the disk is gone")
	_, err := w.submit(w.with(w.entry()))
	if fault.KindOf(err) != fault.Internal || !errors.Is(err, m.refuse) || len(codes(err)) != 1 {
		t.Fatalf("%v", err)
	}
	m.refuse = fault.New(fault.Busy, "test", fault.RegistryBusy, "queue full")
	_, err = w.submit(w.with(w.entry()))
	if fault.KindOf(err) != fault.Busy {
		t.Fatalf("%v", err)
	}
}

// symbolic gives the objects of a submission symbolic ids: S, D0, F0, A0 ...
func symbolic(sub *metadata.Submission) *metadata.Submission {
	names := map[metadata.ID]metadata.ID{sub.Set.ID: "S"}
	for i, e := range sub.Entries {
		names[e.ID] = metadata.ID(fmt.Sprint("D", i))
	}
	for i, f := range sub.Folders {
		names[f.ID] = metadata.ID(fmt.Sprint("F", i))
	}
	for i, a := range sub.Associations {
		names[a.ID] = metadata.ID(fmt.Sprint("A", i))
	}
	name := func(id *metadata.ID) {
		if n, ok := names[*id]; ok {
			*id = n
		}
	}
	name(&sub.Set.ID)
	for _, e := range sub.Entries {
		name(&e.ID)
	}
	for _, f := range sub.Folders {
		name(&f.ID)
	}
	for _, a := range sub.Associations {
		name(&a.ID)
		name(&a.Source)
		name(&a.Target)
	}
	return sub
}

package sharing_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/retention"
	"samdok/sharing"
	"samdok/storage"
)

var mistake = sharing.Erase{Reason: "filed on the wrong patient, case 2026/117"}

func (w *world) retrieved(unique string) []fault.Code {
	w.Helper()
	r, err := w.Retrieve(context.Background(), caller, ask(unique))
	if err != nil {
		return codesOf(fault.ProblemsOf(err))
	}
	defer r.Close(nil)
	return codesOf(r.Problems)
}

// gone: no door finds the document, before and after the index is made again.
func (w *world) gone(unique string, left int) {
	w.Helper()
	for range 2 {
		if got := w.retrieved(unique); !slices.Equal(got, []fault.Code{fault.DocumentUniqueIDError}) {
			w.Fatalf("retrieved: %v", got)
		}
		if list, _ := w.found(w.all()); len(list) != left {
			w.Fatalf("%d objects are found, want %d", len(list), left)
		}
		if list, _ := w.found(&metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{unique}}}); len(list) != 0 {
			w.Fatal("found by its uniqueId")
		}
		if err := w.engine.Rebuild(context.Background(), nil); err != nil {
			w.Fatal(err)
		}
	}
}

// An erased document is as if it had never been; its neighbour stays, and every
// step is recorded before the first key is destroyed.
func TestEraseDocument(t *testing.T) {
	w := newWorld(t)
	d, stays := w.document(), w.document()
	_, sub := w.provided(d)
	w.provided(stays)
	if len(w.keys()) != 2 {
		t.Fatal("two documents")
	}
	try := mistake
	try.UniqueIDs, try.DryRun = []string{d.Entry.UniqueID}, true
	would, err := w.Erase(t.Context(), caller, try)
	if err != nil || !would.DryRun || would.Entries != 1 || would.Documents != 1 || would.Objects != 3 {
		t.Fatalf("%+v, %v", would, err)
	}
	if e := w.last(); e.Request.Action != access.ActionErase || len(e.Items) != 3 || w.retrieved(d.Entry.UniqueID) != nil {
		t.Fatalf("a dry run is recorded and changes nothing: %+v", e)
	}
	before := len(w.records.events)
	try.DryRun = false
	done, err := w.Erase(t.Context(), caller, try)
	if err != nil || done.Objects != would.Objects || done.Documents != 1 || len(done.Keys) != 1 {
		t.Fatalf("%+v, %v", done, err)
	}
	var kinds []audit.Kind
	for _, e := range w.records.events[before:] {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []audit.Kind{audit.KindErase, audit.KindErase, audit.KindKey, audit.KindUse}) {
		t.Fatalf("records: %v", kinds)
	}
	if e := w.last(); e.Outcome != audit.Success || !slices.Contains(e.Details, audit.Detail{Name: "reason", Value: mistake.Reason}) || len(e.Items) != 3 {
		t.Fatalf("%+v", e)
	}
	w.gone(d.Entry.UniqueID, 3)
	if len(w.keys()) != 1 || w.retrieved(stays.Entry.UniqueID) != nil {
		t.Fatal("the other document has to stay, alone")
	}
	if _, err := w.Erase(t.Context(), caller, try); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("erased twice: %v", err)
	}
	// The same document may come again, under new ids of its objects.
	sub.Set.ID, sub.Entries[0].ID, sub.Associations[0].ID = "ss", "doc", "as"
	sub.Set.LogicalID, sub.Entries[0].LogicalID, sub.Set.Version, sub.Entries[0].Version = "", "", 0, 0
	sub.Associations[0].Source, sub.Associations[0].Target = "ss", "doc"
	p, _ := message(sub, metadatatest.Document{Entry: sub.Entries[0], Bytes: d.Bytes})
	if _, err := w.Provide(t.Context(), caller, p); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	if w.retrieved(d.Entry.UniqueID) != nil {
		t.Fatal("sent again, and not there")
	}
}

// All versions, replacements apart, what refers to it from other sets, and what
// ITI-62 had removed.
func TestEraseReachesWhatHangsOnIt(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	r, sub := w.provided(d)
	old := r.IDs[sub.Entries[0].ID]
	next, fresh := w.replacement(old)
	p, _ := message(next, fresh)
	if _, err := w.Provide(t.Context(), caller, p); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	e := mistake
	e.UniqueIDs = []string{d.Entry.UniqueID}
	if _, err := w.Erase(t.Context(), caller, e); err != nil {
		t.Fatal(err)
	}
	w.gone(d.Entry.UniqueID, 3) // the replacement, its set and membership; not the RPLC
	if w.retrieved(fresh.Entry.UniqueID) != nil {
		t.Fatal("the replacement is gone")
	}
	w.stored = fresh.Entry.UniqueID
	if err := w.Remove(t.Context(), caller, w.everything()); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	if len(w.keys()) != 1 {
		t.Fatal("ITI-62 leaves the bytes")
	}
	e.UniqueIDs = []string{fresh.Entry.UniqueID}
	if _, err := w.Erase(t.Context(), caller, e); err != nil {
		t.Fatal(err)
	}
	if len(w.keys()) != 0 {
		t.Fatal("bytes of a removed entry are left")
	}
}

func TestErasePatient(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	w.provided(w.document())
	other := w.patient
	w.patient = w.gen.Patient()
	stays := w.document()
	w.provided(stays)
	e := mistake
	e.Patient = other.ID()
	done, err := w.Erase(t.Context(), caller, e)
	if err != nil || !done.Patient || done.Objects != 6 || done.Documents != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	if w.retrieved(stays.Entry.UniqueID) != nil || len(w.keys()) != 1 {
		t.Fatal("another patient has lost a document")
	}
	w.patient = other
	w.gone(d.Entry.UniqueID, 0)
	if _, err := w.Erase(t.Context(), caller, e); fault.KindOf(err) != fault.NotFound {
		t.Fatalf("erased twice: %v", err)
	}
	again := w.document()
	w.provided(again) // the patient starts anew
	if list, _ := w.found(w.all()); len(list) != 3 {
		t.Fatalf("%d objects", len(list))
	}
}

// A merged patient is one: held, due and erased together, under the surviving id.
func TestEraseMergedPatient(t *testing.T) {
	w := newWorld(t)
	first := w.document()
	first.Entry.CreationTime = "2010"
	w.provided(first)
	subsumed := w.patient
	if _, err := w.Hold(t.Context(), caller, retention.Hold{Patient: string(subsumed.CX()), Reason: "complaint"}); err != nil {
		t.Fatal(err)
	}
	w.patient = w.gen.Patient()
	second := w.document()
	w.provided(second)
	if err := w.Feed(t.Context(), caller, mergeOf(w.patient.ID(), subsumed.ID())); err != nil {
		t.Fatal(err)
	}
	e := mistake
	e.Patient = w.patient.ID()
	if _, err := w.Erase(t.Context(), caller, e); fault.KindOf(err) != fault.Conflict {
		t.Fatalf("the merge lost the hold: %v", err)
	}
	rules, err := retention.ParseRules([]byte(lab))
	if err != nil {
		t.Fatal(err)
	}
	report, err := w.Retain(t.Context(), caller, sharing.Retain{Rules: rules, DryRun: true})
	if err != nil || report.Documents != 2 || report.Rules[1].Due != 1 || report.Rules[1].Held != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	holds, err := w.Holds(t.Context(), caller)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Release(t.Context(), caller, holds[0].ID, "settled"); err != nil {
		t.Fatal(err)
	}
	e.Patient = subsumed.ID()
	if _, err := w.Erase(t.Context(), caller, e); fault.KindOf(err) != fault.Invalid {
		t.Fatalf("by the subsumed id: %v", err)
	}
	e.Patient = w.patient.ID()
	done, err := w.Erase(t.Context(), caller, e)
	if err != nil || done.Objects != 6 || done.Documents != 2 || len(done.Keys) != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.gone(first.Entry.UniqueID, 0)
	w.gone(second.Entry.UniqueID, 0)
	if len(w.keys()) != 0 {
		t.Fatal("bytes are left")
	}
}

// Whoever may not erase something may not learn that it is there.
func TestEraseHidden(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	w.policy.hide = func(i access.Item) bool { return i.Kind == access.ItemEntry }
	e := mistake
	e.UniqueIDs = []string{d.Entry.UniqueID}
	_, denied := w.Erase(t.Context(), caller, e)
	if w.last().Outcome != audit.Denied {
		t.Fatal("not recorded as denied")
	}
	e.UniqueIDs = []string{"1.2.3.4"}
	_, absent := w.Erase(t.Context(), caller, e)
	if a, b := fault.ProblemsOf(denied), fault.ProblemsOf(absent); len(a) != 1 || len(b) != 1 || a[0] != b[0] {
		t.Fatalf("%v and %v", a, b)
	}
	w.policy.hide = nil
	if w.retrieved(d.Entry.UniqueID) != nil {
		t.Fatal("the document is gone")
	}
	e.Reason = ""
	if _, err := w.Erase(t.Context(), caller, e); fault.KindOf(err) == fault.Internal || err == nil {
		t.Fatalf("without a reason: %v", err)
	}
}

// Without its first record nothing is erased.
func TestEraseNeedsItsRecord(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	w.records.err = errors.New("disk full")
	e := mistake
	e.UniqueIDs = []string{d.Entry.UniqueID}
	if _, err := w.Erase(t.Context(), caller, e); fault.KindOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	w.records.err = nil
	if w.retrieved(d.Entry.UniqueID) != nil {
		t.Fatal("erased without a record")
	}
}

// A hold stops erasure, removal of metadata and removal of documents, of a
// patient, a document and a controller alike, until it is released or ends.
func TestHolds(t *testing.T) {
	for what, of := range map[string]func(*world, metadatatest.Document) retention.Hold{
		"patient": func(w *world, _ metadatatest.Document) retention.Hold {
			return retention.Hold{Patient: string(w.patient.CX())}
		},
		"document": func(_ *world, d metadatatest.Document) retention.Hold {
			return retention.Hold{Document: d.Entry.UniqueID}
		},
		"controller": func(*world, metadatatest.Document) retention.Hold {
			return retention.Hold{Controller: caller.Organisation}
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			d := w.document()
			w.provided(d)
			w.stored = d.Entry.UniqueID
			h := of(w, d)
			if _, err := w.Hold(t.Context(), caller, h); fault.KindOf(err) != fault.Invalid {
				t.Fatalf("without a reason: %v", err)
			}
			h.Reason = "court order"
			h, err := w.Hold(t.Context(), caller, h)
			if err != nil || h.ID == "" || h.Who != caller.Subject {
				t.Fatalf("%+v, %v", h, err)
			}
			if e := w.last(); e.Request.Action != access.ActionHold || len(e.Items) != 1 || e.Items[0].Kind != access.ItemHold {
				t.Fatalf("%+v", e)
			}
			e := mistake
			e.UniqueIDs = []string{d.Entry.UniqueID}
			if _, err := w.Erase(t.Context(), caller, e); fault.KindOf(err) != fault.Conflict {
				t.Fatalf("erased: %v", err)
			}
			removed, err := w.RemoveDocuments(t.Context(), caller, ask(d.Entry.UniqueID))
			if err != nil || removed.Documents != 0 || len(removed.Problems) != 1 || removed.Problems[0].Code != fault.RemoveDocumentsError {
				t.Fatalf("%+v, %v", removed, err)
			}
			if err := w.Remove(t.Context(), caller, w.everything()); fault.KindOf(err) != fault.Conflict {
				t.Fatalf("removed: %v", err)
			}
			if w.retrieved(d.Entry.UniqueID) != nil {
				t.Fatal("a held document is gone")
			}
			if all, err := w.Holds(t.Context(), caller); err != nil || len(all) != 1 || all[0].ID != h.ID || all[0].Reason != h.Reason {
				t.Fatalf("%+v, %v", all, err)
			}
			if _, err := w.Release(t.Context(), caller, h.ID, ""); fault.KindOf(err) != fault.Invalid {
				t.Fatalf("released without a reason: %v", err)
			}
			if _, err := w.Release(t.Context(), caller, h.ID, "the case is closed"); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Release(t.Context(), caller, h.ID, "again"); fault.KindOf(err) != fault.NotFound {
				t.Fatal(err)
			}
			h.Until = w.now().Add(time.Hour)
			if _, err := w.Hold(t.Context(), caller, h); err != nil {
				t.Fatal(err)
			}
			w.pass(2 * time.Hour)
			if _, err := w.Erase(t.Context(), caller, e); err != nil {
				t.Fatalf("after the hold has ended: %v", err)
			}
			w.gone(d.Entry.UniqueID, 0)
		})
	}
}

// racer places a hold at the moment before an erasure is appended.
type racer struct {
	retention.Log
	before func()
}

func (r *racer) Append(ctx context.Context, t access.Tenant, c []storage.Change) error {
	if len(c) > 1 && r.before != nil {
		f := r.before
		r.before = nil
		f()
	}
	return r.Log.Append(ctx, t, c)
}

// A hold that begins while an erasure is being decided wins.
func TestHoldDuringErasure(t *testing.T) {
	var r *racer
	var list *retention.List
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	list, err := retention.OpenList(t.TempDir(), own)
	if err != nil {
		t.Fatal(err)
	}
	defer list.Close()
	r = &racer{Log: w.engine.Log.(retention.Log)}
	k := retention.New(retention.Options{Log: r, Documents: w.docs, List: list, Clock: w.now})
	r.before = func() {
		if _, err := w.Hold(t.Context(), caller, retention.Hold{Document: d.Entry.UniqueID, Reason: "court order"}); err != nil {
			t.Error(err)
		}
	}
	_, err = k.Erase(t.Context(), tenant, retention.Target{UniqueIDs: []string{d.Entry.UniqueID}}, retention.Order{Reason: "r"}, func(context.Context, *retention.Plan) error { return nil })
	if fault.KindOf(err) != fault.Conflict || w.retrieved(d.Entry.UniqueID) != nil {
		t.Fatalf("the hold lost: %v", err)
	}
	if len(list.Open()) != 0 {
		t.Fatal("a refused erasure is still open")
	}
}

// So does one that begins right before a removal is appended.
func TestHoldDuringRemoval(t *testing.T) {
	for name, remove := range map[string]func(*world, string) []fault.Code{
		"ITI-62": func(w *world, unique string) []fault.Code {
			return codesOf(fault.ProblemsOf(w.Remove(t.Context(), caller, w.everythingOf(unique))))
		},
		"ITI-86": func(w *world, unique string) []fault.Code {
			r, err := w.RemoveDocuments(t.Context(), caller, ask(unique))
			if err != nil {
				t.Fatal(err)
			}
			return codesOf(r.Problems)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			d := w.document()
			w.provided(d)
			once := true
			w.engine.hook = func(op string) error {
				if op == "append" && once {
					once = false
					if _, err := w.Hold(t.Context(), caller, retention.Hold{Document: d.Entry.UniqueID, Reason: "court order"}); err != nil {
						t.Error(err)
					}
				}
				return nil
			}
			refused := remove(w, d.Entry.UniqueID)
			if once || len(refused) != 1 || refused[0] != fault.RegistryError && refused[0] != fault.RemoveDocumentsError {
				t.Fatalf("answered %v", refused)
			}
			if w.retrieved(d.Entry.UniqueID) != nil {
				t.Fatal("the hold lost")
			}
		})
	}
}

const lab = `
version: 1
rules:
  - {id: kept, action: keep, controller: ["1"]}
  - {id: old, action: erase, age: 10y}
`

func TestRetain(t *testing.T) {
	w := newWorld(t)
	rules, err := retention.ParseRules([]byte(lab))
	if err != nil {
		t.Fatal(err)
	}
	old, held, young := w.document(), w.document(), w.document()
	old.Entry.CreationTime, held.Entry.CreationTime, young.Entry.CreationTime = "2010", "201601", "2017"
	w.provided(old)
	w.provided(held)
	w.provided(young)
	if _, err := w.Hold(t.Context(), caller, retention.Hold{Document: held.Entry.UniqueID, Reason: "court order"}); err != nil {
		t.Fatal(err)
	}
	r := sharing.Retain{Rules: rules, DryRun: true, List: 10}
	report, err := w.Retain(t.Context(), caller, r)
	if err != nil || report.Documents != 3 || report.Patients != 1 || len(report.Due) != 2 {
		t.Fatalf("%+v, %v", report, err)
	}
	want := []sharing.RuleCount{{ID: "kept"}, {ID: "old", Fits: 3, Due: 2, Held: 1}}
	if !slices.Equal(report.Rules, want) || len(report.Controllers) != 1 || report.Controllers[0].Due != 2 {
		t.Fatalf("%+v", report)
	}
	if w.retrieved(old.Entry.UniqueID) != nil {
		t.Fatal("a dry run erased")
	}
	r.DryRun = false
	if _, err := w.Retain(t.Context(), caller, r); fault.KindOf(err) != fault.Invalid {
		t.Fatalf("without a reason: %v", err)
	}
	r.Reason = "retention, november"
	if report, err = w.Retain(t.Context(), caller, r); err != nil || report.Rules[1].Erased != 1 || report.Rules[1].Held != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	w.gone(old.Entry.UniqueID, 6)
	for _, d := range []metadatatest.Document{held, young} {
		if w.retrieved(d.Entry.UniqueID) != nil {
			t.Fatal("a document that is not due or held is gone")
		}
	}
	if report, err = w.Retain(t.Context(), caller, r); err != nil || report.Rules[1].Erased != 0 || report.Documents != 2 {
		t.Fatalf("again: %+v, %v", report, err)
	}
}

// Erasing a patient ends the subscriptions to the patient, under every id that the
// patient had: nothing that was waiting is told, and no stream tells of the patient.
func TestErasureEndsSubscriptions(t *testing.T) {
	w := newWorld(t)
	subscribe := func() metadata.UUID {
		t.Helper()
		sub, err := w.Subscribe(t.Context(), caller, w.asking())
		if err != nil {
			t.Fatal(err)
		}
		return sub.ID
	}
	post := func() {
		t.Helper()
		if _, err := w.broker.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	subsumed, early := w.patient.ID(), subscribe()
	w.provided(w.document())
	post() // a letter waits
	other := w.gen.Patient()
	w.patient = w.gen.Patient()
	survivor, over, late := w.patient.ID(), subscribe(), subscribe()
	if err := w.Unsubscribe(t.Context(), caller, over); err != nil {
		t.Fatal(err)
	}
	if err := w.Feed(t.Context(), caller, mergeOf(survivor, subsumed)); err != nil {
		t.Fatal(err)
	}
	w.provided(w.document()) // neither merge nor document was followed
	w.patient = other
	stays := subscribe()
	w.provided(w.document())
	e := mistake
	e.Patient = survivor
	done, err := w.Erase(t.Context(), caller, e)
	if err != nil || !done.Patient {
		t.Fatalf("%+v, %v", done, err)
	}
	if n := w.letters(); len(n) != 1 || n[0].Subscription != stays {
		t.Fatalf("letters after the erasure: %+v", n)
	}
	for range 2 {
		for _, id := range []metadata.UUID{early, over, late} {
			if _, err := w.book.Get(t.Context(), id); fault.KindOf(err) != fault.NotFound {
				t.Errorf("a subscription lives: %v", err)
			}
		}
		if all, err := w.book.All(t.Context()); err != nil || len(all) != 1 || all[0].ID != stays {
			t.Errorf("%+v, %v", all, err)
		}
		w.silentOf(subsumed, survivor)
		if err := w.engine.Rebuild(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	w.patient = metadatatest.New(1).Patient() // the subsumed id is never used again
	if _, err := w.Subscribe(t.Context(), caller, w.asking()); fault.KindOf(err) != fault.Invalid {
		t.Errorf("subscribed to a subsumed id: %v", err)
	}
}

// silentOf: what subscriptions say tells of no such patient.
func (w *world) silentOf(patients ...metadata.PatientID) {
	w.Helper()
	for fed, err := range w.brokerOptions.Feed.Feed(context.Background(), tenant, "") {
		if err != nil {
			w.Fatal(err)
		}
		if fed.Stream.Kind != storage.StreamSubscription {
			continue
		}
		for _, ev := range fed.Events {
			for _, p := range patients {
				if bytes.Contains(ev.Body, []byte(p.ID)) {
					w.Errorf("an event of a subscription still names the patient")
				}
			}
		}
	}
}

// A subscription of whoever follows all patients is told nothing of what was erased,
// whether the letter was written before or after.
func TestErasureBeforeDelivery(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(caller)
	w.provided(w.document())
	n := w.letters()
	if len(n) != 1 {
		t.Fatalf("%d letters", len(n))
	}
	e := mistake
	e.Patient = w.patient.ID()
	if _, err := w.Erase(t.Context(), caller, e); err != nil {
		t.Fatal(err)
	}
	for _, gone := range []bool{false, true} {
		n[0].Gone = gone
		if shown, err := w.Notify(t.Context(), caller, sub, n[0]); err != nil || len(shown) != 0 {
			t.Errorf("told of %d erased objects (gone: %v): %v", len(shown), gone, err)
		}
	}
}

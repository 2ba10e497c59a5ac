package sharing_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/ondemand"
	"samdok/sharing"
)

// lister makes a document that names what it was made of.
type lister struct {
	fail error
	made func()
}

func (lister) Name() string { return "lister/1" }

func (l lister) Generate(_ context.Context, w io.Writer, in *ondemand.Input) error {
	if l.made != nil {
		l.made()
	}
	fmt.Fprintf(w, "%s %s\n", in.UniqueID, in.Made.Format(time.RFC3339))
	for _, d := range in.Documents {
		fmt.Fprintf(w, "%s %s\n", d.ID, d.Title)
	}
	return l.fail
}

func making(l lister, more ...func(*sharing.OnDemand)) func(*sharing.Options) {
	return func(o *sharing.Options) {
		o.OnDemand.Generator = func(e *metadata.DocumentEntry) ondemand.Generator {
			if e.MimeType != "text/xml" {
				return nil
			}
			return l
		}
		for _, f := range more {
			f(&o.OnDemand)
		}
	}
}

func keeping(o *sharing.OnDemand) { o.Snapshots = true }

// announced registers an on-demand document.
func (w *world) announced() *metadata.DocumentEntry {
	w.Helper()
	sub := w.onDemand(own, "text/xml")
	if _, err := w.RegisterOnDemand(context.Background(), caller, sharing.Register{Submission: sub}); err != nil {
		w.Fatal(err, fault.ProblemsOf(err))
	}
	return sub.Entries[0]
}

// retrieved reads one document that has to come.
func (w *world) opened(unique string) (sharing.Document, string) {
	w.Helper()
	r, err := w.Retrieve(context.Background(), caller, ask(unique))
	if err != nil || len(r.Documents) != 1 {
		w.Fatalf("%+v, %v %v", r, err, fault.ProblemsOf(err))
	}
	d := r.Documents[0]
	return d, string(w.read(r)[0])
}

func (w *world) three() []metadatatest.Document {
	w.Helper()
	docs := []metadatatest.Document{w.document(), w.document(), w.document()}
	w.provided(docs...)
	return docs
}

// An on-demand document is made of what the caller may see, and of nothing else.
// One use, one record, with everything that was used.
func TestOnDemandShowsWhatMayBeSeen(t *testing.T) {
	w := newWorld(t, making(lister{}))
	docs, e := w.three(), w.announced()
	deprecated := w.document()
	w.provided(deprecated)
	s, replacement := w.replacement(deprecated.Entry.ID)
	p, _ := message(s, replacement)
	if _, err := w.Provide(t.Context(), caller, p); err != nil {
		t.Fatal(err)
	}
	before := len(w.records.events)

	d, text := w.opened(e.UniqueID)
	if d.NewID.UniqueID == "" || d.NewID.UniqueID == e.UniqueID || d.NewID.RepositoryID != "" || d.MimeType != "text/xml" {
		t.Errorf("%+v", d)
	}
	if !strings.HasPrefix(text, d.NewID.UniqueID+" 2026-11-22T10:00:00Z\n") || strings.Count(text, "\n") != 5 || strings.Contains(text, string(deprecated.Entry.ID)) {
		t.Errorf("%s", text)
	}
	got := w.last()
	if len(w.records.events) != before+1 || got.Outcome != audit.Success || got.Request.Action != access.ActionRetrieve || len(got.Items) != 5 || got.Items[0].UniqueID != e.UniqueID {
		t.Errorf("%d records, the last with %d items: %+v", len(w.records.events)-before, len(got.Items), got)
	}

	w.policy.hide = func(i access.Item) bool { return i.UniqueID == docs[1].Entry.UniqueID }
	again, text := w.opened(e.UniqueID)
	if strings.Contains(text, string(docs[1].Entry.ID)) || strings.Count(text, "\n") != 4 || again.NewID == d.NewID {
		t.Errorf("%s", text)
	}
	if got := w.last(); got.Hidden != 1 || len(got.Items) != 4 || slices.ContainsFunc(got.Items, func(i access.Item) bool { return i.UniqueID == docs[1].Entry.UniqueID }) {
		t.Errorf("%d hidden, %d items", got.Hidden, len(got.Items))
	}
	w.policy.hide = func(i access.Item) bool { return i.UniqueID == e.UniqueID }
	r, err := w.Retrieve(t.Context(), caller, ask(e.UniqueID))
	if err != nil || len(r.Documents) != 0 || !slices.Equal(codesOf(r.Problems), []fault.Code{fault.DocumentUniqueIDError}) {
		t.Errorf("a hidden on-demand document: %+v, %v", r, err)
	}
}

// The plan's restriction holds for what a document is made of.
func TestOnDemandRestriction(t *testing.T) {
	w := newWorld(t, making(lister{}))
	docs := w.three()
	e := w.announced()
	code := docs[0].Entry.Confidential[0].Ref()
	if len(docs[0].Entry.Confidential) == 0 {
		t.Fatal("no code to restrict by")
	}
	w.policy.plan = func() (access.Plan, error) {
		return access.Plan{Effect: access.Allow, Restriction: access.Restriction{WithoutCodes: []metadata.CodeRef{code}}}, nil
	}
	if _, text := w.opened(e.UniqueID); strings.Contains(text, string(docs[0].Entry.ID)) {
		t.Errorf("%s", text)
	}
}

// Several on-demand and stable documents in one request; nothing is left open.
func TestOnDemandAmongOthers(t *testing.T) {
	w := newWorld(t, making(lister{}))
	docs, a, b := w.three(), w.announced(), w.announced()
	other := w.onDemand(own, "application/pdf") // nothing makes it
	elsewhere := w.onDemand("1.2.3.4", "text/xml")
	for _, s := range []*metadata.Submission{other, elsewhere} {
		if _, err := w.RegisterOnDemand(t.Context(), caller, sharing.Register{Submission: s}); err != nil {
			t.Fatal(err)
		}
	}
	r, err := w.Retrieve(t.Context(), caller, ask(a.UniqueID, docs[0].Entry.UniqueID, b.UniqueID, other.Entries[0].UniqueID, elsewhere.Entries[0].UniqueID))
	if err != nil || len(r.Documents) != 3 || len(r.Problems) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
	for _, p := range r.Problems {
		if p.Code != fault.DocumentUniqueIDError {
			t.Errorf("%+v", p)
		}
	}
	texts := w.read(r)
	if string(texts[1]) != string(docs[0].Bytes) || r.Documents[0].NewID == r.Documents[2].NewID {
		t.Error("wrong documents")
	}
	if n := len(w.last().Items); w.last().Part != audit.PartThatDidNot || n != 0 {
		t.Errorf("the second record has %d items", n)
	}
	if e := w.records.events[len(w.records.events)-2]; len(e.Items) != 3+3 { // what was asked for, and what the two were made of but once
		t.Errorf("%d items", len(e.Items))
	}
}

func TestOnDemandFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*sharing.Options)
		kind   []fault.Code
		text   string
	}{
		{"too many", making(lister{}, func(o *sharing.OnDemand) { o.Documents = 2 }), []fault.Code{fault.RepositoryOutOfResources}, "on-demand.documents"},
		{"generator", making(lister{fail: errors.New("no")}), []fault.Code{fault.RepositoryError}, "could not be made"},
		{"generator, with snapshots", making(lister{fail: errors.New("no")}, keeping), []fault.Code{fault.RepositoryError}, "could not be made"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.change)
			w.three()
			e := w.announced()
			r, err := w.Retrieve(t.Context(), caller, ask(e.UniqueID))
			if err != nil || len(r.Documents) != 0 || !slices.Equal(codesOf(r.Problems), c.kind) || !strings.Contains(r.Problems[0].Context, c.text) {
				t.Fatalf("%+v, %v", r, err)
			}
			if n := len(w.keys()); n != 3 {
				t.Errorf("%d documents are stored", n)
			}
		})
	}
}

// Others wait while as many are being made as may be, and give up with their
// caller.
func TestOnDemandTakesTurns(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	w := newWorld(t, making(lister{made: func() { begun <- struct{}{}; <-goOn }}, func(o *sharing.OnDemand) { o.Concurrent = 1 }))
	e := w.announced()
	var first sync.WaitGroup
	first.Go(func() { w.opened(e.UniqueID) })
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := w.Retrieve(ctx, caller, ask(e.UniqueID)); fault.KindOf(err) != fault.Canceled {
		t.Errorf("%v", err)
	}
	close(goOn)
	first.Wait()
	go func() { <-begun }()
	w.opened(e.UniqueID)
}

// A snapshot is registered before the answer, is what was answered, and is used
// again as long as the content is the same.
func TestSnapshot(t *testing.T) {
	w := newWorld(t, making(lister{}, keeping))
	w.three()
	e := w.announced()
	d, text := w.opened(e.UniqueID)
	if d.NewID.RepositoryID != own || d.NewID.UniqueID == e.UniqueID || !strings.HasPrefix(text, d.NewID.UniqueID+" ") {
		t.Fatalf("%+v\n%s", d, text)
	}
	if n := len(w.last().Items); n != 1+3+2 {
		t.Errorf("%d items", n)
	}
	if _, kept := w.opened(d.NewID.UniqueID); kept != text {
		t.Errorf("the snapshot is\n%s\nshown was\n%s", kept, text)
	}
	snapshot := w.entry(d.NewID.UniqueID).Object.(*metadata.DocumentEntry)
	if snapshot.Kind != metadata.Stable || snapshot.Size.Octets != int64(len(text)) || snapshot.Hash == "" || snapshot.CreationTime == "" || snapshot.TypeCode.Value != e.TypeCode.Value {
		t.Errorf("%+v", snapshot)
	}
	related, _ := w.found(&metadata.GetRelatedDocuments{Document: metadata.Target{UniqueIDs: []string{e.UniqueID}}, Types: []metadata.AssociationType{metadata.IsSnapshotOf}, Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}})
	if entries, _, _, links := kindsOf(related); entries != 2 || links != 1 {
		t.Errorf("%d related entries, %d associations", entries, links)
	}

	w.pass(time.Hour)
	stored := len(w.keys())
	if again, same := w.opened(e.UniqueID); again.NewID != d.NewID || same != text || len(w.keys()) != stored {
		t.Errorf("unchanged content: %+v, %d documents stored\n%s", again.NewID, len(w.keys()), same)
	}
	w.provided(w.document())
	next, more := w.opened(e.UniqueID)
	if next.NewID == d.NewID || strings.Count(more, "\n") != 5 {
		t.Errorf("changed content: %+v\n%s", next.NewID, more)
	}
	if s := w.entry(d.NewID.UniqueID).Object.ObjectStatus(); s != metadata.Deprecated {
		t.Errorf("the earlier snapshot is %v", s)
	}
	if _, old := w.opened(d.NewID.UniqueID); old != text {
		t.Error("the earlier snapshot is not what it was")
	}
	if s := w.entry(e.UniqueID).Object.ObjectStatus(); s != metadata.Approved {
		t.Errorf("the on-demand entry is %v", s)
	}
}

// A snapshot is as confidential as what it was made of, another one for whoever
// sees less, and replaces none that its reader may not see.
func TestSnapshotOfWhoSeesLess(t *testing.T) {
	w := newWorld(t, making(lister{}, keeping))
	open, secret := w.document(), w.document()
	secret.Entry.Confidential = append(secret.Entry.Confidential, metadata.Code{Value: "V", Scheme: "2.16.840.1.113883.5.25", Display: metadata.NewText("very restricted")})
	w.provided(open, secret)
	e := w.announced()
	all, _ := w.opened(e.UniqueID)
	w.policy.hide = func(i access.Item) bool {
		return slices.ContainsFunc(i.Codes, func(c metadata.Code) bool { return c.Value == "V" })
	}
	less, text := w.opened(e.UniqueID)
	if less.NewID == all.NewID || strings.Contains(text, string(secret.Entry.ID)) {
		t.Fatalf("%s", text)
	}
	r, err := w.Retrieve(t.Context(), caller, ask(all.NewID.UniqueID))
	if err != nil || len(r.Documents) != 0 {
		t.Errorf("the fuller snapshot is shown: %+v, %v", r, err)
	}
	if s := w.entry(all.NewID.UniqueID).Object.ObjectStatus(); s != metadata.Approved {
		t.Errorf("the fuller snapshot is %v", s)
	}
	w.policy.hide = nil
	if again, _ := w.opened(e.UniqueID); again.NewID != all.NewID {
		t.Error("the fuller snapshot is not used again")
	}
}

// A removed snapshot does not come back with other bytes under its id.
func TestSnapshotRemoved(t *testing.T) {
	w := newWorld(t, making(lister{}, keeping))
	w.three()
	e := w.announced()
	first, _ := w.opened(e.UniqueID)
	if r, err := w.RemoveDocuments(t.Context(), caller, ask(first.NewID.UniqueID)); err != nil || r.Documents != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	w.pass(time.Minute)
	second, text := w.opened(e.UniqueID)
	if second.NewID.UniqueID == first.NewID.UniqueID || !strings.Contains(text, "10:01:00Z") {
		t.Errorf("%s", text)
	}
	state := w.everythingOf(second.NewID.UniqueID)
	if err := w.Remove(t.Context(), caller, state); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	if third, _ := w.opened(e.UniqueID); third.NewID.UniqueID == first.NewID.UniqueID || third.NewID.UniqueID == second.NewID.UniqueID {
		t.Error("an id is used twice")
	}
}

// everythingOf is what was registered with a document, each once.
func (w *world) everythingOf(unique string) []metadata.ID {
	w.Helper()
	w.stored = unique
	ids := w.everything()
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Retrievals at the same time register one snapshot between them.
func TestSnapshotAtTheSameTime(t *testing.T) {
	w := newWorld(t, making(lister{}, keeping, func(o *sharing.OnDemand) { o.Concurrent = 8 }))
	w.three()
	e := w.announced()
	var mu sync.Mutex
	ids := map[string]string{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			w.pass(time.Second) // no two would write the same bytes
			d, text := w.opened(e.UniqueID)
			mu.Lock()
			defer mu.Unlock()
			if had, ok := ids[d.NewID.UniqueID]; ok && had != text {
				t.Errorf("one id, two documents:\n%s\n%s", had, text)
			}
			ids[d.NewID.UniqueID] = text
		})
	}
	all.Wait()
	if len(ids) != 1 || len(w.keys()) != 4 {
		t.Errorf("%d snapshots, %d documents stored", len(ids), len(w.keys()))
	}
}

// Without its record nothing is answered; with an unknown outcome nothing is
// deleted that may be registered.
func TestSnapshotFailures(t *testing.T) {
	w := newWorld(t, making(lister{}, keeping))
	w.three()
	e := w.announced()
	w.engine.hook = func(op string) error {
		if op == "append" {
			return errEngine
		}
		return nil
	}
	r, err := w.Retrieve(t.Context(), caller, ask(e.UniqueID))
	if err != nil || len(r.Documents) != 0 || len(r.Problems) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if n := len(w.keys()); n != 4 { // for the sweep
		t.Errorf("%d documents are stored", n)
	}
	w.engine.hook = nil
	w.records.err = errors.New("disk full")
	if r, err := w.Retrieve(t.Context(), caller, ask(e.UniqueID)); err == nil {
		t.Errorf("answered without a record: %+v", r)
	}
	w.records.err = nil
	d, text := w.opened(e.UniqueID)
	if _, kept := w.opened(d.NewID.UniqueID); kept != text || len(w.keys()) != 5 {
		t.Errorf("%d documents are stored", len(w.keys()))
	}
	if n := w.docs.open; n != 0 {
		t.Errorf("%d documents are left open", n)
	}
}

// offering gives each patient an on-demand document.
func offering(w **world) func(*sharing.Options) {
	return func(o *sharing.Options) {
		o.OnDemand.Offer = func(of *metadata.DocumentEntry) []*metadata.DocumentEntry {
			e := (*w).onDemand(own, "text/xml").Entries[0]
			e.PatientID, e.TypeCode = of.PatientID, metadata.Code{Value: "A11-2", Scheme: "2.16.578.1.12.4.1.1.9602"}
			return []*metadata.DocumentEntry{e}
		}
		o.Clock = func() time.Time { return (*w).now() }
	}
}

func (w *world) onDemandEntries() (list []*metadata.DocumentEntry) {
	w.Helper()
	objects, _ := w.found(&metadata.FindDocuments{Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}, Kinds: []metadata.EntryKind{metadata.OnDemand}}})
	for _, o := range objects {
		list = append(list, o.(*metadata.DocumentEntry))
	}
	return list
}

// A patient's first document brings the on-demand one with it, once, and a failure
// is made good by the next submission.
func TestOffer(t *testing.T) {
	var w *world
	w = newWorld(t, making(lister{}), offering(&w))
	sub := w.gen.Submission(w.patient, w.document())
	p, _ := message(sub)
	if _, err := w.Provide(t.Context(), caller, p); err == nil {
		t.Fatal("accepted without its document")
	}
	if n := len(w.onDemandEntries()); n != 0 {
		t.Fatalf("a refused submission brought %d", n)
	}
	appends := 0
	w.engine.hook = func(op string) error {
		if op == "append" {
			if appends++; appends == 2 {
				return errEngine
			}
		}
		return nil
	}
	w.provided(w.document())
	w.engine.hook = nil
	if n := len(w.onDemandEntries()); n != 0 {
		t.Fatalf("%d although the engine failed", n)
	}
	var all sync.WaitGroup
	docs := []metadatatest.Document{w.document(), w.document(), w.document(), w.document()}
	subs := make([]sharing.Provide, len(docs))
	for i, d := range docs {
		subs[i], _ = message(w.gen.Submission(w.patient, d), d)
	}
	for _, p := range subs {
		all.Go(func() {
			if _, err := w.Provide(context.Background(), caller, p); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	list := w.onDemandEntries()
	if len(list) != 1 || list[0].RepositoryID != own {
		t.Fatalf("%d on-demand entries", len(list))
	}
	if _, text := w.opened(list[0].UniqueID); strings.Count(text, "\n") != 1+5 {
		t.Errorf("%s", text)
	}
	i := slices.IndexFunc(w.records.events, func(e audit.Event) bool {
		return e.Request.Action == access.ActionRegisterOnDemand && e.Outcome == audit.Success
	})
	if i < 0 || w.records.events[i].Request.Caller.Door != "system" {
		t.Error("the registration is not recorded as the system's")
	}
}

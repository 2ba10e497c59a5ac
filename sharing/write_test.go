package sharing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/repository"
	"samdok/sharing"
)

func TestProvideAndRetrieve(t *testing.T) {
	w := newWorld(t, func(o *sharing.Options) {
		o.Controller = func(c access.Caller, source, repo string) string { return c.Organisation + "/" + source + "/" + repo }
	})
	var docs []metadatatest.Document
	var ids []string
	for _, kind := range metadatatest.Kinds() {
		d := w.gen.Document(w.patient, kind)
		docs, ids = append(docs, d), append(ids, d.Entry.UniqueID)
	}
	docs[0].Entry.Hash, docs[0].Entry.Size = "", metadata.Size{}
	docs[1].Entry.RepositoryID = "9.9.9.9"
	r, sub := w.provided(docs...)
	if e := w.last(); e.Outcome != audit.Success || len(e.Items) != 1+len(docs)+len(sub.Associations) ||
		len(e.Request.Patients) != 1 || e.Request.Patients[0] != w.patient.ID() {
		t.Errorf("record %+v", e)
	}
	for _, i := range w.last().Items {
		if want := caller.Organisation + "/" + metadatatest.SourceID + "/" + own; i.Controller != want || i.ID.IsSymbolic() || i.Patient != w.patient.ID() {
			t.Errorf("item %+v", i)
		}
	}
	if len(r.IDs) < 1+len(docs) {
		t.Errorf("receipt %+v", r)
	}
	got, err := w.Retrieve(t.Context(), caller, ask(ids...))
	if err != nil || len(got.Problems) != 0 {
		t.Fatal(err, got)
	}
	for i, d := range got.Documents {
		if d.MimeType != docs[i].Entry.MimeType || d.Request.UniqueID != ids[i] {
			t.Errorf("document %d: %+v", i, d)
		}
	}
	for i, b := range w.read(got) {
		if !bytes.Equal(b, docs[i].Bytes) {
			t.Errorf("document %d has other bytes", i)
		}
	}
	if e := w.last(); e.Outcome != audit.Success || len(e.Items) != len(docs) || len(e.Request.Documents) != len(docs) {
		t.Errorf("record %+v", e)
	}
}

// A wrong submission is refused before the first byte of a document is read,
// with everything that is wrong with it.
func TestProvideRefusesEarly(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	sub := w.gen.Submission(w.patient, d)
	sub.Set.SourceID = ""
	d.Entry.UniqueID = sub.Set.UniqueID
	p, docs := message(sub, d)
	p.Problems = []fault.Problem{{Code: fault.RegistryMetadataError, Context: "decoder"}}
	_, err := w.Provide(t.Context(), caller, p)
	if docs.next != 0 || len(w.keys()) != 0 || fault.KindOf(err) != fault.Invalid {
		t.Errorf("read %d documents, stored %d, %v", docs.next, len(w.keys()), err)
	}
	w.wantCodes(err, fault.RepositoryMetadataError, fault.RepositoryMetadataError, fault.RepositoryDuplicateInMsg)
	if p.Problems[0].Code != fault.RegistryMetadataError {
		t.Error("the caller's problems were changed")
	}
	if _, err = w.Provide(t.Context(), caller, sharing.Provide{Problems: p.Problems}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no submission: %v", err)
	}
	if e := w.last(); e.Outcome != audit.Failed || !slices.Contains(e.Codes, "XDSRepositoryMetadataError") {
		t.Errorf("record %+v", e)
	}
}

// The plan comes before the first byte.
func TestPlanBeforeTheFirstByte(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	p, docs := message(w.gen.Submission(w.patient, d), d)
	docs.hook = func() {
		if w.policy.plans != 1 || len(w.policy.items) == 0 {
			t.Error("a document is read before it was decided")
		}
	}
	if _, err := w.Provide(t.Context(), caller, p); err != nil {
		t.Fatal(err)
	}
}

// A definite refusal by the registry deletes the bytes at once.
func TestRefusalDeletes(t *testing.T) {
	w := newWorld(t)
	first := w.document()
	w.provided(first)
	d := w.document()
	d.Entry.UniqueID = first.Entry.UniqueID // other bytes
	d.Bytes = append(slices.Clone(d.Bytes), '!')
	d.Entry.Hash, d.Entry.Size = "", metadata.Size{}
	p, _ := message(w.gen.Submission(w.patient, d), d)
	_, err := w.Provide(t.Context(), caller, p)
	if codes := codesOf(fault.ProblemsOf(err)); !slices.Contains(codes, fault.NonIdenticalHash) {
		t.Errorf("error %v", err)
	}
	if n := len(w.keys()); n != 1 {
		t.Errorf("%d documents are stored", n)
	}
	busy := &fault.Error{Op: "engine", Kind: fault.Busy, Problems: []fault.Problem{{Code: fault.RegistryBusy}}}
	w.trip("append", func() error { return busy })
	d = w.document()
	p, _ = message(w.gen.Submission(w.patient, d), d)
	if _, err := w.Provide(t.Context(), caller, p); fault.KindOf(err) != fault.Busy || len(w.keys()) != 1 {
		t.Errorf("busy: %v, %d documents are stored", err, len(w.keys()))
	}
	away := &fault.Error{Op: "engine", Kind: fault.Unavailable, Problems: []fault.Problem{{Code: fault.RegistryNotAvailable}}}
	w.trip("load", func() error { return away })
	d = w.document()
	p, _ = message(w.gen.Submission(w.patient, d), d)
	if _, err := w.Provide(t.Context(), caller, p); fault.KindOf(err) != fault.Unavailable || len(w.keys()) != 1 {
		t.Errorf("before anything was written: %v, %d documents are stored", err, len(w.keys()))
	}
}

// Where the outcome is unknown, only the sweep decides, and only after its age.
func TestUnknownOutcome(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   func(w *world)
		bound bool
	}{
		{"the engine fails before it writes", func(w *world) {
			w.trip("append", func() error { return errEngine })
		}, false},
		{"a crash between commit and append", func(w *world) {
			w.trip("append", func() error { panic("the process dies here") })
		}, false},
		{"the reply is lost after it wrote", func(w *world) {
			w.engine.after = func() error { return errEngine }
			w.trip("events", func() error { return errEngine })
		}, true},
		{"a panic after it wrote", func(w *world) {
			w.engine.after = func() error { panic("x") }
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.provided(w.document()) // something that is bound, too
			c.set(w)
			d := w.document()
			p, _ := message(w.gen.Submission(w.patient, d), d)
			_, err := w.Provide(t.Context(), caller, p)
			if err == nil || fault.KindOf(err) != fault.Internal {
				t.Fatalf("error %v", err)
			}
			w.engine.hook, w.engine.after = nil, nil
			if n := len(w.keys()); n != 2 {
				t.Fatalf("%d documents right after", n)
			}
			w.pass(repository.DefaultSweepAge - time.Minute)
			if s, err := w.repo.Sweep(t.Context(), true); err != nil || s != (repository.Swept{}) {
				t.Errorf("too early: %+v, %v", s, err)
			}
			w.pass(time.Hour)
			want := repository.Swept{Seen: 2, Bound: 1, Deleted: 1}
			if c.bound {
				want = repository.Swept{Seen: 2, Bound: 2}
			}
			if s, err := w.repo.Sweep(t.Context(), true); err != nil || s != want {
				t.Errorf("swept %+v, %v; want %+v", s, err, want)
			}
			r, err := w.Retrieve(t.Context(), caller, ask(d.Entry.UniqueID))
			if err != nil || (len(r.Documents) == 1) != c.bound {
				t.Fatalf("retrieved %+v, %v", r, err)
			}
			if got := w.read(r); c.bound && !bytes.Equal(got[0], d.Bytes) {
				t.Error("other bytes")
			}
		})
	}
}

// When the record fails after a durable append, the sender is told to try again
// and then meets its own submission (docs/adr/0002).
func TestRecordFailsAfterAppend(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	sub := w.gen.Submission(w.patient, d)
	again := metadata.Submission{Set: *sub.Set.Clone(), Entries: []*metadata.DocumentEntry{d.Entry.Clone()}}
	for _, a := range sub.Associations {
		c := *a
		again.Associations = append(again.Associations, &c)
	}
	p, _ := message(sub, d)
	w.records.err = errEngine
	_, err := w.Provide(t.Context(), caller, p)
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("error %v", err)
	}
	w.wantCodes(err, fault.RepositoryBusy)
	w.records.err = nil
	p, _ = message(&again, d)
	p.Documents.(*parts).ids[0] = again.Entries[0].ID
	_, err = w.Provide(t.Context(), caller, p)
	if codes := codesOf(fault.ProblemsOf(err)); !slices.Contains(codes, fault.DuplicateUniqueID) {
		t.Errorf("the retry: %v %v", err, fault.ProblemsOf(err))
	}
	r, err := w.Retrieve(t.Context(), caller, ask(d.Entry.UniqueID))
	if err != nil || len(r.Documents) != 1 || len(w.keys()) != 1 {
		t.Fatalf("retrieved %+v, %v, %d stored", r, err, len(w.keys()))
	}
	w.read(r)
}

// A sender that goes away when its bytes have arrived has still submitted.
func TestSenderGoneAfterTheBytes(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	w.engine.hook = func(op string) error {
		if op == "load" {
			cancel()
		}
		return nil
	}
	d := w.document()
	p, _ := message(w.gen.Submission(w.patient, d), d)
	if _, err := w.Provide(ctx, caller, p); err != nil {
		t.Errorf("error %v", err)
	}
	if list, _ := w.found(w.all()); len(list) != 3 {
		t.Errorf("%d objects", len(list))
	}
}

// The same message eight times at once: registered once, stored once.
func TestConcurrentIdentical(t *testing.T) {
	const n = 8
	w := newWorld(t)
	d := w.document()
	sub := w.gen.Submission(w.patient, d)
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		s := &metadata.Submission{Set: *sub.Set.Clone(), Entries: []*metadata.DocumentEntry{d.Entry.Clone()}}
		for _, a := range sub.Associations {
			c := *a
			s.Associations = append(s.Associations, &c)
		}
		p, _ := message(s, metadatatest.Document{Entry: s.Entries[0], Bytes: d.Bytes})
		wg.Go(func() { _, errs[i] = w.Provide(t.Context(), caller, p) })
	}
	wg.Wait()
	good := 0
	for _, err := range errs {
		if err == nil {
			good++
		} else if fault.KindOf(err) != fault.Invalid {
			t.Errorf("error %v", err)
		}
	}
	if good != 1 || len(w.keys()) != 1 || len(w.records.events) != n {
		t.Errorf("%d succeeded, %d documents, %d records", good, len(w.keys()), len(w.records.events))
	}
	r, err := w.Retrieve(t.Context(), caller, ask(d.Entry.UniqueID))
	if err != nil || len(r.Documents) != 1 {
		t.Fatal(err)
	}
	w.read(r)
}

// A thousand documents in one submission, and back in one answer.
func TestThousandDocuments(t *testing.T) {
	w := newWorld(t)
	sub := w.gen.Metadata(w.patient, 1000)
	m := &parts{}
	var ids []string
	for i, e := range sub.Entries {
		e.Hash, e.Size = "", metadata.Size{}
		m.ids, m.bytes = append(m.ids, e.ID), append(m.bytes, []byte(fmt.Sprint("document ", i)))
		ids = append(ids, e.UniqueID)
	}
	if _, err := w.Provide(t.Context(), caller, sharing.Provide{Submission: sub, Documents: m}); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	w.docs.most = 0
	r, err := w.Retrieve(t.Context(), caller, ask(ids...))
	if err != nil || len(r.Documents) != 1000 {
		t.Fatal(err)
	}
	if w.docs.open > 32 {
		t.Errorf("%d documents are open at once", w.docs.open)
	}
	for i, b := range w.read(r) {
		if string(b) != fmt.Sprint("document ", i) {
			t.Fatalf("document %d is %q", i, b)
		}
	}
	if w.docs.open != 0 {
		t.Errorf("%d documents are still open", w.docs.open)
	}
	_, err = w.Retrieve(t.Context(), caller, ask(append(ids, "1.2")...))
	w.wantCodes(err, fault.TooManyResults)
	if e := w.last(); e.Outcome != audit.Failed || len(e.Request.Documents) != 1000 {
		t.Errorf("recorded as %v with %d documents", e.Outcome, len(e.Request.Documents))
	}
}

// A door's own errors keep their words.
func TestProvideBrokenMessage(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	p, m := message(w.gen.Submission(w.patient, d), d)
	m.then = fault.New(fault.Invalid, "mtom", fault.RepositoryError, "The message ends in the middle.")
	_, err := w.Provide(t.Context(), caller, p)
	var f *fault.Error
	if !errors.As(err, &f) || f.Problems[0].Context != "The message ends in the middle." || len(w.keys()) != 0 {
		t.Errorf("error %v", err)
	}
}

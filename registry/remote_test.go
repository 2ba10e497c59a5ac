package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/registry"
	"samdok/storage"
	"samdok/storage/sqlite"
)

// far is somebody else's registry: a Registry of its own behind a line that fails
// as it is told.
type far struct {
	mu    sync.Mutex
	reg   *registry.Registry
	calls int
	// before fails a submission before it arrives, after when it has been answered;
	// nil is fine.
	before, after func(call int) error
	asked         error // what a question gets
	hidden        bool  // questions find nothing
	ready         error
	sent          []*metadata.Submission
}

func (f *far) Ready() error { return f.ready }

func (f *far) Register(ctx context.Context, s *metadata.Submission) ([]fault.Problem, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	f.sent = append(f.sent, s.Clone())
	if f.before != nil {
		if err := f.before(f.calls); err != nil {
			return nil, err
		}
	}
	r, err := f.reg.Submit(ctx, "far", registry.Submission{Submission: s.Clone()})
	if f.after != nil {
		if lost := f.after(f.calls); lost != nil {
			return nil, lost
		}
	}
	return r.Warnings, err
}

func (f *far) Sets(ctx context.Context, uniqueID string) (ids []metadata.ID, err error) {
	if f.asked != nil || f.hidden {
		return nil, f.asked
	}
	q := metadata.StoredQuery{Query: &metadata.GetSubmissionSetAndContents{Set: metadata.Target{UniqueIDs: []string{uniqueID}}}}
	for p, err := range f.reg.Find(ctx, "far", q, access.Restriction{}) {
		if err != nil {
			return nil, err
		}
		if set, ok := p.Object.(*metadata.SubmissionSet); ok {
			ids = append(ids, set.ID)
		}
	}
	return ids, nil
}

func (f *far) Encode(s *metadata.Submission) []byte {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return b
}

func (f *far) Decode(b []byte) (*metadata.Submission, error) {
	s := new(metadata.Submission)
	return s, json.Unmarshal(b, s)
}

// away is a repository whose registry is far.
type away struct {
	*testing.T
	gen       *metadatatest.Gen
	patient   metadatatest.Patient
	log       *sqlite.DB
	far       *far
	remote    *registry.Remote
	local     *registry.Registry
	now       time.Time
	destroyed []storage.DocumentKey
	fates     []registry.Fate
}

func newAway(t *testing.T) *away {
	w := &away{T: t, gen: metadatatest.New(1), log: openSQLite(t), now: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return w.now }
	w.patient = w.gen.Patient()
	there := openSQLite(t)
	w.far = &far{reg: registry.New(registry.Options{Log: there, Index: there, Clock: clock})}
	w.local = registry.New(registry.Options{Log: w.log, Index: w.log, Clock: clock})
	w.remote = registry.NewRemote(registry.RemoteOptions{Log: w.log, Outbox: w.log, Sender: w.far, Clock: clock,
		Destroy: func(_ context.Context, k storage.DocumentKey) error {
			w.destroyed = append(w.destroyed, k)
			return nil
		}})
	return w
}

// submission is one document whose bytes have a key.
func (w *away) submission() (registry.Submission, *metadata.DocumentEntry) {
	e := w.gen.Entry(w.patient, metadatatest.Note)
	e.RepositoryID = "1.2.3.4"
	sub := w.gen.Submission(w.patient)
	metadatatest.AddEntry(sub, e)
	return registry.Submission{Submission: sub, Documents: map[metadata.ID]storage.DocumentKey{e.ID: "key of " + storage.DocumentKey(e.UniqueID)}}, e
}

// holds tells how often the repository holds a document, retrievable.
func (w *away) holds(uniqueID string) int {
	w.Helper()
	list, err := w.local.Documents(w.Context(), tenant, []string{uniqueID})
	if err != nil {
		w.Fatal(err)
	}
	n := 0
	for _, p := range list {
		if p.Document == "key of "+storage.DocumentKey(uniqueID) && p.Stream == storage.PatientStream(w.patient.ID()) {
			n++
		}
	}
	return n
}

// bound tells whether the sweep would leave the document's bytes alone.
func (w *away) bound(uniqueID string) bool {
	w.Helper()
	list, err := w.local.Held(w.Context(), tenant, "1.2.3.4", []string{uniqueID})
	if err != nil {
		w.Fatal(err)
	}
	return len(list) > 0
}

func (w *away) letters() int {
	w.Helper()
	b, err := w.log.Count(w.Context(), storage.QueueRegister)
	if err != nil {
		w.Fatal(err)
	}
	return b.Waiting + b.Dead
}

// settle lets time pass and asks once.
func (w *away) settle(d time.Duration) {
	w.Helper()
	w.now = w.now.Add(d)
	err := w.remote.Settle(w.Context(), func(_ context.Context, f registry.Fate) error {
		w.fates = append(w.fates, f)
		return nil
	})
	if err != nil {
		w.Fatal(err)
	}
}

var errLine = errors.New("the line broke")

func once(err error) func(int) error {
	return func(call int) error {
		if call == 1 {
			return err
		}
		return nil
	}
}

func TestRemoteRegisters(t *testing.T) {
	w := newAway(t)
	s, e := w.submission()
	symbolic := e.ID
	r, err := w.remote.Submit(t.Context(), tenant, s)
	if err != nil {
		t.Fatal(err)
	}
	if id := r.IDs[symbolic]; id.IsSymbolic() || id != w.far.sent[0].Entries[0].ID {
		t.Errorf("the receipt says %s, sent was %s", id, w.far.sent[0].Entries[0].ID)
	}
	if w.holds(e.UniqueID) != 1 || w.letters() != 0 {
		t.Errorf("%d holdings, %d letters", w.holds(e.UniqueID), w.letters())
	}
	// The same bytes under the same uniqueId may come again, others may not.
	again, next := w.submission()
	again.Documents = map[metadata.ID]storage.DocumentKey{next.ID: "key of " + storage.DocumentKey(e.UniqueID)}
	next.UniqueID, next.Hash, next.Size = e.UniqueID, e.Hash, e.Size
	if _, err := w.remote.Submit(t.Context(), tenant, again); err != nil || w.holds(e.UniqueID) != 2 {
		t.Errorf("the same document again: %v, %d holdings", err, w.holds(e.UniqueID))
	}
	other, next := w.submission()
	next.UniqueID = e.UniqueID
	if _, err := w.remote.Submit(t.Context(), tenant, other); !slices.Equal(codes(err), []fault.Code{fault.NonIdenticalHash}) || w.letters() != 0 || w.far.calls != 2 {
		t.Errorf("other bytes: %v, %d letters, %d calls", err, w.letters(), w.far.calls)
	}
}

// A refusal is passed on in the registry's own words, and nothing is held.
func TestRemoteRefuses(t *testing.T) {
	w := newAway(t)
	s, e := w.submission()
	w.far.before = once(&fault.Error{Kind: fault.Invalid, Problems: []fault.Problem{
		{Code: fault.RegistryMetadataError, Context: "so", Location: "there"}, {Code: "OwnCode", Context: "and so", Severity: fault.SeverityWarning}}})
	_, err := w.remote.Submit(t.Context(), tenant, s)
	problems := fault.ProblemsOf(err)
	if fault.KindOf(err) != fault.Invalid || len(problems) != 2 || problems[0] != (fault.Problem{Code: fault.RegistryMetadataError, Context: "so", Location: "there", Foreign: true}) || problems[1].Code != "OwnCode" {
		t.Fatalf("%v: %+v", err, problems)
	}
	if w.holds(e.UniqueID) != 0 || w.bound(e.UniqueID) || w.letters() != 0 {
		t.Errorf("%d holdings, bound %v, %d letters", w.holds(e.UniqueID), w.bound(e.UniqueID), w.letters())
	}
	// The corrected submission may have the same ids.
	if _, err := w.remote.Submit(t.Context(), tenant, s); err != nil || w.holds(e.UniqueID) != 1 {
		t.Errorf("sent again: %v, %d holdings", err, w.holds(e.UniqueID))
	}
}

func TestRemoteNotReached(t *testing.T) {
	w := newAway(t)
	s, e := w.submission()
	w.far.before = once(errors.Join(registry.ErrNotSent, errLine))
	_, err := w.remote.Submit(t.Context(), tenant, s)
	if !slices.Equal(codes(err), []fault.Code{fault.RegistryNotAvailable}) || fault.KindOf(err) != fault.Busy {
		t.Fatalf("%v of kind %v", err, fault.KindOf(err))
	}
	if w.holds(e.UniqueID) != 0 || w.letters() != 0 {
		t.Errorf("%d holdings, %d letters", w.holds(e.UniqueID), w.letters())
	}
	w.far.ready = errLine
	if err := w.remote.Ready(t.Context()); !slices.Equal(codes(err), []fault.Code{fault.RegistryNotAvailable}) || !errors.Is(err, errLine) {
		t.Errorf("Ready: %v", err)
	}
}

// When nobody knows what became of a submission, the document stays until somebody
// does.
func TestRemoteUnknown(t *testing.T) {
	unknown := func(w *away, set func(*far)) *metadata.DocumentEntry {
		w.Helper()
		s, e := w.submission()
		set(w.far)
		_, err := w.remote.Submit(w.Context(), tenant, s)
		if !slices.Equal(codes(err), []fault.Code{fault.RegistryNotAvailable}) || fault.KindOf(err) != fault.Unavailable {
			w.Fatalf("%v of kind %v", err, fault.KindOf(err))
		}
		if w.holds(e.UniqueID) != 1 || w.letters() != 1 {
			w.Fatalf("%d holdings, %d letters", w.holds(e.UniqueID), w.letters())
		}
		return e
	}
	check := func(w *away, e *metadata.DocumentEntry, held, letters, fates, calls int) {
		w.Helper()
		if w.holds(e.UniqueID) != held || w.bound(e.UniqueID) != (held > 0) || w.letters() != letters || len(w.fates) != fates || w.far.calls != calls {
			w.Fatalf("%d holdings, bound %v, %d letters, %d fates, %d submissions sent", w.holds(e.UniqueID), w.bound(e.UniqueID), w.letters(), len(w.fates), w.far.calls)
		}
	}
	t.Run("it was registered", func(t *testing.T) {
		w := newAway(t)
		e := unknown(w, func(f *far) { f.after = once(errLine) })
		w.far.asked = errLine
		w.settle(time.Minute)
		check(w, e, 1, 1, 0, 1)
		w.far.asked = nil
		w.settle(time.Minute)
		check(w, e, 1, 0, 1, 1)
		if !w.fates[0].Registered {
			t.Error("fate: refused")
		}
	})
	t.Run("it was not", func(t *testing.T) {
		w := newAway(t)
		e := unknown(w, func(f *far) { f.before = once(errLine) })
		w.settle(time.Minute)
		check(w, e, 1, 0, 1, 2)
		if first, second := w.far.sent[0], w.far.sent[1]; first.Set.ID != second.Set.ID || first.Entries[0].ID != second.Entries[0].ID {
			t.Error("it was sent again under other ids")
		}
	})
	t.Run("it is refused the second time", func(t *testing.T) {
		w := newAway(t)
		e := unknown(w, func(f *far) {
			f.before = func(call int) error {
				if call == 1 {
					return errLine
				}
				return &fault.Error{Kind: fault.Invalid, Problems: []fault.Problem{{Code: fault.UnknownPatientID, Context: "x"}}}
			}
		})
		w.settle(time.Minute)
		check(w, e, 0, 0, 1, 2)
		if w.fates[0].Registered || len(w.fates[0].Problems) != 1 || len(w.destroyed) != 1 {
			t.Errorf("%+v, %d destroyed", w.fates[0], len(w.destroyed))
		}
	})
	t.Run("it stays unknown", func(t *testing.T) {
		w := newAway(t)
		e := unknown(w, func(f *far) { f.before = func(int) error { return errLine } })
		for range 20 {
			w.settle(atMost)
		}
		check(w, e, 1, 1, 0, 21)
	})
	t.Run("the registry is busy", func(t *testing.T) {
		w := newAway(t)
		e := unknown(w, func(f *far) {
			f.before = func(call int) error {
				switch call {
				case 1:
					return errLine
				case 2:
					return &fault.Error{Kind: fault.Invalid, Problems: []fault.Problem{{Code: fault.RegistryBusy, Context: "x"}}}
				}
				return nil
			}
		})
		w.settle(time.Minute)
		check(w, e, 1, 1, 0, 2)
		w.settle(time.Minute)
		check(w, e, 1, 0, 1, 3)
	})
	t.Run("the registry has it and hides it", func(t *testing.T) {
		w := newAway(t)
		e := unknown(w, func(f *far) { f.after, f.hidden = once(errLine), true })
		w.settle(time.Minute)
		check(w, e, 1, 1, 0, 2)
	})
	t.Run("the record of the fate fails", func(t *testing.T) {
		w := newAway(t)
		e := unknown(w, func(f *far) { f.after = once(errLine) })
		w.now = w.now.Add(time.Minute)
		if err := w.remote.Settle(t.Context(), func(context.Context, registry.Fate) error { return errLine }); err != nil {
			t.Fatal(err)
		}
		check(w, e, 1, 1, 0, 1)
	})
	t.Run("it came twice on the way", func(t *testing.T) {
		w := newAway(t)
		s, e := w.submission()
		w.far.before = func(call int) error { // a proxy that repeats: the first one arrived
			if call == 1 {
				_, err := w.far.reg.Submit(t.Context(), "far", registry.Submission{Submission: w.far.sent[0].Clone()})
				return err
			}
			return nil
		}
		if _, err := w.remote.Submit(t.Context(), tenant, s); err != nil {
			t.Fatal(err)
		}
		check(w, e, 1, 0, 0, 1)
	})
	t.Run("the message is sent again meanwhile", func(t *testing.T) {
		w := newAway(t)
		s, e := w.submission()
		first := s.Submission.Clone()
		w.far.after = once(errLine)
		if _, err := w.remote.Submit(t.Context(), tenant, s); err == nil {
			t.Fatal("no error")
		}
		repeated := registry.Submission{Submission: first, Documents: s.Documents}
		if _, err := w.remote.Submit(t.Context(), tenant, repeated); !slices.Equal(codes(err), []fault.Code{fault.DuplicateUniqueID}) {
			t.Fatalf("the repeated message: %v", err)
		}
		check(w, e, 1, 1, 0, 2)
		w.settle(time.Hour)
		check(w, e, 1, 0, 1, 2)
	})
}

const atMost = 10 * time.Minute

// A letter whose submission was never held was never sent.
func TestRemoteDiedEarly(t *testing.T) {
	w := newAway(t)
	s, e := w.submission()
	ctx, cancel := context.WithCancel(t.Context())
	w.far.before = func(int) error { cancel(); return errLine }
	if _, err := w.remote.Submit(ctx, tenant, s); fault.KindOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	if w.holds(e.UniqueID) != 1 {
		t.Error("a sender that leaves takes the holding with it")
	}
	// Only the letter, as after a crash before the holdings.
	l := storage.Letter{ID: metadata.NewUUID(), Tenant: tenant, Queue: storage.QueueRegister, Created: w.now, Due: w.now, Expires: w.now.Add(time.Hour),
		Body: append([]byte{1, byte(storage.StreamPatient), 3, '1', '^', '2'}, w.far.Encode(s.Submission)...)}
	if err := w.log.Post(t.Context(), []storage.Letter{l}); err != nil {
		t.Fatal(err)
	}
	calls := w.far.calls
	w.settle(0)
	if w.far.calls != calls || w.letters() != 1 {
		t.Errorf("%d submissions sent, %d letters", w.far.calls-calls, w.letters())
	}
}

func FuzzOwed(f *testing.F) {
	f.Add([]byte{1, 1, 3, '1', '^', '2', 'x'})
	f.Add([]byte{1, 1, 200, 1})
	f.Add([]byte{2})
	f.Fuzz(func(t *testing.T, b []byte) {
		if stream, message, err := registry.DecodeOwed(b); err == nil && len(stream)+len(message) > len(b) {
			t.Fatal("more than was there")
		}
	})
}

package sharing_test

import (
	"context"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/mailbox"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
	"samdok/storage"
	"samdok/subscription"
)

// uses has a row for every use case: one that works, and one that a rule of the
// standard refuses.
var uses = map[string]struct {
	action access.Action
	good   func(ctx context.Context, w *world) error
	bad    func(ctx context.Context, w *world) error
	// silent: a denied caller gets no error, as if there were nothing.
	silent bool
	engine []string // the operation where its engine fails
}{
	"Provide": {
		action: access.ActionProvide, engine: []string{"load", "append"},
		good: func(ctx context.Context, w *world) error {
			d := w.document()
			p, _ := message(w.gen.Submission(w.patient, d), d)
			_, err := w.Provide(ctx, caller, p)
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			p, _ := message(w.gen.Submission(w.patient, w.document()))
			_, err := w.Provide(ctx, caller, p)
			return err
		},
	},
	"Receive": {
		action: access.ActionReceive, engine: []string{"load", "append"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.Receive(ctx, caller, w.letter(org))
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			_, err := w.Receive(ctx, caller, w.letter("999999999"))
			return err
		},
	},
	"ListMail": {
		action: access.ActionFind, silent: true, engine: []string{"events"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.ListMail(ctx, caller, org, func(mailbox.Message) error { return nil })
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			_, err := w.ListMail(ctx, caller, "", func(mailbox.Message) error { return nil })
			return err
		},
	},
	"OpenMail": {
		action: access.ActionRetrieve, silent: true, engine: []string{"events", "lookup"},
		good: func(ctx context.Context, w *world) error { return w.openMail(ctx, w.sent) },
		bad:  func(ctx context.Context, w *world) error { return w.openMail(ctx, "1.2.3") },
	},
	"Register": {
		action: access.ActionRegister, engine: []string{"load", "append"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.Register(ctx, caller, sharing.Register{Submission: w.elsewhere()})
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			s := w.elsewhere()
			s.Set.SourceID = ""
			_, err := w.Register(ctx, caller, sharing.Register{Submission: s})
			return err
		},
	},
	"Find": {
		action: access.ActionFind, silent: true, engine: []string{"find"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.Find(ctx, caller, metadata.StoredQuery{Query: w.all()}, func(metadata.Object) error { return nil })
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			_, err := w.Find(ctx, caller, metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: "nobody", Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}, func(metadata.Object) error { return nil })
			return err
		},
	},
	"Find across": {
		action: access.ActionFindAcross, silent: true, engine: []string{"scan"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.Find(ctx, caller, metadata.StoredQuery{Query: w.across(metadata.TimeRange{From: "1950", To: "2050"})}, func(metadata.Object) error { return nil })
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			_, err := w.Find(ctx, caller, metadata.StoredQuery{Query: w.across(metadata.TimeRange{})}, func(metadata.Object) error { return nil })
			return err
		},
	},
	"RegisterOnDemand": {
		action: access.ActionRegisterOnDemand, engine: []string{"load", "append"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.RegisterOnDemand(ctx, caller, sharing.Register{Submission: w.onDemand(own, "text/xml")})
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			_, err := w.RegisterOnDemand(ctx, caller, sharing.Register{Submission: w.elsewhere()})
			return err
		},
	},
	"Retrieve": {
		action: access.ActionRetrieve, silent: true, engine: []string{"lookup"},
		good: func(ctx context.Context, w *world) error {
			r, err := w.Retrieve(ctx, caller, ask(w.stored))
			if err == nil {
				w.read(r)
				err = fault.Of("test", r.Problems)
			}
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			r, err := w.Retrieve(ctx, caller, ask("1.2.3.4"))
			if err == nil {
				r.Close(nil)
				err = fault.Of("test", r.Problems)
			}
			return err
		},
	},
	"Update": {
		action: access.ActionUpdate, engine: []string{"lookup", "append"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.Update(ctx, caller, sharing.Update{Submission: w.revision("1")})
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			_, err := w.Update(ctx, caller, sharing.Update{Submission: w.revision("7"), Restricted: true})
			return err
		},
	},
	"Remove": {
		action: access.ActionRemove, engine: []string{"lookup", "append"},
		good: func(ctx context.Context, w *world) error { return w.Remove(ctx, caller, w.everything()) },
		bad:  func(ctx context.Context, w *world) error { return w.Remove(ctx, caller, w.everything()[:1]) },
	},
	"RemoveDocuments": {
		action: access.ActionRemoveDocuments, engine: []string{"load", "append"},
		good: func(ctx context.Context, w *world) error {
			d, err := w.RemoveDocuments(ctx, caller, ask(w.stored))
			if err == nil {
				err = fault.Of("test", d.Problems)
			}
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			d, err := w.RemoveDocuments(ctx, caller, ask("1.2.3.4"))
			if err == nil {
				err = fault.Of("test", d.Problems)
			}
			return err
		},
	},
	"Feed": {
		action: access.ActionFeed, engine: []string{"load", "append"},
		good: func(ctx context.Context, w *world) error {
			return w.Feed(ctx, caller, sharing.PatientFeed{Kind: sharing.PatientAdded, Patient: w.gen.Patient().ID()})
		},
		bad: func(ctx context.Context, w *world) error {
			return w.Feed(ctx, caller, sharing.PatientFeed{Kind: sharing.PatientAdded, Patient: metadata.PatientID{ID: "1", Authority: "nobody"}})
		},
	},
	"Subscribe": {
		action: access.ActionSubscribe, engine: []string{"load", "append"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.Subscribe(ctx, caller, w.asking())
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			q := w.asking()
			q.Consumer = "http://elsewhere/"
			_, err := w.Subscribe(ctx, caller, q)
			return err
		},
	},
	"Renew": {
		action: access.ActionSubscribe, engine: []string{"events", "append"},
		good: func(ctx context.Context, w *world) error {
			_, err := w.Renew(ctx, caller, w.subscribed(caller).ID, nil)
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			_, err := w.Renew(ctx, caller, w.subscribed(caller).ID, func(now time.Time) time.Time { return now })
			return err
		},
	},
	"Unsubscribe": {
		action: access.ActionSubscribe, engine: []string{"events", "append"},
		good: func(ctx context.Context, w *world) error { return w.Unsubscribe(ctx, caller, w.subscribed(caller).ID) },
		bad:  func(ctx context.Context, w *world) error { return w.Unsubscribe(ctx, caller, metadata.NewUUID()) },
	},
	"Publish": {
		action: access.ActionNotify, engine: []string{"load"},
		good: func(ctx context.Context, w *world) error {
			return w.Publish(ctx, caller, "urn:oid:1.2.3", []metadata.Object{w.document().Entry})
		},
		bad: func(ctx context.Context, w *world) error {
			return w.Publish(ctx, caller, "urn:oid:1.2.3", []metadata.Object{&metadata.DocumentEntry{}})
		},
	},
	"Notify": {
		action: access.ActionNotify, silent: true, engine: []string{"lookup"},
		good: func(ctx context.Context, w *world) error {
			sub := w.subscribed(caller)
			shown, err := w.Notify(ctx, caller, sub, subscription.Notice{Subscription: sub.ID, Objects: []metadata.ID{w.entry(w.stored).Object.ObjectID()}})
			if err == nil && len(shown) == 0 {
				err = errors.New("nothing is told")
			}
			return err
		},
		bad: func(ctx context.Context, w *world) error {
			sub := w.subscribed(caller)
			sub.Consumer = "http://elsewhere/"
			_, err := w.Notify(ctx, caller, sub, subscription.Notice{Subscription: sub.ID})
			return err
		},
	},
}

// revision is a new version of the stored document's entry, made from a version.
func (w *world) revision(previous string) *metadata.Submission {
	w.Helper()
	e := w.entry(w.stored).Object.(*metadata.DocumentEntry)
	e.ID, e.Title = metadata.NewUUID().ID(), metadata.NewText("corrected")
	s := w.gen.Submission(w.patient)
	s.Entries = append(s.Entries, e)
	s.Associations = append(s.Associations, &metadata.Association{
		ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: s.Set.ID, Target: e.ID, Membership: metadata.Original, PreviousVersion: previous,
	})
	return s
}

// entry is the stored document's, as the index has it.
func (w *world) entry(unique string) storage.Placed {
	w.Helper()
	st, err := w.engine.Index.Lookup(context.Background(), tenant, storage.Refs{UniqueIDs: []string{unique}})
	if err != nil || len(st.Objects) == 0 {
		w.Fatalf("%d entries: %v", len(st.Objects), err)
	}
	return st.Objects[0]
}

// everything is what was registered with the stored document.
func (w *world) everything() []metadata.ID {
	w.Helper()
	e := w.entry(w.stored).Object.ObjectID()
	st, err := w.engine.Index.Lookup(context.Background(), tenant, storage.Refs{AssociationsOf: []metadata.ID{e}})
	if err != nil {
		w.Fatal(err)
	}
	ids := []metadata.ID{e}
	for _, p := range st.Associations {
		ids = append(ids, p.Object.ObjectID(), p.Object.(*metadata.Association).Source)
	}
	return ids
}

// letter is a message to an organisation.
func (w *world) letter(to string) sharing.Provide {
	d := w.document()
	sub := w.gen.Submission(w.patient, d)
	sub.Set.Recipients = []string{"Sykehus^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^" + to}
	p, _ := message(sub, d)
	return p
}

// sendMail puts a message with the stored document into the mailbox.
func (w *world) sendMail(d metadatatest.Document) {
	w.Helper()
	sub := w.gen.Submission(w.patient, d)
	w.sent = sub.Set.UniqueID
	_, err := w.mail.Deliver(context.Background(), tenant, mailbox.Delivery{To: []string{org}, Submission: sub,
		Documents: map[metadata.ID]storage.DocumentKey{d.Entry.ID: w.entry(w.stored).Document}})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) openMail(ctx context.Context, id string) error {
	m, err := w.OpenMail(ctx, caller, org, id)
	if err == nil {
		w.read(m.Retrieved)
		err = fault.Of("test", m.Problems)
	}
	return err
}

// elsewhere is a submission whose documents another repository holds.
func (w *world) elsewhere() *metadata.Submission {
	s := w.gen.Metadata(w.patient, 1)
	s.Entries[0].RepositoryID = "1.2.3.4.5"
	return s
}

// onDemand is a submission of an on-demand entry of a repository.
func (w *world) onDemand(repository, mime string) *metadata.Submission {
	s := w.gen.Metadata(w.patient, 1)
	e := s.Entries[0]
	e.Kind, e.CreationTime, e.Hash, e.Size = metadata.OnDemand, "", "", metadata.Size{}
	e.MimeType, e.RepositoryID = mime, repository
	return s
}

// No use case without a row, so that a new one is tested like the others.
func TestEveryUseCaseHasARow(t *testing.T) {
	service := reflect.TypeFor[sharing.Service]()
	for i := range service.NumMethod() {
		if _, ok := uses[service.Method(i).Name]; !ok {
			t.Errorf("the use case %s has no row in the table", service.Method(i).Name)
		}
	}
	for name := range uses {
		use, _, _ := strings.Cut(name, " ") // some have several rows
		if _, ok := service.MethodByName(use); !ok {
			t.Errorf("the row %s is of no use case", name)
		}
	}
	keeping := reflect.TypeFor[sharing.Keeping]()
	for i, all := 0, reflect.TypeFor[*sharing.Sharing](); i < all.NumMethod(); i++ {
		if _, ok := keeping.MethodByName(all.Method(i).Name); ok {
			continue // keep_test.go: an erasure has a record of each step too
		}
		if all.Method(i).Name == "Refuse" {
			continue // does nothing but record: refuse_test.go
		}
		if _, ok := service.MethodByName(all.Method(i).Name); !ok {
			t.Errorf("Sharing.%s is a way in that is not a use case", all.Method(i).Name)
		}
	}
}

// Whatever happens: one plan, one record.
func TestOnePlanOneRecord(t *testing.T) {
	unavailable := fault.Unavailable
	for name, u := range uses {
		for _, c := range []struct {
			name    string
			bad     bool
			set     func(w *world)
			cancel  bool
			noPlan  bool
			outcome audit.Outcome
			kind    *fault.Kind // nil: no error, or any when the outcome is not success
		}{
			{name: "success", outcome: audit.Success},
			{name: "refused by a rule", bad: true, outcome: audit.Failed},
			{name: "denied", set: func(w *world) { w.policy.plan = deny }, outcome: audit.Denied},
			{name: "every item denied", set: func(w *world) { w.policy.hide = func(access.Item) bool { return true } }, outcome: audit.Denied},
			{name: "no plan", set: func(w *world) {
				w.policy.plan = func() (access.Plan, error) { return access.Plan{Effect: access.Allow}, errEngine }
			}, outcome: audit.Errored, kind: &unavailable},
			{name: "no decision", set: func(w *world) { w.policy.err = errEngine }, outcome: audit.Errored, kind: &unavailable},
			{name: "panic in the plan", set: func(w *world) { w.policy.plan = func() (access.Plan, error) { panic("x") } }, outcome: audit.Panicked},
			{name: "panic in a decision", set: func(w *world) { w.policy.panics = true }, outcome: audit.Panicked},
			{name: "engine fails", set: func(w *world) { w.trip(u.engine[0], func() error { return errEngine }) }, outcome: audit.Errored},
			{name: "engine panics", set: func(w *world) { w.trip(u.engine[len(u.engine)-1], func() error { panic("x") }) }, outcome: audit.Panicked},
			{name: "caller gone", cancel: true, noPlan: true, outcome: audit.Aborted},
			{name: "no record", set: func(w *world) { w.records.err = errEngine }, outcome: audit.Success, kind: &unavailable},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				w := newWorld(t)
				d := w.document()
				w.provided(d)
				w.stored = d.Entry.UniqueID
				if strings.HasSuffix(name, "Mail") {
					w.sendMail(d)
				}
				w.policy.plans, w.records.events = 0, nil
				if c.set != nil {
					c.set(w)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if c.cancel {
					cancel()
				}
				f := u.good
				if c.bad {
					f = u.bad
				}
				err := f(ctx, w)
				want := c.outcome
				switch {
				case want == audit.Success && c.kind == nil:
					if err != nil {
						t.Errorf("error %v", err)
					}
				case want == audit.Denied && u.silent:
					if name == "Find" && err != nil {
						t.Errorf("a denied search is told so: %v", err)
					}
					if (strings.HasPrefix(name, "Find") || name == "ListMail") && c.name == "every item denied" {
						want = audit.Success // found nothing, and that is recorded with what was hidden
						if w.last().Hidden == 0 {
							t.Error("hidden items were not counted")
						}
					}
				default:
					if err == nil {
						t.Error("no error")
					}
				}
				if c.kind != nil && fault.KindOf(err) != *c.kind {
					t.Errorf("error %v of kind %v, want %v", err, fault.KindOf(err), *c.kind)
				}
				if plans := w.policy.plans; plans != 1 && !c.noPlan {
					t.Errorf("%d plans", plans)
				}
				if len(w.records.events) != 1 {
					t.Fatalf("%d records", len(w.records.events))
				}
				e := w.last()
				if e.Outcome != want {
					t.Errorf("outcome %v, want %v", e.Outcome, want)
				}
				if e.Request.Action != u.action || e.Request.Tenant != tenant || e.Request.Caller != caller || e.Request.Time.IsZero() || e.Request.Transaction == "" {
					t.Errorf("record of %+v", e.Request)
				}
				if w.docs.open != 0 {
					t.Errorf("%d documents are still open", w.docs.open)
				}
				if want == audit.Success && len(e.Items) == 0 && c.name != "every item denied" {
					t.Error("a success without items")
				}
			})
		}
	}
}

// trip makes one operation of the engine fail.
func (w *world) trip(op string, f func() error) {
	w.engine.hook = func(now string) error {
		if now == op {
			return f()
		}
		return nil
	}
}

// A denied caller is told the same as one who asks for nothing that exists.
func TestDeniedLooksLikeAbsent(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	_, sub := w.provided(d)
	id := d.Entry.UniqueID

	retrieve := func() []fault.Problem {
		r, err := w.Retrieve(t.Context(), caller, ask(id))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close(nil)
		if len(r.Documents) != 0 {
			t.Error("a document is there")
		}
		return r.Problems
	}
	w.policy.hide = func(i access.Item) bool { return i.UniqueID == id }
	hidden := retrieve()
	w.policy.plan = deny
	denied := retrieve()
	other := newWorld(t)
	w.Sharing, other.Sharing = other.Sharing, w.Sharing
	absent := retrieve()
	w.Sharing = other.Sharing
	if !slices.Equal(hidden, absent) || !slices.Equal(denied, absent) || len(absent) != 1 || absent[0].Code != fault.DocumentUniqueIDError || absent[0].Location != id {
		t.Errorf("absent %v, hidden %v, denied %v", absent, hidden, denied)
	}

	if list, f := w.found(w.all()); len(list) != 0 || f.Hidden != 0 {
		t.Errorf("a denied search shows %d objects, %+v", len(list), f)
	}
	p, docs := message(sub, d)
	_, err := w.Provide(t.Context(), caller, p)
	if fault.KindOf(err) != fault.Denied || docs.next != 0 {
		t.Errorf("denied provide: %v after %d documents", err, docs.next)
	}
	w.wantCodes(err, fault.RepositoryError)
	_, err = w.Register(t.Context(), caller, sharing.Register{Submission: sub})
	w.wantCodes(err, fault.RegistryError)
}

// A caller who may not touch the document that he wants to replace is refused.
func TestWriteDecidesOnWhatItRefersTo(t *testing.T) {
	w := newWorld(t)
	old := w.document()
	w.provided(old)
	w.policy.hide = func(i access.Item) bool { return i.UniqueID == old.Entry.UniqueID }
	s, d := w.replacement(old.Entry.ID)
	p, docs := message(s, d)
	_, err := w.Provide(t.Context(), caller, p)
	if fault.KindOf(err) != fault.Denied || docs.next != 0 || w.last().Outcome != audit.Denied {
		t.Errorf("%v after %d documents, recorded as %v", err, docs.next, w.last().Outcome)
	}
	w.policy.hide = nil
	s, d = w.replacement(old.Entry.ID)
	p, _ = message(s, d)
	if _, err := w.Provide(t.Context(), caller, p); err != nil {
		t.Fatal(err, fault.ProblemsOf(err))
	}
	if !slices.ContainsFunc(w.last().Items, func(i access.Item) bool { return i.ID == old.Entry.ID }) {
		t.Error("the replaced document is not in the record")
	}
}

// The aborted record comes once, with what was being sent.
func TestAborted(t *testing.T) {
	w := newWorld(t)
	d := w.document()
	w.provided(d)
	before := len(w.records.events)
	r, err := w.Retrieve(t.Context(), caller, ask(d.Entry.UniqueID))
	if err != nil {
		t.Fatal(err)
	}
	r.Close(io.ErrClosedPipe)
	r.Close(io.ErrClosedPipe)
	if n := len(w.records.events) - before; n != 2 {
		t.Fatalf("%d records", n)
	}
	if e := w.last(); e.Outcome != audit.Aborted || len(e.Items) != 1 || e.Items[0].UniqueID != d.Entry.UniqueID {
		t.Errorf("record %+v", e)
	}
	if w.docs.open != 0 {
		t.Error("documents are still open")
	}
}

func updateOf(s *metadata.Submission) sharing.Update { return sharing.Update{Submission: s} }

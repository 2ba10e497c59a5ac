package sharing_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
	"samdok/storage"
	"samdok/subscription"
)

const consumer = "http://127.0.0.1:1/notify"

// asking subscribes to everything about the patient.
func (w *world) asking() sharing.Subscribe {
	return sharing.Subscribe{
		Consumer: consumer, Topic: metadata.TopicFullDocument,
		Filter: metadata.EventFilter{Patient: w.patient.ID().CX(), Documents: &metadata.DocumentFilter{}},
	}
}

// subscribed is a subscription that is there, whatever fails now.
func (w *world) subscribed(c access.Caller) subscription.Subscription {
	w.Helper()
	q := w.asking()
	now := w.now()
	s := subscription.Subscription{ID: metadata.NewUUID(), Created: now, Ends: now.Add(time.Hour), Topic: q.Topic, Filter: q.Filter, Consumer: q.Consumer, Caller: c}
	if err := w.book.Begin(context.Background(), &s); err != nil {
		w.Fatal(err)
	}
	return s
}

// letters follows the log and gives what is to be delivered.
func (w *world) letters() []subscription.Notice {
	w.Helper()
	if _, err := w.broker.Run(context.Background()); err != nil {
		w.Fatal(err)
	}
	taken, err := w.outbox.Take(context.Background(), storage.QueueNotify, w.now().Add(time.Second), time.Hour, 1000)
	if err != nil {
		w.Fatal(err)
	}
	var all []subscription.Notice
	for _, l := range taken {
		n, err := subscription.DecodeNotice(l.Body)
		if err != nil {
			w.Fatal(err)
		}
		if subscription.Destination(l.Body) != "127.0.0.1:1" {
			w.Errorf("the letter goes to %q", subscription.Destination(l.Body))
		}
		all = append(all, n)
		if err := w.outbox.Settle(context.Background(), l); err != nil {
			w.Fatal(err)
		}
	}
	return all
}

// Access is decided at delivery, for the subscriber as it subscribed; a denial
// looks like nothing and is recorded.
func TestAccessIsDecidedAtDelivery(t *testing.T) {
	w := newWorld(t)
	sub, err := w.Subscribe(t.Context(), caller, w.asking())
	if err != nil {
		t.Fatal(err)
	}
	d := w.document()
	w.provided(d)
	w.stored = d.Entry.UniqueID
	notices := w.letters()
	if len(notices) != 1 || len(notices[0].Objects) != 1 || notices[0].Subscription != sub.ID {
		t.Fatalf("%+v", notices)
	}
	tell := func() []metadata.Object {
		t.Helper()
		shown, err := w.Notify(t.Context(), sub.Caller, sub, notices[0])
		if err != nil {
			t.Fatal(err)
		}
		return shown
	}
	if shown := tell(); len(shown) != 1 || shown[0].(*metadata.DocumentEntry).UniqueID != w.stored {
		t.Fatalf("%+v", shown)
	}
	if e := w.last(); e.Outcome != audit.Success || e.Request.Caller != caller || len(e.Items) != 1 || e.Request.Transaction != "ITI-53" {
		t.Errorf("recorded %+v", e)
	}
	w.policy.hide = func(i access.Item) bool { return i.UniqueID == w.stored }
	if shown := tell(); len(shown) != 0 || w.last().Outcome != audit.Denied || w.last().Hidden != 1 {
		t.Errorf("hidden now, and %d are told; recorded %v", len(shown), w.last().Outcome)
	}
	w.policy.hide = nil
	w.policy.plan = func() (access.Plan, error) {
		return access.Plan{Effect: access.Allow, Restriction: access.Restriction{WithoutCodes: []metadata.CodeRef{d.Entry.Confidential[0].Ref()}}}, nil
	}
	if shown := tell(); len(shown) != 0 {
		t.Error("the plan's restriction does not count")
	}
	w.policy.plan = deny
	if shown := tell(); len(shown) != 0 || w.last().Outcome != audit.Denied {
		t.Error("a denied plan does not count")
	}
	w.policy.plan = nil
	if err := w.Remove(t.Context(), caller, w.everything()); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	if shown := tell(); len(shown) != 0 {
		t.Error("what was removed meanwhile is told")
	}
}

// What each topic is told of, through all that can happen to a document and a
// folder.
func TestTopics(t *testing.T) {
	w := newWorld(t)
	begin := func(topic metadata.Topic, f metadata.EventFilter) metadata.UUID {
		t.Helper()
		f.Patient = w.patient.ID().CX()
		s, err := w.Subscribe(t.Context(), caller, sharing.Subscribe{Consumer: consumer, Topic: topic, Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	entries := metadata.EventFilter{Documents: &metadata.DocumentFilter{}}
	folders := metadata.EventFilter{Folders: &metadata.FolderSelection{}}
	names := map[metadata.UUID]metadata.Topic{}
	for _, topic := range metadata.Topics() {
		f := entries
		switch {
		case folders.Fits(topic):
			f = folders
		case topic == metadata.TopicSubmissionSet:
			f = metadata.EventFilter{SubmissionSets: &metadata.SubmissionSetSelection{}}
		}
		names[begin(topic, f)] = topic
	}
	want := func(what string, counts map[metadata.Topic]int) {
		t.Helper()
		got := map[metadata.Topic]int{}
		for _, n := range w.letters() {
			got[names[n.Subscription]] += len(n.Objects)
		}
		for _, topic := range metadata.Topics() {
			if got[topic] != counts[topic] {
				t.Errorf("%s: %s is told of %d objects, want %d", what, topic, got[topic], counts[topic])
			}
		}
	}
	full, minimal, xfull, xminimal := metadata.TopicFullDocument, metadata.TopicMinimalDocument, metadata.TopicExtendedFull, metadata.TopicExtendedMinimal
	set, folder, update, xfolder := metadata.TopicSubmissionSet, metadata.TopicFolder, metadata.TopicUpdateFolder, metadata.TopicExtendedFolder

	d := w.document()
	w.provided(d)
	w.stored = d.Entry.UniqueID
	want("a document", map[metadata.Topic]int{full: 1, minimal: 1, xfull: 1, xminimal: 1, set: 1})

	sub := w.gen.Submission(w.patient)
	fd := w.gen.Folder(w.patient, "a folder")
	metadatatest.AddFolder(sub, fd)
	metadatatest.AddToFolder(sub, fd.ID, w.entry(w.stored).Object.ObjectID())
	if _, err := w.Register(t.Context(), caller, sharing.Register{Submission: sub}); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	want("a folder with it", map[metadata.Topic]int{set: 1, folder: 1, update: 1, xfolder: 1})

	w.pass(time.Minute)
	sub, next := w.replacement(w.entry(w.stored).Object.ObjectID())
	p, _ := message(sub, next)
	if _, err := w.Provide(t.Context(), caller, p); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	want("a replacement", map[metadata.Topic]int{full: 1, minimal: 1, xfull: 2, xminimal: 2, set: 1, folder: 1, update: 1, xfolder: 1})

	w.stored = next.Entry.UniqueID
	w.pass(time.Minute)
	if _, err := w.Update(t.Context(), caller, sharing.Update{Submission: w.revision("1")}); err != nil {
		t.Fatal(fault.ProblemsOf(err))
	}
	for _, n := range w.letters() {
		switch topic := names[n.Subscription]; topic {
		case full, minimal:
			t.Errorf("an update: %s is told", topic)
		case xfull, xminimal:
			names[n.Subscription] = "" // told
		}
	}
	for id, topic := range names {
		if topic == xfull || topic == xminimal {
			t.Errorf("an update: %s (%s) is not told", topic, id)
		}
	}
}

// A subscription counts from its answer on until it ends or expires, and the same
// event never makes a second letter.
func TestLifeOfASubscription(t *testing.T) {
	w := newWorld(t)
	w.provided(w.document())
	w.pass(2 * time.Minute)
	sub, err := w.Subscribe(t.Context(), caller, w.asking())
	if err != nil {
		t.Fatal(err)
	}
	if sub.Ends != w.now().Add(time.Hour) {
		t.Errorf("ends %v", sub.Ends)
	}
	if n := w.letters(); len(n) != 0 {
		t.Errorf("told of what was before: %+v", n)
	}
	w.provided(w.document())
	if n := w.letters(); len(n) != 1 {
		t.Errorf("%d letters", len(n))
	}
	if n := w.letters(); len(n) != 0 {
		t.Errorf("%d letters again", len(n))
	}
	other := access.Caller{Subject: "somebody.else", Organisation: "1"}
	if err := w.Unsubscribe(t.Context(), other, sub.ID); fault.KindOf(err) != fault.NotFound || w.last().Outcome != audit.Denied {
		t.Errorf("somebody else ends it: %v", err)
	}
	if _, err := w.Renew(t.Context(), caller, sub.ID, func(now time.Time) time.Time { return now.Add(48 * time.Hour) }); err != nil {
		t.Fatal(err)
	}
	w.pass(2 * time.Hour)
	w.provided(w.document())
	if n := w.letters(); len(n) != 1 {
		t.Errorf("after renewal %d letters", len(n))
	}
	w.pass(23 * time.Hour) // 24 is the longest, counted from the renewal
	w.provided(w.document())
	if n := w.letters(); len(n) != 0 {
		t.Errorf("after its end %d letters", len(n))
	}
	if err := w.Unsubscribe(t.Context(), caller, sub.ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("it has expired: %v", err)
	}
	sub = w.subscribed(caller)
	if err := w.Unsubscribe(t.Context(), caller, sub.ID); err != nil {
		t.Fatal(err)
	}
	w.provided(w.document())
	if n := w.letters(); len(n) != 0 {
		t.Errorf("after Unsubscribe %d letters", len(n))
	}
}

// Subscriptions without a patient exist only where they are allowed.
func TestAnyPatient(t *testing.T) {
	ask := sharing.Subscribe{Consumer: consumer, Topic: metadata.TopicSubmissionSet, Filter: metadata.EventFilter{SubmissionSets: &metadata.SubmissionSetSelection{Recipients: metadata.AnyOf[metadata.Like]{"%"}}}}
	w := newWorld(t)
	_, err := w.Subscribe(t.Context(), caller, ask)
	var r *sharing.Refusal
	if !errors.As(err, &r) || r.Reason != sharing.ReasonAny {
		t.Fatal(err)
	}
	now := w.now
	w = newWorld(t, func(o *sharing.Options) {
		o.Subscriptions.Book = subscription.NewBook(subscription.Options{Log: o.Index.(*engine), Tenant: tenant, Clock: now, AnyPatient: 1})
	})
	if _, err := w.Subscribe(t.Context(), caller, ask); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Subscribe(t.Context(), caller, ask); !errors.As(err, &r) || r.Reason != sharing.ReasonFull {
		t.Fatal(err)
	}
}

// What is published reaches subscribers with what it brought, once.
func TestPublish(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribed(caller)
	e := w.document().Entry
	e.Status = metadata.Approved
	for range 2 {
		if err := w.Publish(t.Context(), caller, "urn:oid:1.2.3", []metadata.Object{e}); err != nil {
			t.Fatal(err)
		}
	}
	notices := w.letters()
	if len(notices) != 1 || len(notices[0].Published) != 1 || notices[0].Producer != "urn:oid:1.2.3" {
		t.Fatalf("%+v", notices)
	}
	shown, err := w.Notify(t.Context(), caller, sub, notices[0])
	if err != nil || len(shown) != 1 || shown[0].(*metadata.DocumentEntry).UniqueID != e.UniqueID {
		t.Errorf("%v, %v", shown, err)
	}
}

// Subscriptions to one patient that begin at the same time are all there, also
// after the index was made again.
func TestSubscribersAtOnce(t *testing.T) {
	w := newWorld(t)
	const many = 20
	var group sync.WaitGroup
	for range many {
		group.Go(func() { w.subscribed(caller) })
	}
	group.Wait()
	for range 2 {
		subs, err := w.book.Of(t.Context(), w.patient.ID())
		if err != nil || len(subs) != many {
			t.Fatalf("%d subscriptions, %v", len(subs), err)
		}
		if err := w.engine.Index.Rebuild(t.Context(), func(_, _ int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	if other, err := w.book.Of(t.Context(), w.gen.Patient().ID()); err != nil || len(other) != 0 {
		t.Errorf("somebody else's: %d, %v", len(other), err)
	}
	w.provided(w.document())
	if n := w.letters(); len(n) != many {
		t.Errorf("%d letters", len(n))
	}
}

// Subscriptions to a patient who was merged away are about the survivor, in chains
// too, however far the broker is.
func TestSubscriptionsFollowAMerge(t *testing.T) {
	w := newWorld(t)
	survivor := w.gen.Patient()
	a, b, c := w.patient.ID(), w.gen.Patient().ID(), survivor.ID()
	sub, err := w.Subscribe(t.Context(), caller, w.asking())
	if err != nil {
		t.Fatal(err)
	}
	w.provided(w.document())
	merge := func(survivor, subsumed metadata.PatientID) {
		t.Helper()
		if err := w.Feed(t.Context(), caller, mergeOf(survivor, subsumed)); err != nil {
			t.Fatal(err)
		}
	}
	merge(b, a)
	if n := w.letters(); len(n) != 1 {
		t.Fatalf("%d letters of what was registered before the merge, and of the merge", len(n))
	}
	until := w.now().Add(3 * time.Hour)
	merge(c, b) // not followed yet
	if s, err := w.Renew(t.Context(), caller, sub.ID, func(time.Time) time.Time { return until }); err != nil || s.Patient() != c || w.last().Items[0].Patient != c {
		t.Errorf("renewed between a merge and the broker: %v, %v", err, s.Patient())
	}
	w.patient = survivor
	w.provided(w.document())
	n := w.letters()
	if len(n) != 1 || n[0].Subscription != sub.ID {
		t.Fatalf("of the survivor's document: %+v", n)
	}
	for range 2 {
		for patient, want := range map[metadata.PatientID]int{a: 0, b: 0, c: 1} {
			if of, err := w.book.Of(t.Context(), patient); err != nil || len(of) != want || want == 1 && (of[0].Patient() != c || !of[0].Ends.Equal(until)) {
				t.Errorf("%+v, %v", of, err)
			}
		}
		if err := w.engine.Index.Rebuild(t.Context(), func(_, _ int64) {}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.book.Get(t.Context(), sub.ID)
	if err != nil || got.Patient() != c {
		t.Fatal(err, got.Patient())
	}
	if shown, err := w.Notify(t.Context(), got.Caller, got, n[0]); err != nil || len(shown) != 1 || w.last().Request.Patients[0] != c {
		t.Errorf("%v, %v", shown, err)
	}
	for _, subsumed := range []metadata.PatientID{a, b} {
		q := w.asking()
		q.Filter.Patient = subsumed.CX()
		var r *sharing.Refusal
		if _, err := w.Subscribe(t.Context(), caller, q); !errors.As(err, &r) || r.Reason != sharing.ReasonPatient {
			t.Errorf("subscribed to a subsumed id: %v", err)
		}
	}
	e := w.document().Entry // another registry may not know of the merge
	e.Status, e.PatientID = metadata.Approved, a.CX()
	if err := w.Publish(t.Context(), caller, "urn:oid:1.2.3", []metadata.Object{e}); err != nil {
		t.Fatal(err)
	}
	if n := w.letters(); len(n) != 1 || n[0].Published[0].(*metadata.DocumentEntry).PatientID != c.CX() {
		t.Errorf("published under a subsumed id: %+v", n)
	}
	if err := w.Unsubscribe(t.Context(), caller, sub.ID); err != nil {
		t.Fatal(err)
	}
	if of, err := w.book.Of(t.Context(), c); err != nil || len(of) != 0 {
		t.Errorf("%+v, %v", of, err)
	}
}

// A merge that comes while a subscription begins does not strand it.
func TestSubscribedDuringAMerge(t *testing.T) {
	w := newWorld(t)
	a, b := w.patient.ID(), w.gen.Patient().ID()
	merged := false
	w.engine.after = func() error {
		if merged {
			return nil
		}
		merged = true
		if err := w.Feed(t.Context(), caller, mergeOf(b, a)); err != nil {
			return err
		}
		_, err := w.broker.Run(t.Context())
		return err
	}
	sub, err := w.Subscribe(t.Context(), caller, w.asking())
	if err != nil {
		t.Fatal(err)
	}
	if of, err := w.book.Of(t.Context(), b); err != nil || len(of) != 1 || of[0].ID != sub.ID {
		t.Errorf("%+v, %v", of, err)
	}
}

// An operator sees and ends anybody's subscription; both are recorded, and whom it
// is about only when that was asked for.
func TestSupervise(t *testing.T) {
	w := newWorld(t)
	first := w.subscribed(caller)
	w.pass(time.Second)
	second := w.subscribed(access.Caller{Subject: "somebody.else"})
	ended := w.subscribed(caller)
	if err := w.book.End(t.Context(), ended.ID); err != nil {
		t.Fatal(err)
	}
	w.provided(w.document())
	operator := access.Caller{Subject: "op", Door: "cli", Loopback: true}
	for _, q := range []sharing.Supervise{{}, {Reveal: true}, {Patient: w.patient.ID()}} {
		all, err := w.Subscriptions(t.Context(), operator, q)
		if err != nil || len(all) != 2 || all[0].ID != first.ID || all[1].ID != second.ID {
			t.Fatalf("%+v, %v", all, err)
		}
		e := w.last()
		if e.Request.Caller != operator || len(e.Items) != 2 || (e.Items[0].Patient == w.patient.ID()) != q.Reveal {
			t.Errorf("%+v: recorded %+v", q, e)
		}
	}
	if all, err := w.Subscriptions(t.Context(), operator, sharing.Supervise{Patient: w.gen.Patient().ID()}); err != nil || len(all) != 0 {
		t.Errorf("somebody else's: %+v, %v", all, err)
	}
	if err := w.Cancel(t.Context(), operator, second.ID, ""); fault.KindOf(err) != fault.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	w.policy.plan = deny
	if err := w.Cancel(t.Context(), operator, second.ID, "x"); fault.KindOf(err) != fault.NotFound || w.last().Outcome != audit.Denied {
		t.Errorf("denied: %v", err)
	}
	if all, err := w.Subscriptions(t.Context(), operator, sharing.Supervise{}); fault.KindOf(err) != fault.Denied {
		t.Errorf("denied: %+v, %v", all, err)
	}
	w.policy.plan = nil
	if err := w.Cancel(t.Context(), operator, second.ID, "closed down"); err != nil || w.last().Items[0].ID != second.ID.ID() {
		t.Error(err)
	}
	if err := w.Cancel(t.Context(), operator, second.ID, "again"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	if all, err := w.Subscriptions(t.Context(), operator, sharing.Supervise{}); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}

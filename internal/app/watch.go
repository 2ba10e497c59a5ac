package app

import (
	"context"
	"time"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/internal/telemetry"
	"samdok/mailbox"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/subscription"
)

// watched counts the use cases on their way in: rate, errors and duration per
// transaction.
type watched struct {
	watchedReader
	next                       sharing.Service
	notifier                   *notifier // learns of what changes the log; nil: nobody does
	merged                     func(...metadata.PatientID)
	provide, register          *telemetry.Transaction
	update, restricted         *telemetry.Transaction
	remove, destroy, onDemand  *telemetry.Transaction
	feedV2, feedV3             *telemetry.Transaction
	subscribe, notify, publish *telemetry.Transaction
	mail, readMail             *telemetry.Transaction
}

func watch(next sharing.Service, m *telemetry.Metrics, clock func() time.Time, n *notifier, merged func(...metadata.PatientID)) sharing.Service {
	return &watched{next: next, merged: merged, watchedReader: watchedReader{next, clock, m.Transaction("ITI-18"), m.Transaction("ITI-43"), m.Transaction("ITI-51")}, notifier: n,
		provide: m.Transaction("ITI-41"), register: m.Transaction("ITI-42"), mail: m.Transaction("ITI-41 recipient"), readMail: m.Transaction("mailbox"),
		update: m.Transaction("ITI-57"), restricted: m.Transaction("ITI-92"), remove: m.Transaction("ITI-62"), destroy: m.Transaction("ITI-86"),
		onDemand: m.Transaction("ITI-61"), feedV2: m.Transaction("ITI-8"), feedV3: m.Transaction("ITI-44"),
		subscribe: m.Transaction("ITI-52"), notify: m.Transaction("ITI-53"), publish: m.Transaction("ITI-54")}
}

// watchedReader counts what gateways offer too.
type watchedReader struct {
	reader                sharing.Reader
	clock                 func() time.Time
	find, receive, across *telemetry.Transaction
}

func (w *watched) Provide(ctx context.Context, c access.Caller, p sharing.Provide) (sharing.Receipt, error) {
	start := w.clock()
	r, err := w.next.Provide(ctx, c, p)
	w.notifier.changed()
	w.provide.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return r, err
}

func (w *watched) Receive(ctx context.Context, c access.Caller, p sharing.Provide) (sharing.Receipt, error) {
	start := w.clock()
	r, err := w.next.Receive(ctx, c, p)
	w.mail.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return r, err
}

func (w *watched) ListMail(ctx context.Context, c access.Caller, organisation string, show func(mailbox.Message) error) (int, error) {
	start := w.clock()
	n, err := w.next.ListMail(ctx, c, organisation, show)
	w.readMail.Done(outcome(err, nil, n), w.clock().Sub(start))
	return n, err
}

func (w *watched) OpenMail(ctx context.Context, c access.Caller, organisation, uniqueID string) (sharing.Mail, error) {
	start := w.clock()
	m, err := w.next.OpenMail(ctx, c, organisation, uniqueID)
	w.readMail.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return m, err
}

func (w *watched) Register(ctx context.Context, c access.Caller, r sharing.Register) (sharing.Receipt, error) {
	start := w.clock()
	receipt, err := w.next.Register(ctx, c, r)
	w.notifier.changed()
	w.register.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return receipt, err
}

func (w *watched) RegisterOnDemand(ctx context.Context, c access.Caller, r sharing.Register) (sharing.Receipt, error) {
	start := w.clock()
	receipt, err := w.next.RegisterOnDemand(ctx, c, r)
	w.notifier.changed()
	w.onDemand.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return receipt, err
}

func (w *watchedReader) Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, show func(metadata.Object) error) (sharing.Found, error) {
	start := w.clock()
	f, err := w.reader.Find(ctx, c, q, show)
	count := w.find
	if metadata.Across(q.Query) {
		count = w.across
	}
	count.Done(outcome(err, f.Problems, f.Shown), w.clock().Sub(start))
	return f, err
}

func (w *watchedReader) Retrieve(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (*sharing.Retrieved, error) {
	start := w.clock()
	d, err := w.reader.Retrieve(ctx, c, r)
	o := telemetry.Error
	if d != nil || err != nil {
		var problems []fault.Problem
		shown := 0
		if d != nil {
			problems, shown = d.Problems, len(d.Documents)
		}
		o = outcome(err, problems, shown)
	}
	w.receive.Done(o, w.clock().Sub(start))
	return d, err
}

func (w *watched) Update(ctx context.Context, c access.Caller, u sharing.Update) (sharing.Receipt, error) {
	start, count := w.clock(), w.update
	if u.Restricted {
		count = w.restricted
	}
	r, err := w.next.Update(ctx, c, u)
	w.notifier.changed()
	count.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return r, err
}

func (w *watched) Remove(ctx context.Context, c access.Caller, ids []metadata.ID) error {
	start := w.clock()
	err := w.next.Remove(ctx, c, ids)
	w.notifier.changed()
	w.remove.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return err
}

func (w *watched) RemoveDocuments(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (sharing.Removed, error) {
	start := w.clock()
	d, err := w.next.RemoveDocuments(ctx, c, r)
	w.destroy.Done(outcome(err, d.Problems, d.Documents), w.clock().Sub(start))
	return d, err
}

func (w *watched) Feed(ctx context.Context, c access.Caller, f sharing.PatientFeed) error {
	start, count := w.clock(), w.feedV3
	if f.Transaction == "ITI-8" {
		count = w.feedV2
	}
	err := w.next.Feed(ctx, c, f)
	if err == nil && f.Kind == sharing.PatientsMerged {
		w.merged(append(f.Subsumed, f.Patient)...)
	}
	count.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return err
}

// watchedDiscoverer counts what other communities ask of patients.
type watchedDiscoverer struct {
	next             sharing.Discoverer
	clock            func() time.Time
	discover, locate *telemetry.Transaction
}

func (w *watchedDiscoverer) Discover(ctx context.Context, c access.Caller, q discovery.Query) (discovery.Answer, error) {
	start := w.clock()
	a, err := w.next.Discover(ctx, c, q)
	w.discover.Done(outcome(err, nil, len(a.Candidates)), w.clock().Sub(start))
	return a, err
}

func (w *watchedDiscoverer) LocatePatient(ctx context.Context, c access.Caller, patient metadata.PatientID) ([]discovery.Location, error) {
	start := w.clock()
	all, err := w.next.LocatePatient(ctx, c, patient)
	w.locate.Done(outcome(err, nil, len(all)), w.clock().Sub(start))
	return all, err
}

func (w *watched) Subscribe(ctx context.Context, c access.Caller, q sharing.Subscribe) (subscription.Subscription, error) {
	start := w.clock()
	s, err := w.next.Subscribe(ctx, c, q)
	w.subscribe.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return s, err
}

func (w *watched) Renew(ctx context.Context, c access.Caller, id metadata.UUID, until func(time.Time) time.Time) (subscription.Subscription, error) {
	start := w.clock()
	s, err := w.next.Renew(ctx, c, id, until)
	w.subscribe.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return s, err
}

func (w *watched) Unsubscribe(ctx context.Context, c access.Caller, id metadata.UUID) error {
	start := w.clock()
	err := w.next.Unsubscribe(ctx, c, id)
	w.subscribe.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return err
}

func (w *watched) Publish(ctx context.Context, c access.Caller, producer string, objects []metadata.Object) error {
	start := w.clock()
	err := w.next.Publish(ctx, c, producer, objects)
	w.notifier.posted()
	w.publish.Done(outcome(err, nil, 0), w.clock().Sub(start))
	return err
}

func (w *watched) Notify(ctx context.Context, c access.Caller, sub subscription.Subscription, n subscription.Notice) ([]metadata.Object, error) {
	start := w.clock()
	shown, err := w.next.Notify(ctx, c, sub, n)
	w.notify.Done(outcome(err, nil, len(shown)), w.clock().Sub(start))
	return shown, err
}

// outcome sorts ends into the few that an operator acts on.
func outcome(err error, problems []fault.Problem, shown int) telemetry.Outcome {
	if err == nil {
		switch {
		case !fault.HasErrors(problems):
			return telemetry.Success
		case shown > 0:
			return telemetry.Partial
		}
		return telemetry.Refused
	}
	switch fault.KindOf(err) {
	case fault.Denied:
		return telemetry.Denied
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.TooLarge:
		return telemetry.Refused
	}
	return telemetry.Error
}

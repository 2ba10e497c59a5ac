package sharing

import (
	"context"
	"errors"
	"slices"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
	"samdok/subscription"
)

// Subscriptions is what the use cases of DSUB need; the zero value switches them
// off.
type Subscriptions struct {
	Book   *subscription.Book
	Broker *subscription.Broker
	// Consumer tells whether notifications may be sent to an address; the error
	// says in plain words why not.
	Consumer func(address string) error
	// Longest is how long a subscription may last, Usual how long it does when
	// nobody says.
	Longest, Usual time.Duration
}

// Subscribe is an ITI-52 request.
type Subscribe struct {
	Consumer string
	Topic    metadata.Topic
	Filter   metadata.EventFilter
	// Until is when it shall end, given the time now; nil: the broker chooses.
	Until func(now time.Time) time.Time
}

// Reason is why a subscription is refused.
type Reason uint8

const (
	ReasonOff      Reason = iota + 1 // DSUB is switched off
	ReasonConsumer                   // the address is not allowed
	ReasonPatient                    // the patient id cannot be read
	ReasonAny                        // subscriptions without a patient are not allowed
	ReasonTime                       // the time is past
	ReasonFull                       // the patient has as many as may be
	ReasonDenied                     // the caller may not
)

// Refusal is the cause inside an error of Subscribe and Renew.
type Refusal struct {
	Reason           Reason
	Text             string // for the caller
	Minimum, Maximum time.Time
}

func (r *Refusal) Error() string { return "sharing: " + r.Text }

func refuse(kind fault.Kind, r *Refusal) error {
	return &fault.Error{Op: "sharing.Subscribe", Kind: kind, Err: r}
}

var errOff = refuse(fault.Unavailable, &Refusal{Reason: ReasonOff, Text: "Subscriptions are switched off at this server."})

// Subscribe begins a subscription (ITI-52). The caller must be allowed to
// subscribe to the patient; what each notification shows is decided when it is
// delivered.
func (s *Sharing) Subscribe(ctx context.Context, c access.Caller, q Subscribe) (subscription.Subscription, error) {
	req := s.request(c, access.ActionSubscribe, "ITI-52")
	var p patients
	p.add(q.Filter.Patient)
	req.Patients = p.all
	sub, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (subscription.Subscription, error) {
		now := pass.Request().Time.UTC()
		sub := subscription.Subscription{ID: metadata.NewUUID(), Created: now, Topic: q.Topic, Filter: q.Filter, Consumer: q.Consumer, Caller: c}
		item := access.Item{Kind: access.ItemSubscription, ID: sub.ID.ID(), Patient: sub.Patient(), Controller: c.Organisation}
		pass.Touched([]access.Item{item})
		if err := decided(ctx, pass, item); err != nil {
			return sub, err
		}
		if err := s.mayBegin(&sub); err != nil {
			return sub, err
		}
		var err error
		if sub.Ends, err = s.ends(now, q.Until); err != nil {
			return sub, err
		}
		err = s.subscriptions.Book.Begin(ctx, &sub)
		switch {
		case errors.Is(err, subscription.ErrSubsumed):
			return sub, refuse(fault.Invalid, &Refusal{Reason: ReasonPatient, Text: "The patient id of the filter was merged into another id; subscribe to that one."})
		case errors.Is(err, subscription.ErrFull):
			return sub, refuse(fault.TooLarge, &Refusal{Reason: ReasonFull, Text: "There are as many subscriptions as this server allows (dsub.per-patient, dsub.any-patient). End one that is no longer needed."})
		}
		return sub, err
	})
	if isDenied(err) {
		return sub, refuse(fault.Denied, &Refusal{Reason: ReasonDenied, Text: "The caller may not subscribe to this."})
	}
	return sub, err
}

// decided asks about one item.
func decided(ctx context.Context, pass *guard.Pass, item access.Item) error {
	d, err := pass.Decide(ctx, []access.Item{item})
	if err != nil {
		return err
	}
	if d[0].Effect != access.Allow {
		return &fault.Error{Op: "sharing", Kind: fault.Denied}
	}
	return nil
}

func (s *Sharing) mayBegin(sub *subscription.Subscription) error {
	o := &s.subscriptions
	if o.Book == nil {
		return errOff
	}
	switch {
	case sub.Filter.Patient == "" && !o.Book.AnyPatient():
		return refuse(fault.Invalid, &Refusal{Reason: ReasonAny, Text: "Subscriptions that are independent of the patient are not allowed at this server (dsub.any-patient)."})
	case sub.Filter.Patient != "" && sub.Patient() == (metadata.PatientID{}):
		return refuse(fault.Invalid, &Refusal{Reason: ReasonPatient, Text: "The patient id of the filter is not of the form ID^^^&OID&ISO."})
	case !sub.Filter.Fits(sub.Topic):
		return refuse(fault.Invalid, &Refusal{Reason: ReasonPatient, Text: "Topic and filter are not about the same class of object."})
	}
	if o.Consumer != nil {
		if err := o.Consumer(sub.Consumer); err != nil {
			return refuse(fault.Invalid, &Refusal{Reason: ReasonConsumer, Text: "Notifications may not be sent to the consumer's address: " + err.Error() + " (outward.allow)."})
		}
	}
	return nil
}

// ends is the termination time that a subscription gets: the one asked for, at most
// the longest.
func (s *Sharing) ends(now time.Time, until func(time.Time) time.Time) (time.Time, error) {
	longest := now.Add(s.subscriptions.Longest)
	if until == nil {
		return now.Add(s.subscriptions.Usual).Truncate(time.Second), nil
	}
	end := until(now).UTC().Truncate(time.Second)
	switch {
	case !end.After(now):
		return end, refuse(fault.Invalid, &Refusal{Reason: ReasonTime, Text: "The termination time is not in the future.", Minimum: now.Add(time.Minute), Maximum: longest})
	case end.After(longest):
		end = longest.Truncate(time.Second)
	}
	return end, nil
}

// Renew gives a subscription another end; it answers the subscription as it is
// then. One that is not there, or not the caller's, is fault.NotFound.
func (s *Sharing) Renew(ctx context.Context, c access.Caller, id metadata.UUID, until func(now time.Time) time.Time) (subscription.Subscription, error) {
	return s.manage(ctx, c, id, func(ctx context.Context, now time.Time, sub *subscription.Subscription) (err error) {
		if sub.Ends, err = s.ends(now, until); err != nil {
			return err
		}
		return s.subscriptions.Book.Renew(ctx, id, sub.Ends)
	})
}

// Unsubscribe ends a subscription (ITI-52). One that is not there, or not the
// caller's, is fault.NotFound.
func (s *Sharing) Unsubscribe(ctx context.Context, c access.Caller, id metadata.UUID) error {
	_, err := s.manage(ctx, c, id, func(ctx context.Context, _ time.Time, _ *subscription.Subscription) error {
		return s.subscriptions.Book.End(ctx, id)
	})
	return err
}

// manage lets the subscriber, and nobody else who is known, change a subscription.
func (s *Sharing) manage(ctx context.Context, c access.Caller, id metadata.UUID, do func(context.Context, time.Time, *subscription.Subscription) error) (subscription.Subscription, error) {
	req := s.request(c, access.ActionSubscribe, "ITI-52")
	sub, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (subscription.Subscription, error) {
		item := access.Item{Kind: access.ItemSubscription, ID: id.ID()}
		pass.Touched([]access.Item{item})
		if s.subscriptions.Book == nil {
			return subscription.Subscription{}, errOff
		}
		sub, err := s.subscriptions.Book.Get(ctx, id)
		if err != nil {
			return sub, err
		}
		item.Patient, item.Controller = sub.Patient(), sub.Caller.Organisation
		pass.Touched([]access.Item{item})
		if err := decided(ctx, pass, item); err != nil {
			return sub, err
		}
		if !isOwn(&sub.Caller, &c) {
			return sub, &fault.Error{Op: "sharing.Unsubscribe", Kind: fault.Denied}
		}
		return sub, do(ctx, pass.Request().Time, &sub)
	})
	if isDenied(err) {
		return subscription.Subscription{}, &fault.Error{Op: "sharing.Unsubscribe", Kind: fault.NotFound, Err: err}
	}
	return sub, err
}

// isOwn tells whether a caller is the subscriber or acts for the same
// organisation. A subscriber that was not authenticated cannot be told from others.
func isOwn(subscriber, c *access.Caller) bool {
	if subscriber.Subject == "" {
		return true
	}
	return c.Subject == subscriber.Subject || c.Organisation != "" && c.Organisation == subscriber.Organisation
}

// Publish takes metadata that another registry or source publishes (ITI-54) and
// hands it to those who subscribe to it. It answers when the notifications will
// not be lost.
func (s *Sharing) Publish(ctx context.Context, c access.Caller, producer string, objects []metadata.Object) error {
	req := s.request(c, access.ActionNotify, "ITI-54")
	var p patients
	items := make([]access.Item, len(objects))
	for i, o := range objects {
		items[i] = p.item(o, c.Organisation)
		if items[i].Patient != (metadata.PatientID{}) && !slices.Contains(req.Patients, items[i].Patient) {
			req.Patients = append(req.Patients, items[i].Patient)
		}
	}
	_, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (struct{}, error) {
		var none struct{}
		pass.Touched(items)
		if s.subscriptions.Broker == nil {
			return none, errOff
		}
		decisions, err := pass.Decide(ctx, items)
		if err != nil {
			return none, err
		}
		for i := range decisions {
			if items[i].Patient == (metadata.PatientID{}) {
				return none, refuse(fault.Invalid, &Refusal{Reason: ReasonPatient, Text: "A published object has no patient id of the form ID^^^&OID&ISO."})
			}
			if decisions[i].Effect != access.Allow {
				return none, &fault.Error{Op: "sharing.Publish", Kind: fault.Denied}
			}
		}
		_, err = s.subscriptions.Broker.Publish(ctx, producer, objects)
		return none, err
	})
	if isDenied(err) {
		return refuse(fault.Denied, &Refusal{Reason: ReasonDenied, Text: "The caller may not publish this."})
	}
	return err
}

// Notify decides, at the time of delivery, which of the objects of a notice the
// subscriber may see now (ITI-53); the record is durable when it returns. A denial
// is recorded, and looks like nothing having happened.
func (s *Sharing) Notify(ctx context.Context, c access.Caller, sub subscription.Subscription, n subscription.Notice) ([]metadata.Object, error) {
	req := s.request(c, access.ActionNotify, "ITI-53")
	if p := sub.Patient(); p != (metadata.PatientID{}) {
		req.Patients = []metadata.PatientID{p}
	}
	shown, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) ([]metadata.Object, error) {
		if s.subscriptions.Consumer != nil {
			if err := s.subscriptions.Consumer(sub.Consumer); err != nil {
				return nil, refuse(fault.Invalid, &Refusal{Reason: ReasonConsumer, Text: "Notifications may no longer be sent to the consumer's address: " + err.Error()})
			}
		}
		placed, err := s.told(ctx, &n)
		if err != nil {
			return nil, err
		}
		return s.visibleOf(ctx, pass, placed, len(n.Published) == 0)
	})
	if isDenied(err) {
		return nil, nil
	}
	return shown, err
}

// told are the objects of a notice as they are now, in the notice's order.
func (s *Sharing) told(ctx context.Context, n *subscription.Notice) ([]storage.Placed, error) {
	var placed []storage.Placed
	for _, o := range n.Published {
		placed = append(placed, storage.Placed{Added: storage.Added{Object: o}})
	}
	if len(n.Objects) == 0 {
		return placed, nil
	}
	state, err := s.index.Lookup(ctx, s.tenant, storage.Refs{IDs: n.Objects, WithRemoved: n.Gone})
	if err != nil {
		return nil, lookupFailed(err)
	}
	for _, id := range n.Objects {
		for _, o := range state.Objects {
			if o.Object.ObjectID() == id && !storage.IsTombstone(o.Object) { // of what was erased nobody is told
				placed = append(placed, o)
			}
		}
	}
	return placed, nil
}

// visibleOf are those of the objects that the caller may see.
func (s *Sharing) visibleOf(ctx context.Context, pass *guard.Pass, placed []storage.Placed, own bool) ([]metadata.Object, error) {
	var p patients
	items := make([]access.Item, len(placed))
	for i, o := range placed {
		items[i] = p.placed(o)
	}
	decisions, err := pass.Decide(ctx, items)
	if err != nil {
		return nil, err
	}
	hidden := pass.Restriction().WithoutCodes
	for i := range decisions {
		if decisions[i].Effect == access.Allow && carries(items[i].Codes, hidden) {
			decisions[i].Effect = access.Deny
			pass.Hide(1)
		}
	}
	if own {
		if err := newReveal(s, pass).check(ctx, placed, decisions); err != nil {
			return nil, err
		}
	}
	var shown []metadata.Object
	for i := range decisions {
		if decisions[i].Effect == access.Allow {
			shown = append(shown, placed[i].Object)
			pass.Showed(items[i])
		}
	}
	if len(shown) == 0 && pass.Hidden() > 0 {
		return nil, &fault.Error{Op: "sharing.Notify", Kind: fault.Denied}
	}
	return shown, nil
}

// carries tells whether one of the codes is in the list.
func carries(codes []metadata.Code, list []metadata.CodeRef) bool {
	for i := range codes {
		if slices.ContainsFunc(list, codes[i].Ref().Same) {
			return true
		}
	}
	return false
}

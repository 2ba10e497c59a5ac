package sharing

import (
	"context"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/metadata"
	"samdok/subscription"
)

// Supervise asks for the live subscriptions.
type Supervise struct {
	Patient metadata.PatientID // zero: of everybody, which reads the whole log
	// Reveal also tells whom they are about and who subscribed; the record says so.
	Reveal bool
}

var errNoBroker = fault.New(fault.Unavailable, "sharing", fault.RegistryError, "Subscriptions are switched off at this server (dsub.broker).")

// Subscriptions implements Keeping.
func (s *Sharing) Subscriptions(ctx context.Context, c access.Caller, q Supervise) ([]subscription.Subscription, error) {
	req := s.request(c, access.ActionSubscribe, "")
	if q.Patient != (metadata.PatientID{}) {
		req.Patients = []metadata.PatientID{q.Patient}
	}
	seen, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) ([]subscription.Subscription, error) {
		pass.Note("step", "listed for an operator")
		if q.Reveal {
			pass.Note("revealed", "patients, subscribers and addresses")
		}
		if s.subscriptions.Book == nil {
			return nil, errNoBroker
		}
		all, err := s.liveSubscriptions(ctx, q.Patient)
		if err != nil {
			return nil, err
		}
		items := make([]access.Item, len(all))
		for i := range all {
			items[i] = subscriptionItem(&all[i])
		}
		decisions, err := pass.Decide(ctx, items)
		if err != nil {
			return nil, err
		}
		var seen []subscription.Subscription
		for i := range all {
			if decisions[i].Effect != access.Allow {
				continue
			}
			if !q.Reveal {
				items[i].Patient = metadata.PatientID{} // it is not shown
			}
			seen = append(seen, all[i])
			pass.Showed(items[i])
		}
		return seen, nil
	})
	return seen, refusal(err, fault.RegistryError)
}

func (s *Sharing) liveSubscriptions(ctx context.Context, p metadata.PatientID) ([]subscription.Subscription, error) {
	if p == (metadata.PatientID{}) {
		return s.subscriptions.Book.All(ctx)
	}
	return s.subscriptions.Book.Of(ctx, p)
}

func subscriptionItem(sub *subscription.Subscription) access.Item {
	return access.Item{Kind: access.ItemSubscription, ID: sub.ID.ID(), Patient: sub.Patient(), Controller: sub.Caller.Organisation}
}

// Cancel implements Keeping.
func (s *Sharing) Cancel(ctx context.Context, c access.Caller, id metadata.UUID, reason string) error {
	_, err := guard.Do(ctx, s.guard, s.request(c, access.ActionSubscribe, ""), func(ctx context.Context, pass *guard.Pass) (struct{}, error) {
		var none struct{}
		pass.Note("step", "cancelled by an operator")
		pass.Note("reason", reason)
		switch {
		case reason == "":
			return none, fault.New(fault.Invalid, "sharing.Cancel", fault.RegistryError, "To cancel a subscription needs a reason.")
		case s.subscriptions.Book == nil:
			return none, errNoBroker
		}
		sub, err := s.subscriptions.Book.Get(ctx, id)
		if err != nil {
			return none, err
		}
		item := subscriptionItem(&sub)
		pass.Touched([]access.Item{item})
		if err := decided(ctx, pass, item); err != nil {
			return none, err
		}
		return none, s.subscriptions.Book.End(ctx, id)
	})
	if k := fault.KindOf(err); k == fault.NotFound || k == fault.Denied {
		return fault.Wrap(err, fault.NotFound, "sharing.Cancel", fault.RegistryError, "There is no live subscription with this id; `samdok subscriptions list` shows them.")
	}
	return refusal(err, fault.RegistryError)
}

package sharing

import (
	"context"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/metadata"
)

// FeedKind is what an identity feed tells.
type FeedKind uint8

const (
	// PatientAdded: the patient exists (ITI-8 A01, A04, A05; ITI-44 201301).
	PatientAdded FeedKind = iota + 1
	// PatientRevised: something about the patient changed (ITI-8 A08; ITI-44
	// 201302). A registry keeps nothing that could change, so it is only recorded.
	PatientRevised
	// PatientsMerged: the subsumed ids are the same person as Patient (ITI-8 A40;
	// ITI-44 201304).
	PatientsMerged
)

// PatientFeed is one message of a patient identity feed. Only ids are taken in;
// names and other demographics stay at the door, no rule needs them.
type PatientFeed struct {
	// Transaction is "ITI-8" or "ITI-44", for the record; "" is ITI-44.
	Transaction string
	Kind        FeedKind
	// Patient is whom the message is about; of a merge, who survives.
	Patient metadata.PatientID
	// Subsumed are the ids that a merge takes out of use; empty otherwise.
	Subsumed []metadata.PatientID
}

// Feed takes in a message of a patient identity feed, see Service.
func (s *Sharing) Feed(ctx context.Context, c access.Caller, f PatientFeed) error {
	action, transaction := access.ActionFeed, f.Transaction
	if f.Kind == PatientsMerged {
		action = access.ActionMerge
	}
	if transaction == "" {
		transaction = "ITI-44"
	}
	req := s.request(c, action, transaction)
	req.Patients = append([]metadata.PatientID{f.Patient}, f.Subsumed...)
	_, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (struct{}, error) {
		items := make([]access.Item, len(req.Patients))
		for i, p := range req.Patients {
			items[i] = access.Item{Kind: access.ItemPatient, Patient: p}
		}
		pass.Touched(items)
		decisions, err := pass.Decide(ctx, items)
		if err != nil {
			return struct{}{}, err
		}
		for i := range decisions {
			if decisions[i].Effect != access.Allow {
				return struct{}{}, &fault.Error{Op: "sharing.Feed", Kind: fault.Denied}
			}
		}
		return struct{}{}, s.feed(ctx, f)
	})
	return refusal(err, fault.RegistryError)
}

func (s *Sharing) feed(ctx context.Context, f PatientFeed) error {
	const op = "sharing.Feed"
	switch f.Kind {
	case PatientAdded, PatientRevised:
		if len(f.Subsumed) > 0 {
			return fault.New(fault.Invalid, op, fault.RegistryError, "A message about one patient names ids to merge.")
		}
		if f.Kind == PatientRevised {
			return s.registry.Revise(f.Patient)
		}
		return s.registry.Announce(ctx, s.tenant, f.Patient)
	case PatientsMerged:
		return s.registry.Merge(ctx, s.tenant, f.Subsumed, f.Patient)
	}
	return fault.New(fault.Invalid, op, fault.RegistryError, "The message is of no kind that a registry knows.")
}

package sharing

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
	"samdok/registry"
	"samdok/retention"
	"samdok/storage"
	"samdok/subscription"
)

// Keeping is the use cases of whoever answers for the data: erasure, holds,
// retention. They have no door of IHE; the operator's commands call them.
type Keeping interface {
	// Erase takes documents or a patient out of everything, for good. All of it or
	// nothing; the record is durable when it returns nil.
	Erase(ctx context.Context, c access.Caller, e Erase) (Erased, error)
	// Retain erases what the rules say is due, or with DryRun says what that is.
	Retain(ctx context.Context, c access.Caller, r Retain) (Report, error)
	// Hold begins a hold, Release ends one, Holds lists them.
	Hold(ctx context.Context, c access.Caller, h retention.Hold) (retention.Hold, error)
	Release(ctx context.Context, c access.Caller, id, reason string) (retention.Hold, error)
	Holds(ctx context.Context, c access.Caller) ([]retention.Hold, error)
	// Subscriptions are the live ones that the caller may see (DSUB); Cancel ends
	// one. fault.NotFound: there is no such one, or the caller may not.
	Subscriptions(ctx context.Context, c access.Caller, q Supervise) ([]subscription.Subscription, error)
	Cancel(ctx context.Context, c access.Caller, id metadata.UUID, reason string) error
}

var _ Keeping = (*Sharing)(nil)

// Erase is an order to erase.
type Erase struct {
	retention.Target
	Reason string
	Rule   string // of retention; "" when a person ordered it
	DryRun bool
}

// Erased says what was erased, or would be.
type Erased struct {
	ID        string           `json:"id,omitempty"` // of the erasure, in the list and the records
	DryRun    bool             `json:"dry_run,omitempty"`
	Patient   bool             `json:"whole_patient,omitempty"`
	Objects   int              `json:"objects"`
	Entries   int              `json:"document_entries"`
	Documents int              `json:"documents"`
	Keys      []uint64         `json:"log_keys_destroyed,omitempty"`
	Held      []retention.Hold `json:"held_by,omitempty"` // of a dry run
}

var errNoKeeper = fault.New(fault.Unavailable, "sharing", fault.RegistryError, "Erasure and holds are not available here.")

// Erase implements Keeping. What the caller may not erase is answered like what
// does not exist (promise P5).
func (s *Sharing) Erase(ctx context.Context, c access.Caller, e Erase) (Erased, error) {
	if s.keeper == nil {
		return Erased{}, errNoKeeper
	}
	req := s.request(c, access.ActionErase, "")
	if e.Patient != (metadata.PatientID{}) {
		req.Patients = []metadata.PatientID{e.Patient}
	}
	for _, id := range e.UniqueIDs {
		req.Documents = append(req.Documents, metadata.DocumentRequest{UniqueID: id, RepositoryID: s.repository.ID()})
	}
	done, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Erased, error) {
		pass.Note("reason", e.Reason)
		pass.Note("rule", e.Rule)
		if e.DryRun {
			pass.Note("dry run", "nothing was erased")
			return s.wouldErase(ctx, pass, e)
		}
		return s.erase(ctx, c, pass, e)
	})
	return done, refusal(err, fault.RegistryError)
}

func (s *Sharing) wouldErase(ctx context.Context, pass *guard.Pass, e Erase) (Erased, error) {
	p, err := s.keeper.Plan(ctx, s.tenant, e.Target)
	if err != nil {
		return Erased{}, err
	}
	items, err := s.mayErase(ctx, pass, p)
	if err != nil {
		return Erased{}, err
	}
	return Erased{DryRun: true, Patient: p.Whole, Objects: len(p.Objects), Entries: entriesAmong(items), Documents: len(p.Documents), Held: p.Held}, nil
}

func (s *Sharing) erase(ctx context.Context, c access.Caller, pass *guard.Pass, e Erase) (Erased, error) {
	entries, told := 0, -1
	done, err := s.keeper.Erase(ctx, s.tenant, e.Target, retention.Order{Reason: e.Reason, Rule: e.Rule, Who: c.Subject}, func(ctx context.Context, p *retention.Plan) error {
		items, err := s.mayErase(ctx, pass, p)
		if err != nil {
			return err
		}
		entries = entriesAmong(items)
		if told == len(p.Objects) {
			return nil // another writer made it plan again, to the same end
		}
		told = len(p.Objects)
		// The record is durable before the first key is destroyed.
		return pass.Step(ctx, audit.KindErase, items, erasureDetails("begins", p.ID.String(), e.Reason, e.Rule, len(p.Objects), len(p.Documents))...)
	})
	if err != nil {
		return Erased{}, err
	}
	pass.Note("erasure", done.ID)
	if err := pass.Step(ctx, audit.KindErase, nil, erasureDetails("ended", done.ID, e.Reason, e.Rule, done.Objects, done.Documents)...); err != nil {
		return Erased{}, err
	}
	if len(done.Keys) > 0 {
		if err := pass.Step(ctx, audit.KindKey, nil, audit.Detail{Name: "data keys of the log destroyed", Value: Numbers(done.Keys)}, audit.Detail{Name: "erasure", Value: done.ID}); err != nil {
			return Erased{}, err
		}
	}
	return Erased{ID: done.ID, Patient: done.Whole, Objects: done.Objects, Entries: entries, Documents: done.Documents, Keys: done.Keys}, nil
}

func erasureDetails(step, id, reason, rule string, objects, documents int) []audit.Detail {
	d := []audit.Detail{{Name: "erasure", Value: id}, {Name: "step", Value: step}, {Name: "reason", Value: reason},
		{Name: "objects", Value: strconv.Itoa(objects)}, {Name: "documents", Value: strconv.Itoa(documents)}}
	if rule != "" {
		d = append(d, audit.Detail{Name: "rule", Value: rule})
	}
	return d
}

// Numbers prints numbers of keys.
func Numbers(keys []uint64) string {
	text := make([]string, len(keys))
	for i, k := range keys {
		text[i] = strconv.FormatUint(k, 10)
	}
	return strings.Join(text, " ")
}

// mayErase asks about all that goes; everything or nothing.
func (s *Sharing) mayErase(ctx context.Context, pass *guard.Pass, p *retention.Plan) ([]access.Item, error) {
	var known patients
	items := make([]access.Item, len(p.Objects))
	for i, o := range p.Objects {
		items[i] = known.placed(o)
	}
	pass.Touched(items)
	decisions, err := pass.Decide(ctx, items)
	if err != nil {
		return nil, err
	}
	for i := range decisions {
		if decisions[i].Effect != access.Allow {
			return nil, &fault.Error{Op: "sharing.Erase", Kind: fault.Denied, Problems: fault.ProblemsOf(retention.Nothing())}
		}
	}
	return items, nil
}

func entriesAmong(items []access.Item) (n int) {
	for i := range items {
		if items[i].Kind == access.ItemEntry {
			n++
		}
	}
	return n
}

// Hold implements Keeping.
func (s *Sharing) Hold(ctx context.Context, c access.Caller, h retention.Hold) (retention.Hold, error) {
	if s.keeper == nil {
		return h, errNoKeeper
	}
	req := s.request(c, access.ActionHold, "")
	if p, err := metadata.CX(h.Patient).Patient(); err == nil && h.Patient != "" {
		req.Patients = []metadata.PatientID{p}
	}
	h.Who = c.Subject
	held, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (retention.Hold, error) {
		pass.Note("reason", h.Reason)
		pass.Note("step", "begins")
		if !h.Until.IsZero() {
			pass.Note("until", h.Until.UTC().Format(time.RFC3339))
		}
		if err := s.mayHold(ctx, pass, &h); err != nil {
			return h, err
		}
		h, err := s.keeper.Hold(ctx, s.tenant, h)
		if err == nil {
			pass.Touched([]access.Item{holdItem(&h)})
		}
		return h, err
	})
	return held, refusal(err, fault.RegistryError)
}

// Release implements Keeping.
func (s *Sharing) Release(ctx context.Context, c access.Caller, id, reason string) (retention.Hold, error) {
	if s.keeper == nil {
		return retention.Hold{}, errNoKeeper
	}
	req := s.request(c, access.ActionHold, "")
	h, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (retention.Hold, error) {
		pass.Note("reason", reason)
		pass.Note("step", "ends")
		if reason == "" {
			return retention.Hold{}, fault.New(fault.Invalid, "sharing.Release", fault.RegistryError, "The release of a hold needs a reason.")
		}
		holds, err := s.keeper.Holds(ctx, s.tenant)
		if err != nil {
			return retention.Hold{}, err
		}
		if i := slices.IndexFunc(holds, func(h retention.Hold) bool { return h.ID == id }); i >= 0 {
			if err := s.mayHold(ctx, pass, &holds[i]); err != nil {
				return retention.Hold{}, err
			}
		}
		return s.keeper.Release(ctx, s.tenant, id, reason, c.Subject)
	})
	return h, refusal(err, fault.RegistryError)
}

func (s *Sharing) mayHold(ctx context.Context, pass *guard.Pass, h *retention.Hold) error {
	items := []access.Item{holdItem(h)}
	pass.Touched(items)
	decisions, err := pass.Decide(ctx, items)
	if err == nil && decisions[0].Effect != access.Allow {
		err = &fault.Error{Op: "sharing.Hold", Kind: fault.Denied}
	}
	return err
}

func holdItem(h *retention.Hold) access.Item {
	i := access.Item{Kind: access.ItemHold, ID: metadata.ID(h.ID), UniqueID: h.Document, Controller: h.Controller}
	if p, err := metadata.CX(h.Patient).Patient(); err == nil {
		i.Patient = p
	}
	return i
}

// Holds implements Keeping.
func (s *Sharing) Holds(ctx context.Context, c access.Caller) ([]retention.Hold, error) {
	if s.keeper == nil {
		return nil, errNoKeeper
	}
	holds, err := guard.Do(ctx, s.guard, s.request(c, access.ActionHold, ""), func(ctx context.Context, pass *guard.Pass) ([]retention.Hold, error) {
		pass.Note("step", "listed")
		all, err := s.keeper.Holds(ctx, s.tenant)
		if err != nil {
			return nil, err
		}
		items := make([]access.Item, len(all))
		for i := range all {
			items[i] = holdItem(&all[i])
		}
		decisions, err := pass.Decide(ctx, items)
		if err != nil {
			return nil, err
		}
		var seen []retention.Hold
		for i := range all {
			if decisions[i].Effect == access.Allow {
				seen = append(seen, all[i])
				pass.Showed(items[i])
			}
		}
		return seen, nil
	})
	return holds, refusal(err, fault.RegistryError)
}

// notHeld refuses what a hold stops, also one that begins at that moment.
func (s *Sharing) notHeld(op string) registry.Approve {
	if s.keeper == nil {
		return nil
	}
	return func(ctx context.Context, going []storage.Placed) ([]storage.Change, error) {
		holds, guard, err := s.keeper.Guard(ctx, s.tenant)
		if err != nil {
			return nil, lookupFailed(err)
		}
		if held := retention.HeldBy(holds, going); len(held) > 0 {
			return nil, retention.Refused(op, fault.RegistryError, held)
		}
		return []storage.Change{guard}, nil
	}
}

// heldDocuments are the uniqueIds among entries that a hold covers.
func (s *Sharing) heldDocuments(ctx context.Context, entries []storage.Placed) (map[string]string, error) {
	if s.keeper == nil {
		return nil, nil
	}
	holds, err := s.keeper.Holds(ctx, s.tenant)
	if err != nil || len(holds) == 0 {
		return nil, err
	}
	held := map[string]string{}
	for i := range entries {
		if by := retention.HeldBy(holds, entries[i:i+1]); len(by) > 0 {
			if d, ok := entries[i].Object.(*metadata.DocumentEntry); ok {
				held[d.UniqueID] = by[0].ID
			}
		}
	}
	return held, nil
}

func heldProblem(id, hold string) fault.Problem {
	return fault.Problem{Code: fault.RemoveDocumentsError, Location: id,
		Context: fmt.Sprintf("The document %s was not removed: a legal hold stands (%s).", id, hold)}
}

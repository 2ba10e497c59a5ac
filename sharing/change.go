package sharing

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"samdok/access"
	"samdok/access/guard"
	"samdok/fault"
	"samdok/metadata"
	"samdok/registry"
	"samdok/retention"
	"samdok/storage"
)

// Update changes registered metadata (ITI-57, ITI-92). The caller must be allowed
// to change everything that the request brings, refers to or replaces.
func (s *Sharing) Update(ctx context.Context, c access.Caller, u Update) (Receipt, error) {
	if u.Submission == nil {
		u.Submission = &metadata.Submission{}
	}
	transaction := "ITI-57"
	if u.Restricted {
		transaction = "ITI-92"
	}
	req := s.request(c, access.ActionUpdate, transaction)
	req.Patients = patientsOf(u.Submission)
	receipt, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Receipt, error) {
		w := s.write(c, pass, u.Submission, "")
		if err := w.mayWrite(ctx); err != nil {
			return Receipt{}, refusal(err, fault.RegistryError)
		}
		unheld, err := w.unheld(ctx, true)
		if err != nil {
			return Receipt{}, err
		}
		done, err := s.registry.Update(ctx, s.tenant, registry.Update{
			Submission: registry.Submission{Submission: u.Submission, Problems: append(u.Problems, unheld...), Controller: w.controller},
			Restricted: u.Restricted,
		})
		if err != nil {
			return Receipt{}, err
		}
		pass.Touched(w.items())
		pass.SetProblems(done.Warnings)
		return Receipt{Warnings: done.Warnings, IDs: done.IDs}, nil
	})
	return receipt, refusal(err, fault.RegistryError)
}

// Remove removes metadata (ITI-62). An object that the caller may not change is
// answered exactly like one that does not exist (promise P5).
func (s *Sharing) Remove(ctx context.Context, c access.Caller, ids []metadata.ID) error {
	req := s.request(c, access.ActionRemove, "ITI-62")
	_, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (struct{}, error) {
		var none struct{}
		state, err := s.index.Lookup(ctx, s.tenant, storage.Refs{IDs: ids})
		if err != nil {
			return none, lookupFailed(err)
		}
		var p patients
		items := make([]access.Item, len(state.Objects))
		for i, o := range state.Objects {
			items[i] = p.placed(o)
		}
		pass.Touched(items)
		decisions, err := pass.Decide(ctx, items)
		if err != nil {
			return none, err
		}
		hidden := make(map[metadata.ID]bool)
		for i := range decisions {
			if decisions[i].Effect != access.Allow {
				hidden[items[i].ID] = true
			}
		}
		err = s.registry.Remove(ctx, s.tenant, ids, hidden, s.notHeld("sharing.Remove"))
		if err != nil && len(hidden) > 0 && fault.KindOf(err) == fault.Invalid {
			err = &fault.Error{Op: "sharing.Remove", Kind: fault.Denied, Problems: fault.ProblemsOf(err)}
		}
		return none, err
	})
	return refusal(err, fault.RegistryError)
}

// RemoveDocuments destroys documents (ITI-86): first the log says that they are
// gone, then their bytes and data keys are. Documents that the caller may not
// remove are answered like those that do not exist (promise P5).
func (s *Sharing) RemoveDocuments(ctx context.Context, c access.Caller, r []metadata.DocumentRequest) (Removed, error) {
	req := s.request(c, access.ActionRemoveDocuments, "ITI-86")
	req.Documents = r
	most := s.repository.Limits().Documents
	if len(r) > most {
		req.Documents = r[:most] // enough for the record; it is refused below
	}
	removed, err := guard.Do(ctx, s.guard, req, func(ctx context.Context, pass *guard.Pass) (Removed, error) {
		if len(r) > most {
			return Removed{}, fault.New(fault.TooLarge, "sharing.RemoveDocuments", fault.RepositoryOutOfResources,
				"The request names %d documents; the limit limits.retrieve-documents is %d. Remove them in several requests.", len(r), most)
		}
		removed, err := s.removeDocuments(ctx, pass, r)
		pass.SetProblems(removed.Problems)
		return removed, err
	})
	return removed, refusal(asRepository(err), fault.RepositoryError)
}

func (s *Sharing) removeDocuments(ctx context.Context, pass *guard.Pass, r []metadata.DocumentRequest) (Removed, error) {
	may, held, err := s.removable(ctx, pass, r)
	if err != nil {
		return Removed{}, err
	}
	// From here on the caller's patience does not count: a document is removed
	// wholly or not at all.
	ctx, cancel := s.detached(ctx)
	defer cancel()
	removal, unbound, err := s.unbind(ctx, may)
	for err != nil && errors.Is(err, retention.ErrHeld) { // which of them?
		if may, held, err = s.removable(ctx, pass, r); err == nil {
			removal, unbound, err = s.unbind(ctx, may)
		}
	}
	if err != nil {
		return Removed{}, err
	}
	var p patients
	var items []access.Item
	left := make(map[string]bool)
	for _, o := range unbound {
		item := p.placed(o)
		items = append(items, item)
		if err := s.repository.Remove(ctx, o.Document); err != nil {
			left[item.UniqueID] = true
		}
	}
	pass.Touched(items)
	if removal != nil && len(left) == 0 {
		if err := removal.Ended(); err != nil {
			return Removed{}, err
		}
	}
	var done Removed
	for i := range r {
		if p, ok := s.misplaced(&r[i]); ok {
			done.Problems = append(done.Problems, p)
		} else if hold, stands := held[r[i].UniqueID]; stands {
			done.Problems = append(done.Problems, heldProblem(r[i].UniqueID, hold))
		} else if !may[r[i].UniqueID] {
			done.Problems = append(done.Problems, unknown(&r[i]))
		} else if left[r[i].UniqueID] {
			done.Problems = append(done.Problems, fault.Problem{Code: fault.RemoveDocumentsError, Location: r[i].UniqueID,
				Context: fmt.Sprintf("The document %s can no longer be retrieved, but its bytes could not be destroyed yet. The server will try again; its operator's log tells why.", r[i].UniqueID)})
		} else {
			done.Documents++
		}
	}
	return done, nil
}

// unbind takes the bytes from their entries. With a keeper, that is in the list of
// erasures first; the removal is nil without one.
func (s *Sharing) unbind(ctx context.Context, may map[string]bool) (*retention.Removal, []storage.Placed, error) {
	going := slices.Sorted(maps.Keys(may))
	if s.keeper == nil {
		unbound, err := s.registry.Unbind(ctx, s.tenant, s.repository.ID(), going, nil)
		return nil, unbound, err
	}
	removal := s.keeper.Removal(s.tenant)
	unbound, err := s.registry.Unbind(ctx, s.tenant, s.repository.ID(), going, removal.Approve)
	if errors.Is(err, retention.ErrHeld) || fault.KindOf(err) == fault.Busy || fault.KindOf(err) == fault.TooLarge {
		err = errors.Join(err, removal.Void()) // nothing was written
	}
	return removal, unbound, err
}

// removable are the uniqueIds asked for whose entries, also those that were
// removed, the caller may all change, without those that a hold stops.
func (s *Sharing) removable(ctx context.Context, pass *guard.Pass, r []metadata.DocumentRequest) (may map[string]bool, onHold map[string]string, err error) {
	var asked []string
	for i := range r {
		if _, other := s.misplaced(&r[i]); !other {
			asked = append(asked, r[i].UniqueID)
		}
	}
	if len(asked) == 0 {
		return nil, nil, nil
	}
	held, err := s.registry.Held(ctx, s.tenant, s.repository.ID(), asked)
	if err != nil {
		return nil, nil, err
	}
	var p patients
	items := make([]access.Item, len(held))
	for i, o := range held {
		items[i] = p.placed(o)
	}
	decisions, err := pass.Decide(ctx, items)
	if err != nil {
		return nil, nil, err
	}
	may = make(map[string]bool, len(asked))
	for i := range items {
		may[items[i].UniqueID] = true
	}
	for i := range items {
		if decisions[i].Effect != access.Allow {
			delete(may, items[i].UniqueID)
		}
	}
	if onHold, err = s.heldDocuments(ctx, held); err != nil {
		return nil, nil, lookupFailed(err)
	}
	for id := range onHold {
		if !may[id] {
			delete(onHold, id) // not for this caller to know
		}
		delete(may, id)
	}
	return may, onHold, nil
}

package registry

import (
	"context"
	"slices"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Announce makes a patient known (ITI-8 A01, A04, A05, ITI-44 201301): an identity
// feed has told of it. Once is enough; more messages about it change nothing. One who
// was merged into another stays merged.
func (r *Registry) Announce(ctx context.Context, t access.Tenant, p metadata.PatientID) error {
	const op = "registry.Announce"
	if err := r.usable(op, p); err != nil {
		return err
	}
	_, err := retry(ctx, r, op, func() (struct{}, error) { return struct{}{}, r.announce(ctx, t, p) })
	return err
}

func (r *Registry) announce(ctx context.Context, t access.Tenant, p metadata.PatientID) error {
	s := storage.PatientStream(p)
	state, version, err := r.log.Load(ctx, t, s, storage.Refs{})
	switch {
	case err != nil:
		return err
	case !inUse(state.Standing):
		return fault.New(fault.Conflict, "registry.Announce", fault.UnknownPatientID,
			"The patient id was merged into another one and cannot be used again.")
	case state.Standing.Known:
		return nil
	}
	return r.append(ctx, t, []storage.Change{{
		Stream: s, Expect: version, Events: []storage.Event{storage.PatientKnown(r.clock().UTC())},
	}})
}

// Revise takes in that something about a patient changed (ITI-8 A08, ITI TF-2
// 3.8.4.1.4). A registry has nothing of a patient that could change, and a change
// makes nobody known; the error says that the id cannot be a patient's.
func (r *Registry) Revise(p metadata.PatientID) error { return r.usable("registry.Revise", p) }

// Merge makes patients one (ITI-8 A40, ITI-44; ITI TF-2 3.8.4.2.4): the subsumed
// ids are out of use for ever, what was registered under them is the survivor's
// from now on. All of them or none. Those that live on in the survivor already are
// passed over, so that a message that comes twice is accepted twice.
//
// Nothing changes when an id is not of this domain, not known (NotFound), or lives
// on in another one already (Conflict). There is no way back.
func (r *Registry) Merge(ctx context.Context, t access.Tenant, subsumed []metadata.PatientID, survivor metadata.PatientID) error {
	const op = "registry.Merge"
	for _, p := range append(slices.Clip(subsumed), survivor) {
		if err := r.usable(op, p); err != nil {
			return err
		}
	}
	if len(subsumed) == 0 {
		return fault.New(fault.Invalid, op, fault.RegistryError, "The message names no patient id to merge.")
	}
	if slices.Contains(subsumed, survivor) {
		return fault.New(fault.Invalid, op, fault.RegistryError, "A patient id cannot be merged into itself.")
	}
	_, err := retry(ctx, r, op, func() (struct{}, error) { return struct{}{}, r.merge(ctx, t, unique(subsumed), survivor) })
	return err
}

func (r *Registry) merge(ctx context.Context, t access.Tenant, subsumed []metadata.PatientID, survivor metadata.PatientID) error {
	const op = "registry.Merge"
	now, into := r.clock().UTC(), storage.PatientStream(survivor)
	state, version, err := r.log.Load(ctx, t, into, storage.Refs{})
	if err != nil {
		return err
	}
	if !inUse(state.Standing) {
		return fault.New(fault.Conflict, op, fault.UnknownPatientID, "The surviving patient id was merged into another one before. Merge into that.")
	}
	if r.knownOnly && !state.Standing.Known {
		return fault.New(fault.NotFound, op, fault.UnknownPatientID, "The surviving patient id is not known here.")
	}
	var changes []storage.Change
	var closed []storage.Stream
	for _, p := range subsumed {
		s := storage.PatientStream(p)
		state, version, err := r.log.Load(ctx, t, s, storage.Refs{})
		switch {
		case err != nil:
			return err
		case state.Standing.Into == into:
			continue // it came before
		case !inUse(state.Standing):
			return fault.New(fault.Conflict, op, fault.UnknownPatientID, "A patient id to be merged was merged into another one before.")
		case r.knownOnly && !state.Standing.Known:
			return fault.New(fault.NotFound, op, fault.UnknownPatientID, "A patient id to be merged is not known here.")
		}
		closed = append(closed, s)
		changes = append(changes, storage.Change{Stream: s, Expect: version, Events: []storage.Event{storage.MergedInto(into, now)}})
	}
	if len(changes) == 0 {
		return nil
	}
	return r.append(ctx, t, append(changes, storage.Change{
		Stream: into, Expect: version, Events: []storage.Event{storage.Absorbed(closed, now)},
	}))
}

// usable: an id of an assigning authority of this domain, in a form that can be
// printed as CX.
func (r *Registry) usable(op string, p metadata.PatientID) error {
	if err := p.CX().Check(); err != nil {
		return fault.New(fault.Invalid, op, fault.RegistryMetadataError, "The patient id cannot be used: %v.", err)
	}
	if r.profile != nil {
		if _, err := r.profile.IdentityNumber(p); err != nil {
			return fault.New(fault.Invalid, op, fault.RegistryMetadataError, "The patient id cannot be used: %v.", err)
		}
	}
	return nil
}

func inUse(s storage.Standing) bool { return s.Into == (storage.Stream{}) }

// unknownPatient tells whether submissions for the patient are refused: it lives on
// in another one, or no feed has told of it and only known ones are let in (rule 7,
// ITI TF-2 3.8.4.2.4).
func (r *Registry) unknownPatient(s storage.Standing) bool {
	return !inUse(s) || r.knownOnly && !s.Known
}

package registry

import (
	"context"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Announce makes a patient known (ITI-8 A01, A04, A05, ITI-44): an identity feed
// has told of it. Once is enough; more messages about it change nothing.
func (r *Registry) Announce(ctx context.Context, t access.Tenant, p metadata.PatientID) error {
	if err := wellFormed("registry.Announce", p); err != nil {
		return err
	}
	_, err := retry(ctx, r, "registry.Announce", func() (struct{}, error) { return struct{}{}, r.announce(ctx, t, p) })
	return err
}

func (r *Registry) announce(ctx context.Context, t access.Tenant, p metadata.PatientID) error {
	s := storage.PatientStream(p)
	_, version, err := r.log.Load(ctx, t, s, storage.Refs{})
	if err != nil {
		return err
	}
	for e, err := range r.log.Events(ctx, t, s, 1) {
		if err != nil {
			return err
		}
		if e.Kind == storage.EventPatientKnown {
			return nil
		}
	}
	return r.append(ctx, t, []storage.Change{{
		Stream: s, Expect: version,
		Events: []storage.Event{{Kind: storage.EventPatientKnown, ID: metadata.NewUUID(), Time: r.clock().UTC(), Body: []byte{1}}},
	}})
}

// wellFormed: an id and its assigning authority, so that it can be printed as CX.
func wellFormed(op string, p metadata.PatientID) error {
	if err := p.CX().Check(); err != nil {
		return fault.New(fault.Invalid, op, fault.RegistryMetadataError, "The patient id cannot be used: %v.", err)
	}
	return nil
}

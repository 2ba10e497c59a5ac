package registry

import (
	"context"
	"iter"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Find answers a stored query (ITI-18), in the order of registration and each
// object once. An error ends the sequence, and then nothing of what was yielded
// before may leave. Errors are *fault.Error.
func (r *Registry) Find(ctx context.Context, t access.Tenant, q metadata.StoredQuery, hide access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) {
		yield(storage.Placed{}, fault.New(fault.Internal, "registry.Find", fault.UnknownStoredQuery, "The registry cannot search yet."))
	}
}

// Documents finds the stable entries, of any status and any patient, that have
// one of the uniqueIds, for retrieval (ITI-43). Unknown uniqueIds are left out.
func (r *Registry) Documents(ctx context.Context, t access.Tenant, uniqueIDs []string) ([]storage.Placed, error) {
	return nil, fault.New(fault.Internal, "registry.Documents", fault.RegistryError, "The registry cannot search yet.")
}

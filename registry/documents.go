package registry

import (
	"context"
	"slices"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// Documents finds the entries, of any status and any patient, that have one of the
// uniqueIds, for retrieval (ITI-43). Unknown uniqueIds are left out; one uniqueId
// may have several entries: stable ones, all with the same content, or on-demand
// ones.
func (r *Registry) Documents(ctx context.Context, t access.Tenant, uniqueIDs []string) ([]storage.Placed, error) {
	var found []storage.Placed
	for part := range slices.Chunk(unique(uniqueIDs), chunk) {
		state, err := r.index.Lookup(ctx, t, storage.Refs{UniqueIDs: part})
		if err != nil {
			return nil, broken("registry.Documents", err)
		}
		for _, p := range state.Objects {
			if e, ok := p.Object.(*metadata.DocumentEntry); ok && e.Kind != metadata.KindUnknown {
				found = append(found, p)
			}
		}
	}
	return found, nil
}

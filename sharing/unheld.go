package sharing

import (
	"context"
	"fmt"

	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// unheld are the problems of entries that send readers to the own repository for
// documents that it does not have. Of an update, only those whose document has never
// been registered as the repository's.
func (w *write) unheld(ctx context.Context, update bool) ([]fault.Problem, error) {
	if !w.s.refuseUnheld {
		return nil, nil
	}
	var claimed []*metadata.DocumentEntry
	var ids []string
	for _, e := range w.sub.Entries {
		if e.RepositoryID == w.s.repository.ID() && w.s.generator(storage.Placed{Added: storage.Added{Object: e}}) == nil {
			claimed, ids = append(claimed, e), append(ids, e.UniqueID)
		}
	}
	if len(claimed) == 0 {
		return nil, nil
	}
	state, err := w.s.index.Lookup(ctx, w.s.tenant, storage.Refs{UniqueIDs: ids})
	if err != nil {
		return nil, lookupFailed(err)
	}
	held := map[string]bool{}
	for _, p := range state.Objects {
		if e, ok := p.Object.(*metadata.DocumentEntry); ok && e.RepositoryID == w.s.repository.ID() && (update || p.Document != "") {
			held[e.UniqueID] = true
		}
	}
	var problems []fault.Problem
	for _, e := range claimed {
		if !held[e.UniqueID] {
			problems = append(problems, fault.Problem{Code: fault.RegistryMetadataError, Context: fmt.Sprintf(
				"%s: repositoryUniqueId %s is this server's own repository, and it holds no document %s. Send the document too (ITI-41), or name the repository that has it.", e.ID, e.RepositoryID, e.UniqueID)})
		}
	}
	return problems, nil
}

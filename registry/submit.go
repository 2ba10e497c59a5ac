package registry

import (
	"context"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Submission is what Submit shall register.
type Submission struct {
	// Submission is completed in place (ids, status, version); the caller must
	// not use it concurrently, and after an error not at all.
	Submission *metadata.Submission
	// Problems were found earlier (decoding, storing). When there are errors
	// among them nothing is registered; they are answered before those found here.
	Problems []fault.Problem
	// Documents are the keys of stored bytes by submitted entry id; entries
	// without one are held by another repository.
	Documents map[metadata.ID]storage.DocumentKey
	// Controller names the organisation that answers for an object; nil: nobody.
	Controller func(metadata.Object) string
}

// Receipt says that a submission is durable and visible.
type Receipt struct {
	Warnings []fault.Problem
	// IDs maps submitted ids to registered ones; UUIDs map to themselves.
	IDs map[metadata.ID]metadata.ID
}

// Submit registers a submission (ITI-42): all or nothing, durable when it
// returns nil.
//
// Errors are *fault.Error. Invalid, Busy and TooLarge mean that nothing was
// registered; any other kind leaves the outcome unknown.
func (r *Registry) Submit(ctx context.Context, t access.Tenant, s Submission) (Receipt, error) {
	return Receipt{}, fault.New(fault.Internal, "registry.Submit", fault.RegistryError, "The registry cannot register yet.")
}

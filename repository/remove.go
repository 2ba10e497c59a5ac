package repository

import (
	"context"

	"samdok/storage"
)

// Remove deletes bytes and destroys their data keys (ITI-86), after the log has
// unbound them. What cannot be deleted now is unreachable already, and the sweep
// deletes it; the error says that it is still there.
func (r *Repository) Remove(ctx context.Context, key storage.DocumentKey) error {
	err := r.documents.Delete(ctx, key)
	if err != nil {
		r.again.Store(true)
		r.logger.ErrorContext(ctx, "a removed document could not be deleted; the sweep will try again", "key", string(key), "error", err)
	}
	return err
}

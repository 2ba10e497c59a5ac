package elastic

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"samdok/fault"
	"samdok/storage"
)

var (
	// ErrTampered: what is stored cannot be opened with its key, or is not of the
	// form that was written.
	ErrTampered = errors.New("elastic: a document of the index was damaged or altered")
	// ErrNewer: the indexes were made by a newer samdok.
	ErrNewer = errors.New("elastic: the indexes were made by a newer samdok; use a newer samdok here too")
	// ErrForeign: the indexes are another installation's, or another program's.
	ErrForeign = errors.New("elastic: the indexes are somebody else's; choose another SAMDOK_ELASTICSEARCH_PREFIX, or delete them if nobody needs them")
	// ErrAhead: a batch that does not follow what is projected.
	ErrAhead = errors.New("elastic: the batch does not follow the watermark")
)

// wrap gives an error the form that callers understand.
func wrap(op string, err error) error {
	var known *fault.Error
	if err == nil || errors.Is(err, storage.ErrConflict) || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Canceled, op, fault.RegistryBusy, "The registry's index (Elasticsearch) did not answer before the deadline.")
	}
	var status *statusError
	if errors.As(err, &status) {
		switch {
		case status.status == http.StatusUnauthorized || status.status == http.StatusForbidden:
			return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's index (Elasticsearch) refuses this server's credentials; the operator must correct them.")
		case status.passing():
			return fault.Wrap(err, fault.Busy, op, fault.RegistryBusy, "The registry's index (Elasticsearch) is busy. Try again in a few seconds.")
		case status.status == http.StatusNotFound:
			return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's index (Elasticsearch) is missing; the operator must run `samdok reindex`.")
		}
	}
	if errors.Is(err, errUntrusted) {
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's index (Elasticsearch) has a certificate that this server does not trust; the operator must correct it, or give its authority (elasticsearch.ca).")
	}
	if errors.Is(err, errLost) {
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryBusy, "The registry's index (Elasticsearch) cannot be reached. Try again later.")
	}
	if errors.Is(err, ErrForeign) {
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's index is somebody else's; the operator must name another one.")
	}
	if errors.Is(err, ErrNewer) {
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's index was made by a newer samdok than this node; the operator must upgrade the node.")
	}
	if errors.Is(err, errView) {
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryBusy, "The registry's index (Elasticsearch) has lost its place in a long walk. Begin again.")
	}
	if errors.Is(err, ErrTampered) {
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's index cannot be read; the operator must run `samdok reindex`.")
	}
	return fault.Wrap(err, fault.Internal, op, fault.RegistryError, "The registry could not read or write its index.")
}

// odd is an error about a document that is not of the form that was written.
func odd(what string) error { return fmt.Errorf("%w: %s", ErrTampered, what) }

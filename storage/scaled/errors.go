package scaled

import (
	"context"
	"errors"

	"samdok/fault"
	"samdok/storage"
	"samdok/storage/encoding"
)

var (
	// errTouched: an event touches an object that is not in the tenant, or removes one
	// of another stream.
	errTouched = errors.New("scaled: an event changes an object that is not in the log, or not in its stream")
	// errNewer: a newer samdok writes what this one does not know.
	errNewer = errors.New("scaled: this node is older than another one")
	// ErrIndex: what Elasticsearch holds is not what the journal says.
	ErrIndex = errors.New("scaled: the index is missing or far behind the journal")
)

// newer tells of something that a newer samdok wrote.
func newer(err error) bool { return errors.Is(err, errNewer) || errors.Is(err, encoding.ErrNewer) }

// What is known of the outcome of an Append.
const (
	nothingWritten = "Nothing was written."
	unknownOutcome = "It is not known whether the submission was stored; look for it before sending it again."
	storedUnseen   = "The submission is stored, but it is not searchable yet; look for it before sending it again."
	onlyRead       = ""
)

// wrap gives an error the form that callers understand.
func wrap(op string, err error, written string) error {
	var known *fault.Error
	if err == nil || errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrPosition) || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Canceled, op, fault.RegistryBusy, "The registry did not answer before the deadline. %s", written)
	}
	if newer(err) {
		return fault.Wrap(err, fault.Busy, op, fault.RegistryBusy, "This node of the registry is older than another one and does not know what that writes; the operator must upgrade it. %s Try again: another node may take it.", written)
	}
	if errors.Is(err, ErrIndex) {
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's index is missing or does not fit its log; the operator must run `samdok reindex`. %s", written)
	}
	return fault.Wrap(err, fault.Internal, op, fault.RegistryError, "The registry could not read or write its data. %s", written)
}

// busy refuses before anything is written.
func busy(format string, args ...any) error {
	return fault.New(fault.Busy, "scaled.Append", fault.RegistryBusy, format+" Nothing was written. Try again in a moment.", args...)
}

package sqlite

import (
	"context"
	"errors"

	sqlite3 "modernc.org/sqlite/lib"

	"samdok/fault"
	"samdok/storage"
)

// errProjection: a table made from the log leads to nothing there.
var errProjection = errors.New("sqlite: the index does not fit the log")

// wrap gives an error the form that callers understand. written is what is known
// of the outcome, for the person who reads it.
func wrap(op string, err error, written string) error {
	var known *fault.Error
	if err == nil || errors.Is(err, storage.ErrConflict) || errors.Is(err, storage.ErrPosition) || errors.As(err, &known) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Canceled, op, fault.RegistryBusy, "The registry did not answer before the deadline. %s", written)
	}
	if errors.Is(err, errProjection) {
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's index is missing or does not fit its log; the operator must run `samdok reindex`.")
	}
	var e *Error
	if !errors.As(err, &e) {
		return fault.Wrap(err, fault.Internal, op, fault.RegistryError, "The registry could not read or write its data. %s", written)
	}
	switch e.primary() {
	case sqlite3.SQLITE_FULL:
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryOutOfResources, "The registry's disk is full. %s Try again when the operator has made room.", written)
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return fault.Wrap(err, fault.Busy, op, fault.RegistryBusy, "The registry is busy. %s Try again.", written)
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_NOMEM:
		return fault.Wrap(err, fault.Unavailable, op, fault.RegistryError, "The registry's disk does not take or give data. %s Try again later.", written)
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return fault.Wrap(err, fault.Internal, op, fault.RegistryError, "The registry's data file is damaged; the operator must restore a backup.")
	}
	return fault.Wrap(err, fault.Internal, op, fault.RegistryError, "The registry could not read or write its data. %s", written)
}

// What is known of the outcome.
const (
	nothingWritten = "Nothing was written."
	unknownOutcome = "It is not known whether the submission was stored; look for it before sending it again."
	onlyRead       = ""
)

package storage

import "errors"

// ErrConflict: another writer was first, or a claim is taken. Nothing was
// written; load again and decide anew.
var ErrConflict = errors.New("storage: conflict, another writer was first")

// ErrPosition: a position of the feed that the log does not have, as after the
// restore of an older backup.
var ErrPosition = errors.New("storage: the log has no such position of its feed")

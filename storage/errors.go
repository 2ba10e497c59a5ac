package storage

import "errors"

// ErrConflict: another writer was first, or a claim is taken. Nothing was
// written; load again and decide anew.
var ErrConflict = errors.New("storage: conflict, another writer was first")

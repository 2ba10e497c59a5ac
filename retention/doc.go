// Package retention keeps the promise that data lives as long as the law demands
// and no longer: rules say when a document is due (Rules), holds stop whatever
// would destroy (Hold), and an erasure takes documents or a whole patient out of
// the log, the index, the documents and every copy of them (Keeper.Erase).
//
// An erasure is written to a list (List) before anything is destroyed, and each of
// its steps may be done again, so that one that a crash cut off is ended at the
// next start. The same list, kept outside of backups, lets a restored backup be
// rid again of what was erased after it was made.
//
// It imports metadata, fault, access, storage and internal/disk. sharing calls it
// behind the guard, internal/app ends what was cut off.
package retention

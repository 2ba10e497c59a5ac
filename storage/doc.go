// Package storage cuts persistence at its meaning: a Log of what happened to
// each stream (usually a patient), an Index that projects it, and Documents that
// holds bytes. It has only types and interfaces; each engine is a package of its
// own (storage/sqlite, storage/files) and runs the suites of storage/storagetest.
//
// The log is the truth. Everything an Index answers can be rebuilt from it. The
// registry decides what a submission does and writes its effects into an Event;
// engines apply them without knowing the rules.
//
// It imports metadata, fault and access.
package storage

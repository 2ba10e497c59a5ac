// Package keyring keeps the data keys of the embedded engines: one per patient
// stream, document or segment of the ledger. Erasing a thing for good is destroying its
// key, wherever copies of its bytes may lie.
//
// The file "keyring" is a header and slots of 64 bytes. A slot holds a random
// 256-bit key wrapped by AES-256-GCM under a key derived from the master key,
// with the slot's number as associated data. Keys are made durable ahead of
// their use, many with one fsync, so that New seldom waits; those that were not
// handed out before the process ended are wasted and harmless.
//
// A nil *Ring means that encryption is off.
//
// It imports internal/disk and internal/groupsync. storage/sqlite,
// storage/files, audit/ledger and internal/app call it.
package keyring

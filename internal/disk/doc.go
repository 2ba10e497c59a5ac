// Package disk is the little of a file system that the embedded engines use,
// with durability spelled out: what is durable after which call. OS is the real
// one; crashdisk records every call so that tests can cut the power at any of
// them.
//
// It imports the standard library and x/sys. storage/keyring, storage/files and
// audit/ledger call it; storage/s3 has another file system of this kind.
package disk

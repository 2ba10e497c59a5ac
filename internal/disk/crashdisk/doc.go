// Package crashdisk is a disk in memory for tests. It writes down every call in
// order; At gives the disk as a power failure after any of them may leave it:
// what was synced is there, what was not may be missing, whole or in parts.
//
// It is stricter than common file systems: bytes and size need Sync, every name
// needs SyncDir of its folder, and a rename may leave both names or none.
//
// It imports internal/disk. Only tests call it.
package crashdisk

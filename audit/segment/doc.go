// Package segment is a Recorder that appends events to segment files, each
// sealed under a data key of its own, many with one fsync. An error of the disk
// fails every record that waits for it, so that no answer leaves without its
// record; the next record begins a new segment.
//
// A segment is a header of 64 bytes and frames: length 4, distance to the
// beginning of the batch 4, CRC-32C 4, the sealed event, zeros up to a multiple
// of 8. A length of 0 is the end. Whoever alters or drops a record inside a
// segment is found out by Read; who cuts whole records off the end is not (the
// ledger will see to that).
//
// It imports audit, storage/keyring, internal/disk and internal/groupsync.
// internal/app opens it; commands read it.
package segment

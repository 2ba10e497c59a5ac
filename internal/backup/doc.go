// Package backup copies a data folder while it serves and makes a folder of such
// a copy again. A backup is one tar stream, so that it can go to a file, over a
// network or through an encrypting program.
//
// The log is copied first, then documents and audit records, the keys last: what
// an entry of the copied log needs was durable before the entry was, so it is in
// the backup. What came in meanwhile may be there in part; the next start cuts it
// off or sweeps it away. The last member is manifest.json with size and SHA-256
// of each file: without it the stream is not whole and Restore refuses it.
//
// A backup without the master key is worth nothing, and with it is as secret as
// the documents: whoever calls Write decides whether the key goes in.
//
// It imports the standard library, storage/keyring and internal/disk.
// internal/app serves it, cmd/samdok calls it.
package backup

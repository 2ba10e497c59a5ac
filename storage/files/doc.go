// Package files keeps documents in a folder (storage.Documents).
//
// Small documents are appended to pack files, where many commits share one
// fsync; each is sealed whole by AES-256-GCM. Large ones get a file of their own
// (temporary name, fsync, rename, folder fsync), encrypted in packages of 64 KiB
// (DARE 2.0, github.com/minio/sio). Every document has a data key of its own from
// storage/keyring; a nil keyring means encryption off, with checksums instead.
//
//	packs/0000002a.pack        header, records
//	large/7f/7f0c….doc         one record
//	incoming/…                 intakes that are not committed; emptied at start
//
// A record is a header of 80 bytes, the sealed info (hashes and owner) and the
// sealed body. The key of a document leads straight to its record and proves by
// a random part that it was given out; there is no index.
//
// It imports storage, storage/body, storage/keyring, fault, internal/disk and
// internal/groupsync. internal/app opens it; the repository uses it.
package files

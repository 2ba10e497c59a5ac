// Package body is how the bytes of a document lie in a store: sealed whole when
// they are few, in blocks of 64 KiB otherwise, so that they can be streamed and
// read from any offset, and with them, sealed too, what is known about them.
//
// It imports storage, storage/keyring and access. storage/files and storage/s3 use it.
package body

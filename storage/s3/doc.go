// Package s3 keeps what lasts of a scaled-out samdok in one bucket of an
// S3-compatible store: the journal of each tenant, data keys, documents and the
// outbox. Any number of nodes use one bucket at the same time; what they agree on
// rests on conditional writes (If-None-Match, If-Match), which Open proves.
//
//	journal/<tenant>/<number>   batches of changes, each written once
//	keys/<page>                 data keys, wrapped by the master key
//	documents/<hour>/<random>   documents, sealed
//	outbox/...                  letters and cursors
//
// A Store is the one client: deadlines, retries with growing waits, a breaker, and
// errors that name S3 and say what to do. Whether a write that got no answer took
// place is settled by reading it back; what cannot be settled in time is
// fault.Unavailable, and fault.Busy always means that nothing was written.
//
// It imports storage, storage/body, storage/keyring, access and fault. storage/scaled and
// internal/app call it.
package s3

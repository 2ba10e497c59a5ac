// Package s3 keeps what lasts of a scaled-out samdok in one bucket of an
// S3-compatible store: the journal of each tenant, data keys, documents and the
// outbox. Any number of nodes use one bucket at the same time; what they agree on
// rests on conditional writes (If-None-Match, If-Match), which Open proves.
//
//	journal/<tenant>/<number>   batches of changes, each written once
//	keys/<page>                 data keys, wrapped by the master key
//	documents/<hour>/<random>   documents, sealed
//	outbox/...                  letters and cursors
//	ledger/<node>/<file>/...    files of each node's ledger, in parts (Files)
//	ledger-keys, ledger-lists/  journals of their keys and of signed lists of them
//	ledger-told/<node>          what each node told the others of its ledger
//
// A Store is the one client: deadlines, retries with growing waits, a breaker, and
// errors that name S3 and say what to do. Whether a write that got no answer took
// place is settled by reading it back; what cannot be settled in time is
// fault.Unavailable, and fault.Busy always means that nothing was written.
//
// It imports storage, storage/body, storage/keyring, access, fault and internal/disk. storage/scaled
// and internal/app call it.
package s3

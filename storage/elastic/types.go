package elastic

import (
	"context"

	"samdok/access"
	"samdok/storage"
	"samdok/storage/keyring"
)

// Keys opens data keys. The error of a destroyed one is keyring.ErrDestroyed: what
// was sealed under it counts as erased.
type Keys interface {
	Key(ctx context.Context, id uint64) (keyring.Key, error)
}

// Batch is one batch of a tenant's journal.
type Batch struct {
	Seq     uint64 // 1 for the first one of a journal
	Records []Record
	// Settle, if there is one, is called by Project once the batch's documents are
	// there, and before the watermark moves to it: what must have happened before the
	// batch counts. It may be called again, by this node or another.
	Settle func(context.Context) error
	// Basis is what was read when the batch was checked; nil: nothing. It is not read
	// again where it still holds.
	Basis *Basis
}

// Record is one change of a batch. A change whose text cannot be opened any more
// because its data key was destroyed is left out; after a redaction the text that is
// left stands in the redaction's batch, and, when an index is made anew, also in the place
// of the first one.
type Record struct {
	Stream  storage.Stream
	Version storage.Version // that the change made
	// KeyID and Key are the stream's data key, which what is kept is sealed under;
	// 0: nothing is sealed.
	KeyID  uint64
	Key    keyring.Key
	Events []storage.Event
	Claims []storage.Claim
	// Redacted: the record replaces what the stream said at Version. What was done to
	// its objects since stays.
	Redacted bool
}

// Question is what a commit or a caller wants to know of a tenant at one moment.
type Question struct {
	Streams []storage.Stream
	Claims  []storage.Claim
	Refs    storage.Refs
}

// Answer is what the projection said after a batch.
type Answer struct {
	Heads []Head        // as Question.Streams
	Taken []bool        // as Question.Claims: an Append with the claim is a conflict
	State storage.State // what Refs ask for; Standing is that of the first of Streams
	Basis *Basis        // what it was made of; only of At
}

// Head is the end of a stream; the zero value is that of an unknown one.
type Head struct {
	Version  storage.Version
	KeyID    uint64 // the data key that its next change is sealed under
	Standing storage.Standing
}

// Generation numbers a complete set of indexes. Readers use the one that the
// tenant's watermark names.
type Generation uint64

// Watermark says how far a tenant is projected, and into which generation.
type Watermark struct {
	Seq        uint64 // 0: nothing yet
	Generation Generation
}

// Range is where in the journal the changes of a stream lie.
type Range struct {
	Version storage.Version
	Seq     uint64 // of the batch with its text: the redaction's after one
}

// Named is a stream and whose it is.
type Named struct {
	Tenant access.Tenant
	Stream storage.Stream
}

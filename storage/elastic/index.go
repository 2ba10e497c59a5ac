package elastic

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"time"

	"samdok/access"
	"samdok/storage"
)

// Options say which Elasticsearch, and how it is used. Zero values are replaced by the defaults
// named.
type Options struct {
	URLs               []string // of the cluster's nodes, "http://host:9200"
	Username, Password string
	APIKey             string
	Transport          http.RoundTripper // nil: a pool of connections of its own
	// Prefix stands before the names of all indexes: "samdok".
	Prefix string
	// Secret is the key of the hashes that stand for identifiers. It never changes.
	Secret [32]byte
	Keys   Keys // nil: nothing is sealed
	// Shards of the indexes of a new generation: 1. Replicas: as many as there are
	// nodes for, at most 1; a negative number means none.
	Shards, Replicas int
	// Timeout of one call: 30 s. Attempts of a call that is safe to repeat: 5.
	Timeout  time.Duration
	Attempts int
}

// Index is an open projection. Its methods may be called at the same time.
type Index struct{}

var errNotBuilt = errors.New("elastic: not built yet")

// Open connects and makes what is missing of state and the first generation.
func Open(ctx context.Context, o Options) (*Index, error) { return nil, errNotBuilt }

// Close gives up its connections.
func (x *Index) Close() {}

// Ready is nil when the cluster answers and its indexes are of a form that this
// program knows; the error names what mends it.
func (x *Index) Ready(ctx context.Context) error { return errNotBuilt }

// Watermark is how far a tenant is projected, in real time. ErrNone-like states are
// no errors: a new tenant is at 0 of the newest generation that serves.
func (x *Index) Watermark(ctx context.Context, t access.Tenant) (Watermark, error) {
	return Watermark{}, errNotBuilt
}

// Project applies batches to the tenant's indexes and then moves its watermark to
// the last of them. at is the watermark that the first one follows: its Seq is at.Seq+1, each other one follows
// the one before. A batch that was projected before, by whomever, is fine. When it
// returns nil, everybody finds what the batches say.
func (x *Index) Project(ctx context.Context, t access.Tenant, at Watermark, batches []Batch) (Watermark, error) {
	return at, errNotBuilt
}

// At answers a question as of a batch that is projected (at or below the watermark).
func (x *Index) At(ctx context.Context, t access.Tenant, at Watermark, q Question) (Answer, error) {
	return Answer{}, errNotBuilt
}

// Load is storage.Log's. The watermark is that at which the state holds.
func (x *Index) Load(ctx context.Context, t access.Tenant, s storage.Stream, refs storage.Refs) (storage.State, storage.Version, Watermark, error) {
	return storage.State{}, 0, Watermark{}, errNotBuilt
}

// Lookup, Find and Scan are storage.Index's.
func (x *Index) Lookup(ctx context.Context, t access.Tenant, refs storage.Refs) (storage.State, error) {
	return storage.State{}, errNotBuilt
}

func (x *Index) Find(ctx context.Context, t access.Tenant, s storage.Stream, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) { yield(storage.Placed{}, errNotBuilt) }
}

func (x *Index) Scan(ctx context.Context, t access.Tenant, f storage.Filter, r access.Restriction) iter.Seq2[storage.Placed, error] {
	return func(yield func(storage.Placed, error) bool) { yield(storage.Placed{}, errNotBuilt) }
}

// Changes yields where the changes of a stream lie in the journal, from a version
// on, as of a batch.
func (x *Index) Changes(ctx context.Context, t access.Tenant, at Watermark, s storage.Stream, from storage.Version) iter.Seq2[Range, error] {
	return func(yield func(Range, error) bool) { yield(Range{}, errNotBuilt) }
}

// Lineage are the streams of a patient: the one named and all that were merged
// into it, as of a batch; none when the stream is unknown.
func (x *Index) Lineage(ctx context.Context, t access.Tenant, at Watermark, s storage.Stream) ([]storage.Stream, error) {
	return nil, errNotBuilt
}

// Streams yields the streams of a kind; those whose data key is gone are left out.
func (x *Index) Streams(ctx context.Context, t access.Tenant, kind storage.StreamKind) iter.Seq2[storage.Stream, error] {
	return func(yield func(storage.Stream, error) bool) { yield(storage.Stream{}, errNotBuilt) }
}

// Reference names a stream by its keyed hash, whether it exists or not.
func (x *Index) Reference(t access.Tenant, s storage.Stream) [16]byte { return [16]byte{} }

// Referred finds the stream of a reference; false when there is none or its key is
// gone.
func (x *Index) Referred(ctx context.Context, ref [16]byte) (Named, bool, error) {
	return Named{}, false, errNotBuilt
}

// NewGeneration makes an empty set of indexes beside those that serve.
func (x *Index) NewGeneration(ctx context.Context) (Generation, error) { return 0, errNotBuilt }

// Built is how far a generation has a tenant's batches, whether or not it serves.
func (x *Index) Built(ctx context.Context, g Generation, t access.Tenant) (uint64, error) {
	return 0, errNotBuilt
}

// Build is Project into a generation that does not serve the tenant yet: in order
// from Built on, without waiting for searches to see it. Many batches at a time are faster.
func (x *Index) Build(ctx context.Context, g Generation, t access.Tenant, batches []Batch) error {
	return errNotBuilt
}

// Switch is the projection of the batch at.Seq+1 that says "from here on read
// generation g", which must be built up to at.Seq. The watermark it
// returns names g.
func (x *Index) Switch(ctx context.Context, t access.Tenant, at Watermark, g Generation) (Watermark, error) {
	return at, errNotBuilt
}

// Generations lists those that exist, the oldest first.
func (x *Index) Generations(ctx context.Context) ([]Generation, error) { return nil, errNotBuilt }

// Drop deletes a generation. Searches that still read it go on in the one that
// serves now.
func (x *Index) Drop(ctx context.Context, g Generation) error { return errNotBuilt }

// Package elastic keeps the projection of the scaled-out engine in
// Elasticsearch: what the journal says of every stream, in a form that one shard
// can search. It is derived: all of it can be lost and made again.
//
// Project takes batches of a journal in order. A document remembers the number of the
// last batch that it reflects as its version, so that a batch may be projected
// twice, by several nodes, and by one that was slow: whoever is late is refused.
// When all documents of a batch are there and searchable, the tenant's watermark
// moves to it. Readers take the watermark first and see documents as they were
// then, since each one keeps the number of the batch that added it, and of those that
// touched it. So nothing is ever half visible, and a search over several shards is as of
// one moment without a snapshot.
//
// Four indexes for each generation: changes (parts of changes, sealed under their
// stream's data key, with what searches select by), streams (versions, merges), ids (where an entryUUID
// or uniqueId leads, and who claims it), and one for all generations: state
// (watermarks, and the generation that a tenant reads).
// Patients, uniqueIds and UUIDs are in them as hashes under a secret key.
//
// It is the only package that imports go-elasticsearch. It imports storage,
// storage/encoding, storage/keyring, access, fault and metadata. storage/scaled calls it.
package elastic

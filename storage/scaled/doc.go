// Package scaled is the log and index of any number of equal nodes: the truth is
// one journal for each tenant in S3 (storage/s3), a total order of batches that is
// written by conditional creation; what is searched is its projection in
// Elasticsearch (storage/elastic).
//
// A node gathers the submissions that wait into one batch, checks them against the
// projection and the batches that are not projected yet, and creates the next
// number of the journal. A node that was beaten reads what the other wrote, checks
// again and tries the next number. Then the batch is projected, and the submissions
// are answered when everybody finds them. A node that dies leaves a batch that
// is there for all or for nobody; what it did not project, another node does.
//
// It imports storage, storage/verify, storage/encoding, storage/keyring, storage/s3,
// storage/elastic, access, fault and metadata. internal/app opens it.
package scaled

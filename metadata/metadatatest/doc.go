// Package metadatatest makes test material: a seeded generator of realistic but
// synthetic Norwegian patients, organisations, personnel and documents with
// complete metadata, generators of arbitrary valid and hostile objects for
// property tests, and small builders. Nothing it makes concerns a living person:
// identity numbers carry the month plus 80 of the Tenor test population.
//
// It imports metadata and metadata/profile. Tests, the demo and the benchmark
// use it; no server code does.
package metadatatest

// Package metadatatest makes test material: a seeded generator of realistic but
// synthetic Norwegian patients, organisations, personnel and documents with
// complete metadata, and builders of the other objects. Nothing it makes
// concerns a living person: identity numbers carry the month plus 80 of the
// Tenor test population, organisation numbers begin with 3 as Tenor's do, names
// of places are invented.
//
// Arbitrary and hostile objects for property tests are in
// metadata/metadatatest/arbitrary, which needs a testing library.
//
// It imports metadata. Tests, the demo and the benchmark use it; no server code
// does.
package metadatatest

// Package app is the composition root of the embedded server. Open reads top to
// bottom: folder and lock, keys, log, documents, records, decider, guard,
// registry, repository, use cases, doors, listeners, jobs. Close undoes it from
// bottom to top. It is the only package that knows them all.
//
// cmd/samdok imports it.
package app

// Package heap sets when the garbage collector works: less often than Go does by
// itself, as long as there is memory.
//
// It imports only the standard library. cmd/samdok calls it once, in `samdok serve`.
package heap

// Package arch holds the architecture as a test: which package may import which,
// where third-party frameworks may appear, and the habits that a reader relies on
// (a doc.go in every package, no init functions, no blank imports).
//
// It has no code of its own and nobody imports it.
package arch

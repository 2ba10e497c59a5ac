// Package cases holds the conformance cases, one file per transaction, each case
// with the section of the standard that it tests and a mutant that breaks it.
//
// It imports conformance and conformance/mutant. cmd/samdok runs All.
package cases

import (
	"slices"

	"samdok/conformance"
)

// All are the cases in the order in which they run.
func All() []conformance.Case {
	return slices.Concat(SOAP(), Register(), Relationships(), Query(), QueryGet(), Provide(), Retrieve(), Updates(), Removals())
}

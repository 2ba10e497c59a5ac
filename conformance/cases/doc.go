// Package cases holds the conformance cases by transaction and theme, each case
// with the section of the standard that it tests and a mutant that breaks it.
//
// It imports conformance and conformance/mutant. cmd/samdok runs All.
package cases

import (
	"slices"

	"samdok/conformance"
)

// All are the cases of a registry and a repository, and of what stands beside them, in
// the order in which they run.
func All() []conformance.Case {
	return slices.Concat(SOAP(), Headers(), Register(), Wording(), Objects(), Relationships(), Memberships(),
		Query(), QueryForms(), QueryGet(), QueryEach(), Provide(), Packages(), Retrieve(), RetrieveForms(),
		Updates(), Removals(), OnDemand(), OnDemandRetrieve(), MultiPatient(), QueryLimit(), Recipient(), Identity(), Subscriptions(),
		CrossQuery(), CrossRetrieve(), Discovery(), Asynchronous())
}

// Initiating are the cases of an initiating gateway, in front of the kit's own
// communities.
func Initiating() []conformance.Case {
	return slices.Concat(InitiatingQuery(), InitiatingTrouble(), InitiatingRetrieve(), InitiatingDiscovery(), InitiatingLocation(), SharedInstances())
}

// Package mutant breaks one rule at a time: a proxy between the kit and a right
// server that changes requests or answers, so that each conformance case is proven
// able to fail. The tests of conformance/cases use it; so can anybody who wants to
// see a case fail against their own server.
//
// It imports conformance.
package mutant

// Package fault is the one error that crosses package borders. It carries what
// a machine needs (the standard's code, severity, location), what a person needs
// (a sentence that says what happened and what to do) and, apart from both, the
// inner cause that only an operator may see.
//
// It imports only the standard library. Everybody imports it; only doors turn it
// into a wire format.
package fault

// Package access is the vocabulary of decisions: who asks (Caller), what for
// (Request), what it is about (Item) and what was decided (Plan, Decision). A
// Decider plans before anything is read and decides on each item before it is
// shown. The zero Decision and the zero Plan deny.
//
// It imports metadata and fault. Deciders (access/policy ...), the guard and the
// use cases in sharing import it.
package access

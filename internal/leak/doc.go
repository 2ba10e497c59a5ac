// Package leak finds what must never be in a log, an error for operators, a metric
// or an address: national identity numbers, tokens and private keys. Its test
// looks through everything that the servers and commands of a whole test run have
// written to standard error and into their metrics, which ./test gathers in a
// folder (internal/servertest.Keep).
//
// It imports the standard library only. Nothing but its test calls it.
package leak

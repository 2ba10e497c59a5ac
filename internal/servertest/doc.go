// Package servertest builds the samdok binary and runs it as a process, for tests
// that see a server only from outside: the conformance kit, foreign clients, kill
// -9.
//
// It imports nothing of samdok; tests import it.
package servertest

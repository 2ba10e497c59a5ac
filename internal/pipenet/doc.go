// Package pipenet is a network inside one process, for tests of time limits: its
// connections are net.Pipe's, so that a test can run in a bubble of testing/synctest,
// where a time limit runs out when everybody waits and never because the machine is
// busy. What depends on a kernel's buffers and resets is tested over TCP.
//
// It imports nothing of samdok; only tests import it.
package pipenet

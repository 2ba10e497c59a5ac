// Package mllp carries HL7 v2 messages over TCP or TLS: the Minimal Lower Layer
// Protocol (HL7 v2.5 appendix C; ITI TF-2 3.8 with ATNA's TLS makes it MLLPS), as
// server and client. It knows frames, not messages.
//
// The server takes the messages of one connection one after another and answers in
// their order. It bounds connections, sizes and time: a client that stops in the
// middle of a message is let go, one that is silent between messages may stay until
// its place is needed.
//
// It imports only the standard library. internal/app serves with it; commands,
// internal/bench and tests send with it.
package mllp

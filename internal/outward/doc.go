// Package outward sends messages to addresses that strangers name: a consumer of
// notifications (DSUB), a sender who wants its answer elsewhere (wsa:ReplyTo). It
// lets nothing out to an address that the operator has not allowed, and no allowed
// name lead into a network that the operator has not named.
//
// It imports nothing of the module. internal/config reads its rules; internal/app
// makes the one Gate of a server.
package outward

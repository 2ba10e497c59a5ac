// Package outward sends messages to addresses that strangers name: a consumer of
// notifications, a sender who wants his answer elsewhere. It lets nothing out to an
// address that the operator has not allowed.
//
// It imports nothing of the module. internal/app imports it.
package outward

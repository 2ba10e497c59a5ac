// Package async sends the answers of requests whose wsa:ReplyTo is an address of
// the sender's (WS-Addressing 1.0, ITI TF-2 V.3): which addresses are allowed, the
// HTTP client that reaches no others, and the form in which an answer, or a
// request that is yet to be answered, waits in the outbox.
//
// It imports access, metadata and soap. soap/xds says what waits; internal/app
// keeps it and delivers it.
package async

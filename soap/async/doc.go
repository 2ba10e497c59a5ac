// Package async holds the answers of requests whose wsa:ReplyTo is an address of
// the sender's (WS-Addressing 1.0, ITI TF-2 V.3): the form in which an answer, or a
// request that is yet to be answered, waits in the outbox, and how it is streamed
// out when it leaves.
//
// It imports access and metadata. soap/xds says what waits; internal/app keeps it
// and delivers it through internal/outward.
package async

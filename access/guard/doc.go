// Package guard is the one way to use data: Do plans, runs the use case, lets it
// decide on each item, and makes one durable record, whatever happens: success,
// denial, error, panic or a caller that went away; a partial success makes two. No receipt, no answer.
//
// It imports access, audit, fault and metadata. Only sharing calls it.
package guard

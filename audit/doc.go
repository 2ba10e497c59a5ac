// Package audit defines the record of one use of the system and the Recorder
// that makes it durable. No answer leaves before its record is durable (promise
// P6).
//
// It imports metadata and access. The guard calls the Recorder; audit/ledger
// implements it.
package audit

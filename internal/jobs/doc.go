// Package jobs runs background work at intervals, one run at a time, until it is
// stopped: it survives errors and panics of a job, tells the log and whoever
// watches, and ends quickly.
//
// It imports only the standard library. internal/app uses it.
package jobs

// Package telemetry is what an operator sees: the structured log, from which
// identity numbers are kept out, and the metrics (rate, errors and duration per
// transaction and endpoint, queue depths, the Go runtime).
//
// It imports the standard library and client_golang. internal/app gives its parts
// to whoever counts; nobody else imports it.
package telemetry

// Package telemetry is what an operator sees: the structured log, from which
// identity numbers are kept out, and the metrics (rate, errors and duration per
// transaction and endpoint, calls to engines, queue depths, the Go runtime), and
// the traces.
//
// It imports the standard library, client_golang and OpenTelemetry. internal/app gives its parts
// to whoever counts; nobody else imports it.
package telemetry

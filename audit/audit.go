package audit

import (
	"context"
	"time"

	"samdok/access"
)

// Outcome of a use case. Numbers are stored in records.
type Outcome uint8

const (
	OutcomeUnknown Outcome = iota
	Success
	PartialSuccess
	Denied
	Failed  // a rule of the standard refused it
	Errored // our fault, or an engine's
	Panicked
	Aborted // the answer could not be sent to its end
)

// Event is everything that is recorded about one use.
type Event struct {
	Request access.Request
	Outcome Outcome
	Rules   []string // what decided
	// Items were shown or changed; when a write did not succeed, what it was
	// about. Omitted counts those beyond the guard's limit.
	Items   []access.Item
	Omitted int
	Hidden  int       // number of items denied after the plan
	Codes   []string  // error codes answered
	Time    time.Time // when the outcome was known
}

// Receipt proves that an event is durable.
type Receipt struct {
	Segment uint64
	Offset  int64
}

// Recorder makes events durable.
type Recorder interface {
	// Record returns only when the event is durable. An error means that the
	// answer must not be sent.
	Record(context.Context, *Event) (Receipt, error)
}

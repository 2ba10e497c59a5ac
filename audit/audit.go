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

// Kind is the class of an Event. Numbers are stored in records.
type Kind uint8

const (
	KindUse     Kind = iota // a use case passed the guard
	KindStart               // the server started
	KindStop                // the server stopped
	KindConfig              // settings differ from those of the last start
	KindPolicy              // access rules were changed
	KindKey                 // a key was made, replaced or destroyed
	KindReadLog             // somebody read these records
	KindExport              // data left as a whole: backup, export
	KindErase               // data was destroyed for good
	KindVerify              // storage was compared with itself
)

// Part tells the two records of a partial success apart. Numbers are stored in
// records.
type Part uint8

const (
	Whole          Part = iota
	PartThatWorked      // Outcome Success, with the items
	PartThatDidNot      // Outcome Failed or Denied, with the codes
)

// Detail is one more thing to know of an event, such as a setting and its value.
type Detail struct{ Name, Value string }

// Event is everything that is recorded about one use, or about the system.
type Event struct {
	Kind    Kind
	Part    Part
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
	Details []Detail  // of kinds other than KindUse; of an erasure or a hold, its reason
}

// Receipt proves that an event is durable.
type Receipt struct {
	Segment uint64
	Offset  int64
	// Index is the record's number in the ledger, which proofs are about.
	Index int64
}

// Recorder makes events durable.
type Recorder interface {
	// Record returns only when the event is durable. An error means that the
	// answer must not be sent.
	Record(context.Context, *Event) (Receipt, error)
	// RecordTwo makes two events durable with one wait, the first before the second in
	// the ledger; either both are recorded or none is acknowledged.
	RecordTwo(ctx context.Context, first, second *Event) error
}

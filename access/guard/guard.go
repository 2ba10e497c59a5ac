package guard

import (
	"context"
	"errors"
	"io"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
)

// Defaults of Options.
const (
	// DefaultRecordTimeout bounds the wait for a durable record.
	DefaultRecordTimeout = 30 * time.Second
	// DefaultMaxItems is how many items one record lists. It bounds the memory of
	// a request and the size of a record (an item takes about 250 bytes in memory);
	// audit.Event.Omitted counts the rest.
	DefaultMaxItems = 10_000
)

// Options of a Guard. Decider, Recorder and Clock are required.
type Options struct {
	Decider  access.Decider
	Recorder audit.Recorder
	Clock    func() time.Time
	// RecordTimeout bounds the wait for a durable record, or up to an eighth more; the
	// client's own deadline does not, because what happened must be recorded although
	// the client went away. 0: DefaultRecordTimeout.
	RecordTimeout time.Duration
	// MaxItems is how many items one record lists; 0: DefaultMaxItems.
	MaxItems int
}

// Guard plans, decides and records. It is safe for concurrent use.
type Guard struct {
	decider  access.Decider
	recorder audit.Recorder
	clock    func() time.Time
	records  deadlines
	maxItems int
}

// New makes a Guard.
func New(o Options) *Guard {
	if o.RecordTimeout <= 0 {
		o.RecordTimeout = DefaultRecordTimeout
	}
	if o.MaxItems <= 0 {
		o.MaxItems = DefaultMaxItems
	}
	return &Guard{decider: o.Decider, recorder: o.Recorder, clock: o.Clock, records: deadlines{limit: o.RecordTimeout}, maxItems: o.MaxItems}
}

// Do runs body under one plan and makes exactly one record, durable before Do
// returns.
//
// When the plan denies, body is not run and the error is of kind fault.Denied
// without problems: what a denied caller may learn is the use case's to say. A
// panic in the decider or in body becomes fault.Internal, with the stack for the
// operator's log only. When the record cannot be made, the result is released
// (closed when T is an io.Closer) and the error is of kind fault.Unavailable. A
// body that returns an error has released its result itself.
func Do[T any](ctx context.Context, g *Guard, r access.Request, body func(context.Context, *Pass) (T, error)) (T, error) {
	p := g.enter(r)
	result, err := run(ctx, p, body)
	if rerr := p.close(ctx, err); rerr != nil {
		if err == nil {
			release(result)
		}
		var none T
		return none, rerr
	}
	return result, err
}

// run plans and calls body. A panic is an error from here on. A body that ends
// its goroutine (runtime.Goexit) is recorded on the way out.
func run[T any](ctx context.Context, p *Pass, body func(context.Context, *Pass) (T, error)) (result T, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		var none T
		if v := recover(); v != nil {
			result, err = none, p.panicked(v)
			return
		}
		p.outcome = audit.Errored
		_ = p.close(ctx, errGoexit) // nobody is left to be told
	}()
	if err = p.plan(ctx); err == nil {
		result, err = body(ctx, p)
	}
	returned = true
	return result, err
}

var errGoexit = errors.New("guard: the goroutine of the request was ended")

// Record makes one record apart from Do: of something that happened after an answer
// began to leave (audit.Aborted), or that the server does by itself. It does not plan
// or decide.
func (g *Guard) Record(ctx context.Context, r access.Request, outcome audit.Outcome, items []access.Item, problems []fault.Problem, details ...audit.Detail) error {
	p := g.enter(r)
	p.event.Details = details
	p.Touched(items)
	p.SetProblems(problems)
	p.outcome = outcome
	return p.close(ctx, nil)
}

// release closes a result that will not be answered.
func release(result any) {
	if c, ok := result.(io.Closer); ok && c != nil {
		_ = c.Close() // nothing was read from it and nobody gets it
	}
}

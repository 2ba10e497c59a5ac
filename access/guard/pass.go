package guard

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/fault"
)

// maxRules and maxCodes bound the lists of one record.
const (
	maxRules = 64
	maxCodes = 64
)

// Pass is one use of one use case, from plan to record. Body uses it from one
// goroutine at a time and not after it has returned.
type Pass struct {
	g           *Guard
	event       audit.Event
	restriction access.Restriction
	problems    []fault.Problem
	outcome     audit.Outcome // set early; OutcomeUnknown: made from the error
	shown       int
}

func (g *Guard) enter(r access.Request) *Pass {
	if r.Time.IsZero() {
		r.Time = g.clock()
	}
	return &Pass{g: g, event: audit.Event{Request: r}}
}

// Request is the request as the decider saw it, with its time.
func (p *Pass) Request() access.Request { return p.event.Request }

// Restriction is what the plan wants left out of every search.
func (p *Pass) Restriction() access.Restriction { return p.restriction }

// plan asks the decider once.
func (p *Pass) plan(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return canceled("guard.Plan", err)
	}
	plan, err := p.g.decider.Plan(ctx, p.event.Request)
	if err != nil {
		return undecided(ctx, "guard.Plan", err)
	}
	p.addRules(plan.Rules)
	if plan.Effect != access.Allow {
		return &fault.Error{Op: "guard.Plan", Kind: fault.Denied}
	}
	p.restriction = plan.Restriction
	return nil
}

// Decide asks about items, in batches as the body likes. The decisions are in
// order, one per item; denied items are counted in the record as hidden. An error
// means that nothing of the batch is allowed.
func (p *Pass) Decide(ctx context.Context, items []access.Item) ([]access.Decision, error) {
	decisions, err := p.Consider(ctx, items)
	for i := range decisions {
		if decisions[i].Effect != access.Allow {
			p.event.Hidden++
		}
	}
	return decisions, err
}

// Consider is Decide for items that are only looked at, such as the ends of an
// association: denied ones are not counted, for nobody asked for them.
func (p *Pass) Consider(ctx context.Context, items []access.Item) ([]access.Decision, error) {
	if len(items) == 0 {
		return nil, nil
	}
	decisions, err := p.g.decider.Decide(ctx, p.event.Request, items)
	if err != nil {
		return nil, undecided(ctx, "guard.Decide", err)
	}
	if len(decisions) != len(items) {
		return nil, undecided(ctx, "guard.Decide", fmt.Errorf("the decider returned %d decisions on %d items", len(decisions), len(items)))
	}
	for i := range decisions {
		p.addRules(decisions[i].Rules)
	}
	return decisions, nil
}

// Hide counts n more items as hidden, that no decision was asked for because of
// what they would have revealed.
func (p *Pass) Hide(n int) { p.event.Hidden += n }

// Hidden is how many items have been denied so far.
func (p *Pass) Hidden() int { return p.event.Hidden }

// Showed adds items that the caller gets to see. The slice is copied.
func (p *Pass) Showed(items ...access.Item) {
	p.shown += len(items)
	p.add(items)
}

// Touched sets the items that a write is about, or has changed; the last call
// counts, so that a write can name its items before it tries and again with
// their registered ids.
func (p *Pass) Touched(items []access.Item) {
	p.event.Items, p.event.Omitted, p.shown = p.event.Items[:0], 0, len(items)
	p.add(items)
}

func (p *Pass) add(items []access.Item) {
	room := max(0, p.g.maxItems-len(p.event.Items))
	if len(items) > room {
		p.event.Omitted += len(items) - room
		items = items[:room]
	}
	p.event.Items = append(p.event.Items, items...)
}

// SetProblems tells what is answered together with results: warnings, or the
// errors of a partial success.
func (p *Pass) SetProblems(problems []fault.Problem) { p.problems = problems }

// Note adds a detail to the record, such as the reason that was given.
func (p *Pass) Note(name, value string) {
	if value != "" {
		p.event.Details = append(p.event.Details, audit.Detail{Name: name, Value: value})
	}
}

// Step makes a record of its own, durable when it returns nil, of something that
// cannot be taken back: before it is done, or when it is. The one record of the
// use follows all the same.
func (p *Pass) Step(ctx context.Context, kind audit.Kind, items []access.Item, details ...audit.Detail) error {
	e := audit.Event{Kind: kind, Request: p.event.Request, Outcome: audit.Success, Time: p.g.clock(), Details: details}
	e.Omitted = max(0, len(items)-p.g.maxItems)
	e.Items = items[:len(items)-e.Omitted]
	ctx = p.g.records.from(ctx)
	if _, err := p.g.recorder.Record(ctx, &e); err != nil {
		return unrecorded(err)
	}
	return nil
}

func (p *Pass) addRules(rules []string) {
	for _, rule := range rules {
		if len(p.event.Rules) < maxRules && !slices.Contains(p.event.Rules, rule) {
			p.event.Rules = append(p.event.Rules, rule)
		}
	}
}

// close makes the record. It does not depend on the client's deadline.
func (p *Pass) close(ctx context.Context, err error) (failure error) {
	defer func() {
		if v := recover(); v != nil {
			failure = unrecorded(&PanicError{Value: v, Stack: debug.Stack(), At: p.g.clock()})
		}
	}()
	e := &p.event
	e.Time = p.g.clock()
	if e.Outcome = p.outcome; e.Outcome == audit.OutcomeUnknown {
		e.Outcome = p.judge(err)
	}
	e.Codes = codes(e.Codes, fault.ProblemsOf(err))
	e.Codes = codes(e.Codes, p.problems)

	ctx = p.g.records.from(ctx)
	if e.Outcome == audit.PartialSuccess {
		return p.recordParts(ctx)
	}
	if _, err := p.g.recorder.Record(ctx, e); err != nil {
		return unrecorded(err)
	}
	return nil
}

// recordParts records a partial success as a success and a failure (ITI TF-2
// 3.18.5.1): the first has the items, the second the codes.
func (p *Pass) recordParts(ctx context.Context) error {
	worked, not := p.event, p.event
	worked.Part, worked.Outcome, worked.Codes, worked.Hidden = audit.PartThatWorked, audit.Success, nil, 0
	not.Part, not.Outcome, not.Items, not.Omitted = audit.PartThatDidNot, audit.Failed, nil, 0
	if err := p.g.recorder.RecordTwo(ctx, &worked, &not); err != nil {
		return unrecorded(err)
	}
	return nil
}

// judge makes the outcome from how the body ended.
func (p *Pass) judge(err error) audit.Outcome {
	if err == nil {
		switch {
		case !fault.HasErrors(p.problems):
			return audit.Success
		case p.shown > 0:
			return audit.PartialSuccess
		case p.event.Hidden > 0:
			return audit.Denied
		}
		return audit.Failed
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return audit.Aborted
	}
	switch fault.KindOf(err) {
	case fault.Denied:
		return audit.Denied
	case fault.Canceled:
		return audit.Aborted
	case fault.Invalid, fault.NotFound, fault.Conflict, fault.TooLarge:
		return audit.Failed
	}
	return audit.Errored
}

func (p *Pass) panicked(v any) error {
	p.outcome = audit.Panicked
	return fault.Wrap(&PanicError{Value: v, Stack: debug.Stack(), At: p.g.clock()}, fault.Internal, "guard.Do", fault.RegistryError,
		"An internal error occurred. Nothing was answered; the operator's log has the details.")
}

// PanicError is a recovered panic. Its text is for the operator's log. Value is
// not printed unless it is an error or a fixed text of the runtime: a panic with
// a value of its own might carry what it was working on.
type PanicError struct {
	Value any
	Stack []byte
	At    time.Time
}

func (e *PanicError) Error() string {
	if err, ok := e.Value.(error); ok {
		return fmt.Sprintf("panic: %v\n%s", err, e.Stack)
	}
	return fmt.Sprintf("panic with a %T\n%s", e.Value, e.Stack)
}

func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func codes(to []string, problems []fault.Problem) []string {
	for i := range problems {
		code := string(problems[i].Code)
		if len(to) < maxCodes && code != "" && !slices.Contains(to, code) {
			to = append(to, code)
		}
	}
	return to
}

// undecided is the answer when the decider fails: nothing is allowed.
func undecided(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil {
		return canceled(op, ctx.Err())
	}
	return fault.Wrap(err, fault.Unavailable, op, fault.RegistryBusy,
		"Access could not be decided, so nothing was read or stored. Try again later.")
}

func canceled(op string, err error) error {
	return fault.Wrap(err, fault.Canceled, op, fault.RegistryError, "The request was cancelled or its time ran out before it was done.")
}

// unrecorded is the answer when the record is not durable: fail closed.
func unrecorded(err error) error {
	return fault.Wrap(err, fault.Unavailable, "guard.Record", fault.RegistryBusy,
		"The audit record of this request could not be written, so it is not answered. Try again later; a submission that was stored meets itself as a duplicate then.")
}

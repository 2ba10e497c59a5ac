package registry

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/storage"
)

// Submission is what Submit shall register.
type Submission struct {
	// Submission is completed in place (ids, status, version); the caller must not
	// use it concurrently, and after an error not at all.
	Submission *metadata.Submission
	// OnDemand: this is ITI-61, all entries are on-demand; otherwise all are stable.
	OnDemand bool
	// Problems were found earlier (decoding, storing). When there are errors
	// among them nothing is registered; they are answered before those found here.
	Problems []fault.Problem
	// Documents are the keys of stored bytes by submitted entry id; entries
	// without one are held by another repository.
	Documents map[metadata.ID]storage.DocumentKey
	// Controller names the organisation that answers for an object; nil: nobody.
	Controller func(metadata.Object) string
}

// Receipt says that a submission is durable and visible.
type Receipt struct {
	// Warnings are problems of severity warning.
	Warnings []fault.Problem
	// IDs maps submitted ids to registered ones; UUIDs map to themselves.
	IDs map[metadata.ID]metadata.ID
}

// Submit registers a submission (ITI-42, ITI-61): all or nothing, durable and visible
// when it returns nil. A submission that was registered before is refused with
// XDSDuplicateUniqueIdInRegistry and changes nothing.
//
// Errors are *fault.Error. Invalid, Busy and TooLarge mean that nothing was
// registered; any other kind leaves the outcome unknown.
func (r *Registry) Submit(ctx context.Context, t access.Tenant, s Submission) (Receipt, error) {
	in := newIntake(s)
	r.checkAlone(in)
	trusting := in.sound()
	return retry(ctx, r, "registry.Submit", func() (Receipt, error) {
		defer func() { trusting = false }()
		return r.try(ctx, t, in, trusting)
	})
}

// try loads, validates and appends once. A trusting try leaves it to the claims
// to find identifiers that are taken, so that a plain submission reads nothing
// but its stream's version; the next try then finds out whose they are.
func (r *Registry) try(ctx context.Context, t access.Tenant, in *intake, trusting bool) (Receipt, error) {
	known, err := r.load(ctx, t, in, trusting)
	if err != nil {
		return Receipt{}, unwritten(err)
	}
	problems := in.check(known)
	if trusting && fault.HasErrors(problems) { // report all that is wrong
		return r.try(ctx, t, in, false)
	}
	if err := fault.Of("registry.Submit", problems); err != nil {
		return Receipt{}, err
	}
	if err := r.append(ctx, t, []storage.Change{in.change(known, r.clock())}); err != nil {
		return Receipt{}, err
	}
	return Receipt{Warnings: problems, IDs: in.ids}, nil
}

// ErrUnwritten is in the errors of before anything was written.
var ErrUnwritten = errors.New("nothing was written")

// unwritten marks an error of before anything was written. fault.Unavailable alone would
// say that the outcome is not known, and the documents of the submission would be kept
// until the sweep: while Elasticsearch is away, those of each attempt of each sender.
func unwritten(err error) error {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind == fault.Unavailable {
		definite := *f
		definite.Err = ErrUnwritten
		if f.Err != nil {
			definite.Err = fmt.Errorf("%w: %w", ErrUnwritten, f.Err)
		}
		return &definite
	}
	return err
}

// append appends changes. When the reply is lost, it looks for the first one's
// event: what is in the log was registered, and all of it.
func (r *Registry) append(ctx context.Context, t access.Tenant, changes []storage.Change) error {
	if len(changes) == 0 {
		return nil
	}
	c := &changes[0]
	err := r.log.Append(ctx, t, changes)
	if err == nil || errors.Is(err, storage.ErrConflict) {
		return err
	}
	switch fault.KindOf(err) {
	case fault.Busy, fault.TooLarge:
		return err
	}
	if ctx.Err() != nil {
		return err
	}
	for e, readErr := range r.log.Events(ctx, t, c.Stream, c.Expect) {
		if readErr != nil {
			break
		}
		if e.ID == c.Events[0].ID {
			return nil
		}
	}
	return err
}

// pause waits a random time that grows with the attempts, at most 32 ms.
func pause(ctx context.Context, attempt int) error {
	most := time.Millisecond << min(attempt-1, 5)
	timer := time.NewTimer(rand.N(most))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// broken makes a *fault.Error of whatever an engine returned.
func broken(op string, err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.Wrap(err, fault.Canceled, op, fault.RegistryError, "The request was given up before the registry had answered. Ask again.")
	}
	return fault.Wrap(err, fault.Internal, op, fault.RegistryError, "The registry could not read or write its data. The operator's log tells why; ask again later.")
}

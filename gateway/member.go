package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/sony/gobreaker/v2"

	"samdok/fault"
)

// member is a Member with its state.
type member struct {
	Member
	limits   Limits
	room     chan struct{}
	breaker  *breaker
	locating *breaker // of Where
	stats    *stats
}

type breaker = gobreaker.TwoStepCircuitBreaker[struct{}]

// owner tells whether the member said that it answers for a home.
func (m *member) owner(home string) bool { return home == m.Home || slices.Contains(m.Others, home) }

// shares tells whether other members may have the same home.
func (m *member) shares() bool { return len(m.Repositories) > 0 }

func newMember(m Member, s *stats, clock func() time.Time) *member {
	l := m.Limits.withDefaults()
	settings := gobreaker.Settings{Name: m.Home, Timeout: l.Pause, ReadyToTrip: func(c gobreaker.Counts) bool { return int(c.ConsecutiveFailures) >= l.Failures }}
	locating := gobreaker.NewTwoStepCircuitBreaker[struct{}](settings)
	settings.OnStateChange = func(string, gobreaker.State, gobreaker.State) { s.turned(clock()) }
	return &member{Member: m, limits: l, room: make(chan struct{}, l.Concurrent), stats: s,
		breaker: gobreaker.NewTwoStepCircuitBreaker[struct{}](settings), locating: locating}
}

func (m *member) label() string {
	if m.Name == "" {
		return m.Home
	}
	return m.Name + " (" + m.Home + ")"
}

// Reasons why a community gave no answer. Their texts go into codeContext.
var (
	errFull   = errors.New("has as many requests of this gateway in work as it may")
	errPaused = errors.New("failed several times in a row and is left alone for a while")
	errSlow   = errors.New("did not answer within its deadline")
	// errUntaken is for whoever reads; the community is not to blame.
	errUntaken = errors.New("the connection ended after nothing had been taken from it for a while")
	errStall   = errors.New("stopped sending in the middle of a document, or sent too slowly")
	errBroken  = errors.New("could not be reached, or answered something that is not an answer")
)

// enter takes a place and asks a breaker. leave is called once with the outcome.
func (m *member) enter(ctx context.Context, by *breaker) (leave func(error), err error) {
	select {
	case m.room <- struct{}{}:
	case <-ctx.Done():
		return nil, errFull
	}
	if ctx.Err() != nil {
		<-m.room
		return nil, errFull
	}
	done, err := by.Allow()
	if err != nil {
		<-m.room
		return nil, errPaused
	}
	return func(err error) {
		<-m.room
		if abandoned(err) {
			err = nil // the caller's doing: says nothing about the community
		}
		done(unanswered(err))
	}, nil
}

// unanswered is the error of a community that gave no answer, nil when it did.
func unanswered(err error) error {
	var f *fault.Error
	if err == nil || errors.As(err, &f) {
		return nil
	}
	return err
}

// abandoned: whoever asked has gone.
func abandoned(err error) bool { return errors.Is(err, errAbandoned) }

var errAbandoned = errors.New("gateway: the request was given up")

// within bounds a context by the member's deadline.
func (m *member) within(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, m.limits.Deadline, errSlow)
}

// explain turns what a community's call returned into a reason that may be told.
func explain(parent, ctx context.Context, err error) error {
	var f *fault.Error
	switch {
	case err == nil, errors.As(err, &f):
		return err
	case parent.Err() != nil:
		return fmt.Errorf("%w: %w", errAbandoned, err)
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errSlow):
		return fmt.Errorf("%w: %w", errSlow, err)
	case errors.Is(err, errFull), errors.Is(err, errPaused), errors.Is(err, errSlow):
		return err
	}
	return fmt.Errorf("%w: %w", errBroken, err)
}

// problem is what is answered for a community that gave no answer (ITI TF-2
// 3.38.4.1.3: XDSUnavailableCommunity, its homeCommunityId as location).
func (m *member) problem(err error) fault.Problem {
	reason := errBroken
	for _, known := range []error{errFull, errPaused, errSlow, errStall} {
		if errors.Is(err, known) {
			reason = known
		}
	}
	return fault.Problem{Code: fault.UnavailableCommunity, Location: m.Home,
		Context: "The community " + m.label() + " " + reason.Error() + ". Its documents are missing from this answer. Ask again later."}
}

// retry waits before a query is sent again; false when there is no time.
func (m *member) retry(ctx context.Context, err error, sent int) bool {
	var f *fault.Error
	if err == nil || sent > m.limits.Retries || ctx.Err() != nil || errors.As(err, &f) {
		return false
	}
	wait := time.NewTimer(20*time.Millisecond + rand.N(60*time.Millisecond))
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package gateway

import (
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"

	"samdok/fault"
)

// Status is how a community has done since the start.
type Status struct {
	Home     string `json:"home"`
	Name     string `json:"name"`
	State    string `json:"state"` // of the breaker: closed, half-open, open
	Asked    int64  `json:"asked"`
	Answered int64  `json:"answered"`
	Empty    int64  `json:"empty"`   // answers to queries without an object
	Slow     int64  `json:"slow"`    // past the deadline
	Failed   int64  `json:"failed"`  // unreachable, or wrong
	Refused  int64  `json:"refused"` // not sent: breaker or too many at a time
	Broken   int64  `json:"broken"`  // answers with documents that broke off, or came too slowly; among Answered
	Objects  int64  `json:"objects"`
	Skipped  int64  `json:"skipped"`  // not asked: the locator was sure that it holds nothing
	Needless int64  `json:"needless"` // the locator named it, and it had nothing
	Probed   int64  `json:"probed"`   // asked although the locator was sure
	Missed   int64  `json:"missed"`   // of those: it had something
	// Who a patient is there (ITI-55): Discovered is how often it was asked, Strangers how
	// often it knew nobody, Unclear how often it named several or could not say, Remembered
	// how often it need not be asked. Failures are among Slow and Failed.
	Discovered int64         `json:"discovered"`
	Strangers  int64         `json:"strangers"`
	Unclear    int64         `json:"unclear"`
	Remembered int64         `json:"remembered"`
	Located    int64         `json:"located"` // asked where a patient has data (ITI-56)
	Mean       time.Duration `json:"mean_ns"` // of answers
	Longest    time.Duration `json:"longest_ns"`
	InWork     int           `json:"in_work"`
	// Since is when State was reached, Until when an open breaker lets a request through
	// again; zero when it never opened, or is not open.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	// FailingSince is when the first failure after the last answer was, zero without one.
	FailingSince time.Time `json:"failing_since,omitzero"`
	// LastAnswer and LastFailure are zero when there was none.
	LastAnswer  time.Time `json:"last_answer,omitzero"`
	LastFailure time.Time `json:"last_failure,omitzero"`
	// Problem is a word for the last failure, Reason what was said of it. That it is left
	// alone is none.
	Problem Trouble `json:"problem,omitempty"`
	Reason  string  `json:"reason,omitempty"`
}

// stats counts for one homeCommunityId; it outlives changes of the directory.
type stats struct {
	mu    sync.Mutex
	s     Status
	total time.Duration
}

func (s *stats) done(now time.Time, took time.Duration, objects int, query bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Asked++
	switch Outcome(err) {
	case "abandoned":
		return
	case "answered":
		s.s.Answered++
		s.s.Objects += int64(objects)
		if query && objects == 0 {
			s.s.Empty++
		}
		s.total += took
		s.s.Longest = max(s.s.Longest, took)
		s.s.LastAnswer, s.s.FailingSince = now, time.Time{}
		return
	case "refused":
		if s.s.Refused++; errors.Is(err, errPaused) {
			return // why it is left alone is what matters
		}
	case "slow":
		s.s.Slow++
	default:
		s.s.Failed++
	}
	s.failed(now, err)
}

// failed notes a failure.
func (s *stats) failed(now time.Time, err error) {
	s.s.LastFailure, s.s.Problem, s.s.Reason = now, troubleOf(err), err.Error()
	if s.s.FailingSince.IsZero() {
		s.s.FailingSince = now
	}
}

// turned notes that the breaker changed its state.
func (s *stats) turned(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Since = now
}

// Outcome is a word for how a request to a community ended: answered, refused (it
// was not sent), slow, failed, abandoned.
func Outcome(err error) string {
	switch {
	case abandoned(err):
		return "abandoned"
	case unanswered(err) == nil:
		return "answered"
	case errors.Is(err, errFull), errors.Is(err, errPaused):
		return "refused"
	case errors.Is(err, errSlow):
		return "slow"
	}
	return "failed"
}

// Status of all members, in the directory's order.
func (g *Gateway) Status() []Status {
	members := g.members.Load().list
	all := make([]Status, len(members))
	for i, m := range members {
		state := m.breaker.State().String() // first, for it may turn now
		m.stats.mu.Lock()
		all[i] = m.stats.s
		if m.stats.s.Answered > 0 {
			all[i].Mean = m.stats.total / time.Duration(m.stats.s.Answered)
		}
		m.stats.mu.Unlock()
		all[i].Home, all[i].Name, all[i].State, all[i].InWork = m.Home, m.Name, state, len(m.room)
		if all[i].State == gobreaker.StateOpen.String() {
			all[i].Until = all[i].Since.Add(m.limits.Pause)
		}
	}
	return all
}

// discovered counts what came of asking who a patient is.
func (s *stats) discovered(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Discovered++
	var f *fault.Error
	switch {
	case errors.Is(err, errStranger):
		s.s.Strangers++
	case errors.As(err, &f):
		s.s.Unclear++
	}
}

func (s *stats) remembered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Remembered++
}

// located counts a question where a patient has data. One that failed is told of like
// any other.
func (s *stats) located(now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Located++
	if unanswered(err) != nil && !abandoned(err) {
		s.failed(now, err)
	}
}

// brokeOff counts an answer that had begun to go on to whoever asked.
func (s *stats) brokeOff(now time.Time, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Broken++
	s.failed(now, err)
}

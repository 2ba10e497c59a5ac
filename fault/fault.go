package fault

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says what a caller can do about an error. New kinds are added at the end.
type Kind uint8

const (
	// Internal: our mistake or a broken engine; the caller can only report it.
	Internal Kind = iota
	// Invalid: the request breaks a rule; sending it again changes nothing.
	Invalid
	// NotFound: no such thing, or not for this caller to know.
	NotFound
	// Denied: refused, and the caller may know that.
	Denied
	// Conflict: another writer was first.
	Conflict
	// Busy: overloaded, try again after a while.
	Busy
	// Unavailable: something this needs cannot be reached; try again later.
	Unavailable
	// TooLarge: a limit named in the problem was passed.
	TooLarge
	// Canceled: the caller went away or its deadline passed.
	Canceled
)

// Severity of a Problem.
type Severity uint8

const (
	SeverityError Severity = iota
	SeverityWarning
)

// Problem is one RegistryError (ITI TF-3 4.2.4.1).
type Problem struct {
	Code     Code
	Severity Severity
	// Context is codeContext: plain words with the offending value or id.
	// It may hold what the sender sent in this request, never anything else
	// about a patient.
	Context string
	// Location is what the standard wants there: usually "", the
	// DocumentUniqueId in ITI-43, an entryUUID in ITI-57, a homeCommunityId
	// across communities.
	Location string
	// Foreign: these are the words of another actor, passed on as they are.
	Foreign bool
}

// Error is a failed operation. Problems are for the caller, Err is for the
// operator's log and is never shown to the caller.
type Error struct {
	Op       string // package.Function, for the log
	Kind     Kind
	Problems []Problem
	Err      error
}

// New makes an error of one problem.
func New(kind Kind, op string, code Code, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Problems: []Problem{{Code: code, Context: fmt.Sprintf(format, args...)}}}
}

// Wrap makes an error of one problem with an inner cause.
func Wrap(err error, kind Kind, op string, code Code, format string, args ...any) *Error {
	e := New(kind, op, code, format, args...)
	e.Err = err
	return e
}

// Of makes an error of several problems; nil when there is none of severity
// error.
func Of(op string, problems []Problem) error {
	if !HasErrors(problems) {
		return nil
	}
	return &Error{Op: op, Kind: Invalid, Problems: problems}
}

// HasErrors tells whether a problem is worse than a warning.
func HasErrors(problems []Problem) bool {
	for i := range problems {
		if problems[i].Severity == SeverityError {
			return true
		}
	}
	return false
}

// Error is for operators. It names codes, not contexts: a context may quote a
// value from the request.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	for i := range e.Problems {
		if i > 0 && e.Problems[i].Code == e.Problems[i-1].Code {
			continue // hundreds of one kind are one word in a log
		}
		b.WriteString(": ")
		b.WriteString(string(e.Problems[i].Code))
	}
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf is the kind of the first *Error in the chain; Internal when there is
// none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// ProblemsOf are the problems to show; nil when err carries none.
func ProblemsOf(err error) []Problem {
	var e *Error
	if errors.As(err, &e) {
		return e.Problems
	}
	return nil
}

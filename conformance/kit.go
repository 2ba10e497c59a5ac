package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Outcome of a case.
type Outcome string

const (
	Pass     Outcome = "pass"
	Fail     Outcome = "fail"
	Error    Outcome = "error"
	Skip     Outcome = "skip"
	Disabled Outcome = "disabled"
)

// Case tests one rule.
type Case struct {
	// ID is short and stable: "ITI-42/replace-deprecates".
	ID string
	// Title says in one sentence what a right server does.
	Title string
	// Section of the standard: "ITI TF-2 3.42.4.1.3.5".
	Section string
	Run     func(*T)
	// Mutant breaks the rule on its way between the kit and the server.
	Mutant Mutant
}

// Mutant changes an exchange; nil functions change nothing.
type Mutant struct {
	Request  func(*Exchange)
	Response func(*Exchange)
	// Delivery changes Type and Response of an answer that is posted to a
	// wsa:ReplyTo.
	Delivery func(*Exchange)
	// Onward changes the Request that a gateway under test sends to one of the kit's
	// communities.
	Onward func(*Exchange)
}

// Exchange is one HTTP exchange in the hands of a Mutant.
type Exchange struct {
	Path        string
	Request     []byte
	RequestType string // Content-Type
	Status      int
	Type        string // Content-Type of the answer
	Response    []byte
	// Cut: the server broke off in the middle of Response. The mutant may make a whole
	// answer of it.
	Cut bool
}

// Result of one case.
type Result struct {
	ID      string        `json:"id"`
	Title   string        `json:"title"`
	Section string        `json:"section"`
	Outcome Outcome       `json:"outcome"`
	Detail  string        `json:"detail,omitempty"`
	Time    time.Duration `json:"duration_ns"`
}

// Report of a run.
type Report struct {
	Registry   string          `json:"registry"`
	Repository string          `json:"repository"`
	Started    time.Time       `json:"started"`
	Results    []Result        `json:"results"`
	Count      map[Outcome]int `json:"count"`
}

// OK is true when every case that ran passed and at least one did.
func (r Report) OK() bool {
	return r.Count[Pass] > 0 && r.Count[Fail] == 0 && r.Count[Error] == 0
}

// Run runs the cases one after another. disabled holds ids of cases to leave out.
func Run(ctx context.Context, target Target, cases []Case, disabled []string, each func(Result)) Report {
	rep := Report{Registry: target.Registry, Repository: target.Repository, Started: time.Now().UTC(), Count: map[Outcome]int{}}
	for _, c := range cases {
		r := Result{ID: c.ID, Title: c.Title, Section: c.Section, Outcome: Disabled}
		if !slices.Contains(disabled, c.ID) {
			r = runCase(ctx, target, c)
		}
		rep.Results = append(rep.Results, r)
		rep.Count[r.Outcome]++
		if each != nil {
			each(r)
		}
	}
	return rep
}

// verdict ends a case; T's methods panic with it.
type verdict struct {
	outcome Outcome
	detail  string
}

func runCase(ctx context.Context, target Target, c Case) (r Result) {
	r = Result{ID: c.ID, Title: c.Title, Section: c.Section, Outcome: Pass}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, target.timeout())
	defer cancel()
	defer func() {
		r.Time = time.Since(begin)
		switch v := recover().(type) {
		case nil:
		case verdict:
			r.Outcome, r.Detail = v.outcome, v.detail
		default:
			r.Outcome, r.Detail = Error, fmt.Sprintf("the case itself is broken: %v", v)
		}
	}()
	t := &T{ctx: ctx, target: target, id: c.ID}
	c.Run(t)
	return r
}

// T is a running case. Its methods end the case when an expectation does not
// hold.
type T struct {
	ctx    context.Context
	target Target
	id     string
	setup  bool
}

// Failf ends the case: the server broke the rule, or, during Setup, the kit could
// not find out.
func (t *T) Failf(format string, args ...any) {
	if t.setup {
		panic(verdict{Error, "set-up: " + fmt.Sprintf(format, args...)})
	}
	panic(verdict{Fail, fmt.Sprintf(format, args...)})
}

// Errorf ends the case: the kit could not find out.
func (t *T) Errorf(format string, args ...any) {
	panic(verdict{Error, fmt.Sprintf(format, args...)})
}

// Skipf ends the case: the server cannot be asked.
func (t *T) Skipf(format string, args ...any) {
	panic(verdict{Skip, fmt.Sprintf(format, args...)})
}

// Setup runs what the case only needs: a failure in it is an Error, not a Fail.
func (t *T) Setup(f func()) {
	t.setup = true
	defer func() { t.setup = false }()
	f()
}

// Check fails the case with the message when ok is false.
func (t *T) Check(ok bool, format string, args ...any) {
	if !ok {
		t.Failf(format, args...)
	}
}

// transport errors are the kit's, unless the server closed the connection on us.
func (t *T) transport(err error) {
	if errors.Is(err, context.DeadlineExceeded) {
		t.Failf("no answer within %s", t.target.timeout())
	}
	t.Errorf("%v", err)
}

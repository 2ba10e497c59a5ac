package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/fault"
	"samdok/metadata"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

// recorder keeps what it is given.
type recorder struct {
	events []audit.Event
	err    error
	panics bool
	block  bool
	ctxErr error // of the context it was called with
	limit  bool  // whether that had a deadline
	waits  int   // for the disk
}

func (r *recorder) Record(ctx context.Context, e *audit.Event) (audit.Receipt, error) {
	r.ctxErr = ctx.Err()
	_, r.limit = ctx.Deadline()
	if r.panics {
		panic("recorder")
	}
	if r.block {
		<-ctx.Done()
		return audit.Receipt{}, ctx.Err()
	}
	r.waits++
	r.events = append(r.events, *e)
	return audit.Receipt{}, r.err
}

func (r *recorder) RecordTwo(ctx context.Context, first, second *audit.Event) error {
	if _, err := r.Record(ctx, first); err != nil {
		return err
	}
	r.waits-- // both share one
	_, err := r.Record(ctx, second)
	return err
}

// policy counts and does as told.
type policy struct {
	plans, decides int
	plan           func() (access.Plan, error)
	decide         func([]access.Item) ([]access.Decision, error)
}

func (p *policy) Plan(context.Context, access.Request) (access.Plan, error) {
	p.plans++
	if p.plan != nil {
		return p.plan()
	}
	return access.Plan{Effect: access.Allow, Rules: []string{"plan"}}, nil
}

func (p *policy) Decide(_ context.Context, _ access.Request, items []access.Item) ([]access.Decision, error) {
	p.decides++
	if p.decide != nil {
		return p.decide(items)
	}
	out := make([]access.Decision, len(items))
	for i := range items {
		if items[i].UniqueID != "hidden" {
			out[i] = access.Decision{Effect: access.Allow, Rules: []string{"item"}}
		}
	}
	return out, nil
}

func newGuard(p *policy, r *recorder) *guard.Guard {
	timeout := time.Minute
	if r.block {
		timeout = 50 * time.Millisecond
	}
	return guard.New(guard.Options{Decider: p, Recorder: r, Clock: func() time.Time { return now }, RecordTimeout: timeout, MaxItems: 3})
}

type closer struct{ closed int }

func (c *closer) Close() error { c.closed++; return nil }

var (
	request = access.Request{Tenant: "t", Action: access.ActionFind}
	a       = access.Item{Kind: access.ItemEntry, UniqueID: "a"}
	b       = access.Item{Kind: access.ItemEntry, UniqueID: "b"}
	hidden  = access.Item{Kind: access.ItemEntry, UniqueID: "hidden"}
	wrong   = []fault.Problem{{Code: fault.DocumentUniqueIDError}}
	warning = []fault.Problem{{Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning}}
)

type body = func(context.Context, *guard.Pass) (*closer, error)

func ok(ctx context.Context, p *guard.Pass) (*closer, error) { return &closer{}, nil }

func fails(err error) body {
	return func(context.Context, *guard.Pass) (*closer, error) { return nil, err }
}

func TestDoRecordsOnce(t *testing.T) {
	cases := []struct {
		name   string
		policy policy
		body   body
		kind   fault.Kind // of the error; -1 not used
		ok     bool
		ran    bool
		want   audit.Event
		also   *audit.Event // the second record of a partial success
	}{
		{name: "success", ok: true, ran: true, body: ok,
			want: audit.Event{Outcome: audit.Success, Rules: []string{"plan"}}},
		{name: "items", ok: true, ran: true, body: func(ctx context.Context, p *guard.Pass) (*closer, error) {
			d, err := p.Decide(ctx, []access.Item{a, hidden, b})
			if err != nil || d[0].Effect != access.Allow || d[1].Effect != access.Deny || d[2].Effect != access.Allow {
				t.Errorf("decisions %v, %v", d, err)
			}
			p.Showed(a, b)
			return &closer{}, nil
		}, want: audit.Event{Outcome: audit.Success, Rules: []string{"plan", "item"}, Items: []access.Item{a, b}, Hidden: 1}},
		{name: "considered ends are not hidden", ok: true, ran: true, body: func(ctx context.Context, p *guard.Pass) (*closer, error) {
			_, err := p.Consider(ctx, []access.Item{hidden})
			return &closer{}, err
		}, want: audit.Event{Outcome: audit.Success, Rules: []string{"plan"}}},
		{name: "too many items", ok: true, ran: true, body: func(_ context.Context, p *guard.Pass) (*closer, error) {
			p.Showed(a, a)
			p.Showed(b, b, b)
			return &closer{}, nil
		}, want: audit.Event{Outcome: audit.Success, Rules: []string{"plan"}, Items: []access.Item{a, a, b}, Omitted: 2}},
		{name: "touched replaces", ok: true, ran: true, body: func(_ context.Context, p *guard.Pass) (*closer, error) {
			p.Touched([]access.Item{a, a, a, a})
			p.Touched([]access.Item{b})
			p.SetProblems(warning)
			return &closer{}, nil
		}, want: audit.Event{Outcome: audit.Success, Rules: []string{"plan"}, Items: []access.Item{b}, Codes: []string{"XDSExtraMetadataNotSaved"}}},
		{name: "partial", ok: true, ran: true, body: func(_ context.Context, p *guard.Pass) (*closer, error) {
			p.Showed(a)
			p.SetProblems(wrong)
			return &closer{}, nil
		}, want: audit.Event{Outcome: audit.Success, Part: audit.PartThatWorked, Rules: []string{"plan"}, Items: []access.Item{a}},
			also: &audit.Event{Outcome: audit.Failed, Part: audit.PartThatDidNot, Rules: []string{"plan"}, Codes: []string{"XDSDocumentUniqueIdError"}}},
		{name: "nothing found", ok: true, ran: true, body: func(_ context.Context, p *guard.Pass) (*closer, error) {
			p.SetProblems(wrong)
			return &closer{}, nil
		}, want: audit.Event{Outcome: audit.Failed, Rules: []string{"plan"}, Codes: []string{"XDSDocumentUniqueIdError"}}},
		{name: "all hidden", ok: true, ran: true, body: func(ctx context.Context, p *guard.Pass) (*closer, error) {
			if _, err := p.Decide(ctx, []access.Item{hidden}); err != nil {
				return nil, err
			}
			p.SetProblems(wrong)
			return &closer{}, nil
		}, want: audit.Event{Outcome: audit.Denied, Rules: []string{"plan"}, Hidden: 1, Codes: []string{"XDSDocumentUniqueIdError"}}},
		{name: "denied plan", kind: fault.Denied, body: ok, policy: policy{plan: func() (access.Plan, error) {
			return access.Plan{Rules: []string{"no"}}, nil
		}}, want: audit.Event{Outcome: audit.Denied, Rules: []string{"no"}}},
		{name: "zero plan denies", kind: fault.Denied, body: ok, policy: policy{plan: func() (access.Plan, error) {
			return access.Plan{}, nil
		}}, want: audit.Event{Outcome: audit.Denied}},
		{name: "plan fails", kind: fault.Unavailable, body: ok, policy: policy{plan: func() (access.Plan, error) {
			return access.Plan{Effect: access.Allow}, errors.New("down")
		}}, want: audit.Event{Outcome: audit.Errored, Codes: []string{"XDSRegistryBusy"}}},
		{name: "plan panics", kind: fault.Internal, body: ok, policy: policy{plan: func() (access.Plan, error) {
			panic("plan")
		}}, want: audit.Event{Outcome: audit.Panicked, Codes: []string{"XDSRegistryError"}}},
		{name: "decide fails", kind: fault.Unavailable, ran: true, policy: policy{decide: func([]access.Item) ([]access.Decision, error) {
			return []access.Decision{{Effect: access.Allow}}, errors.New("down")
		}}, body: func(ctx context.Context, p *guard.Pass) (*closer, error) {
			d, err := p.Decide(ctx, []access.Item{a})
			if d != nil {
				t.Error("decisions in spite of an error")
			}
			return nil, err
		}, want: audit.Event{Outcome: audit.Errored, Rules: []string{"plan"}, Codes: []string{"XDSRegistryBusy"}}},
		{name: "decide answers too little", kind: fault.Unavailable, ran: true, policy: policy{decide: func([]access.Item) ([]access.Decision, error) {
			return []access.Decision{{Effect: access.Allow}}, nil
		}}, body: func(ctx context.Context, p *guard.Pass) (*closer, error) {
			_, err := p.Decide(ctx, []access.Item{a, b})
			return nil, err
		}, want: audit.Event{Outcome: audit.Errored, Rules: []string{"plan"}, Codes: []string{"XDSRegistryBusy"}}},
		{name: "rule broken", kind: fault.Invalid, ran: true, body: func(_ context.Context, p *guard.Pass) (*closer, error) {
			p.Touched([]access.Item{a})
			return nil, fault.New(fault.Invalid, "x", fault.RegistryMetadataError, "x")
		}, want: audit.Event{Outcome: audit.Failed, Rules: []string{"plan"}, Items: []access.Item{a}, Codes: []string{"XDSRegistryMetadataError"}}},
		{name: "engine broken", kind: fault.Internal, ran: true, body: fails(errors.New("disk")),
			want: audit.Event{Outcome: audit.Errored, Rules: []string{"plan"}}},
		{name: "busy", kind: fault.Busy, ran: true, body: fails(fault.New(fault.Busy, "x", fault.RegistryBusy, "x")),
			want: audit.Event{Outcome: audit.Errored, Rules: []string{"plan"}, Codes: []string{"XDSRegistryBusy"}}},
		{name: "denied in the body", kind: fault.Denied, ran: true, body: fails(&fault.Error{Kind: fault.Denied}),
			want: audit.Event{Outcome: audit.Denied, Rules: []string{"plan"}}},
		{name: "gave up", kind: fault.Internal, ran: true, body: fails(fmt.Errorf("read: %w", context.Canceled)),
			want: audit.Event{Outcome: audit.Aborted, Rules: []string{"plan"}}},
		{name: "panic", kind: fault.Internal, ran: true, body: func(context.Context, *guard.Pass) (*closer, error) {
			panic("secret 01815012345")
		}, want: audit.Event{Outcome: audit.Panicked, Rules: []string{"plan"}, Codes: []string{"XDSRegistryError"}}},
		{name: "panic with nil", kind: fault.Internal, ran: true, body: func(context.Context, *guard.Pass) (*closer, error) {
			panic(nil)
		}, want: audit.Event{Outcome: audit.Panicked, Rules: []string{"plan"}, Codes: []string{"XDSRegistryError"}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &recorder{}
			ran := false
			_, err := guard.Do(t.Context(), newGuard(&c.policy, r), request, func(ctx context.Context, p *guard.Pass) (*closer, error) {
				ran = true
				return c.body(ctx, p)
			})
			if (err == nil) != c.ok || err != nil && fault.KindOf(err) != c.kind {
				t.Errorf("error %v of kind %v, want kind %v (ok %v)", err, fault.KindOf(err), c.kind, c.ok)
			}
			if ran != c.ran {
				t.Errorf("body ran: %v", ran)
			}
			if c.policy.plans != 1 {
				t.Errorf("%d plans", c.policy.plans)
			}
			if r.waits > 1 {
				t.Errorf("waited %d times for the disk", r.waits)
			}
			want := []audit.Event{c.want}
			if c.also != nil {
				want = append(want, *c.also)
			}
			for i := range want {
				want[i].Request, want[i].Time = request, now
				want[i].Request.Time = now
			}
			if d := cmp.Diff(want, r.events); d != "" {
				t.Errorf("record (-want +got):\n%s", d)
			}
			if err != nil && strings.Contains(err.Error(), "01815012345") {
				t.Error("the panic's value got into the error text")
			}
		})
	}
}

func TestPanicKeepsItsStackForTheLog(t *testing.T) {
	_, err := guard.Do(t.Context(), newGuard(&policy{}, &recorder{}), request, func(context.Context, *guard.Pass) (int, error) {
		var nobody *closer
		nobody.closed++ // nil
		return 0, nil
	})
	var p *guard.PanicError
	if !errors.As(err, &p) || !strings.Contains(string(p.Stack), "guard_test.go") {
		t.Fatalf("no stack of the panic in %v", err)
	}
	var re runtime.Error
	if !errors.As(err, &re) {
		t.Error("the runtime's error is not in the chain")
	}
	for _, problem := range fault.ProblemsOf(err) {
		if strings.Contains(problem.Context, "goroutine") || strings.Contains(problem.Context, "nil map") {
			t.Errorf("the caller is told %q", problem.Context)
		}
	}
}

// No receipt, no answer: the result is released and the error may be retried.
func TestRecordFailureFailsClosed(t *testing.T) {
	for name, r := range map[string]*recorder{
		"error": {err: errors.New("disk full")},
		"panic": {panics: true},
		"hangs": {block: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := &closer{}
			got, err := guard.Do(t.Context(), newGuard(&policy{}, r), request, func(context.Context, *guard.Pass) (*closer, error) { return c, nil })
			if fault.KindOf(err) != fault.Unavailable || len(fault.ProblemsOf(err)) != 1 {
				t.Errorf("error %v", err)
			}
			if got != nil || c.closed != 1 {
				t.Errorf("result %v, closed %d times", got, c.closed)
			}
			_, err = guard.Do(t.Context(), newGuard(&policy{}, r), request, fails(fault.New(fault.Invalid, "x", fault.RegistryMetadataError, "x")))
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("an unrecorded refusal left as %v", err)
			}
		})
	}
}

// A client that is gone is recorded all the same.
func TestRecordAfterCancel(t *testing.T) {
	r := &recorder{}
	ctx, cancel := context.WithCancel(t.Context())
	_, err := guard.Do(ctx, newGuard(&policy{}, r), request, func(ctx context.Context, p *guard.Pass) (int, error) {
		cancel()
		return 0, fault.Wrap(ctx.Err(), fault.Canceled, "x", fault.RegistryError, "x")
	})
	if fault.KindOf(err) != fault.Canceled || len(r.events) != 1 || r.events[0].Outcome != audit.Aborted {
		t.Errorf("error %v, records %v", err, r.events)
	}
	if r.ctxErr != nil || !r.limit {
		t.Errorf("the recorder's context: error %v, own deadline %v", r.ctxErr, r.limit)
	}
	p := &policy{}
	if _, err = guard.Do(ctx, newGuard(p, r), request, ok); fault.KindOf(err) != fault.Canceled || len(r.events) != 2 || p.plans != 0 {
		t.Errorf("cancelled before the plan: %v, %d records, %d plans", err, len(r.events), p.plans)
	}
}

// A goroutine that ends itself in the body leaves a record too.
func TestGoexit(t *testing.T) {
	r := &recorder{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = guard.Do(context.Background(), newGuard(&policy{}, r), request, func(context.Context, *guard.Pass) (int, error) {
			runtime.Goexit()
			return 0, nil
		})
	}()
	<-done
	if len(r.events) != 1 || r.events[0].Outcome != audit.Errored {
		t.Errorf("records %v", r.events)
	}
}

func TestRecordApart(t *testing.T) {
	r := &recorder{}
	if err := newGuard(&policy{}, r).Record(t.Context(), request, audit.Aborted, []access.Item{a}, wrong); err != nil {
		t.Fatal(err)
	}
	if len(r.events) != 1 || r.events[0].Outcome != audit.Aborted || len(r.events[0].Items) != 1 || len(r.events[0].Codes) != 1 {
		t.Errorf("records %+v", r.events)
	}
}

func BenchmarkDo(b *testing.B) {
	g := guard.New(guard.Options{Decider: allow{}, Recorder: nowhere{}, Clock: func() time.Time { return now }})
	items := make([]access.Item, 10)
	for i := range items {
		items[i] = access.Item{Kind: access.ItemEntry, ID: metadata.ID("x"), UniqueID: "u"}
	}
	b.ReportAllocs()
	for b.Loop() {
		_, err := guard.Do(b.Context(), g, request, func(ctx context.Context, p *guard.Pass) (io.Closer, error) {
			_, err := p.Decide(ctx, items)
			p.Showed(items...)
			return nil, err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

type nowhere struct{}

func (nowhere) Record(context.Context, *audit.Event) (audit.Receipt, error) {
	return audit.Receipt{}, nil
}

func (nowhere) RecordTwo(context.Context, *audit.Event, *audit.Event) error { return nil }

type allow struct{}

func (allow) Plan(context.Context, access.Request) (access.Plan, error) {
	return access.Plan{Effect: access.Allow}, nil
}

func (allow) Decide(_ context.Context, _ access.Request, items []access.Item) ([]access.Decision, error) {
	out := make([]access.Decision, len(items))
	for i := range out {
		out[i].Effect = access.Allow
	}
	return out, nil
}

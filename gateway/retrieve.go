package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
)

// Retrieve asks each community for the documents that it holds, all communities at
// the same time. It returns when it is known which documents come; the bytes stream
// when Bodies are read, one after another. A community that fails before that costs
// a problem per document; one that fails later breaks its Body.
func (g *Gateway) Retrieve(ctx context.Context, c access.Caller, requests []metadata.DocumentRequest, own *Leg) (*Retrieved, error) {
	groups, problems := g.group(requests, own)
	opened := make([]*Retrieved, len(groups))
	all := &Retrieved{Problems: problems}
	all.OnClose(func() error {
		var errs []error
		for _, r := range opened {
			if r != nil {
				errs = append(errs, r.Close())
			}
		}
		return errors.Join(errs...)
	})
	ok := false
	defer func() {
		if !ok {
			_ = all.Close() // nothing was read from it
		}
	}()
	if err := g.openAll(ctx, c, groups, opened); err != nil {
		return nil, err
	}
	for _, streaming := range []bool{false, true} { // so that one that breaks off takes none with it that is here
		for _, r := range opened {
			if r.streaming == streaming {
				all.Documents = append(all.Documents, r.Documents...)
			}
		}
	}
	for _, r := range opened {
		all.Problems = append(all.Problems, r.Problems...)
	}
	ok = true
	return all, nil
}

// openAll asks the groups at the same time. The own community is asked in this
// goroutine, for it decides under the pass of this request; whatever happens to it, the
// others have ended when this does.
func (g *Gateway) openAll(ctx context.Context, c access.Caller, groups []group, opened []*Retrieved) error {
	var wait sync.WaitGroup
	defer wait.Wait()
	mine := -1
	for i := range groups {
		if groups[i].member == nil {
			mine = i
			continue
		}
		wait.Go(func() { opened[i] = g.open(ctx, c, &groups[i], len(groups) > 1) })
	}
	if mine >= 0 {
		opened[mine] = openOwn(ctx, c, &groups[mine])
	}
	wait.Wait()
	if err := ctx.Err(); err != nil {
		return fault.Wrap(err, fault.Canceled, "gateway.Retrieve", fault.RegistryBusy, "The request was given up before the communities had answered.")
	}
	return nil
}

// group is what one community is asked for.
type group struct {
	target
	requests []metadata.DocumentRequest
}

// group sorts the requests by community (ITI TF-2 3.39.4.1.3). Problems have the
// document as location, as in ITI-43.
func (g *Gateway) group(requests []metadata.DocumentRequest, own *Leg) (groups []group, problems []fault.Problem) {
	d := g.members.Load()
	at := map[*member]int{} // nil: the own community
	for _, r := range requests {
		if r.Home == "" {
			problems = append(problems, fault.Problem{Code: fault.MissingHomeCommunityID, Location: r.UniqueID,
				Context: "The request for this document needs its HomeCommunityId, so that the gateway knows which community to ask."})
			continue
		}
		t, wrong := d.holder(&r, own)
		if wrong != nil {
			problems = append(problems, *wrong)
			continue
		}
		i, ok := at[t.member]
		if !ok {
			i = len(groups)
			at[t.member] = i
			groups = append(groups, group{target: t})
		}
		groups[i].requests = append(groups[i].requests, r)
	}
	return groups, problems
}

// open asks one community, beside others or alone. It never returns nil.
func (g *Gateway) open(ctx context.Context, c access.Caller, a *group, beside bool) *Retrieved {
	m, start := a.member, g.o.Clock()
	r, err := g.openRemote(ctx, c, m, a.requests, beside)
	now := g.o.Clock()
	count := 0
	outcome := err
	if err == nil {
		count, outcome = len(r.Documents), r.lost
	}
	m.stats.done(now, now.Sub(start), count, false, outcome)
	if g.o.Observe != nil {
		g.o.Observe(m.Home, false, count, now.Sub(start), outcome)
	}
	if err != nil {
		return a.failed(err, m.problem(err))
	}
	r.Problems = a.placed(r.Problems)
	return r
}

// openOwn asks the own community. It never returns nil.
func openOwn(ctx context.Context, c access.Caller, a *group) *Retrieved {
	r, err := a.leg.Community.Retrieve(ctx, c, a.requests)
	if err != nil {
		return a.failed(err, fault.Problem{Code: fault.RegistryError, Context: "The own community could not answer. Ask again later."})
	}
	return r
}

// failed tells of each document that it does not come.
func (a *group) failed(err error, reason fault.Problem) *Retrieved {
	var f *fault.Error
	if errors.As(err, &f) && len(f.Problems) > 0 {
		if a.member == nil {
			return &Retrieved{Problems: f.Problems}
		}
		return &Retrieved{Problems: a.placed(f.Problems)}
	}
	r := &Retrieved{}
	for i := range a.requests {
		p := reason
		p.Location = a.requests[i].UniqueID
		r.Problems = append(r.Problems, p)
	}
	return r
}

// openRemote keeps the community's place until the answer is closed. The deadline
// ends with the beginning of the answer; from then on bytes must keep coming.
func (g *Gateway) openRemote(parent context.Context, c access.Caller, m *member, requests []metadata.DocumentRequest, beside bool) (*Retrieved, error) {
	ctx, cancel := context.WithCancelCause(parent)
	late := time.AfterFunc(m.limits.Deadline, func() { cancel(errSlow) })
	leave, err := m.enter(ctx, m.breaker)
	if err != nil {
		late.Stop()
		cancel(nil)
		return nil, err
	}
	var r *Retrieved
	why := func(err error) error { return explain(parent, ctx, err) }
	err = guarded(func() (err error) {
		if r, err = m.Community.Retrieve(ctx, c, requests); err == nil && beside {
			r.ahead(m, why)
		}
		return err
	})
	if !late.Stop() && err == nil && r.lost == nil {
		err = errors.Join(errSlow, r.Close())
	}
	if err != nil {
		err = why(err)
		cancel(nil)
		leave(err)
		return nil, err
	}
	var once sync.Once
	broken := r.lost
	end := func() error {
		err := r.Close()
		once.Do(func() {
			cancel(nil)
			leave(broken)
			if broken != r.lost {
				m.stats.brokeOff(g.o.Clock(), broken)
			}
		})
		return err
	}
	watched := &Retrieved{Problems: r.Problems, Documents: make([]Document, len(r.Documents)), lost: r.lost, streaming: r.streaming}
	watched.OnClose(end)
	shared := &taking{}
	for i, d := range r.Documents {
		d.Body = &flow{r: d.Body, m: m, ctx: ctx, cancel: cancel, parent: parent, broken: &broken, taking: shared}
		watched.Documents[i] = d
	}
	if !beside { // nobody waits for it but its own reader: as long as it comes, it may take its time
		err = guarded(func() error { watched.ahead(m, why); return nil })
		if err == nil {
			err = watched.lost
		}
		broken, r.lost = err, err // told of once, by open
		if err != nil && watched.lost == nil {
			return nil, errors.Join(err, watched.Close())
		}
	}
	return watched, nil
}

// guarded makes a panic of a codec its community's failure only.
func guarded(do func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: panic with a %T", errBroken, v)
		}
	}()
	return do()
}

// flow is a body that must keep coming while it is read: flowBytes, or its end, before
// the time that was waited for them is more than the member's Stall.
type flow struct {
	r      io.Reader
	m      *member
	ctx    context.Context // what the community was asked under; cancel ends it
	cancel context.CancelCauseFunc
	parent context.Context
	broken *error
	taking *taking       // of all documents of the answer, for they share a connection
	waited time.Duration // since the last flowBytes
	came   int
}

const flowBytes = 64 << 10

// taking is how an answer is read by whoever asked for it.
type taking struct {
	last   time.Time // when it was last read; zero: never
	paused bool      // for longPause at some time
}

// longPause is how long an answer may lie untaken before it is no wonder that the community
// ends the connection: that is not held against it.
const longPause = 5 * time.Second

func (t *taking) begin() {
	t.paused = t.paused || !t.last.IsZero() && time.Since(t.last) >= longPause
}

func (t *taking) end() { t.last = time.Now() }

func (f *flow) Read(b []byte) (int, error) {
	f.taking.begin()
	defer f.taking.end()
	start := time.Now()
	stalled := time.AfterFunc(f.m.limits.Stall-f.waited, func() { f.cancel(errStall) })
	n, err := f.r.Read(b)
	stalled.Stop()
	// The cause is asked, not the timer: it may have run out beside the last byte of the Read before.
	if err != nil && err != io.EOF && context.Cause(f.ctx) == errStall {
		err = fmt.Errorf("%w: %w", errStall, err)
	}
	f.waited += time.Since(start)
	if f.came += n; f.came >= flowBytes {
		f.waited, f.came = 0, 0
	}
	switch stall := errors.Is(err, errStall); {
	case err == nil || err == io.EOF || f.parent.Err() != nil:
	case f.taking.paused && !stall:
		err = fmt.Errorf("%w: %w", errUntaken, err)
	default:
		*f.broken = err
	}
	return n, err
}

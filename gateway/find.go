package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/spool"
	"samdok/metadata"
)

// Sink takes what Find finds. Its functions are called in the goroutine of Find; an
// error of one ends it.
type Sink struct {
	// Show gets each object; isOwn tells those of the own community.
	Show func(o metadata.Object, isOwn bool) error
	// Idle is called when nothing else has come yet, and at the end, so that what was
	// shown can be worked on together. nil: nobody waits for that.
	Idle func() error
}

func (s Sink) idle() error {
	if s.Idle == nil {
		return nil
	}
	return s.Idle()
}

// Find asks all communities that may answer, the own one among them when own is
// not nil, and shows each answer when all of it has come, while others are still
// under way. Problems name what is missing; an error means that the answer is of no use.
// Objects keep the ids, codes and homeCommunityIds that they came with, and the order
// within their community.
func (g *Gateway) Find(ctx context.Context, c access.Caller, q metadata.StoredQuery, own *Leg, to Sink) ([]fault.Problem, error) {
	d := g.members.Load() // for all of the query, whatever the directory is meanwhile
	targets, problems, err := g.route(ctx, c, d, q, own)
	if err != nil {
		return nil, err
	}
	asking, stop := context.WithCancel(ctx)
	answers, came := make([]answer, len(targets)), make(chan int, len(targets))
	var wait sync.WaitGroup
	defer func() {
		stop()
		wait.Wait()
		for i := range answers {
			answers[i].close()
		}
	}()
	mine, asked := -1, 0
	for i := range targets {
		if targets[i].member == nil {
			mine = i
			continue
		}
		asked++
		wait.Go(func() {
			g.query(asking, c, d, q, targets[i], own, &answers[i])
			came <- i
		})
	}
	if mine >= 0 { // here, for it decides under the pass of this request
		g.queryOwn(ctx, c, q, own, &answers[mine])
		if err := answers[mine].show(to.Show, true); err != nil {
			return nil, err
		}
	}
	for range asked {
		i, err := next(came, to.idle)
		if err != nil {
			return nil, err
		}
		if err := answers[i].show(to.Show, false); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, fault.Wrap(err, fault.Canceled, "gateway.Find", fault.RegistryBusy, "The request was given up before the communities had answered.")
	}
	if err := to.idle(); err != nil {
		return nil, err
	}
	for i := range answers {
		problems = append(problems, answers[i].problems...)
	}
	return problems, nil
}

// next is the next answer that came. It is idle before it waits.
func next(came <-chan int, idle func() error) (int, error) {
	select {
	case i := <-came:
		return i, nil
	default:
	}
	if err := idle(); err != nil {
		return 0, err
	}
	return <-came, nil
}

// answer of one community.
type answer struct {
	hold     *hold // nil: nothing of it is used
	problems []fault.Problem
}

// show gives the objects away and forgets them.
func (a *answer) show(show func(metadata.Object, bool) error, isOwn bool) error {
	if a.hold == nil {
		return nil
	}
	defer a.close()
	return a.hold.each(func(o metadata.Object) error { return show(o, isOwn) })
}

func (a *answer) close() {
	if a.hold != nil {
		a.hold.close()
		a.hold = nil
	}
}

// query asks one community.
func (g *Gateway) query(ctx context.Context, c access.Caller, d *directory, q metadata.StoredQuery, t target, own *Leg, a *answer) {
	m, start := t.member, g.o.Clock()
	within, cancel := m.within(ctx)
	defer cancel()
	check := homes{d: d, m: m, own: own}
	err := g.ask(ctx, within, m, m.breaker, func() error {
		var err error
		for sent := 1; ; sent++ {
			a.close()
			a.hold, check.lost, check.foreign = g.newHold(m.limits.Quota), nil, nil
			a.problems, err = g.find(within, c, m, q, t.hint, &check, a.hold)
			if !m.retry(within, err, sent) {
				return err
			}
		}
	})
	count := 0
	if a.hold != nil {
		count = a.hold.count
	}
	if err != nil {
		a.close()
		count = 0
	}
	now := g.o.Clock()
	m.stats.done(now, now.Sub(start), count, true, err)
	if g.o.Observe != nil {
		g.o.Observe(m.Home, true, count, now.Sub(start), err)
	}
	g.judge(&t, q.Query, count, err)
	a.problems = m.judge(a.problems, err)
	a.problems = append(a.problems, check.problems()...)
}

// ask runs one request to a community inside its limits. A panic of a codec is its
// failure only.
func (g *Gateway) ask(parent, within context.Context, m *member, by *breaker, do func() error) (err error) {
	leave, err := m.enter(within, by)
	if err != nil {
		return explain(parent, parent, err)
	}
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%w: panic with a %T", errBroken, v)
		}
		leave(err)
	}()
	return explain(parent, within, do())
}

func (g *Gateway) queryOwn(ctx context.Context, c access.Caller, q metadata.StoredQuery, own *Leg, a *answer) {
	hold := g.newHold(0)
	problems, err := own.Community.Find(ctx, c, q, hold.add)
	if err != nil {
		hold.close()
		if problems = fault.ProblemsOf(err); len(problems) == 0 {
			problems = []fault.Problem{{Code: fault.RegistryError, Context: "The own community could not answer. Ask again later."}}
		}
		a.problems = located(problems, own.Homes[0])
		return
	}
	a.hold, a.problems = hold, located(problems, own.Homes[0])
}

// find sends the query and keeps what belongs to the community.
func (m *member) find(ctx context.Context, c access.Caller, q metadata.StoredQuery, check *homes, h *hold) ([]fault.Problem, error) {
	problems, err := m.Community.Find(ctx, c, q, func(o metadata.Object) error {
		if !check.ok(o) {
			return nil
		}
		return h.add(o)
	})
	var limit *spool.LimitError
	if errors.As(err, &limit) {
		return nil, fault.New(fault.TooLarge, "gateway.Find", fault.TooManyResults,
			"The answer of the community %s is larger than %d octets, the %s at this gateway. Ask it for less.", m.label(), limit.Max, limit.Name)
	}
	return problems, err
}

// judge are the problems to be told of a community's answer: XDSUnknownPatientId is
// not one here (ITI TF-2 3.38.4.1.3), and each has a location.
func (m *member) judge(problems []fault.Problem, err error) []fault.Problem {
	var f *fault.Error
	switch {
	case abandoned(err):
		return nil
	case errors.As(err, &f):
		problems = f.Problems
	case err != nil:
		return []fault.Problem{m.problem(err)}
	}
	kept := make([]fault.Problem, 0, len(problems))
	for _, p := range problems {
		if p.Code != fault.UnknownPatientID {
			kept = append(kept, p)
		}
	}
	return located(kept, m.Home)
}

// located gives problems without a location the community's.
func located(problems []fault.Problem, home string) []fault.Problem {
	out := make([]fault.Problem, len(problems))
	for i, p := range problems {
		if p.Location == "" {
			p.Location = home
		}
		out[i] = p
	}
	return out
}

// homes checks where objects say they come from.
type homes struct {
	d             *directory
	m             *member
	own           *Leg     // nobody else answers for it
	lost, foreign []string // ids of dropped objects, some of them
	dropped       int
}

// maxNamed is how many dropped objects a problem names.
const maxNamed = 10

// ok tells whether an object may be shown: its home is one that the community may
// answer for. Associations need none (ITI TF-2 3.38.4.1.3).
func (h *homes) ok(o metadata.Object) bool {
	if _, ok := o.(*metadata.Association); ok {
		return true
	}
	home := metadata.HomeOf(o)
	list := &h.foreign
	switch owners := h.d.homes[home]; {
	case home == "":
		list = &h.lost
	case slices.Contains(owners, h.m):
		return true
	case h.own != nil && slices.Contains(h.own.Homes, home):
	case owners == nil && h.m.Bridge:
		return true
	}
	if len(*list) < maxNamed {
		*list = append(*list, string(o.ObjectID()))
	}
	h.dropped++
	return false
}

func (h *homes) problems() (all []fault.Problem) {
	if len(h.lost) > 0 {
		all = append(all, fault.Problem{Code: fault.MissingHomeCommunityID, Location: h.m.Home,
			Context: "The gateway of " + h.m.label() + " answered objects without homeCommunityId, which are left out: " + strings.Join(h.lost, ", ") + "."})
	}
	if len(h.foreign) > 0 {
		all = append(all, fault.Problem{Code: fault.UnknownCommunity, Location: h.m.Home,
			Context: "The gateway of " + h.m.label() + " answered objects with a homeCommunityId that is not its own, which are left out: " + strings.Join(h.foreign, ", ") + "."})
	}
	return all
}

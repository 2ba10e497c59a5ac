package gateway

import (
	"context"
	"slices"
	"sync"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/metadata"
)

// known is what the locator and the Health Data Locators together know of a patient.
// They are asked at the same time; of whom one did not answer nothing is sure.
func (g *Gateway) known(ctx context.Context, c access.Caller, d *directory, patient metadata.PatientID) (all Located) {
	said := make(chan []where, 1)
	go func() { said <- g.everywhere(ctx, c, d, patient) }()
	if g.o.Locate != nil {
		if l, err := g.o.Locate(ctx, c, patient); err == nil {
			all = l
		}
	}
	for i, w := range <-said {
		all.add(d.locators[i], w)
	}
	return all
}

// everywhere asks all Health Data Locators.
func (g *Gateway) everywhere(ctx context.Context, c access.Caller, d *directory, patient metadata.PatientID) []where {
	said := make([]where, len(d.locators))
	var wait sync.WaitGroup
	for i, m := range d.locators {
		wait.Go(func() { said[i] = g.where(ctx, c, m, patient) })
	}
	wait.Wait()
	return said
}

// where is what a Health Data Locator answered.
type where struct {
	locations []discovery.Location
	err       error
}

// where asks one Health Data Locator. Its breaker is another one than for documents: to
// be slow here must not cost those.
func (g *Gateway) where(ctx context.Context, c access.Caller, m *member, patient metadata.PatientID) (w where) {
	within, cancel := context.WithTimeoutCause(ctx, min(m.limits.Deadline, g.o.LocateWithin), errSlow)
	defer cancel()
	w.err = g.ask(ctx, within, m, m.locating, func() error {
		there, _, err := g.identify(within, c, m, patient)
		if err == nil {
			w.locations, err = m.Where(within, c, there)
		}
		return err
	})
	m.stats.located(g.o.Clock(), w.err)
	return w
}

// add takes what a Health Data Locator said. Who is named with two ids is named without
// any.
func (l *Located) add(m *member, w where) {
	if w.err != nil {
		return
	}
	named := make([]string, 0, len(w.locations))
	for _, at := range w.locations {
		named = append(named, at.Home)
		if l.IDs == nil {
			l.IDs = map[string]metadata.PatientID{}
		}
		if id, there := l.IDs[at.Home]; there && id != at.ID {
			at.ID = metadata.PatientID{}
		}
		l.IDs[at.Home] = at.ID
	}
	l.Named = append(l.Named[:len(l.Named):len(l.Named)], named...)
	for _, home := range m.Knows {
		if !slices.Contains(named, home) {
			l.Absent = append(l.Absent, home)
		}
	}
}

// hint is the id that a member has for the patient; nil: that is not known, or it has
// several.
func (l *Located) hint(m *member) (hint *metadata.PatientID) {
	for _, home := range append([]string{m.Home}, m.Others...) {
		id, ok := l.IDs[home]
		switch {
		case !ok:
		case id == metadata.PatientID{} || hint != nil && *hint != id:
			return nil
		default:
			hint = &id
		}
	}
	return hint
}

// Where tells where a patient has data: the communities that Health Data Locators name
// (ITI-56), and those that said themselves that they have the patient, as far as that is
// remembered. Each stands once. Problems name locators that did not answer.
func (g *Gateway) Where(ctx context.Context, c access.Caller, patient metadata.PatientID) (all []discovery.Location, problems []fault.Problem) {
	d := g.members.Load()
	for i, said := range g.everywhere(ctx, c, d, patient) {
		all = append(all, said.locations...)
		if unanswered(said.err) != nil {
			problems = append(problems, d.locators[i].problem(said.err))
		}
	}
	all = append(all, g.Elsewhere(patient)...)
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(l discovery.Location) bool {
		again := seen[l.Home]
		seen[l.Home] = true
		return again
	}), problems
}

// Discovered is what communities said of who a patient is.
type Discovered struct {
	discovery.Answer
	// Problems name communities that gave no answer.
	Problems []fault.Problem
}

// Discover asks at the same time all communities that have ids of their own who a
// patient is (ITI-55). patient is under which id consumers ask for documents: what a
// community says of one patient is remembered for their queries, as long as it allows.
// nil: it is not sure whom the question means here, and nothing is remembered.
func (g *Gateway) Discover(ctx context.Context, c access.Caller, q discovery.Query, patient *metadata.PatientID) (out Discovered) {
	var members []*member
	for _, m := range g.members.Load().list {
		if m.Discover != nil {
			members = append(members, m)
		}
	}
	answers, errs := make([]discovery.Answer, len(members)), make([]error, len(members))
	var wait sync.WaitGroup
	for i, m := range members {
		wait.Go(func() { answers[i], errs[i] = g.who(ctx, c, m, q, patient) })
	}
	wait.Wait()
	for i, m := range members {
		out.Candidates = append(out.Candidates, answers[i].Candidates...)
		for _, a := range answers[i].More {
			if !slices.Contains(out.More, a) {
				out.More = append(out.More, a)
			}
		}
		out.Problems = append(out.Problems, m.judge(nil, errs[i])...)
	}
	return out
}

// who asks one community.
func (g *Gateway) who(ctx context.Context, c access.Caller, m *member, q discovery.Query, patient *metadata.PatientID) (answer discovery.Answer, err error) {
	start := g.o.Clock()
	within, cancel := m.within(ctx)
	defer cancel()
	err = g.ask(ctx, within, m, m.breaker, func() error {
		found, keep, err := g.askWho(within, c, m, q)
		if err != nil {
			return err
		}
		if there, ok := one(found.Candidates); ok && patient != nil {
			g.ids.Keep(m.Home, *patient, there, keep)
		}
		answer = found
		return nil
	})
	now := g.o.Clock()
	m.stats.done(now, now.Sub(start), 0, false, err)
	m.stats.discovered(err)
	return answer, err
}

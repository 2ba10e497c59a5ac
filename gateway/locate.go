package gateway

import (
	"context"
	"math/rand/v2"
	"reflect"
	"slices"

	"samdok/access"
	"samdok/metadata"
)

// Located is what a locator knows of a patient.
type Located struct {
	// Named are communities that hold something.
	Named []string
	// Silent are communities of which it is sure that they hold nothing under the id that
	// was asked about, Absent those that hold nothing under any id.
	Silent, Absent []string
	// IDs are the patient's in communities; nil: nobody said.
	IDs map[string]metadata.PatientID
}

// Why a community was asked.
type Why uint8

const (
	// WhyChosen: by the request, or because no locator was asked.
	WhyChosen Why = iota
	// WhyNamed: the locator named it.
	WhyNamed
	// WhyUnsure: the locator knows too little of it, or did not answer.
	WhyUnsure
	// WhyProbe: the locator is sure that it holds nothing, and this is tried now and
	// then.
	WhyProbe
)

var whyNames = [...]string{"chosen", "named", "unsure", "probe"}

func (w Why) String() string { return whyNames[w] }

// located chooses the members that are asked about a patient.
func (g *Gateway) located(ctx context.Context, c access.Caller, d *directory, patient metadata.CX) (all []target) {
	id, err := patient.Patient()
	if err != nil || g.o.Locate == nil && len(d.locators) == 0 {
		for _, m := range d.list {
			all = append(all, target{member: m})
		}
		return all
	}
	known := g.known(ctx, c, d, id)
	probe := g.o.Probe > 0 && rand.Float64() < g.o.Probe
	for _, m := range d.list {
		why := m.why(&known)
		if why == WhyProbe && !probe {
			m.stats.skip()
			continue
		}
		all = append(all, target{member: m, why: why, hint: known.hint(m)})
	}
	return all
}

// why is WhyProbe for a member that need not be asked. A bridge also answers for
// communities that nobody has heard of, and who has ids of its own for patients does
// not state them under those that are asked about.
func (m *member) why(known *Located) Why {
	same := m.Authority == "" && m.Discover == nil
	silent := !m.Bridge
	for _, home := range append([]string{m.Home}, m.Others...) {
		if slices.Contains(known.Named, home) {
			return WhyNamed
		}
		silent = silent && (same && slices.Contains(known.Silent, home) || slices.Contains(known.Absent, home))
	}
	if silent {
		return WhyProbe
	}
	return WhyUnsure
}

// judge tells how right it was to ask a community: a needless question was named and
// has nothing, a miss was not named and has something. Queries that select say
// nothing about that.
func (g *Gateway) judge(t *target, q metadata.Query, objects int, err error) {
	if t.why == WhyChosen || !selectsNothing(q) {
		return
	}
	result := "empty"
	switch {
	case unanswered(err) != nil:
		result = "failed"
	case objects > 0:
		result = "found"
	}
	t.stats.judged(t.why, result)
	if g.o.Judged != nil {
		g.o.Judged(t.why, result)
	}
}

// selectsNothing tells whether a query asks for all documents of a patient, but for
// their status.
func selectsNothing(q metadata.Query) bool {
	switch q := q.(type) {
	case *metadata.FindDocuments:
		f := q.Filter
		f.Status = nil
		return reflect.ValueOf(f).IsZero()
	case *metadata.GetAll:
		return true
	}
	return false
}

func (s *stats) skip() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Skipped++
}

func (s *stats) judged(why Why, result string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case why == WhyProbe:
		s.s.Probed++
		if result == "found" {
			s.s.Missed++
		}
	case why == WhyNamed && result == "empty":
		s.s.Needless++
	}
}

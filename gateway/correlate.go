package gateway

import (
	"context"
	"errors"
	"slices"
	"time"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/metadata"
)

// errStranger: the community does not have the patient, so there is nothing to ask.
var errStranger = errors.New("gateway: the community does not know the patient")

// translated is a query with the patient id as a community knows it.
type translated struct {
	metadata.StoredQuery
	patient    metadata.PatientID // whom it was asked about, when it was correlated
	correlated bool
	remembered bool // from an answer before
}

// translate finds the patient id of a query in a community: the same, the same of
// another authority, or the one that the community says itself (ITI-55). hint is the id
// that a Health Data Locator named; nil: none did.
func (g *Gateway) translate(ctx context.Context, c access.Caller, m *member, q metadata.StoredQuery, hint *metadata.PatientID) (translated, error) {
	cx := patientOf(q.Query)
	if cx == nil || m.Authority == "" && m.Discover == nil {
		return translated{StoredQuery: q}, nil
	}
	id, err := cx.Patient()
	if err != nil {
		return translated{}, err
	}
	t := translated{StoredQuery: q, patient: id, correlated: m.Discover != nil}
	if hint != nil && t.correlated {
		id, t.remembered = *hint, true
	} else if id, t.remembered, err = g.identify(ctx, c, m, id); err != nil {
		return translated{}, err
	}
	t.Query = withPatient(q.Query, id.CX())
	return t, nil
}

// identify is who a patient is in a community.
func (g *Gateway) identify(ctx context.Context, c access.Caller, m *member, patient metadata.PatientID) (there metadata.PatientID, remembered bool, err error) {
	switch {
	case m.Discover != nil:
		if there, ok := g.ids.Get(m.Home, patient); ok {
			m.stats.remembered()
			return there, true, nil
		}
		there, err = g.discover(ctx, c, m, patient)
		m.stats.discovered(err)
		return there, false, err
	case m.Authority != "":
		patient.Authority = m.Authority
	}
	return patient, false, nil
}

// discover asks a community who a patient is there, and keeps its answer as long as it
// says. Several patients that may be meant are nobody: the wrong one would be worse.
func (g *Gateway) discover(ctx context.Context, c access.Caller, m *member, patient metadata.PatientID) (there metadata.PatientID, err error) {
	q := discovery.Query{IDs: []metadata.PatientID{patient}}
	if g.o.Person != nil {
		if q.Person, err = g.o.Person(ctx, patient); err != nil {
			return there, err
		}
	}
	answer, keep, err := g.askWho(ctx, c, m, q)
	if err != nil {
		return there, err
	}
	there, known := one(answer.Candidates)
	switch {
	case len(answer.Candidates) == 0 && len(answer.More) == 0:
		return there, errStranger
	case !known:
		return there, fault.New(fault.Conflict, "gateway.discover", fault.UnavailableCommunity,
			"The community %s has several patients who may be meant, and was not asked for documents. Its documents are missing from this answer.", m.label())
	}
	g.ids.Keep(m.Home, patient, there, keep)
	return there, nil
}

// askWho sends ITI-55 to a community. Candidates in the name of others are left out.
func (g *Gateway) askWho(ctx context.Context, c access.Caller, m *member, q discovery.Query) (answer discovery.Answer, keep time.Duration, err error) {
	answer, keep, err = m.Discover(ctx, c, q)
	var trouble *discovery.Error
	if errors.As(err, &trouble) {
		return answer, 0, fault.New(fault.Unavailable, "gateway.discover", fault.UnavailableCommunity,
			"The community %s could not say who the patient is there (%s). Its documents are missing from this answer.", m.label(), trouble.Trouble)
	}
	d := g.members.Load()
	answer.Candidates = slices.DeleteFunc(answer.Candidates, func(a discovery.Candidate) bool {
		return !m.owner(a.Home) && !(m.Bridge && d.homes[a.Home] == nil)
	})
	return answer, keep, err
}

// one is the id that all candidates have: there may be one for each community behind a
// bridge. false: there are none, or several ids.
func one(all []discovery.Candidate) (there metadata.PatientID, ok bool) {
	for i := range all {
		if i > 0 && all[i].ID != there {
			return there, false
		}
		there = all[i].ID
	}
	return there, len(all) > 0
}

// find sends a query to a community that may have to be asked first who the patient is.
// A community that no longer knows an id that was remembered, or that a locator named, is
// asked again.
func (g *Gateway) find(ctx context.Context, c access.Caller, m *member, q metadata.StoredQuery, hint *metadata.PatientID, check *homes, h *hold) ([]fault.Problem, error) {
	for {
		t, err := g.translate(ctx, c, m, q, hint)
		if errors.Is(err, errStranger) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		problems, err := m.find(ctx, c, t.StoredQuery, check, h)
		if t.correlated && unknownThere(problems, err) {
			g.ids.Revoke(m.Home, t.patient)
			if hint = nil; t.remembered && h.count == 0 {
				continue
			}
		}
		return problems, err
	}
}

// unknownThere: the community says that it does not know the patient.
func unknownThere(problems []fault.Problem, err error) bool {
	var f *fault.Error
	if errors.As(err, &f) {
		problems = f.Problems
	}
	for i := range problems {
		if problems[i].Code == fault.UnknownPatientID {
			return true
		}
	}
	return false
}

// Elsewhere are the communities that said that they have a patient, as far as that is
// remembered.
func (g *Gateway) Elsewhere(patient metadata.PatientID) []discovery.Location {
	return g.ids.Of(patient)
}

// Forget forgets which ids patients have in other communities: who they are has changed.
func (g *Gateway) Forget(patients ...metadata.PatientID) { g.ids.Forget(patients...) }

package gateway

import (
	"context"
	"errors"

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
// another authority, or the one that the community says itself (ITI-55).
func (g *Gateway) translate(ctx context.Context, c access.Caller, m *member, q metadata.StoredQuery) (translated, error) {
	cx := patientOf(q.Query)
	if cx == nil || m.Authority == "" && m.Discover == nil {
		return translated{StoredQuery: q}, nil
	}
	id, err := cx.Patient()
	if err != nil {
		return translated{}, err
	}
	t := translated{StoredQuery: q, patient: id, correlated: m.Discover != nil}
	if t.correlated {
		if id, t.remembered = g.ids.Get(m.Home, id); t.remembered {
			m.stats.remembered()
		} else {
			id, err = g.discover(ctx, c, m, t.patient)
			m.stats.discovered(err)
			if err != nil {
				return translated{}, err
			}
		}
	} else {
		id.Authority = m.Authority
	}
	t.Query = withPatient(q.Query, id.CX())
	return t, nil
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
	answer, keep, err := m.Discover(ctx, c, q)
	var trouble *discovery.Error
	if errors.As(err, &trouble) {
		return there, fault.New(fault.Unavailable, "gateway.discover", fault.UnavailableCommunity,
			"The community %s could not say who the patient is there (%s). Its documents are missing from this answer.", m.label(), trouble.Trouble)
	}
	if err != nil {
		return there, err
	}
	var mine []discovery.Candidate
	for _, a := range answer.Candidates {
		if m.owner(a.Home) || m.Bridge && g.members.Load().homes[a.Home] == nil {
			mine = append(mine, a)
		}
	}
	switch {
	case len(mine) == 0 && len(answer.More) == 0:
		return there, errStranger
	case len(mine) != 1:
		return there, fault.New(fault.Conflict, "gateway.discover", fault.UnavailableCommunity,
			"The community %s has several patients who may be meant, and was not asked for documents. Its documents are missing from this answer.", m.label())
	}
	g.ids.Keep(m.Home, patient, mine[0].ID, keep)
	return mine[0].ID, nil
}

// find sends a query to a community that may have to be asked first who the patient is.
// A community that no longer knows an id that was remembered is asked again.
func (g *Gateway) find(ctx context.Context, c access.Caller, m *member, q metadata.StoredQuery, check *homes, h *hold) ([]fault.Problem, error) {
	for {
		t, err := g.translate(ctx, c, m, q)
		if errors.Is(err, errStranger) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		problems, err := m.find(ctx, c, t.StoredQuery, check, h)
		if t.correlated && unknownThere(problems, err) {
			g.ids.Revoke(m.Home, t.patient)
			if t.remembered && h.count == 0 {
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

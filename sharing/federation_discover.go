package sharing

import (
	"context"
	"errors"

	"samdok/access"
	"samdok/access/guard"
	"samdok/discovery"
	"samdok/metadata"
)

var _ Discoverer = (*Federation)(nil)

// Discover implements Discoverer over communities: who a patient is here, and in all that
// have ids of their own. What they say serves later queries of documents too.
func (f *Federation) Discover(ctx context.Context, c access.Caller, q discovery.Query) (discovery.Answer, error) {
	req := f.request(c, access.ActionDiscover, "ITI-55", "ITI-55")
	req.Patients = q.IDs
	answer, err := guard.Do(ctx, f.o.Guard, req, func(ctx context.Context, pass *guard.Pass) (discovery.Answer, error) {
		answer, err := f.discover(ctx, pass, c, q)
		noteTrouble(pass, err)
		return answer, err
	})
	if isDenied(err) {
		return discovery.Answer{}, nil
	}
	return answer, err
}

func (f *Federation) discover(ctx context.Context, pass *guard.Pass, c access.Caller, q discovery.Query) (discovery.Answer, error) {
	next, err := f.passedOn(c)
	if err != nil {
		return discovery.Answer{}, err
	}
	if len(q.IDs) == 0 && !q.Demographic() {
		return discovery.Answer{}, unanswerable("The query says too little: a patient id, or a name and when the person was born, is needed.")
	}
	own, more, err := f.own(ctx, pass, &q)
	if err != nil {
		return discovery.Answer{}, err
	}
	patient, outward, err := f.meant(ctx, q, own)
	if err != nil {
		return discovery.Answer{}, err
	}
	said := f.o.Gateway.Discover(ctx, next, outward, patient)
	others, err := allowed(ctx, pass, said.Candidates, elsewhere(said.Candidates))
	if err != nil {
		return discovery.Answer{}, err
	}
	pass.SetProblems(said.Problems)
	all := append(own[:len(own):len(own)], others...)
	switch {
	case len(all) > 0:
		pass.Showed(append(items(own), elsewhere(others)...)...)
		return discovery.Answer{Candidates: all}, nil
	case len(more)+len(said.More) > 0:
		return discovery.Answer{More: joined(more, said.More)}, nil
	case len(said.Problems) > 0: // nobody was found, and somebody was not heard
		return discovery.Answer{}, &discovery.Error{Trouble: discovery.NotAvailable, Text: said.Problems[0].Context}
	}
	return discovery.Answer{}, nil
}

// elsewhere are candidates of other communities, which answer for them to the decider.
func elsewhere(found []discovery.Candidate) []access.Item {
	list := items(found)
	for i := range list {
		list[i].Controller = found[i].Home
	}
	return list
}

// own are the candidates of the own community that the caller may know of. That the
// query says too little for it is no trouble: others may know more.
func (f *Federation) own(ctx context.Context, pass *guard.Pass, q *discovery.Query) ([]discovery.Candidate, []discovery.Attribute, error) {
	if f.o.People == nil || f.o.Own == nil {
		return nil, nil, nil
	}
	answer, err := f.o.People.answer(ctx, pass, q)
	var trouble *discovery.Error
	if errors.As(err, &trouble) {
		return nil, nil, nil
	}
	for i := range answer.Candidates {
		answer.Candidates[i].Locator = false // asked here, not there
	}
	return answer.Candidates, answer.More, err
}

// meant is under which id the consumers here ask for the documents of whom a query is
// about, and what others are asked. patient is nil when that is not sure: what others say
// of somebody else must never be remembered of this patient. So the query may hold no
// other id, and no other person than the one known here.
func (f *Federation) meant(ctx context.Context, q discovery.Query, own []discovery.Candidate) (patient *metadata.PatientID, outward discovery.Query, err error) {
	switch {
	case len(q.IDs) > 1 || len(own) > 1 || len(q.IDs)+len(own) == 0:
		return nil, q, nil
	case len(own) == 1:
		patient = &own[0].ID
	default:
		patient = &q.IDs[0]
	}
	var known discovery.Person
	if f.o.People != nil {
		if known, err = f.o.People.Person(ctx, *patient); err != nil {
			return nil, q, err
		}
	}
	said := len(q.Names) > 0 || q.Birth != "" || q.Gender != ""
	switch {
	case !said: // as the gateway asks by itself
		q.Person = known
	case discovery.Degree(&q, known, false) == 0:
		return nil, q, nil
	}
	return patient, q, nil
}

func joined(a, b []discovery.Attribute) []discovery.Attribute {
	seen := map[discovery.Attribute]bool{}
	var all []discovery.Attribute
	for _, list := range [2][]discovery.Attribute{a, b} {
		for _, x := range list {
			if !seen[x] {
				seen[x] = true
				all = append(all, x)
			}
		}
	}
	return all
}

// LocatePatient implements Discoverer over communities: the Health Data Locators of the
// directory are asked, and what communities said before is remembered.
func (f *Federation) LocatePatient(ctx context.Context, c access.Caller, patient metadata.PatientID) ([]discovery.Location, error) {
	req := f.request(c, access.ActionLocatePatient, "ITI-56", "ITI-56")
	req.Patients = []metadata.PatientID{patient}
	all, err := guard.Do(ctx, f.o.Guard, req, func(ctx context.Context, pass *guard.Pass) ([]discovery.Location, error) {
		next, err := f.passedOn(c)
		if err != nil {
			return nil, err
		}
		item := access.Item{Kind: access.ItemPatient, Patient: patient}
		decisions, err := pass.Decide(ctx, []access.Item{item})
		if err != nil || decisions[0].Effect != access.Allow {
			return nil, err
		}
		all, problems := f.o.Gateway.Where(ctx, next, patient)
		pass.SetProblems(problems)
		if f.o.People != nil && f.o.Own != nil {
			own, ok, err := f.o.People.patient(ctx, patient)
			if err != nil {
				return nil, err
			}
			if ok {
				all = append([]discovery.Location{{Home: own.Home, ID: own.ID}}, all...)
			}
		}
		if len(all) > 0 {
			pass.Showed(item)
		}
		return all, nil
	})
	if isDenied(err) {
		return nil, nil
	}
	return all, err
}

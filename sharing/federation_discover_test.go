package sharing_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"samdok/access"
	"samdok/access/guard"
	"samdok/audit"
	"samdok/discovery"
	"samdok/gateway"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
)

// abroad is a community that has an id of its own for whoever it is asked about.
type abroad struct {
	neighbour
	id    string // "" for nobody
	err   error
	asked discovery.Query
}

func (a *abroad) discover(_ context.Context, c access.Caller, q discovery.Query) (discovery.Answer, time.Duration, error) {
	a.asked = q
	if a.id == "" || a.err != nil {
		return discovery.Answer{}, 0, a.err
	}
	return discovery.Answer{Candidates: []discovery.Candidate{{ID: metadata.PatientID{ID: a.id, Authority: "1.7"}, Home: elsewhereHome}}}, time.Hour, nil
}

func (a *abroad) where(context.Context, access.Caller, metadata.PatientID) ([]discovery.Location, error) {
	if a.err != nil {
		return nil, a.err
	}
	return []discovery.Location{{Home: elsewhereHome, ID: metadata.PatientID{ID: a.id, Authority: "1.7"}}}, nil
}

func federationWith(t *testing.T, a *abroad, names bool) (*world, *sharing.Federation, *gateway.Gateway) {
	t.Helper()
	var o sharing.Options
	w := newWorld(t, func(own *sharing.Options) { o = *own })
	w.provided(w.document())
	people := discoverer(w, func(d *sharing.DiscoveryOptions) { d.Names = names })
	g, err := gateway.New(gateway.Options{Clock: w.now, Person: people.Person}, []gateway.Member{{Home: elsewhereHome, Name: "elsewhere", Limits: gateway.Limits{Retries: -1}, Community: a, Discover: a.discover, Where: a.where}})
	if err != nil {
		t.Fatal(err)
	}
	return w, sharing.NewFederation(sharing.FederationOptions{Gateway: g, Guard: guard.New(guard.Options{Decider: w.policy, Recorder: w.records, Clock: w.now}), Tenant: o.Tenant, Own: w.Sharing, People: people}), g
}

// A consumer asks the gateway who a patient is: here and elsewhere, with one record. What
// others say is remembered for its queries only when it is about this patient for sure.
func TestFederationDiscover(t *testing.T) {
	other := metadatatest.New(99).Patient()
	person := func(p metadatatest.Patient) discovery.Person {
		return discovery.Person{Names: []discovery.Name{{Family: p.Family, Given: p.Given}}, Birth: born(p), Gender: p.Sex()}
	}
	for name, c := range map[string]struct {
		query      func(metadatatest.Patient) discovery.Query
		set        func(*world, *abroad)
		want       string // of the patient here, "own" and "far"
		remembered bool
		outcomes   []audit.Outcome
	}{
		"by id": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID()}}
		}, nil, "own far", true, nil},
		"by id and name": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID()}, Person: person(p)}
		}, nil, "own far", true, nil},
		"by name": {func(p metadatatest.Patient) discovery.Query { return discovery.Query{Person: person(p)} }, nil, "own far", true, nil},
		"another's name": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID()}, Person: person(other)}
		}, nil, "far", false, nil},
		"another's id too": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID(), other.ID()}}
		}, nil, "own far", false, nil},
		"only there": {func(metadatatest.Patient) discovery.Query { return discovery.Query{Person: person(other)} }, nil, "far", false, nil},
		"only here": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID()}}
		}, func(_ *world, a *abroad) { a.id = "" }, "own", false, nil},
		"nowhere": {func(metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{other.ID()}}
		}, func(_ *world, a *abroad) { a.id = "" }, "", false, nil},
		"here, others away": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID()}}
		}, func(_ *world, a *abroad) { a.err = errors.New("dial") }, "own", false, []audit.Outcome{audit.Success, audit.Failed}},
		"nobody, others away": {func(metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{other.ID()}}
		}, func(_ *world, a *abroad) { a.err = errors.New("dial") }, "AnswerNotAvailable", false, []audit.Outcome{audit.Errored}},
		"says nothing": {func(metadatatest.Patient) discovery.Query { return discovery.Query{} }, nil, "AnswerNotAvailable", false, []audit.Outcome{audit.Failed}},
		"hidden here": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID()}}
		}, func(w *world, _ *abroad) {
			w.policy.hide = func(i access.Item) bool { return i.Controller == "" }
		}, "far", true, nil},
		"hidden there": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID()}}
		}, func(w *world, _ *abroad) {
			w.policy.hide = func(i access.Item) bool { return i.Controller == elsewhereHome }
		}, "own", true, nil},
		"denied": {func(p metadatatest.Patient) discovery.Query {
			return discovery.Query{IDs: []metadata.PatientID{p.ID()}}
		}, func(w *world, _ *abroad) { w.policy.plan = deny }, "", false, []audit.Outcome{audit.Denied}},
	} {
		t.Run(name, func(t *testing.T) {
			a := &abroad{id: "far"}
			w, f, g := federationWith(t, a, true)
			if c.set != nil {
				c.set(w, a)
			}
			w.records.events = nil
			answer, err := f.Discover(t.Context(), caller, c.query(w.patient))
			got := ""
			switch answer := told(answer, err); {
			case answer == w.patient.ID().ID:
				got = "own"
			case answer == w.patient.ID().ID+" far":
				got = "own far"
			default:
				got = answer
			}
			if got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if known := len(g.Elsewhere(w.patient.ID())) == 1; known != c.remembered {
				t.Errorf("remembered: %v", known)
			}
			want := c.outcomes
			if want == nil {
				want = []audit.Outcome{audit.Success}
			}
			if len(w.records.events) != len(want) {
				t.Fatalf("%d records: %+v", len(w.records.events), w.records.events)
			}
			for i, e := range w.records.events {
				if e.Outcome != want[i] || e.Request.Action != access.ActionDiscover || e.Request.Transaction != "ITI-55" || i == 0 && len(e.Items) != len(answer.Candidates) {
					t.Errorf("recorded %+v", e)
				}
			}
			if len(a.asked.IDs) == 1 && a.asked.IDs[0] == w.patient.ID() && a.asked.Birth == "" {
				t.Error("others were asked by the id alone, though more is known here")
			}
		})
	}
}

// Where a patient is, with one record; denied looks like nowhere.
func TestFederationLocates(t *testing.T) {
	a := &abroad{id: "far"}
	w, f, _ := federationWith(t, a, false)
	locate := func(p metadata.PatientID, want int, outcomes ...audit.Outcome) {
		t.Helper()
		w.records.events = nil
		all, err := f.LocatePatient(t.Context(), caller, p)
		if err != nil || len(all) != want || len(w.records.events) != len(outcomes) {
			t.Fatalf("%+v %v, %d records", all, err, len(w.records.events))
		}
		for i, e := range w.records.events {
			if e.Outcome != outcomes[i] || e.Request.Action != access.ActionLocatePatient || e.Request.Transaction != "ITI-56" {
				t.Errorf("recorded %+v", e)
			}
		}
	}
	locate(w.patient.ID(), 2, audit.Success)
	locate(metadatatest.New(98).Patient().ID(), 1, audit.Success)
	a.err = errors.New("dial")
	locate(w.patient.ID(), 2, audit.Success, audit.Failed) // what was said before is remembered
	w.policy.plan = deny
	locate(w.patient.ID(), 0, audit.Denied)
	far := caller
	far.Hops = 3
	w.policy.plan = nil
	if _, err := f.LocatePatient(t.Context(), far, w.patient.ID()); err == nil {
		t.Error("a circle of gateways was not ended")
	}
}

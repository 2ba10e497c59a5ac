package sharing_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
)

func discoverer(w *world, change ...func(*sharing.DiscoveryOptions)) *sharing.Discovery {
	o := sharing.DiscoveryOptions{Own: w.Sharing, Log: w.engine}
	for _, f := range change {
		f(&o)
	}
	return sharing.NewDiscovery(o)
}

func withNames(o *sharing.DiscoveryOptions) { o.Names = true }

// told is what an answer tells: ids, what more is asked for, trouble.
func told(a discovery.Answer, err error) string {
	var words []string
	for _, c := range a.Candidates {
		words = append(words, c.ID.ID)
	}
	for _, m := range a.More {
		words = append(words, string(m))
	}
	var e *discovery.Error
	if errors.As(err, &e) {
		words = append(words, string(e.Trouble))
	} else if err != nil {
		words = append(words, err.Error())
	}
	return strings.Join(words, " ")
}

func born(p metadatatest.Patient) metadata.DTM { return metadata.FormatDTM(p.Birth)[:8] }

func TestDiscover(t *testing.T) {
	w := newWorld(t)
	document := w.document()
	w.provided(document)
	known := w.gen.Patient().ID()
	if err := w.Feed(t.Context(), caller, sharing.PatientFeed{Kind: sharing.PatientAdded, Patient: known}); err != nil {
		t.Fatal(err)
	}
	p := w.patient
	name := []discovery.Name{{Family: p.Family, Given: p.Given}}
	nobody := metadata.PatientID{ID: "nobody", Authority: known.Authority}
	ids := discoverer(w)
	names := discoverer(w, withNames)
	for what, c := range map[string]struct {
		d    *sharing.Discovery
		q    discovery.Query
		want string
	}{
		"with documents":          {ids, discovery.Query{IDs: []metadata.PatientID{p.ID()}}, p.ID().ID},
		"known from the feed":     {ids, discovery.Query{IDs: []metadata.PatientID{known}}, known.ID},
		"nobody":                  {ids, discovery.Query{IDs: []metadata.PatientID{nobody}}, ""},
		"one of several":          {ids, discovery.Query{IDs: []metadata.PatientID{nobody, p.ID(), p.ID()}}, p.ID().ID},
		"fits":                    {ids, discovery.Query{IDs: []metadata.PatientID{p.ID()}, Person: discovery.Person{Names: name, Birth: born(p), Gender: p.Sex()}}, p.ID().ID},
		"somebody else's name":    {ids, discovery.Query{IDs: []metadata.PatientID{p.ID()}, Person: discovery.Person{Names: []discovery.Name{{Family: "Xyz"}}}}, ""},
		"another birth":           {ids, discovery.Query{IDs: []metadata.PatientID{p.ID()}, Person: discovery.Person{Birth: "18500101"}}, ""},
		"name, ids only":          {ids, discovery.Query{Person: discovery.Person{Names: name, Birth: born(p)}}, "AnswerNotAvailable"},
		"nothing":                 {names, discovery.Query{}, "AnswerNotAvailable"},
		"name without birth":      {names, discovery.Query{Person: discovery.Person{Names: name}}, "AnswerNotAvailable"},
		"name":                    {names, discovery.Query{Person: discovery.Person{Names: name, Birth: born(p)}}, p.ID().ID},
		"name and a strange id":   {names, discovery.Query{IDs: []metadata.PatientID{nobody}, Person: discovery.Person{Names: name, Birth: born(p)}}, p.ID().ID},
		"name, a high degree":     {names, discovery.Query{Minimum: 99, Person: discovery.Person{Names: name, Birth: born(p)}}, ""},
		"another's name":          {names, discovery.Query{Person: discovery.Person{Names: []discovery.Name{{Family: "Xyz"}}, Birth: born(p)}}, ""},
		"name of another's birth": {names, discovery.Query{Person: discovery.Person{Names: name, Birth: "18500101"}}, ""},
	} {
		before := len(w.records.events)
		answer, err := c.d.Discover(t.Context(), caller, c.q)
		if got := told(answer, err); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
		for _, k := range answer.Candidates {
			if k.Home != home || len(k.Person.Names) > 0 && len(c.q.Names) == 0 || k.Person.Birth != "" && c.q.Birth == "" {
				t.Errorf("%s: tells %+v", what, k)
			}
		}
		if e := w.last(); len(w.records.events) != before+1 || e.Request.Action != access.ActionDiscover || e.Request.Transaction != "ITI-55" || len(e.Items) != len(answer.Candidates) {
			t.Errorf("%s: recorded %+v", what, e)
		}
	}
}

// Two who cannot be told apart without the gender.
func TestDiscoverAsksForMore(t *testing.T) {
	w := newWorld(t)
	for _, sex := range []string{"F", "M"} {
		w.patient = w.gen.Patient()
		d := w.document()
		d.Entry.SourcePatientInfo = []string{"PID-5|Lik^Alex", "PID-7|19900101", "PID-8|" + sex}
		w.provided(d)
	}
	d := discoverer(w, withNames)
	q := discovery.Query{Person: discovery.Person{Names: []discovery.Name{{Family: "Lik", Given: "Alex"}}, Birth: "19900101"}}
	if got := told(d.Discover(t.Context(), caller, q)); got != string(discovery.GenderRequested) {
		t.Error(got)
	}
	if e := w.last(); len(e.Items) != 0 {
		t.Errorf("recorded as told of: %+v", e.Items)
	}
	q.Gender = "M"
	if a, err := d.Discover(t.Context(), caller, q); err != nil || len(a.Candidates) != 1 {
		t.Errorf("%+v %v", a, err)
	}
}

// A D-number that was replaced by an identity number leads to the patient of today.
func TestDiscoverFollowsMerges(t *testing.T) {
	w := newWorld(t)
	w.provided(w.document())
	old, now := w.patient.ID(), w.gen.Patient().ID()
	for _, f := range []sharing.PatientFeed{{Kind: sharing.PatientAdded, Patient: old}, {Kind: sharing.PatientAdded, Patient: now},
		{Kind: sharing.PatientsMerged, Patient: now, Subsumed: []metadata.PatientID{old}}} {
		if err := w.Feed(t.Context(), caller, f); err != nil {
			t.Fatal(err)
		}
	}
	d := discoverer(w, withNames)
	byName := discovery.Query{Person: discovery.Person{Names: []discovery.Name{{Family: w.patient.Family}}, Birth: born(w.patient)}}
	for _, q := range []discovery.Query{{IDs: []metadata.PatientID{old}}, {IDs: []metadata.PatientID{now}}, {IDs: []metadata.PatientID{old, now}}, byName} {
		if got := told(d.Discover(t.Context(), caller, q)); got != now.ID {
			t.Errorf("%v: %q, want %q", q.IDs, got, now.ID)
		}
	}
	a, _ := d.Discover(t.Context(), caller, discovery.Query{IDs: []metadata.PatientID{old}})
	if len(a.Candidates[0].Others) != 1 || a.Candidates[0].Others[0] != old {
		t.Errorf("%+v", a.Candidates[0])
	}
}

// Denied looks like absent.
func TestDiscoverDenied(t *testing.T) {
	w := newWorld(t)
	w.provided(w.document())
	d := discoverer(w, withNames, func(o *sharing.DiscoveryOptions) {
		o.Elsewhere = func(metadata.PatientID) []discovery.Location { return nil }
	})
	q := discovery.Query{IDs: []metadata.PatientID{w.patient.ID()}, Person: discovery.Person{Names: []discovery.Name{{Family: w.patient.Family}}, Birth: born(w.patient)}}
	for name, deny := range map[string]func(){
		"each":  func() { w.policy.hide = func(access.Item) bool { return true } },
		"whole": func() { w.policy.plan = func() (access.Plan, error) { return access.Plan{}, nil } },
	} {
		deny()
		if a, err := d.Discover(t.Context(), caller, q); err != nil || len(a.Candidates)+len(a.More) != 0 {
			t.Errorf("%s: %+v %v", name, a, err)
		}
		if all, err := d.LocatePatient(t.Context(), caller, w.patient.ID()); err != nil || len(all) != 0 {
			t.Errorf("%s: %+v %v", name, all, err)
		}
		if e := w.last(); len(e.Items) != 0 {
			t.Errorf("%s: recorded as told of: %+v", name, e.Items)
		}
		w.policy.hide, w.policy.plan = nil, nil
	}
}

func TestLocatePatient(t *testing.T) {
	w := newWorld(t)
	w.provided(w.document())
	far := discovery.Location{Home: "urn:oid:1.9", ID: metadata.PatientID{ID: "z", Authority: "1.9.1"}}
	d := discoverer(w, func(o *sharing.DiscoveryOptions) {
		o.Elsewhere = func(p metadata.PatientID) []discovery.Location {
			if p != w.patient.ID() {
				return nil
			}
			return []discovery.Location{far}
		}
	})
	all, err := d.LocatePatient(t.Context(), caller, w.patient.ID())
	if err != nil || len(all) != 2 || all[0] != (discovery.Location{Home: home, ID: w.patient.ID()}) || all[1] != far {
		t.Errorf("%+v %v", all, err)
	}
	if e := w.last(); e.Request.Action != access.ActionLocatePatient || len(e.Items) != 1 {
		t.Errorf("%+v", e)
	}
	if all, err := d.LocatePatient(t.Context(), caller, w.gen.Patient().ID()); err != nil || len(all) != 0 {
		t.Errorf("%+v %v", all, err)
	}
	if all, err := discoverer(w).LocatePatient(t.Context(), caller, w.patient.ID()); err != nil || len(all) != 0 {
		t.Errorf("a server that does not know where patients have data: %+v %v", all, err)
	}
}

// What cannot be found out is not answered, and nobody is told of without a record.
func TestDiscoverFails(t *testing.T) {
	w := newWorld(t)
	w.provided(w.document())
	d := discoverer(w, withNames)
	q := discovery.Query{IDs: []metadata.PatientID{w.patient.ID()}}
	for _, op := range []string{"load", "find"} {
		w.engine.hook = func(got string) error {
			if got == op {
				return fault.New(fault.Unavailable, "x", fault.RegistryError, "away")
			}
			return nil
		}
		if a, err := d.Discover(t.Context(), caller, q); err == nil || len(a.Candidates) != 0 {
			t.Errorf("%s: %+v", op, a)
		}
	}
	w.engine.hook = nil
	w.records.err = errors.New("full")
	if a, err := d.Discover(t.Context(), caller, q); err == nil || len(a.Candidates) != 0 {
		t.Errorf("%+v", a)
	}
	w.records.err = nil
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Follow(ctx); err == nil {
		t.Error("the index follows after its end")
	}
}

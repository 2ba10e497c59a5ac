package xds

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/hl7/hl7v3"
	"samdok/metadata"
	"samdok/soap"
)

// people is a sharing.Discoverer made of functions.
type people struct {
	discover func(discovery.Query) (discovery.Answer, error)
	locate   func(metadata.PatientID) ([]discovery.Location, error)
}

func (p *people) Discover(_ context.Context, c access.Caller, q discovery.Query) (discovery.Answer, error) {
	if c.MessageID == "" {
		return discovery.Answer{}, errors.New("who asks?")
	}
	return p.discover(q)
}

func (p *people) LocatePatient(_ context.Context, _ access.Caller, id metadata.PatientID) ([]discovery.Location, error) {
	return p.locate(id)
}

func discoveryServer(t *testing.T, p *people, keep time.Duration) *server {
	t.Helper()
	s := httptest.NewServer(DiscoveryHandler(p, DiscoveryOptions{Home: "urn:oid:1.2.9", Keep: keep}, DoorOptions{}))
	t.Cleanup(s.Close)
	return &server{Server: s, c: NewClient(Options{DiscoverURL: s.URL, HTTP: s.Client()})}
}

// A message for a community that cannot be asked here is answered AE: that nobody is found
// here would be read as if nobody were known there.
func TestDiscoverOfAnotherCommunity(t *testing.T) {
	named := func(homes ...string) string {
		receiver := `<receiver typeCode="RCV"><device><id root="2.25.771"/>`
		for _, h := range homes {
			receiver += `<asAgent><representedOrganization><id root="` + h + `"/></representedOrganization></asAgent>`
		}
		return receiver + `</device></receiver>`
	}
	for name, c := range map[string]struct {
		receiver string
		asked    bool
	}{
		"nobody":                 {named(), true},
		"the own":                {named("1.2.9"), true},
		"the own, as urn":        {named("urn:oid:1.2.9"), true},
		"one that is known":      {named("1.2.7"), true},
		"a stranger":             {named("1.2.3"), false},
		"a stranger and the own": {named("1.2.3", "1.2.9"), true},
		"no community":           {named("&lt;x>"), false},
		"a device":               {`<receiver typeCode="RCV"><device><id root="1.2.3"/></device></receiver>`, true},
	} {
		asked := false
		p := &people{discover: func(discovery.Query) (discovery.Answer, error) { asked = true; return discovery.Answer{}, nil }}
		s := httptest.NewServer(DiscoveryHandler(p, DiscoveryOptions{Home: "urn:oid:1.2.9", Knows: func(home string) bool { return home == "urn:oid:1.2.7" }}, DoorOptions{}))
		_, _, a := (&server{Server: s}).post(t, "", soap.ContentType, envelope(actionDiscover, `<PRPA_IN201305UV02 xmlns="urn:hl7-org:v3"><id root="1.5"/>`+c.receiver+
			`<controlActProcess><queryByParameter><queryId root="1.6"/></queryByParameter></controlActProcess></PRPA_IN201305UV02>`))
		s.Close()
		code := `queryResponseCode code="NF"`
		if !c.asked {
			code = `queryResponseCode code="AE"`
		}
		if asked != c.asked || !strings.Contains(a, code) || !c.asked && (!strings.Contains(a, `code="AnswerNotAvailable"`) || !strings.Contains(a, "which cannot be asked here")) {
			t.Errorf("%s: asked %v\n%s", name, asked, a)
		}
	}
}

func TestDiscoverRoundTrip(t *testing.T) {
	asked := discovery.Query{IDs: []metadata.PatientID{{ID: "1", Authority: "1.2"}}, Person: discovery.Person{Names: []discovery.Name{{Family: "N", Given: "K"}}, Birth: "19800131", Gender: "F"}}
	one := discovery.Candidate{ID: metadata.PatientID{ID: "7", Authority: "1.2"}, Home: "urn:oid:1.2.9", Degree: 100, Person: discovery.Person{Names: []discovery.Name{{Family: "N"}}}}
	for name, c := range map[string]struct {
		answer  discovery.Answer
		err     error
		trouble discovery.Trouble
		keep    time.Duration
	}{
		"found":     {answer: discovery.Answer{Candidates: []discovery.Candidate{one}}, keep: time.Hour},
		"nothing":   {},
		"more":      {answer: discovery.Answer{More: []discovery.Attribute{discovery.GenderRequested}}},
		"trouble":   {err: &discovery.Error{Trouble: discovery.NotAvailable}, trouble: discovery.NotAvailable},
		"busy":      {err: fault.New(fault.Busy, "x", fault.RegistryBusy, "later"), trouble: discovery.Busy},
		"the disk":  {err: errors.New("13816900216"), trouble: discovery.Internal},
		"cancelled": {err: fault.Wrap(context.Canceled, fault.Canceled, "x", fault.RegistryBusy, "x"), trouble: discovery.Busy},
	} {
		s := discoveryServer(t, &people{discover: func(q discovery.Query) (discovery.Answer, error) {
			if diff := cmp.Diff(asked, q); diff != "" {
				t.Error(name, diff)
			}
			return c.answer, c.err
		}}, time.Hour)
		got, keep, err := s.c.Discover(t.Context(), "urn:oid:1.2.8", asked)
		var e *discovery.Error
		if errors.As(err, &e) != (c.trouble != "") || e != nil && e.Trouble != c.trouble || e == nil && err != nil || !cmp.Equal(got, c.answer) || keep != c.keep {
			t.Errorf("%s: %+v %v %v", name, got, keep, err)
		}
	}
	s := discoveryServer(t, &people{discover: func(discovery.Query) (discovery.Answer, error) {
		return discovery.Answer{Candidates: []discovery.Candidate{one}}, nil
	}}, 0)
	if _, keep, err := s.c.Discover(t.Context(), "urn:oid:1.2.8", asked); err != nil || keep != 0 {
		t.Errorf("%v %v: nothing may be remembered", keep, err)
	}
}

func TestLocateRoundTrip(t *testing.T) {
	patient := metadata.PatientID{ID: "1", Authority: "1.2"}
	want := []discovery.Location{{Home: "urn:oid:1.2.9", ID: patient}}
	var answer []discovery.Location
	var failure error
	s := discoveryServer(t, &people{locate: func(p metadata.PatientID) ([]discovery.Location, error) {
		if p != patient {
			t.Errorf("asked about %v", p)
		}
		return answer, failure
	}}, 0)
	var f *FaultError
	if _, err := s.c.Locate(t.Context(), patient); !errors.As(err, &f) || f.Code != "Sender" || f.Reason != "Not a Health Data Locator for the specified patient identifier" {
		t.Errorf("%v", err)
	}
	failure = errors.New("the disk")
	if _, err := s.c.Locate(t.Context(), patient); !errors.As(err, &f) || f.Code != "Receiver" || f.Reason != "Busy" {
		t.Errorf("%v", err)
	}
	answer, failure = want, nil
	if got, err := s.c.Locate(t.Context(), patient); err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v %v", got, err)
	}
}

func TestBadDiscoveries(t *testing.T) {
	s := discoveryServer(t, &people{discover: func(discovery.Query) (discovery.Answer, error) {
		t.Error("asked")
		return discovery.Answer{}, nil
	}}, 0)
	query := func(change func(*hl7v3.PatientQuery)) string {
		q := &hl7v3.PatientQuery{ID: hl7v3.II{Root: "1.2"}, QueryID: hl7v3.II{Root: "1.3"}, Priority: "I"}
		change(q)
		return string(q.Append(nil))
	}
	deferred := query(func(q *hl7v3.PatientQuery) { q.Priority = "D" })
	for name, c := range map[string]struct {
		action, body string
		status       int
		want         string
	}{
		"other action":   {actionQuery, deferred, 400, "ActionNotSupported"},
		"other body":     {actionDiscover, "<a/>", 400, hl7v3.PatientQueryName},
		"no message id":  {actionDiscover, query(func(q *hl7v3.PatientQuery) { q.ID.Root = "" }), 400, "id of the message"},
		"cut off":        {actionDiscover, deferred[:len(deferred)-9], 400, "well-formed"},
		"deferred":       {actionDiscover, deferred, 200, "NS250"},
		"as an action":   {actionDeferred, query(func(*hl7v3.PatientQuery) {}), 200, "NS250"},
		"location, none": {actionLocation, `<x:PatientLocationQueryRequest xmlns:x="urn:ihe:iti:xcpd:2009"/>`, 400, "RequestedPatientId"},
		"location, else": {actionLocation, deferred, 400, hl7v3.LocationQueryName},
	} {
		env := soap.AppendOpen(nil, soap.Header{Action: c.action, MessageID: metadata.NewUUID().String()})
		status, _, answer := s.post(t, "", soap.ContentType, string(soap.AppendClose(append(env, c.body...))))
		if status != c.status || !strings.Contains(answer, c.want) || c.want == "NS250" && !strings.Contains(answer, hl7v3.ActionPrefix+hl7v3.Acknowledging) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
}

func TestDurations(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"P0Y0M7D": 7 * 24 * time.Hour, "PT1H30M": 90 * time.Minute, "PT0.5S": time.Second / 2, "P1D": 24 * time.Hour, "P1Y": 365 * 24 * time.Hour, "PT90S": 90 * time.Second,
		"P": 0, "PT": 0, "": 0, "-P1D": 0, "1D": 0, "P1X": 0, "P1": 0, "PTS": 0, "P1H": 0, "P9999999999999Y": longest, "P99999999999999999999999999999999999999D": longest,
	} {
		if got := timeOf(in); got != want {
			t.Errorf("%q is %v, want %v", in, got, want)
		}
	}
	if got := timeOf(durationOf(24 * time.Hour)); got != 24*time.Hour {
		t.Error(got)
	}
}

func FuzzDuration(f *testing.F) {
	f.Add("P1Y2M3DT4H5M6.7S")
	f.Add("P99999999999999999999Y")
	f.Fuzz(func(t *testing.T, s string) {
		if d := timeOf(s); d < 0 || d > longest {
			t.Fatalf("%q is %v", s, d)
		}
	})
}

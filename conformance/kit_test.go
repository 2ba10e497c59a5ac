package conformance

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestOutcomes(t *testing.T) {
	all := []Case{
		{ID: "x/pass", Run: func(*T) {}},
		{ID: "x/fail", Run: func(t *T) { t.Failf("broken") }},
		{ID: "x/error", Run: func(t *T) { t.Errorf("cannot tell") }},
		{ID: "x/setup", Run: func(t *T) { t.Setup(func() { t.Failf("no") }) }},
		{ID: "x/skip", Run: func(t *T) { t.Skipf("not here") }},
		{ID: "x/panic", Run: func(*T) { panic("mistake") }},
		{ID: "x/off", Run: func(t *T) { t.Failf("never") }},
	}
	r := Run(t.Context(), Target{}, all, []string{"x/off"}, nil)
	want := []Outcome{Pass, Fail, Error, Error, Skip, Error, Disabled}
	for i, x := range r.Results {
		if x.Outcome != want[i] {
			t.Errorf("%s: %s, want %s", x.ID, x.Outcome, want[i])
		}
	}
	if r.OK() {
		t.Error("a report with failures is OK")
	}
	if only := Run(t.Context(), Target{}, all[:1], nil, nil); !only.OK() {
		t.Error("a report of passes is not OK")
	}
	if none := Run(t.Context(), Target{}, nil, nil, nil); none.OK() {
		t.Error("an empty report is OK")
	}
}

// A server that cannot be reached is the kit's error, not a failed rule.
func TestUnreachableIsError(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	r := Run(t.Context(), Target{Registry: s.URL}, []Case{{ID: "x", Run: func(t *T) { t.SOAP("<x/>") }}}, nil, nil)
	if r.Results[0].Outcome != Error {
		t.Errorf("outcome %s", r.Results[0].Outcome)
	}
}

func TestEndpointByTransaction(t *testing.T) {
	for action, want := range map[string]string{ActionRegister: "http://x/iti42", ActionProvide: "http://x/iti41", ActionQuery: "http://x/iti18", ActionRetrieve: "http://x/iti43"} {
		if got := endpoint("http://x/{iti}", []byte(Envelope(action, "urn:x", "", ""))); got != want {
			t.Errorf("%s goes to %s", action, got)
		}
	}
	if got := endpoint("http://x/services", []byte(ActionRegister)); got != "http://x/services" {
		t.Errorf("a fixed endpoint became %s", got)
	}
}

func TestReports(t *testing.T) {
	r := Run(t.Context(), Target{}, []Case{
		{ID: "x/pass", Title: "fine", Run: func(*T) {}},
		{ID: "x/fail", Title: "<b>", Run: func(t *T) { t.Failf("<script>") }},
	}, nil, nil)
	var j, u, h bytes.Buffer
	if err := r.WriteJSON(&j); err != nil || !json.Valid(j.Bytes()) {
		t.Errorf("JSON: %v", err)
	}
	if err := r.WriteJUnit(&u); err != nil {
		t.Errorf("JUnit: %v", err)
	}
	var suite struct {
		Failures int `xml:"failures,attr"`
	}
	if err := xml.Unmarshal(u.Bytes(), &suite); err != nil || suite.Failures != 1 {
		t.Errorf("JUnit: %v, %d failures", err, suite.Failures)
	}
	if err := r.WriteHTML(&h); err != nil || strings.Contains(h.String(), "<script>") {
		t.Errorf("HTML: %v, or text is not escaped", err)
	}
}

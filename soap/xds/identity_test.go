package xds

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/access"
	"samdok/fault"
	"samdok/hl7/hl7v3"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap"
)

// identityServer is a door of ITI-44 and a client for it.
func identityServer(t *testing.T, feed func(context.Context, access.Caller, sharing.PatientFeed) error) *server {
	t.Helper()
	s := httptest.NewServer(IdentityHandler(&service{feed: feed}, DoorOptions{}))
	t.Cleanup(s.Close)
	return &server{Server: s, c: NewClient(Options{IdentityURL: s.URL, HTTP: s.Client()})}
}

func TestFeedRoundTrip(t *testing.T) {
	var got []sharing.PatientFeed
	var answer error
	s := identityServer(t, func(_ context.Context, c access.Caller, f sharing.PatientFeed) error {
		if c.MessageID == "" || !c.Loopback {
			t.Errorf("%+v", c)
		}
		got = append(got, f)
		return answer
	})
	one, two := metadata.PatientID{ID: "1", Authority: "1.2.3"}, metadata.PatientID{ID: "2", Authority: "1.2.3"}
	ii := func(p metadata.PatientID) []hl7v3.II { return []hl7v3.II{{Root: p.Authority, Extension: p.ID}} }
	for _, f := range []*hl7v3.Feed{{Kind: hl7v3.Added, Patient: ii(one)}, {Kind: hl7v3.Revised, Patient: ii(one)}, {Kind: hl7v3.Merged, Patient: ii(one), Subsumed: ii(two)}} {
		if err := s.c.Feed(t.Context(), f, "Nordmann", "Kari"); err != nil {
			t.Fatal(err)
		}
	}
	want := []sharing.PatientFeed{{Transaction: "ITI-44", Kind: sharing.PatientAdded, Patient: one}, {Transaction: "ITI-44", Kind: sharing.PatientRevised, Patient: one},
		{Transaction: "ITI-44", Kind: sharing.PatientsMerged, Patient: one, Subsumed: []metadata.PatientID{two}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	answer = fault.New(fault.NotFound, "x", fault.UnknownPatientID, "nobody knows it")
	var refused *FeedRefusedError
	if err := s.c.Feed(t.Context(), &hl7v3.Feed{Kind: hl7v3.Added, Patient: ii(one)}, "", ""); !errors.As(err, &refused) || refused.Code != "CE" || !strings.Contains(refused.Text, "nobody knows it") {
		t.Errorf("%v", err)
	}
	answer = errors.New("the disk")
	if err := s.c.Feed(t.Context(), &hl7v3.Feed{Kind: hl7v3.Added, Patient: ii(one)}, "", ""); !errors.As(err, &refused) || refused.Code != "CR" || strings.Contains(refused.Text, "disk") {
		t.Errorf("%v", err)
	}
}

// What is wrong with the envelope is a fault, what is wrong with the message an
// acknowledgement with HTTP 200.
func TestBadFeeds(t *testing.T) {
	s := identityServer(t, func(context.Context, access.Caller, sharing.PatientFeed) error { t.Error("taken"); return nil })
	message := string((&hl7v3.Feed{Kind: hl7v3.Added, ID: hl7v3.II{Root: "1.2"}, Patient: []hl7v3.II{{Root: "1.2.3", Extension: "1"}}}).Append(nil, "a", "b"))
	send := func(action, body string) (int, string) {
		env := soap.AppendOpen(nil, soap.Header{Action: action, MessageID: metadata.NewUUID().String()})
		status, _, answer := s.post(t, "", soap.ContentType, string(soap.AppendClose(append(env, body...))))
		return status, answer
	}
	add := hl7v3.ActionPrefix + "PRPA_IN201301UV02"
	for name, c := range map[string]struct {
		action, body string
		status       int
		want         string
	}{
		"other action":      {"urn:ihe:iti:2007:RegistryStoredQuery", message, 400, "ActionNotSupported"},
		"other body":        {hl7v3.ActionPrefix + "PRPA_IN201302UV02", message, 400, "PRPA_IN201302UV02"},
		"two bodies":        {add, message + message, 400, "another element"},
		"cut off":           {add, message[:len(message)-30], 400, "well-formed"},
		"no patient":        {add, strings.ReplaceAll(message, `<id root="1.2.3" extension="1"/>`, ""), 200, "SYN105"},
		"no extension":      {add, strings.ReplaceAll(message, ` extension="1"/>`, "/>"), 200, "SYN102"},
		"no message id":     {add, strings.ReplaceAll(message, `<id root="1.2"/>`, ""), 200, "SYN105"},
		"wrong interaction": {add, strings.ReplaceAll(message, `extension="PRPA_IN201301UV02"`, `extension="x"`), 200, "SYN"},
	} {
		status, answer := send(c.action, c.body)
		if status != c.status || !strings.Contains(answer, c.want) || status == 200 && !strings.Contains(answer, `typeCode code="CE"`) {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	resp, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusMethodNotAllowed {
		t.Error(resp.Status)
	}
}

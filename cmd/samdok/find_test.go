package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"samdok/fault"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/soap"
)

// Documents of several communities are shown with what get needs to open them, and a list
// that is not complete says so to a person and to a program.
func TestFindAcrossCommunities(t *testing.T) {
	g := metadatatest.New(1)
	e := g.Metadata(g.Patient(), 1).Entries[0]
	e.Home = "urn:oid:1.2.3"
	missing := []fault.Problem{{Code: fault.UnavailableCommunity, Context: "North is away.", Location: "urn:oid:1.2.4"}}
	odd := []fault.Problem{{Code: fault.RegistryMetadataError, Severity: fault.SeverityWarning, Context: "odd"}}
	for name, c := range map[string]struct {
		status   ebrim.Status
		problems []fault.Problem
		code     int
	}{
		"whole":        {ebrim.Success, nil, exitOK},
		"with warning": {ebrim.Success, odd, exitOK},
		"partial":      {ebrim.PartialSuccess, missing, exitPartly},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			request, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			_, id, _ := strings.Cut(string(request), "MessageID>")
			id, _, _ = strings.Cut(id, "<")
			w.Header().Set("Content-Type", soap.ContentType)
			b := soap.AppendOpen(nil, soap.Header{Action: "urn:ihe:iti:2007:RegistryStoredQueryResponse", RelatesTo: id})
			b = ebrim.AppendObject(ebrim.AppendQueryResponseHead(b, c.status, c.problems), e)
			if _, err := w.Write(soap.AppendClose(ebrim.AppendQueryResponseTail(b))); err != nil {
				t.Error(err)
			}
		}))
		for _, form := range [][]string{nil, {"--json"}, {"--ids"}} {
			code, out := command(t, nil, append([]string{"find", "--registry", s.URL, "--repository", s.URL, "--patient", "13911699170"}, form...)...)
			if code != c.code || !strings.Contains(out, string(e.ID)) || form == nil && !strings.Contains(out, "urn:oid:1.2.3  "+string(e.ID)) {
				t.Errorf("%s %v: exit code %d\n%s", name, form, code, out)
			}
			if told := strings.Contains(out, "North is away.") && strings.Contains(out, "may be missing"); told != (c.code == exitPartly) {
				t.Errorf("%s %v: %s", name, form, out)
			}
		}
		s.Close()
	}
}

func TestExtensionOfText(t *testing.T) {
	for range 20 {
		if got := extension("text/plain"); got != ".txt" {
			t.Fatal(got)
		}
	}
}

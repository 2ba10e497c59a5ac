package app

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

type withHeaders struct {
	http.RoundTripper
	add map[string]string
}

func (h withHeaders) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range h.add {
		r.Header.Set(name, value)
	}
	return h.RoundTripper.RoundTrip(r)
}

// The ids by which others find the same event again stand in its record: the SOAP
// message's, the trace's and the one of Norsk helsenett. A caller cannot make a record
// long by them.
func TestRecordHasCorrelationIDs(t *testing.T) {
	a, stop := serve(t, settings(t, t.TempDir(), "encryption", "off"), io.Discard)
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	find := func(id string) {
		h := &http.Client{Transport: withHeaders{transport, map[string]string{"nhn-event-id": id, "traceparent": trace}}}
		p := metadatatest.New(5).Patient()
		x := xds.NewClient(xds.Options{RegistryURL: a.Info().Registry, RepositoryURL: a.Info().Repository, HTTP: h})
		if _, err := x.Find(t.Context(), metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}); err != nil {
			t.Fatal(err)
		}
	}
	find("8f14e45f-ceea-467f-9af8-27e5d1b1d5a1")
	find(strings.Repeat("æ", 3000))
	dir := LedgerDir(a.data.dir)
	stop()
	var got []audit.Event
	for r, err := range ledger.Read(t.Context(), dir, ledger.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		if r.Event.Kind == audit.KindUse {
			got = append(got, r.Event)
		}
	}
	if len(got) != 2 {
		t.Fatalf("%d records of use", len(got))
	}
	c := got[0].Request.Caller
	if c.EventID != "8f14e45f-ceea-467f-9af8-27e5d1b1d5a1" || c.TraceParent != trace || !strings.HasPrefix(string(c.MessageID), "urn:uuid:") {
		t.Errorf("%+v", c)
	}
	if id := got[1].Request.Caller.EventID; len(id) != 256 || strings.Trim(id, "æ") != "" {
		t.Errorf("%d octets of an id that is too long", len(id))
	}
}

package xds

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"samdok/access"
	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/sharing"
)

// A recipient's door hands messages to Receive, passes its warnings on, and knows
// no other transaction.
func TestRecipient(t *testing.T) {
	var got *metadata.Submission
	svc := &service{receive: func(_ context.Context, _ access.Caller, p sharing.Provide) (sharing.Receipt, error) {
		got = p.Submission
		return sharing.Receipt{Warnings: []fault.Problem{{Code: fault.UnknownRecipient, Severity: fault.SeverityWarning, Context: "x"}, {Code: fault.RegistryBusy, Severity: fault.SeverityWarning, Context: "y", Foreign: true}}}, nil
	}}
	srv := httptest.NewServer(RecipientHandler(svc, DoorOptions{}))
	t.Cleanup(srv.Close)
	hc := srv.Client()
	t.Cleanup(hc.CloseIdleConnections)
	c := NewClient(Options{RepositoryURL: srv.URL, HTTP: hc})
	g := metadatatest.New(1)
	d := g.Document(g.Patient(), metadatatest.Note)
	sub := g.Submission(g.Patient(), d)
	r, err := c.Provide(t.Context(), sub, []Attachment{BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
	if err != nil || got == nil || got.Set.UniqueID != sub.Set.UniqueID || len(r.Problems) != 2 || r.Problems[0].Code != fault.UnknownRecipient {
		t.Fatalf("%v %+v", err, r)
	}
	if r.Problems[1].Code != fault.RegistryBusy {
		t.Errorf("another actor's word became %s", r.Problems[1].Code)
	}
	resp, err := hc.Post(srv.URL, "application/soap+xml; charset=UTF-8", strings.NewReader(envelope(actionRetrieve, `<x/>`)))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 400 && resp.StatusCode != 500 {
		t.Errorf("a retrieval: HTTP %d", resp.StatusCode)
	}
}

package app

import (
	"bytes"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samdok/hl7/hl7v2"
	"samdok/hl7/hl7v3"
	"samdok/hl7/mllp"
	"samdok/soap/xds"
)

// Both feeds through the whole server: what is taken, what is refused, what is
// counted, and no identity number in the log.
func TestFeeds(t *testing.T) {
	const fnr, oid = "13916900216", "2.16.578.1.12.4.1.4.1"
	var log bytes.Buffer
	a, stop := serve(t, settings(t, filepath.Join(t.TempDir(), "data"), "mllp-listen", "127.0.0.1:0", "patient-authorities", "FNR="+oid), &log)
	c, err := mllp.Dial(t.Context(), a.Info().MLLP, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	send := func(trigger, namespace, want string) {
		t.Helper()
		m := hl7v2.ADT{Header: hl7v2.Header{Trigger: trigger, ControlID: "m1", Processing: "P", Version: "2.3.1"}, Time: time.Now(),
			Event: hl7v2.Event{Kind: hl7v2.Added, Patient: []hl7v2.Identifier{{ID: fnr, Authority: hl7v2.HD{Namespace: namespace}}}}}
		answer, err := c.Send(t.Context(), m.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if code, id, text, err := hl7v2.ReadAnswer(answer); err != nil || code != want || id != "m1" {
			t.Errorf("%s of %s: %s %s %s %v", trigger, namespace, code, id, text, err)
		}
	}
	send("A01", "FNR", "AA")
	send("A01", "FNR", "AA")
	send("A08", "FNR", "AA")
	send("A01", "PAS", "AE")
	send("A03", "FNR", "AR")
	_, h := client(t, a.Info())
	soap := xds.NewClient(xds.Options{IdentityURL: a.Info().PatientIdentity, HTTP: h})
	if err := soap.Feed(t.Context(), &hl7v3.Feed{Kind: hl7v3.Added, Patient: []hl7v3.II{{Root: oid, Extension: fnr}}}, "Nordmann", "Kari"); err != nil {
		t.Error(err)
	}
	if err := soap.Feed(t.Context(), &hl7v3.Feed{Kind: hl7v3.Added, Patient: []hl7v3.II{{Root: "1.2.3", Extension: fnr}}}, "", ""); err == nil {
		t.Error("an id of another domain is taken")
	}
	resp, err := h.Get(a.Info().Internal + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	for _, want := range []string{`samdok_transactions_total{outcome="success",transaction="ITI-8"} 3`, `samdok_transactions_total{outcome="success",transaction="ITI-44"} 1`, "samdok_mllp_connections 1"} {
		if !strings.Contains(string(metrics), want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	stop()
	if strings.Contains(log.String(), fnr) {
		t.Error("an identity number is in the log")
	}
}

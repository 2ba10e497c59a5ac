package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"samdok/fault"
	"samdok/internal/config"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/soap"
)

// A registry that refuses without saying why is told of as that, not as a mistake of
// the sender's.
func TestRegistryRefusesWithoutAReason(t *testing.T) {
	warning := fault.Problem{Code: fault.ExtraMetadataNotSaved, Severity: fault.SeverityWarning, Context: "w"}
	for name, said := range map[string][]fault.Problem{"nothing": nil, "only a warning": {warning}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			id := messageID.FindSubmatch(body)
			if err != nil || id == nil {
				t.Errorf("%s: %v", body, err)
				return
			}
			w.Header().Set("Content-Type", soap.ContentType)
			b := soap.AppendOpen(nil, soap.Header{Action: "urn:ihe:iti:2007:RegisterDocumentSet-bResponse", RelatesTo: string(id[1])})
			if _, err := w.Write(soap.AppendClose(ebrim.AppendRegistryResponse(b, ebrim.Failure, said))); err != nil {
				t.Error(err)
			}
		}))
		e, err := newElsewhere(config.Registry{URL: s.URL, Timeout: time.Minute}, t.TempDir(), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		g := metadatatest.New(1)
		_, err = e.Register(t.Context(), g.Metadata(g.Patient(), 1))
		problems := fault.ProblemsOf(err)
		if len(problems) != len(said)+1 || problems[len(said)].Code != fault.RegistryError || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %+v, %v", name, problems, err)
		}
		s.Close()
	}
}

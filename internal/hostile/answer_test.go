package hostile

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http/httptest"
	"testing"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/mtom"
	"samdok/soap/xds"
)

// An answer that goes to another address streams out of the store: neither the
// outbox nor the memory holds it.
func TestBigAnswerElsewhere(t *testing.T) {
	const size, most = 64 << 20, 24 << 20
	w := start(t, "--async-answers", "on", "--outward-allow", "loopback")
	patient := w.gen.Patient()
	d := w.gen.Document(patient, metadatatest.LabXML)
	d.Bytes = make([]byte, size)
	sum := sha1.Sum(d.Bytes)
	d.Entry.Hash, d.Entry.Size = hex.EncodeToString(sum[:]), metadata.Octets(size)
	if _, err := w.client.Provide(t.Context(), w.gen.Submission(patient, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(nil)
	in := xds.NewInbox("http://"+srv.Listener.Addr().String()+"/", mtom.Limits{}, t.TempDir())
	srv.Config.Handler = in
	srv.Start()
	t.Cleanup(srv.Close)
	c := xds.NewClient(xds.Options{RepositoryURL: w.Repository, Inbox: in, TempDir: t.TempDir()})
	w.forgetPeak(t)
	before := w.memory(t, "VmRSS")
	h := sha256.New()
	_, err := c.Retrieve(t.Context(), []metadata.DocumentRequest{{RepositoryID: w.RepositoryUniqueID, UniqueID: d.Entry.UniqueID}}, func(got xds.Document) error {
		_, err := io.Copy(h, got.Body)
		return err
	})
	if want := sha256.Sum256(d.Bytes); err != nil || string(h.Sum(nil)) != string(want[:]) {
		t.Fatalf("it did not arrive as it is: %v", err)
	}
	if grew := w.memory(t, "VmHWM") - before; grew > most {
		t.Errorf("memory grew by %d MiB for an answer of %d MiB", grew>>20, size>>20)
	}
}

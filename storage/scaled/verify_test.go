package scaled_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
	"samdok/storage/verify"
)

func differences(t testing.TB, l *scaled.Log) (all []string) {
	t.Helper()
	report := func(d verify.Difference) { all = append(all, d.Stream+" "+d.What) }
	n, err := l.Verify(context.Background(), tenant, report, nil)
	must(t, err)
	c, err := verify.Streams(context.Background(), tenant, verify.Options{Engine: l, Report: report})
	must(t, err)
	if n.Changes == 0 || c.Streams == 0 {
		t.Errorf("%d changes and %d streams were compared", n.Changes, c.Streams)
	}
	return all
}

// What is in order has no difference; what was taken out of the index or the journal
// is named, without telling whose it is.
func TestVerify(t *testing.T) {
	p := newPlace(t)
	l := open(t, p)
	g := metadatatest.New(9)
	patients := []metadatatest.Patient{g.Patient(), g.Patient()}
	for _, patient := range append(patients, patients...) {
		must(t, persist(l, storagetest.NewChange(g.Metadata(patient, 1), 0)))
	}
	erased := storagetest.NewChange(g.Metadata(g.Patient(), 1), 0)
	must(t, persist(l, erased))
	must(t, persist(l, storage.Change{Stream: erased.Stream, Events: []storage.Event{removal(erased)}}))
	_, err := l.Redact(context.Background(), tenant, erased.Stream, nil)
	must(t, err)
	if all := differences(t, l); len(all) > 0 {
		t.Fatalf("%q", all)
	}
	send(t, p.Index.URL+"/"+p.Index.Prefix+"changes-000001/_delete_by_query?refresh=true", `{"query":{"term":{"version":2}}}`)
	all := differences(t, l)
	if len(all) == 0 || !strings.Contains(strings.Join(all, "\n"), "version 2 of the journal is not in the index") {
		t.Errorf("after a part of the index was deleted: %q", all)
	}
	alter(t, p)
	all = append(all, differences(t, l)...)
	text := strings.Join(all, "\n")
	if !strings.Contains(text, "batch 2") || !strings.Contains(text, "batch 3 does not follow") {
		t.Errorf("after a batch was altered: %q", all)
	}
	c := objects(t, p)
	must(t, c.RemoveObject(context.Background(), p.Bucket.Name, "journal/test/0000000000000004", minio.RemoveObjectOptions{}))
	if gone := differences(t, l); !strings.Contains(strings.Join(gone, "\n"), "batch 4: it is missing; restore") {
		t.Errorf("after a batch was deleted: %q", gone)
	}
	for _, patient := range patients {
		if strings.Contains(text, patient.ID().ID) {
			t.Error("a difference tells whose it is")
		}
	}
}

// removal takes out everything that a change added.
func removal(c storage.Change) storage.Event {
	ev := storage.Event{Kind: storage.EventRemoved, ID: metadata.NewUUID(), Time: time.Now()}
	for _, a := range c.Events[0].Added {
		ev.Removed = append(ev.Removed, a.Object.ObjectID())
	}
	return ev
}

// alter puts an older batch in the place of batch 2.
func alter(t testing.TB, p place) {
	t.Helper()
	c := objects(t, p)
	src := minio.CopySrcOptions{Bucket: p.Bucket.Name, Object: "journal/test/0000000000000001"}
	_, err := c.CopyObject(context.Background(), minio.CopyDestOptions{Bucket: p.Bucket.Name, Object: "journal/test/0000000000000002"}, src)
	must(t, err)
}

// objects reaches the bucket past samdok.
func objects(t testing.TB, p place) *minio.Client {
	t.Helper()
	u, err := url.Parse(p.Bucket.Endpoint)
	must(t, err)
	transport := &http.Transport{DisableKeepAlives: true}
	c, err := minio.New(u.Host, &minio.Options{Creds: credentials.NewStaticV4(p.Bucket.AccessKey, p.Bucket.SecretKey, ""), Transport: transport})
	must(t, err)
	return c
}

func send(t testing.TB, url, body string) {
	t.Helper()
	elasticsearch(t, http.MethodPost, url, body)
}

// elasticsearch asks the cluster past samdok.
func elasticsearch(t testing.TB, method, url, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	must(t, err)
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", url, res.Status)
	}
}

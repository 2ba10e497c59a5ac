package fleet

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// BenchmarkFind asks a whole server for the ten entries of a patient, in turn with the
// one search of Elasticsearch that has the same hits, which is what a program without
// any promise would send. It reports the medians and the median of what the server
// adds: HTTP, SOAP, access, the search's promises and its record in S3.
func BenchmarkFind(b *testing.B) {
	f := newFleet(b, false)
	f.nodes[1].Load().Stop()
	f.start(1, "--elasticsearch-url", f.index.URL, "--s3-endpoint", f.bucket.Endpoint) // nothing in between
	const patients, entries = 32, 10
	g := metadatatest.New(1)
	searches, questions := make([]call, patients), make([]call, patients)
	for i := range patients {
		p := g.Patient()
		var all sync.WaitGroup
		for range entries {
			d := g.Document(p, metadatatest.Kinds()[0])
			sub := g.Submission(p, d)
			all.Go(func() { f.provide(b.Context(), sub, &document{patient: p, id: d.Entry.ID, bytes: d.Bytes}) })
		}
		all.Wait()
		questions[i], searches[i] = f.asked(b, p, entries)
	}
	plain := &http.Transport{MaxIdleConnsPerHost: 4}
	defer plain.CloseIdleConnections()
	var raw, whole, more []time.Duration
	measure := func(i int) {
		begun := time.Now()
		hits := searches[i%patients].send(b, plain)
		middle := time.Now()
		found := questions[i%patients].send(b, plain)
		end := time.Now()
		if n := bytes.Count(hits, []byte(`"_source"`)); n != entries {
			b.Fatalf("%d hits: %s", n, hits)
		}
		if n := bytes.Count(found, []byte("ExtrinsicObject>")); n != entries {
			b.Fatalf("%d entries: %s", n, found)
		}
		raw, whole = append(raw, middle.Sub(begun)), append(whole, end.Sub(middle))
		more = append(more, end.Sub(middle)-middle.Sub(begun))
	}
	for i := range 4 * patients { // until both are warm
		measure(i)
	}
	raw, whole, more = nil, nil, nil
	i := 0
	for b.Loop() {
		measure(i)
		i++
	}
	for name, list := range map[string][]time.Duration{"raw-µs-p50": raw, "find-µs-p50": whole, "added-µs-p50": more} {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds()), name)
	}
}

// call is a request that can be sent again.
type call struct {
	url    string
	header http.Header
	body   []byte
}

func (c call) send(b *testing.B, by http.RoundTripper) []byte {
	req, err := http.NewRequest(http.MethodPost, c.url, bytes.NewReader(c.body))
	must(b, err)
	req.Header = c.header
	res, err := by.RoundTrip(req)
	must(b, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.Fatal(res.Status, err)
	}
	return answer
}

// asked asks for the entries of a patient, and returns the question and the search
// that it became.
func (f *fleet) asked(b *testing.B, p metadatatest.Patient, entries int) (question, search call) {
	var mu sync.Mutex
	to := &keeping{next: f.http.Transport, call: &question}
	client := xds.NewClient(xds.Options{RegistryURL: f.nodes[1].Load().Registry, HTTP: &http.Client{Transport: to}})
	ask := func(c *xds.Client) {
		a, err := c.Find(context.Background(), metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: p.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
		if err != nil || len(a.Objects) != entries {
			b.Fatal(len(a.Objects), err)
		}
	}
	ask(client)
	f.elastic.during(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if strings.HasSuffix(r.URL.Path, "/_search") {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			mu.Lock()
			defer mu.Unlock()
			search = call{f.index.URL + r.URL.RequestURI(), http.Header{"Content-Type": {"application/json"}}, body}
		}
		return false
	}, func() { ask(f.client(0)) })
	return question, search
}

// keeping keeps the last request that it sends.
type keeping struct {
	next http.RoundTripper
	call *call
}

func (k *keeping) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	*k.call = call{r.URL.String(), r.Header.Clone(), body}
	return k.next.RoundTrip(r)
}

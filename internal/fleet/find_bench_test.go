package fleet

import (
	"bytes"
	"context"
	"errors"
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

// BenchmarkFind asks a whole server for the ten entries of a patient, in turn with what
// Elasticsearch alone takes for them: the one search that has the same hits, which is
// what a program without any promise would send, and the two calls that the server sends,
// at the same time as it does. It reports the medians, and the medians of what the server
// adds to either: HTTP, SOAP, access and its record in S3; to the search also the
// promises of what it finds.
func BenchmarkFind(b *testing.B) {
	f := newFleet(b, false)
	f.nodes[1].Load().Stop()
	f.start(1, "--elasticsearch-url", f.index.URL, "--s3-endpoint", f.bucket.Endpoint, "--profiling", "on") // nothing in between
	const patients, entries = 32, 10
	g := metadatatest.New(1)
	questions, calls := make([]call, patients), make([]sent, patients)
	for i := range patients {
		p := g.Patient()
		var all sync.WaitGroup
		for range entries {
			d := g.Document(p, metadatatest.Kinds()[0])
			sub := g.Submission(p, d)
			all.Go(func() { f.provide(b.Context(), sub, &document{patient: p, id: d.Entry.ID, bytes: d.Bytes}) })
		}
		all.Wait()
		questions[i], calls[i] = f.asked(b, p, entries)
	}
	plain := &http.Transport{MaxIdleConnsPerHost: 4, DisableCompression: true}
	defer plain.CloseIdleConnections()
	took := map[string][]time.Duration{}
	measure := func(i int) {
		begun := time.Now()
		hits := calls[i%patients].search.send(b, plain)
		one := time.Now()
		calls[i%patients].both(b, plain)
		two := time.Now()
		found := questions[i%patients].send(b, plain)
		end := time.Now()
		if n := bytes.Count(hits, []byte(`"_source"`)); n != entries {
			b.Fatalf("%d hits: %s", n, hits)
		}
		if n := bytes.Count(found, []byte("ExtrinsicObject>")); n != entries {
			b.Fatalf("%d entries: %s", n, found)
		}
		search, both, whole := one.Sub(begun), two.Sub(one), end.Sub(two)
		for name, d := range map[string]time.Duration{"search": search, "calls": both, "find": whole, "added-to-search": whole - search, "added-to-calls": whole - both} {
			took[name] = append(took[name], d)
		}
	}
	for i := range 4 * patients { // until all are warm
		measure(i)
	}
	clear(took)
	wait := f.nodes[1].Load().Profiled(b, 5)
	defer wait()
	i := 0
	for b.Loop() {
		measure(i)
		i++
	}
	for name, list := range took {
		slices.Sort(list)
		b.ReportMetric(float64(list[len(list)/2].Microseconds()), name+"-µs-p50")
	}
}

// sent is what a search for entries sends to Elasticsearch.
type sent struct{ search, read call }

// both sends the two at the same time.
func (s *sent) both(b *testing.B, by http.RoundTripper) {
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := s.read.do(by); err != nil {
			b.Error(err)
		}
	})
	s.search.send(b, by)
	all.Wait()
}

// call is a request that can be sent again.
type call struct {
	url    string
	header http.Header
	body   []byte
}

func (c call) send(b *testing.B, by http.RoundTripper) []byte {
	answer, err := c.do(by)
	must(b, err)
	return answer
}

func (c call) do(by http.RoundTripper) ([]byte, error) {
	req, err := http.NewRequest(http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	req.Header = c.header
	res, err := by.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = errors.New(res.Status)
	}
	return answer, err
}

// asked asks for the entries of a patient, and returns the question and the calls
// that it became.
func (f *fleet) asked(b *testing.B, p metadatatest.Patient, entries int) (question call, calls sent) {
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
		body, err := io.ReadAll(r.Body)
		if err != nil {
			b.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		mu.Lock()
		defer mu.Unlock()
		is := call{f.index.URL + r.URL.RequestURI(), http.Header{"Content-Type": {"application/json"}}, body}
		if strings.HasSuffix(r.URL.Path, "/_search") {
			calls.search = is
		} else if bytes.Contains(body, []byte("streams-")) { // the patient, and the watermark along with him
			calls.read = is
		}
		return false
	}, func() { ask(f.client(0)) })
	return question, calls
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

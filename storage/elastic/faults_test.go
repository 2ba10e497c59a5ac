package elastic_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/elastic"
)

// meddler stands between an index and its cluster.
type meddler struct {
	mu   sync.Mutex
	next func(*http.Request) (*http.Response, error) // nil: the cluster
	sent []sent
}

type sent struct{ path, query, body string }

func (m *meddler) set(next func(*http.Request) (*http.Response, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.next, m.sent = next, nil
}

func (m *meddler) RoundTrip(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	next := m.next
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	m.sent = append(m.sent, sent{r.URL.Path, r.URL.RawQuery, string(body)})
	m.mu.Unlock()
	if next != nil {
		if res, err := next(r); res != nil || err != nil {
			return res, err
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

func answer(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// small is an index with one patient's submissions.
func small(t *testing.T, at enginetest.Index, o elastic.Options) (*elastic.Index, *crowd, elastic.Watermark) {
	t.Helper()
	k := &keys{dead: map[uint64]bool{}}
	o.Keys = k
	x := openIndex(t, at, o)
	t.Cleanup(x.Close)
	c := newCrowd(k, 7, 1, 1)
	mark, err := x.Watermark(context.Background(), region)
	if err != nil {
		t.Fatal(err)
	}
	if mark, err = x.Project(context.Background(), region, mark, []elastic.Batch{c.batch(1, 3), c.batch(2, 2)}); err != nil {
		t.Fatal(err)
	}
	return x, c, mark
}

func (c *crowd) first() storage.Stream { return storage.PatientStream(c.patients[0].ID()) }

func count(x *elastic.Index, s storage.Stream) (n int, err error) {
	for _, err := range x.Find(context.Background(), region, s, storage.Filter{Documents: &metadata.DocumentFilter{}}, access.Restriction{}) {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

func TestFaults(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	m := &meddler{}
	o := elastic.Options{Transport: m, Attempts: 3, Timeout: 20 * time.Second}
	x, c, mark := small(t, at, o)
	o.Keys = c.keys
	all := []struct {
		name string
		next func(*http.Request) (*http.Response, error)
		kind fault.Kind
	}{
		{"429", func(*http.Request) (*http.Response, error) {
			return answer(429, `{"error":{"type":"es_rejected_execution_exception","reason":"full"},"status":429}`)
		}, fault.Busy},
		{"503", func(*http.Request) (*http.Response, error) { return answer(503, `not JSON`) }, fault.Busy},
		{"reset", func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by peer") }, fault.Unavailable},
		{"cut off", func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"docs":[`), broken{}))}, nil
		}, fault.Unavailable},
		{"401", func(*http.Request) (*http.Response, error) { return answer(401, `{}`) }, fault.Unavailable},
		{"not of its form", func(*http.Request) (*http.Response, error) { return answer(200, `[]`) }, fault.Unavailable},
	}
	for _, f := range all {
		for _, passing := range []bool{true, false} {
			if passing && (f.name == "401" || f.name == "not of its form") {
				continue // saying it again helps nobody
			}
			m.set(failing(f.next, passing))
			n, err := count(x, c.first())
			if passing && (err != nil || n != int(c.versions[0])) {
				t.Errorf("%s once: %d, %v", f.name, n, err)
			}
			if !passing && (fault.KindOf(err) != f.kind || len(fault.ProblemsOf(err)) != 1 || !strings.Contains(fault.ProblemsOf(err)[0].Context, "index")) {
				t.Errorf("%s: %v, kind %v", f.name, err, fault.KindOf(err))
			}
			m.set(failing(f.next, passing))
			b := c.batch(mark.Seq+1, 1)
			to, err := x.Project(context.Background(), region, mark, []elastic.Batch{b})
			m.set(nil)
			if !passing {
				if err == nil {
					t.Errorf("%s: projected", f.name)
				}
				to, err = x.Project(context.Background(), region, mark, []elastic.Batch{b})
			}
			if err != nil || to.Seq != b.Seq {
				t.Fatalf("%s: %v", f.name, err)
			}
			mark = to
			if n, err := count(x, c.first()); err != nil || n != int(c.versions[0]) {
				t.Fatalf("%s: %d of %d, %v", f.name, n, c.versions[0], err)
			}
			x.Close() // the next one has a breaker that knows of nothing
			x = openIndex(t, at, o)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// failing fails always, or the first call only.
func failing(next func(*http.Request) (*http.Response, error), once bool) func(*http.Request) (*http.Response, error) {
	var n atomic.Int32
	return func(r *http.Request) (*http.Response, error) {
		if n.Add(1) > 1 && once {
			return nil, nil
		}
		return next(r)
	}
}

// A cluster that does not answer is left alone after a while, and a deadline is
// kept.
func TestBreakerAndDeadline(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	m := &meddler{}
	x, c, _ := small(t, at, elastic.Options{Transport: m, Attempts: 2, Timeout: 20 * time.Second})
	m.set(func(*http.Request) (*http.Response, error) { return nil, errors.New("refused") })
	for range 30 {
		if _, err := count(x, c.first()); fault.KindOf(err) != fault.Unavailable {
			t.Fatal(err)
		}
	}
	m.mu.Lock()
	n := len(m.sent)
	m.mu.Unlock()
	if n > 30 {
		t.Errorf("%d calls were made of a cluster that does not answer", n)
	}
	time.Sleep(2100 * time.Millisecond)
	m.set(nil)
	if n, err := count(x, c.first()); err != nil || n != 5 {
		t.Fatalf("%d, %v after it is back", n, err)
	}
	m.set(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := x.Watermark(ctx, region); fault.KindOf(err) != fault.Canceled || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// Two installations do not share a prefix: the first to build its indexes anew would
// drop those of the other. What another program made is not touched either.
func TestForeignIndexes(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	x := openIndex(t, at, elastic.Options{})
	defer x.Close()
	openIndex(t, at, elastic.Options{}).Close() // another node
	o := elastic.Options{URLs: []string{at.URL}, Prefix: at.Prefix, Secret: [32]byte{9}}
	if _, err := elastic.Open(t.Context(), o); !errors.Is(err, elastic.ErrForeign) || !strings.Contains(err.Error(), "SAMDOK_ELASTICSEARCH_PREFIX") {
		t.Errorf("another installation: %v", err)
	}
	if err := x.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	other := enginetest.Elasticsearch(t)
	put, err := http.NewRequestWithContext(t.Context(), http.MethodPut, other.URL+"/"+other.Prefix+"state", strings.NewReader(`{"mappings":{"properties":{"x":{"type":"text"}}}}`))
	if err != nil {
		t.Fatal(err)
	}
	put.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultTransport.RoundTrip(put)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if _, err := elastic.Open(t.Context(), elastic.Options{URLs: []string{other.URL}, Prefix: other.Prefix}); !errors.Is(err, elastic.ErrForeign) || !strings.Contains(err.Error(), other.Prefix+"state was not made by samdok") {
		t.Errorf("another program: %v", err)
	}
}

// A certificate that nobody vouches for is told of at once; each node of the cluster
// is asked once.
func TestRefusedCertificate(t *testing.T) {
	var dialed atomic.Int32
	var urls []string
	for range 2 {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				dialed.Add(1)
			}
		}
		s.StartTLS()
		defer s.Close()
		urls = append(urls, s.URL)
	}
	_, err := elastic.Open(t.Context(), elastic.Options{URLs: urls})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "certificate") || !strings.Contains(fault.ProblemsOf(err)[0].Context, "elasticsearch.ca") {
		t.Error(err)
	}
	if n := dialed.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

// A search for one patient asks one shard of many, and reads no other.
func TestOneShard(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	m := &meddler{}
	x, c, _ := small(t, at, elastic.Options{Transport: m, Shards: 5})
	m.set(nil)
	if n, err := count(x, c.first()); err != nil || n != 5 {
		t.Fatal(n, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	searches := 0
	for _, s := range m.sent {
		if !strings.HasSuffix(s.path, "/_search") {
			continue
		}
		searches++
		var body map[string]any
		if err := json.Unmarshal([]byte(s.body), &body); err != nil {
			t.Fatal(err)
		}
		body["profile"] = true
		var found struct {
			Shards  struct{ Total, Successful int } `json:"_shards"`
			Profile struct{ Shards []any }
		}
		query, _, _ := strings.Cut(s.query, "filter_path")
		call(t, "POST", at.URL+s.path+"?"+strings.Trim(query, "&")+"&"+routingOf(s.query), body, &found)
		if found.Shards.Total != 1 || len(found.Profile.Shards) != 1 {
			t.Fatalf("%+v of %s?%s", found.Shards, s.path, s.query)
		}
	}
	if searches != 1 {
		t.Fatalf("%d searches for one page", searches)
	}
	if len(m.sent) != 2 { // the watermark and the merges in one
		t.Fatalf("a search takes %d calls: %+v", len(m.sent), m.sent)
	}
}

func routingOf(query string) string {
	for _, p := range strings.Split(query, "&") {
		if strings.HasPrefix(p, "routing=") {
			return p
		}
	}
	return ""
}

func call(t *testing.T, method, url string, body, into any) int {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); err != nil || into != nil && json.Unmarshal(got, into) != nil {
		t.Fatal(err, string(got))
	}
	return res.StatusCode
}

// The mappings take no other field, and an index that was dropped does not come
// back with a late write.
func TestStrictness(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	x, c, mark := small(t, at, elastic.Options{})
	for _, k := range []string{"changes-000001", "streams-000001", "ids-000001", "state"} {
		if status := call(t, "POST", at.URL+"/"+at.Prefix+k+"/_doc", map[string]any{"note": "x"}, nil); status != 400 {
			t.Errorf("%s takes a field that it does not know: %d", k, status)
		}
	}
	if err := x.Drop(context.Background(), mark.Generation); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Project(context.Background(), region, mark, []elastic.Batch{c.batch(mark.Seq+1, 1)}); fault.KindOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	if all, err := x.Generations(context.Background()); err != nil || len(all) > 0 {
		t.Fatal(all, err)
	}
	if err := x.Ready(context.Background()); err == nil || !strings.Contains(fault.ProblemsOf(err)[0].Context, "samdok reindex") {
		t.Fatal(err)
	}
}

// Searches go on, and say the same, while another generation is made, takes over
// and the old one is dropped.
func TestGenerations(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	k := &keys{dead: map[uint64]bool{}}
	x := openIndex(t, at, elastic.Options{Keys: k})
	defer x.Close()
	ctx := context.Background()
	c := newCrowd(k, 7, 1, 1)
	mark, err := x.Watermark(ctx, region)
	if err != nil {
		t.Fatal(err)
	}
	var batches []elastic.Batch
	for seq := range uint64(6) { // several pages
		batches = append(batches, c.batch(seq+1, 60))
	}
	if mark, err = x.Project(ctx, region, mark, batches); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var searching sync.WaitGroup
	for range 2 {
		searching.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n, err := count(x, c.first()); err != nil || n != 360 {
					t.Errorf("%d entries, %v", n, err)
					return
				}
			}
		})
	}
	for range 3 {
		g, err := x.NewGeneration(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := x.Switch(ctx, region, mark, g); !errors.Is(err, elastic.ErrAhead) {
			t.Fatalf("a switch to an empty generation: %v", err)
		}
		if err := x.Build(ctx, g, region, batches); err != nil {
			t.Fatal(err)
		}
		if built, err := x.Built(ctx, g, region); err != nil || built != mark.Seq {
			t.Fatal(built, err)
		}
		old := mark.Generation
		if mark, err = x.Switch(ctx, region, mark, g); err != nil {
			t.Fatal(err)
		}
		batches = append(batches, elastic.Batch{Seq: mark.Seq})
		if err := errors.Join(x.Serve(ctx, g), x.Drop(ctx, old)); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	searching.Wait()
	if w, err := x.Watermark(ctx, region); err != nil || w != mark {
		t.Fatal(w, err)
	}
}

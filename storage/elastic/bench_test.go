package elastic_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/access"
	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/elastic"
)

// BenchmarkFind finds a patient's ten entries, in turn with the same calls of the
// cluster made plainly, whose answers are read and thrown away. It reports the
// medians, so that what else the machine does falls on both.
func BenchmarkFind(b *testing.B) {
	at := enginetest.Elasticsearch(b)
	k := &keys{dead: map[uint64]bool{}}
	m := &meddler{}
	x := openIndex(b, at, elastic.Options{Keys: k, Transport: m})
	defer x.Close()
	c := newCrowd(k, 7, 200, 1)
	ctx := context.Background()
	mark, err := x.Watermark(ctx, region)
	var batches []elastic.Batch
	for seq := range uint64(20) {
		batches = append(batches, c.batch(seq+1, 100))
	}
	if err == nil {
		_, err = x.Project(ctx, region, mark, batches)
	}
	if err != nil {
		b.Fatal(err)
	}
	patient := storage.Stream{}
	for i := range c.patients {
		if c.versions[i] == 10 {
			patient = storage.PatientStream(c.patients[i].ID())
		}
	}
	find := func() {
		n := 0
		for _, err := range x.Find(ctx, region, patient, storage.Filter{Documents: &metadata.DocumentFilter{}}, access.Restriction{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10 {
			b.Fatalf("%d entries", n)
		}
	}
	m.set(nil)
	find()
	calls := slices.Clone(m.sent)
	x.Close()
	x = openIndex(b, at, elastic.Options{Keys: k}) // its own pool of connections
	plain := func(s sent) {
		method := "POST"
		if s.body == "" {
			method = "GET"
		}
		req, err := http.NewRequest(method, at.URL+s.path+"?"+s.query, bytes.NewReader([]byte(s.body)))
		if err != nil {
			b.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil || res.StatusCode != 200 {
			b.Error(err, res.Status)
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	raw := func() {
		done := make(chan struct{})
		plain(calls[0])
		if strings.HasSuffix(calls[1].path, "_search") {
			calls[1], calls[2] = calls[2], calls[1]
		}
		go func() { plain(calls[1]); close(done) }()
		plain(calls[2])
		<-done
	}
	var ours, theirs []time.Duration
	for range 100 {
		find()
		raw()
	}
	b.ResetTimer()
	for range b.N {
		begun := time.Now()
		raw()
		middle := time.Now()
		find()
		theirs, ours = append(theirs, middle.Sub(begun)), append(ours, time.Since(middle))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(float64(ours[len(ours)/2].Microseconds()), "find-µs-p50")
	b.ReportMetric(float64(theirs[len(theirs)/2].Microseconds()), "raw-µs-p50")
}

// BenchmarkFindAlone is what a search for ten entries costs this process beside the
// cluster and the network: the answers are those that the cluster gave once.
func BenchmarkFindAlone(b *testing.B) {
	at := enginetest.Elasticsearch(b)
	k := &keys{dead: map[uint64]bool{}}
	kept := &replaying{answers: map[string][]byte{}}
	x := openIndex(b, at, elastic.Options{Keys: k, Transport: kept})
	defer x.Close()
	c := newCrowd(k, 7, 1, 1)
	ctx := context.Background()
	mark, err := x.Watermark(ctx, region)
	if err == nil {
		_, err = x.Project(ctx, region, mark, []elastic.Batch{c.batch(1, 10)})
	}
	if err != nil {
		b.Fatal(err)
	}
	find := func() {
		if n, err := count(x, c.first()); err != nil || n != 10 {
			b.Fatal(n, err)
		}
	}
	find()
	kept.replay.Store(true)
	var all []time.Duration
	b.ReportAllocs()
	for b.Loop() {
		begun := time.Now()
		find()
		all = append(all, time.Since(begun))
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds()), "µs-p50")
}

// replaying keeps the last answer of each path, and gives it without asking.
type replaying struct {
	replay  atomic.Bool
	mu      sync.Mutex
	answers map[string][]byte
}

func (r *replaying) RoundTrip(req *http.Request) (*http.Response, error) {
	key := req.Method + req.URL.Path
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.replay.Load() {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(r.answers[key]))}, nil
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	res.Body = io.NopCloser(bytes.NewReader(body))
	r.answers[key] = body
	return res, err
}

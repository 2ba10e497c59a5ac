package scaled_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/s3"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
)

// callers submit at the same time.
const callers = 32

// BenchmarkAppend: submissions of one document by 32 callers, for 1,024 patients.
func BenchmarkAppend(b *testing.B) {
	var batches atomic.Int64
	l := open(b, newPlace(b), func(o *scaled.Options) { o.Watch.Wrote = func(int, int, time.Duration) { batches.Add(1) } })
	g := metadatatest.New(1)
	patients := make([]metadatatest.Patient, 1024)
	for i := range patients {
		patients[i] = g.Patient()
	}
	spread(b, func(w int, next func() bool) error {
		return submitting(l, w, patients, next)
	})
	b.ReportMetric(float64(b.N)/float64(batches.Load()), "submissions/batch")
}

func submitting(l *scaled.Log, w int, patients []metadatatest.Patient, next func() bool) error {
	g := metadatatest.New(uint64(1000 + w))
	versions := map[int]storage.Version{}
	for i := w; next(); i = (i + callers) % len(patients) { // nobody else writes for these
		c := storagetest.NewChange(g.Metadata(patients[i], 1), versions[i])
		if err := l.Append(context.Background(), tenant, []storage.Change{c}); err != nil {
			return err
		}
		versions[i]++
	}
	return nil
}

// BenchmarkPlain does the same conditional creations and bulks with refresh in a
// plain loop, and nothing else: what an Append cannot be faster than.
func BenchmarkPlain(b *testing.B) {
	p := newPlace(b)
	store, err := s3.Open(context.Background(), s3.Options{Endpoint: p.Bucket.Endpoint, Bucket: p.Bucket.Name,
		AccessKey: p.Bucket.AccessKey, SecretKey: p.Bucket.SecretKey, Proven: true})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	q := &plain{journal: store.Journal(tenant), index: p.Index.URL, prefix: p.Index.Prefix, client: client, queue: make(chan chan error, callers)}
	for _, name := range []string{"parts", "names"} { // sealed bytes and keywords, as storage/elastic has them
		must(b, q.send("PUT", "/"+p.Index.Prefix+name, []byte(`{"settings":{"number_of_replicas":0,"refresh_interval":"-1"},
			"mappings":{"dynamic":"strict","properties":{"stream":{"type":"keyword"},"code":{"type":"keyword"},"data":{"type":"binary"}}}}`)))
	}
	ended := make(chan struct{})
	go func() { defer close(ended); q.run() }()
	spread(b, func(w int, next func() bool) error {
		done := make(chan error, 1)
		for next() {
			q.queue <- done
			if err := <-done; err != nil {
				return err
			}
		}
		return nil
	})
	close(q.queue)
	<-ended
}

// spread runs a function for each caller until all are done.
func spread(b *testing.B, f func(w int, next func() bool) error) {
	b.Helper()
	b.ResetTimer()
	var all sync.WaitGroup
	var mu sync.Mutex
	left := b.N
	next := func() bool {
		mu.Lock()
		defer mu.Unlock()
		left--
		return left >= 0
	}
	for w := range callers {
		all.Go(func() {
			if err := f(w, next); err != nil {
				b.Error(err)
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "submissions/s")
}

// plain is the plain loop.
type plain struct {
	journal       *s3.Journal
	index, prefix string
	client        *http.Client
	queue         chan chan error
	seq           uint64
}

const (
	plainText  = 1500 // bytes of a sealed submission of one document
	plainNames = 8    // small documents of it: its stream, its identifiers
)

func (q *plain) run() {
	for first := range q.queue {
		batch := []chan error{first}
		for more := true; more; {
			select {
			case done, open := <-q.queue:
				if more = open; open {
					batch = append(batch, done)
				}
			default:
				more = false
			}
		}
		err := q.write(len(batch))
		for _, done := range batch {
			done <- err
		}
	}
}

func (q *plain) write(n int) error {
	d := make([]byte, n*plainText)
	if _, err := rand.Read(d); err != nil {
		return err
	}
	q.seq++
	if err := q.journal.Append(context.Background(), q.seq, d); err != nil {
		return err
	}
	var parts, names bytes.Buffer
	for i := range n {
		fmt.Fprintf(&parts, "{\"index\":{\"_id\":\"%d.%d\"}}\n{\"stream\":\"%x\",\"code\":[\"a^^1\",\"b^^2\"],\"data\":\"%s\"}\n", q.seq, i, d[:16], bytes.Repeat([]byte("QUJD"), plainText/3))
		for j := range plainNames {
			fmt.Fprintf(&names, "{\"index\":{\"_id\":\"%d.%d.%d\"}}\n{\"data\":\"%s\"}\n", q.seq, i, j, bytes.Repeat([]byte("QUJD"), 12))
		}
	}
	named := make(chan error, 1)
	go func() { named <- q.send("POST", "/"+q.prefix+"names/_bulk", names.Bytes()) }()
	err := q.send("POST", "/"+q.prefix+"parts/_bulk?refresh=true", parts.Bytes())
	if also := <-named; err == nil {
		err = also
	}
	return err
}

func (q *plain) send(method, path string, body []byte) error {
	req, err := http.NewRequest(method, q.index+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	if method == "PUT" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := q.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode >= 300 || bytes.Contains(answer, []byte(`"errors":true`))) {
		err = fmt.Errorf("%s: %s %s", path, res.Status, answer)
	}
	return err
}

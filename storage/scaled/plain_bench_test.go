package scaled_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/storage"
	"samdok/storage/keyring"
	"samdok/storage/s3"
	"samdok/storage/scaled"
	"samdok/storage/storagetest"
)

// BenchmarkPlain creates the same objects in S3 by condition, sends the same documents
// to the same indexes by the same two bulks with refresh, and appends a record of each
// submission to a ledger in S3, in a plain loop: no XML, no reading, no checks. What a
// server sends is learned from one submission; the loop sends copies of it.
func BenchmarkPlain(b *testing.B) {
	p := newPlace(b)
	q := &plain{sample: learn(b, p), queue: make(chan chan error, callers), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}}
	defer q.client.CloseIdleConnections()
	store, err := s3.Open(context.Background(), s3.Options{Endpoint: p.Bucket.Endpoint, Bucket: p.Bucket.Name, Prefix: "plain/",
		AccessKey: p.Bucket.AccessKey, SecretKey: p.Bucket.SecretKey, Proven: true})
	must(b, err)
	defer store.Close()
	q.journal = store.Journal(tenant)
	book, end := openBook(b, store)
	defer end()
	ended := make(chan struct{})
	go func() { defer close(ended); q.run() }()
	spread(b, func(w int, next func() bool) error {
		done := make(chan error, 1)
		for next() {
			q.queue <- done
			if err := <-done; err != nil {
				return err
			}
			if _, err := book.Record(context.Background(), recorded()); err != nil {
				return err
			}
		}
		return nil
	})
	close(q.queue)
	<-ended
	b.ReportMetric(float64(b.N)/float64(q.seq), "submissions/batch")
}

// openBook opens a ledger in a store, as a server has one.
func openBook(b *testing.B, store *s3.Store) (*ledger.Ledger, func()) {
	m, err := keyring.NewMaster(bytes.Repeat([]byte("k"), keyring.MasterSize))
	must(b, err)
	ring, err := keyring.Open(b.TempDir(), m)
	must(b, err)
	files := store.Files(ledger.Kept)
	book, err := ledger.Open(context.Background(), "ledger/plain", ledger.Options{Ring: ring, FS: files, Ahead: -1, SegmentSize: 8 << 20})
	must(b, err)
	return book, func() {
		must(b, book.Close())
		must(b, files.Close())
		must(b, ring.Close())
	}
}

// recorded is the event of a registered document: its set and its entry.
func recorded() *audit.Event {
	patient := metadata.PatientID{ID: "13920079911", Authority: "2.16.578.1.12.4.1.4.1"}
	now := time.Now()
	e := &audit.Event{
		Request: access.Request{Tenant: tenant, Action: access.ActionRegister, Transaction: "ITI-42", Time: now, Patients: []metadata.PatientID{patient},
			Caller: access.Caller{Door: "soap", Remote: "10.0.0.7", MessageID: metadata.NewUUID().String()}},
		Outcome: audit.Success, Rules: []string{"open"}, Time: now,
	}
	for _, kind := range []access.ItemKind{access.ItemSubmissionSet, access.ItemEntry} {
		e.Items = append(e.Items, access.Item{Kind: kind, ID: metadata.NewUUID().ID(), UniqueID: "2.16.578.1.12.4.5.1000.1.7",
			RepositoryID: "2.16.578.1.12.4.5.1000.2", Patient: patient, Status: metadata.Approved})
	}
	return e
}

// sample is what the log sends for one submission of one document.
type sample struct {
	batch        int    // bytes of the journal's object
	parts, names call   // bulks; names of streams and identifiers
	index        string // URL of Elasticsearch
}

// call is a bulk: its path, its lines by twos, and the ids in the first of each two.
type call struct {
	path       string
	lines, ids []string
}

func newCall(r *http.Request, body []byte) (c call, err error) {
	c = call{path: r.URL.RequestURI(), lines: strings.SplitAfter(string(body), "\n")}
	for i := 0; i+1 < len(c.lines); i += 2 {
		var action struct {
			Index struct {
				ID string `json:"_id"`
			} `json:"index"`
		}
		if err := json.Unmarshal([]byte(c.lines[i]), &action); err != nil {
			return c, err
		}
		c.ids = append(c.ids, action.Index.ID)
	}
	return c, nil
}

// learn has the log append a submission, through a proxy that looks at the bulks.
func learn(b *testing.B, p place) (s sample) {
	s.index = p.Index.URL
	to, err := url.Parse(p.Index.URL)
	must(b, err)
	var mu sync.Mutex
	pass := httputil.NewSingleHostReverseProxy(to)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			b.Error(err)
		}
		if strings.HasSuffix(r.URL.Path, "/_bulk") {
			mu.Lock()
			bulk, err := newCall(r, body)
			if err != nil {
				b.Error(err)
			}
			if r.URL.Query().Get("refresh") == "true" {
				s.parts = bulk
			} else {
				s.names = bulk
			}
			mu.Unlock()
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		pass.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	p.Index.URL = proxy.URL
	l, end, err := p.open(func(o *scaled.Options) { o.Watch.Wrote = func(_, size int, _ time.Duration) { s.batch = size } })
	must(b, err)
	g := metadatatest.New(1)
	must(b, l.Append(context.Background(), tenant, []storage.Change{storagetest.NewChange(g.Metadata(g.Patient(), 1), 0)}))
	must(b, end())
	return s
}

// append adds a copy of the call's documents under names of their own.
func (c *call) append(body []byte, name string) []byte {
	for i, id := range c.ids {
		body = append(body, strings.Replace(c.lines[2*i], id, name+id[len(name):], 1)...)
		body = append(body, c.lines[2*i+1]...)
	}
	return body
}

// plain is the plain loop.
type plain struct {
	sample
	journal *s3.Journal
	client  *http.Client
	queue   chan chan error
	seq     uint64
}

// lingers is how long the plain loop waits for those who are recording.
const lingers = 3 * time.Millisecond

func (q *plain) run() {
	for first := range q.queue {
		batch := []chan error{first}
		late := time.NewTimer(lingers)
		for more := true; more && len(batch) < callers; {
			select {
			case done, open := <-q.queue:
				if more = open; open {
					batch = append(batch, done)
				}
			case <-late.C:
				more = false
			}
		}
		late.Stop()
		err := q.write(len(batch))
		for _, done := range batch {
			done <- err
		}
	}
}

func (q *plain) write(n int) error {
	d := make([]byte, n*q.batch)
	if _, err := rand.Read(d); err != nil {
		return err
	}
	q.seq++
	if err := q.journal.Append(context.Background(), q.seq, d); err != nil {
		return err
	}
	var parts, names []byte
	for i := range n {
		name := fmt.Sprintf("%06x%02x", q.seq, i)
		parts, names = q.parts.append(parts, name), q.names.append(names, name)
	}
	named := make(chan error, 1)
	go func() { named <- q.send(q.names.path, names) }()
	err := q.send(q.parts.path, parts)
	if also := <-named; err == nil {
		err = also
	}
	return err
}

func (q *plain) send(path string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, q.index+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	res, err := q.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode >= 300 || bytes.Contains(answer, []byte(`"error":`))) {
		err = fmt.Errorf("%s: %s %s", path, res.Status, answer)
	}
	return err
}

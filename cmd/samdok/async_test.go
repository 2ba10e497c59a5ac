package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/internal/app"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/mtom"
	"samdok/soap/xds"
)

// receiver is a sender's place for answers, which can be closed for a while.
type receiver struct {
	*httptest.Server
	inbox  *xds.Inbox
	closed atomic.Bool
	mu     sync.Mutex
	seen   map[string]int // answers taken, by what they relate to
}

var relatesTo = regexp.MustCompile(`RelatesTo>([^<]+)<`)

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{seen: map[string]int{}}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		b, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if r.closed.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if m := relatesTo.FindSubmatch(b); m != nil {
			r.mu.Lock()
			r.seen[string(m[1])]++
			r.mu.Unlock()
		}
		req.Body = io.NopCloser(bytes.NewReader(b))
		r.inbox.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	r.inbox = xds.NewInbox(r.URL+"/answers", mtom.Limits{}, t.TempDir())
	return r
}

func (p *process) asyncClient(t *testing.T, r *receiver) *xds.Client {
	transport := &http.Transport{MaxIdleConnsPerHost: 50}
	t.Cleanup(transport.CloseIdleConnections)
	return xds.NewClient(xds.Options{RegistryURL: p.Registry, RepositoryURL: p.Repository, Inbox: r.inbox, HTTP: &http.Client{Transport: transport}})
}

// TestKilledServerStillAnswers ends the server with SIGKILL between HTTP 202 and
// the delivery of the answers. Each request that was accepted is answered by the
// next server, and what it was to change is changed.
func TestKilledServerStillAnswers(t *testing.T) {
	t.Parallel()
	dir, r := t.TempDir(), newReceiver(t)
	r.closed.Store(true)
	p := startProcess(t, dir, "--async-answers", "on", "--outward-allow", r.URL+"/answers")
	client := p.asyncClient(t, r)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	g := metadatatest.New(77)
	patient := g.Patient()
	first := g.Document(patient, metadatatest.LabXML)
	if _, err := p.client(t).Provide(ctx, g.Submission(patient, first), []xds.Attachment{xds.BytesAttachment(first.Entry.ID, first.Entry.MimeType, first.Bytes)}); err != nil {
		t.Fatal(err)
	}
	query := metadata.StoredQuery{Return: metadata.ObjectRef, Query: &metadata.FindDocuments{Patient: first.Entry.PatientID, Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	requests := []metadata.DocumentRequest{{RepositoryID: p.RepositoryUniqueID, UniqueID: first.Entry.UniqueID}}

	const each = 6
	outcomes := make(chan error, 3*each)
	for range each {
		d := g.Document(patient, metadatatest.LabXML)
		s := g.Submission(patient, d)
		go func() {
			_, err := client.Provide(ctx, s, []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
			outcomes <- err
		}()
		go func() {
			found, err := client.Find(ctx, query)
			if err == nil && len(found.Refs) == 0 {
				err = errors.New("the answer to a query is empty")
			}
			outcomes <- err
		}()
		go func() {
			n := 0
			_, err := client.Retrieve(ctx, requests, func(doc xds.Document) error {
				b, err := io.ReadAll(doc.Body)
				if n++; err == nil && !bytes.Equal(b, first.Bytes) {
					err = errors.New("the document is another")
				}
				return err
			})
			if err == nil && n != 1 {
				err = fmt.Errorf("%d documents", n)
			}
			outcomes <- err
		}()
	}
	deadline := time.Now().Add(time.Minute)
	for p.outbox(t) < 3*each && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	p.signal(t, syscall.SIGKILL)
	p.wait(t)
	if len(outcomes) > 0 {
		t.Fatalf("a request ended before its answer could come: %v", <-outcomes)
	}
	r.closed.Store(false)
	p = startProcess(t, dir, "--async-answers", "on", "--outward-allow", r.URL+"/answers")
	for range 3 * each {
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
	}
	found, err := p.client(t).Find(ctx, query)
	if err != nil || len(found.Refs) != each+1 {
		t.Errorf("%d documents were stored, %v", len(found.Refs), err)
	}
	for id, n := range r.seen {
		if n != 1 {
			t.Errorf("%d answers to %s", n, id)
		}
	}
	deadline = time.Now().Add(time.Minute)
	for p.outbox(t) > 0 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if n := p.outbox(t); n != 0 {
		t.Errorf("%d answers are still owed", n)
	}
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

var outboxWaiting = regexp.MustCompile(`(?m)^samdok_outbox_answers_waiting (\d+)`)

// outbox is how many answers wait.
func (p *process) outbox(t *testing.T) (n int) {
	t.Helper()
	resp, err := http.Get(p.Internal + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	m := outboxWaiting.FindSubmatch(b)
	if m == nil {
		t.Fatal("the metrics do not show the outbox")
	}
	if _, err := fmt.Sscan(string(m[1]), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestOutboxCommand: an operator sees what is owed without what it says, tries it
// again, and drops it with a reason that is recorded.
func TestOutboxCommand(t *testing.T) {
	t.Parallel()
	dir, r := t.TempDir(), newReceiver(t)
	r.closed.Store(true)
	p := startProcess(t, dir, "--async-answers", "on", "--outward-allow", r.URL+"/answers")
	g := metadatatest.New(78)
	patient := g.Patient()
	query := metadata.StoredQuery{Query: &metadata.FindDocuments{Patient: patient.ID().CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	defer all.Wait()
	outcomes := make(chan error, 2)
	for range 2 {
		all.Go(func() {
			_, err := p.asyncClient(t, r).Find(ctx, query)
			outcomes <- err
		})
	}
	for p.outbox(t) < 2 && ctx.Err() == nil {
		time.Sleep(20 * time.Millisecond)
	}
	run := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("samdok", append(args, "--data", dir)...)
		cmd.Env = append(cmd.Environ(), "LANG=C")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	list := func() (letters []app.OutboxLetter) {
		t.Helper()
		for d := json.NewDecoder(strings.NewReader(run("outbox", "--json"))); d.More(); {
			var l app.OutboxLetter
			if err := d.Decode(&l); err != nil {
				t.Fatal(err)
			}
			letters = append(letters, l)
		}
		return letters
	}
	letters := list()
	if len(letters) != 2 || letters[0].Queue != "answers" || letters[0].State != "waiting" {
		t.Fatalf("%+v", letters)
	}
	if table := run("outbox"); !strings.Contains(table, letters[0].ID) || strings.Contains(table, patient.FNR) {
		t.Errorf("%s", table)
	}
	run("outbox", "--drop", letters[0].ID, "--reason", "a test of dropping")
	if left := list(); len(left) != 1 || left[0].ID != letters[1].ID {
		t.Errorf("%+v", left)
	}
	if log := run("log", "--json"); !strings.Contains(log, "a test of dropping") || !strings.Contains(log, letters[0].ID) {
		t.Error("the reason is not in the ledger")
	}
	r.closed.Store(false)
	run("outbox", "--retry", letters[1].ID)
	if err := <-outcomes; err != nil {
		t.Error(err)
	}
	cancel()
	for _, args := range [][]string{{"--retry", letters[0].ID}, {"--drop", "x", "--reason", "y"}} {
		out, err := exec.Command("samdok", append([]string{"outbox", "--data", dir}, args...)...).CombinedOutput()
		var code *exec.ExitError
		if !errors.As(err, &code) || code.ExitCode() != 4 {
			t.Errorf("%v: %v %s", args, err, out)
		}
	}
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/internal/app"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
	"samdok/storage/storagetest"
)

// process is a `samdok serve` of its own, so that it can be killed.
type process struct {
	app.Info
	cmd   *exec.Cmd
	log   bytes.Buffer
	ended chan struct{}
	err   error
}

func startProcess(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	p := &process{ended: make(chan struct{})}
	p.cmd = exec.Command("samdok", append([]string{"serve", "--json", "--data", dir, "--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0", "--profile", "norway"}, args...)...)
	p.cmd.Stderr = &p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	go func() { p.err = p.cmd.Wait(); close(p.ended) }()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("log of process %d:\n%s", p.cmd.Process.Pid, &p.log)
		}
	})
	if err == nil {
		err = json.Unmarshal(line, &p.Info)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &p.log)
	}
	return p
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// wait is how the process ended.
func (p *process) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-p.ended:
		return p.err
	case <-time.After(2 * time.Minute):
		t.Fatal("the server does not end")
		return nil
	}
}

func (p *process) client(t *testing.T) *xds.Client {
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return xds.NewClient(xds.Options{RegistryURL: p.Registry, RepositoryURL: p.Repository, HTTP: &http.Client{Transport: transport, Timeout: 20 * time.Second}})
}

// writer is one client that registers documents until the server is gone.
type writer struct {
	patient metadatatest.Patient
	// all counts what this one and others were acknowledged.
	all *atomic.Int64
	// acknowledged is what the server said yes to; last was sent and not answered.
	acknowledged []metadatatest.Document
	last         metadatatest.Document
	// found and opened are the searches and retrievals that were answered.
	found, opened int
	// missed are documents that were acknowledged and not in the next search.
	missed []metadata.ID
}

func (w *writer) write(client *xds.Client, g *metadatatest.Gen) {
	for {
		d := g.Document(w.patient, metadatatest.LabXML)
		w.last = d
		s := g.Submission(w.patient, d)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := client.Provide(ctx, s, []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
		cancel()
		if err != nil {
			return
		}
		w.acknowledged = append(w.acknowledged, d)
		w.all.Add(1)
		if len(w.acknowledged)%3 == 0 && !w.read(client, d) {
			return
		}
	}
}

// inTheMiddle is a moment to kill a server: its clients have had enough answers for the
// round to prove something, however busy the machine is, and go on.
func inTheMiddle(t *testing.T, answers *atomic.Int64, enough int64) {
	t.Helper()
	for begin := time.Now(); answers.Load() < enough; time.Sleep(5 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Errorf("only %d answers in a minute", answers.Load())
			return
		}
	}
	time.Sleep(rand.N(500 * time.Millisecond))
}

// read searches and opens what was written last; false when the server is gone.
func (w *writer) read(client *xds.Client, d metadatatest.Document) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	q := &metadata.FindDocuments{Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}
	answer, err := client.Find(ctx, metadata.StoredQuery{Query: q})
	if err != nil {
		return false
	}
	w.found++
	entries := entriesOf(answer.Objects)
	i := slices.IndexFunc(entries, func(e *metadata.DocumentEntry) bool { return e.ID == d.Entry.ID })
	if i < 0 {
		w.missed = append(w.missed, d.Entry.ID)
		return true
	}
	if same(ctx, client, entries[i], d.Bytes) != nil {
		return false
	}
	w.opened++
	return true
}

// TestKilledServerKeepsWhatItAcknowledged ends the server with SIGKILL at random
// moments while 8 clients write and read. Every answered request has its record, and
// every record is whole (P6). Every document that was acknowledged is found and
// opened afterwards; a document that was not is there whole or not at all (P1, P2).
func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	const writers = 8
	rounds := 4
	if storagetest.Long() {
		rounds = 50
	}
	dir := t.TempDir()
	var all []*writer
	taken := map[string]bool{} // one writer's documents must not be another's
	for round := range rounds {
		begin := time.Now()
		p := startProcess(t, dir)
		client := p.client(t)
		var group sync.WaitGroup
		var acknowledged atomic.Int64
		for i := range writers {
			g := metadatatest.New(uint64(round*writers+i) + rand.Uint64()<<8)
			w := &writer{patient: g.Patient(), all: &acknowledged}
			for taken[w.patient.FNR] {
				w.patient = g.Patient()
			}
			taken[w.patient.FNR] = true
			all = append(all, w)
			group.Go(func() { w.write(client, g) })
		}
		inTheMiddle(t, &acknowledged, writers)
		p.signal(t, syscall.SIGKILL)
		p.wait(t)
		group.Wait()
		checkRecorded(t, dir, begin, all[round*writers:])
	}
	p := startProcess(t, dir)
	client := p.client(t)
	acknowledged := 0
	for _, w := range all {
		acknowledged += len(w.acknowledged)
		w.check(t, client)
	}
	if acknowledged < writers*rounds {
		t.Errorf("only %d documents were acknowledged: the test proves nothing", acknowledged)
	}
	t.Logf("%d acknowledged documents in %d rounds", acknowledged, rounds)
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

// checkRecorded looks for the record of every acknowledged document and every
// answered read of patients that only this round has, and verifies the ledger.
func checkRecorded(t *testing.T, dir string, begin time.Time, all []*writer) {
	t.Helper()
	if out, err := exec.Command("samdok", "verify", "ledger", "--data", dir).CombinedOutput(); err != nil {
		t.Errorf("before the next start: %v\n%s", err, out)
	}
	out, err := exec.Command("samdok", "log", "--json", "--limit", "100000", "--data", dir, "--since", begin.UTC().Format(time.RFC3339)).Output()
	if err != nil {
		t.Fatal(err)
	}
	recorded := map[string]bool{}
	reads := map[string]int{}
	for line := range bytes.Lines(out) {
		var r app.LogRecord
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Outcome != "success" {
			continue
		}
		for _, i := range r.Items {
			if r.Event == "provide" {
				recorded[i.UniqueID] = true
			}
		}
		if len(r.Items) > 0 && (r.Event == "find" || r.Event == "retrieve") {
			reads[r.Event+r.Items[0].Patient]++
		}
	}
	for _, w := range all {
		for _, d := range w.acknowledged {
			if !recorded[d.Entry.UniqueID] {
				t.Errorf("there is no record of %s, which was acknowledged", d.Entry.UniqueID)
			}
		}
		patient := string(w.patient.CX())
		if found, opened := reads["find"+patient], reads["retrieve"+patient]; found < w.found || opened < w.opened || found > w.found+1 || opened > w.opened+1 {
			t.Errorf("%d searches and %d retrievals were answered, %d and %d are recorded", w.found, w.opened, found, opened)
		}
	}
	if out, err := exec.Command("samdok", "verify", "ledger", "--data", dir).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func (w *writer) check(t *testing.T, client *xds.Client) {
	t.Helper()
	for _, id := range w.missed {
		t.Errorf("%s was acknowledged and not in the next search (P1)", id)
	}
	q := &metadata.FindDocuments{Patient: w.patient.CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved, metadata.Deprecated}}}
	answer, err := client.Find(t.Context(), metadata.StoredQuery{Query: q})
	if err != nil {
		t.Fatal(err)
	}
	found := map[metadata.ID]*metadata.DocumentEntry{}
	for _, e := range entriesOf(answer.Objects) {
		found[e.ID] = e
	}
	for _, d := range w.acknowledged {
		if e := found[d.Entry.ID]; e == nil {
			t.Errorf("%s was acknowledged and is lost", d.Entry.ID)
		} else if err := same(t.Context(), client, e, d.Bytes); err != nil {
			t.Errorf("%s: %v", d.Entry.ID, err)
		}
		delete(found, d.Entry.ID)
	}
	if e := found[w.last.Entry.ID]; e != nil {
		if err := same(t.Context(), client, e, w.last.Bytes); err != nil {
			t.Errorf("unanswered, yet registered %s: %v", e.ID, err)
		}
		delete(found, e.ID)
	}
	if len(found) > 0 {
		t.Errorf("%d documents were never sent", len(found))
	}
}

func same(ctx context.Context, client *xds.Client, e *metadata.DocumentEntry, want []byte) error {
	var got []byte
	_, err := client.Retrieve(ctx, []metadata.DocumentRequest{{Home: e.Home, RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}}, func(d xds.Document) (err error) {
		got, err = io.ReadAll(d.Body)
		return err
	})
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d bytes came instead of %d", len(got), len(want))
	}
	return err
}

// upload is a document that waits in its middle.
type upload struct {
	document metadatatest.Document
	begun    chan struct{} // closed when half of it has gone
	goOn     chan struct{}
	result   chan error
}

// slowUpload sends it in a goroutine.
func slowUpload(client *xds.Client) *upload {
	g := metadatatest.New(rand.Uint64())
	patient := g.Patient()
	u := &upload{document: g.Document(patient, metadatatest.XRay), begun: make(chan struct{}), goOn: make(chan struct{}), result: make(chan error, 1)}
	d := u.document
	half := len(d.Bytes) / 2
	first := true
	part := xds.Attachment{EntryID: d.Entry.ID, MimeType: d.Entry.MimeType, Size: int64(len(d.Bytes)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(bytes.NewReader(d.Bytes[:half]), readerFunc(func([]byte) (int, error) {
			if first {
				first = false
				close(u.begun)
				<-u.goOn
			}
			return 0, io.EOF
		}), bytes.NewReader(d.Bytes[half:]))), nil
	}}
	go func() {
		_, err := client.Provide(context.Background(), g.Submission(patient, d), []xds.Attachment{part})
		u.result <- err
	}()
	return u
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(b []byte) (int, error) { return f(b) }

// waitInWork returns when the server has taken a request up: what still stands in
// the kernel's queue of connections is lost when the port closes.
func (p *process) waitInWork(t *testing.T) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	for range 6000 { // a minute
		answer, err := (&http.Client{Transport: transport}).Get(p.Internal + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("samdok_http_requests_in_work 1\n")) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no request is in work")
}

// waitRefusing returns when the server lets no new clients in.
func (p *process) waitRefusing(t *testing.T) {
	t.Helper()
	for range 100 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, err := p.client(t).Find(ctx, metadata.StoredQuery{Query: &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{"1.2"}}}})
		cancel()
		if err != nil && isNetwork(err) {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("new clients are still let in")
}

// hurry presses Ctrl-C until the server ends, and is how it ended: a signal that
// comes before the first one is wholly seen to is one with it.
func (p *process) hurry(t *testing.T) error {
	t.Helper()
	for range 600 { // a minute
		if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err)
		}
		select {
		case <-p.ended:
			return p.err
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("the server does not end at once")
	return nil
}

// TestDrain: SIGTERM refuses new clients at once, lets an upload in its middle end,
// and the server ends with code 0.
func TestDrain(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	u := slowUpload(p.client(t))
	<-u.begun
	p.waitInWork(t)
	p.signal(t, syscall.SIGTERM)
	p.waitRefusing(t)
	close(u.goOn)
	if err := <-u.result; err != nil {
		t.Errorf("the upload in its middle: %v", err)
	}
	if err := p.wait(t); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	if strings.Contains(p.log.String(), `"ERROR"`) {
		t.Errorf("the log has errors:\n%s", &p.log)
	}
	again := startProcess(t, dir)
	entries, err := getDocuments(t.Context(), again.client(t), string(u.document.Entry.ID))
	if err != nil || len(entries) != 1 {
		t.Fatalf("the document after a restart: %d entries, %v", len(entries), err)
	}
	if err := same(t.Context(), again.client(t), entries[0], u.document.Bytes); err != nil {
		t.Error(err)
	}
}

// TestSecondSignalEndsAtOnce: who is in a hurry presses Ctrl-C twice.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	p := startProcess(t, t.TempDir())
	u := slowUpload(p.client(t))
	<-u.begun
	p.waitInWork(t)
	p.signal(t, syscall.SIGINT)
	p.waitRefusing(t)
	select {
	case <-p.ended:
		t.Fatal("the first signal cut the upload off")
	case <-time.After(300 * time.Millisecond):
	}
	var e *exec.ExitError
	if err := p.hurry(t); !errors.As(err, &e) {
		t.Errorf("it ended with %v", err)
	}
	close(u.goOn)
	if err := <-u.result; err == nil {
		t.Error("the upload was answered by a server that is gone")
	}
}

// TestWitnessOverTheNetwork: a witness asks the internal listener, and a folder that
// was restored from an older copy is found out.
func TestWitnessOverTheNetwork(t *testing.T) {
	t.Parallel()
	dir, copied, keep := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "copy"), filepath.Join(t.TempDir(), "witness")
	p := startProcess(t, dir)
	key, err := exec.Command("samdok", "ledger", "keys", "--data", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGTERM)
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-a", dir, copied).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	witness := func(p *process) (string, error) {
		out, err := exec.Command("samdok", "ledger", "witness", "--from", p.Internal, "--keep", keep, "--key", strings.TrimSpace(string(key))).CombinedOutput()
		return string(out), err
	}
	p = startProcess(t, dir)
	for range 2 {
		if out, err := witness(p); err != nil || !strings.Contains(out, "continues") {
			t.Fatalf("%v: %s", err, out)
		}
		if err := exec.Command("samdok", "log", "--data", dir).Run(); err != nil {
			t.Fatal(err)
		}
	}
	out, err := witness(startProcess(t, copied))
	var e *exec.ExitError
	if !errors.As(err, &e) || e.ExitCode() != exitFailed || !strings.Contains(out, "set back") && !strings.Contains(out, "replaced") {
		t.Errorf("a ledger that was set back: %v: %s", err, out)
	}
}

// TestOneServerPerFolder: the second one says who holds it.
func TestOneServerPerFolder(t *testing.T) {
	dir := t.TempDir()
	p := startProcess(t, dir)
	out, err := exec.Command("samdok", "serve", "--data", dir, "--listen", "127.0.0.1:0", "--internal-listen", "off").CombinedOutput()
	if err == nil || !strings.Contains(string(out), fmt.Sprintf("process %d", p.cmd.Process.Pid)) {
		t.Errorf("%v: %s", err, out)
	}
}

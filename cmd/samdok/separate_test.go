package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
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

	"samdok/fault"
	"samdok/internal/app"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// line stands between a repository and its registry and fails as it is told.
type line struct {
	*httptest.Server
	mode atomic.Value // string
	to   atomic.Value // URL of the registry
	sent atomic.Int64
}

func newLine(t *testing.T, to string) *line {
	l := &line{}
	l.mode.Store("")
	l.to.Store(to)
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	return l
}

func (l *line) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	mode := l.mode.Load().(string)
	if strings.Contains(string(body), "RegisterDocumentSet-b") {
		l.sent.Add(1)
	}
	switch mode {
	case "lost on the way":
		panic(http.ErrAbortHandler)
	case "unavailable":
		http.Error(w, "no", http.StatusServiceUnavailable)
		return
	case "broken":
		http.Error(w, "a proxy's error page", http.StatusBadGateway)
		return
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(r.Context()), http.MethodPost, l.to.Load().(string), strings.NewReader(string(body)))
	if err != nil {
		return
	}
	req.Header = r.Header.Clone()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	switch mode {
	case "answer lost":
		panic(http.ErrAbortHandler)
	case "slow":
		time.Sleep(2500 * time.Millisecond)
	case "garbage":
		answer = answer[:len(answer)/2]
	case "other":
		answer = []byte("<html>welcome</html>")
	}
	w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	w.WriteHeader(resp.StatusCode)
	w.Write(answer)
}

// provideOne sends one document through the repository.
func provideOne(c *xds.Client, g *metadatatest.Gen, p metadatatest.Patient) (metadatatest.Document, error) {
	d := g.Document(p, metadatatest.LabXML)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	_, err := c.Provide(ctx, g.Submission(p, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
	return d, err
}

func refusedAs(err error, code fault.Code) bool {
	var refused *xds.RefusedError
	return errors.As(err, &refused) && slices.ContainsFunc(refused.Problems, func(p fault.Problem) bool { return p.Code == code })
}

// registeredAs finds a document's entries at the registry.
func registeredAs(t *testing.T, c *xds.Client, uniqueID string) []*metadata.DocumentEntry {
	t.Helper()
	answer, err := c.Find(t.Context(), metadata.StoredQuery{Query: &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{uniqueID}}}})
	if err != nil {
		t.Fatal(err)
	}
	var list []*metadata.DocumentEntry
	for _, o := range answer.Objects {
		if e, ok := o.(*metadata.DocumentEntry); ok {
			list = append(list, e)
		}
	}
	return list
}

// A repository whose line to its registry fails: what certainly did not arrive is
// refused at once; what may have arrived is kept, and once the line works it is
// registered and opens.
func TestLineToTheRegistryFails(t *testing.T) {
	t.Parallel()
	registry := startProcess(t, t.TempDir(), "--roles", "registry")
	l := newLine(t, registry.Registry)
	repository := startProcess(t, t.TempDir(), "--roles", "repository", "--registry-url", l.URL, "--registry-timeout", "1s", "--repository-unique-id", "1.2.3.4.5")
	client := xds.NewClient(xds.Options{RegistryURL: registry.Registry, RepositoryURL: repository.Repository})
	g := metadatatest.New(rand.Uint64())
	patient := g.Patient()

	d, err := provideOne(client, g, patient)
	if err != nil {
		t.Fatal(err)
	}
	if list := registeredAs(t, client, d.Entry.UniqueID); len(list) != 1 || list[0].RepositoryID != "1.2.3.4.5" {
		t.Fatalf("%d entries", len(list))
	}
	if err := opens(t.Context(), client, list1(registeredAs(t, client, d.Entry.UniqueID)), d.Bytes); err != nil {
		t.Fatal(err)
	}

	l.mode.Store("unavailable")
	turnedAway, err := provideOne(client, g, patient)
	if !refusedAs(err, fault.RegistryNotAvailable) {
		t.Fatalf("turned away: %v", err)
	}

	var kept []metadatatest.Document
	for _, mode := range []string{"lost on the way", "broken", "answer lost", "slow", "garbage", "other"} {
		l.mode.Store(mode)
		d, err := provideOne(client, g, patient)
		if !refusedAs(err, fault.RegistryNotAvailable) {
			t.Fatalf("%s: %v", mode, err)
		}
		kept = append(kept, d)
	}
	l.mode.Store("")
	for _, d := range kept {
		deadline := time.Now().Add(60 * time.Second)
		for len(registeredAs(t, client, d.Entry.UniqueID)) == 0 {
			if time.Now().After(deadline) {
				t.Fatalf("%s is still not registered\n%s", d.Entry.UniqueID, &repository.log)
			}
			time.Sleep(200 * time.Millisecond)
		}
		list := registeredAs(t, client, d.Entry.UniqueID)
		if len(list) != 1 {
			t.Fatalf("%d entries of one document", len(list))
		}
		if err := opens(t.Context(), client, list[0], d.Bytes); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(registeredAs(t, client, turnedAway.Entry.UniqueID)); n > 0 {
		t.Fatal("what was turned away is registered")
	}

	// A registry that is gone is not waited for, and readiness names it.
	registry.signal(t, syscall.SIGKILL)
	registry.wait(t)
	l.Close()
	if _, err := provideOne(client, g, patient); !refusedAs(err, fault.RegistryNotAvailable) {
		t.Fatalf("connection refused: %v", err)
	}
	resp, err := http.Get(repository.Internal + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(string(text), l.URL) {
		t.Fatalf("readiness: %d %s %v", resp.StatusCode, text, err)
	}
}

func list1(list []*metadata.DocumentEntry) *metadata.DocumentEntry { return list[0] }

// opens retrieves a document as its entry says.
func opens(ctx context.Context, c *xds.Client, e *metadata.DocumentEntry, want []byte) error {
	n := 0
	_, err := c.Retrieve(ctx, []metadata.DocumentRequest{{RepositoryID: e.RepositoryID, UniqueID: e.UniqueID}}, func(d xds.Document) error {
		got, err := io.ReadAll(d.Body)
		if n++; err == nil && string(got) != string(want) {
			err = errors.New("other bytes")
		}
		return err
	})
	if err == nil && n != 1 {
		err = fmt.Errorf("%d documents", n)
	}
	return err
}

// Either of the two servers is killed at random moments. Nothing that was
// acknowledged is lost, and whatever the registry knows can be opened.
func TestKilledRepositoryOrRegistry(t *testing.T) {
	t.Parallel()
	const writers, rounds = 6, 6
	there, here := t.TempDir(), t.TempDir()
	registry := startProcess(t, there, "--roles", "registry")
	at := strings.TrimPrefix(registry.URL, "http://")
	start := func() *process {
		return startProcess(t, here, "--roles", "repository", "--registry-url", registry.Registry, "--registry-timeout", "2s")
	}
	repository := start()
	type sent struct {
		d   metadatatest.Document
		yes bool
	}
	var mu sync.Mutex
	var all []sent
	for round := range rounds {
		client := xds.NewClient(xds.Options{RegistryURL: registry.Registry, RepositoryURL: repository.Repository,
			HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
		stop := make(chan struct{})
		var group sync.WaitGroup
		var acknowledged atomic.Int64
		for range writers {
			g := metadatatest.New(rand.Uint64())
			patient := g.Patient()
			group.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					d, err := provideOne(client, g, patient)
					if err == nil {
						acknowledged.Add(1)
					}
					mu.Lock()
					all = append(all, sent{d, err == nil})
					mu.Unlock()
				}
			})
		}
		inTheMiddle(t, &acknowledged, 1)
		victim := repository
		if round%2 == 1 {
			victim = registry
		}
		victim.signal(t, syscall.SIGKILL)
		victim.wait(t)
		time.Sleep(50 * time.Millisecond)
		close(stop)
		group.Wait()
		if victim == registry {
			registry = startProcess(t, there, "--roles", "registry", "--listen", at)
		} else {
			repository = start()
		}
	}
	client := xds.NewClient(xds.Options{RegistryURL: registry.Registry, RepositoryURL: repository.Repository})
	acknowledged, unanswered := 0, 0
	for _, s := range all {
		list := registeredAs(t, client, s.d.Entry.UniqueID)
		if s.yes && len(list) != 1 {
			t.Fatalf("%d entries of an acknowledged document", len(list))
		}
		for _, e := range list {
			if err := opens(t.Context(), client, e, s.d.Bytes); err != nil {
				t.Fatalf("acknowledged %v: a registered document does not open: %v", s.yes, err)
			}
		}
		if s.yes {
			acknowledged++
		} else if len(list) > 0 {
			unanswered++
		}
	}
	if acknowledged == 0 {
		t.Fatal("nothing was acknowledged")
	}
	t.Logf("%d acknowledged, %d registered without an answer, %d sent", acknowledged, unanswered, len(all))
}

// Messages to a mailbox while the server is killed: what was acknowledged is there,
// once, and opens; what was not is there whole or not at all (P1, P2).
func TestKilledRecipient(t *testing.T) {
	t.Parallel()
	const writers, rounds, org = 6, 3, "974749025"
	dir := t.TempDir()
	type sent struct {
		set  string
		d    metadatatest.Document
		yes  bool
		seen int
	}
	var mu sync.Mutex
	all := map[string]*sent{}
	start := func() *process { return startProcess(t, dir, "--recipient-mailboxes", org) }
	for range rounds {
		p := start()
		client := xds.NewClient(xds.Options{RepositoryURL: p.Recipient, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
		var group sync.WaitGroup
		var acknowledged atomic.Int64
		for range writers {
			g := metadatatest.New(rand.Uint64())
			group.Go(func() {
				for {
					patient := g.Patient()
					d := g.Document(patient, metadatatest.LabXML)
					s := g.Submission(patient, d)
					s.Set.Recipients = []string{"Sykehus^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^" + org}
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					_, err := client.Provide(ctx, s, []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
					cancel()
					var refused *xds.RefusedError
					if errors.As(err, &refused) && refusedAs(err, fault.RepositoryBusy) {
						continue
					}
					mu.Lock()
					all[s.Set.UniqueID] = &sent{set: s.Set.UniqueID, d: d, yes: err == nil}
					mu.Unlock()
					if err != nil {
						return
					}
					acknowledged.Add(1)
				}
			})
		}
		inTheMiddle(t, &acknowledged, 1)
		p.signal(t, syscall.SIGKILL)
		p.wait(t)
		group.Wait()
	}
	start()
	out, err := exec.Command("samdok", "mailbox", "list", org, "--data", dir, "--json").Output()
	if err != nil {
		t.Fatal(err)
	}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var m app.MailMessage
		if err := decoder.Decode(&m); err != nil {
			t.Fatal(err)
		}
		if all[m.ID] == nil || len(m.Documents) != 1 {
			t.Fatalf("%+v was never sent so", m)
		}
		all[m.ID].seen++
	}
	acknowledged, unanswered, opened := 0, 0, 0
	for id, s := range all {
		if s.yes && s.seen != 1 || s.seen > 1 {
			t.Fatalf("acknowledged %v, %d times in the mailbox", s.yes, s.seen)
		}
		switch {
		case s.yes:
			acknowledged++
		case s.seen > 0:
			unanswered++
		}
		if s.seen == 0 || s.yes && opened >= 20 {
			continue
		}
		opened++
		to := filepath.Join(t.TempDir(), "message")
		if out, err := exec.Command("samdok", "mailbox", "get", org, id, "--data", dir, "-o", to).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		got, err := os.ReadFile(filepath.Join(to, "document-1.xml"))
		if err != nil || string(got) != string(s.d.Bytes) {
			t.Fatalf("other bytes: %v", err)
		}
	}
	if acknowledged == 0 {
		t.Fatal("nothing was acknowledged")
	}
	if err := exec.Command("samdok", "mailbox", "get", org, "1.2.3", "--data", dir).Run(); err == nil || err.(*exec.ExitError).ExitCode() != exitNotFound {
		t.Errorf("an unknown message: %v", err)
	}
	log, err := exec.Command("samdok", "log", "--data", dir, "--person", reader(), "--json", "--limit", "3").Output()
	if err != nil || !strings.Contains(string(log), `"mailbox"`) {
		t.Errorf("the reading of the mailbox is not recorded: %v %s", err, log)
	}
	t.Logf("%d acknowledged, %d there without an answer", acknowledged, unanswered)
}

package interop

import (
	"bufio"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"samdok/fault"
	"samdok/internal/servertest"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// peer runs IPF's endpoints and returns their base URL, and what ends it early.
func peer(t *testing.T, args ...string) (base string, end func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ipf/run", append([]string{"peer", port}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	end = func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		<-done
	}
	ready := make(chan bool, 1)
	go func() {
		defer close(done)
		for s := bufio.NewScanner(out); s.Scan(); {
			if strings.Contains(s.Text(), "peer ready") {
				ready <- true
			}
		}
		_ = cmd.Wait() // a JVM that is told to end answers 143
	}()
	t.Cleanup(end)
	select {
	case <-ready:
	case <-done:
		t.Fatal("the peer ended")
	case <-time.After(5 * time.Minute):
		t.Fatal("the peer does not start")
	}
	return "http://127.0.0.1:" + port, end
}

// scene is a samdok repository whose registry is IPF's.
type scene struct {
	*xds.Client
	gen     *metadatatest.Gen
	patient metadatatest.Patient
}

func newScene(registry, repository string) *scene {
	g := metadatatest.New(rand.Uint64())
	return &scene{xds.NewClient(xds.Options{QueryURL: registry + "/iti18", RepositoryURL: repository}), g, g.Patient()}
}

func (s *scene) provide(t *testing.T, comment string) (metadatatest.Document, []fault.Problem, error) {
	t.Helper()
	d := s.gen.Document(s.patient, metadatatest.LabXML)
	d.Entry.Comments = metadata.Text{{Value: comment}}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := s.Provide(ctx, s.gen.Submission(s.patient, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)})
	return d, r.Problems, err
}

func (s *scene) registered(t *testing.T, d metadatatest.Document) []*metadata.DocumentEntry {
	t.Helper()
	a, err := s.Find(t.Context(), metadata.StoredQuery{Return: metadata.LeafClass, Query: &metadata.FindDocuments{Patient: s.patient.ID().CX(), Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}}})
	if err != nil {
		t.Fatal(err)
	}
	var list []*metadata.DocumentEntry
	for _, o := range a.Objects {
		if e := o.(*metadata.DocumentEntry); e.UniqueID == d.Entry.UniqueID {
			list = append(list, e)
		}
	}
	return list
}

// opens retrieves a document as the registry's entry says.
func (s *scene) opens(t *testing.T, d metadatatest.Document, repository string) {
	t.Helper()
	list := s.registered(t, d)
	if len(list) != 1 || list[0].RepositoryID != repository || list[0].Hash != d.Entry.Hash {
		t.Fatalf("%d entries: %+v", len(list), list)
	}
	var got []byte
	_, err := s.Retrieve(t.Context(), []metadata.DocumentRequest{{RepositoryID: list[0].RepositoryID, UniqueID: list[0].UniqueID}}, func(d xds.Document) (err error) {
		got, err = io.ReadAll(d.Body)
		return err
	})
	if err != nil || string(got) != string(d.Bytes) {
		t.Errorf("retrieved %d bytes of %d: %v", len(got), len(d.Bytes), err)
	}
}

func refusal(err error) []fault.Problem {
	var refused *xds.RefusedError
	if errors.As(err, &refused) {
		return refused.Problems
	}
	return nil
}

// A samdok repository with IPF's registry: what is provided is found there and
// opens here; its errors and warnings are passed on as they are; an answer that is
// lost ends as registered, once; a registry that is gone is said to be.
func TestIPFIsTheRegistry(t *testing.T) {
	const own = "1.2.3.4.5"
	base, end := peer(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	var lost atomic.Int32 // answers that the line shall lose
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.HasSuffix(r.Request.URL.Path, "/iti42") && lost.Add(-1) >= 0 {
			return errors.New("lost on the way back")
		}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	line := httptest.NewServer(proxy)
	defer line.Close()
	repository := servertest.Start(t, t.TempDir(), "--roles", "repository", "--registry-url", line.URL+"/iti42", "--registry-query-url", line.URL+"/iti18",
		"--registry-timeout", "10s", "--repository-unique-id", own)
	s := newScene(base, repository.Repository)

	d, problems, err := s.provide(t, "as usual")
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	s.opens(t, d, own)

	d, problems, err = s.provide(t, "warn")
	if err != nil || len(problems) != 1 || problems[0].Code != fault.ExtraMetadataNotSaved || problems[0].Context != "seen and dropped" || problems[0].Severity != fault.SeverityWarning {
		t.Errorf("a warning: %v, %+v", err, problems)
	}
	s.opens(t, d, own)

	d, _, err = s.provide(t, "refuse")
	if p := refusal(err); len(p) != 1 || p[0].Code != fault.UnknownPatientID || p[0].Context != "not one of ours" || p[0].Location != "the foreign registry" {
		t.Errorf("a refusal: %v", err)
	}
	if n := len(s.registered(t, d)); n != 0 {
		t.Errorf("what was refused is registered %d times", n)
	}

	lost.Store(1)
	d, _, err = s.provide(t, "its answer is lost")
	if p := refusal(err); len(p) != 1 || p[0].Code != fault.RegistryNotAvailable {
		t.Fatalf("a lost answer: %v", err)
	}
	s.opens(t, d, own) // the registry has it, although nobody was told
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(repository.Log(), "the fate of a submission is known"); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the repository has not found out what became of it")
		}
	}
	s.opens(t, d, own)

	end()
	if _, _, err = s.provide(t, "nobody is there"); len(refusal(err)) != 1 || refusal(err)[0].Code != fault.RegistryNotAvailable {
		t.Errorf("a registry that is gone: %v", err)
	}
}

// A samdok registry with IPF's repository: IPF's client provides to it, finds in
// the registry, and retrieves from it.
func TestIPFIsTheRepository(t *testing.T) {
	registry := servertest.Start(t, t.TempDir(), "--roles", "registry")
	base, _ := peer(t, "registry="+registry.Registry)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ipf/run", "smoke", "repo=1.2.3.4", "n=3", "folder",
		"iti41="+base+"/iti41", "iti43="+base+"/iti43", "iti18="+registry.Registry, "iti42="+registry.Registry, "iti57="+registry.Registry).CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the IPF client failed: %v", err)
	}
}

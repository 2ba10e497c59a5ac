package hostile

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/internal/servertest"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/metadata/metadatatest"
	"samdok/soap"
	"samdok/soap/xds"
	"samdok/storage/files"
	"samdok/storage/keyring"
)

// marker stands in every document and token of these tests; it must never be
// in a log.
const marker = "HEMMELIG-9c41d7"

// world is a running server and what was normal for it.
type world struct {
	*servertest.Server
	data   string
	http   *http.Client
	client *xds.Client
	gen    *metadatatest.Gen
	base   usage
	mu     sync.Mutex
	stored int // documents that are registered
	// doubtful documents may be stored although nobody was told so.
	doubtful int
	secret   []string // what must not be in the log
}

// usage is what a server holds.
type usage struct {
	goroutines, files int
	rss               int64 // octets
}

func start(t *testing.T, args ...string) *world {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	w := &world{Server: servertest.Start(t, data, args...), data: data, gen: metadatatest.New(rand.Uint64())}
	transport := &http.Transport{DisableCompression: true}
	t.Cleanup(transport.CloseIdleConnections)
	w.http = &http.Client{Transport: transport, Timeout: 60 * time.Second}
	w.client = xds.NewClient(xds.Options{RegistryURL: w.Registry, RepositoryURL: w.Repository, HTTP: w.http})
	w.secret = []string{marker}
	for range 3 {
		w.normal(t)
	}
	transport.CloseIdleConnections()
	time.Sleep(100 * time.Millisecond)
	w.base = w.usage(t)
	return w
}

// end stops the server and looks at what it leaves: a clean end, a clean log, and
// no committed document that nobody registered.
func (w *world) end(t *testing.T) {
	t.Helper()
	w.http.CloseIdleConnections()
	w.Stop()
	log := w.Log()
	for _, s := range w.secret {
		if i := strings.Index(log, s); i >= 0 {
			t.Errorf("the log holds %q: %s", s, log[max(0, i-200):min(len(log), i+200)])
		}
	}
	if strings.Contains(log, "panic") {
		t.Errorf("the log tells of a panic:\n%s", log)
	}
	if keys := w.keys(t); keys < w.stored || keys > w.stored+w.doubtful {
		t.Errorf("%d documents are stored, %d were registered", keys, w.stored)
	}
}

// keys counts the committed documents in the data folder of a stopped server.
func (w *world) keys(t *testing.T) (n int) {
	t.Helper()
	master, _, err := keyring.LoadOrCreateMaster(filepath.Join(w.data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(filepath.Join(w.data, "keys"), master)
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	store, err := files.Open(filepath.Join(w.data, "documents"), files.Options{Ring: ring})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	for _, err := range store.Keys(t.Context(), time.Time{}, time.Now().Add(time.Hour)) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

func (w *world) usage(t *testing.T) (u usage) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(w.Internal + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	m := goroutines.FindSubmatch(b)
	if err != nil || m == nil {
		t.Fatalf("no go_goroutines in /metrics: %v", err)
	}
	u.goroutines, _ = strconv.Atoi(string(m[1]))
	proc := fmt.Sprintf("/proc/%d/", w.PID)
	fds, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	u.files = len(fds)
	u.rss = w.memory(t, "VmRSS")
	return u
}

// metric is the value of a line of /metrics, as text.
func (w *world) metric(t *testing.T, name string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get(w.Internal + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut("\n"+string(b), "\n"+name+" ")
	value, _, _ := strings.Cut(rest, "\n")
	return value
}

// memory reads VmRSS or VmHWM, the highest since forgetPeak.
func (w *world) memory(t *testing.T, name string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.PID))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), name+":")
	line, _, _ := strings.Cut(rest, " kB")
	n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}

func (w *world) forgetPeak(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", w.PID), []byte("5"), 0o200); err != nil {
		t.Fatal(err)
	}
}

// calm waits until the server holds what it held before.
func (w *world) calm(t *testing.T) {
	t.Helper()
	w.http.CloseIdleConnections()
	var u usage
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
		u = w.usage(t)
		// Files: packs and the database's connections come and go by a few.
		if u.goroutines <= w.base.goroutines+2 && u.files <= w.base.files+6 {
			return
		}
	}
	t.Errorf("the server has not come to rest: %+v, before %+v", u, w.base)
}

// normal registers a document, finds it and opens it, quickly.
func (w *world) normal(t *testing.T) {
	t.Helper()
	if err := w.tryNormal(t.Context(), 20*time.Second); err != nil {
		t.Errorf("a normal request: %v", err)
	}
}

func (w *world) tryNormal(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	patient := w.gen.Patient()
	d := w.gen.Document(patient, metadatatest.LabXML)
	s := w.gen.Submission(patient, d)
	if _, err := w.client.Provide(ctx, s, []xds.Attachment{xds.BytesAttachment(d.Entry.ID, d.Entry.MimeType, d.Bytes)}); err != nil {
		return fmt.Errorf("provide: %w", err)
	}
	w.mu.Lock()
	w.stored++
	w.mu.Unlock()
	return w.opens(ctx, patient, d)
}

// opens finds exactly this document of the patient and compares its bytes.
func (w *world) opens(ctx context.Context, patient metadatatest.Patient, d metadatatest.Document) error {
	found, err := w.find(ctx, patient.CX())
	if err != nil {
		return err
	}
	if len(found) != 1 || found[0].UniqueID != d.Entry.UniqueID {
		return fmt.Errorf("%d entries were found instead of 1", len(found))
	}
	got, err := w.retrieve(ctx, found[0].UniqueID)
	if err == nil && !bytes.Equal(got, d.Bytes) {
		err = fmt.Errorf("%d other bytes came instead of %d", len(got), len(d.Bytes))
	}
	return err
}

func (w *world) find(ctx context.Context, patient metadata.CX) ([]*metadata.DocumentEntry, error) {
	q := &metadata.FindDocuments{Patient: patient, Filter: metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved, metadata.Deprecated}}}
	answer, err := w.client.Find(ctx, metadata.StoredQuery{Query: q})
	if err != nil {
		return nil, fmt.Errorf("find: %w", err)
	}
	var list []*metadata.DocumentEntry
	for _, o := range answer.Objects {
		if e, ok := o.(*metadata.DocumentEntry); ok {
			list = append(list, e)
		}
	}
	return list, nil
}

func (w *world) retrieve(ctx context.Context, uniqueID string) (got []byte, err error) {
	_, err = w.client.Retrieve(ctx, []metadata.DocumentRequest{{RepositoryID: w.RepositoryUniqueID, UniqueID: uniqueID}}, func(d xds.Document) (err error) {
		got, err = io.ReadAll(d.Body)
		return err
	})
	if err != nil {
		err = fmt.Errorf("retrieve: %w", err)
	}
	return got, err
}

// absent checks that nothing of a submission can be found or opened.
func (w *world) absent(t *testing.T, s *metadata.Submission) {
	t.Helper()
	found, err := w.find(t.Context(), s.Set.PatientID)
	if err != nil || len(found) > 0 {
		t.Errorf("%d entries of a refused submission are found, %v", len(found), err)
	}
	for _, e := range s.Entries[:min(3, len(s.Entries))] {
		if got, err := w.retrieve(t.Context(), e.UniqueID); err == nil {
			t.Errorf("%d bytes of a refused submission can be opened", len(got))
		}
	}
}

// victim is a patient with documents that are about to be sent in some wrong way.
func (w *world) victim(n int) (*metadata.Submission, [][]byte) {
	patient := w.gen.Patient()
	w.secret = append(w.secret, patient.FNR)
	var docs []metadatatest.Document
	var contents [][]byte
	for i := range n {
		d := w.gen.Document(patient, metadatatest.Note)
		d.Bytes = fmt.Appendf(nil, "%s document %d %s", marker, i, strings.Repeat("æøå ", 20))
		d.Entry.Hash, d.Entry.Size = "", metadata.Size{}
		docs = append(docs, d)
		contents = append(contents, d.Bytes)
	}
	return w.gen.Submission(patient, docs...), contents
}

const (
	actionProvide  = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
	actionRegister = "urn:ihe:iti:2007:RegisterDocumentSet-b"
	actionQuery    = "urn:ihe:iti:2007:RegistryStoredQuery"
	actionRetrieve = "urn:ihe:iti:2007:RetrieveDocumentSet"
	xdsOpen        = `<x:ProvideAndRegisterDocumentSetRequest xmlns:x="urn:ihe:iti:xds-b:2007" xmlns:i="http://www.w3.org/2004/08/xop/include">`
	xdsClose       = `</x:ProvideAndRegisterDocumentSetRequest>`
	rim            = `xmlns="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"`
	lcm            = `urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0`
)

func envelope(action, body string) string {
	b := soap.AppendOpen(nil, soap.Header{Action: action, MessageID: metadata.NewUUID().String(), ReplyTo: soap.Anonymous})
	return string(soap.AppendClose(append(b, body...)))
}

// pnr is the body of an ITI-41.
func pnr(s *metadata.Submission, documents string) string {
	return xdsOpen + string(ebrim.AppendSubmission(nil, s)) + documents + xdsClose
}

func include(id, cid string) string {
	return `<x:Document id="` + string(xmlscan.AppendAttr(nil, id)) + `"><i:Include href="cid:` + cid + `"/></x:Document>`
}

func includes(s *metadata.Submission) string {
	var b strings.Builder
	for i, e := range s.Entries {
		b.WriteString(include(string(e.ID), "d"+strconv.Itoa(i)))
	}
	return b.String()
}

const packed = `multipart/related; boundary=b; type="application/xop+xml"; start="<root>"`

// pack makes a package; each part brings its header lines.
func pack(root string, parts ...string) string {
	var b strings.Builder
	b.WriteString("--b\r\nContent-ID: <root>\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\n\r\n" + root)
	for _, p := range parts {
		b.WriteString("\r\n--b\r\n" + p)
	}
	b.WriteString("\r\n--b--\r\n")
	return b.String()
}

func part(id string, content []byte) string {
	return "Content-ID: <" + id + ">\r\nContent-Type: text/plain\r\n\r\n" + string(content)
}

func parts(contents [][]byte) (list []string) {
	for i, c := range contents {
		list = append(list, part("d"+strconv.Itoa(i), c))
	}
	return list
}

// whole is a right ITI-41.
func whole(s *metadata.Submission, contents [][]byte) string {
	return pack(envelope(actionProvide, pnr(s, includes(s))), parts(contents)...)
}

// post sends a body and returns status and body of the answer. Status 0: none came.
func (w *world) post(t *testing.T, address, contentType string, body io.Reader, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Authorization", "Bearer "+marker)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Sprintf("answer cut off after %d bytes: %v", len(b), err)
	}
	return resp.StatusCode, string(b)
}

// dial opens a connection to the public listener.
func (w *world) dial(t *testing.T) net.Conn {
	t.Helper()
	u, err := url.Parse(w.Registry)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func short(s string) string {
	if len(s) > 1500 {
		return s[:1000] + " ... " + s[len(s)-500:]
	}
	return s
}

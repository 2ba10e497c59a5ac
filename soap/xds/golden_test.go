package xds

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"samdok/access"
	"samdok/metadata"
	"samdok/metadata/ebrim"
	"samdok/sharing"
)

// capture is one message as it was seen on the wire, chunking removed.
type capture struct {
	header http.Header
	body   []byte
}

func loadCapture(t testing.TB, name string) capture {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "ipf", name))
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(b, []byte("\n\n"))
	c := capture{header: http.Header{}, body: bytes.TrimPrefix(b[i+2:], []byte("\r\n"))}
	for _, line := range strings.Split(string(b[:i]), "\n")[1:] {
		if k, v, ok := strings.Cut(line, ": "); ok {
			c.header.Add(k, v)
		}
	}
	return c
}

// send sends a captured request byte for byte over a connection of its own, with
// the captured headers, h2c upgrade and all.
func (s *server) send(t *testing.T, path string, c capture) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var b bytes.Buffer
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\n", path)
	chunked := false
	for k, v := range c.header {
		if k == "Transfer-Encoding" {
			chunked = true
		}
		fmt.Fprintf(&b, "%s: %s\r\n", k, v[0])
	}
	if !chunked && c.header.Get("Content-Length") == "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(c.body))
	}
	b.WriteString("\r\n")
	for rest := c.body; chunked && len(rest) > 0; {
		n := min(len(rest), 4000)
		fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
		rest = rest[n:]
	}
	if chunked {
		b.WriteString("0\r\n\r\n")
	} else {
		b.Write(c.body)
	}
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

var related = regexp.MustCompile(`RelatesTo[^>]*>(urn:uuid:[^<]*)<`)
var messageID = regexp.MustCompile(`MessageID[^>]*>(urn:uuid:[^<]*)<`)

// TestForeignRequests replays what IPF 5.1.0 on Apache CXF sends.
func TestForeignRequests(t *testing.T) {
	var k collect
	var query metadata.StoredQuery
	var asked []metadata.DocumentRequest
	var registered sharing.Register
	s := serve(t, &service{
		provide: k.provide,
		register: func(_ context.Context, _ access.Caller, r sharing.Register) (sharing.Receipt, error) {
			registered = r
			return sharing.Receipt{}, nil
		},
		find: func(_ context.Context, _ access.Caller, q metadata.StoredQuery, _ func(metadata.Object) error) (sharing.Found, error) {
			query = q
			return sharing.Found{}, nil
		},
		retrieve: func(_ context.Context, _ access.Caller, r []metadata.DocumentRequest) (*sharing.Retrieved, error) {
			asked = r
			return &sharing.Retrieved{Documents: []sharing.Document{{Request: r[0], MimeType: "text/plain", Size: 3, Body: io.NopCloser(strings.NewReader("abc"))}}}, nil
		},
	}, DoorOptions{})
	for _, c := range []struct{ file, path, media, action string }{
		{"01-xds-iti41.req", "/repository", "multipart/related", actionProvide},
		{"02-xds-iti42.req", "/registry", "application/soap+xml", actionRegister},
		{"03-xds-iti18.req", "/registry", "application/soap+xml", actionQuery},
		{"09-xds-iti43.req", "/repository", "multipart/related", actionRetrieve},
	} {
		req := loadCapture(t, c.file)
		resp := s.send(t, c.path, req)
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		if resp.StatusCode != 200 || !strings.HasPrefix(resp.Header.Get("Content-Type"), c.media+";") || resp.ContentLength != int64(len(b)) {
			t.Fatalf("%s: %d %s, %d of %d bytes\n%s", c.file, resp.StatusCode, resp.Header.Get("Content-Type"), len(b), resp.ContentLength, b)
		}
		want := messageID.FindSubmatch(req.body)[1]
		if got := related.FindSubmatch(b); got == nil || !bytes.Equal(got[1], want) {
			t.Errorf("%s: RelatesTo %s, want %s", c.file, got, want)
		}
		if !bytes.Contains(b, []byte(`<wsa:Action env:mustUnderstand="1">`+c.action+`Response<`)) || !bytes.Contains(b, []byte("Success")) {
			t.Errorf("%s: %s", c.file, b)
		}
	}
	if len(k.sub.Entries) != 1 || len(k.probs) != 0 || len(k.docs[k.sub.Entries[0].ID]) != 10240 {
		t.Errorf("ITI-41: %d entries, problems %v", len(k.sub.Entries), k.probs)
	}
	if len(registered.Submission.Entries) != 1 || len(registered.Problems) != 0 {
		t.Errorf("ITI-42: %+v", registered)
	}
	if f, ok := query.Query.(*metadata.FindDocuments); !ok || query.Return != metadata.ObjectRef || f.Patient != "P16802108090971^^^&1.3.6.1.4.1.21367.2005.13.20.1000&ISO" {
		t.Errorf("ITI-18: %+v", query)
	}
	if len(asked) != 1 || asked[0].UniqueID != "1.2.826.0.1.3680043.9.302017420.4" || asked[0].RepositoryID != "1.2.3.4" {
		t.Errorf("ITI-43: %+v", asked)
	}
}

// TestForeignAnswers lets the client read what IPF's registry and repository
// answered.
func TestForeignAnswers(t *testing.T) {
	var answer capture
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		id := messageID.FindSubmatch(b)[1]
		old := related.FindSubmatch(answer.body)[1]
		w.Header().Set("Content-Type", answer.header.Get("Content-Type"))
		if _, err := w.Write(bytes.Replace(answer.body, old, id, 1)); err != nil {
			t.Error(err)
		}
	}))
	hc := srv.Client()
	defer func() { hc.CloseIdleConnections(); srv.Close() }()
	c := NewClient(Options{RegistryURL: srv.URL, RepositoryURL: srv.URL, HTTP: hc})
	ctx := context.Background()

	answer = loadCapture(t, "01-xds-iti41.resp")
	sub, parts, _ := sample(2)
	if r, err := c.Provide(ctx, sub, parts); err != nil || r.Status != ebrim.Success {
		t.Errorf("ITI-41: %+v, %v", r, err)
	}
	answer = loadCapture(t, "02-xds-iti42.resp")
	if r, err := c.Register(ctx, sub); err != nil || r.Status != ebrim.Success {
		t.Errorf("ITI-42: %+v, %v", r, err)
	}
	q := metadata.StoredQuery{Query: &metadata.GetDocuments{Documents: metadata.Target{UniqueIDs: []string{"1"}}}}
	answer = loadCapture(t, "03-xds-iti18.resp")
	if r, err := c.Find(ctx, q); err != nil || len(r.Refs) != 1 {
		t.Errorf("ITI-18: %+v, %v", r, err)
	}
	answer = loadCapture(t, "15-xds-iti18.resp")
	if r, err := c.Find(ctx, q); err != nil || len(r.Objects) == 0 {
		t.Errorf("ITI-18: %+v, %v", r, err)
	}
	answer = loadCapture(t, "09-xds-iti43.resp")
	n := 0
	r, err := c.Retrieve(ctx, ask, func(d Document) error {
		b, err := io.ReadAll(d.Body)
		n = len(b)
		return err
	})
	if err != nil || r.Status != ebrim.Success || n != 10240 {
		t.Errorf("ITI-43: %+v, %v, %d bytes", r, err, n)
	}
	stop := errors.New("enough")
	if _, err := c.Retrieve(ctx, ask, func(Document) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

// TestNorwegianRequests sends NHN's test messages (MIT licence, see testdata),
// plain SOAP to every endpoint.
func TestNorwegianRequests(t *testing.T) {
	var k collect
	v := &vault{}
	v.add("^105085430", "text/xml", 4, strings.NewReader("<a/>"))
	svc := v.service()
	svc.provide = k.provide
	svc.register = func(context.Context, access.Caller, sharing.Register) (sharing.Receipt, error) {
		return sharing.Receipt{}, nil
	}
	svc.find = findAll(nil, sharing.Found{}, nil).find
	s := serve(t, svc, DoorOptions{Caller: nil})
	for _, c := range []struct {
		file, path, action string
		status             int
		want               string
	}{
		{"IT_iti-18_request.xml", "/registry", "", 200, "AdhocQueryResponse"},
		{"IT_iti-41_request.xml", "/repository", "", 200, "RegistryResponse"},
		{"IT_iti-42_request.xml", "/registry", "", 200, "RegistryResponse"},
		// The sample says RegistryStoredQuery in its action, with another body.
		{"IT_iti-43_request.xml", "/registry", "", 400, "AdhocQueryRequest"},
		{"IT_iti-43_request.xml", "/repository", actionRetrieve, 200, "PGEvPg=="},
		{"IT_iti-38_request_async.xml", "/registry", actionQuery, 400, "Asynchronous answers are not switched on"},
		{"IT_iti-38_request_async.xml", "/registry", "", 400, "ActionNotSupported"},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", "norway", c.file))
		if err != nil {
			t.Fatal(err)
		}
		if c.action != "" {
			b = regexp.MustCompile(`(:Action[^>]*>)[^<]*`).ReplaceAll(b, []byte("${1}"+c.action))
		}
		status, ct, body := s.post(t, c.path, "application/soap+xml", string(b))
		if status != c.status || !strings.Contains(body, c.want) || ct != "application/soap+xml; charset=UTF-8" {
			t.Errorf("%s: %d %s\n%s", c.file, status, ct, body)
		}
	}
	if err := <-v.closed; err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(filepath.Join("testdata", "norway", "IT_iti-39_request-multipart.txt"))
	if err != nil {
		t.Fatal(err)
	}
	// The sample was stored in Latin-1.
	status, _, body := s.post(t, "/repository", `multipart/related; boundary=MIMEBoundary_cab1d70f258a850f06f926ab5645aaa9111f017d951cfe8d; type="application/xop+xml"`, strings.ToValidUTF8(string(b), "Ø"))
	if status != 400 || !strings.Contains(body, "ActionNotSupported") {
		t.Errorf("%d %s", status, body)
	}
}

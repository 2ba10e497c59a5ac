package xds

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/httpd"
	"samdok/sharing"
)

// listen puts a repository's door behind the real listener's gate, whose deadlines
// move with progress.
func listen(t *testing.T, s *service) *httptest.Server {
	t.Helper()
	p, err := httpd.NewPublic(httpd.PublicOptions{
		Endpoints:  []httpd.Endpoint{{Path: "/r", Name: "Document Repository", Handler: RepositoryHandler(s, DoorOptions{Log: discard()})}},
		Concurrent: 10, StallTimeout: 400 * time.Millisecond, Clock: time.Now, Log: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(p)
	t.Cleanup(func() { srv.Close(); p.Close() })
	return srv
}

func dial(t *testing.T, s *httptest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// A client that stalls in its upload gets an answer and is dropped. It has said
// that it will send more than net/http would read on its own.
func TestStalledUpload(t *testing.T) {
	sub, _, _ := sample(1)
	ct, body := pack(envelope(actionProvide, pnr(sub, include(string(sub.Entries[0].ID), "cid:d1"))), "Content-ID: <d1>\r\n\r\n")
	cut := body[:strings.LastIndex(body, "\r\n--b--")]
	refused := fault.New(fault.Denied, "test", fault.RegistryError, "no access")
	for name, c := range map[string]struct {
		announced int
		sent      string
		err       error
		want      string
	}{
		"in the envelope":         {100_000, cut[:200], nil, "Meldingen "},
		"in a document":           {100_000, cut + strings.Repeat("x", 3000), nil, "Meldingen "},
		"in a document, large":    {100_000_000, cut + strings.Repeat("x", 3000), nil, "Meldingen "},
		"after a refusal":         {100_000, cut, refused, "no access"},
		"after a refusal, larger": {100_000_000, cut, refused, "no access"},
	} {
		svc := &service{provide: func(ctx context.Context, ca access.Caller, p sharing.Provide) (sharing.Receipt, error) {
			if c.err != nil {
				return sharing.Receipt{}, c.err
			}
			return discardDocuments(ctx, ca, p)
		}}
		conn := dial(t, listen(t, svc))
		fmt.Fprintf(conn, "POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", ct, c.announced, c.sent)
		br := bufio.NewReader(conn)
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			t.Errorf("%s: no answer: %v", name, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || !strings.Contains(string(b), c.want) {
			t.Errorf("%s: %d %s %v", name, resp.StatusCode, b, err)
		}
		if _, err := br.ReadByte(); err == nil {
			t.Errorf("%s: the connection lives on", name)
		} else if ne, ok := err.(net.Error); ok && ne.Timeout() {
			t.Errorf("%s: the connection was not closed", name)
		}
	}
}

// A slow client lives as long as it moves.
func TestSlowUploadLives(t *testing.T) {
	sub, _, _ := sample(1)
	ct, body := pack(envelope(actionProvide, pnr(sub, include(string(sub.Entries[0].ID), "cid:d1"))), "Content-ID: <d1>\r\n\r\n"+strings.Repeat("x", 100))
	conn := dial(t, listen(t, &service{provide: discardDocuments}))
	fmt.Fprintf(conn, "POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", ct, len(body))
	for step := len(body)/8 + 1; body != ""; {
		n := min(step, len(body))
		if _, err := io.WriteString(conn, body[:n]); err != nil {
			t.Fatal(err)
		}
		body = body[n:]
		time.Sleep(150 * time.Millisecond)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), "Success") {
		t.Errorf("%s %v", b, err)
	}
}

// Through all layers, a client that writes everything first sees a refusal, and a
// document that breaks off is seen to.
func TestGate(t *testing.T) {
	v := &vault{}
	v.add("a", "", 100, strings.NewReader("too short"))
	svc := v.service()
	svc.provide = func(context.Context, access.Caller, sharing.Provide) (sharing.Receipt, error) {
		return sharing.Receipt{}, fault.New(fault.Denied, "test", fault.RegistryError, "no access")
	}
	srv := listen(t, svc)
	c := NewClient(Options{RepositoryURL: srv.URL + "/r", HTTP: srv.Client()})
	if _, err := c.Retrieve(context.Background(), ask, func(d Document) error {
		_, err := io.Copy(io.Discard, d.Body)
		return err
	}); err == nil {
		t.Error("a short document was taken for whole")
	}
	if err := <-v.closed; err == nil {
		t.Error("the use case was not told")
	}
	sub, _, _ := sample(1)
	ct, body := pack(envelope(actionProvide, pnr(sub, include(string(sub.Entries[0].ID), "cid:d1"))), "Content-ID: <d1>\r\n\r\n")
	const size = 20 << 20
	conn := dial(t, srv)
	i := strings.LastIndex(body, "\r\n--b--")
	fmt.Fprintf(conn, "POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", ct, len(body)+size, body[:i])
	if _, err := io.Copy(conn, io.MultiReader(&zeros{size}, strings.NewReader(body[i:]))); err != nil {
		t.Fatalf("the upload was cut off: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), "no access") {
		t.Errorf("%s %v", b, err)
	}
	srv.Client().CloseIdleConnections()
}

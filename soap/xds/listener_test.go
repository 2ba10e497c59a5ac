package xds

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"samdok/access"
	"samdok/fault"
	"samdok/internal/httpd"
	"samdok/internal/pipenet"
	"samdok/sharing"
)

const stallTimeout = 400 * time.Millisecond

// gated is a repository's door behind the real listener's gate, whose deadlines move
// with progress.
func gated(t *testing.T, s *service, stall time.Duration) *httpd.Public {
	t.Helper()
	p, err := httpd.NewPublic(httpd.PublicOptions{
		Endpoints:  []httpd.Endpoint{{Path: "/r", Name: "Document Repository", Handler: RepositoryHandler(s, DoorOptions{Log: discard()})}},
		Concurrent: 10, StallTimeout: stall, Clock: time.Now, Log: discard(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// connected is a connection to a gated door, on a clock of their own.
func connected(t *testing.T, s *service) net.Conn {
	t.Helper()
	p := gated(t, s, stallTimeout)
	ln := pipenet.Listen()
	l := httpd.ListenOn(ln, nil, p, httpd.Manners{HeaderTimeout: time.Hour, IdleTimeout: time.Hour, HeaderBytes: 16 << 10}, discard())
	served := make(chan error, 1)
	go func() { served <- l.Serve() }()
	t.Cleanup(func() {
		if err := errors.Join(l.Stop(context.Background()), <-served); err != nil {
			t.Error(err)
		}
	})
	conn, err := ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
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
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := connected(t, &service{provide: func(ctx context.Context, ca access.Caller, p sharing.Provide) (sharing.Receipt, error) {
					if c.err != nil {
						return sharing.Receipt{}, c.err
					}
					return discardDocuments(ctx, ca, p)
				}})
				begin := time.Now()
				go fmt.Fprintf(conn, "POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", ct, c.announced, c.sent)
				br := bufio.NewReader(conn)
				resp, err := http.ReadResponse(br, nil)
				if err != nil {
					t.Fatalf("no answer: %v", err)
				}
				b, err := io.ReadAll(resp.Body)
				if err != nil || !strings.Contains(string(b), c.want) {
					t.Errorf("%d %s %v", resp.StatusCode, b, err)
				}
				if _, err := br.ReadByte(); err != io.EOF {
					t.Errorf("the connection was not closed: %v", err)
				}
				if took := time.Since(begin); took > 10*stallTimeout {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A slow client lives as long as it moves.
func TestSlowUploadLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sub, _, _ := sample(1)
		ct, body := pack(envelope(actionProvide, pnr(sub, include(string(sub.Entries[0].ID), "cid:d1"))), "Content-ID: <d1>\r\n\r\n"+strings.Repeat("x", 100))
		conn := connected(t, &service{provide: discardDocuments})
		fmt.Fprintf(conn, "POST /r HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", ct, len(body))
		for step := len(body)/8 + 1; body != ""; {
			n := min(step, len(body))
			if _, err := io.WriteString(conn, body[:n]); err != nil {
				t.Fatal(err)
			}
			body = body[n:]
			time.Sleep(stallTimeout * 3 / 4)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(b), "Success") {
			t.Errorf("%s %v", b, err)
		}
	})
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
	srv := httptest.NewServer(gated(t, svc, time.Minute))
	defer srv.Close()
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
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
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

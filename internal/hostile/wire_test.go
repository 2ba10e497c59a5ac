package hostile

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/soap/xds"
)

// request is a POST with the header lines of a right one and those given.
func request(address, contentType string, lines ...string) string {
	path := address[strings.Index(address, "/services"):]
	return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + contentType + "\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
}

func sized(address, contentType, body string) string {
	return request(address, contentType, fmt.Sprintf("Content-Length: %d", len(body))) + body
}

// say sends bytes; the server may have closed the connection by then.
func say(c net.Conn, s string) { _, _ = io.WriteString(c, s) }

// hear reads until the server closes the connection, at most for the time given.
func hear(t *testing.T, c net.Conn, limit time.Duration) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(limit))
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection is open after %v; it has said %q", limit, short(string(b)))
	}
	return string(b)
}

// TestSlow: clients that stop in the middle, in any place, are let go after the
// stall timeout; those that go on slowly are served.
func TestSlow(t *testing.T) {
	w := start(t, "--http-stall-timeout", "2s", "--http-header-timeout", "2s", "--http-idle-timeout", "2s")
	var refused []*metadata.Submission
	var group sync.WaitGroup
	stall := func(name string, send func(c net.Conn)) {
		c := w.dial(t)
		group.Go(func() {
			send(c)
			begin := time.Now()
			answer := hear(t, c, time.Minute)
			if strings.Contains(answer, "Success") {
				t.Errorf("%s: %s", name, short(answer))
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("%s: let go after %v", name, took)
			}
		})
	}
	stall("nothing at all", func(net.Conn) {})
	stall("in the header", func(c net.Conn) { say(c, "POST /services/registry HTTP/1.1\r\nHost: a\r\nX") })
	for _, at := range []float64{0, 0.02, 0.5, 0.97, 0.999} {
		s, docs := w.victim(3)
		body := whole(s, docs)
		refused = append(refused, s)
		head := request(w.Repository, packed, fmt.Sprintf("Content-Length: %d", len(body)))
		stall(fmt.Sprint("at ", at), func(c net.Conn) { say(c, head+body[:int(at*float64(len(body)))]) })
		chunked := request(w.Repository, packed, "Transfer-Encoding: chunked")
		stall(fmt.Sprint("chunked, at ", at), func(c net.Conn) {
			say(c, chunked+fmt.Sprintf("%x\r\n", len(body))+body[:int(at*float64(len(body)))])
		})
	}
	stall("behind a refusal", func(c net.Conn) {
		say(c, request(w.Repository, "text/html", "Content-Length: 100000")+"x")
	})
	stall("behind an unknown path", func(c net.Conn) {
		say(c, "POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nx")
	})
	stall("expecting 100", func(c net.Conn) {
		say(c, request(w.Repository, packed, "Content-Length: 100000", "Expect: 100-continue"))
	})
	stall("a scan that waits for more", func(c net.Conn) {
		say(c, request(w.Registry, plain, "Content-Length: 100000")+"<?xml version=\"1.0\"?><env:Envelope xmlns")
	})
	group.Go(func() { w.reluctant(t) })
	group.Go(func() { w.drip(t) })
	group.Wait()
	for _, s := range refused {
		w.absent(t, s)
	}
	w.normal(t)
	w.calm(t)
	w.end(t)
}

// drip sends a whole submission in small pieces, each well within the timeout, and
// longer than the timeout in all.
func (w *world) drip(t *testing.T) {
	g := metadatatest.New(rand.Uint64())
	patient := g.Patient()
	d := g.Document(patient, metadatatest.Note)
	s := g.Submission(patient, d)
	body := whole(s, [][]byte{d.Bytes})
	c := w.dial(t)
	say(c, request(w.Repository, packed, fmt.Sprintf("Content-Length: %d", len(body)), "Connection: close"))
	for i := range 30 {
		say(c, body[i:i+1])
		time.Sleep(100 * time.Millisecond)
	}
	say(c, body[30:])
	if answer := hear(t, c, time.Minute); !strings.Contains(answer, "Success") {
		t.Errorf("a slow client: %s", short(answer))
	}
	if err := w.opens(t.Context(), patient, d); err != nil {
		t.Errorf("a slow client: %v", err)
	}
	w.mu.Lock()
	w.stored++
	w.mu.Unlock()
}

// reluctant asks for a big document, and for many answers, and reads nothing.
func (w *world) reluctant(t *testing.T) {
	g := metadatatest.New(rand.Uint64())
	patient := g.Patient()
	d := g.Document(patient, metadatatest.Note)
	d.Bytes = bytes.Repeat([]byte("0123456789abcdef"), 2<<20)
	d.Entry.Hash, d.Entry.Size = "", metadata.Size{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := w.client.Provide(ctx, g.Submission(patient, d), []xds.Attachment{xds.BytesAttachment(d.Entry.ID, "text/plain", d.Bytes)})
	if err != nil {
		t.Errorf("a big document: %v", err)
		return
	}
	w.mu.Lock()
	w.stored++
	w.mu.Unlock()
	body := envelope(actionRetrieve, `<x:RetrieveDocumentSetRequest xmlns:x="urn:ihe:iti:xds-b:2007"><x:DocumentRequest><x:RepositoryUniqueId>`+w.RepositoryUniqueID+
		`</x:RepositoryUniqueId><x:DocumentUniqueId>`+d.Entry.UniqueID+`</x:DocumentUniqueId></x:DocumentRequest></x:RetrieveDocumentSetRequest>`)
	for range 4 {
		c := w.dial(t)
		_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
		say(c, sized(w.Repository, plain, body))
	}
	c := w.dial(t)
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	go say(c, strings.Repeat(sized(w.Repository, plain, body), 100)) // ends when the server cuts
	time.Sleep(4 * time.Second)
}

// TestCut: a connection that breaks at any place of a submission leaves nothing.
func TestCut(t *testing.T) {
	w := start(t)
	var subs []*metadata.Submission
	for range 60 {
		s, docs := w.victim(2)
		body := whole(s, docs)
		body = body[:len(body)-7] // from the closing boundary on it is whole
		head := sized(w.Repository, packed, body)
		cut := rand.IntN(len(head))
		c := w.dial(t)
		say(c, head[:cut])
		if rand.IntN(2) == 0 {
			_ = c.(*net.TCPConn).SetLinger(0) // a reset, not an end
		}
		c.Close()
		subs = append(subs, s)
	}
	w.calm(t)
	for _, s := range subs {
		w.absent(t, s)
	}
	w.normal(t)
	w.end(t)
}

// TestLies: what a header says and the body does not keep.
func TestLies(t *testing.T) {
	w := start(t, "--http-stall-timeout", "1s")
	chunks := func(pieces ...string) string {
		return request(w.Repository, packed, "Transfer-Encoding: chunked", "Trailer: X-A") + strings.Join(pieces, "")
	}
	for name, c := range map[string]struct {
		send func(body string) string
		want string
	}{
		"length too short": {func(b string) string { return request(w.Repository, packed, "Content-Length: 5000") + b }, "400 Bad Request"},
		"length too long":  {func(b string) string { return request(w.Repository, packed, "Content-Length: 50000000") + b[:len(b)-9] }, "HTTP/1.1 4"},
		"negative length":  {func(b string) string { return request(w.Repository, packed, "Content-Length: -1") + b }, "400 Bad Request"},
		"length beyond numbers": {func(b string) string {
			return request(w.Repository, packed, "Content-Length: 99999999999999999999") + b
		}, "400 Bad Request"},
		"length beyond limits": {func(b string) string { return request(w.Repository, packed, "Content-Length: 9223372036854775807") + b }, "limits.submission-bytes"},
		"two lengths": {func(b string) string {
			return request(w.Repository, packed, "Content-Length: 5", "Content-Length: 6") + b
		}, "400 Bad Request"},
		"chunk of no number":    {func(b string) string { return chunks("zz\r\n", b) }, "400 Bad Request"},
		"chunk beyond numbers":  {func(b string) string { return chunks("fffffffffffffffff\r\n", b) }, "400 Bad Request"},
		"chunk with extensions": {func(b string) string { return chunks("5;"+strings.Repeat("a", 1<<20)+"\r\n", b) }, "400 Bad Request"},
		"chunk without its end": {func(b string) string { return chunks("5\r\n--b\r\nX", b) }, "400 Bad Request"},
		"unknown coding":        {func(b string) string { return request(w.Repository, packed, "Transfer-Encoding: gzip, chunked") + b }, "501"},
		"huge header":           {func(b string) string { return request(w.Repository, packed, "X-A: "+strings.Repeat("a", 1<<20)) + b }, "431"},
		"many headers": {func(b string) string {
			return request(w.Repository, packed, strings.Repeat("X-A: a\r\n", 50_000)+"X-B: b") + b
		}, "431"},
		"header of no form": {func(b string) string { return request(w.Repository, packed, "\x01\x02: \x00") + b }, "400 Bad Request"},
		"no host":           {func(b string) string { return "POST /services/repository HTTP/1.1\r\n\r\n" }, "400 Bad Request"},
		"garbage":           {func(b string) string { return "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n" }, "400"},
		"upgrade":           {func(b string) string { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" }, ""},
		"long path": {func(b string) string {
			return "POST /" + strings.Repeat("../", 10_000) + " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		}, "HTTP/1.1 4"},
	} {
		t.Run(name, func(t *testing.T) {
			s, docs := w.victim(1)
			conn := w.dial(t)
			go say(conn, c.send(whole(s, docs)))
			answer := hear(t, conn, 8*time.Second)
			if !strings.Contains(answer, c.want) || strings.Contains(answer, "Success") {
				t.Errorf("%s", short(answer))
			}
			w.absent(t, s)
			w.normal(t)
		})
	}
	t.Run("trailers", func(t *testing.T) { // they say nothing to us and must do nothing
		s, docs := w.victim(1)
		body := whole(s, docs)
		conn := w.dial(t)
		say(conn, request(w.Repository, packed, "Transfer-Encoding: chunked", "Trailer: Content-Length, X-A", "Connection: close")+
			fmt.Sprintf("%x\r\n%s\r\n0\r\nContent-Length: 3\r\nX-A: b\r\nContent-Type: text/html\r\n\r\n", len(body), body))
		if answer := hear(t, conn, 8*time.Second); !strings.Contains(answer, "Success") && !strings.Contains(answer, "HTTP/1.1 400") {
			t.Errorf("%s", short(answer))
		} else if strings.Contains(answer, "Success") {
			w.stored++
		}
	})
	t.Run("length and chunks", func(t *testing.T) { // a way to smuggle requests past a proxy
		s, docs := w.victim(1)
		body := whole(s, docs)
		conn := w.dial(t)
		say(conn, request(w.Repository, packed, "Transfer-Encoding: chunked", "Content-Length: 10")+fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)+"GET /smuggled HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		answer := hear(t, conn, 8*time.Second)
		// The chunks count and nothing else (RFC 9112 6.3): what follows them is the
		// next request, so that the length has smuggled nothing past a proxy that
		// also goes by the chunks.
		if !strings.Contains(answer, "Success") || strings.Count(answer, "HTTP/1.1 ") != 2 || !strings.Contains(answer, "HTTP/1.1 404") {
			t.Errorf("%s", short(answer))
		}
		w.stored++
	})
	w.calm(t)
	w.end(t)
}

// TestPipeline: requests sent without waiting are answered in order.
func TestPipeline(t *testing.T) {
	w := start(t)
	const n = 50
	conn := w.dial(t)
	var b strings.Builder
	var ids []string
	for i := range n {
		body := envelope(actionQuery, "<a/>")
		from := strings.Index(body, "urn:uuid:")
		ids = append(ids, body[from:from+45])
		if i%2 == 1 {
			body = body[:len(body)-9] // every other one is broken
		}
		b.WriteString(sized(w.Registry, plain, body))
	}
	go say(conn, b.String())
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	r := bufio.NewReader(conn)
	for i := range n {
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
		answer, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Contains(answer, []byte(ids[i])) {
			t.Fatalf("answer %d: %v %s", i, err, answer)
		}
	}
	w.normal(t)
	w.end(t)
}

// TestIdleCrowd: thousands of connections that say nothing do not keep others
// out, and go.
func TestIdleCrowd(t *testing.T) {
	w := start(t, "--http-header-timeout", "2s", "--http-idle-timeout", "2s", "--limits-concurrent-requests", "16")
	var conns []net.Conn
	for i := range 3000 {
		c := w.dial(t)
		conns = append(conns, c)
		switch i % 3 {
		case 1:
			say(c, "POST /services/registry HTTP/1.1\r\nHost")
		case 2:
			say(c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		}
	}
	w.normal(t)
	if rss := w.memory(t, "VmRSS"); rss > 256<<20 {
		t.Errorf("%d MiB for 3,000 connections", rss>>20)
	}
	w.calm(t)
	for _, c := range conns {
		c.Close()
	}
	w.normal(t)
	w.end(t)
}

// TestDrippers: one address whose requests never end, each byte within the stall
// timeout, cannot hold all requests in work.
func TestDrippers(t *testing.T) {
	w := start(t, "--http-stall-timeout", "20s", "--limits-concurrent-requests", "8")
	u, err := url.Parse(w.Registry)
	if err != nil {
		t.Fatal(err)
	}
	from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	var conns []net.Conn
	for range 40 {
		c, err := from.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		say(c, request(w.Repository, packed, "Content-Length: 1000000"))
		conns = append(conns, c)
	}
	stop := make(chan struct{})
	var dripping sync.WaitGroup
	dripping.Go(func() {
		for {
			for _, c := range conns {
				say(c, "-")
			}
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	time.Sleep(500 * time.Millisecond)
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until) && !t.Failed(); {
		w.normal(t)
	}
	if refused := w.metric(t, `samdok_http_refused_total{reason="share"}`); refused != "36" {
		t.Errorf("%s of 40 drippers were refused; the share of one client is 4", refused)
	}
	if held := w.metric(t, "samdok_http_requests_in_work"); held != "4" {
		t.Errorf("%s requests are in work instead of 4", held)
	}
	close(stop)
	dripping.Wait()
	for _, c := range conns {
		c.Close()
	}
	w.calm(t)
	w.end(t)
}

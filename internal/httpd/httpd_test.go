package httpd

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"samdok/fault"
	"samdok/internal/pipenet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func public(t testing.TB, h http.HandlerFunc, change func(*PublicOptions)) *Public {
	t.Helper()
	o := PublicOptions{
		Endpoints:  []Endpoint{{Path: "/services/registry", Name: "Document Registry", Transactions: []string{"ITI-18", "ITI-42"}, Handler: h}},
		Identity:   Identity{HomeCommunityID: "urn:oid:2.25.1", RepositoryUniqueID: "2.25.2", Profile: "base"},
		Concurrent: 8, StallTimeout: time.Minute, Clock: time.Now, Log: quiet(),
	}
	if change != nil {
		change(&o)
	}
	p, err := NewPublic(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func start(t *testing.T, h http.Handler) *Listener {
	t.Helper()
	ln, err := ListenTCP("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, ln, h)
}

func serveOn(t *testing.T, ln net.Listener, h http.Handler) *Listener {
	t.Helper()
	l := ListenOn(ln, nil, h, Manners{HeaderTimeout: time.Minute, IdleTimeout: time.Minute, HeaderBytes: 16 << 10}, quiet())
	done := make(chan error, 1)
	go func() { done <- l.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = l.Stop(ctx)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestPlainAnswers(t *testing.T) {
	p := public(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "soap") }, nil)
	for _, tc := range []struct {
		method, target, accept, language string
		status                           int
		want                             []string
	}{
		{"POST", "/services/registry", "", "", 200, []string{"soap"}},
		{"GET", "/services/registry", "", "", 405, []string{"SOAP 1.2", "ITI-18", "nettleser"}},
		{"GET", "/services/registry?wsdl", "", "", 404, []string{"no WSDL", "IHE publishes"}},
		{"PUT", "/services/registry", "", "", 405, []string{"does not take PUT"}},
		{"GET", "/nothing", "", "", 404, []string{"/services/registry"}},
		{"GET", "/services/registry/", "", "", 404, []string{"nothing at this address"}},
		{"GET", "/", "", "", 200, []string{"Endpoints", "http://example.com/services/registry", "2.25.1"}},
		{"GET", "/", "", "nb-NO,nb;q=0.9", 200, []string{"Endepunkter"}},
		{"GET", "/", "text/html", "nb", 200, []string{`<html lang="nb">`, "Endepunkter", "In English"}},
		{"GET", "/?lang=en", "text/html", "nb", 200, []string{`<html lang="en">`, "På norsk"}},
	} {
		r := httptest.NewRequest(tc.method, tc.target, nil)
		r.Header.Set("Accept", tc.accept)
		r.Header.Set("Accept-Language", tc.language)
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != tc.status {
			t.Errorf("%s %s: status %d, want %d", tc.method, tc.target, w.Code, tc.status)
		}
		for _, want := range tc.want {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s %s: no %q in\n%s", tc.method, tc.target, want, w.Body)
			}
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: security headers are missing", tc.method, tc.target)
		}
	}
}

func TestLandingPageKeepsItsOwnPolicy(t *testing.T) {
	p := public(t, nil, func(o *PublicOptions) { o.Identity.Profile = "<script>" })
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	_, rest, _ := strings.Cut(w.Body.String(), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	if !strings.Contains(w.Header().Get("Content-Security-Policy"), base64.StdEncoding.EncodeToString(sum[:])) {
		t.Error("the policy does not allow the page's own style")
	}
	if strings.Contains(w.Body.String(), "<script>") {
		t.Error("a value was not escaped")
	}
}

func TestRateLimitIsPerClient(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var refused atomic.Int32
	p := public(t, func(w http.ResponseWriter, r *http.Request) {}, func(o *PublicOptions) {
		o.Rate, o.Burst, o.Clients = 2, 3, 100
		o.Clock = func() time.Time { return now }
		o.Watch.Refused = func(string) { refused.Add(1) }
	})
	ask := func(remote string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/services/registry", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	for i := range 5 {
		want := 200
		if i >= 3 {
			want = 429
		}
		if w := ask("192.0.2.1:4000"); w.Code != want || (want == 429) != (w.Header().Get("Retry-After") != "") {
			t.Errorf("request %d: %d", i, w.Code)
		}
	}
	if w := ask("192.0.2.2:4000"); w.Code != 200 {
		t.Errorf("another client: %d", w.Code)
	}
	for i := range 4 { // one IPv6 client has a whole /64
		if w := ask(fmt.Sprintf("[2001:db8::%d]:1", i)); (w.Code == 429) != (i == 3) {
			t.Errorf("IPv6 %d: %d", i, w.Code)
		}
	}
	for range 10 {
		if w := ask("127.0.0.1:1"); w.Code != 200 {
			t.Errorf("loopback: %d", w.Code)
		}
	}
	now = now.Add(time.Second)
	if w := ask("192.0.2.1:4000"); w.Code != 200 {
		t.Errorf("after a second: %d", w.Code)
	}
	if refused.Load() != 3 {
		t.Errorf("%d refusals were counted", refused.Load())
	}
}

func TestNoMoreThanConcurrentRequests(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	p := public(t, func(w http.ResponseWriter, r *http.Request) { enter <- struct{}{}; <-leave }, func(o *PublicOptions) { o.Concurrent = 2 })
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/services/registry", nil))
		})
		<-enter
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("POST", "/services/registry", nil))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("the third request: %d", w.Code)
	}
	if p.InWork() != 2 {
		t.Errorf("%d in work", p.InWork())
	}
	close(leave)
	wg.Wait()
}

// One client whose requests do not end leaves room for the others.
func TestOneClientHasItsShareOnly(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	var refused []string
	p := public(t, func(w http.ResponseWriter, r *http.Request) { enter <- struct{}{}; <-leave }, func(o *PublicOptions) {
		o.Concurrent, o.Share = 5, 50
		o.Watch.Refused = func(reason string) { refused = append(refused, reason) }
	})
	from := func(remote string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/services/registry", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		return w
	}
	var wg sync.WaitGroup
	hold := func(remote string) {
		wg.Go(func() { from(remote) })
		<-enter
	}
	refuse := func(remote string) {
		if w := from(remote); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d", remote, w.Code)
		}
	}
	hold("127.0.0.1:1")
	hold("127.0.0.1:2")
	refuse("127.0.0.1:3")
	hold("[2001:db8::1]:1")
	hold("[2001:db8::2]:1")
	refuse("[2001:db8::3]:1") // the same /64
	hold("192.0.2.1:1")
	refuse("192.0.2.2:1") // no slot is left for anybody
	if want := []string{"share", "share", "busy"}; !slices.Equal(refused, want) {
		t.Errorf("refused %v, want %v", refused, want)
	}
	close(leave)
	wg.Wait()
	if n := len(p.gate.shares.held); n != 0 || p.InWork() != 0 {
		t.Errorf("%d clients are remembered, %d requests in work", n, p.InWork())
	}
}

func TestPanicIsOneAnswer(t *testing.T) {
	var seen []int
	p := public(t, func(w http.ResponseWriter, r *http.Request) { panic("broken") }, func(o *PublicOptions) {
		o.Watch.Done = func(e string, s int, _ time.Duration) { seen = append(seen, s) }
	})
	w := httptest.NewRecorder()
	p.ServeHTTP(w, httptest.NewRequest("POST", "/services/registry", nil))
	if w.Code != 500 || len(seen) != 1 || seen[0] != 500 || p.InWork() != 0 {
		t.Errorf("status %d, watched %v, in work %d", w.Code, seen, p.InWork())
	}
}

// A panic after the first byte must not look like a whole answer.
func TestPanicInTheMiddleBreaksTheConnection(t *testing.T) {
	p := public(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, strings.Repeat("x", 10_000))
		panic("broken")
	}, nil)
	l := start(t, p)
	resp, err := http.Post(l.URL()+"/services/registry", "text/plain", nil)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
	if err == nil {
		t.Error("the client read a whole answer")
	}
}

// asked puts a request's bytes before a handler that knows a stall timeout, on a clock of
// their own, and returns the client's end of the connection.
func asked(t *testing.T, h http.HandlerFunc, stall time.Duration, request string) net.Conn {
	t.Helper()
	p := public(t, h, func(o *PublicOptions) { o.StallTimeout = stall })
	ln := pipenet.Listen()
	serveOn(t, ln, p)
	c, err := ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSlowUploadLivesAndStalledOneDies(t *testing.T) {
	const stall = 400 * time.Millisecond
	for name, c := range map[string]struct {
		pause time.Duration
		bytes int // of the ten; then the client says no more
		after time.Duration
	}{
		"slow":       {350 * time.Millisecond, 10, 9 * 350 * time.Millisecond}, // far longer in all than the stall timeout
		"stalled":    {0, 1, stall},
		"slow, then": {350 * time.Millisecond, 5, 4*350*time.Millisecond + stall},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				result := make(chan error, 1)
				client := asked(t, func(w http.ResponseWriter, r *http.Request) {
					_, err := io.Copy(io.Discard, r.Body)
					result <- err
				}, stall, "POST /services/registry HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
				begin := time.Now()
				for i := range c.bytes {
					if i > 0 {
						time.Sleep(c.pause)
					}
					if _, err := io.WriteString(client, "x"); err != nil {
						t.Fatal(err)
					}
				}
				go func() { _, _ = io.Copy(io.Discard, client) }()
				if err := <-result; (err != nil) != (c.bytes < 10) {
					t.Errorf("the handler saw %v", err)
				}
				if took := time.Since(begin); took != c.after {
					t.Errorf("after %v", took)
				}
			})
		})
	}
}

// A client that stops reading must not hold a request for ever.
func TestReaderThatStopsIsGivenUp(t *testing.T) {
	result := make(chan error, 1)
	p := public(t, func(w http.ResponseWriter, r *http.Request) {
		var err error
		block := make([]byte, 1<<20)
		for range 64 {
			if _, err = w.Write(block); err != nil {
				break
			}
		}
		result <- err
	}, func(o *PublicOptions) { o.StallTimeout = 300 * time.Millisecond })
	l := start(t, p)
	c, err := net.Dial("tcp", l.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /services/registry HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
	select {
	case err := <-result:
		if err == nil {
			t.Error("64 MiB went to a client that reads nothing")
		}
	case <-time.After(time.Minute):
		t.Error("the request is still held")
	}
}

// An answer that takes longer than the stall timeout to begin must survive it.
func TestLongWorkIsNoStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := asked(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			time.Sleep(time.Minute)
			if r.Context().Err() != nil {
				w.WriteHeader(500)
			}
			fmt.Fprint(w, "done")
		}, 200*time.Millisecond, "POST /services/registry HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
		resp, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "done" || resp.StatusCode != 200 {
			t.Errorf("%d %q %v", resp.StatusCode, b, err)
		}
	})
}

func TestStopWaitsForRequestsInWork(t *testing.T) {
	enter, leave := make(chan struct{}), make(chan struct{})
	l, err := Listen("127.0.0.1:0", nil, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(enter)
		<-leave
		fmt.Fprint(w, "whole")
	}), Manners{HeaderTimeout: time.Minute, IdleTimeout: time.Minute, HeaderBytes: 8192}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- l.Serve() }()
	c, err := net.Dial("tcp", l.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	<-enter
	stopped := make(chan error, 1)
	go func() { stopped <- l.Stop(context.Background()) }()
	if err := <-served; err != nil {
		t.Errorf("Serve: %v", err)
	}
	if _, err := net.DialTimeout("tcp", l.Address(), time.Second); err == nil {
		t.Error("a new connection was taken while draining")
	}
	close(leave)
	if err := <-stopped; err != nil {
		t.Errorf("Stop: %v", err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, _ := io.ReadAll(resp.Body); string(b) != "whole" {
		t.Errorf("the answer is %q", b)
	}
}

func TestPortInUseIsExplained(t *testing.T) {
	l := start(t, http.NotFoundHandler())
	_, err := Listen(l.Address(), nil, http.NotFoundHandler(), Manners{}, quiet())
	if err == nil || !strings.Contains(err.Error(), "another program uses this port") {
		t.Errorf("got %v", err)
	}
}

// One dependency that does not answer does not make the others look as if they did
// not.
func TestReadinessBlamesNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var draining atomic.Bool
		h := NewInternal(InternalOptions{
			Dependencies: []Dependency{
				{Name: "silent", Check: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
				{Name: "well", Check: func(ctx context.Context) error { return ctx.Err() }},
				{Name: "warned", Warn: func(context.Context) string { return "soon full" }},
			},
			Metrics: http.NotFoundHandler(), Draining: &draining, Timeout: time.Second,
		})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
		if want := "silent: not ready: context deadline exceeded\nwell: ready\nwarned: ready; warning: soon full\n"; w.Code != 503 || w.Body.String() != want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}

func TestReadinessNamesWhatFails(t *testing.T) {
	var draining atomic.Bool
	bad := errors.New("the index is older than the log; run `samdok reindex`")
	var fail error
	h := NewInternal(InternalOptions{
		Dependencies: []Dependency{{Name: "documents", Check: func(context.Context) error { return nil }}, {Name: "log", Check: func(context.Context) error { return fail }}, {Name: "outbox", Warn: func(context.Context) string { return "" }}},
		Metrics:      http.NotFoundHandler(), Draining: &draining, Timeout: time.Second,
	})
	get := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}
	if s, b := get("/readyz"); s != 200 || !strings.Contains(b, "log: ready") {
		t.Errorf("%d %s", s, b)
	}
	fail = bad
	if s, b := get("/readyz"); s != 503 || !strings.Contains(b, "samdok reindex") || !strings.Contains(b, "documents: ready") {
		t.Errorf("%d %s", s, b)
	}
	fail = fault.New(fault.Unavailable, "sqlite.Ready", fault.RegistryError, "Run samdok reindex.")
	if s, b := get("/readyz"); s != 503 || !strings.Contains(b, "Run samdok reindex.") {
		t.Errorf("an engine's remedy is not told: %d %s", s, b)
	}
	fail = nil
	draining.Store(true)
	if s, b := get("/readyz"); s != 503 || !strings.Contains(b, "stopping") {
		t.Errorf("%d %s", s, b)
	}
	if s, _ := get("/healthz"); s != 200 {
		t.Errorf("healthz: %d", s)
	}
}

type discard struct{ h http.Header }

func (d *discard) Header() http.Header         { return d.h }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkHotPath shows what the gate and gin cost before the door is reached.
func BenchmarkHotPath(b *testing.B) {
	nothing := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
	p := public(b, nothing, func(o *PublicOptions) { o.Rate, o.Burst, o.Clients = 1e9, 1<<30, 1000 })
	for _, bc := range []struct {
		name string
		h    http.Handler
	}{{"nothing", nothing}, {"gin", p.router}, {"gate+gin", p}} {
		b.Run(bc.name, func(b *testing.B) {
			r := httptest.NewRequest("POST", "/services/registry", strings.NewReader("x"))
			r.RemoteAddr = "192.0.2.1:1234"
			body := r.Body
			w := &discard{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				r.Body = body
				bc.h.ServeHTTP(w, r)
			}
		})
	}
}

// A listener that waits tells everybody to come again, and serves when it is turned to
// its handler.
func TestWaitingThenServing(t *testing.T) {
	var reasons []string
	l := start(t, Waiting(func(reason string) { reasons = append(reasons, reason) }))
	ask := func() *http.Response {
		answer, err := http.Post(l.URL()+"/services/registry", "application/soap+xml", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer
	}
	if a := ask(); a.StatusCode != http.StatusServiceUnavailable || a.Header.Get("Retry-After") != "5" || a.Header.Get("Cache-Control") != "no-store" || !a.Close {
		t.Errorf("%s %v", a.Status, a.Header)
	}
	if len(reasons) != 1 || reasons[0] != "starting" {
		t.Errorf("counted as %v", reasons)
	}
	l.Turn(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	if a := ask(); a.StatusCode != http.StatusNoContent {
		t.Error(a.Status)
	}
	http.DefaultClient.CloseIdleConnections()
}

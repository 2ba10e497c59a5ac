package mllp

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"samdok/internal/pipenet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reasons counts why connections were closed.
type reasons struct {
	mu sync.Mutex
	n  map[string]int
}

func (r *reasons) add(s string) { r.mu.Lock(); r.n[s]++; r.mu.Unlock() }
func (r *reasons) of(s string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n[s]
}

// serve starts a server that answers "re " and the message, unless o has a Handle.
func serve(t *testing.T, o Options) (*Server, *reasons) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, l, o)
}

func serveOn(t *testing.T, l net.Listener, o Options) (*Server, *reasons) {
	t.Helper()
	r := &reasons{n: map[string]int{}}
	o.Refused = r.add
	if o.Handle == nil {
		o.Handle = func(_ context.Context, _ Peer, m []byte, tooLong bool) []byte {
			if tooLong {
				return []byte("too long")
			}
			return append([]byte("re "), m...)
		}
	}
	s := NewServer(l, o)
	done := make(chan error, 1)
	go func() { done <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.Stop(ctx); err != nil && !strings.Contains(err.Error(), "cut off") {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, r
}

func dial(t *testing.T, s *Server) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// hear reads until the server closes, at most for a minute.
func hear(t *testing.T, c net.Conn) string {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	b, err := io.ReadAll(c)
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		t.Errorf("the connection is still open; it has said %.100q", b)
	}
	return string(b)
}

func framed(messages ...string) string {
	var b []byte
	for _, m := range messages {
		b = Append(b, []byte(m))
	}
	return string(b)
}

// usual exchanges a message with a client of its own: others are served.
func usual(t *testing.T, s *Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := Dial(ctx, s.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for i := range 3 {
		m := strings.Repeat("x", i*3000)
		if got, err := c.Send(ctx, []byte(m)); err != nil || string(got) != "re "+m {
			t.Fatalf("%.50q, %v", got, err)
		}
	}
}

// However the octets arrive, the answers are right and in order.
func TestFrames(t *testing.T) {
	s, _ := serve(t, Options{})
	long := strings.Repeat("y", 500_000)
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"one":               {framed("a"), []string{"re a"}},
		"pipelined":         {framed("a", "b", long, "", "c"), []string{"re a", "re b", "re " + long, "re ", "re c"}},
		"blanks between":    {framed("a") + "\r\n \t\n" + framed("b"), []string{"re a", "re b"}},
		"end without CR":    {"\x0ba\x1c\x0bb\x1c", []string{"re a", "re b"}},
		"line ends inside":  {framed("a\rb\r\nc"), []string{"re a\rb\r\nc"}},
		"start block again": {"\x0ba\x0bb\x1c\r", []string{"re a\x0bb"}},
	} {
		for _, size := range []int{1 << 30, 7, 1} {
			if size == 1 && len(c.in) > 1000 {
				continue
			}
			conn := dial(t, s)
			go func() {
				for in := c.in; in != ""; {
					n := min(size, len(in))
					if size == 7 && len(in) > 1000 {
						n = 999
					}
					if _, err := io.WriteString(conn, in[:n]); err != nil {
						return
					}
					in = in[n:]
				}
				_ = conn.(*net.TCPConn).CloseWrite()
			}()
			if got := hear(t, conn); got != framed(c.want...) {
				t.Errorf("%s in pieces of %d: %.100q", name, size, got)
			}
		}
	}
}

// What is no frame, or too long, is let go; others are served meanwhile.
func TestHostile(t *testing.T) {
	s, why := serve(t, Options{MessageBytes: 10_000})
	var group sync.WaitGroup
	attack := func(name, send, want string) {
		c := dial(t, s)
		group.Go(func() {
			go func() { _, _ = io.WriteString(c, send) }()
			if got := hear(t, c); got != want {
				t.Errorf("%s: %.100q", name, got)
			}
		})
	}
	attack("HTTP", "POST / HTTP/1.1\r\n\r\n", "")
	attack("TLS", "\x16\x03\x01\x02\x00\x01", "")
	attack("garbage behind a message", framed("a")+"rubbish", framed("re a"))
	attack("never ending", "\x0b"+strings.Repeat("z", 3_000_000), framed("too long"))
	attack("one too many", framed(strings.Repeat("z", 10_001), "b"), framed("too long"))
	attack("just enough", framed(strings.Repeat("z", 10_000))+"!", framed("re "+strings.Repeat("z", 10_000)))
	usual(t, s)
	group.Wait()
	usual(t, s)
	if why.of("no frame") != 4 || why.of("stalled") != 0 || why.of("too long") != 2 {
		t.Errorf("%v", why.n)
	}
}

// Who is silent, who stops inside a message and whose message never ends is let go when
// its time is up: between two messages, without an octet, and ten times that in all.
func TestSlow(t *testing.T) {
	const stall, idle = 300 * time.Millisecond, 7 * time.Second
	for name, c := range map[string]struct {
		send, every string // every is sent again and again, six times in a stall timeout
		want        string
		after       time.Duration
		stalled     int
	}{
		"silence":           {"", "", "", idle, 0},
		"silent again":      {framed("a"), "", framed("re a"), idle, 0},
		"no end":            {"\x0bMSH", "", "", stall, 1},
		"slow but moving":   {"\x0b", "q", "", 10 * stall, 1},
		"moving in between": {framed("a") + "\x0b", "q", framed("re a"), 10 * stall, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := pipenet.Listen()
				s, why := serveOn(t, l, Options{StallTimeout: stall, IdleTimeout: idle})
				client, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				begin := time.Now()
				var sending sync.WaitGroup
				defer sending.Wait()
				sending.Go(func() {
					for next := c.send; next != ""; next = c.every {
						if _, err := io.WriteString(client, next); err != nil {
							return
						}
						time.Sleep(stall / 6)
					}
				})
				if got := hear(t, client); got != c.want {
					t.Errorf("%.100q", got)
				}
				if took := time.Since(begin); took != c.after {
					t.Errorf("let go after %v", took)
				}
				synctest.Wait()
				if why.of("stalled") != c.stalled || s.Open() != 0 {
					t.Errorf("%v, %d open", why.n, s.Open())
				}
			})
		})
	}
}

// A client that does not read its answers is let go.
func TestReluctant(t *testing.T) {
	s, _ := serve(t, Options{StallTimeout: 300 * time.Millisecond, Handle: func(context.Context, Peer, []byte, bool) []byte {
		return bytes.Repeat([]byte("r"), 8<<20)
	}})
	c := dial(t, s)
	_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
	_, _ = io.WriteString(c, framed("a", "b"))
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		if s.Open() == 0 {
			return
		}
	}
	t.Error("it is still connected")
}

// In a crowd the silent make room; who has a message in work stays.
func TestCrowd(t *testing.T) {
	working, goOn := make(chan struct{}), make(chan struct{})
	s, why := serve(t, Options{Connections: 4, Handle: func(_ context.Context, _ Peer, m []byte, _ bool) []byte {
		if string(m) == "wait" {
			working <- struct{}{}
			<-goOn
		}
		return append([]byte("re "), m...)
	}})
	busy := dial(t, s)
	_, _ = io.WriteString(busy, framed("wait"))
	<-working
	for range 50 {
		dial(t, s)
		usual(t, s)
	}
	if s.Open() > 4 || why.of("crowd") < 40 {
		t.Errorf("%d open, %v", s.Open(), why.n)
	}
	close(goOn)
	_ = busy.(*net.TCPConn).CloseWrite()
	if got := hear(t, busy); got != framed("re wait") {
		t.Errorf("%q", got)
	}
}

// With every place at work, one more is refused at once.
func TestAllBusy(t *testing.T) {
	working, goOn := make(chan struct{}), make(chan struct{})
	s, _ := serve(t, Options{Connections: 2, Handle: func(context.Context, Peer, []byte, bool) []byte {
		working <- struct{}{}
		<-goOn
		return []byte("done")
	}})
	a, b := dial(t, s), dial(t, s)
	for _, c := range []net.Conn{a, b} {
		_, _ = io.WriteString(c, framed("x"))
		<-working
	}
	if got := hear(t, dial(t, s)); got != "" {
		t.Errorf("%q", got)
	}
	close(goOn)
	for _, c := range []net.Conn{a, b} {
		_ = c.(*net.TCPConn).CloseWrite()
		if got := hear(t, c); got != framed("done") {
			t.Errorf("%q", got)
		}
	}
}

// Stop lets a message in work be answered and closes the silent; what takes longer than
// it may is cut off.
func TestStop(t *testing.T) {
	for name, c := range map[string]struct {
		patience time.Duration
		want     string
		took     time.Duration
	}{"in time": {5 * time.Second, framed("late"), 3 * time.Second}, "cut off": {2 * time.Second, "", 2 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, working := pipenet.Listen(), make(chan struct{})
				s, _ := serveOn(t, l, Options{Handle: func(ctx context.Context, _ Peer, _ []byte, _ bool) []byte {
					close(working)
					select {
					case <-ctx.Done():
					case <-time.After(3 * time.Second):
					}
					return []byte("late")
				}})
				silent, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				busy, err := l.Dial()
				if err != nil {
					t.Fatal(err)
				}
				heard := make(chan string, 1)
				go func() { heard <- hear(t, busy) }()
				go func() { _, _ = io.WriteString(busy, framed("x", "not this one")) }()
				<-working
				ctx, cancel := context.WithTimeout(t.Context(), c.patience)
				defer cancel()
				begin := time.Now()
				if err := s.Stop(ctx); (err != nil) != (c.want == "") {
					t.Error(err)
				}
				if took := time.Since(begin); took != c.took {
					t.Errorf("it took %v", took)
				}
				if got := <-heard; got != c.want {
					t.Errorf("%q", got)
				}
				if got := hear(t, silent); got != "" {
					t.Errorf("%q", got)
				}
			})
		})
	}
}

// Nothing that a handler says because it was cut off is sent: when it learns of that, its
// connection is gone.
func TestCutOffIsNoAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, given := pipenet.Listen(), make(chan context.Context, 1)
		var s *Server
		s, _ = serveOn(t, l, Options{Handle: func(ctx context.Context, _ Peer, _ []byte, _ bool) []byte {
			stop := <-given
			time.Sleep(time.Second / 2) // Stop waits
			s.mu.Lock()                 // and gets no further than to its lock
			<-stop.Done()
			for range 1000 {
				runtime.Gosched()
			}
			for c := range s.conns {
				if ctx.Err() != nil && !c.dropped {
					t.Error("work is cut off while its connection is open")
				}
			}
			s.mu.Unlock()
			<-ctx.Done()
			return []byte("cut off")
		}})
		client, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(client, framed("x")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		given <- ctx
		if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if got := hear(t, client); got != "" {
			t.Errorf("%q", got)
		}
	})
}

func TestPanic(t *testing.T) {
	s, why := serve(t, Options{Handle: func(_ context.Context, _ Peer, m []byte, _ bool) []byte {
		if string(m) == "boom" {
			panic("13916900216")
		}
		return append([]byte("re "), m...)
	}})
	c := dial(t, s)
	_, _ = io.WriteString(c, framed("a", "boom", "b"))
	if got := hear(t, c); got != framed("re a") || why.of("panic") != 1 {
		t.Errorf("%q %v", got, why.n)
	}
	usual(t, s)
}

// certificate makes one that its own authority signed.
func certificate(t *testing.T, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name, Organization: []string{"Sykehuset"}}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// The caller is who the certificate says; without one nobody gets in.
func TestMutualTLS(t *testing.T) {
	server, serverPool := certificate(t, "samdok")
	client, clientPool := certificate(t, "pas.example.no")
	s, _ := serve(t, Options{TLS: &tls.Config{Certificates: []tls.Certificate{server}, ClientCAs: clientPool, ClientAuth: tls.RequireAndVerifyClientCert}, StallTimeout: time.Minute,
		Handle: func(_ context.Context, p Peer, _ []byte, _ bool) []byte { return fmt.Appendf(nil, "%+v", p) }})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c, err := Dial(ctx, s.Address(), &tls.Config{RootCAs: serverPool, Certificates: []tls.Certificate{client}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Send(ctx, []byte("x")); err != nil || string(got) != "{Remote:127.0.0.1 Loopback:true Subject:CN=pas.example.no,O=Sykehuset Name:pas.example.no}" {
		t.Errorf("%s %v", got, err)
	}
	if c, err := Dial(ctx, s.Address(), &tls.Config{RootCAs: serverPool}); err == nil { // TLS 1.3: the refusal comes later
		if got, err := c.Send(ctx, []byte("x")); err == nil {
			t.Errorf("without a certificate: %s", got)
		}
		c.Close()
	}
	if got := hear(t, func() net.Conn { c := dial(t, s); _, _ = io.WriteString(c, framed("no client hello")); return c }()); strings.Contains(got, "Remote") {
		t.Errorf("without TLS: %q", got)
	}
}

// Many clients at once: each gets its own answers.
func TestMany(t *testing.T) {
	s, _ := serve(t, Options{})
	var group sync.WaitGroup
	for i := range 30 {
		group.Go(func() {
			c, err := Dial(t.Context(), s.Address(), nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			for j := range 50 {
				m := fmt.Sprint(i, " ", j)
				if got, err := c.Send(t.Context(), []byte(m)); err != nil || string(got) != "re "+m {
					t.Errorf("%q %v", got, err)
				}
			}
		})
	}
	group.Wait()
}

// A context that ends frees the sender.
func TestSendGivesUp(t *testing.T) {
	wait := make(chan struct{})
	defer close(wait)
	s, _ := serve(t, Options{Handle: func(context.Context, Peer, []byte, bool) []byte { <-wait; return nil }})
	c, err := Dial(t.Context(), s.Address(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Send(ctx, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func FuzzFrames(f *testing.F) {
	for _, s := range []string{"", framed("a"), framed("a", "b"), "\x0b", "\x0b\x1c", "\x0ba\x1c\r\n\x0bb", "x", "\r\n\x0b\x0b\x1c\x1c"} {
		f.Add([]byte(s), byte(3))
	}
	f.Fuzz(func(t *testing.T, in []byte, step byte) {
		begun := 0
		r := reader{r: &pieces{in, int(step) + 1}, limit: 100, begun: func() { begun++ }}
		for range len(in) + 2 {
			m, err := r.next()
			if len(m) > 100 || bytes.IndexByte(m, endBlock) >= 0 || begun > bytes.Count(in, []byte{startBlock}) {
				t.Fatalf("%q %d", m, begun)
			}
			if err != nil {
				return
			}
		}
		t.Fatal("it never ends")
	})
}

// pieces gives n octets at a time.
type pieces struct {
	b []byte
	n int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.b) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.b[:min(p.n, len(p.b))])
	p.b = p.b[n:]
	return n, nil
}

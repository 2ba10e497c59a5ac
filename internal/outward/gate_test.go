package outward

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// gate allows some addresses.
func gate(t *testing.T, o Options, allowed ...string) *Gate {
	t.Helper()
	var err error
	if o.Allowed, err = ParseAllowed(strings.Join(allowed, ",")); err != nil {
		t.Fatal(err)
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func (g *Gate) post(t *testing.T, to string) error {
	return g.Post(t.Context(), to, "text/plain", 1, strings.NewReader("x"))
}

func TestPost(t *testing.T) {
	var got string
	var followed atomic.Bool
	status := 202
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/else" {
			followed.Store(true)
		}
		b, _ := io.ReadAll(r.Body)
		got = r.Header.Get("Content-Type") + ": " + string(b)
		if status/100 == 3 {
			w.Header().Set("Location", "/else")
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	g := gate(t, Options{}, srv.URL+"/in", "http://name.invalid/in")
	for _, status = range []int{200, 202, 204} {
		if err := g.post(t, srv.URL+"/in/secret"); err != nil || got != "text/plain: x" {
			t.Errorf("HTTP %d: %v, %q", status, err, got)
		}
	}
	for _, status = range []int{301, 302, 303, 307, 308, 400, 404, 500, 503} {
		if err := g.post(t, srv.URL+"/in/secret"); err == nil || strings.Contains(err.Error(), "secret") || followed.Load() {
			t.Errorf("HTTP %d: %v, followed %v", status, err, followed.Load())
		}
	}
	var refused *NotAllowedError
	if err := g.post(t, srv.URL+"/else"); !errors.As(err, &refused) {
		t.Errorf("an address that is not allowed: %v", err)
	}
	if err := g.post(t, "http://name.invalid/in/secret"); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a name that leads nowhere: %v", err)
	}
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1")
	if status = 200; gate(t, Options{}, srv.URL).post(t, srv.URL+"/in") != nil {
		t.Error("a proxy was asked")
	}
}

// names is a resolver that answers each question for an A record with the next
// address.
func names(t *testing.T, answers ...string) (*net.Resolver, *atomic.Int32) {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	done := make(chan struct{})
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	go func() {
		defer close(done)
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			end := 12 // of the question: labels, a zero, type and class (RFC 1035 4.1.2)
			for end < n && b[end] != 0 {
				end += int(b[end]) + 1
			}
			end += 5
			answer := append([]byte{b[0], b[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, b[12:end]...)
			if b[end-3] == 1 { // A
				i := min(int(asked.Add(1)), len(answers)) - 1
				ip := netip.MustParseAddr(answers[i]).As4()
				answer[7] = 1
				answer = append(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), ip[:]...)
			}
			if _, err := conn.WriteTo(answer, from); err != nil {
				return
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}, &asked
}

// A name that leads elsewhere when it is connected to than when somebody looked
// gains nothing.
func TestRebinding(t *testing.T) {
	var came atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { came.Add(1) }))
	defer srv.Close()
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	address := "http://epj.example.no:" + u.Port() + "/answers"
	machine, err := ParseNetworks("127.0.0.0/8")
	if err != nil {
		t.Fatal(err)
	}
	resolver, asked := names(t, "193.1.2.3", "127.0.0.1")
	if to, err := resolver.LookupHost(t.Context(), "epj.example.no"); err != nil || to[0] != "193.1.2.3" {
		t.Fatal(to, err)
	}
	g := gate(t, Options{Resolver: resolver}, address)
	if err := g.Check(address); err != nil {
		t.Fatal(err)
	}
	if err := g.post(t, address); err == nil || !strings.Contains(err.Error(), "outward.networks") || came.Load() != 0 {
		t.Errorf("%v; %d came", err, came.Load())
	}
	if asked.Load() < 2 {
		t.Error("the name was not looked up again")
	}
	if err := gate(t, Options{Resolver: resolver, Networks: machine}, address).post(t, address); err != nil || came.Load() != 1 {
		t.Errorf("a network that is named: %v; %d came", err, came.Load())
	}
}

func TestTLS(t *testing.T) {
	var shown int
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { shown = len(r.TLS.PeerCertificates) }))
	srv.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	srv.StartTLS()
	defer srv.Close()
	dir := t.TempDir()
	ca, cert := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem")
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	own := httptest.NewUnstartedServer(nil)
	own.StartTLS()
	own.Close()
	pair := own.TLS.Certificates[0]
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8(t, pair.PrivateKey)})
	if err := errors.Join(os.WriteFile(ca, authority, 0o600),
		os.WriteFile(cert, append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), key...), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := gate(t, Options{}, srv.URL).post(t, srv.URL); err == nil {
		t.Error("an authority that nobody named")
	}
	if err := gate(t, Options{CA: ca, Cert: cert, Key: cert}, srv.URL).post(t, srv.URL); err != nil || shown != 1 {
		t.Errorf("%v, %d certificates shown", err, shown)
	}
	for name, o := range map[string]Options{"no file": {CA: ca + "x"}, "no certificate": {CA: os.DevNull}, "no key": {Cert: ca, Key: ca}} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func pkcs8(t *testing.T, key any) []byte {
	t.Helper()
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

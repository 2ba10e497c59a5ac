package fleet

import (
	"encoding/pem"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// meddler is a way to an engine on which calls go wrong while a fault is on.
type meddler struct {
	url   string
	ca    string // file with its authority, when it speaks TLS
	fault atomic.Pointer[fault]
}

// fault is what happens to a call. It tells whether the call was dealt with.
type fault func(w http.ResponseWriter, r *http.Request, pass http.Handler) bool

func meddle(t testing.TB, engine string, secure bool) *meddler {
	t.Helper()
	to, err := url.Parse(engine)
	must(t, err)
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Second, DisableCompression: true}
	pass := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: transport, FlushInterval: -1,
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { cut(w) },
	}
	m := &meddler{}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := m.fault.Load(); f != nil && (*f)(w, r, pass) {
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close(); transport.CloseIdleConnections() })
	if !secure {
		s.Start()
	} else {
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that do not trust it
		s.StartTLS()
		m.ca = filepath.Join(t.TempDir(), "ca.pem")
		must(t, os.WriteFile(m.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	}
	m.url = s.URL
	return m
}

func (m *meddler) during(f fault, wait func()) {
	m.fault.Store(&f)
	wait()
	m.fault.Store(nil)
}

// cut resets the connection.
func cut(w http.ResponseWriter) {
	c, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

// resets break one of five connections: before the call, or after it was done and
// before it is answered.
func resets(w http.ResponseWriter, r *http.Request, pass http.Handler) bool {
	switch rand.IntN(10) {
	case 0:
		cut(w)
	case 1:
		pass.ServeHTTP(httptest.NewRecorder(), r)
		cut(w)
	default:
		return false
	}
	return true
}

// gone answers nobody.
func gone(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
	cut(w)
	return true
}

// slow takes a while for each call.
func slow(pause time.Duration) fault {
	return func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
		}
		return false
	}
}

// busy is an Elasticsearch that takes half of the calls.
func busy(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
	status := [...]int{http.StatusTooManyRequests, http.StatusServiceUnavailable, 0, 0}[rand.IntN(4)]
	if status == 0 {
		return false
	}
	w.Header().Set("X-Elastic-Product", "Elasticsearch")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(`{"error":{"type":"es_rejected_execution_exception","reason":"full"}}`))
	return true
}

// full is an S3 store whose disk is full: what is there can be read and deleted.
func full(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
	if r.Method != http.MethodPut && (r.Method != http.MethodPost || strings.Contains(r.URL.RawQuery, "delete")) {
		return false
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(http.StatusInsufficientStorage)
	_, _ = w.Write([]byte(`<Error><Code>XMinioStorageFull</Code><Message>full</Message></Error>`))
	return true
}

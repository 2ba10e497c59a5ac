package s3

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func newTransport(timeout time.Duration) *http.Transport {
	dialer := &net.Dialer{Timeout: min(timeout, 5*time.Second), KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return conn{c}, nil
		},
		TLSHandshakeTimeout: timeout, ExpectContinueTimeout: time.Second,
		MaxIdleConns: 512, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second,
		DisableCompression: true, // what is stored is sealed
	}
}

// conn sends bodies through buffers that are used again; net/http makes a new one
// for each request otherwise.
type conn struct{ net.Conn }

var sending = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ReadFrom implements io.ReaderFrom.
func (c conn) ReadFrom(r io.Reader) (int64, error) {
	buf := sending.Get().(*[32 << 10]byte)
	defer sending.Put(buf)
	return io.CopyBuffer(struct{ io.Writer }{c.Conn}, r, buf[:])
}

// errUnsealed: the store took a write without the encryption that was asked for.
var errUnsealed = errors.New("the store ignores the server-side encryption that was asked for; configure its keys, or do not ask for it")

// wire sees every request and answer.
type wire struct {
	next   http.RoundTripper
	server *atomic.Pointer[string]
	heard  func() // is told of each answer
	sse    string // what is asked for; "" is nothing
}

const sseHeader = "X-Amz-Server-Side-Encryption"

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	r, p := felt(r)
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	w.heard()
	if p != nil {
		p.cameIn()
		resp.Body = &moving{resp.Body, func(int) { p.cameIn() }}
	}
	if name := resp.Header.Get("Server"); name != "" {
		if old := w.server.Load(); old == nil || *old != name {
			w.server.Store(&name)
		}
	}
	if w.sealed(r) && resp.StatusCode/100 == 2 && resp.Header.Get(sseHeader) != w.sse {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // the connection can be used again
		resp.Body.Close()
		return nil, errUnsealed
	}
	return resp, nil
}

// sealed tells whether the answer must say that what was sent is encrypted. Of an
// upload in parts those of the parts say so; MinIO is silent when it begins.
func (w *wire) sealed(r *http.Request) bool {
	switch {
	case w.sse == "":
		return false
	case r.Method == http.MethodPut && strings.Contains(r.URL.RawQuery, "uploadId="):
		return true
	}
	return r.Method == http.MethodPut && r.Header.Get(sseHeader) != ""
}

package mutant

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"time"

	"samdok/conformance"
)

// initiatingPath is the endpoint of an initiating gateway.
const initiatingPath = "/initiating"

// Onward replaces text in what the gateway sends on to the communities.
func Onward(pattern, with string) conformance.Mutant {
	re := regexp.MustCompile(pattern)
	return conformance.Mutant{Onward: func(x *conformance.Exchange) { x.Request = re.ReplaceAll(x.Request, []byte(with)) }}
}

// Dawdles answers so much later than the server does.
func Dawdles(by time.Duration) conformance.Mutant {
	return conformance.Mutant{Response: func(*conformance.Exchange) { time.Sleep(by) }}
}

// listenOnward takes the place of the kit's communities, which get a port of their own:
// not one of 127.0.0.1, where connections that go out come from.
func (p *Proxy) listenOnward() error {
	l, err := net.Listen("tcp", p.target.Communities)
	if err != nil {
		return err
	}
	free, err := net.Listen("tcp", "127.0.0.3:0")
	if err != nil {
		return err
	}
	p.communities = free.Addr().String()
	if err := free.Close(); err != nil {
		return err
	}
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: p.communities})
	p.onward = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		x := &conformance.Exchange{Path: r.URL.Path, Request: body, RequestType: r.Header.Get("Content-Type")}
		p.mutant.Onward(x)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(x.Request)), int64(len(x.Request))
		r.Header.Set("Content-Type", x.RequestType)
		to.ServeHTTP(w, r)
	})}}
	p.onward.Config.SetKeepAlivesEnabled(false)
	p.onward.Start()
	return nil
}

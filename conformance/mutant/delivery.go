package mutant

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"

	"samdok/conformance"
)

// Delivered applies what a mutant does with answers to those that are posted to a
// wsa:ReplyTo.
func Delivered(m conformance.Mutant) conformance.Mutant {
	return conformance.Mutant{Delivery: m.Response}
}

// inbox is the Address of the kit's inbox in a request; the kit listens on this
// machine.
var inbox = regexp.MustCompile(`(<a:ReplyTo><a:Address>http://)(127\.0\.0\.1:\d+)/`)

// listenReplyTo takes the place of the kit's inbox, which gets a port of its own.
func (p *Proxy) listenReplyTo() error {
	l, err := net.Listen("tcp", p.target.ReplyTo)
	if err != nil {
		return err
	}
	p.replies = &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(p.deliver)}}
	p.replies.Config.SetKeepAlivesEnabled(false)
	p.replies.Start()
	return nil
}

// redirect makes the server answer to the proxy and notes where the kit listens.
func (p *Proxy) redirect(request []byte) []byte {
	m := inbox.FindSubmatch(request)
	if p.replies == nil || m == nil {
		return request
	}
	kit := string(m[2])
	p.kit.Store(&kit)
	return inbox.ReplaceAll(request, []byte("${1}"+p.target.ReplyTo+"/"))
}

func (p *Proxy) deliver(w http.ResponseWriter, r *http.Request) {
	kit := p.kit.Load()
	body, err := io.ReadAll(r.Body)
	if err != nil || kit == nil {
		http.Error(w, "nobody asked", http.StatusBadGateway)
		return
	}
	body = bytes.ReplaceAll(body, []byte(p.target.ReplyTo), []byte(*kit))
	x := &conformance.Exchange{Path: r.URL.Path, Type: r.Header.Get("Content-Type"), Response: body}
	if p.mutant.Delivery != nil {
		p.mutant.Delivery(x)
	}
	resp, err := http.Post("http://"+*kit+r.URL.Path, x.Type, bytes.NewReader(x.Response))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
}

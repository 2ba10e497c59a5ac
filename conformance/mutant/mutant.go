package mutant

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"

	"samdok/conformance"
)

// Proxy stands in front of a target and applies a mutant to every exchange.
type Proxy struct {
	*httptest.Server
	mutant conformance.Mutant
	target conformance.Target
	mllp   net.Listener // nil when the target has none
	conns  sync.WaitGroup

	replies *httptest.Server       // in the place of the kit's inbox; nil when the target has none
	kit     atomic.Pointer[string] // HOST:PORT of the kit's inbox

	onward      *httptest.Server // in the place of the kit's communities; nil without one
	communities string           // HOST:PORT of the kit's communities then
}

// New starts a proxy; Close it.
func New(target conformance.Target, m conformance.Mutant) *Proxy {
	p := &Proxy{mutant: m, target: target}
	p.Server = httptest.NewServer(p)
	if target.MLLP != "" {
		p.listenMLLP()
	}
	if target.ReplyTo != "" {
		if err := p.listenReplyTo(); err != nil {
			panic("the address of asynchronous answers cannot be used: " + err.Error())
		}
	}
	if m.Onward != nil {
		if err := p.listenOnward(); err != nil {
			panic("the address of the kit's communities cannot be used: " + err.Error())
		}
	}
	return p
}

// Close ends the proxy and what is in work.
func (p *Proxy) Close() {
	p.Server.Close()
	if p.replies != nil {
		p.replies.Close()
	}
	if p.onward != nil {
		p.onward.Close()
	}
	if p.mllp != nil {
		_ = p.mllp.Close()
		p.conns.Wait()
	}
}

// Target is the target seen through the proxy.
func (p *Proxy) Target() conformance.Target {
	t := p.target
	t.Registry, t.Repository = p.URL+"/registry", p.URL+"/repository"
	if t.XDR != "" {
		t.XDR = p.URL + "/recipient"
	}
	if t.Identity != "" {
		t.Identity = p.URL + "/identity"
	}
	if t.Subscription != "" {
		t.Subscription = p.URL + "/subscription"
	}
	if t.XCA != "" {
		t.XCA = p.URL + "/xca"
	}
	if t.XCPD != "" {
		t.XCPD = p.URL + "/xcpd"
	}
	if t.Initiating != "" {
		t.Initiating = p.URL + initiatingPath
	}
	if t.Bridge != "" {
		t.Bridge = p.URL + "/bridge"
	}
	if p.onward != nil {
		t.Communities = p.communities
	}
	if p.replies != nil {
		t.ReplyTo = "127.0.0.1:0"
	}
	if p.mllp != nil {
		t.MLLP = p.mllp.Addr().String()
	}
	return t
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	x := &conformance.Exchange{Path: r.URL.Path, Request: body, RequestType: r.Header.Get("Content-Type")}
	if p.mutant.Request != nil {
		p.mutant.Request(x)
	}
	x.Request = p.redirect(x.Request)
	if err := p.forward(r, x); err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	if p.mutant.Response != nil {
		p.mutant.Response(x)
	}
	if x.Cut {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", x.Type)
	w.WriteHeader(x.Status)
	w.Write(x.Response)
}

func (p *Proxy) forward(r *http.Request, x *conformance.Exchange) error {
	address := p.target.Registry
	switch r.URL.Path {
	case "/repository":
		address = p.target.Repository
	case "/identity":
		address = p.target.Identity
	case "/recipient":
		address = p.target.XDR
	case "/subscription":
		address = p.target.Subscription
	case "/xca":
		address = p.target.XCA
	case "/xcpd":
		address = p.target.XCPD
	case "/bridge":
		address = p.target.Bridge
	case initiatingPath:
		address = p.target.Initiating
	}
	req, err := http.NewRequestWithContext(r.Context(), http.MethodPost, address, bytes.NewReader(x.Request))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", x.RequestType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	x.Status, x.Type = resp.StatusCode, resp.Header.Get("Content-Type")
	x.Response, err = io.ReadAll(resp.Body)
	if x.Cut = errors.Is(err, io.ErrUnexpectedEOF); x.Cut {
		return nil
	}
	return err
}

var errorList = regexp.MustCompile(`(?s)<(\w+:)?RegistryErrorList.*?</(\w+:)?RegistryErrorList>`)

// Accepts turns every refusal into Success: a server that checks nothing.
func Accepts() conformance.Mutant {
	return conformance.Mutant{Response: func(x *conformance.Exchange) {
		x.Response = errorList.ReplaceAll(x.Response, nil)
		x.Response = bytes.ReplaceAll(x.Response, []byte("ResponseStatusType:Failure"), []byte("ResponseStatusType:Success"))
		x.Response = bytes.ReplaceAll(x.Response, []byte("urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"), []byte("urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"))
	}}
}

// NeverFaults answers every SOAP fault with HTTP 200 and an empty Success.
func NeverFaults() conformance.Mutant {
	return conformance.Mutant{Response: func(x *conformance.Exchange) {
		if x.Status < 400 {
			return
		}
		x.Status, x.Type = http.StatusOK, "application/soap+xml; charset=UTF-8"
		x.Response = []byte(conformance.Envelope("urn:ihe:iti:2007:RegistryStoredQueryResponse", conformance.NewUUID(), "",
			`<rs:RegistryResponse xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"/>`))
	}}
}

// Refuses answers every Success with a fault: a server that is too strict.
func Refuses() conformance.Mutant {
	return conformance.Mutant{Response: func(x *conformance.Exchange) {
		x.Status, x.Type = http.StatusBadRequest, "application/soap+xml; charset=UTF-8"
		x.Response = []byte(`<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang="en">no</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>`)
	}}
}

// RefusesAfter lets the first n exchanges pass, which set the case up, and refuses
// the rest.
func RefusesAfter(n int) conformance.Mutant {
	refuse, seen := Refuses(), 0
	return conformance.Mutant{Response: func(x *conformance.Exchange) {
		if seen++; seen > n {
			refuse.Response(x)
		}
	}}
}

// Answers replaces text in every answer.
func Answers(pattern, with string) conformance.Mutant {
	re := regexp.MustCompile(pattern)
	return conformance.Mutant{Response: func(x *conformance.Exchange) { x.Response = re.ReplaceAll(x.Response, []byte(with)) }}
}

// Requests replaces text in every request.
func Requests(pattern, with string) conformance.Mutant {
	re := regexp.MustCompile(pattern)
	return conformance.Mutant{Request: func(x *conformance.Exchange) { x.Request = re.ReplaceAll(x.Request, []byte(with)) }}
}

// Ignores takes a parameter out of every query: a server that does not know it.
func Ignores(parameter string) conformance.Mutant {
	return Requests(`(?s)<rim:Slot name="`+regexp.QuoteMeta(parameter)+`">.*?</rim:Slot>`, "")
}

// OnPath applies a mutant only to answers and requests of one endpoint
// ("/registry", "/repository", "/identity", "/subscription", "/xca",
// "/xcpd", "/initiating", "/bridge" or "/mllp") whose request contains a text.
func OnPath(path, contains string, m conformance.Mutant) conformance.Mutant {
	meant := func(x *conformance.Exchange) bool {
		return x.Path == path && strings.Contains(string(x.Request), contains)
	}
	return conformance.Mutant{
		Request: func(x *conformance.Exchange) {
			if m.Request != nil && meant(x) {
				m.Request(x)
			}
		},
		Response: func(x *conformance.Exchange) {
			if m.Response != nil && meant(x) {
				m.Response(x)
			}
		},
	}
}

// NeverFaultsNorRefuses is a server that accepts everything, well formed or not.
func NeverFaultsNorRefuses() conformance.Mutant {
	faults, refusals := NeverFaults(), Accepts()
	return conformance.Mutant{Response: func(x *conformance.Exchange) {
		faults.Response(x)
		refusals.Response(x)
	}}
}

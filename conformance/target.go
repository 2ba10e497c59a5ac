package conformance

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/beevik/etree"
)

// Target is the server under test.
type Target struct {
	// Registry is the URL of ITI-18 and ITI-42, Repository that of ITI-41 and
	// ITI-43. In a server with an endpoint for each transaction {iti} stands for
	// iti18, iti41, iti42 or iti43.
	Registry, Repository string
	// XDR is the URL of ITI-41 to a Document Recipient, and Mailbox the id of an
	// organisation that it receives for; "": there is none.
	XDR, Mailbox string
	// Home is the community's homeCommunityId as "urn:oid:..."; "" is learned from
	// an answer, if the server gives one.
	Home string
	// Authority is the OID of the assigning authority of patient ids; "" is one
	// for tests.
	Authority string
	// Patients are ids that the server knows; empty: new ids are made up, as a
	// server with an open patient list accepts.
	Patients []string
	// Identity is the URL of ITI-44 and MLLP the HOST:PORT of ITI-8; "" when the
	// server has none. MLLPTLS is nil for plain TCP.
	Identity, MLLP string
	MLLPTLS        *tls.Config
	// Subscription is the URL of ITI-52 and ITI-54; "" when the server is no broker.
	// Recipient is the HOST:PORT where the kit takes notifications, as the server
	// sees it; "": a free port of this machine.
	Subscription, Recipient string
	// ReplyTo is the HOST:PORT where the kit takes asynchronous answers, as the server
	// sees it and is allowed to send to; "": those cases are skipped.
	ReplyTo string
	// QueryLimit is how many objects the registry gives in one answer with
	// returnType LeafClass; 0 when that is not known.
	QueryLimit int
	// XCA is the URL of ITI-38 and ITI-39, with {iti} as above; "" when the server is no
	// responding gateway. It answers for the documents of Registry and Repository.
	XCA string
	// XCPD is the URL of ITI-55 and ITI-56, with {iti} as above; "" when the server answers
	// no questions about patients.
	XCPD string
	// Bridge is the URL of ITI-38 and ITI-39, with {iti} as above, of a responding gateway
	// that asks the kit's communities as Initiating does; "" when there is none.
	Bridge string
	// Initiating is the URL of ITI-18 and ITI-43 of an initiating gateway, with {iti} as
	// above; "" when there is none. Communities is the HOST:PORT where the kit plays the
	// communities that the gateway asks, and Deadline how long it waits for one of them
	// (0: 10 s).
	Initiating, Communities string
	Deadline                time.Duration
	// Announce tells the server of every made-up patient before it is used, by
	// ITI-8 or ITI-44: it takes documents of known patients only.
	Announce bool
	HTTP     *http.Client
	Timeout  time.Duration // of one case; 0: 60 s
}

// Home is the homeCommunityId that was given for the target.
func (t *T) Home() string { return t.target.Home }

// QueryLimit is the registry's limit of objects in an answer; the case is skipped
// when nobody told it.
func (t *T) QueryLimit() int {
	if t.target.QueryLimit <= 0 {
		t.Skipf("needs the number of objects that the registry gives in one answer (--query-limit)")
	}
	return t.target.QueryLimit
}

func (t Target) timeout() time.Duration {
	if t.Timeout == 0 {
		return time.Minute
	}
	return t.Timeout
}

// Answer is a server's answer, read without the server's own code.
type Answer struct {
	Status  int
	Header  http.Header
	Type    string            // media type
	Params  map[string]string // of Content-Type
	Raw     []byte
	Root    *etree.Element    // the Envelope; nil when it is not XML
	Parts   map[string][]byte // other parts by Content-ID without brackets
	RootErr error
}

// endpoint fills {iti} in by the action that the message names.
func endpoint(address string, body []byte) string {
	iti := "iti18"
	for action, name := range map[string]string{ActionRegister: "iti42", ActionProvide: "iti41", ActionRetrieve: "iti43", ActionCrossQuery: "iti38", ActionCrossRetrieve: "iti39", ActionDiscover: "iti55", ActionLocate: "iti56"} {
		if bytes.Contains(body, []byte(action)) {
			iti = name
		}
	}
	return strings.ReplaceAll(address, "{iti}", iti)
}

// Post sends a body as it is.
func (t *T) Post(address, contentType string, body []byte) *Answer {
	address = endpoint(address, body)
	req, err := http.NewRequestWithContext(t.ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		t.Errorf("%v", err)
	}
	req.Header.Set("Content-Type", contentType)
	client := t.target.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		t.transport(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.transport(err)
	}
	return readAnswer(resp, raw)
}

func readAnswer(resp *http.Response, raw []byte) *Answer {
	a := &Answer{Status: resp.StatusCode, Header: resp.Header, Raw: raw, Parts: map[string][]byte{}}
	a.Type, a.Params, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	root := raw
	if strings.HasPrefix(a.Type, "multipart/") {
		root, a.RootErr = a.readParts(raw)
		if a.RootErr != nil {
			return a
		}
	}
	doc := etree.NewDocument()
	if a.RootErr = doc.ReadFromBytes(root); a.RootErr == nil {
		a.Root = doc.Root()
	}
	return a
}

func (a *Answer) readParts(raw []byte) (root []byte, err error) {
	r := multipart.NewReader(bytes.NewReader(raw), a.Params["boundary"])
	for first := true; ; first = false {
		p, err := r.NextRawPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("multipart answer: %w", err)
		}
		b, err := io.ReadAll(p)
		if err != nil {
			return nil, fmt.Errorf("multipart answer: %w", err)
		}
		id := strings.Trim(p.Header.Get("Content-ID"), "<>")
		if start := strings.Trim(a.Params["start"], "<>"); start == id || start == "" && first {
			root = b
			continue
		}
		a.Parts[id] = b
	}
	if root == nil {
		return nil, fmt.Errorf("multipart answer without the part %q that its start parameter names", a.Params["start"])
	}
	return root, nil
}

// Body is the first element in the SOAP body; nil when there is none.
func (a *Answer) Body() *etree.Element {
	if a.Root == nil {
		return nil
	}
	if body := Find(a.Root, nsSOAP, "Body"); body != nil && len(body.ChildElements()) > 0 {
		return body.ChildElements()[0]
	}
	return nil
}

// Find is the first element below e with the name, e itself included.
func Find(e *etree.Element, ns, name string) *etree.Element {
	if all := All(e, ns, name); len(all) > 0 {
		return all[0]
	}
	return nil
}

// All are the elements below e with the name, e itself included.
func All(e *etree.Element, ns, name string) []*etree.Element {
	if e == nil {
		return nil
	}
	var out []*etree.Element
	if e.Tag == name && e.NamespaceURI() == ns {
		out = append(out, e)
	}
	for _, c := range e.ChildElements() {
		out = append(out, All(c, ns, name)...)
	}
	return out
}

// Include resolves an xds:Document element: the part that its xop:Include names,
// or its inline content is not resolved and ok is false.
func (a *Answer) Include(document *etree.Element) (b []byte, ok bool) {
	inc := Find(document, nsXOP, "Include")
	if inc == nil {
		return nil, false
	}
	id, err := url.PathUnescape(strings.TrimPrefix(inc.SelectAttrValue("href", ""), "cid:"))
	if err != nil {
		return nil, false
	}
	b, ok = a.Parts[id]
	return b, ok
}

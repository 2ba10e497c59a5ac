package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/beevik/etree"
)

// Communities are those that the kit plays for an initiating gateway under test: each
// is a responding gateway (ITI-38, ITI-39) at a path of its own of one listener.
type Communities struct {
	// One and Two answer as they should; Odd answers as a case tells it to. Far has ids
	// of its own for patients, which it tells by ITI-55. Guide is a Health Data Locator of
	// all of them (ITI-56) and has no documents; it says nothing unless a case makes it. Many
	// is a gateway that answers for the communities of Homes too.
	One, Two, Odd, Far, Guide, Many *Community
	t                               *T
	ended                           chan struct{} // closed when the case is over
}

// Community is one community of the kit.
type Community struct {
	Home, Name string
	// Homes are others that the community's gateway answers for.
	Homes []string
	// Behave answers in the place of a right gateway; false: the right one shall.
	Behave func(*Asked) bool

	path  string
	mu    sync.Mutex
	docs  []*Doc
	asked []*Asked
}

func newCommunities() *Communities {
	return &Communities{
		One:   &Community{Home: "urn:oid:2.25.7001", Name: "Kit One", path: "/one"},
		Two:   &Community{Home: "urn:oid:2.25.7002", Name: "Kit Two", path: "/two"},
		Odd:   &Community{Home: "urn:oid:2.25.7003", Name: "Kit Odd", path: "/odd"},
		Far:   &Community{Home: "urn:oid:2.25.7004", Name: "Kit Far", path: "/far"},
		Guide: &Community{Home: "urn:oid:2.25.7005", Name: "Kit Guide", path: "/guide"},
		Many:  &Community{Home: "urn:oid:2.25.7006", Name: "Kit Many", path: "/many", Homes: []string{"urn:oid:2.25.7007", "urn:oid:2.25.7008"}},
	}
}

// All are the communities in the order of the directory.
func (k *Communities) All() []*Community {
	return []*Community{k.One, k.Two, k.Odd, k.Far, k.Guide, k.Many}
}

// PrintCommunities writes how a gateway under test must be set up: as a file of
// communities for samdok, whose comments say the same to anybody. address is the
// HOST:PORT where the kit listens, as the gateway sees it.
func PrintCommunities(w io.Writer, address string, deadline time.Duration) error {
	var b strings.Builder
	b.WriteString("# Set the gateway under test up with these communities: a responding gateway each,\n" +
		"# ITI-38 and ITI-39 at the same address, SOAP 1.2 without TLS, patient ids as they are.\n# No answer within " + deadline.String() + " means that a community is not available.\n")
	all := newCommunities()
	for _, c := range all.All() {
		fmt.Fprintf(&b, "#   homeCommunityId %s   http://%s%s\n", strings.Join(append([]string{c.Home}, c.Homes...), ", "), address, c.path)
	}
	b.WriteString("# Kit Far has patient ids of its own and tells them by ITI-55, at the same address. Leave it\n# out, and its cases (XCA-55) are skipped, if the gateway has no Cross Gateway Patient Discovery.\n" +
		"# Kit Guide tells by ITI-56, at the same address, where patients have data. Leave it out, and its cases\n# (XCA-56) are skipped, if the gateway asks no Health Data Locator. Kit Many answers for three communities.\n")
	b.WriteString("# The same as a file for samdok (gateway.communities):\ncommunities:\n")
	for _, c := range all.All() {
		fmt.Fprintf(&b, "  - home: %s\n    name: %s\n    query: http://%s%s\n    deadline: %s\n    stall: %s\n    failures: 1000 # the cases let it fail more often than a real one\n", c.Home, c.Name, address, c.path, deadline, deadline)
		switch c {
		case all.Far:
			fmt.Fprintf(&b, "    discover: http://%s%s\n", address, c.path)
		case all.Guide:
			fmt.Fprintf(&b, "    health-data-locator: http://%s%s\n    locates: [%s, %s, %s, %s]\n", address, c.path, all.One.Home, all.Two.Home, all.Odd.Home, all.Far.Home)
		}
		if len(c.Homes) > 0 {
			fmt.Fprintf(&b, "    others: [%s]\n", strings.Join(c.Homes, ", "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WithCommunities runs a case with the kit's communities, or skips it when there is
// no initiating gateway to be tested.
func (t *T) WithCommunities(run func(*Communities)) {
	if t.target.Initiating == "" {
		t.Skipf("needs the address of an initiating gateway (--initiating)")
	}
	l, err := net.Listen("tcp", t.target.Communities)
	if err != nil {
		t.Errorf("the kit's communities: %v", err)
	}
	k := newCommunities()
	k.t, k.ended = t, make(chan struct{})
	server := &http.Server{Handler: k, ReadHeaderTimeout: 10 * time.Second}
	server.SetKeepAlivesEnabled(false) // the next case has communities of its own
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = server.Serve(l) }()
	defer func() {
		close(k.ended)
		_ = server.Close()
		<-stopped
	}()
	run(k)
}

// Patience is how long a gateway may take to answer when a community does not.
func (t *T) Patience() time.Duration { return t.deadline() + 3*time.Second }

func (t *T) deadline() time.Duration {
	if t.target.Deadline <= 0 {
		return 10 * time.Second
	}
	return t.target.Deadline
}

// GatewayQuery sends ITI-18 to the initiating gateway; an empty home is left out.
func (t *T) GatewayQuery(home, returnType, id string, params ...Param) *Answer {
	return t.Post(t.target.Initiating, soapType, []byte(Envelope(ActionQuery, NewUUID(), "", CrossQueryBody(home, returnType, id, params...))))
}

// BridgeQuery sends ITI-38 to the responding gateway that asks the kit's communities.
func (t *T) BridgeQuery(home, returnType, id string, params ...Param) *Answer {
	return t.Post(t.bridge(), soapType, []byte(Envelope(ActionCrossQuery, NewUUID(), "", CrossQueryBody(home, returnType, id, params...))))
}

// BridgeRetrieve sends ITI-39 to it.
func (t *T) BridgeRetrieve(gets ...Get) *Answer {
	contentType, body := MTOM(Envelope(ActionCrossRetrieve, NewUUID(), "", RetrieveBody(gets...)), nil, 0)
	return t.Post(t.bridge(), contentType, body)
}

func (t *T) bridge() string {
	if t.target.Bridge == "" {
		t.Skipf("needs the address of a responding gateway that asks the kit's communities (--bridge)")
	}
	return t.target.Bridge
}

// GatewayDiscover sends ITI-55 to the initiating gateway and reads the answer. The case is
// skipped when the gateway does not answer it.
func (t *T) GatewayDiscover(w Who) Found {
	id := NewOID()[5:17]
	a := t.Post(t.target.Initiating, soapType, []byte(Envelope(ActionDiscover, NewUUID(), "", DiscoverBody(id, "I", w))))
	if a.RootErr == nil && Find(a.Root, nsSOAP, "Fault") != nil {
		t.Skipf("the gateway does not answer ITI-55 of its consumers")
	}
	f := t.FoundIn(a)
	f.SentTarget, f.SentQuery = id, "q"+id
	return f
}

// GatewayLocate sends ITI-56 to the initiating gateway.
func (t *T) GatewayLocate(patient string) *Answer { return t.locateAt(t.target.Initiating, patient) }

// GatewayRetrieve sends ITI-43 to the initiating gateway.
func (t *T) GatewayRetrieve(gets ...Get) *Answer {
	contentType, body := MTOM(Envelope(ActionRetrieve, NewUUID(), "", RetrieveBody(gets...)), nil, 0)
	return t.Post(t.target.Initiating, contentType, body)
}

// TryGatewayRetrieve is GatewayRetrieve where a broken connection is an outcome too.
func (t *T) TryGatewayRetrieve(gets ...Get) (a *Answer, broken bool) {
	defer func() {
		if v, ok := recover().(verdict); ok {
			if v.outcome != Error {
				panic(v)
			}
			broken = true
		}
	}()
	return t.GatewayRetrieve(gets...), false
}

// Hold gives the community n documents of a patient, which it answers from now on.
func (c *Community) Hold(t *T, patient string, n int) []*Doc { return c.HoldIn(t, c.Home, patient, n) }

// HoldIn is Hold for one of the homes that the community answers for.
func (c *Community) HoldIn(t *T, home, patient string, n int) []*Doc {
	s := t.NewSubmission(patient)
	for i := range n {
		d := s.addEntry(fmt.Sprintf("dokument %d i %s", i+1, c.Name))
		d.XML.CreateAttr("home", home)
		d.XML.CreateAttr("status", Approved)
		SetSlot(d.XML, "repositoryUniqueId", repositoryOf(home))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.docs = append(c.docs, s.Docs...)
	return s.Docs
}

// First is the first document that it holds.
func (c *Community) First() *Doc {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.docs[0]
}

// Repository is the id of its repository.
func (c *Community) Repository() string { return repositoryOf(c.Home) }

func repositoryOf(home string) string { return strings.TrimPrefix(home, "urn:oid:") + ".1" }

// Get asks for one of its documents.
func (c *Community) Get(d *Doc) Get {
	home := Attr(d.XML, "home")
	return Get{home, repositoryOf(home), d.UniqueID}
}

// AskedAbout are the requests so far that hold a text, such as a patient id. A
// request of a case before may still come; it holds another.
func (c *Community) AskedAbout(text string) []*Asked {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*Asked
	for _, q := range c.asked {
		if strings.Contains(q.Text, esc(text)) {
			all = append(all, q)
		}
	}
	return all
}

// Asked is one request to a community of the kit.
type Asked struct {
	Action, MessageID, ReplyTo string
	Text                       string         // the envelope
	Type                       string         // media type
	Root                       *etree.Element // nil when it cannot be read
	Community                  *Community

	w     http.ResponseWriter
	r     *http.Request
	ended <-chan struct{}
}

// ServeHTTP is a right responding gateway, as far as Behave lets it be.
func (k *Communities) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for _, c := range k.All() {
		if r.URL.Path != c.path {
			continue
		}
		raw, err := io.ReadAll(io.LimitReader(r.Body, 16<<20))
		if err != nil {
			return // the gateway went away
		}
		a := readAnswer(&http.Response{Header: r.Header}, raw)
		q := &Asked{Text: string(raw), Type: a.Type, Root: a.Root, Community: c, w: w, r: r, ended: k.ended}
		if a.Root != nil {
			header := func(name string) string { return strings.TrimSpace(text(orEmpty(Find(a.Root, nsWSA, name)))) }
			q.Action, q.MessageID, q.ReplyTo = header("Action"), header("MessageID"), header("ReplyTo")
		}
		c.mu.Lock()
		c.asked = append(c.asked, q)
		behave := c.Behave
		c.mu.Unlock()
		if behave == nil || !behave(q) {
			q.Right()
		}
		return
	}
	http.NotFound(w, r)
}

func orEmpty(e *etree.Element) *etree.Element {
	if e == nil {
		return etree.NewElement("none")
	}
	return e
}

// Right answers as a right gateway with the community's documents does.
func (q *Asked) Right() {
	c := q.Community
	c.mu.Lock()
	docs := append([]*Doc(nil), c.docs...)
	c.mu.Unlock()
	switch q.Action {
	case ActionCrossQuery:
		var list strings.Builder
		references := strings.Contains(q.Text, `returnType="ObjectRef"`)
		for _, d := range docs {
			if !q.asksFor(d) {
				continue
			}
			if references {
				fmt.Fprintf(&list, `<rim:ObjectRef id="%s" home="%s"/>`, d.ID, Attr(d.XML, "home"))
				continue
			}
			list.WriteString(EntryXML(d))
		}
		q.Query("", list.String())
	case ActionCrossRetrieve:
		q.documents(docs)
	case ActionDiscover:
		q.Discovered(q.DiscoverXML("AA", "", ""), "")
	case ActionLocate:
		q.Reply(http.StatusInternalServerError, soapType, FaultXML("Not a Health Data Locator for the specified patient identifier"))
	default:
		q.Reply(http.StatusBadRequest, soapType, FaultXML("ActionNotSupported"))
	}
}

// asksFor tells whether a query asks for a document: by its patient or by an id, and in
// the home that it names, if any.
func (q *Asked) asksFor(d *Doc) bool {
	if home := Attr(orEmpty(Find(q.Root, nsRIM, "AdhocQuery")), "home"); home != "" && home != Attr(d.XML, "home") {
		return false
	}
	return strings.Contains(q.Text, esc(d.Patient)) || strings.Contains(q.Text, "'"+d.UniqueID+"'") || strings.Contains(q.Text, "'"+d.ID+"'")
}

// EntryXML is a document's ExtrinsicObject as text.
func EntryXML(d *Doc) string {
	doc := etree.NewDocument()
	doc.SetRoot(d.XML.Copy())
	s, err := doc.WriteToString()
	if err != nil {
		panic(fmt.Sprintf("conformance: %v", err))
	}
	return s
}

// Query answers an AdhocQueryResponse with a status that fits the errors, which are
// RegistryErrorXML, and with objects.
func (q *Asked) Query(errors, objects string) {
	q.QueryStatus(statusFor(errors, objects), errors, objects)
}

func statusFor(errors, results string) string {
	switch {
	case !strings.Contains(errors, "ErrorSeverityType:Error"):
		return statusNS + "Success"
	case results == "":
		return statusNS + "Failure"
	}
	return partialURN
}

// QueryStatus is Query with any status.
func (q *Asked) QueryStatus(status, errors, objects string) {
	q.Envelope(queryHead(status, errors) + objects + `</rim:RegistryObjectList></q:AdhocQueryResponse>`)
}

func queryHead(status, errors string) string {
	return `<q:AdhocQueryResponse xmlns:q="` + nsQuery + `" xmlns:rim="` + nsRIM + `" xmlns:rs="` + nsRS + `" status="` + status + `">` + errorList(errors) + `<rim:RegistryObjectList>`
}

func errorList(errors string) string {
	if errors == "" {
		return ""
	}
	return `<rs:RegistryErrorList>` + errors + `</rs:RegistryErrorList>`
}

// RegistryErrorXML is one error; location "" is left out.
func RegistryErrorXML(code, context, location string) string {
	at := ""
	if location != "" {
		at = ` location="` + esc(location) + `"`
	}
	return `<rs:RegistryError errorCode="` + code + `" codeContext="` + esc(context) + `"` + at + ` severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/>`
}

// Envelope answers a body in a SOAP envelope.
func (q *Asked) Envelope(body string) { q.Reply(http.StatusOK, soapType, q.EnvelopeXML(body)) }

// EnvelopeXML is the envelope of an answer.
func (q *Asked) EnvelopeXML(body string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="` + nsSOAP + `" xmlns:a="` + nsWSA + `"><s:Header><a:Action s:mustUnderstand="1">` + q.Action +
		`Response</a:Action><a:RelatesTo>` + esc(q.MessageID) + `</a:RelatesTo></s:Header><s:Body>` + body + `</s:Body></s:Envelope>`
}

// FaultXML is an envelope with a SOAP fault of the sender.
func FaultXML(reason string) string {
	return `<s:Envelope xmlns:s="` + nsSOAP + `"><s:Body><s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang="en">` + reason + `</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>`
}

// Reply answers anything, with any HTTP status.
func (q *Asked) Reply(status int, contentType, body string) {
	q.w.Header().Set("Content-Type", contentType)
	q.w.WriteHeader(status)
	_, _ = io.WriteString(q.w, body) // the gateway may have gone
}

// documents answers ITI-39.
func (q *Asked) documents(docs []*Doc) {
	var body, errors strings.Builder
	var parts []Part
	for _, e := range All(q.Root, nsXDS, "DocumentRequest") {
		unique := text(orEmpty(Find(e, nsXDS, "DocumentUniqueId")))
		d := held(docs, unique)
		home := text(orEmpty(Find(e, nsXDS, "HomeCommunityId")))
		if d == nil || home != Attr(d.XML, "home") || text(orEmpty(Find(e, nsXDS, "RepositoryUniqueId"))) != repositoryOf(home) {
			errors.WriteString(RegistryErrorXML("XDSDocumentUniqueIdError", "no such document here", unique+" "+home))
			continue
		}
		body.WriteString(q.ResponseXML(d, ""))
		parts = append(parts, Part{CID: d.CID, Bytes: d.Bytes})
	}
	q.Documents(errors.String(), body.String(), parts)
}

func held(docs []*Doc, unique string) *Doc {
	for _, d := range docs {
		if d.UniqueID == unique {
			return d
		}
	}
	return nil
}

// ResponseXML is the DocumentResponse of a document; more stands behind its ids.
func (q *Asked) ResponseXML(d *Doc, more string) string {
	home := Attr(d.XML, "home")
	return `<x:DocumentResponse><x:HomeCommunityId>` + home + `</x:HomeCommunityId><x:RepositoryUniqueId>` + repositoryOf(home) + `</x:RepositoryUniqueId><x:DocumentUniqueId>` +
		d.UniqueID + `</x:DocumentUniqueId>` + more + `<x:mimeType>text/plain</x:mimeType><x:Document><xop:Include xmlns:xop="` + nsXOP + `" href="cid:` + d.CID + `"/></x:Document></x:DocumentResponse>`
}

// Documents answers ITI-39 with errors and DocumentResponses.
func (q *Asked) Documents(errors, responses string, parts []Part) {
	contentType, body := q.DocumentsMTOM(errors, responses, parts)
	q.Reply(http.StatusOK, contentType, string(body))
}

// DocumentsMTOM is the message of Documents.
func (q *Asked) DocumentsMTOM(errors, responses string, parts []Part) (contentType string, body []byte) {
	return MTOM(q.EnvelopeXML(`<x:RetrieveDocumentSetResponse xmlns:x="`+nsXDS+`"><rs:RegistryResponse xmlns:rs="`+nsRS+`" status="`+statusFor(errors, responses)+`">`+
		errorList(errors)+`</rs:RegistryResponse>`+responses+`</x:RetrieveDocumentSetResponse>`), parts, 0)
}

// Dead breaks the connection without a word.
func (q *Asked) Dead() { panic(http.ErrAbortHandler) }

// Silent says nothing until the gateway has gone.
func (q *Asked) Silent() {
	q.wait(context.Background().Done())
	panic(http.ErrAbortHandler)
}

// wait ends when the gateway or the case does, or with the channel.
func (q *Asked) wait(until <-chan struct{}) (gone bool) {
	select {
	case <-q.r.Context().Done():
	case <-q.ended:
	case <-until:
		return false
	}
	return true
}

// Send begins an answer and sends pieces, each after a pause, until there is no more
// or the gateway has gone. Then the connection breaks.
func (q *Asked) Send(contentType string, pause time.Duration, piece func(i int) string) {
	q.w.Header().Set("Content-Type", contentType)
	out := http.NewResponseController(q.w)
	for i := 0; ; i++ {
		s := piece(i)
		if s == "" {
			break
		}
		if _, err := io.WriteString(q.w, s); err != nil {
			break
		}
		if out.Flush() != nil {
			break
		}
		ctx, cancel := context.WithTimeout(context.Background(), pause)
		gone := q.wait(ctx.Done())
		cancel()
		if gone {
			break
		}
	}
	panic(http.ErrAbortHandler)
}

// QueryBegin is the beginning of an answer to a query, up to its objects.
func (q *Asked) QueryBegin() string {
	whole := q.EnvelopeXML(queryHead(statusNS+"Success", ""))
	return strings.TrimSuffix(whole, `</s:Body></s:Envelope>`)
}

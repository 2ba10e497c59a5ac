package conformance

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/beevik/etree"
)

const (
	nsWSNT = "http://docs.oasis-open.org/wsn/b-2"
	wsnBW  = "http://docs.oasis-open.org/wsn/bw-2/"

	// SimpleDialect is the dialect of topics.
	SimpleDialect = "http://docs.oasis-open.org/wsn/t-1/TopicExpression/Simple"

	ActionSubscribe   = wsnBW + "NotificationProducer/SubscribeRequest"
	ActionUnsubscribe = wsnBW + "SubscriptionManager/UnsubscribeRequest"
	ActionNotify      = wsnBW + "NotificationConsumer/Notify"

	// Filters of subscriptions.
	DocumentEvents = "urn:uuid:aa2332d0-f8fe-11e0-be50-0800200c9a66"
	SetEvents      = "urn:uuid:fbede94e-dbdc-4f6b-bc1f-d730e677cece"

	// notifyWithin is how long a notification may take.
	notifyWithin = 20 * time.Second

	// quietFor is how long a notification that should not be sent is waited for after
	// one that should.
	quietFor = 2 * time.Second
)

// Recipient is the kit's own receiver of notifications (ITI-53).
type Recipient struct {
	Address string
	t       *T
	came    chan Notification
}

// Notification is one message that came.
type Notification struct {
	Action, Type   string
	Reference      string // address of the subscription
	Topic          string
	Messages       int // elements wsnt:Message
	Objects        []*etree.Element
	Err            error
	SubmitRequests int // lcm:SubmitObjectsRequest directly in wsnt:Message
}

// WithRecipient runs a case with a receiver, or skips it when the server is no
// broker.
func (t *T) WithRecipient(run func(*Recipient)) {
	if t.target.Subscription == "" {
		t.Skipf("needs the address of ITI-52 (--subscription)")
	}
	at := t.target.Recipient
	if at == "" {
		at = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Errorf("the receiver of notifications: %v", err)
	}
	r := &Recipient{Address: "http://" + l.Addr().String() + "/" + NewUUID()[9:], t: t, came: make(chan Notification, 64)}
	server := &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }()
	defer func() { _ = server.Close(); <-ended }()
	run(r)
}

func (r *Recipient) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !strings.HasSuffix(r.Address, req.URL.Path) { // a subscription of an earlier case, tried again
		http.NotFound(w, req)
		return
	}
	raw, err := io.ReadAll(io.LimitReader(req.Body, 16<<20))
	w.WriteHeader(http.StatusAccepted)
	n := Notification{Type: req.Header.Get("Content-Type"), Err: err}
	doc := etree.NewDocument()
	if err == nil {
		n.Err = doc.ReadFromBytes(raw)
	}
	if n.Err == nil {
		n.read(doc.Root())
	}
	select {
	case r.came <- n:
	default:
	}
}

func (n *Notification) read(root *etree.Element) {
	get := func(name, ns string) string {
		if e := Find(root, ns, name); e != nil {
			return strings.TrimSpace(text(e))
		}
		return ""
	}
	n.Action, n.Reference, n.Topic = get("Action", nsWSA), get("SubscriptionReference", nsWSNT), get("Topic", nsWSNT)
	for _, m := range All(root, nsWSNT, "Message") {
		n.Messages++
		for _, c := range m.ChildElements() {
			if c.Tag == "SubmitObjectsRequest" && c.NamespaceURI() == nsLCM {
				n.SubmitRequests++
			}
		}
	}
	for _, list := range All(root, nsRIM, "RegistryObjectList") {
		n.Objects = append(n.Objects, list.ChildElements()...)
	}
}

// Next is the next notification; the case fails when none comes.
func (r *Recipient) Next() Notification {
	select {
	case n := <-r.came:
		r.t.Check(n.Err == nil, "a notification cannot be read: %v", n.Err)
		return n
	case <-time.After(notifyWithin):
		r.t.Failf("no notification within %s", notifyWithin)
	case <-r.t.ctx.Done():
		r.t.Failf("no notification within the time of the case")
	}
	return Notification{}
}

// SubscribeBody is the body of ITI-52.
func SubscribeBody(consumer, dialect, topic, query, rest string) string {
	return `<w:Subscribe xmlns:w="` + nsWSNT + `"><w:ConsumerReference><a:Address>` + esc(consumer) + `</a:Address></w:ConsumerReference>` +
		`<w:Filter><w:TopicExpression Dialect="` + dialect + `">` + topic + `</w:TopicExpression>` + query + `</w:Filter>` + rest + `</w:Subscribe>`
}

// EventQuery is the filter of a subscription.
func EventQuery(id string, params ...Param) string {
	var b strings.Builder
	b.WriteString(`<rim:AdhocQuery xmlns:rim="` + nsRIM + `" id="` + id + `">`)
	for _, p := range params {
		b.WriteString(slot(p.Name, p.Values...))
	}
	return b.String() + "</rim:AdhocQuery>"
}

// Ends is an InitialTerminationTime.
func Ends(t time.Time) string {
	return `<w:InitialTerminationTime>` + t.UTC().Format("2006-01-02T15:04:05Z") + `</w:InitialTerminationTime>`
}

// SubscribeXML sends ITI-52 with a body as it is.
func (t *T) SubscribeXML(body string) *Answer {
	return t.Post(t.target.Subscription, soapType, []byte(Envelope(ActionSubscribe, NewUUID(), "", body)))
}

// Quiet gathers what else comes within a moment: notifications are sent side by side,
// so that one that should not be sent may come after one that should.
func (r *Recipient) Quiet() (more []Notification) {
	for over := time.After(quietFor); ; {
		select {
		case n := <-r.came:
			more = append(more, n)
		case <-over:
			return more
		case <-r.t.ctx.Done():
			return more
		}
	}
}

// Subscribed sends ITI-52 and expects a subscription, whose address it returns.
func (r *Recipient) Subscribed(topic, query, rest string) (reference string, a *Answer) {
	a = r.t.SubscribeXML(SubscribeBody(r.Address, SimpleDialect, topic, query, rest))
	r.t.Check(a.RootErr == nil && a.Root != nil, "HTTP %d, the answer cannot be read: %v", a.Status, a.RootErr)
	if f := Find(a.Root, nsSOAP, "Fault"); f != nil {
		r.t.Failf("HTTP %d, the subscription is refused: %s", a.Status, text(f))
	}
	e := Find(a.Root, nsWSNT, "SubscriptionReference")
	r.t.Check(e != nil && text(e) != "", "the answer has no wsnt:SubscriptionReference with an address")
	return text(e), a
}

// Terminates is wsnt:TerminationTime of an answer.
func Terminates(a *Answer) (time.Time, bool) {
	e := Find(a.Root, nsWSNT, "TerminationTime")
	if e == nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, text(e))
	return at, err == nil
}

// Unsubscribe sends Unsubscribe to a subscription's own address.
func (t *T) Unsubscribe(reference string) *Answer {
	return t.Post(reference, soapType, []byte(Envelope(ActionUnsubscribe, NewUUID(), "", `<w:Unsubscribe xmlns:w="`+nsWSNT+`"/>`)))
}

// NotifyFault expects a SOAP fault whose detail holds an element of this name.
func (t *T) NotifyFault(a *Answer, name string) {
	t.Check(a.RootErr == nil && a.Root != nil && Find(a.Root, nsSOAP, "Fault") != nil, "HTTP %d without a SOAP fault, expected %s", a.Status, name)
	detail := Find(a.Root, nsSOAP, "Detail")
	t.Check(detail != nil, "the fault has no detail, expected %s", name)
	for _, c := range detail.ChildElements() {
		if c.Tag == name {
			return
		}
	}
	t.Failf("the detail of the fault is not %s", name)
}

// Publish sends ITI-54 for the documents of a submission.
func (t *T) Publish(s *Submission) *Answer {
	body := `<w:Notify xmlns:w="` + nsWSNT + `"><w:NotificationMessage><w:ProducerReference><a:Address>urn:oid:1.2.3.4.5</a:Address></w:ProducerReference><w:Message>` + s.xml() + `</w:Message></w:NotificationMessage></w:Notify>`
	return t.Post(t.target.Subscription, soapType, []byte(Envelope(ActionNotify, NewUUID(), "", body)))
}

// Identifier is the value of an object's ExternalIdentifier.
func Identifier(e *etree.Element, scheme string) string {
	for _, c := range e.ChildElements() {
		if c.Tag == "ExternalIdentifier" && Attr(c, "identificationScheme") == scheme {
			return Attr(c, "value")
		}
	}
	return ""
}

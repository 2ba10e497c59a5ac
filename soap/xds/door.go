package xds

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"samdok/internal/spool"
	"samdok/internal/xmlscan"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/async"
	"samdok/soap/wsnt"
)

// door is one actor's endpoint. The wsa:Action decides which transaction a message
// is (ITI TF-2 V.3).
type door struct {
	svc        sharing.Service
	read       sharing.Reader // svc, or a gateway
	o          DoorOptions
	repository bool
	recipient  bool               // of documents sent to somebody (XDR); repository is set too
	gateway    string             // a gateway's name in messages; "" for the others
	actions    [2]string          // of a gateway: query and retrieve
	home       string             // of a responding gateway: the location of errors that have none
	identity   bool               // neither registry nor repository
	broker     func() string      // of subscriptions: its address; nil: another actor
	discover   sharing.Discoverer // of patients; nil: another actor
	discovery  DiscoveryOptions
	memory     *spool.Budget // of envelopes
	answers    *spool.Budget // of answers to queries, beyond SpoolMemory each
	whole      int64         // how much of an envelope is read before it is scanned
}

// The actions of the transactions; an answer's action is the request's with
// "Response" behind it (ITI TF-2 3.18.5, 3.41.5, 3.42.5, 3.43.5).
const (
	actionProvide  = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
	actionRegister = "urn:ihe:iti:2007:RegisterDocumentSet-b"
	actionQuery    = "urn:ihe:iti:2007:RegistryStoredQuery"
	actionRetrieve = "urn:ihe:iti:2007:RetrieveDocumentSet"
	actionAcross   = "urn:ihe:iti:2009:MultiPatientStoredQuery"
	response       = "Response"

	// ITI-61, whose answer is not the request's action with "Response" behind it.
	actionOnDemand   = "urn:ihe:iti:2010:RegisterOnDemandDocumentEntry"
	answerOfOnDemand = "urn:ihe:iti:2010:RegisterOnDemandDocumentResponse"

	// Between communities.
	actionCrossQuery    = "urn:ihe:iti:2007:CrossGatewayQuery"
	actionCrossRetrieve = "urn:ihe:iti:2007:CrossGatewayRetrieve"

	// Of Metadata Update, Restricted Metadata Update and Remove Metadata and Documents.
	actionUpdate          = "urn:ihe:iti:2010:UpdateDocumentSet"
	actionRestricted      = "urn:ihe:iti:2018:RestrictedUpdateDocumentSet"
	actionRemove          = "urn:ihe:iti:2010:DeleteDocumentSet"
	actionRemoveDocuments = "urn:ihe:iti:2017:RemoveDocuments"
)

// RegistryTransactions is what RegistryHandler answers.
func RegistryTransactions(o DoorOptions) []string {
	all := []string{"ITI-18", "ITI-42"}
	if o.Across {
		all = append(all, "ITI-51")
	}
	return append(all, "ITI-57", "ITI-61", "ITI-62", "ITI-92")
}

// RepositoryTransactions is what RepositoryHandler answers.
func RepositoryTransactions() []string { return []string{"ITI-41", "ITI-43", "ITI-86"} }

// RegistryHandler answers ITI-18, ITI-42, ITI-57, ITI-61, ITI-62, ITI-92 and, when
// it is switched on, ITI-51.
func RegistryHandler(svc sharing.Service, o DoorOptions) Door { return newDoor(svc, o, false) }

// RepositoryHandler answers ITI-41, ITI-43 and ITI-86.
func RepositoryHandler(svc sharing.Service, o DoorOptions) Door { return newDoor(svc, o, true) }

// RecipientTransactions is what RecipientHandler answers.
func RecipientTransactions() []string { return []string{"ITI-41"} }

// RecipientHandler answers ITI-41 as a Document Recipient (XDR): what is sent goes
// to mailboxes.
func RecipientHandler(svc sharing.Service, o DoorOptions) Door {
	d := newDoor(svc, o, true)
	d.recipient = true
	return d
}

func newDoor(svc sharing.Service, o DoorOptions, repository bool) *door {
	if o.Caller == nil {
		o.Caller = AnonymousCaller
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Limits = o.Limits.withDefaults()
	d := &door{svc: svc, read: svc, o: o, repository: repository}
	d.memory, d.answers = spool.NewBudget(o.Limits.EnvelopeMemory), spool.NewBudget(o.Limits.AnswerMemory)
	// Documents inside an envelope are found while it is read; below this size they
	// are within the scanner's limit for text.
	d.whole = o.Limits.Message.RootBytes
	if repository {
		d.whole = min(d.whole, int64(o.Limits.XML.Text))
	}
	return d
}

func (d *door) spoolOptions() spool.Options {
	return spool.Options{Memory: d.o.Limits.SpoolMemory, Dir: d.o.TempDir}
}

func (d *door) name() string {
	if d.gateway != "" {
		return d.gateway
	}
	if d.identity {
		return "patient identity endpoint's (" + strings.Join(IdentityTransactions(), ", ") + ")"
	}
	if d.discover != nil {
		return "patient discovery endpoint's (" + strings.Join(DiscoveryTransactions(), ", ") + ")"
	}
	if d.recipient {
		return "Document Recipient's (" + strings.Join(RecipientTransactions(), ", ") + ")"
	}
	if d.broker != nil {
		return "notification broker's (" + strings.Join(SubscriptionTransactions(), ", ") + ")"
	}
	if d.repository {
		return "Document Repository's (" + strings.Join(RepositoryTransactions(), ", ") + ")"
	}
	return "Document Registry's (" + strings.Join(RegistryTransactions(d.o), ", ") + ")"
}

// exchange is one request and its answer.
type exchange struct {
	d      *door
	w      http.ResponseWriter
	r      *http.Request
	body   body
	header soap.Header
	msg    message
	scan   *xmlscan.Scanner // of msg
	sent   bool
	// postponed: the answer goes to another address.
	postponed *async.Postponed
	began     bool // the use case, which makes the record
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	x.d, x.w, x.r, x.body = d, w, r, body{r: r.Body, waiting: waitsForContinue(r)}
	defer x.release()
	defer x.recovered()
	if err := x.serve(); err != nil {
		x.refuse(err)
	}
	x.forget() // a sender who takes his time holds none of the memory that others wait for
	x.drain()
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// forget gives the message's memory back. A transaction that has decoded all of it does so
// before it waits for others: a request that waits holds little, and the next one finds
// buffers that were used just now.
func (x *exchange) forget() {
	x.msg.close()
	x.scan = nil
}

func (x *exchange) release() {
	x.forget()
	*x = exchange{}
	exchanges.Put(x)
}

// serve reads the envelope and answers. Errors are faults to be sent: nothing has
// been sent yet.
func (x *exchange) serve() error {
	if err := checkHTTP(x.r); err != nil {
		return err
	}
	x.msg.limits, x.msg.tmp, x.msg.memory = x.d.o.Limits.Message, x.d.spoolOptions(), x.d.memory
	x.msg.whole, x.msg.feed = x.d.whole, x.d.repository
	if err := x.msg.open(&x.body, x.r.Header.Get("Content-Type"), x.r.ContentLength); err != nil {
		return err
	}
	x.scan = x.msg.start(&requestScanners, x.d.o.Limits.XML)
	if err := soap.ReadEnvelope(x.scan, &x.header); err != nil {
		return err
	}
	do := x.transaction()
	if do == nil {
		return soap.UnknownAction(x.header.Action, x.d.name())
	}
	if x.header.Action == wsnt.ActionNotify { // which nobody answers
		return do(x)
	}
	if err := soap.CheckRequest(&x.header, x.d.allowed()); err != nil {
		return err
	}
	if x.header.Asynchronous() {
		return x.later(do)
	}
	return x.run(do)
}

func (x *exchange) transaction() func(*exchange) error {
	switch a := x.header.Action; {
	case x.d.recipient && a != actionProvide:
		return nil
	case x.d.gateway != "":
		switch a {
		case x.d.actions[0]:
			return (*exchange).query
		case x.d.actions[1]:
			return (*exchange).retrieve
		}
		if x.d.discover != nil {
			return x.discoveryTransaction()
		}
	case x.d.identity:
		if feedKind(a) != 0 {
			return (*exchange).feed
		}
	case x.d.discover != nil:
		return x.discoveryTransaction()
	case x.d.broker != nil:
		return x.brokerTransaction()
	case a == actionQuery && !x.d.repository:
		return (*exchange).query
	case a == actionAcross && !x.d.repository && x.d.o.Across:
		return (*exchange).query
	case a == actionRegister && !x.d.repository:
		return (*exchange).register
	case a == actionOnDemand && !x.d.repository:
		return (*exchange).registerOnDemand
	case a == actionProvide && x.d.repository:
		return (*exchange).provide
	case a == actionRetrieve && x.d.repository:
		return (*exchange).retrieve
	case a == actionUpdate && !x.d.repository:
		return func(x *exchange) error { return x.update(false) }
	case a == actionRestricted && !x.d.repository:
		return func(x *exchange) error { return x.update(true) }
	case a == actionRemove && !x.d.repository:
		return (*exchange).remove
	case a == actionRemoveDocuments && x.d.repository:
		return (*exchange).removeDocuments
	}
	return nil
}

func checkHTTP(r *http.Request) error {
	if r.Method != http.MethodPost {
		return soap.Refuse("This is a SOAP endpoint: send messages with POST.", "Dette er et SOAP-endepunkt: send meldinger med POST.").WithStatus(http.StatusMethodNotAllowed)
	}
	switch enc := r.Header.Get("Content-Encoding"); {
	case enc == "", strings.EqualFold(enc, "identity"):
		return nil
	}
	return soap.Refuse("The message has a Content-Encoding, and none is supported here. Send it uncompressed.",
		"Meldingen har en Content-Encoding som ikke støttes. Send den ukomprimert.").WithStatus(http.StatusUnsupportedMediaType)
}

// expect checks the name of the body's element, which must fit the action.
func (x *exchange) expect(ns xmlscan.NS, local string) error {
	if x.scan.Is(ns, local) {
		return nil
	}
	return soap.Refuse("The body of the action "+x.header.Action+" must be "+local+" (namespace "+x.scan.URI(ns)+").",
		"Meldingens Body må være "+local+" for handlingen "+x.header.Action+".")
}

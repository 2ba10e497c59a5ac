package xds

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"samdok/access"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/soap"
	"samdok/soap/async"
	"samdok/soap/mtom"
)

// Door is an endpoint that can also answer a request that was stored.
type Door interface {
	http.Handler
	// Resume answers a stored request, when its answer can leave.
	Resume(ctx context.Context, p *async.Postponed, w http.ResponseWriter)
}

// Later keeps what is owed to senders who want their answer at another address.
type Later interface {
	// Allowed says why nothing is sent to an address; nil when it is allowed.
	Allowed(address string) error
	// Keep makes an answer durable: it is sent when it returns nil, also after a
	// crash.
	Keep(context.Context, *async.Postponed) error
}

// Names of doors in what is stored.
const (
	RegistryDoor   = "registry"
	RepositoryDoor = "repository"
	IdentityDoor   = "identity"
	RecipientDoor  = "recipient"
	InitiatingDoor = "initiating-gateway"
	RespondingDoor = "responding-gateway"
	DiscoveryDoor  = "discovery"
)

const (
	// maxStored bounds an envelope that waits for its answer; queries and retrievals
	// are small.
	maxStored = 4 << 20
	// keepTimeout bounds the wait for the outbox.
	keepTimeout = 30 * time.Second
)

func (d *door) allowed() func(string) error {
	if d.o.Later == nil {
		return nil
	}
	return d.o.Later.Allowed
}

func (d *door) actor() string {
	switch {
	case d.actions[0] == actionCrossQuery:
		return RespondingDoor
	case d.gateway != "":
		return InitiatingDoor
	case d.identity:
		return IdentityDoor
	case d.discover != nil:
		return DiscoveryDoor
	case d.recipient:
		return RecipientDoor
	case d.repository:
		return RepositoryDoor
	}
	return RegistryDoor
}

// later answers HTTP 202 and sends the answer to wsa:ReplyTo (ITI TF-2 V.3). What
// changes something is done first, and its answer kept; what only reads is kept as
// it came and done when the answer can leave. Errors are faults in this
// connection: the request was not accepted.
func (x *exchange) later(do func(*exchange) error) (err error) {
	p := &async.Postponed{ID: metadata.NewUUID(), Door: x.d.actor(), To: x.header.ReplyTo, FaultTo: x.header.FaultTo}
	if x.reads() {
		err = x.run(func(x *exchange) error {
			p.Request, err = x.stored()
			return err
		})
	} else {
		p.Answer, err = x.captured(p, do)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(x.r.Context()), keepTimeout)
	defer cancel()
	if err := x.d.o.Later.Keep(ctx, p); err != nil {
		return x.notKept(p, err)
	}
	x.keepOpen()
	x.w.Header()["Content-Length"] = []string{"0"}
	x.sent = true
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}

// reads tells whether the transaction changes nothing.
func (x *exchange) reads() bool {
	switch x.header.Action {
	case actionQuery, actionAcross, actionRetrieve, actionCrossQuery, actionCrossRetrieve, actionDiscover, actionDeferred, actionLocation:
		return true
	}
	return false
}

// stored reads a request to its end.
func (x *exchange) stored() (*async.Request, error) {
	if x.msg.rest != nil || len(x.msg.root) > maxStored {
		return nil, (&mtom.LimitError{Name: mtom.LimitRootBytes, Max: maxStored, What: "a request whose answer goes to another address"}).Fault()
	}
	for {
		k, err := x.scan.Next()
		if err != nil {
			return nil, soap.Malformed(err)
		}
		if k == xmlscan.EOF {
			break
		}
	}
	if err := x.msg.finish(); err != nil {
		return nil, err
	}
	caller := x.caller()
	x.began = false // it begins when the answer can leave
	return &async.Request{Envelope: bytes.Clone(x.msg.root), Packed: x.msg.packed, Caller: caller}, nil
}

// captured does what is asked for and catches the answer.
func (x *exchange) captured(p *async.Postponed, do func(*exchange) error) (*async.Answer, error) {
	w, c := x.w, async.NewCapture()
	x.w, x.postponed = c, p
	defer func() { x.w, x.sent, x.postponed = w, false, nil }() // also for the answer to a panic
	if err := x.run(do); err != nil {
		return nil, err
	}
	return c.Answer()
}

// notKept is the fault when the outbox did not take an answer.
func (x *exchange) notKept(p *async.Postponed, err error) error {
	id := shortID()
	x.d.o.Log.Error("an answer could not be kept for later", "reference", id, "action", x.header.Action, "error", err.Error())
	if p.Request != nil {
		return soap.Fail("The request cannot be kept for an answer later (reference "+id+"). Nothing was done. Try again, or ask for the answer in the same connection.",
			"Forespørselen kan ikke tas vare på for svar senere (referanse "+id+"). Ingenting er gjort. Prøv igjen.").WithStatus(http.StatusServiceUnavailable)
	}
	return soap.Fail("The request was worked on, but its answer cannot be kept for later (reference "+id+"). Look for what it was to change before sending it again.",
		"Forespørselen er behandlet, men svaret kan ikke tas vare på til senere (referanse "+id+"). Undersøk hva som ble endret før den sendes på nytt.").WithStatus(http.StatusServiceUnavailable)
}

// Resume implements Door.
func (d *door) Resume(ctx context.Context, p *async.Postponed, w http.ResponseWriter) {
	x := exchanges.Get().(*exchange)
	x.d, x.w, x.body, x.postponed = d, w, body{ended: true}, p
	x.r = (&http.Request{Method: http.MethodPost, Header: http.Header{}}).WithContext(ctx)
	defer x.release()
	defer x.recovered()
	if err := x.resume(p.Request); err != nil {
		x.refuse(err)
	}
}

func (x *exchange) resume(r *async.Request) error {
	x.msg.limits, x.msg.tmp = x.d.o.Limits.Message, x.d.spoolOptions()
	x.msg.root, x.msg.packed = r.Envelope, r.Packed
	x.scan = x.msg.start(&requestScanners, x.d.o.Limits.XML)
	if err := soap.ReadEnvelope(x.scan, &x.header); err != nil {
		return err
	}
	do := x.transaction()
	if do == nil { // switched off since
		return soap.UnknownAction(x.header.Action, x.d.name())
	}
	return x.run(do)
}

// caller is who asks, or asked. It is called when the use case begins.
func (x *exchange) caller() access.Caller {
	x.began = true
	if p := x.postponed; p != nil && p.Request != nil {
		return p.Request.Caller
	}
	return x.d.o.Caller(x.r, x.header)
}

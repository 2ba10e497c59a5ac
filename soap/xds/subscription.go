package xds

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap"
	"samdok/soap/wsnt"
)

// SubscriptionTransactions is what SubscriptionHandler answers; ITI-53 is sent.
func SubscriptionTransactions() []string { return []string{"ITI-52", "ITI-53", "ITI-54"} }

// SubscriptionHandler is the door of the Document Metadata Notification Broker: it
// answers ITI-52 and takes ITI-54. address is where it is reached from outside; the
// address of a subscription is that with the subscription's id behind it.
func SubscriptionHandler(svc sharing.Service, o DoorOptions, address func() string) http.Handler {
	d := newDoor(svc, o, false)
	d.broker = address
	return d
}

// SubscriptionAddress is where a subscription is renewed and ended.
func SubscriptionAddress(broker string, id metadata.UUID) string {
	return broker + "?id=" + strings.TrimPrefix(id.String(), "urn:uuid:")
}

// subscriptionOf finds the id in the address that a message was sent to: the
// request's, or the one in wsa:To when something in between has changed that.
func (x *exchange) subscriptionOf() (metadata.UUID, error) {
	if id, ok := subscriptionIn(x.r.URL.RawQuery); ok {
		return id, nil
	}
	if to, err := url.Parse(x.header.To); err == nil {
		if id, ok := subscriptionIn(to.RawQuery); ok {
			return id, nil
		}
	}
	return metadata.UUID{}, unknownSubscription()
}

func subscriptionIn(query string) (metadata.UUID, bool) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return metadata.UUID{}, false
	}
	return metadata.ParseUUID(strings.ToLower(values.Get("id")))
}

func unknownSubscription() *wsnt.Error {
	return &wsnt.Error{Name: wsnt.ResourceUnknown, Text: "There is no such subscription here: it has ended, or the address is not the one that the subscription was answered with.",
		Norsk: "Abonnementet finnes ikke her: det er avsluttet, eller adressen er feil."}
}

func (x *exchange) brokerTransaction() func(*exchange) error {
	var do func(*exchange) error
	switch x.header.Action {
	case wsnt.ActionSubscribe:
		do = (*exchange).subscribe
	case wsnt.ActionRenew:
		do = (*exchange).renew
	case wsnt.ActionUnsubscribe:
		do = (*exchange).unsubscribe
	case wsnt.ActionNotify:
		do = (*exchange).publish
	default:
		return nil
	}
	return func(x *exchange) error { return x.wsntFault(do(x)) }
}

// wsntFault gives what went wrong the name that WS-BaseNotification has for it.
func (x *exchange) wsntFault(err error) error {
	if err == nil {
		return nil
	}
	var w *wsnt.Error
	if errors.As(err, &w) {
		return w.Fault(time.Now())
	}
	var xml *xmlscan.Error
	var f *soap.Fault
	switch {
	case errors.As(err, &f):
		return err
	case errors.As(err, &xml):
		return soap.Malformed(err)
	}
	return x.refused(err).Fault(time.Now())
}

// refused turns a use case's error into a fault.
func (x *exchange) refused(err error) *wsnt.Error {
	name := wsnt.CreationFailed
	switch x.header.Action {
	case wsnt.ActionRenew:
		name = wsnt.UnacceptableTime
	case wsnt.ActionUnsubscribe:
		name = wsnt.UnableToDestroy
	}
	var r *sharing.Refusal
	if errors.As(err, &r) {
		w := &wsnt.Error{Name: name, Text: r.Text, Norsk: "Forespørselen ble ikke godtatt; se den engelske teksten.", Minimum: r.Minimum, Maximum: r.Maximum}
		switch {
		case r.Reason == sharing.ReasonPatient, r.Reason == sharing.ReasonAny:
			w.Name = wsnt.InvalidFilter
		case r.Reason == sharing.ReasonTime && name == wsnt.CreationFailed:
			w.Name = wsnt.UnacceptableInitialTime
		}
		return w
	}
	if fault.KindOf(err) == fault.NotFound {
		return unknownSubscription()
	}
	id := x.report(fault.KindOf(err), err)
	return &wsnt.Error{Name: name, Text: "Something failed; nothing was changed. Try again later, or give the operator the reference " + id + ".",
		Norsk: "Noe gikk galt; ingenting er endret. Prøv igjen senere, eller oppgi referansen " + id + " til driften.", Err: err}
}

// subscribe answers Subscribe (ITI TF-2 3.52.4.1).
func (x *exchange) subscribe() error {
	if err := x.expect(xmlscan.WSNT, "Subscribe"); err != nil {
		return err
	}
	s, err := wsnt.DecodeSubscribe(x.scan, x.d.o.Limits.Metadata)
	if err == nil {
		err = soap.CloseEnvelope(x.scan)
	}
	if err != nil {
		return err
	}
	ask := sharing.Subscribe{Consumer: s.Consumer, Topic: s.Topic, Filter: s.Filter}
	if !s.Until.IsZero() {
		ask.Until = s.Until.From
	}
	sub, err := x.d.svc.Subscribe(x.r.Context(), x.caller(), ask)
	if err != nil {
		return err
	}
	x.granted(wsnt.AppendSubscribeResponse,
		wsnt.Granted{Reference: SubscriptionAddress(x.d.broker(), sub.ID), Ends: sub.Ends, Now: sub.Created})
	return nil
}

func (x *exchange) granted(body func([]byte, wsnt.Granted) []byte, g wsnt.Granted) {
	b := body(soap.AppendOpen(make([]byte, 0, 2<<10), x.answerHeader()), g)
	x.small(soap.AppendClose(b), false)
}

// renew answers Renew (WS-BaseNotification 1.3, 6.1.1).
func (x *exchange) renew() error {
	if err := x.expect(xmlscan.WSNT, "Renew"); err != nil {
		return err
	}
	until, err := wsnt.DecodeRenew(x.scan)
	if err == nil {
		err = soap.CloseEnvelope(x.scan)
	}
	if err != nil {
		return err
	}
	id, err := x.subscriptionOf()
	if err != nil {
		return err
	}
	var end func(time.Time) time.Time
	if !until.IsZero() {
		end = until.From
	}
	sub, err := x.d.svc.Renew(x.r.Context(), x.caller(), id, end)
	if err != nil {
		return err
	}
	x.granted(wsnt.AppendRenewResponse, wsnt.Granted{Ends: sub.Ends, Now: time.Now()})
	return nil
}

// unsubscribe answers Unsubscribe (ITI TF-2 3.52.4.3).
func (x *exchange) unsubscribe() error {
	if err := x.expect(xmlscan.WSNT, "Unsubscribe"); err != nil {
		return err
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	id, err := x.subscriptionOf()
	if err != nil {
		return err
	}
	if err := x.d.svc.Unsubscribe(x.r.Context(), x.caller(), id); err != nil {
		return err
	}
	x.granted(func(b []byte, _ wsnt.Granted) []byte { return wsnt.AppendUnsubscribeResponse(b) }, wsnt.Granted{})
	return nil
}

// publish takes ITI-54: a one-way message, answered with 202 and no body once the
// notifications that it leads to cannot be lost (ITI TF-2 3.54.4.1).
func (x *exchange) publish() error {
	if err := x.expect(xmlscan.WSNT, "Notify"); err != nil {
		return err
	}
	all, err := wsnt.DecodeNotify(x.scan, x.d.o.Limits.Metadata)
	if err == nil {
		err = soap.CloseEnvelope(x.scan)
	}
	if fe := (*fault.Error)(nil); errors.As(err, &fe) {
		return soap.Refuse("The notification holds something else than lcm:SubmitObjectsRequest.", "Meldingen inneholder noe annet enn lcm:SubmitObjectsRequest.")
	}
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return soap.Refuse("The message holds no wsnt:NotificationMessage.", "Meldingen mangler wsnt:NotificationMessage.")
	}
	for i, n := range all {
		all[i].Objects = publishable(n.Objects)
		if n.Defects > 0 || len(all[i].Objects) == 0 {
			return soap.Refuse("A published object is not as ITI TF-3 4.2 wants it, or there is none.", "Et publisert objekt følger ikke ITI TF-3 4.2, eller det er ingen.")
		}
	}
	caller := x.caller()
	for _, n := range all {
		if err := x.d.svc.Publish(x.r.Context(), caller, n.Producer, n.Objects); err != nil {
			return err
		}
	}
	x.keepOpen()
	x.sent = true
	x.w.WriteHeader(http.StatusAccepted)
	return nil
}

// publishable are the objects that can be told of: associations are left out, and
// what has no status is taken for approved, as a registry would make it.
func publishable(objects []metadata.Object) []metadata.Object {
	var out []metadata.Object
	for _, o := range objects {
		switch o := o.(type) {
		case *metadata.DocumentEntry:
			o.Status = cmp.Or(o.Status, metadata.Approved)
		case *metadata.SubmissionSet:
			o.Status = cmp.Or(o.Status, metadata.Approved)
		case *metadata.Folder:
			o.Status = cmp.Or(o.Status, metadata.Approved)
		default:
			continue
		}
		out = append(out, o)
	}
	return out
}

// Subscribe sends ITI-52 to an address and answers the subscription's own.
func (c *Client) Subscribe(ctx context.Context, broker string, s *wsnt.Subscribe) (wsnt.Granted, error) {
	call := c.call(wsnt.ActionSubscribe, broker)
	env := soap.AppendOpen(make([]byte, 0, 4<<10), call.header)
	return call.granted(ctx, wsnt.AppendSubscribe(env, s, time.Now()))
}

// Renew gives a subscription another end; subscription is its own address.
func (c *Client) Renew(ctx context.Context, subscription string, until time.Time) (wsnt.Granted, error) {
	call := c.call(wsnt.ActionRenew, subscription)
	return call.granted(ctx, wsnt.AppendRenew(soap.AppendOpen(nil, call.header), until))
}

// Unsubscribe ends a subscription; subscription is its own address.
func (c *Client) Unsubscribe(ctx context.Context, subscription string) error {
	call := c.call(wsnt.ActionUnsubscribe, subscription)
	_, err := call.granted(ctx, wsnt.AppendUnsubscribe(soap.AppendOpen(nil, call.header)))
	return err
}

func (c *call) granted(ctx context.Context, env []byte) (wsnt.Granted, error) {
	var g wsnt.Granted
	err := c.do(ctx, plain(soap.AppendClose(env)), func(sc *xmlscan.Scanner, _ *message) (err error) {
		g, err = wsnt.DecodeGranted(sc)
		return err
	})
	return g, err
}

package xds

import (
	"context"
	"errors"
	"strings"
	"time"

	"samdok/access"
	"samdok/discovery"
	"samdok/fault"
	"samdok/hl7/hl7v3"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap"
)

// The actions of XCPD. The answer to ITI-55 is of another interaction than its request
// (ITI TF-2 3.55.5).
const (
	actionDiscover   = hl7v3.ActionPrefix + hl7v3.PatientQueryName + ":CrossGatewayPatientDiscovery"
	answerOfDiscover = hl7v3.ActionPrefix + hl7v3.PatientAnswerName + ":CrossGatewayPatientDiscovery"
	actionDeferred   = hl7v3.ActionPrefix + hl7v3.PatientQueryName + ":Deferred:CrossGatewayPatientDiscovery"
	actionLocation   = "urn:ihe:iti:2009:PatientLocationQuery"
)

// DiscoveryTransactions is what DiscoveryHandler answers.
func DiscoveryTransactions() []string { return []string{"ITI-55", "ITI-56"} }

// DiscoveryOptions of DiscoveryHandler.
type DiscoveryOptions struct {
	// Home is the own homeCommunityId ("urn:oid:...").
	Home string
	// Knows tells whether another community's patients can be asked for here; nil: only
	// the own one's.
	Knows func(home string) bool
	// Keep is how long others may remember an answer; 0: not at all.
	Keep time.Duration
}

// DiscoveryHandler is a responding gateway's door for Cross Gateway Patient Discovery
// (ITI-55) and Patient Location Query (ITI-56).
func DiscoveryHandler(s sharing.Discoverer, discovery DiscoveryOptions, o DoorOptions) Door {
	d := newDoor(nil, o, false)
	d.discover, d.discovery = s, discovery
	return d
}

func (x *exchange) discoveryTransaction() func(*exchange) error {
	switch x.header.Action {
	case actionDiscover, actionDeferred:
		return (*exchange).discover
	case actionLocation:
		return (*exchange).location
	}
	return nil
}

// discover answers ITI-55. What is wrong with the message or what it asks is an answer
// with AE, not a fault (ITI TF-2 3.55.4.2.3, case 5).
func (x *exchange) discover() error {
	if err := x.expect(xmlscan.HL7V3, hl7v3.PatientQueryName); err != nil {
		return err
	}
	q, err := hl7v3.DecodePatientQuery(x.scan)
	if q == nil {
		return soap.Malformed(err)
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	if x.header.Action == actionDeferred || q.Priority == "D" {
		return x.notDeferred(q)
	}
	own := hl7v3.II{Root: strings.TrimPrefix(x.d.discovery.Home, "urn:oid:")}
	a := hl7v3.PatientAnswer{ID: hl7v3.II{Root: uuidRoot()}, Time: hl7v3Now(), Sender: own, SenderHome: own.Root, Receiver: q.Sender, Target: q.ID, Query: q}
	var wrong *hl7v3.Error
	if errors.As(err, &wrong) {
		return soap.Refuse("The query cannot be understood: "+wrong.Text+".", "Spørringen kan ikke forstås: "+wrong.Text+".")
	}
	if stranger := x.stranger(q.ReceiverHomes); stranger != "" {
		a.Trouble, a.Detail = discovery.NotAvailable, "The message is for the community "+stranger+", which cannot be asked here. This is "+own.Root+"."
		if err := x.recordRefusal(sharing.Refused{Patients: q.Query.IDs, Why: a.Detail}); err != nil {
			a.Trouble, a.Detail = x.trouble(err), ""
		}
	} else if a.Answer, err = x.d.discover.Discover(x.r.Context(), x.caller(), q.Query); err != nil {
		a.Trouble = x.trouble(err)
	}
	h := x.answerHeader()
	if len(a.Answer.Candidates) > 0 && x.d.discovery.Keep > 0 {
		h.Correlation = durationOf(x.d.discovery.Keep)
	}
	x.small(soap.AppendClose(a.Append(soap.AppendOpen(make([]byte, 0, 8<<10), h))), false)
	return nil
}

// stranger is a community that a message is meant for when none of those that it names
// can be asked here; "" otherwise. That nobody is found here would read as if nobody were
// known there.
func (x *exchange) stranger(homes []string) string {
	for _, oid := range homes {
		home := "urn:oid:" + strings.TrimPrefix(oid, "urn:oid:")
		if o := &x.d.discovery; home == o.Home || o.Knows != nil && o.Knows(home) {
			return ""
		}
	}
	if len(homes) == 0 {
		return ""
	}
	return homes[0]
}

func hl7v3Now() string { return time.Now().UTC().Format("20060102150405") }

// trouble is what an error is called in ITI-55. What only an operator may see goes to
// the log.
func (x *exchange) trouble(err error) discovery.Trouble {
	var e *discovery.Error
	if errors.As(err, &e) {
		return e.Trouble
	}
	kind := fault.KindOf(err)
	x.report(kind, err)
	switch kind {
	case fault.Busy, fault.Unavailable, fault.Canceled:
		return discovery.Busy
	}
	return discovery.Internal
}

// notDeferred refuses to answer later by the Deferred Response Option (ITI TF-2
// 3.55.4.1.3). An asynchronous answer to wsa:ReplyTo is another thing.
func (x *exchange) notDeferred(q *hl7v3.PatientQuery) error {
	ack := hl7v3.Acknowledgement{ID: hl7v3.II{Root: uuidRoot()}, Time: hl7v3Now(), Sender: q.Receiver, Receiver: q.Sender, Target: q.ID, TypeCode: "AE",
		Err: &hl7v3.Error{Code: hl7v3.UnsupportedMode, Text: "Unsupported processing mode: answers are given at once only (responsePriorityCode I), in this connection or to wsa:ReplyTo."}}
	if err := x.recordRefusal(sharing.Refused{Patients: q.Query.IDs, Why: ack.Err.Text}); err != nil {
		return soap.Fail("Busy", "Opptatt").Because(err)
	}
	h := x.answerHeader()
	h.Action = answerOfFeed
	x.small(soap.AppendClose(ack.Append(soap.AppendOpen(make([]byte, 0, 2<<10), h))), false)
	return nil
}

// location answers ITI-56. There is no error but a fault (XCPD supplement 3.56.4.1.3).
func (x *exchange) location() error {
	if err := x.expect(xmlscan.XCPD, hl7v3.LocationQueryName); err != nil {
		return err
	}
	patient, err := hl7v3.DecodeLocationQuery(x.scan)
	var wrong *hl7v3.Error
	if errors.As(err, &wrong) {
		return soap.Refuse("The query cannot be understood: "+wrong.Text+".", "Spørringen kan ikke forstås: "+wrong.Text+".")
	}
	if err != nil {
		return soap.Malformed(err)
	}
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	all, err := x.d.discover.LocatePatient(x.r.Context(), x.caller(), patient)
	if err != nil {
		x.report(fault.KindOf(err), err)
		return soap.Fail("Busy", "Opptatt").Because(err)
	}
	if len(all) == 0 {
		return soap.Refuse("Not a Health Data Locator for the specified patient identifier", "Vet ikke hvor denne pasienten har opplysninger")
	}
	x.small(soap.AppendClose(hl7v3.AppendLocationAnswer(soap.AppendOpen(make([]byte, 0, 4<<10), x.answerHeader()), patient, all)), false)
	return nil
}

// Discover sends ITI-55 in the name of the community home ("urn:oid:...") and returns
// how long the answer may be kept. Its errors are those of other transactions, and
// *discovery.Error.
func (c *Client) Discover(ctx context.Context, home string, q discovery.Query) (discovery.Answer, time.Duration, error) {
	return c.discover(ctx, access.Caller{}, home, q)
}

func (c *Client) discover(ctx context.Context, by access.Caller, home string, q discovery.Query) (answer discovery.Answer, keep time.Duration, err error) {
	call := c.callFor(by, actionDiscover, c.o.DiscoverURL)
	own := strings.TrimPrefix(home, "urn:oid:")
	m := hl7v3.PatientQuery{ID: hl7v3.II{Root: uuidRoot()}, QueryID: hl7v3.II{Root: uuidRoot()}, Sender: hl7v3.II{Root: own}, SenderHome: own, Time: hl7v3Now(), Priority: "I", Query: q}
	if len(q.IDs) > 0 {
		m.Authority = q.IDs[0].Authority
	}
	env := soap.AppendClose(m.Append(soap.AppendOpen(make([]byte, 0, 4<<10), call.header)))
	err = call.do(ctx, plain(env), func(sc *xmlscan.Scanner, _ *message) error {
		got, target, err := hl7v3.DecodePatientAnswer(sc)
		var trouble *discovery.Error
		switch {
		case errors.As(err, &trouble):
			return err
		case err != nil:
			return &ProtocolError{What: "its body", Err: err}
		case target != m.ID:
			return &ProtocolError{What: "it answers another message"}
		}
		answer, keep = got, timeOf(call.correlation)
		return nil
	})
	return answer, keep, err
}

// Locate sends ITI-56.
func (c *Client) Locate(ctx context.Context, patient metadata.PatientID) ([]discovery.Location, error) {
	return c.locate(ctx, access.Caller{}, patient)
}

func (c *Client) locate(ctx context.Context, by access.Caller, patient metadata.PatientID) (all []discovery.Location, err error) {
	call := c.callFor(by, actionLocation, c.o.LocateURL)
	env := soap.AppendClose(hl7v3.AppendLocationQuery(soap.AppendOpen(make([]byte, 0, 2<<10), call.header), patient))
	err = call.do(ctx, plain(env), func(sc *xmlscan.Scanner, _ *message) (err error) {
		if all, err = hl7v3.DecodeLocationAnswer(sc, patient); err != nil {
			return &ProtocolError{What: "its body", Err: err}
		}
		return nil
	})
	return all, err
}

package xds

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"samdok/hl7/hl7v3"
	"samdok/hl7/identity"
	"samdok/internal/xmlscan"
	"samdok/metadata"
	"samdok/sharing"
	"samdok/soap"
)

// IdentityTransactions is what IdentityHandler answers.
func IdentityTransactions() []string { return []string{"ITI-44"} }

// IdentityHandler answers ITI-44, the Patient Identity Feed HL7 V3 (ITI TF-2 3.44).
func IdentityHandler(svc sharing.Service, o DoorOptions) Door {
	d := newDoor(svc, o, false)
	d.identity = true
	return d
}

const answerOfFeed = hl7v3.ActionPrefix + hl7v3.Acknowledging

// feedKind is the kind of a feed that an action names; 0 for other actions.
func feedKind(action string) hl7v3.Kind {
	interaction, ok := strings.CutPrefix(action, hl7v3.ActionPrefix)
	if !ok {
		return 0
	}
	return hl7v3.KindOf(interaction)
}

// feed answers ITI-44. What is wrong with the message or with what it tells is an
// acknowledgement with the typeCode CE or CR, not a fault.
func (x *exchange) feed() error {
	if err := x.expect(xmlscan.HL7V3, feedKind(x.header.Action).Interaction()); err != nil {
		return err
	}
	f, err := hl7v3.Decode(x.scan)
	ack := hl7v3.Acknowledgement{ID: hl7v3.II{Root: uuidRoot()}, Time: time.Now().UTC().Format("20060102150405")}
	if f == nil {
		return soap.Malformed(err)
	}
	ack.Sender, ack.Receiver, ack.Target = f.Receiver, f.Sender, f.ID
	if err := soap.CloseEnvelope(x.scan); err != nil {
		return err
	}
	if !errors.As(err, &ack.Err) {
		ack.Err = x.takeFeed(f)
	}
	if ack.Err != nil && !x.began {
		if err := x.recordRefusal(sharing.Refused{Why: ack.Err.Text}); err != nil {
			ack.Err = identity.Unrecorded(err, "ITI-44", x.d.o.Log).V3()
		}
	}
	b := soap.AppendOpen(make([]byte, 0, 2<<10), x.answerHeader())
	x.small(soap.AppendClose(ack.Append(b)), false)
	return nil
}

func (x *exchange) takeFeed(f *hl7v3.Feed) *hl7v3.Error {
	feeds, refusal := x.d.o.Authorities.V3(f)
	if refusal == nil {
		refusal = identity.Take(x.r.Context(), x.d.svc, x.caller(), feeds, x.d.o.Log)
	}
	if refusal != nil {
		return refusal.V3()
	}
	return nil
}

// uuidRoot is a new identifier as HL7 v3 writes it: a UUID without its prefix.
func uuidRoot() string { return strings.TrimPrefix(metadata.NewUUID().String(), "urn:uuid:") }

// FeedRefusedError is an acknowledgement that is not positive.
type FeedRefusedError struct{ Code, Text string }

func (e *FeedRefusedError) Error() string {
	return fmt.Sprintf("the server refused (%s): %s", e.Code, e.Text)
}

// Feed sends ITI-44. ID, Sender and Time of the message are filled in when they are
// missing. Its errors are those of other transactions, and *FeedRefusedError.
func (c *Client) Feed(ctx context.Context, f *hl7v3.Feed, family, given string) error {
	if f.ID.Root == "" {
		f.ID = hl7v3.II{Root: uuidRoot()}
	}
	if f.Time == "" {
		f.Time = time.Now().UTC().Format("20060102150405")
	}
	call := c.call(hl7v3.ActionPrefix+f.Kind.Interaction(), c.o.IdentityURL)
	env := soap.AppendOpen(make([]byte, 0, 4<<10), call.header)
	env = soap.AppendClose(f.Append(env, family, given))
	return call.do(ctx, plain(env), func(sc *xmlscan.Scanner, _ *message) error {
		code, target, text, err := hl7v3.ReadAcknowledgement(sc)
		switch {
		case err != nil:
			return &ProtocolError{What: "its body", Err: err}
		case target != f.ID:
			return &ProtocolError{What: "it acknowledges another message"}
		case code != "CA" && code != "AA":
			return &FeedRefusedError{code, text}
		}
		return nil
	})
}

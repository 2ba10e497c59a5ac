package identity

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"samdok/access"
	"samdok/hl7/hl7v2"
	"samdok/metadata"
	"samdok/sharing"
)

// Door answers the messages of ITI-8 (ITI TF-2 3.8). It is safe for concurrent use.
type Door struct {
	Service sharing.Service
	// Refused records a message that is refused before it comes to a use case; nil: nobody
	// does. What is no message at all is none of its.
	Refused     func(context.Context, access.Caller, sharing.Refused) error
	Authorities Authorities
	Limits      hl7v2.Limits
	Clock       func() time.Time
	Log         *slog.Logger
}

// Answer takes in one message without its framing and returns its acknowledgement.
// A positive one is given when the message has its effect, durably. c is who sent
// it, as far as its connection tells; tooLong says that message is the beginning of
// one that passes the limit. It never panics.
func (d *Door) Answer(ctx context.Context, c access.Caller, message []byte, tooLong bool) (answer []byte) {
	a := hl7v2.Answer{ControlID: controlID(), Time: d.Clock()}
	defer func() {
		if p := recover(); p != nil { // its text may quote a patient, so only its type is logged
			id := shortID()
			d.Log.Error("a message of an identity feed ended in a panic", "reference", id, "transaction", "ITI-8", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			a.Err = (&Refusal{Why: later, Text: "Something failed inside the server. Give its operator the reference " + id + "."}).V2()
			answer = a.Append(nil)
		}
	}()
	m, err := hl7v2.Parse(message, d.Limits)
	a.To = m
	if tooLong {
		err = hl7v2.TooLong(d.Limits)
	}
	if err == nil {
		err = d.take(ctx, c, m)
	}
	if err != nil && !errors.As(err, &a.Err) {
		a.Err = (&Refusal{Why: later, Text: "Something failed inside the server."}).V2()
	}
	return a.Append(make([]byte, 0, 512))
}

func (d *Door) take(ctx context.Context, c access.Caller, m *hl7v2.Message) error {
	c.MessageID = m.ControlID
	if c.Name == "" { // not proven, like all that a message says of its sender
		c.Name = sender(m)
	}
	event, err := m.ADT()
	if err != nil {
		return d.refused(ctx, c, event.Kind, err)
	}
	feeds, refusal := d.Authorities.V2(event)
	if refusal != nil {
		return d.refused(ctx, c, event.Kind, refusal.V2())
	}
	if refusal := Take(ctx, d.Service, c, feeds, d.Log); refusal != nil {
		return refusal.V2()
	}
	return nil
}

// refused records that a message is refused with err, and returns what to answer.
func (d *Door) refused(ctx context.Context, c access.Caller, kind hl7v2.Kind, err error) error {
	if d.Refused == nil {
		return err
	}
	r := sharing.Refused{Action: access.ActionFeed, Transaction: "ITI-8", Why: err.Error()}
	if kind == hl7v2.Merged {
		r.Action = access.ActionMerge
	}
	if rerr := d.Refused(ctx, c, r); rerr != nil {
		return Unrecorded(rerr, "ITI-8", d.Log).V2()
	}
	return err
}

// sender is how a message names where it comes from: facility|application
// (ITI TF-2 3.8.5.1).
func sender(m *hl7v2.Message) string {
	name := func(d hl7v2.HD) string {
		if d.Namespace != "" {
			return d.Namespace
		}
		return d.Universal
	}
	return strings.Trim(name(m.SendingFacility)+"|"+name(m.SendingApplication), "|")
}

// controlID is new for each answer and has the 20 characters that HL7 2.3.1 allows.
func controlID() string {
	u := metadata.NewUUID()
	return fmt.Sprintf("%x", u[:10])
}

package hl7v3

import (
	"strings"

	"samdok/internal/xmlscan"
)

// Kind is what a feed tells.
type Kind uint8

const (
	Added Kind = iota + 1
	Revised
	Merged
)

// Interaction is the name of the message of a kind, which is also the local name
// of its element and the end of its wsa:Action.
func (k Kind) Interaction() string {
	switch k {
	case Added:
		return "PRPA_IN201301UV02"
	case Revised:
		return "PRPA_IN201302UV02"
	case Merged:
		return "PRPA_IN201304UV02"
	}
	return ""
}

// KindOf finds the kind of an interaction; 0 when there is none.
func KindOf(interaction string) Kind {
	for _, k := range [...]Kind{Added, Revised, Merged} {
		if k.Interaction() == interaction {
			return k
		}
	}
	return 0
}

// II is an instance identifier: Root is the OID of the authority (or the whole id),
// Extension the id.
type II struct{ Root, Extension string }

// Feed is one message.
type Feed struct {
	Kind     Kind
	ID       II // of the message
	Sender   II // the sending device
	Receiver II
	// Time is creationTime as sent.
	Time string
	// Patient are the ids of patient; of a merge, of who survives.
	Patient []II
	// Subsumed are the ids of the priorRegisteredRole of a merge.
	Subsumed []II
}

// Code is an error of HL7's AcknowledgementDetailCode (2.16.840.1.113883.5.1100).
type Code string

const (
	ElementMissing Code = "SYN105"
	DataType       Code = "SYN102"
	SyntaxError    Code = "SYN"
	UnknownKey     Code = "KEY204"
	DuplicateKey   Code = "KEY205"
	Unsupported    Code = "NS200"
	InternalError  Code = "INTERR"
)

// Error says why a message is not accepted. Its text never quotes the message.
type Error struct {
	Code Code
	Text string
	// Reject: this server cannot take the message now or at all (CR); otherwise the
	// message is wrong (CE).
	Reject bool
}

func (e *Error) Error() string { return "HL7 v3: " + e.Text }

// maxIDs bounds the ids of one patient.
const maxIDs = 100

// Decode reads a message. The scanner stands on its start tag; after Decode it
// stands on its end tag. The Feed is not nil when the error is an *Error, so that
// it can be answered; other errors are those of the scanner.
func Decode(sc *xmlscan.Scanner) (*Feed, error) {
	f := &Feed{Kind: KindOf(string(sc.Local()))}
	d := decoder{walker: newWalker(sc), f: f}
	if err := d.walk(d.element); err != nil {
		return nil, err
	}
	switch {
	case d.wrong != nil:
		return f, d.wrong
	case f.Kind == 0:
		return f, &Error{Unsupported, "the message is none of PRPA_IN201301UV02, PRPA_IN201302UV02 and PRPA_IN201304UV02", true}
	case f.ID.Root == "":
		return f, &Error{ElementMissing, "the id of the message is missing; the acknowledgement must refer to it", false}
	case d.interaction != f.Kind.Interaction():
		return f, &Error{SyntaxError, "interactionId is not that of the message's element", false}
	case d.events != 1:
		return f, &Error{ElementMissing, "the message must hold one controlActProcess/subject/registrationEvent; send one patient, or one merge, in a message", false}
	case len(f.Patient) == 0:
		return f, &Error{ElementMissing, "subject1/patient/id is missing: which patient is it?", false}
	case f.Kind == Merged && d.replaced != 1:
		return f, &Error{ElementMissing, "a merge must hold one replacementOf/priorRegistration/subject1/priorRegisteredRole", false}
	case f.Kind == Merged && len(f.Subsumed) == 0:
		return f, &Error{ElementMissing, "priorRegisteredRole/id is missing: which id is subsumed?", false}
	}
	return f, nil
}

type decoder struct {
	walker
	f           *Feed
	interaction string
	events      int
	replaced    int
	wrong       *Error
}

// The places of what is read, below the message's element.
const (
	event   = "controlActProcess/subject/registrationEvent"
	patient = event + "/subject1/patient"
	prior   = event + "/replacementOf/priorRegistration/subject1/priorRegisteredRole"
)

func (d *decoder) element(name string) error {
	switch name {
	case "id":
		d.id()
	case "interactionId":
		if len(d.path) == 1 {
			d.interaction, _ = d.sc.Attr("extension")
			d.interaction = strings.TrimSpace(d.interaction)
		}
	case "creationTime":
		if len(d.path) == 1 {
			d.f.Time, _ = d.sc.Attr("value")
		}
	case "registrationEvent":
		if d.at(event) {
			d.events++
		}
	case "priorRegisteredRole":
		if d.at(prior) {
			d.replaced++
		}
	}
	return nil
}

func (d *decoder) id() {
	switch {
	case d.at("id"):
		d.f.ID = d.ii()
	case d.at("sender/device/id"):
		d.f.Sender = d.ii()
	case d.at("receiver/device/id"):
		d.f.Receiver = d.ii()
	case d.at(patient + "/id"):
		d.add(&d.f.Patient)
	case d.at(prior + "/id"):
		d.add(&d.f.Subsumed)
	}
}

func (d *decoder) add(to *[]II) {
	if _, null := d.sc.Attr("nullFlavor"); null {
		return
	}
	id := d.ii()
	switch {
	case id.Root == "" || id.Extension == "":
		if d.wrong == nil {
			d.wrong = &Error{DataType, "an id of a patient needs root (the assigning authority's OID) and extension (the id)", false}
		}
	case len(*to) == maxIDs:
		d.wrong = &Error{DataType, "a patient has more than 100 ids", false}
	default:
		*to = append(*to, id)
	}
}

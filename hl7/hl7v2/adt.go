package hl7v2

import "fmt"

// Kind is what an ADT message tells.
type Kind uint8

const (
	// Added: a patient is known from now on (A01, A04, A05, A28).
	Added Kind = iota + 1
	// Revised: something about a patient changed (A08, A31).
	Revised
	// Merged: one patient's ids are subsumed by another's (A40).
	Merged
)

// Event is what a Patient Identity Feed tells (ITI TF-2 3.8.4).
type Event struct {
	Kind Kind
	// Patient are the ids in PID-3. Subsumed are those in MRG-1.
	Patient, Subsumed []Identifier
}

// Identifier is a CX of PID-3 or MRG-1.
type Identifier struct {
	ID        string
	Authority HD
	TypeCode  string // "PI", "NI" ...
}

// kinds are the trigger events that are understood. A28 and A31 are those of the
// Patient Administration feeds (ITI-10, ITI-30) and mean the same to a registry.
var kinds = map[string]Kind{"A01": Added, "A04": Added, "A05": Added, "A28": Added, "A08": Revised, "A31": Revised, "A40": Merged}

// ADT reads the event out of a message.
func (m *Message) ADT() (Event, error) {
	if m.Type != "ADT" {
		return Event{}, reject(UnsupportedType, "MSH", 9, "only ADT messages are understood here (ITI-8)")
	}
	kind, ok := kinds[m.Trigger]
	if !ok {
		return Event{}, reject(UnsupportedEvent, "MSH", 9, "the event is none of A01, A04, A05, A08, A28, A31 and A40")
	}
	e := Event{Kind: kind}
	pid, err := m.only("PID")
	if err != nil {
		return e, err
	}
	if e.Patient, err = m.identifiers(pid, "PID", 3); err != nil {
		return e, err
	}
	if kind != Merged {
		return e, nil
	}
	mrg, err := m.only("MRG")
	if err != nil {
		return e, err
	}
	e.Subsumed, err = m.identifiers(mrg, "MRG", 1)
	return e, err
}

// only finds the one segment of a name. Which of two would count is not guessed.
func (m *Message) only(name string) (int, error) {
	at := -1
	for i, s := range m.segments {
		if s[:3] != name {
			continue
		}
		if at >= 0 {
			return 0, refuse(SegmentSequence, name, 0, "the segment stands twice; send one patient, or one merge, in a message")
		}
		at = i
	}
	if at < 0 {
		return 0, refuse(SegmentSequence, name, 0, "the segment is missing")
	}
	return at, nil
}

// identifiers reads a repeated CX. At least one must hold an id.
func (m *Message) identifiers(segment int, name string, field int) ([]Identifier, error) {
	text := m.field(segment, field)
	var all []Identifier
	for n := 1; text != ""; n++ {
		if n > m.limits.Repeats {
			return nil, refuse(DataType, name, field, fmt.Sprintf("the field has more than %d repetitions", m.limits.Repeats))
		}
		one := part(text, m.d.repeat, 1)
		text = text[min(len(text), len(one)+1):]
		c := m.d.component
		id := Identifier{ID: m.plain(part(one, c, 1)), TypeCode: m.plain(part(one, c, 5))}
		authority := part(one, c, 4)
		id.Authority = HD{m.unescape(part(authority, m.d.sub, 1)), m.unescape(part(authority, m.d.sub, 2)), m.unescape(part(authority, m.d.sub, 3))}
		if id.ID == "" || id.ID == `""` { // HL7's null
			continue
		}
		all = append(all, id)
	}
	if len(all) == 0 {
		return nil, refuse(RequiredField, name, field, "the patient's identifier is missing")
	}
	return all, nil
}

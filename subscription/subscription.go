package subscription

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"samdok/access"
	"samdok/metadata"
	"samdok/storage"
)

// Subscription is one subscription as it is now.
type Subscription struct {
	ID      metadata.UUID
	Created time.Time
	// Ends is when it expires.
	Ends  time.Time
	Ended bool // by Unsubscribe

	Topic  metadata.Topic
	Filter metadata.EventFilter
	// Consumer is the address that notifications go to.
	Consumer string
	// Caller is who subscribed: access is decided for the same person at every
	// delivery.
	Caller access.Caller
}

// Live tells whether it still counts.
func (s *Subscription) Live(now time.Time) bool { return !s.Ended && now.Before(s.Ends) }

// Patient is whose events it is about; zero for a subscription that is
// independent of the patient.
func (s *Subscription) Patient() metadata.PatientID {
	p, err := s.Filter.Patient.Patient()
	if err != nil {
		return metadata.PatientID{}
	}
	return p
}

// show puts the patient that the subscription is about now, after a merge.
func (s *Subscription) show(p metadata.PatientID) {
	if p != s.Patient() {
		s.Filter.Patient = p.CX()
	}
}

// Streams: each subscription has its own, named by its id; and there is a list of
// the live ones for each patient, and one for the subscriptions without a patient.
// A list's newest event holds the whole list, so that it is found with one read.
func own(id metadata.UUID) storage.Stream {
	return storage.Stream{Kind: storage.StreamSubscription, ID: id.String()}
}

const everybody = "of any patient"

func list(p metadata.PatientID) storage.Stream {
	if p == (metadata.PatientID{}) {
		return storage.Stream{Kind: storage.StreamSubscription, ID: everybody}
	}
	return listOf(storage.PatientStream(p))
}

// listOf is the list of the patient of a stream.
func listOf(patient storage.Stream) storage.Stream {
	return storage.Stream{Kind: storage.StreamSubscription, ID: "of " + patient.ID}
}

// The first byte of a body says what it is; the second is the version of its form.
const (
	bodyBegun   = 1 // JSON of begun
	bodyRenewed = 2 // Ends, in seconds since 1970
	bodyEnded   = 3 // nothing
	bodyList    = 4 // members
	version     = 1
)

// begun is what EventSubscribed holds in a subscription's own stream. Fields may
// be added; none may be renamed.
type begun struct {
	ID       string
	Created  time.Time
	Ends     time.Time
	Topic    metadata.Topic
	Filter   metadata.EventFilter
	Consumer string
	Caller   access.Caller
}

func encode(s *Subscription) ([]byte, error) {
	b, err := json.Marshal(begun{s.ID.String(), s.Created, s.Ends, s.Topic, s.Filter, s.Consumer, s.Caller})
	if err != nil {
		return nil, err
	}
	return append([]byte{version, bodyBegun}, b...), nil
}

func encodeRenewed(ends time.Time) []byte {
	return binary.BigEndian.AppendUint64([]byte{version, bodyRenewed}, uint64(ends.Unix()))
}

// apply brings s up to date with an event of its stream.
func (s *Subscription) apply(e *storage.Event) error {
	kind, rest, err := cut(e.Body)
	if err != nil {
		return err
	}
	switch {
	case kind == bodyBegun && e.Kind == storage.EventSubscribed:
		var b begun
		if err := json.Unmarshal(rest, &b); err != nil {
			return fmt.Errorf("subscription: the event %s cannot be read: %w", e.ID, err)
		}
		id, ok := metadata.ParseUUID(b.ID)
		if !ok {
			return fmt.Errorf("subscription: the event %s has no id", e.ID)
		}
		*s = Subscription{ID: id, Created: b.Created, Ends: b.Ends, Topic: b.Topic, Filter: b.Filter, Consumer: b.Consumer, Caller: b.Caller}
	case kind == bodyRenewed && len(rest) == 8:
		s.Ends = time.Unix(int64(binary.BigEndian.Uint64(rest)), 0).UTC()
	case kind == bodyEnded:
		s.Ended = true
	default:
		return fmt.Errorf("subscription: the event %s has a body of the unknown kind %d", e.ID, kind)
	}
	return nil
}

func cut(body []byte) (kind byte, rest []byte, err error) {
	if len(body) < 2 || body[0] != version {
		return 0, nil, fmt.Errorf("subscription: a body of a version that this program does not know; use the program that wrote it, or a newer one")
	}
	return body[1], body[2:], nil
}

// member is one subscription in a list, with the time after which it need not be
// looked at.
type member struct {
	id   metadata.UUID
	ends int64 // seconds since 1970
}

const memberSize = 16 + 8

func encodeList(all []member) []byte {
	b := make([]byte, 0, 2+len(all)*memberSize)
	b = append(b, version, bodyList)
	for _, m := range all {
		b = append(b, m.id[:]...)
		b = binary.BigEndian.AppendUint64(b, uint64(m.ends))
	}
	return b
}

func decodeList(body []byte) ([]member, error) {
	kind, rest, err := cut(body)
	if err != nil {
		return nil, err
	}
	if kind != bodyList || len(rest)%memberSize != 0 {
		return nil, fmt.Errorf("subscription: a list is damaged")
	}
	all := make([]member, 0, len(rest)/memberSize)
	for ; len(rest) > 0; rest = rest[memberSize:] {
		all = append(all, member{metadata.UUID(rest[:16]), int64(binary.BigEndian.Uint64(rest[16:]))})
	}
	return all, nil
}

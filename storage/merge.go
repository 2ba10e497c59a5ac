package storage

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"time"

	"samdok/metadata"
)

// Standing is what is known of the patient of a stream.
type Standing struct {
	// Known: an identity feed has told of the patient.
	Known bool
	// Into is the stream of the patient that this one was merged into, at the end
	// of the chain when that was merged too. Zero: the patient is in use.
	Into Stream
}

// Patient is the patient whose stream it is; false for other streams.
func (s Stream) Patient() (metadata.PatientID, bool) {
	i := strings.LastIndexByte(s.ID, '^') // an authority is an OID, an id may hold anything
	if s.Kind != StreamPatient || i < 0 {
		return metadata.PatientID{}, false
	}
	return metadata.PatientID{ID: s.ID[:i], Authority: s.ID[i+1:]}, true
}

// identity tells events about who the patient is.
func (k EventKind) identity() bool {
	return k == EventPatientKnown || k == EventMergedInto || k == EventAbsorbed
}

// ErrBody: the Body of an event is not of its kind's form.
var ErrBody = errors.New("storage: the body of an event about a merge cannot be read")

// mergeBody is the version of the form of bodies about merges: how many streams
// follow (uvarint), and for each its kind, the length of its ID (uvarint), its ID.
const mergeBody = 1

// PatientKnown is the event that an identity feed told of the stream's patient.
// Nothing of what it told is kept.
func PatientKnown(now time.Time) Event {
	return Event{Kind: EventPatientKnown, ID: metadata.NewUUID(), Time: now, Body: []byte{mergeBody}}
}

// MergedInto is the last event of a stream.
func MergedInto(survivor Stream, now time.Time) Event {
	return Event{Kind: EventMergedInto, ID: metadata.NewUUID(), Time: now, Body: appendStreams(nil, survivor)}
}

// Absorbed is the event of the surviving stream.
func Absorbed(subsumed []Stream, now time.Time) Event {
	return Event{Kind: EventAbsorbed, ID: metadata.NewUUID(), Time: now, Body: appendStreams(nil, subsumed...)}
}

func appendStreams(b []byte, streams ...Stream) []byte {
	b = binary.AppendUvarint(append(b, mergeBody), uint64(len(streams)))
	for _, s := range streams {
		b = binary.AppendUvarint(append(b, byte(s.Kind)), uint64(len(s.ID)))
		b = append(b, s.ID...)
	}
	return b
}

// Merged are the streams that an EventMergedInto (exactly one) or an EventAbsorbed
// names; nil for events of other kinds. The error is ErrBody.
func (e *Event) Merged() ([]Stream, error) {
	if e.Kind != EventMergedInto && e.Kind != EventAbsorbed {
		return nil, nil
	}
	b := e.Body
	if len(b) == 0 || b[0] != mergeBody {
		return nil, ErrBody
	}
	n, w := binary.Uvarint(b[1:])
	b = b[1+max(w, 0):]
	if w <= 0 || n == 0 || n > uint64(len(b)) || e.Kind == EventMergedInto && n != 1 {
		return nil, ErrBody
	}
	streams := make([]Stream, n)
	for i := range streams {
		if len(b) < 2 {
			return nil, ErrBody
		}
		size, w := binary.Uvarint(b[1:])
		if w <= 0 || size == 0 || size > uint64(len(b)-1-w) {
			return nil, ErrBody
		}
		streams[i] = Stream{Kind: StreamKind(b[0]), ID: string(b[1+w : 1+w+int(size)])}
		b = b[1+w+int(size):]
	}
	if len(b) > 0 {
		return nil, ErrBody
	}
	return streams, nil
}

// ShowPatient puts the id of the patient that an object is of now on a copy that
// the caller owns: entries, sets and folders of a merged patient show the
// survivor (ITI TF-2 3.18.4.1.2.3.9). What is stored stays.
func ShowPatient(o metadata.Object, id metadata.CX) {
	switch o := o.(type) {
	case *metadata.DocumentEntry:
		o.PatientID = id
	case *metadata.SubmissionSet:
		o.PatientID = id
	case *metadata.Folder:
		o.PatientID = id
	}
}

// ErrMerge: an event about a merge does not fit the others of its Append.
var ErrMerge = errors.New("storage: a stream that is merged into another ends with that event, and the other one's event belongs to the same Append")

// CheckMerges holds that a merge is told of on both sides, and of one only.
func CheckMerges(changes []Change) error {
	into := map[Stream]Stream{}
	for i := range changes {
		events := changes[i].Events
		for j := range events {
			streams, err := events[j].Merged()
			if err != nil {
				return err
			}
			if events[j].Kind != EventMergedInto {
				continue
			}
			if j < len(events)-1 {
				return ErrMerge
			}
			into[changes[i].Stream] = streams[0]
		}
	}
	for s, to := range into {
		if _, also := into[to]; also || to == s || !slices.ContainsFunc(changes, func(c Change) bool { return c.Stream == to }) {
			return ErrMerge
		}
	}
	return nil
}

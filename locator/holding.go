package locator

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"samdok/metadata"
)

// Kind is a kind of information. Numbers are stored.
type Kind uint8

const (
	KindUnknown Kind = iota
	// KindAny: it is not said what, as at organisation level.
	KindAny
	// KindDocuments: documents of XDS; the class tells which.
	KindDocuments
	// KindImages: images (DICOM).
	KindImages
	// KindCritical: critical information.
	KindCritical
	// KindAPI: data behind an API; the class names it.
	KindAPI
)

var kindNames = [...]string{"unknown", "any", "documents", "images", "critical", "api"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[0]
}

// KindNamed is the kind of a name; KindUnknown when it is none.
func KindNamed(name string) Kind {
	for i := 1; i < len(kindNames); i++ {
		if kindNames[i] == name {
			return Kind(i)
		}
	}
	return KindUnknown
}

// ByQuery tells whether a query for documents (ITI-38) may find what is of the kind.
func (k Kind) ByQuery() bool { return k == KindAny || k == KindDocuments || k == KindImages }

// Told is how the locator learned of something. Numbers are stored.
type Told uint8

const (
	ToldUnknown Told = iota
	// ToldByLog: by the own registry's log.
	ToldByLog
	// ToldByAPI: by a source, over the REST API.
	ToldByAPI
	// ToldByLoad: in a bulk load.
	ToldByLoad
	// ToldByNotice: by a notification of documents (ITI-53, ITI-54).
	ToldByNotice
)

var toldNames = [...]string{"unknown", "log", "api", "load", "notification"}

func (t Told) String() string {
	if int(t) < len(toldNames) {
		return toldNames[t]
	}
	return toldNames[0]
}

// Source is who holds: a community (homeCommunityId, "urn:oid:...") and one of its
// systems (an OID or a name; "" when only organisations are told of).
type Source struct{ Community, System string }

// Held is one thing that a source holds about a patient.
type Held struct {
	// Organisation that answers for it, as an organisation number; "" when not known.
	Organisation string
	Kind         Kind
	// Class of the documents, or name of the API; zero when not said.
	Class metadata.CodeRef
	// First and Last are the days when it was seen first and last, UTC. In a statement
	// zero means today.
	First, Last time.Time
}

// Holding is what the locator knows of one thing that is held.
type Holding struct {
	Source
	Held
	Told Told
	// Withdrawn is when the source said that it no longer holds it; zero: it does.
	Withdrawn time.Time
}

// Statement is what a source holds about a patient.
type Statement struct {
	Patient metadata.PatientID
	Source  Source
	// AsOf orders the statements of one source about one patient, by the source's own
	// clock: an older one than was taken already changes nothing.
	AsOf time.Time
	Held []Held
	// Adds: what the statement does not name may be held too. Otherwise it is
	// withdrawn.
	Adds bool
	Told Told
}

// Limits of a statement, and of what is kept about one patient.
const (
	MaxHeld = 500 // of one source about one patient
	MaxText = 128 // bytes of an organisation, a system, a part of a class
	// MaxSources of one patient.
	MaxSources = 500
)

// Problem is what is wrong with a statement: where, as a JSON pointer, and what to
// do about it.
type Problem struct{ At, Text string }

func (p *Problem) Error() string { return "locator: " + p.At + ": " + p.Text }

// Check finds what is wrong with a statement; nil: nothing.
func (s *Statement) Check() *Problem {
	if p := checkPatient(s.Patient); p != nil {
		return p
	}
	if p := s.Source.check(); p != nil {
		return p
	}
	if s.AsOf.Before(epoch) || s.AsOf.Year() > 2999 {
		return &Problem{"/asOf", "Give the time at which the source looked, between 2020 and 2999, such as 2026-11-22T10:00:00Z."}
	}
	if len(s.Held) > MaxHeld {
		return &Problem{"/holdings", fmt.Sprintf("At most %d holdings may be stated. Tell of kinds and classes, not of single documents.", MaxHeld)}
	}
	for i := range s.Held {
		if p := s.Held[i].check(); p != nil {
			p.At = fmt.Sprintf("/holdings/%d%s", i, p.At)
			return p
		}
	}
	return nil
}

func checkPatient(id metadata.PatientID) *Problem {
	switch {
	case id.ID == "" || !plain(id.ID):
		return &Problem{"/patient/id", fmt.Sprintf("Give the patient's number, at most %d bytes without control characters.", MaxText)}
	case !metadata.ValidOID(id.Authority):
		return &Problem{"/patient/system", "Give the OID of the numbers, such as 2.16.578.1.12.4.1.4.1 for fødselsnummer."}
	}
	return nil
}

func (s *Source) check() *Problem {
	if p := CheckCommunity(s.Community); p != nil {
		return p
	}
	if !plain(s.System) {
		return &Problem{"/system", fmt.Sprintf("A system is named by at most %d bytes without control characters.", MaxText)}
	}
	return nil
}

// CheckCommunity tells what is wrong with a homeCommunityId.
func CheckCommunity(home string) *Problem {
	oid, ok := strings.CutPrefix(home, "urn:oid:")
	if !ok || !metadata.ValidOID(oid) || len(home) > MaxText {
		return &Problem{"/community", "Give the homeCommunityId of the community, such as urn:oid:2.16.578.1.12.4.5.100.9.21."}
	}
	return nil
}

func (h *Held) check() *Problem {
	switch {
	case h.Kind == KindUnknown || int(h.Kind) >= len(kindNames):
		return &Problem{"/kind", "The kind must be one of " + strings.Join(kindNames[1:], ", ") + "."}
	case !plain(h.Organisation):
		return &Problem{"/organisation", fmt.Sprintf("An organisation is named by at most %d bytes without control characters.", MaxText)}
	case !plain(h.Class.Value), !plain(h.Class.Scheme):
		return &Problem{"/class", fmt.Sprintf("Code and scheme of a class have at most %d bytes without control characters.", MaxText)}
	case !h.First.IsZero() && (h.First.Before(dayZero) || h.First.Year() > 2999), !h.Last.IsZero() && (h.Last.Before(dayZero) || h.Last.Year() > 2999):
		return &Problem{"/first", "Days are given between 1900-01-01 and 2999-12-31."}
	case !h.First.IsZero() && !h.Last.IsZero() && h.Last.Before(h.First):
		return &Problem{"/last", "The last day is before the first."}
	}
	return nil
}

// plain tells whether a text may be kept.
func plain(s string) bool {
	return len(s) <= MaxText && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

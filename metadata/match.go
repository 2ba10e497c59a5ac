package metadata

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Values of documentAvailability; absent means online.
const (
	AvailabilityOnline  = "urn:ihe:iti:2010:DocumentAvailability:Online"
	AvailabilityOffline = "urn:ihe:iti:2010:DocumentAvailability:Offline"
)

// Match is SQL LIKE over the whole of s. What stands between two % is looked for
// from left to right, once: the time is that of reading s, times the length of the
// longest piece that has a _.
func (l Like) Match(s string) bool {
	piece, rest, more := strings.Cut(string(l), "%")
	n := leads(piece, s)
	if n < 0 || !more {
		return n == len(s)
	}
	for s = s[n:]; ; s = s[n:] {
		if piece, rest, more = strings.Cut(rest, "%"); !more {
			return ends(piece, s)
		}
		if n = after(piece, s); n < 0 {
			return false
		}
	}
}

// leads is how many octets of s a piece without % takes at its start; -1: it does
// not fit.
func leads(piece, s string) int {
	j := 0
	for i := range len(piece) {
		switch {
		case j == len(s):
			return -1
		case piece[i] == '_' && s[j] < utf8.RuneSelf:
			j++
		case piece[i] == '_':
			_, n := utf8.DecodeRuneInString(s[j:])
			j += n
		case piece[i] == s[j]:
			j++
		default:
			return -1
		}
	}
	return j
}

// ends tells whether a piece fits at the end of s.
func ends(piece, s string) bool {
	j := len(s)
	for i := len(piece) - 1; i >= 0; i-- {
		switch {
		case j == 0:
			return false
		case piece[i] == '_':
			_, n := utf8.DecodeLastRuneInString(s[:j])
			j -= n
		case piece[i] == s[j-1]:
			j--
		default:
			return false
		}
	}
	return true
}

// after is where s goes on behind the first place at which the piece fits; -1: none.
func after(piece, s string) int {
	if strings.IndexByte(piece, '_') < 0 {
		i := strings.Index(s, piece)
		if i < 0 {
			return -1
		}
		return i + len(piece)
	}
	for i := 0; ; {
		if n := leads(piece, s[i:]); n >= 0 {
			return i + n
		}
		if len(s)-i <= len(piece) { // each octet of it takes at least one
			return -1
		}
		_, n := utf8.DecodeRuneInString(s[i:])
		i += n
	}
}

// IsExact tells whether the pattern has no wildcard.
func (l Like) IsExact() bool { return !strings.ContainsAny(string(l), "%_") }

// IsZero tells whether both ends are open.
func (r TimeRange) IsZero() bool { return r.From == "" && r.To == "" }

// Contains tells whether From <= d < To on padded values
// (ITI TF-2 3.18.4.1.2.3.3).
func (r TimeRange) Contains(d DTM) bool {
	return (r.From == "" || r.From.Compare(d) <= 0) && (r.To == "" || d.Compare(r.To) < 0)
}

// overlooking is Contains, and true when there is no value.
func (r TimeRange) overlooking(d DTM) bool { return d == "" || r.Contains(d) }

// Match tells whether the filter selects e. It does not look at the patient.
//
// A missing serviceStartTime or serviceStopTime passes every range, a missing
// creationTime only when the entry is on-demand, which never has one
// (ITI TF-2 3.18.4.1.2.3.7.1).
func (f *DocumentFilter) Match(e *DocumentEntry) bool {
	return hasStatus(f.Status, e.Status) &&
		hasKind(f.Kinds, e.Kind) &&
		hasCode(f.ClassCode, &e.ClassCode) &&
		hasCode(f.TypeCode, &e.TypeCode) &&
		hasCode(f.FormatCode, &e.FormatCode) &&
		hasCode(f.Facility, &e.Facility) &&
		hasCode(f.Practice, &e.Practice) &&
		hasCodes(f.Confidential, e.Confidential) &&
		hasCodes(f.EventCodes, e.EventCodes) &&
		(f.Creation.IsZero() || e.Kind == OnDemand || e.CreationTime != "" && f.Creation.Contains(e.CreationTime)) &&
		f.ServiceStart.overlooking(e.ServiceStart) &&
		f.ServiceStop.overlooking(e.ServiceStop) &&
		hasAuthor(f.AuthorPerson, e.Authors) &&
		hasReferences(f.ReferenceIDs, e.ReferenceIDs) &&
		hasAvailability(f.Availability, e.Availability)
}

// Match tells whether the filter selects s.
func (f *SubmissionSetFilter) Match(s *SubmissionSet) bool {
	return hasStatus(f.Status, s.Status) &&
		(len(f.SourceID) == 0 || slices.Contains(f.SourceID, s.SourceID)) &&
		(f.Submission.IsZero() || s.SubmissionTime != "" && f.Submission.Contains(s.SubmissionTime)) &&
		hasAuthor(f.AuthorPerson, s.Authors) &&
		hasCode(f.ContentType, &s.ContentType)
}

// Match tells whether the filter selects d.
func (f *FolderFilter) Match(d *Folder) bool {
	return hasStatus(f.Status, d.Status) &&
		(f.LastUpdate.IsZero() || d.LastUpdateTime != "" && f.LastUpdate.Contains(d.LastUpdateTime)) &&
		hasCodes(f.Codes, d.Codes)
}

// Match tells whether a member document passes.
func (f *MemberFilter) Match(e *DocumentEntry) bool {
	return hasKind(f.Kinds, e.Kind) &&
		hasCode(f.FormatCode, &e.FormatCode) &&
		hasCodes(f.Confidential, e.Confidential)
}

func hasStatus(any []Status, s Status) bool { return len(any) == 0 || slices.Contains(any, s) }

func hasKind(any []EntryKind, k EntryKind) bool {
	if len(any) == 0 {
		return k == Stable
	}
	return slices.Contains(any, k)
}

func hasCode(any AnyOf[CodeRef], c *Code) bool { return len(any) == 0 || isOneOf(any, c) }

func isOneOf(any AnyOf[CodeRef], c *Code) bool {
	for i := range any {
		if any[i].Value == c.Value && sameScheme(any[i].Scheme, c.Scheme) {
			return true
		}
	}
	return false
}

func hasCodes(all AllOf[CodeRef], codes []Code) bool {
	for _, any := range all {
		if len(any) == 0 {
			continue
		}
		found := false
		for i := range codes {
			if found = isOneOf(any, &codes[i]); found {
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}

func hasAuthor(any AnyOf[Like], authors []Author) bool {
	if len(any) == 0 {
		return true
	}
	for i := range authors {
		if authors[i].Person != "" && likes(any, string(authors[i].Person)) {
			return true
		}
	}
	return false
}

func hasReferences(all AllOf[Like], ids []CXi) bool {
	for _, any := range all {
		if len(any) > 0 && !slices.ContainsFunc(ids, func(id CXi) bool { return likes(any, string(id)) }) {
			return false
		}
	}
	return true
}

func likes(any AnyOf[Like], s string) bool {
	for _, l := range any {
		if l.Match(s) {
			return true
		}
	}
	return false
}

func hasAvailability(any AnyOf[string], urn string) bool {
	if len(any) == 0 {
		return true
	}
	if urn == "" {
		urn = AvailabilityOnline
	}
	return slices.Contains(any, urn)
}

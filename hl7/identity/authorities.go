package identity

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"samdok/hl7/hl7v2"
	"samdok/hl7/hl7v3"
	"samdok/metadata"
	"samdok/sharing"
)

// Authority is an assigning authority of this affinity domain. Name is the
// namespace that HL7 v2 senders may write instead of the OID, or "".
type Authority struct{ Name, OID string }

// Authorities are those whose ids are taken in. None: every id whose authority is
// given by its OID.
type Authorities []Authority

// oid finds the authority that is meant; "" when it is none of ours. A name alone
// stands for the authority that has it (ITI TF-2 3.8.4.1.2.3).
func (a Authorities) oid(name, oid string) string {
	if oid != "" && len(a) == 0 {
		return oid
	}
	for _, one := range a {
		if oid == one.OID || oid == "" && name != "" && strings.EqualFold(name, one.Name) {
			return one.OID
		}
	}
	return ""
}

func (a Authorities) ofV2(all []hl7v2.Identifier) (ids []metadata.PatientID) {
	for _, id := range all {
		oid := strings.TrimPrefix(strings.TrimSpace(id.Authority.Universal), "urn:oid:")
		if oid != "" && id.Authority.Type != "" && id.Authority.Type != "ISO" {
			continue // a universal id that is no OID
		}
		ids = a.add(ids, strings.TrimSpace(id.ID), strings.TrimSpace(id.Authority.Namespace), oid)
	}
	return ids
}

func (a Authorities) ofV3(all []hl7v3.II) (ids []metadata.PatientID) {
	for _, id := range all {
		ids = a.add(ids, id.Extension, "", id.Root)
	}
	return ids
}

// add leaves out ids of others, and doubles.
func (a Authorities) add(ids []metadata.PatientID, id, name, oid string) []metadata.PatientID {
	p := metadata.PatientID{ID: id, Authority: a.oid(name, oid)}
	if p.Authority == "" {
		return ids
	}
	for _, known := range ids {
		if known == p {
			return ids
		}
	}
	return append(ids, p)
}

var (
	kindsV2 = map[hl7v2.Kind]sharing.FeedKind{hl7v2.Added: sharing.PatientAdded, hl7v2.Revised: sharing.PatientRevised, hl7v2.Merged: sharing.PatientsMerged}
	kindsV3 = map[hl7v3.Kind]sharing.FeedKind{hl7v3.Added: sharing.PatientAdded, hl7v3.Revised: sharing.PatientRevised, hl7v3.Merged: sharing.PatientsMerged}
)

// V2 are the feeds that a message means; a merge is always one.
func (a Authorities) V2(e hl7v2.Event) ([]sharing.PatientFeed, *Refusal) {
	return feeds("ITI-8", kindsV2[e.Kind], a.ofV2(e.Patient), a.ofV2(e.Subsumed))
}

// V3 is V2 for ITI-44.
func (a Authorities) V3(f *hl7v3.Feed) ([]sharing.PatientFeed, *Refusal) {
	return feeds("ITI-44", kindsV3[f.Kind], a.ofV3(f.Patient), a.ofV3(f.Subsumed))
}

func feeds(transaction string, kind sharing.FeedKind, patient, subsumed []metadata.PatientID) ([]sharing.PatientFeed, *Refusal) {
	missing := patientPlace
	if kind == sharing.PatientsMerged && len(patient) > 0 {
		missing = subsumedPlace
	}
	if len(patient) == 0 || kind == sharing.PatientsMerged && len(subsumed) == 0 {
		return nil, &Refusal{Why: unknown, place: missing,
			Text: "none of the ids is of an assigning authority of this affinity domain; the setting patient-authorities says which are"}
	}
	for at, ids := range map[place][]metadata.PatientID{patientPlace: patient, subsumedPlace: subsumed} {
		for _, p := range ids {
			if problem := unusable(p.ID); problem != "" {
				return nil, &Refusal{Why: wrong, place: at, Text: problem}
			}
		}
	}
	if kind == sharing.PatientsMerged {
		survivor := surviving(patient, subsumed)
		return []sharing.PatientFeed{{Transaction: transaction, Kind: kind, Patient: survivor, Subsumed: subsumed}}, nil
	}
	all := make([]sharing.PatientFeed, len(patient))
	for i, p := range patient {
		all[i] = sharing.PatientFeed{Transaction: transaction, Kind: kind, Patient: p}
	}
	return all, nil
}

// maxID is the length of a patient id in octets; a CX of XDS has at most 256
// characters (ITI TF-3 Table 4.2.3.1.7-2).
const maxID = 256

// unusable says what is wrong with an id, "" when nothing is. An id is compared,
// printed and shown: what cannot be seen must not be in it.
func unusable(id string) string {
	if len(id) > maxID {
		return fmt.Sprintf("a patient id is longer than %d octets", maxID)
	}
	for _, r := range id {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return "a patient id holds control characters, or characters of no character set"
		}
	}
	return ""
}

// surviving chooses among the ids of who survives: one of the authority whose id is
// subsumed, else the first. Only one id of an affinity domain is usual.
func surviving(patient, subsumed []metadata.PatientID) metadata.PatientID {
	for _, p := range patient {
		if p.Authority == subsumed[0].Authority {
			return p
		}
	}
	return patient[0]
}

package hl7v3

import (
	"errors"
	"strings"

	"samdok/discovery"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// Elements of Patient Location Query (ITI-56, XCPD Health Data Locator supplement 3.56).
const (
	LocationQueryName  = "PatientLocationQueryRequest"
	LocationAnswerName = "PatientLocationQueryResponse"

	xcpdNS = "urn:ihe:iti:xcpd:2009"
)

// DecodeLocationQuery reads whom a message asks about; the scanner stands on its start
// tag, afterwards on its end tag. An *Error says what is wrong with the message.
func DecodeLocationQuery(sc *xmlscan.Scanner) (metadata.PatientID, error) {
	var ids []metadata.PatientID
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		switch {
		case err != nil:
			return metadata.PatientID{}, err
		case !ok && len(ids) != 1:
			return metadata.PatientID{}, &Error{ElementMissing, "the query must hold one RequestedPatientId", false}
		case !ok:
			if ids[0].ID == "" || !metadata.ValidOID(ids[0].Authority) {
				return metadata.PatientID{}, &Error{DataType, "RequestedPatientId needs root (the assigning authority's OID) and extension (the id)", false}
			}
			return ids[0], nil
		case sc.Is(xmlscan.XCPD, "RequestedPatientId") && len(ids) < 2:
			ids = append(ids, attributesID(sc))
		}
	}
}

func attributesID(sc *xmlscan.Scanner) metadata.PatientID {
	root, _ := sc.Attr("root")
	extension, _ := sc.Attr("extension")
	return metadata.PatientID{ID: strings.TrimSpace(extension), Authority: strings.TrimSpace(root)}
}

// AppendLocationQuery appends the question where a patient has data.
func AppendLocationQuery(b []byte, patient metadata.PatientID) []byte {
	w := writer{b}
	w.raw(`<x:` + LocationQueryName + ` xmlns:x="` + xcpdNS + `">`)
	w.named("x:RequestedPatientId", II{patient.Authority, patient.ID})
	w.raw(`</x:` + LocationQueryName + `>`)
	return w.b
}

// AppendLocationAnswer appends where a patient has data.
func AppendLocationAnswer(b []byte, patient metadata.PatientID, all []discovery.Location) []byte {
	w := writer{b}
	w.raw(`<x:` + LocationAnswerName + ` xmlns:x="` + xcpdNS + `">`)
	for _, l := range all {
		w.raw(`<x:PatientLocationResponse>`)
		w.element("x:HomeCommunityId", l.Home)
		w.named("x:CorrespondingPatientId", II{l.ID.Authority, l.ID.ID})
		w.named("x:RequestedPatientId", II{patient.Authority, patient.ID})
		w.raw(`</x:PatientLocationResponse>`)
	}
	w.raw(`</x:` + LocationAnswerName + `>`)
	return w.b
}

// maxLocations bounds an answer.
const maxLocations = 100_000

// DecodeLocationAnswer reads an answer about a patient; the scanner stands on its start
// tag. What is about another patient is left out.
func DecodeLocationAnswer(sc *xmlscan.Scanner, patient metadata.PatientID) (all []discovery.Location, err error) {
	if !sc.Is(xmlscan.XCPD, LocationAnswerName) {
		return nil, errors.New("the answer is not " + LocationAnswerName)
	}
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		switch {
		case err != nil || !ok:
			return all, err
		case !sc.Is(xmlscan.XCPD, "PatientLocationResponse"):
			continue
		case len(all) == maxLocations:
			return nil, errors.New("the answer names more than 100,000 communities")
		}
		l, about, err := location(sc)
		if err != nil {
			return nil, err
		}
		if l.Home != "" && about == patient {
			all = append(all, l)
		}
	}
}

func location(sc *xmlscan.Scanner) (l discovery.Location, about metadata.PatientID, err error) {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return l, about, err
		}
		switch {
		case sc.Is(xmlscan.XCPD, "HomeCommunityId"):
			home, err := sc.ElementText()
			if err != nil {
				return l, about, err
			}
			l.Home = strings.TrimSpace(home)
		case sc.Is(xmlscan.XCPD, "CorrespondingPatientId"):
			l.ID = attributesID(sc)
		case sc.Is(xmlscan.XCPD, "RequestedPatientId"):
			about = attributesID(sc)
		}
	}
}

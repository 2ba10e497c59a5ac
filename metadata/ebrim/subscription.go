package ebrim

import (
	"strings"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// DecodeFilter reads the rim:AdhocQuery of a subscription (ITI TF-2 3.52.5.2); the
// scanner stands on its start tag and is left on its end tag. Errors are
// *xmlscan.Error for malformed XML and *fault.Error with what is wrong with the
// filter. Unlike in a query, a parameter that is not known is an error: to
// overlook it would tell the subscriber of more than was asked for.
func DecodeFilter(sc *xmlscan.Scanner) (metadata.EventFilter, error) {
	return Limits{}.DecodeFilter(sc)
}

// DecodeFilter is the function of this name with limits.
func (l Limits) DecodeFilter(sc *xmlscan.Scanner) (metadata.EventFilter, error) {
	var f metadata.EventFilter
	if !sc.Is(xmlscan.RIM, "AdhocQuery") {
		return f, unexpected(sc, "rim:AdhocQuery")
	}
	r := newReader(sc, l)
	defer r.free()
	var q queryReader
	if err := q.read(r); err != nil {
		return f, err
	}
	q.filter(&f)
	for _, s := range q.extra() {
		q.wrong(fault.StoredQueryParamNumber, "the parameter "+quote(s.Name)+" cannot be used in this filter.")
	}
	if len(q.problems) > 0 {
		return metadata.EventFilter{}, &fault.Error{Op: "ebrim.DecodeFilter", Kind: fault.Invalid, Problems: q.problems}
	}
	return f, nil
}

// filter understands the parameters by the filter's id.
func (q *queryReader) filter(f *metadata.EventFilter) {
	p := &q.params
	id := q.id
	if id.IsSymbolic() { // sent without "urn:uuid:"
		id = metadata.ID("urn:uuid:" + strings.ToLower(string(id)))
	}
	p.query = "the filter"
	switch id {
	case metadata.DocumentEventsID:
		f.Patient, f.Documents = p.patient(entryPrefix+"PatientId"), p.documentEvents()
		f.Documents.ReferenceIDs = p.likeLists(entryPrefix + "ReferenceIdList")
	case metadata.AnyDocumentEventsID:
		f.Documents = p.documentEvents()
		if d := f.Documents; len(d.ClassCode)+len(d.TypeCode)+len(d.Practice)+len(d.Facility) == 0 && len(p.problems) == 0 {
			p.missing(entryPrefix + "ClassCode, TypeCode, PracticeSettingCode or HealthcareFacilityTypeCode")
		}
	case metadata.SubmissionSetEventsID:
		f.Patient, f.SubmissionSets = p.patient(setPrefix+"PatientId"), p.setEvents()
	case metadata.AnySubmissionSetEventsID:
		f.SubmissionSets = p.setEvents()
		if s := f.SubmissionSets; len(s.SourceID)+len(s.AuthorPerson)+len(s.Recipients) == 0 && len(p.problems) == 0 {
			p.missing(setPrefix + "SourceId, AuthorPerson or IntendedRecipient")
		}
	case metadata.FolderEventsID:
		f.Patient = p.patient(folderPrefix + "PatientId")
		f.Folders = &metadata.FolderSelection{
			FolderFilter: metadata.FolderFilter{Status: p.statuses(folderPrefix+"Status", false), Codes: p.codeLists(folderPrefix + "CodeList")},
			UniqueIDs:    p.list(folderPrefix + "UniqueId"),
		}
	default:
		p.slots = nil
		p.wrong(fault.UnknownStoredQuery, "there is no filter of subscriptions with the id "+quote(string(q.id))+".")
	}
}

func (p *params) documentEvents() *metadata.DocumentFilter {
	return &metadata.DocumentFilter{
		Status:       p.statuses(entryPrefix+"Status", false),
		Kinds:        p.kinds(),
		ClassCode:    p.codeList(entryPrefix + "ClassCode"),
		TypeCode:     p.codeList(entryPrefix + "TypeCode"),
		FormatCode:   p.codeList(entryPrefix + "FormatCode"),
		Facility:     p.codeList(entryPrefix + "HealthcareFacilityTypeCode"),
		Practice:     p.codeList(entryPrefix + "PracticeSettingCode"),
		Confidential: p.codeLists(entryPrefix + "ConfidentialityCode"),
		EventCodes:   p.codeLists(entryPrefix + "EventCodeList"),
		AuthorPerson: p.likes(entryPrefix + "AuthorPerson"),
	}
}

// setEvents takes $XDSSubmissionSetAuthor, as the Extensions spell it for filters
// without a patient, for $XDSSubmissionSetAuthorPerson.
func (p *params) setEvents() *metadata.SubmissionSetSelection {
	s := &metadata.SubmissionSetSelection{Recipients: p.likes(setPrefix + "IntendedRecipient")}
	s.Status = p.statuses(setPrefix+"Status", false)
	s.SourceID = p.list(setPrefix + "SourceId")
	s.AuthorPerson = p.likes(setPrefix + "AuthorPerson")
	s.AuthorPerson = append(s.AuthorPerson, p.likes(setPrefix+"Author")...)
	return s
}

// AppendFilter appends rim:AdhocQuery, the inverse of DecodeFilter.
func AppendFilter(b []byte, f *metadata.EventFilter) []byte {
	w := queryWriter{b}
	w.str(`<AdhocQuery xmlns="` + rimNS + `" id="`)
	w.str(string(f.ID()))
	w.str(`">`)
	switch {
	case f.Documents != nil:
		w.one(entryPrefix+"PatientId", string(f.Patient))
		w.documents(f.Documents)
	case f.SubmissionSets != nil:
		s := f.SubmissionSets
		w.one(setPrefix+"PatientId", string(f.Patient))
		w.statuses(setPrefix+"Status", s.Status)
		values(&w, setPrefix+"SourceId", s.SourceID)
		values(&w, setPrefix+"AuthorPerson", s.AuthorPerson)
		values(&w, setPrefix+"IntendedRecipient", s.Recipients)
	case f.Folders != nil:
		w.one(folderPrefix+"PatientId", string(f.Patient))
		w.statuses(folderPrefix+"Status", f.Folders.Status)
		values(&w, folderPrefix+"UniqueId", f.Folders.UniqueIDs)
		w.codeLists(folderPrefix+"CodeList", f.Folders.Codes)
	}
	w.str(`</AdhocQuery>`)
	return w.b
}

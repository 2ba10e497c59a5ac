package ebrim

import (
	"strconv"
	"strings"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

func number(n int) string { return strconv.Itoa(n) }

// DecodeQuery reads query:AdhocQueryRequest of ITI-18 and ITI-51; the scanner stands on its
// start tag and is left on its end tag. Errors are *xmlscan.Error for malformed XML
// and *fault.Error with the codes of ITI TF-2 3.18.4.1.2: XDSUnknownStoredQuery,
// XDSStoredQueryMissingParam, XDSStoredQueryParamNumber, and XDSRegistryError for
// an unsupported returnType.
func DecodeQuery(sc *xmlscan.Scanner) (metadata.StoredQuery, error) {
	return Limits{}.DecodeQuery(sc)
}

// DecodeQuery is the function of this name with limits.
func (l Limits) DecodeQuery(sc *xmlscan.Scanner) (metadata.StoredQuery, error) {
	if !sc.Is(xmlscan.Query, "AdhocQueryRequest") {
		return metadata.StoredQuery{}, unexpected(sc, "query:AdhocQueryRequest")
	}
	r := newReader(sc, l)
	defer r.free()
	var q queryReader
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return metadata.StoredQuery{}, err
		}
		if !ok {
			return q.finish()
		}
		switch {
		case sc.Is(xmlscan.Query, "ResponseOption"):
			q.returnType, _ = sc.Attr("returnType")
		case sc.Is(xmlscan.RIM, "AdhocQuery"):
			q.queries++
			if err := q.read(r); err != nil {
				return metadata.StoredQuery{}, err
			}
		}
	}
}

type queryReader struct {
	params
	returnType string
	id         metadata.ID
	home       string
	queries    int
}

// read takes rim:AdhocQuery apart into parameters.
func (q *queryReader) read(r *reader) error {
	sc := r.sc
	if id, ok := sc.Attr("id"); ok {
		q.id = metadata.ParseID(id)
	}
	home, _ := sc.Attr("home")
	q.home = metadata.ParseHome(home)
	var owner raw
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if sc.Is(xmlscan.RIM, "Slot") {
			if err := r.slot(&owner, false); err != nil {
				return err
			}
		}
	}
	for i := range r.slots {
		s := &r.slots[i]
		q.slots = append(q.slots, param{name: s.name, values: r.list(s)})
	}
	return nil
}

func (q *queryReader) finish() (metadata.StoredQuery, error) {
	const op = "ebrim.DecodeQuery"
	if q.queries != 1 {
		return metadata.StoredQuery{}, fault.New(fault.Invalid, op, fault.RegistryError,
			"The request holds %d elements AdhocQuery; send one.", q.queries)
	}
	out := metadata.StoredQuery{Home: q.home}
	switch q.returnType {
	case "LeafClass", "":
	case "ObjectRef":
		out.Return = metadata.ObjectRef
	default:
		return metadata.StoredQuery{}, fault.New(fault.Invalid, op, fault.RegistryError,
			"The returnType %s is not supported; use LeafClass or ObjectRef.", quote(q.returnType))
	}
	out.Query = q.understand()
	if out.Query == nil {
		return metadata.StoredQuery{}, fault.New(fault.Invalid, op, fault.UnknownStoredQuery,
			"There is no stored query with the id %s.", quote(string(q.id)))
	}
	if !metadata.Across(out.Query) { // $MetadataLevel is none of ITI-51's parameters
		out.Level = q.level()
	}
	out.Extra = q.extra()
	if len(q.problems) > 0 {
		return metadata.StoredQuery{}, &fault.Error{Op: op, Kind: fault.Invalid, Problems: q.problems}
	}
	return out, nil
}

const (
	entryPrefix  = "$XDSDocumentEntry"
	setPrefix    = "$XDSSubmissionSet"
	folderPrefix = "$XDSFolder"
	assocStatus  = "$XDSAssociationStatus"
)

// understand makes the typed query; nil when its id is unknown
// (ITI TF-2 3.18.4.1.2.3.7).
func (q *queryReader) understand() metadata.Query {
	p := &q.params
	id := q.id
	if id.IsSymbolic() { // sent without "urn:uuid:"
		id = metadata.ID("urn:uuid:" + strings.ToLower(string(id)))
	}
	if d := queryByID(id); d != nil {
		p.query = d.name
		return d.decode(p)
	}
	return nil
}

type definition struct {
	id     metadata.ID
	name   string
	decode func(*params) metadata.Query
}

var definitions = [...]definition{
	{metadata.FindDocumentsID, "FindDocuments", func(p *params) metadata.Query {
		return &metadata.FindDocuments{Patient: p.patient(entryPrefix + "PatientId"), Filter: p.documents(false)}
	}},
	{metadata.FindDocumentsByReferenceIDID, "FindDocumentsByReferenceId", func(p *params) metadata.Query {
		return &metadata.FindDocumentsByReferenceID{Patient: p.patient(entryPrefix + "PatientId"), Filter: p.documents(true)}
	}},
	{metadata.FindSubmissionSetsID, "FindSubmissionSets", func(p *params) metadata.Query {
		return &metadata.FindSubmissionSets{Patient: p.patient(setPrefix + "PatientId"), Filter: p.sets()}
	}},
	{metadata.FindFoldersID, "FindFolders", func(p *params) metadata.Query {
		return &metadata.FindFolders{Patient: p.patient(folderPrefix + "PatientId"), Filter: p.folders()}
	}},
	{metadata.GetAllID, "GetAll", func(p *params) metadata.Query {
		return &metadata.GetAll{
			Patient:           p.patient("$patientId"),
			DocumentStatus:    p.statuses(entryPrefix+"Status", true),
			SetStatus:         p.statuses(setPrefix+"Status", true),
			FolderStatus:      p.statuses(folderPrefix+"Status", true),
			AssociationStatus: p.statuses(assocStatus, false),
			Members:           p.members(),
		}
	}},
	{metadata.GetDocumentsID, "GetDocuments", func(p *params) metadata.Query {
		return &metadata.GetDocuments{Documents: p.target(entryPrefix, false, true)}
	}},
	{metadata.GetFoldersID, "GetFolders", func(p *params) metadata.Query {
		return &metadata.GetFolders{Folders: p.target(folderPrefix, false, true)}
	}},
	{metadata.GetAssociationsID, "GetAssociations", func(p *params) metadata.Query {
		return &metadata.GetAssociations{IDs: p.ids("$uuid", true), AssociationStatus: p.statuses(assocStatus, false)}
	}},
	{metadata.GetDocumentsAndAssociationsID, "GetDocumentsAndAssociations", func(p *params) metadata.Query {
		return &metadata.GetDocumentsAndAssociations{Documents: p.target(entryPrefix, false, false), AssociationStatus: p.statuses(assocStatus, false)}
	}},
	{metadata.GetSubmissionSetsID, "GetSubmissionSets", func(p *params) metadata.Query {
		return &metadata.GetSubmissionSets{IDs: p.ids("$uuid", true)}
	}},
	{metadata.GetSubmissionSetAndContentsID, "GetSubmissionSetAndContents", func(p *params) metadata.Query {
		return &metadata.GetSubmissionSetAndContents{Set: p.target(setPrefix, true, false), Members: p.members()}
	}},
	{metadata.GetFolderAndContentsID, "GetFolderAndContents", func(p *params) metadata.Query {
		return &metadata.GetFolderAndContents{Folder: p.target(folderPrefix, true, false), Members: p.members(), AssociationStatus: p.statuses(assocStatus, false)}
	}},
	{metadata.GetFoldersForDocumentID, "GetFoldersForDocument", func(p *params) metadata.Query {
		return &metadata.GetFoldersForDocument{Document: p.target(entryPrefix, true, false), AssociationStatus: p.statuses(assocStatus, false)}
	}},
	{metadata.GetRelatedDocumentsID, "GetRelatedDocuments", func(p *params) metadata.Query {
		return &metadata.GetRelatedDocuments{
			Document:          p.target(entryPrefix, true, false),
			Types:             p.associationTypes(),
			Kinds:             p.kinds(),
			AssociationStatus: p.statuses(assocStatus, false),
		}
	}},
	{metadata.FindDocumentsForMultiplePatientsID, "FindDocumentsForMultiplePatients", func(p *params) metadata.Query {
		q := &metadata.FindDocumentsForMultiplePatients{Patients: p.patients(entryPrefix + "PatientId"), Filter: p.documents(false)}
		p.some(len(q.Patients)+len(q.Filter.ClassCode)+len(q.Filter.EventCodes)+len(q.Filter.Facility),
			entryPrefix+"PatientId", entryPrefix+"ClassCode", entryPrefix+"EventCodeList", entryPrefix+"HealthcareFacilityTypeCode")
		return q
	}},
	{metadata.FindFoldersForMultiplePatientsID, "FindFoldersForMultiplePatients", func(p *params) metadata.Query {
		q := &metadata.FindFoldersForMultiplePatients{Patients: p.patients(folderPrefix + "PatientId"), Filter: p.folders()}
		p.some(len(q.Patients)+len(q.Filter.Codes), folderPrefix+"PatientId", folderPrefix+"CodeList")
		return q
	}},
}

func queryByID(id metadata.ID) *definition {
	for i := range definitions {
		if definitions[i].id == id {
			return &definitions[i]
		}
	}
	return nil
}

func (p *params) documents(byReference bool) metadata.DocumentFilter {
	f := metadata.DocumentFilter{
		Status:       p.statuses(entryPrefix+"Status", true),
		Kinds:        p.kinds(),
		ClassCode:    p.codeList(entryPrefix + "ClassCode"),
		TypeCode:     p.codeList(entryPrefix + "TypeCode"),
		FormatCode:   p.codeList(entryPrefix + "FormatCode"),
		Facility:     p.codeList(entryPrefix + "HealthcareFacilityTypeCode"),
		Practice:     p.codeList(entryPrefix + "PracticeSettingCode"),
		Confidential: p.codeLists(entryPrefix + "ConfidentialityCode"),
		EventCodes:   p.codeLists(entryPrefix + "EventCodeList"),
		Creation:     p.times(entryPrefix + "CreationTime"),
		ServiceStart: p.times(entryPrefix + "ServiceStartTime"),
		ServiceStop:  p.times(entryPrefix + "ServiceStopTime"),
		AuthorPerson: p.likes(entryPrefix + "AuthorPerson"),
		Availability: p.list(entryPrefix + "DocumentAvailability"),
	}
	if byReference {
		const name = entryPrefix + "ReferenceIdList"
		before := len(p.problems)
		f.ReferenceIDs = p.likeLists(name)
		if len(f.ReferenceIDs) == 0 && len(p.problems) == before {
			p.missing(name)
		}
	}
	return f
}

func (p *params) sets() metadata.SubmissionSetFilter {
	f := metadata.SubmissionSetFilter{
		Status:      p.statuses(setPrefix+"Status", true),
		SourceID:    p.list(setPrefix + "SourceId"),
		Submission:  p.times(setPrefix + "SubmissionTime"),
		ContentType: p.codeList(setPrefix + "ContentType"),
	}
	if person := p.one(setPrefix + "AuthorPerson"); person != "" {
		f.AuthorPerson = p.patterns(setPrefix+"AuthorPerson", []string{person})
	}
	return f
}

func (p *params) folders() metadata.FolderFilter {
	return metadata.FolderFilter{
		Status:     p.statuses(folderPrefix+"Status", true),
		LastUpdate: p.times(folderPrefix + "LastUpdateTime"),
		Codes:      p.codeLists(folderPrefix + "CodeList"),
	}
}

func (p *params) associationTypes() []metadata.AssociationType {
	const name = "$AssociationTypes"
	before := len(p.problems)
	values := p.list(name)
	if len(values) == 0 && len(p.problems) == before {
		p.missing(name)
	}
	var out []metadata.AssociationType
	for _, v := range values {
		out = append(out, metadata.AssociationType(trim(v)))
	}
	return out
}

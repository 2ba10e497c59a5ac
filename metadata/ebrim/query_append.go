package ebrim

import (
	"strconv"
	"strings"

	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// AppendQuery appends query:AdhocQueryRequest, the inverse of DecodeQuery. It
// appends no AdhocQuery when q.Query is nil.
func AppendQuery(b []byte, q metadata.StoredQuery) []byte {
	w := queryWriter{b}
	w.str(`<query:AdhocQueryRequest xmlns:query="` + queryNS + `" xmlns="` + rimNS + `"><query:ResponseOption returnComposedObjects="true" returnType="`)
	if q.Return == metadata.ObjectRef {
		w.str(`ObjectRef"/>`)
	} else {
		w.str(`LeafClass"/>`)
	}
	if q.Query != nil {
		w.query(q)
	}
	w.str(`</query:AdhocQueryRequest>`)
	return w.b
}

type queryWriter struct{ b []byte }

func (w *queryWriter) str(s string) { w.b = append(w.b, s...) }

func (w *queryWriter) query(q metadata.StoredQuery) {
	w.str(`<AdhocQuery id="`)
	w.str(string(q.Query.QueryID()))
	if q.Home != "" {
		w.str(`" home="`)
		w.b = xmlscan.AppendAttr(w.b, q.Home)
	}
	w.str(`">`)
	w.parameters(q.Query)
	if q.Level > 0 {
		w.open("$MetadataLevel")
		w.str(`<Value>`)
		w.b = strconv.AppendInt(w.b, int64(q.Level), 10)
		w.str(`</Value>`)
		w.close()
	}
	for i := range q.Extra {
		w.open(q.Extra[i].Name)
		for _, v := range q.Extra[i].Values {
			w.str(`<Value>`)
			w.b = xmlscan.AppendText(w.b, v)
			w.str(`</Value>`)
		}
		w.close()
	}
	w.str(`</AdhocQuery>`)
}

func (w *queryWriter) parameters(q metadata.Query) {
	switch q := q.(type) {
	case *metadata.FindDocuments:
		w.one(entryPrefix+"PatientId", string(q.Patient))
		w.documents(&q.Filter)
	case *metadata.FindDocumentsByReferenceID:
		w.one(entryPrefix+"PatientId", string(q.Patient))
		w.documents(&q.Filter)
	case *metadata.FindSubmissionSets:
		w.one(setPrefix+"PatientId", string(q.Patient))
		w.sets(&q.Filter)
	case *metadata.FindFolders:
		w.one(folderPrefix+"PatientId", string(q.Patient))
		w.folders(&q.Filter)
	case *metadata.GetAll:
		w.one("$patientId", string(q.Patient))
		w.statuses(entryPrefix+"Status", q.DocumentStatus)
		w.statuses(setPrefix+"Status", q.SetStatus)
		w.statuses(folderPrefix+"Status", q.FolderStatus)
		w.statuses(assocStatus, q.AssociationStatus)
		w.members(&q.Members)
	case *metadata.GetDocuments:
		w.target(entryPrefix, &q.Documents, false)
	case *metadata.GetFolders:
		w.target(folderPrefix, &q.Folders, false)
	case *metadata.GetAssociations:
		values(w, "$uuid", q.IDs)
		w.statuses(assocStatus, q.AssociationStatus)
	case *metadata.GetDocumentsAndAssociations:
		w.target(entryPrefix, &q.Documents, false)
		w.statuses(assocStatus, q.AssociationStatus)
	case *metadata.GetSubmissionSets:
		values(w, "$uuid", q.IDs)
	case *metadata.GetSubmissionSetAndContents:
		w.target(setPrefix, &q.Set, true)
		w.members(&q.Members)
	case *metadata.GetFolderAndContents:
		w.target(folderPrefix, &q.Folder, true)
		w.members(&q.Members)
		w.statuses(assocStatus, q.AssociationStatus)
	case *metadata.GetFoldersForDocument:
		w.target(entryPrefix, &q.Document, true)
		w.statuses(assocStatus, q.AssociationStatus)
	case *metadata.GetRelatedDocuments:
		w.target(entryPrefix, &q.Document, true)
		values(w, "$AssociationTypes", q.Types)
		w.kinds(q.Kinds)
		w.statuses(assocStatus, q.AssociationStatus)
	case *metadata.FindDocumentsForMultiplePatients:
		values(w, entryPrefix+"PatientId", q.Patients)
		w.documents(&q.Filter)
	case *metadata.FindFoldersForMultiplePatients:
		values(w, folderPrefix+"PatientId", q.Patients)
		w.folders(&q.Filter)
	}
}

func (w *queryWriter) folders(f *metadata.FolderFilter) {
	w.statuses(folderPrefix+"Status", f.Status)
	w.times(folderPrefix+"LastUpdateTime", f.LastUpdate)
	w.codeLists(folderPrefix+"CodeList", f.Codes)
}

func (w *queryWriter) documents(f *metadata.DocumentFilter) {
	w.statuses(entryPrefix+"Status", f.Status)
	w.kinds(f.Kinds)
	w.codes(entryPrefix+"ClassCode", f.ClassCode)
	w.codes(entryPrefix+"TypeCode", f.TypeCode)
	w.codes(entryPrefix+"FormatCode", f.FormatCode)
	w.codes(entryPrefix+"HealthcareFacilityTypeCode", f.Facility)
	w.codes(entryPrefix+"PracticeSettingCode", f.Practice)
	w.codeLists(entryPrefix+"ConfidentialityCode", f.Confidential)
	w.codeLists(entryPrefix+"EventCodeList", f.EventCodes)
	w.times(entryPrefix+"CreationTime", f.Creation)
	w.times(entryPrefix+"ServiceStartTime", f.ServiceStart)
	w.times(entryPrefix+"ServiceStopTime", f.ServiceStop)
	values(w, entryPrefix+"AuthorPerson", f.AuthorPerson)
	for _, any := range f.ReferenceIDs {
		values(w, entryPrefix+"ReferenceIdList", any)
	}
	values(w, entryPrefix+"DocumentAvailability", f.Availability)
}

func (w *queryWriter) sets(f *metadata.SubmissionSetFilter) {
	w.statuses(setPrefix+"Status", f.Status)
	values(w, setPrefix+"SourceId", f.SourceID)
	w.times(setPrefix+"SubmissionTime", f.Submission)
	if len(f.AuthorPerson) == 1 {
		w.one(setPrefix+"AuthorPerson", string(f.AuthorPerson[0]))
	} else {
		values(w, setPrefix+"AuthorPerson", f.AuthorPerson)
	}
	w.codes(setPrefix+"ContentType", f.ContentType)
}

func (w *queryWriter) members(f *metadata.MemberFilter) {
	w.codes(entryPrefix+"FormatCode", f.FormatCode)
	w.codeLists(entryPrefix+"ConfidentialityCode", f.Confidential)
	w.kinds(f.Kinds)
}

// target writes what is given of entryUUID, uniqueId and logicalID.
func (w *queryWriter) target(prefix string, t *metadata.Target, single bool) {
	if single && len(t.IDs) == 1 && len(t.UniqueIDs) == 0 {
		w.one(prefix+"EntryUUID", string(t.IDs[0]))
		return
	}
	if single && len(t.UniqueIDs) == 1 && len(t.IDs) == 0 {
		w.one(prefix+"UniqueId", t.UniqueIDs[0])
		return
	}
	values(w, prefix+"EntryUUID", t.IDs)
	values(w, prefix+"UniqueId", t.UniqueIDs)
	values(w, prefix+"LogicalID", t.LogicalIDs)
}

func (w *queryWriter) statuses(name string, list []metadata.Status) {
	if len(list) == 0 {
		return
	}
	w.open(name)
	for _, s := range list {
		w.item(s.URN())
	}
	w.close()
}

func (w *queryWriter) kinds(list []metadata.EntryKind) {
	if len(list) == 0 {
		return
	}
	w.open(entryPrefix + "Type")
	for _, k := range list {
		w.item(k.URN())
	}
	w.close()
}

func (w *queryWriter) codes(name string, list metadata.AnyOf[metadata.CodeRef]) {
	if len(list) == 0 {
		return
	}
	w.open(name)
	for _, c := range list {
		w.item(c.Value + "^^" + c.Scheme)
	}
	w.close()
}

func (w *queryWriter) codeLists(name string, lists metadata.AllOf[metadata.CodeRef]) {
	for _, list := range lists {
		w.codes(name, list)
	}
}

func (w *queryWriter) times(name string, t metadata.TimeRange) {
	w.one(name+"From", string(t.From))
	w.one(name+"To", string(t.To))
}

// one writes a parameter of one value, nothing for "".
func (w *queryWriter) one(name, value string) {
	if value == "" {
		return
	}
	w.open(name)
	w.str(`<Value>'`)
	w.quoted(value)
	w.str(`'</Value>`)
	w.close()
}

// values writes a list with one Value per value: ebRIM keeps a Value short.
func values[T ~string](w *queryWriter, name string, list []T) {
	if len(list) == 0 {
		return
	}
	w.open(name)
	for _, v := range list {
		w.item(string(v))
	}
	w.close()
}

func (w *queryWriter) item(value string) {
	w.str(`<Value>('`)
	w.quoted(value)
	w.str(`')</Value>`)
}

func (w *queryWriter) quoted(value string) {
	if strings.IndexByte(value, '\'') >= 0 {
		value = strings.ReplaceAll(value, `'`, `''`)
	}
	w.b = xmlscan.AppendText(w.b, value)
}

func (w *queryWriter) open(name string) {
	w.str(slotOpen)
	w.b = xmlscan.AppendAttr(w.b, name)
	w.str(`"><ValueList>`)
}

func (w *queryWriter) close() { w.str(`</ValueList></Slot>`) }

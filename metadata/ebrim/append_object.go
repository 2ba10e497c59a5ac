package ebrim

import (
	"strconv"

	"samdok/metadata"
)

// open appends the start of a tag with the attributes that every object has.
func (w *writer) open(element string, lid metadata.ID, home string, status metadata.Status) {
	w.str(element)
	w.str(` id="`)
	w.str(w.owner)
	w.str(`"`)
	w.attr("lid", string(lid))
	w.attr("home", home)
	w.attr("status", status.URN())
}

func (w *writer) entry(e *metadata.DocumentEntry) {
	w.open(`<ExtrinsicObject`, e.LogicalID, e.Home, e.Status)
	w.attr("objectType", e.Kind.URN())
	w.attr("mimeType", e.MimeType)
	w.str(`>`)
	w.slot("creationTime", string(e.CreationTime))
	w.slot("hash", e.Hash)
	w.slot("languageCode", e.Language)
	w.slot("legalAuthenticator", string(e.LegalAuthenticator))
	w.slot("repositoryUniqueId", e.RepositoryID)
	w.slot("serviceStartTime", string(e.ServiceStart))
	w.slot("serviceStopTime", string(e.ServiceStop))
	if e.Size.Given {
		w.str(`<Slot name="size"><ValueList><Value>`)
		w.b = strconv.AppendInt(w.b, e.Size.Octets, 10)
		w.str(slotClose)
	}
	w.slot("sourcePatientId", string(e.SourcePatientID))
	slotList(w, "sourcePatientInfo", e.SourcePatientInfo)
	slotList(w, slotReferenceIDs, e.ReferenceIDs)
	w.slot("URI", e.URI)
	w.slot("documentAvailability", e.Availability)
	w.extra(e.Extra)
	w.texts(e.Title, e.Comments, e.Version)
	w.authors(schemeEntryAuthor, e.Authors)
	w.code(schemeClass, &e.ClassCode)
	w.codes(schemeConfidential, e.Confidential)
	w.codes(schemeEvent, e.EventCodes)
	w.code(schemeFormat, &e.FormatCode)
	w.code(schemeFacility, &e.Facility)
	w.code(schemePractice, &e.Practice)
	w.code(schemeType, &e.TypeCode)
	if e.Limited {
		w.node(nodeLimitedEntry)
	}
	w.identifier(e.PatientIDRef, schemeEntryPatient, nameEntryPatient, string(e.PatientID))
	w.identifier(e.UniqueIDRef, schemeEntryUnique, nameEntryUnique, e.UniqueID)
	w.str(`</ExtrinsicObject>`)
}

const packageTag = ` objectType="` + typePackage + `">`

func (w *writer) set(s *metadata.SubmissionSet) {
	w.open(`<RegistryPackage`, s.LogicalID, s.Home, s.Status)
	w.str(packageTag)
	w.slot("submissionTime", string(s.SubmissionTime))
	slotList(w, "intendedRecipient", s.Recipients)
	w.extra(s.Extra)
	w.texts(s.Title, s.Comments, s.Version)
	w.authors(schemeSetAuthor, s.Authors)
	w.code(schemeContentType, &s.ContentType)
	w.node(nodeSet)
	if s.Limited {
		w.node(nodeLimitedSet)
	}
	w.identifier(s.PatientIDRef, schemeSetPatient, nameSetPatient, string(s.PatientID))
	w.identifier(s.SourceIDRef, schemeSetSource, nameSetSource, s.SourceID)
	w.identifier(s.UniqueIDRef, schemeSetUnique, nameSetUnique, s.UniqueID)
	w.str(`</RegistryPackage>`)
}

func (w *writer) folder(f *metadata.Folder) {
	w.open(`<RegistryPackage`, f.LogicalID, f.Home, f.Status)
	w.str(packageTag)
	w.slot("lastUpdateTime", string(f.LastUpdateTime))
	w.extra(f.Extra)
	w.texts(f.Title, f.Comments, f.Version)
	w.codes(schemeFolderCode, f.Codes)
	w.node(nodeFolder)
	if f.Limited {
		w.node(nodeLimitedFolder)
	}
	w.identifier(f.PatientIDRef, schemeFolderPatient, nameFolderPatient, string(f.PatientID))
	w.identifier(f.UniqueIDRef, schemeFolderUnique, nameFolderUnique, f.UniqueID)
	w.str(`</RegistryPackage>`)
}

func (w *writer) association(a *metadata.Association) {
	w.open(`<Association`, "", a.Home, a.Status)
	w.attr("associationType", string(a.Type))
	w.attr("sourceObject", string(a.Source))
	w.attr("targetObject", string(a.Target))
	w.str(` objectType="` + typeAssociation + `">`)
	w.slot(slotSetStatus, membershipText(a.Membership))
	w.slot("PreviousVersion", a.PreviousVersion)
	w.slot("OriginalStatus", a.OriginalStatus)
	w.slot("NewStatus", a.NewStatus)
	w.slot("AssociationPropagation", a.Propagation)
	w.extra(a.Extra)
	if a.Documentation != nil {
		w.code(schemeDocumentation, a.Documentation)
	}
	w.str(`</Association>`)
}

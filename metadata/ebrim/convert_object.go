package ebrim

import (
	"strings"

	"samdok/fault"
	"samdok/metadata"
)

// entry makes a DocumentEntry (ITI TF-3 4.2.3.2).
func (r *reader) entry(o *raw) *metadata.DocumentEntry {
	e := &metadata.DocumentEntry{
		ID: o.id, LogicalID: o.lid, Version: r.number(o), Home: o.home, Status: metadata.ParseStatus(o.status),
		Kind: metadata.ParseEntryKind(o.kind), MimeType: o.mime, Title: o.name, Comments: o.description,
	}
	r.entrySlots(o, e)
	var class, typ, format, facility, practice bool
	for i := o.classes.from; i < o.classes.to; i++ {
		c := &r.classes[i]
		r.belongs(o, "Classification", c.object, "classifiedObject", c.objectType, typeClassification)
		switch c.scheme {
		case schemeEntryAuthor:
			e.Authors = r.whos.add(e.Authors, r.author(o, c))
		case schemeClass:
			r.single(o, "classCode", c, &class, &e.ClassCode)
		case schemeType:
			r.single(o, "typeCode", c, &typ, &e.TypeCode)
		case schemeFormat:
			r.single(o, "formatCode", c, &format, &e.FormatCode)
		case schemeFacility:
			r.single(o, "healthcareFacilityTypeCode", c, &facility, &e.Facility)
		case schemePractice:
			r.single(o, "practiceSettingCode", c, &practice, &e.Practice)
		case schemeConfidential:
			e.Confidential = r.codes.add(e.Confidential, r.code(o, "confidentialityCode", c))
		case schemeEvent:
			e.EventCodes = r.codes.add(e.EventCodes, r.code(o, "eventCodeList", c))
		default:
			e.Limited = r.limited(o, c, nodeLimitedEntry) || e.Limited
		}
	}
	var patient, unique bool
	for i := o.ids.from; i < o.ids.to; i++ {
		x := &r.ids[i]
		r.belongs(o, "ExternalIdentifier", x.object, "registryObject", x.objectType, typeIdentifier)
		switch x.scheme {
		case schemeEntryPatient:
			r.identity(o, "patientId", x, &patient, (*string)(&e.PatientID), &e.PatientIDRef)
		case schemeEntryUnique:
			r.identity(o, "uniqueId", x, &unique, &e.UniqueID, &e.UniqueIDRef)
		default:
			r.unknownScheme(o, "ExternalIdentifier", "identificationScheme", x.scheme)
		}
	}
	return e
}

func (r *reader) entrySlots(o *raw, e *metadata.DocumentEntry) {
	slots := r.slots[o.slots.from:o.slots.to]
	seen := slotNames(slots)
	for i := range slots {
		s := &slots[i]
		if s.inside || seen != nil && seen.twice(r, o, s) || seen == nil && r.repeated(o, slots, i) {
			continue
		}
		switch s.name {
		case "creationTime":
			r.one(o, s, (*string)(&e.CreationTime))
		case "hash":
			r.one(o, s, &e.Hash)
		case "languageCode":
			r.one(o, s, &e.Language)
		case "legalAuthenticator":
			r.one(o, s, (*string)(&e.LegalAuthenticator))
		case "repositoryUniqueId":
			r.one(o, s, &e.RepositoryID)
		case "serviceStartTime":
			r.one(o, s, (*string)(&e.ServiceStart))
		case "serviceStopTime":
			r.one(o, s, (*string)(&e.ServiceStop))
		case "size":
			var text string
			r.one(o, s, &text)
			e.Size = r.size(o, text)
		case "sourcePatientId":
			r.one(o, s, (*string)(&e.SourcePatientID))
		case "sourcePatientInfo":
			e.SourcePatientInfo = r.list(s)
		case slotReferenceIDs:
			e.ReferenceIDs = many[metadata.CXi](r, s)
		case "URI":
			r.one(o, s, &e.URI)
		case "documentAvailability":
			r.one(o, s, &e.Availability)
		default:
			e.Extra = r.others(o, s, e.Extra)
		}
	}
}

// limited tells whether a classification is the mark of limited metadata; anything
// else that comes here is unknown.
func (r *reader) limited(o *raw, c *rawClass, node metadata.ID) bool {
	switch {
	case c.hasNode && c.node == node:
		return true
	case c.hasNode:
		r.report(o, "Classification", "has the unknown classificationNode "+quote(string(c.node))+".")
	default:
		r.unknownScheme(o, "Classification", "classificationScheme", c.scheme)
	}
	return false
}

// set makes a SubmissionSet (ITI TF-3 4.2.3.3).
func (r *reader) set(o *raw) *metadata.SubmissionSet {
	o.element = "SubmissionSet"
	t := &metadata.SubmissionSet{
		ID: o.id, LogicalID: o.lid, Version: r.number(o), Home: o.home, Status: metadata.ParseStatus(o.status),
		Title: o.name, Comments: o.description,
	}
	r.packageType(o)
	r.each(o, func(s *rawSlot) {
		switch s.name {
		case "submissionTime":
			r.one(o, s, (*string)(&t.SubmissionTime))
		case "intendedRecipient":
			t.Recipients = r.list(s)
		default:
			t.Extra = r.others(o, s, t.Extra)
		}
	})
	var content bool
	for i := o.classes.from; i < o.classes.to; i++ {
		c := &r.classes[i]
		r.belongs(o, "Classification", c.object, "classifiedObject", c.objectType, typeClassification)
		switch {
		case c.scheme == schemeSetAuthor:
			t.Authors = r.whos.add(t.Authors, r.author(o, c))
		case c.scheme == schemeContentType:
			r.single(o, "contentTypeCode", c, &content, &t.ContentType)
		case c.node != nodeSet:
			t.Limited = r.limited(o, c, nodeLimitedSet) || t.Limited
		}
	}
	var patient, source, unique bool
	for i := o.ids.from; i < o.ids.to; i++ {
		x := &r.ids[i]
		r.belongs(o, "ExternalIdentifier", x.object, "registryObject", x.objectType, typeIdentifier)
		switch x.scheme {
		case schemeSetPatient:
			r.identity(o, "patientId", x, &patient, (*string)(&t.PatientID), &t.PatientIDRef)
		case schemeSetSource:
			r.identity(o, "sourceId", x, &source, &t.SourceID, &t.SourceIDRef)
		case schemeSetUnique:
			r.identity(o, "uniqueId", x, &unique, &t.UniqueID, &t.UniqueIDRef)
		default:
			r.unknownScheme(o, "ExternalIdentifier", "identificationScheme", x.scheme)
		}
	}
	return t
}

func (r *reader) packageType(o *raw) {
	if o.kind != "" && !strings.EqualFold(o.kind, typePackage) {
		r.report(o, "objectType", quote(o.kind)+" is not that of a RegistryPackage; write "+typePackage+" or leave it out.")
	}
}

// folder makes a Folder (ITI TF-3 4.2.3.4).
func (r *reader) folder(o *raw) *metadata.Folder {
	o.element = "Folder"
	f := &metadata.Folder{
		ID: o.id, LogicalID: o.lid, Version: r.number(o), Home: o.home, Status: metadata.ParseStatus(o.status),
		Title: o.name, Comments: o.description,
	}
	r.packageType(o)
	r.each(o, func(s *rawSlot) {
		if s.name == "lastUpdateTime" {
			r.one(o, s, (*string)(&f.LastUpdateTime))
			return
		}
		f.Extra = r.others(o, s, f.Extra)
	})
	for i := o.classes.from; i < o.classes.to; i++ {
		c := &r.classes[i]
		r.belongs(o, "Classification", c.object, "classifiedObject", c.objectType, typeClassification)
		switch {
		case c.scheme == schemeFolderCode:
			f.Codes = r.codes.add(f.Codes, r.code(o, "codeList", c))
		case c.node != nodeFolder:
			f.Limited = r.limited(o, c, nodeLimitedFolder) || f.Limited
		}
	}
	var patient, unique bool
	for i := o.ids.from; i < o.ids.to; i++ {
		x := &r.ids[i]
		r.belongs(o, "ExternalIdentifier", x.object, "registryObject", x.objectType, typeIdentifier)
		switch x.scheme {
		case schemeFolderPatient:
			r.identity(o, "patientId", x, &patient, (*string)(&f.PatientID), &f.PatientIDRef)
		case schemeFolderUnique:
			r.identity(o, "uniqueId", x, &unique, &f.UniqueID, &f.UniqueIDRef)
		default:
			r.unknownScheme(o, "ExternalIdentifier", "identificationScheme", x.scheme)
		}
	}
	return f
}

// association makes an Association (ITI TF-3 4.2.2, and 4.2.2.2 of Metadata
// Update for the slots).
func (r *reader) association(o *raw) *metadata.Association {
	a := &metadata.Association{
		ID: o.id, Type: metadata.AssociationType(o.assocType), Source: o.source, Target: o.target,
		Home: o.home, Status: metadata.ParseStatus(o.status),
	}
	if o.kind != "" && !strings.EqualFold(o.kind, typeAssociation) {
		r.report(o, "objectType", quote(o.kind)+" is not that of an Association; write "+typeAssociation+" or leave it out.")
	}
	r.each(o, func(s *rawSlot) {
		switch s.name {
		case slotSetStatus:
			a.Membership = r.membership(o, s)
		case "PreviousVersion":
			r.one(o, s, &a.PreviousVersion)
		case "OriginalStatus":
			r.one(o, s, &a.OriginalStatus)
		case "NewStatus":
			r.one(o, s, &a.NewStatus)
		case "AssociationPropagation":
			r.one(o, s, &a.Propagation)
		default:
			a.Extra = r.others(o, s, a.Extra)
		}
	})
	var documented bool
	for i := o.classes.from; i < o.classes.to; i++ {
		c := &r.classes[i]
		r.belongs(o, "Classification", c.object, "classifiedObject", c.objectType, typeClassification)
		if c.scheme != schemeDocumentation {
			r.unknownScheme(o, "Classification", "classificationScheme", c.scheme)
			continue
		}
		if a.Documentation == nil {
			a.Documentation = &metadata.Code{}
		}
		r.single(o, "relationship documentation", c, &documented, a.Documentation)
	}
	if o.ids.to > o.ids.from {
		r.report(o, "ExternalIdentifier", "has no meaning in an association; remove it.")
	}
	return a
}

// membership reads SubmissionSetStatus, which counts between a SubmissionSet and a
// DocumentEntry only (ITI TF-3 4.2.2.1.1). What lies at the ends is not known here,
// so that an unknown value is not an error yet: where it counts, the registry then
// finds none.
func (r *reader) membership(o *raw, s *rawSlot) metadata.Membership {
	var text string
	r.one(o, s, &text)
	switch {
	case text == membershipOriginal:
		return metadata.Original
	case text == membershipReference:
		return metadata.Reference
	case text != "" && metadata.AssociationType(o.assocType) == metadata.HasMember:
		r.problem(fault.SeverityWarning, fault.ExtraMetadataNotSaved, className(o)+" "+quote(string(o.id))+", "+slotSetStatus+": "+
			quote(text)+" is neither Original nor Reference and is not saved.")
	}
	return metadata.MembershipNone
}

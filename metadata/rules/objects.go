package rules

import (
	"strconv"
	"strings"

	"samdok/metadata"
)

// entry: ITI TF-3 4.2.3.2 and Table 4.3.1-3, columns DS, DR and OD.
func (r *report) entry(e *metadata.DocumentEntry) {
	r.at("DocumentEntry", e.ID)
	r.kind(e)
	r.lid(e.ID, e.LogicalID)
	r.home(e.Home)
	r.limited(e.Limited)
	if e.MimeType == "" {
		r.missing("mimeType", "send it as the attribute mimeType")
	} else if !metadata.ValidMimeType(e.MimeType) {
		r.add("mimeType", "%s is not a media type; write type/subtype.", quote(e.MimeType))
	}
	r.code("classCode", &e.ClassCode, true)
	r.code("typeCode", &e.TypeCode, true)
	r.code("formatCode", &e.FormatCode, true)
	r.code("healthcareFacilityTypeCode", &e.Facility, true)
	r.code("practiceSettingCode", &e.Practice, true)
	r.codes("confidentialityCode", e.Confidential, true)
	r.codes("eventCodeList", e.EventCodes, false)
	r.authors(e.Authors)
	r.patient("patientId", e.PatientID, asIdentifier)
	r.patient("sourcePatientId", e.SourcePatientID, asSlot)
	r.sourcePatientInfo(e.SourcePatientInfo)
	r.document(e)
	r.references(e)
	r.extra(e.Extra)
}

func (r *report) kind(e *metadata.DocumentEntry) {
	switch {
	case e.Kind == metadata.KindUnknown:
		r.add("objectType", "is missing or unknown; a stable document has %s.", metadata.Stable.URN())
	case e.Kind == metadata.OnDemand && (r.actor == Source || r.actor == Sender):
		r.add("objectType", "is that of an on-demand document; ITI-41 takes stable documents only, register it with ITI-61.")
	case e.Kind == metadata.OnDemand && r.actor == Repository:
		r.add("objectType", "is that of an on-demand document; ITI-42 takes stable documents only, register it with ITI-61.")
	case e.Kind == metadata.Stable && r.actor == OnDemandSource:
		r.add("objectType", "is that of a stable document; ITI-61 takes on-demand documents only (%s), register it with ITI-42.", metadata.OnDemand.URN())
	}
}

// document: times, language, hash, size and where the bytes are.
func (r *report) document(e *metadata.DocumentEntry) {
	stable, complete := e.Kind != metadata.OnDemand, r.actor != Source && r.actor != Sender
	r.time("creationTime", e.CreationTime, stable)
	r.time("serviceStartTime", e.ServiceStart, false)
	r.time("serviceStopTime", e.ServiceStop, false)
	if e.ServiceStart.Valid() && e.ServiceStop.Valid() && !e.ServiceStart.NotAfter(e.ServiceStop) {
		r.add("serviceStartTime", "%s is after serviceStopTime %s; correct one of them.", quote(string(e.ServiceStart)), quote(string(e.ServiceStop)))
	}
	if e.Language == "" {
		r.missing("languageCode", asSlot+" such as nb-NO")
	} else if !metadata.ValidLanguage(e.Language) {
		r.add("languageCode", "%s is not a language tag; write one such as nb-NO.", quote(e.Language))
	}
	if stable {
		r.content(e, complete)
	} else if e.CreationTime != "" || e.Hash != "" || e.Size.Given {
		r.add("creationTime, hash, size", "are not allowed for an on-demand document; leave them out.")
	}
	if e.RepositoryID != "" || complete {
		r.oid("repositoryUniqueId", e.RepositoryID, asSlot)
	}
	if e.UniqueID != strings.Trim(e.UniqueID, " \t\r\n") && strings.TrimSpace(e.UniqueID) != "" {
		r.add("uniqueId", "%s begins or ends with a blank, so that nobody could retrieve the document by it; remove the blank.", quote(e.UniqueID))
	}
	if strings.TrimSpace(e.UniqueID) == "" {
		r.missing("uniqueId", asIdentifier)
	}
	if e.Availability != "" && e.Availability != metadata.AvailabilityOnline && e.Availability != metadata.AvailabilityOffline {
		r.add("documentAvailability", "%s is unknown; write %s or leave it out.", quote(e.Availability), metadata.AvailabilityOnline)
	}
}

func (r *report) content(e *metadata.DocumentEntry, complete bool) {
	switch {
	case e.Hash == "":
		if complete {
			r.missing("hash", asSlot)
		}
	case !metadata.ValidHash(e.Hash):
		r.add("hash", "%s is not a SHA-1; write 40 hexadecimal digits.", quote(e.Hash))
	}
	switch {
	case !e.Size.Given:
		if complete {
			r.missing("size", asSlot)
		}
	case e.Size.Octets < 0:
		r.add("size", "'%d' is negative; write the number of octets.", e.Size.Octets)
	}
}

func (r *report) references(e *metadata.DocumentEntry) {
	if e.LegalAuthenticator != "" {
		_, err := e.LegalAuthenticator.Parse()
		r.form("legalAuthenticator", string(e.LegalAuthenticator), err)
	}
	for _, id := range e.ReferenceIDs {
		_, err := id.Parse()
		r.form("referenceIdList", string(id), err)
		r.searched("referenceIdList", string(id))
	}
}

// sourcePatientInfo: "PID-n|value"; one birth date and one sex at most
// (ITI TF-3 4.2.3.2.23). Which fields there are otherwise is up to the sender.
func (r *report) sourcePatientInfo(values []string) {
	births, sexes := 0, 0
	for _, v := range values {
		switch n := pidField(v); n {
		case 0:
			r.add("sourcePatientInfo", "%s has the wrong form; write PID-n| and the value.", quote(v))
		case 7:
			births++
		case 8:
			sexes++
		}
	}
	if births > 1 || sexes > 1 {
		r.add("sourcePatientInfo", "has more than one PID-7 or PID-8; a patient has one birth date and one sex.")
	}
}

// pidField is n of "PID-n|...", 0 when the value has another form.
func pidField(v string) int {
	rest, ok := strings.CutPrefix(strings.TrimSpace(v), "PID-")
	digits, _, bar := strings.Cut(rest, "|")
	n, err := strconv.Atoi(digits)
	if !ok || !bar || err != nil || n < 1 || n > 99 {
		return 0
	}
	return n
}

// set: ITI TF-3 4.2.3.3.
func (r *report) set(s *metadata.SubmissionSet) {
	r.at("SubmissionSet", s.ID)
	r.firstVersion(s.ID, s.LogicalID)
	r.home(s.Home)
	r.limited(s.Limited)
	r.authors(s.Authors)
	r.code("contentTypeCode", &s.ContentType, true)
	for _, v := range s.Recipients {
		_, err := metadata.ParseRecipient(v)
		r.form("intendedRecipient", v, err)
	}
	r.patient("patientId", s.PatientID, asIdentifier)
	r.oid("sourceId", s.SourceID, asIdentifier)
	r.time("submissionTime", s.SubmissionTime, true)
	r.oid("uniqueId", s.UniqueID, asIdentifier)
	r.extra(s.Extra)
}

// folder: ITI TF-3 4.2.3.4. A submitted lastUpdateTime is overwritten, so that
// its form does not matter.
func (r *report) folder(f *metadata.Folder) {
	r.at("Folder", f.ID)
	r.lid(f.ID, f.LogicalID)
	r.home(f.Home)
	r.limited(f.Limited)
	r.codes("codeList", f.Codes, true)
	r.patient("patientId", f.PatientID, asIdentifier)
	r.oid("uniqueId", f.UniqueID, asIdentifier)
	if f.Title.String() == "" {
		r.missing("title", "send it as Name")
	}
	r.extra(f.Extra)
}

// association: ITI TF-3 4.2.2 and 4.2.5.4.
func (r *report) association(a *metadata.Association) {
	r.at("Association", a.ID)
	r.home(a.Home)
	if a.Source == "" {
		r.missing("sourceObject", "name the object that the association starts from")
	}
	if a.Target == "" {
		r.missing("targetObject", "name the object that the association points at")
	}
	documented := false
	switch a.Type {
	case metadata.HasMember, metadata.IsSnapshotOf:
	case metadata.Replaces, metadata.Transforms, metadata.Appends, metadata.TransformReplaces, metadata.Signs:
		documented = true
	case metadata.UpdateStatus, metadata.SubmitAssociation:
		if r.actor == Administrator {
			break
		}
		r.add("associationType", "%s belongs to an update of metadata (ITI-57).", quote(string(a.Type)))
	default:
		r.add("associationType", "%s is unknown; write the whole URN, such as %s.", quote(string(a.Type)), metadata.HasMember)
	}
	if a.Documentation != nil {
		if !documented {
			r.add("relationship documentation", "is allowed on RPLC, XFRM, APND, XFRM_RPLC and signs only; remove that Classification.")
		}
		r.code("relationship documentation", a.Documentation, true)
	}
	r.extra(a.Extra)
}

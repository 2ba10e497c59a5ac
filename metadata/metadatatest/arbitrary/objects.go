package arbitrary

import (
	"strconv"

	"pgregory.net/rapid"

	"samdok/metadata"
)

// Code draws a code with display name and classification id.
func Code(s Strings) *rapid.Generator[metadata.Code] {
	return rapid.Custom(func(t *rapid.T) metadata.Code {
		return metadata.Code{Value: s.Draw(t, "code"), Scheme: rapid.OneOf(OID(), s).Draw(t, "scheme"), Display: someText(t, "display", s), ID: UUID().Draw(t, "id")}
	})
}

// Text draws up to two localized strings; nil when none.
func Text(s Strings) *rapid.Generator[metadata.Text] {
	return rapid.Custom(func(t *rapid.T) metadata.Text {
		if rapid.Bool().Draw(t, "absent") {
			return nil
		}
		return someText(t, "text", s)
	})
}

func someText(t *rapid.T, label string, s Strings) metadata.Text {
	one := rapid.Custom(func(t *rapid.T) metadata.LocalizedString {
		return metadata.LocalizedString{
			Value:   s.Draw(t, "value"),
			Lang:    rapid.SampledFrom([]string{"", "nb-NO", "en-US"}).Draw(t, "lang"),
			Charset: rapid.SampledFrom([]string{"", "UTF-8"}).Draw(t, "charset"),
		}
	})
	return rapid.SliceOfN(one, 1, 2).Draw(t, label)
}

// Slots draws extra slots with distinct names.
func Slots(s Strings) *rapid.Generator[[]metadata.Slot] {
	return rapid.Custom(func(t *rapid.T) []metadata.Slot {
		var list []metadata.Slot
		for i := range rapid.IntRange(0, 2).Draw(t, "slots") {
			list = append(list, metadata.Slot{Name: "urn:oid:1.2.3." + strconv.Itoa(i), Values: rapid.SliceOfN(s, 1, 3).Draw(t, "values")})
		}
		return list
	})
}

// Author draws an author with at least a person or an institution.
func Author(s Strings) *rapid.Generator[metadata.Author] {
	return rapid.Custom(func(t *rapid.T) metadata.Author {
		a := metadata.Author{
			Institutions: upTo(t, "institutions", 2, rapid.Map(Organization(s), metadata.Organization.XON)),
			Roles:        upTo(t, "roles", 2, s),
			Specialties:  upTo(t, "specialties", 2, s),
			Telecom:      upTo(t, "telecom", 2, rapid.Map(Telecom(s), metadata.Telecom.XTN)),
			Extra:        Slots(s).Draw(t, "extra"),
			ID:           UUID().Draw(t, "id"),
		}
		if a.Institutions == nil || rapid.Bool().Draw(t, "person") {
			a.Person = Person(s).Draw(t, "person").XCN()
		}
		return a
	})
}

// Entry draws a document entry as a repository would submit it: complete, or
// on-demand without the attributes that are then prohibited.
func Entry(s Strings) *rapid.Generator[*metadata.DocumentEntry] {
	return rapid.Custom(func(t *rapid.T) *metadata.DocumentEntry {
		code := Code(s)
		patient := Patient(s).Draw(t, "patient").CX()
		e := &metadata.DocumentEntry{
			ID: ID().Draw(t, "id"), Home: home(t), Kind: metadata.Stable, MimeType: rapid.SampledFrom([]string{"text/plain", "application/pdf", "application/hl7-v3+xml"}).Draw(t, "mime"),
			Title: Text(s).Draw(t, "title"), Comments: Text(s).Draw(t, "comments"), Authors: upTo(t, "authors", 2, Author(s)),
			ClassCode: code.Draw(t, "class"), TypeCode: code.Draw(t, "type"), FormatCode: code.Draw(t, "format"),
			Facility: code.Draw(t, "facility"), Practice: code.Draw(t, "practice"),
			Confidential: rapid.SliceOfN(code, 1, 3).Draw(t, "confidentiality"), EventCodes: upTo(t, "events", 2, code),
			Language: "nb-NO", PatientID: patient, SourcePatientID: Patient(s).Draw(t, "source patient").CX(),
			ReferenceIDs: upTo(t, "references", 2, rapid.Map(Reference(s), metadata.ReferenceID.CXi)),
			RepositoryID: OID().Draw(t, "repository"), UniqueID: rapid.OneOf(OID(), s).Draw(t, "uniqueId"), URI: maybe(t, "uri", s),
			Availability: rapid.SampledFrom([]string{"", metadata.AvailabilityOnline, metadata.AvailabilityOffline}).Draw(t, "availability"),
			Extra:        Slots(s).Draw(t, "extra"), PatientIDRef: UUID().Draw(t, "patient ref"), UniqueIDRef: UUID().Draw(t, "uniqueId ref"),
		}
		if rapid.Bool().Draw(t, "info") {
			e.SourcePatientInfo = []string{"PID-5|" + s.Draw(t, "name"), "PID-8|F"}
		}
		if rapid.Bool().Draw(t, "signed") {
			e.LegalAuthenticator = Person(s).Draw(t, "signer").XCN()
		}
		service(t, e)
		if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
			e.Kind = metadata.OnDemand
			return e
		}
		e.CreationTime = DTM().Draw(t, "created")
		e.Hash = rapid.StringMatching(`[0-9a-f]{40}`).Draw(t, "hash")
		e.Size = metadata.Octets(rapid.Int64Min(0).Draw(t, "size"))
		return e
	})
}

func service(t *rapid.T, e *metadata.DocumentEntry) {
	if rapid.Bool().Draw(t, "starts") {
		e.ServiceStart = DTM().Draw(t, "start")
	}
	if rapid.Bool().Draw(t, "stops") {
		e.ServiceStop = DTM().Draw(t, "stop")
	}
	if e.ServiceStart != "" && e.ServiceStop != "" && !e.ServiceStart.NotAfter(e.ServiceStop) {
		e.ServiceStart, e.ServiceStop = e.ServiceStop, e.ServiceStart
	}
}

func home(t *rapid.T) string {
	if rapid.Bool().Draw(t, "has home") {
		return "urn:oid:" + OID().Draw(t, "home")
	}
	return ""
}

// Set draws a submission set.
func Set(s Strings) *rapid.Generator[metadata.SubmissionSet] {
	return rapid.Custom(func(t *rapid.T) metadata.SubmissionSet {
		set := metadata.SubmissionSet{
			ID: ID().Draw(t, "id"), Home: home(t), Title: Text(s).Draw(t, "title"), Comments: Text(s).Draw(t, "comments"),
			Authors: upTo(t, "authors", 2, Author(s)), ContentType: Code(s).Draw(t, "content type"),
			PatientID: Patient(s).Draw(t, "patient").CX(), SourceID: OID().Draw(t, "source"), UniqueID: OID().Draw(t, "uniqueId"),
			SubmissionTime: DTM().Draw(t, "time"), Extra: Slots(s).Draw(t, "extra"),
			PatientIDRef: UUID().Draw(t, "patient ref"), SourceIDRef: UUID().Draw(t, "source ref"), UniqueIDRef: UUID().Draw(t, "uniqueId ref"),
		}
		if rapid.Bool().Draw(t, "recipients") {
			set.Recipients = []string{string(Organization(s).Draw(t, "organisation").XON()) + "|" + string(Person(s).Draw(t, "recipient").XCN())}
		}
		return set
	})
}

// Folder draws a folder.
func Folder(s Strings) *rapid.Generator[*metadata.Folder] {
	return rapid.Custom(func(t *rapid.T) *metadata.Folder {
		return &metadata.Folder{
			ID: ID().Draw(t, "id"), Home: home(t), Title: someText(t, "title", s), Comments: Text(s).Draw(t, "comments"),
			Codes: rapid.SliceOfN(Code(s), 1, 2).Draw(t, "codes"), PatientID: Patient(s).Draw(t, "patient").CX(), UniqueID: OID().Draw(t, "uniqueId"),
			LastUpdateTime: DTM().Draw(t, "updated"), Extra: Slots(s).Draw(t, "extra"),
			PatientIDRef: UUID().Draw(t, "patient ref"), UniqueIDRef: UUID().Draw(t, "uniqueId ref"),
		}
	})
}

// Association draws an association between two objects that need not exist.
func Association(s Strings) *rapid.Generator[*metadata.Association] {
	return rapid.Custom(func(t *rapid.T) *metadata.Association {
		a := &metadata.Association{
			ID: ID().Draw(t, "id"), Source: ID().Draw(t, "source"), Target: ID().Draw(t, "target"), Home: home(t), Extra: Slots(s).Draw(t, "extra"),
			Type: rapid.SampledFrom([]metadata.AssociationType{
				metadata.HasMember, metadata.Replaces, metadata.Transforms, metadata.Appends,
				metadata.TransformReplaces, metadata.Signs, metadata.IsSnapshotOf,
			}).Draw(t, "type"),
		}
		switch {
		case a.Type == metadata.HasMember:
			a.Membership = rapid.SampledFrom([]metadata.Membership{metadata.MembershipNone, metadata.Original, metadata.Reference}).Draw(t, "membership")
		case a.Type != metadata.IsSnapshotOf && rapid.Bool().Draw(t, "documented"):
			c := Code(s).Draw(t, "documentation")
			a.Documentation = &c
		}
		return a
	})
}

// Object draws an object of any class as a registry keeps it: with a status,
// and versions where there are any.
func Object(s Strings) *rapid.Generator[metadata.Object] {
	return rapid.Custom(func(t *rapid.T) metadata.Object {
		status := rapid.SampledFrom([]metadata.Status{metadata.Approved, metadata.Deprecated}).Draw(t, "status")
		version := rapid.IntRange(1, 3).Draw(t, "version")
		lid := ID().Draw(t, "lid")
		switch rapid.IntRange(0, 3).Draw(t, "class") {
		case 0:
			e := Entry(s).Draw(t, "entry")
			e.Status, e.Version, e.LogicalID = status, version, lid
			return e
		case 1:
			set := Set(s).Draw(t, "set")
			set.Status = metadata.Approved
			return &set
		case 2:
			f := Folder(s).Draw(t, "folder")
			f.Status, f.Version, f.LogicalID = status, version, lid
			return f
		}
		a := Association(s).Draw(t, "association")
		a.Status = status
		return a
	})
}

// Submission draws a submission of any objects. It satisfies metadata/rules but
// its associations need not make sense to a registry.
func Submission(s Strings) *rapid.Generator[*metadata.Submission] {
	return rapid.Custom(func(t *rapid.T) *metadata.Submission {
		sub := &metadata.Submission{
			Set:          Set(s).Draw(t, "set"),
			Entries:      upTo(t, "entries", 3, Entry(s)),
			Folders:      upTo(t, "folders", 2, Folder(s)),
			Associations: upTo(t, "associations", 3, Association(s)),
		}
		distinct(sub)
		return sub
	})
}

// distinct numbers the objects in the last byte of their ids: drawn ids are
// often alike.
func distinct(sub *metadata.Submission) {
	n := byte(0)
	number := func(id *metadata.ID) {
		u, _ := id.UUID()
		n++
		u[15] = n
		*id = u.ID()
	}
	number(&sub.Set.ID)
	for _, e := range sub.Entries {
		number(&e.ID)
	}
	for _, f := range sub.Folders {
		number(&f.ID)
	}
	for _, a := range sub.Associations {
		number(&a.ID)
	}
}

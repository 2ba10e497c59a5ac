package cases

import (
	"strings"

	"github.com/beevik/etree"

	"samdok/conformance"
)

const limitedEntry = "urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85"

// Objects are the rules of ITI-42 on what an object has to hold (ITI TF-3 4.2.3
// and Table 4.3.1-3), beyond those of Register.
func Objects() []conformance.Case {
	wrongEntry := func(id, title, section string, edit func(d *conformance.Doc)) conformance.Case {
		return refused(id, title, section, metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) { edit(d) })
		})
	}
	wrongSet := func(id, title, section string, edit func(set *etree.Element)) conformance.Case {
		return refused(id, title, section, metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, _ *conformance.Doc) { edit(s.Set) })
		})
	}
	wrongFolder := func(id, title string, edit func(f *etree.Element)) conformance.Case {
		return refused(id, title, "ITI TF-3 Table 4.3.1-3", metadataError, func(t *conformance.T) *conformance.Submission {
			s := t.NewSubmission(t.Patient())
			_, _, f := s.Folder(s.Patient)
			edit(f)
			return s
		})
	}
	slotForm := func(name, value string) conformance.Case {
		return wrongEntry("form-"+name+"-"+strings.Trim(strings.Map(letters, value), "-"), "The "+name+" "+value+" is refused", "ITI TF-3 4.2.3.1.7", func(d *conformance.Doc) {
			conformance.SetSlot(d.XML, name, value)
		})
	}
	class := func(d *conformance.Doc) *etree.Element {
		return d.XML.FindElement("./Classification[@classificationScheme='" + conformance.EntryClass + "']")
	}
	author := func(d *conformance.Doc) *etree.Element {
		return d.XML.FindElement("./Classification[@classificationScheme='" + conformance.EntryAuthor + "']")
	}
	return []conformance.Case{
		wrongEntry("required-mimeType", "A submission without mimeType is refused", "ITI TF-3 Table 4.3.1-3", func(d *conformance.Doc) { d.XML.RemoveAttr("mimeType") }),
		wrongEntry("required-objectType", "A submission without objectType is refused", "ITI TF-3 Table 4.3.1-3", func(d *conformance.Doc) { d.XML.RemoveAttr("objectType") }),
		slotForm("creationTime", "20260102030405+0100"), slotForm("creationTime", "20260102030405.123"), slotForm("creationTime", "2026010"),
		slotForm("serviceStartTime", "i går"), slotForm("repositoryUniqueId", "urn:oid:1.2.3"), slotForm("repositoryUniqueId", "1.02.3"),
		slotForm("size", "-1"), slotForm("sourcePatientId", "lokal"), slotForm("sourcePatientInfo", "uten felt"),
		slotForm("urn:ihe:iti:xds:2013:referenceIdList", "X1^^^&1.2.3&ISO"),
		wrongEntry("form-hash-letters", "A hash that is not hexadecimal is refused", "ITI TF-3 4.2.3.2.10", func(d *conformance.Doc) { conformance.SetSlot(d.XML, "hash", strings.Repeat("z", 40)) }),
		wrongEntry("two-birth-dates", "A patient has one birth date", "ITI TF-3 4.2.3.2.23", func(d *conformance.Doc) {
			conformance.SetSlot(d.XML, "sourcePatientInfo", "PID-7|1980", "PID-7|1981")
		}),
		wrongEntry("slot-twice", "A slot name stands once in an object", "ITI TF-3 4.2.3.1.1", func(d *conformance.Doc) {
			d.XML.AddChild(d.XML.SelectElement("Slot").Copy())
		}),
		wrongEntry("code-without-system", "A code without codingScheme is refused", "ITI TF-3 4.2.3.1.2", func(d *conformance.Doc) { conformance.Remove(class(d), "codingScheme") }),
		wrongEntry("code-in-two-systems", "A code has one codingScheme", "ITI TF-3 4.2.3.1.2", func(d *conformance.Doc) {
			conformance.SetSlot(class(d), "codingScheme", "1.2.3", "1.2.4")
		}),
		wrongEntry("code-missing", "A classification without nodeRepresentation is refused", "ITI TF-3 4.2.3.1.2", func(d *conformance.Doc) { class(d).RemoveAttr("nodeRepresentation") }),
		wrongEntry("classified-elsewhere", "A classification belongs to the object around it", "ITI TF-3 4.2.3.1.2", func(d *conformance.Doc) {
			class(d).CreateAttr("classifiedObject", conformance.NewUUID())
		}),
		wrongEntry("author-nobody", "An author is a person, an institution or an address", "ITI TF-3 4.2.3.1.4", func(d *conformance.Doc) {
			conformance.Remove(author(d), "authorPerson")
			conformance.Remove(author(d), "authorInstitution")
		}),
		wrongEntry("author-two-persons", "An author is one person", "ITI TF-3 4.2.3.1.4", func(d *conformance.Doc) {
			conformance.SetSlot(author(d), "authorPerson", "^GREVLING^KVART", "^REV^MIKKEL")
		}),
		wrongEntry("second-patientId", "An entry has one patientId", "ITI TF-3 Table 4.3.1-3", func(d *conformance.Doc) {
			for _, x := range d.XML.SelectElements("ExternalIdentifier") {
				if conformance.Attr(x, "identificationScheme") == conformance.EntryPatient {
					d.XML.AddChild(x.Copy())
				}
			}
		}),
		wrongEntry("limited-metadata", "The limitedMetadata mark is not for XDS", "ITI TF-3 Table 4.3.1-3", func(d *conformance.Doc) {
			c := d.XML.CreateElement("rim:Classification")
			c.CreateAttr("id", conformance.NewUUID())
			c.CreateAttr("classifiedObject", d.ID)
			c.CreateAttr("classificationNode", limitedEntry)
		}),
		wrongEntry("other-logical-id", "A first version has no logicalID of another object", "XDS Metadata Update, ITI TF-3 4.1.5", func(d *conformance.Doc) {
			d.XML.CreateAttr("lid", conformance.NewUUID())
		}),
		wrongSet("form-sourceId", "A sourceId that is not an OID is refused", "ITI TF-3 4.2.3.3.9", func(set *etree.Element) {
			conformance.SetIdentifier(set, conformance.SetSource, "kilde")
		}),
		wrongSet("form-submissionTime", "A submissionTime that is not a time is refused", "ITI TF-3 4.2.3.3.10", func(set *etree.Element) {
			conformance.SetSlot(set, "submissionTime", "2026-01-02T03:04:05Z")
		}),
		wrongFolder("required-folder-codeList", "A folder without codeList is refused", func(f *etree.Element) { conformance.Remove(f, conformance.FolderCode) }),
		wrongFolder("required-folder-patientId", "A folder without patientId is refused", func(f *etree.Element) { conformance.Remove(f, conformance.FolderPatient) }),
		wrongFolder("required-folder-uniqueId", "A folder without uniqueId is refused", func(f *etree.Element) { conformance.Remove(f, conformance.FolderUnique) }),
		wrongFolder("form-folder-uniqueId", "A folder's uniqueId is an OID", func(f *etree.Element) { conformance.SetIdentifier(f, conformance.FolderUnique, "mappe") }),
		refused("folder-of-other-patient", "A folder is of the submission's patient", tf42, "XDSPatientIdDoesNotMatch", func(t *conformance.T) *conformance.Submission {
			s := t.NewSubmission(t.Patient())
			s.Folder(t.OtherPatient(s.Patient))
			return s
		}),
		refused("duplicate-folder", "A folder's uniqueId is used once", tf42, "XDSDuplicateUniqueIdInRegistry", func(t *conformance.T) *conformance.Submission {
			first := t.NewSubmission(t.Patient())
			_, unique, _ := first.Folder(first.Patient)
			t.Setup(func() { t.Success(t.Register(first)) })
			s := t.NewSubmission(first.Patient)
			_, _, f := s.Folder(s.Patient)
			conformance.SetIdentifier(f, conformance.FolderUnique, unique)
			return s
		}),
		refused("set-has-documents-id", "A submission set does not take a document's uniqueId", tf42, "XDSDuplicateUniqueIdInRegistry", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(old.Patient)
			conformance.SetIdentifier(s.Set, conformance.SetUnique, old.Docs[0].UniqueID)
			return s
		}),
		takenAfter(1, "document-has-sets-id", "XDSDuplicateUniqueIdInRegistry is never about a document", tf42, func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				conformance.SetIdentifier(d.XML, conformance.EntryUnique, old.SetUnique)
			})
		}),
		refused("same-id-twice", "Two objects of one id are refused", "ITI TF-3 4.2.3.1.5", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				copied := s.Add("annet")
				copied.XML = fromText(strings.ReplaceAll(toText(copied.XML), copied.ID, d.ID))
				s.Others[len(s.Others)-1].CreateAttr("targetObject", d.ID)
			})
		}),
		refused("unclassified-code", "A coded attribute beside its object is refused", "ITI TF-3 4.2.3.1.2", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				s.Others = append(s.Others, d.XML.RemoveChild(class(d)).(*etree.Element))
			})
		}),
	}
}

func letters(r rune) rune {
	if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
		return r
	}
	return '-'
}

package cases

import (
	"strings"
	"time"

	"github.com/beevik/etree"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	unresolved = "UnresolvedReferenceException"
	deprecated = "XDSRegistryDeprecatedDocumentError"
	tf422      = "ITI TF-3 4.2.2"
)

// related registers a document, then submits another with an association to it.
func related(t *conformance.T, kind string) (old, s *conformance.Submission) {
	old = registered(t, t.Patient(), 1)
	s = t.NewSubmission(old.Patient)
	s.Associate(kind, s.Add("ny versjon").ID, old.Docs[0].ID)
	return old, s
}

func statusOf(t *conformance.T, unique string) string {
	return conformance.Attr(entryOf(t, unique), "status")
}

// keeps is a relationship that leaves its target Approved.
func keeps(id, kind string) conformance.Case {
	return conformance.Case{ID: "ITI-42/" + id, Title: "The target of " + id + " stays Approved and the association is found", Section: tf422,
		Mutant: mutant.Answers(":Approved", ":Deprecated"),
		Run: func(t *conformance.T) {
			old, s := related(t, kind)
			t.Success(t.Register(s))
			t.Check(statusOf(t, old.Docs[0].UniqueID) == conformance.Approved, "the target is %q", statusOf(t, old.Docs[0].UniqueID))
			o := t.ObjectsOf(t.Query("LeafClass", getRelated, conformance.P("$XDSDocumentEntryEntryUUID", "'"+old.Docs[0].ID+"'"), conformance.P("$AssociationTypes", conformance.Quote(kind))))
			t.Check(len(o.Associations) == 1 && len(o.Entries) == 2, "GetRelatedDocuments finds %s, expected 1 association and 2 entries", o)
		}}
}

// replaces is a relationship that deprecates its target.
func replaces(id, kind string) conformance.Case {
	return conformance.Case{ID: "ITI-42/" + id, Title: "The target of " + id + " becomes Deprecated", Section: "ITI TF-2 3.42.4.1.3.5",
		Mutant: mutant.Answers(":Deprecated", ":Approved"),
		Run: func(t *conformance.T) {
			old, s := related(t, kind)
			t.Success(t.Register(s))
			t.Check(statusOf(t, old.Docs[0].UniqueID) == conformance.Deprecated, "the replaced document is %q", statusOf(t, old.Docs[0].UniqueID))
			t.Check(statusOf(t, s.Docs[0].UniqueID) == conformance.Approved, "the new document is %q", statusOf(t, s.Docs[0].UniqueID))
		}}
}

// Relationships are the rules of ITI-42 on associations and folders.
func Relationships() []conformance.Case {
	return []conformance.Case{
		keeps("append", conformance.APND), keeps("transform", conformance.XFRM), keeps("sign", conformance.Signs),
		replaces("replace", conformance.RPLC), replaces("transform-replace", conformance.XFRMRPLC),
		{
			ID: "ITI-42/replace-deprecates-children", Title: "Replacing a document deprecates its transformations and addenda", Section: "ITI TF-2 3.42.4.1.3.5",
			Mutant: mutant.Answers(":Deprecated", ":Approved"),
			Run: func(t *conformance.T) {
				old, addendum := related(t, conformance.APND)
				transformed := t.NewSubmission(old.Patient)
				transformed.Associate(conformance.XFRM, transformed.Add("omformet").ID, old.Docs[0].ID)
				replacement := t.NewSubmission(old.Patient)
				replacement.Associate(conformance.RPLC, replacement.Add("erstatning").ID, old.Docs[0].ID)
				t.Setup(func() {
					t.Success(t.Register(addendum))
					t.Success(t.Register(transformed))
					t.Success(t.Register(replacement))
				})
				for _, s := range []*conformance.Submission{addendum, transformed} {
					t.Check(statusOf(t, s.Docs[0].UniqueID) == conformance.Deprecated, "a child of the replaced document is %q", statusOf(t, s.Docs[0].UniqueID))
				}
			},
		},
		{
			ID: "ITI-42/replace-in-folder", Title: "A replacement joins the folders of the replaced document and their lastUpdateTime moves", Section: "ITI TF-2 3.42.4.1.3.6",
			Mutant: mutant.OnPath("/registry", "b909a503", mutant.Answers(`(?s)<(\w+:)?ExtrinsicObject.*</(\w+:)?ExtrinsicObject>`, "")),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				d := s.Add("opprinnelig")
				folder, _, _ := s.Folder(s.Patient)
				s.InFolder(folder, d.ID)
				replacement := t.NewSubmission(s.Patient)
				n := replacement.Add("erstatning")
				replacement.Associate(conformance.RPLC, n.ID, d.ID)
				var before string
				t.Setup(func() {
					t.Success(t.Register(s))
					before = lastUpdate(t, folder)
					time.Sleep(1100 * time.Millisecond) // lastUpdateTime counts seconds
					t.Success(t.Register(replacement))
				})
				o := t.ObjectsOf(t.Query("LeafClass", getFolderContents, conformance.P("$XDSFolderEntryUUID", "'"+folder+"'")))
				found := false
				for _, e := range o.Entries {
					found = found || conformance.Attr(e, "id") == n.ID
				}
				t.Check(found, "the replacement is not in the folder: %s", o)
				t.Check(lastUpdate(t, folder) > before, "lastUpdateTime stayed %s", before)
			},
		},
		{
			ID: "ITI-42/folder-update-time", Title: "The registry sets a folder's lastUpdateTime itself", Section: "ITI TF-3 4.2.3.4.6",
			Mutant: mutant.Answers(`(name="lastUpdateTime">.*?<(?:\w+:)?Value>)\d+`, "${1}19990101000000"),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				folder, _, xml := s.Folder(s.Patient)
				conformance.SetSlot(xml, "lastUpdateTime", "19990101000000")
				t.Setup(func() { t.Success(t.Register(s)) })
				t.Check(lastUpdate(t, folder) > "2020", "lastUpdateTime is %q", lastUpdate(t, folder))
			},
		},
		takenAfter(1, "reference", "A submission set may refer to a registered document", "ITI TF-3 4.2.2.1.1", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(old.Patient)
			s.Member(s.SetID, old.Docs[0].ID, "Reference")
			return s
		}),
		takenAfter(1, "reference-other-patient", "By reference also to a document of another patient", "ITI TF-3 4.2.2.1.1", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(t.OtherPatient(old.Patient))
			s.Member(s.SetID, old.Docs[0].ID, "Reference")
			return s
		}),
		taken("append-in-submission", "An addendum may point at a document of its own submission", "ITI TF-2 3.42.4.1.3.4", func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				s.Associate(conformance.APND, s.Add("tillegg").ID, d.ID)
			})
		}),
		takenAfter(1, "folder-member-later", "A registered document may be put in a registered folder", "ITI TF-3 4.2.2.1.3", func(t *conformance.T) *conformance.Submission {
			first := t.NewSubmission(t.Patient())
			d := first.Add("dokument")
			folder, _, _ := first.Folder(first.Patient)
			t.Setup(func() { t.Success(t.Register(first)) })
			s := t.NewSubmission(first.Patient)
			s.InFolder(folder, d.ID)
			return s
		}),

		refused("unknown-target", "An association to nothing is refused", "ITI TF-2 3.42.4.1.3.4", unresolved, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				s.Associate(conformance.APND, d.ID, conformance.NewUUID())
			})
		}),
		refused("replace-in-submission", "A document of the same submission cannot be replaced", "ITI TF-2 3.42.4.1.3.4", unresolved, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				s.Associate(conformance.RPLC, s.Add("ny").ID, d.ID)
			})
		}),
		refused("relationship-source", "A relationship's source is a document of the submission", "ITI TF-2 3.42.4.1.3.4", unresolved, func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 2)
			s := t.NewSubmission(old.Patient)
			s.Associate(conformance.RPLC, old.Docs[0].ID, old.Docs[1].ID)
			return s
		}),
		refused("replace-deprecated", "A deprecated document cannot be replaced", "ITI TF-2 3.42.4.1.3.5", deprecated, func(t *conformance.T) *conformance.Submission {
			old, first := related(t, conformance.RPLC)
			t.Setup(func() { t.Success(t.Register(first)) })
			s := t.NewSubmission(old.Patient)
			s.Associate(conformance.RPLC, s.Add("for sent").ID, old.Docs[0].ID)
			return s
		}),
		refused("append-deprecated", "Nothing is appended to a deprecated document", "ITI TF-2 3.42.4.1.3.5", deprecated, func(t *conformance.T) *conformance.Submission {
			old, first := related(t, conformance.RPLC)
			t.Setup(func() { t.Success(t.Register(first)) })
			s := t.NewSubmission(old.Patient)
			s.Associate(conformance.APND, s.Add("for sent").ID, old.Docs[0].ID)
			return s
		}),
		refused("replace-other-patient", "A document replaces only one of the same patient", "ITI TF-2 3.42.4.1.3.5", "XDSPatientIdDoesNotMatch", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(t.OtherPatient(old.Patient))
			s.Associate(conformance.RPLC, s.Add("annen pasient").ID, old.Docs[0].ID)
			return s
		}),
		refused("append-to-transform", "Nothing is appended to a transformation", "ITI TF-3 4.2.2.2.1", metadataError, func(t *conformance.T) *conformance.Submission {
			_, first := related(t, conformance.XFRM)
			t.Setup(func() { t.Success(t.Register(first)) })
			s := t.NewSubmission(first.Patient)
			s.Associate(conformance.APND, s.Add("tillegg").ID, first.Docs[0].ID)
			return s
		}),
		refused("snapshot-of-stable", "A snapshot is of an on-demand document", "ITI TF-3 4.2.2.2.6", metadataError, func(t *conformance.T) *conformance.Submission {
			_, s := related(t, conformance.Snapshot)
			return s
		}),
		refused("member-status-missing", "A document's membership says Original or Reference", "ITI TF-3 4.2.2.1.1", metadataError, func(t *conformance.T) *conformance.Submission {
			s := one(t, nil)
			conformance.Remove(s.Others[0], "SubmissionSetStatus")
			return s
		}),
		refused("reference-in-submission", "A document of the submission is Original", "ITI TF-3 4.2.2.1.1", metadataError, func(t *conformance.T) *conformance.Submission {
			s := one(t, nil)
			conformance.SetSlot(s.Others[0], "SubmissionSetStatus", "Reference")
			return s
		}),
		refused("original-in-registry", "A registered document is Reference", "ITI TF-3 4.2.2.1.1", metadataError, func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(old.Patient)
			s.Member(s.SetID, old.Docs[0].ID, "Original")
			return s
		}),
		refused("folder-membership-alone", "A membership in a folder belongs to the submission set too", "ITI TF-3 4.2.2.1.3", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				folder, _, _ := s.Folder(s.Patient)
				s.Member(folder, d.ID, "")
			})
		}),
		refused("folder-other-patient", "A folder holds documents of its own patient", tf42, "XDSPatientIdDoesNotMatch", func(t *conformance.T) *conformance.Submission {
			first := t.NewSubmission(t.Patient())
			folder, _, _ := first.Folder(first.Patient)
			t.Setup(func() { t.Success(t.Register(first)) })
			s := t.NewSubmission(t.OtherPatient(first.Patient))
			s.InFolder(folder, s.Add("annen pasient").ID)
			return s
		}),
		refused("folder-deprecated-document", "A deprecated document is not put in a folder", tf42, deprecated, func(t *conformance.T) *conformance.Submission {
			old, first := related(t, conformance.RPLC)
			t.Setup(func() { t.Success(t.Register(first)) })
			s := t.NewSubmission(old.Patient)
			folder, _, _ := s.Folder(s.Patient)
			s.InFolder(folder, old.Docs[0].ID)
			return s
		}),
		refused("documented-membership", "A HasMember association carries no documentation of a relationship", "ITI TF-3 4.2.2.1", metadataError, func(t *conformance.T) *conformance.Submission {
			s := one(t, nil)
			addDocumentation(s.Others[0])
			return s
		}),
		refused("xds-a-type", "An association type without its URN is refused", "ITI TF-3 4.2.5.4", metadataError, func(t *conformance.T) *conformance.Submission {
			s := one(t, nil)
			s.Others[0].CreateAttr("associationType", "HasMember")
			return s
		}),
		{
			ID: "ITI-42/documented-relationship", Title: "The documentation of a relationship is kept", Section: "ITI TF-3 4.2.2.2",
			Mutant: mutant.Answers(conformance.Documentation, "urn:uuid:00000000-3442-4053-87b4-fd82c643d1f3"),
			Run: func(t *conformance.T) {
				_, s := related(t, conformance.APND)
				a := s.Others[len(s.Others)-2]
				for _, o := range s.Others {
					if conformance.Attr(o, "associationType") == conformance.APND {
						a = o
					}
				}
				addDocumentation(a)
				t.Success(t.Register(s))
				got := t.ObjectsOf(t.Query("LeafClass", getAssociations, conformance.P("$uuid", conformance.Quote(s.Docs[0].ID))))
				for _, g := range got.Associations {
					if conformance.Attr(g, "associationType") == conformance.APND {
						c := g.FindElement("./Classification[@classificationScheme='" + conformance.Documentation + "']")
						t.Check(c != nil && conformance.Attr(c, "nodeRepresentation") == "LABEL", "the documentation did not come back")
						return
					}
				}
				t.Failf("the association did not come back")
			},
		},
	}
}

func addDocumentation(a *etree.Element) {
	conformance.AddCode(a, conformance.Documentation, "LABEL", "2.16.578.1.12.4.5.100.8")
}

func lastUpdate(t *conformance.T, folder string) string {
	o := t.ObjectsOf(t.Query("LeafClass", getFolders, conformance.P("$XDSFolderEntryUUID", conformance.Quote(folder))))
	t.Check(len(o.Folders) == 1, "GetFolders finds %s, expected one folder", o)
	return strings.Join(conformance.SlotOf(o.Folders[0], "lastUpdateTime"), ",")
}

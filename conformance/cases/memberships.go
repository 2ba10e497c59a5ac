package cases

import (
	"slices"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

// Memberships are the rules of ITI-42 on what belongs to what, beyond those of
// Relationships.
func Memberships() []conformance.Case {
	return []conformance.Case{
		refused("document-without-set", "Each document of a submission belongs to its submission set", "ITI TF-3 4.2.1.4", metadataError, func(t *conformance.T) *conformance.Submission {
			s := one(t, nil)
			s.Others = nil
			return s
		}),
		refused("folder-in-folder", "A folder holds no folders", "ITI TF-3 4.2.1.3", metadataError+"|"+unresolved, func(t *conformance.T) *conformance.Submission {
			s := t.NewSubmission(t.Patient())
			outer, _, _ := s.Folder(s.Patient)
			inner, _, _ := s.Folder(s.Patient)
			s.InFolder(outer, inner)
			return s
		}),
		refused("closed-set", "A registered submission set takes no more members", "ITI TF-3 4.2.1.2", metadataError+"|"+unresolved, func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			return one(t, func(s *conformance.Submission, d *conformance.Doc) { s.Member(old.SetID, d.ID, "Original") })
		}),
		refused("relationship-to-folder", "A relationship leads to a document", "ITI TF-2 3.42.4.1.3.4", unresolved+"|"+metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				folder, _, _ := s.Folder(s.Patient)
				s.Associate(conformance.APND, d.ID, folder)
			})
		}),
		refused("append-other-patient", "A document is appended only to one of the same patient", "ITI TF-2 3.42.4.1.3.5", "XDSPatientIdDoesNotMatch", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(t.OtherPatient(old.Patient))
			s.Associate(conformance.APND, s.Add("annen pasient").ID, old.Docs[0].ID)
			return s
		}),
		refused("association-object-type", "An association whose objectType is another's is refused", "ITI TF-3 4.2.2", metadataError, func(t *conformance.T) *conformance.Submission {
			s := one(t, nil)
			s.Others[0].CreateAttr("objectType", "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:RegistryPackage")
			return s
		}),
		refused("association-slot-name", "An extra slot of an association whose name is no URN is refused", "ITI TF-3 4.2.3.1.6", metadataError, func(t *conformance.T) *conformance.Submission {
			s := one(t, nil)
			conformance.SetSlot(s.Others[0], "lokalFelt", "x")
			return s
		}),
		takenAfter(1, "one-replaces-two", "One document may replace two", "ITI TF-2 3.42.4.1.3.5", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 2)
			s := t.NewSubmission(old.Patient)
			n := s.Add("samlet").ID
			s.Associate(conformance.RPLC, n, old.Docs[0].ID)
			s.Associate(conformance.RPLC, n, old.Docs[1].ID)
			return s
		}),
		takenAfter(1, "replace-with-itself", "A document may be replaced by the same bytes with the same uniqueId", "ITI TF-3 4.2.2.2", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(old.Patient)
			n := s.Add("andre metadata")
			sameBytes(old.Docs[0], n)
			s.Associate(conformance.RPLC, n.ID, old.Docs[0].ID)
			return s
		}),
		{
			ID: "ITI-42/extra-slots-elsewhere", Title: "Extra slots of sets, folders and associations are kept, or warned of", Section: "ITI TF-3 4.2.3.1.6",
			Mutant: mutant.Answers("urn:example:kept", "urn:example:lost"),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				_, _, folder := s.Folder(s.Patient)
				conformance.SetSlot(s.Set, "urn:example:kept", "sett")
				conformance.SetSlot(folder, "urn:example:kept", "mappe")
				conformance.SetSlot(s.Others[1], "urn:example:kept", "forbindelse")
				for _, e := range t.ErrorsOf(t.Success(t.Register(s))) {
					if e.Code == "XDSExtraMetadataNotSaved" {
						return
					}
				}
				o := t.ObjectsOf(t.Query("LeafClass", getSetContents, conformance.P("$XDSSubmissionSetEntryUUID", "'"+s.SetID+"'")))
				t.Check(len(o.Sets) == 1 && len(o.Folders) == 1 && len(o.Associations) == 1, "found %s", o)
				for value, e := range map[string][]string{
					"sett":        conformance.SlotOf(o.Sets[0], "urn:example:kept"),
					"mappe":       conformance.SlotOf(o.Folders[0], "urn:example:kept"),
					"forbindelse": conformance.SlotOf(o.Associations[0], "urn:example:kept"),
				} {
					t.Check(slices.Equal(e, []string{value}), "the extra slot %q came back as %v", value, e)
				}
			},
		},
		{
			ID: "ITI-42/replace-in-folder-listed", Title: "The membership that a replacement gets in a folder belongs to the new submission set", Section: "ITI TF-2 3.42.4.1.3.5",
			Mutant: mutant.OnPath("/registry", getAssociations, mutant.Answers(`sourceObject="[^"]*"`, `sourceObject="urn:uuid:00000000-0000-4000-8000-000000000000"`)),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				d := s.Add("opprinnelig")
				folder, _, _ := s.Folder(s.Patient)
				s.InFolder(folder, d.ID)
				replacement := t.NewSubmission(s.Patient)
				n := replacement.Add("erstatning")
				replacement.Associate(conformance.RPLC, n.ID, d.ID)
				t.Setup(func() {
					t.Success(t.Register(s))
					t.Success(t.Register(replacement))
				})
				member := ""
				for _, a := range t.ObjectsOf(t.Query("LeafClass", getAssociations, conformance.P("$uuid", conformance.Quote(n.ID)))).Associations {
					if conformance.Attr(a, "sourceObject") == folder {
						member = conformance.Attr(a, "id")
					}
				}
				t.Check(member != "", "no association puts the replacement into the folder")
				for _, a := range t.ObjectsOf(t.Query("LeafClass", getAssociations, conformance.P("$uuid", conformance.Quote(replacement.SetID)))).Associations {
					if conformance.Attr(a, "targetObject") == member {
						return
					}
				}
				t.Failf("the new submission set has not the membership %s", member)
			},
		},
	}
}

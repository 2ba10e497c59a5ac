package cases

import (
	"regexp"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	metadataError = "XDSRegistryMetadataError"
	tf42          = "ITI TF-2 3.42.4.1.3"
)

// refused is a case whose submission must be refused with the code (or one of them,
// separated by |) and must leave nothing behind.
func refused(id, title, section, code string, build func(*conformance.T) *conformance.Submission) conformance.Case {
	return conformance.Case{ID: "ITI-42/" + id, Title: title, Section: section, Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) {
			s := build(t)
			t.Refused(t.Register(s), strings.Split(code, "|")...)
			for _, d := range s.Docs {
				o := t.ObjectsOf(t.Query("ObjectRef", getDocuments, conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(d.UniqueID))))
				for _, ref := range o.Refs {
					t.Check(conformance.Attr(ref, "id") != d.ID, "a refused submission left the entry %s behind", d.ID)
				}
			}
		}}
}

// taken is a case whose submission must be accepted.
func taken(id, title, section string, build func(*conformance.T) *conformance.Submission) conformance.Case {
	return conformance.Case{ID: "ITI-42/" + id, Title: title, Section: section, Mutant: mutant.Refuses(),
		Run: func(t *conformance.T) { t.Success(t.Register(build(t))) }}
}

// takenAfter is taken for a case that needs n exchanges to set it up.
func takenAfter(n int, id, title, section string, build func(*conformance.T) *conformance.Submission) conformance.Case {
	c := taken(id, title, section, build)
	c.Mutant = mutant.RefusesAfter(n)
	return c
}

// one is a submission of one document, altered.
func one(t *conformance.T, edit func(s *conformance.Submission, d *conformance.Doc)) *conformance.Submission {
	s := t.NewSubmission(t.Patient())
	d := s.Add("innhold")
	if edit != nil {
		edit(s, d)
	}
	return s
}

// registered registers a submission of n documents during set-up.
func registered(t *conformance.T, patient string, n int) *conformance.Submission {
	s := t.NewSubmission(patient)
	for range n {
		s.Add("dokument " + conformance.NewOID())
	}
	t.Setup(func() { t.Success(t.Register(s)) })
	return s
}

// Register are the rules of ITI-42 on single objects and whole submissions.
func Register() []conformance.Case {
	cases := []conformance.Case{
		taken("one-document", "A submission of one document is accepted", "ITI TF-2 3.42.4.1", func(t *conformance.T) *conformance.Submission { return one(t, nil) }),
		taken("set-only", "A submission set without documents is accepted", "ITI TF-3 4.2.1.5", func(t *conformance.T) *conformance.Submission { return t.NewSubmission(t.Patient()) }),
		taken("folder-only", "A folder without documents is accepted", "ITI TF-3 4.2.1.5", func(t *conformance.T) *conformance.Submission {
			s := t.NewSubmission(t.Patient())
			s.Folder(s.Patient)
			return s
		}),
		taken("sibling-classification", "The submission set's type may stand beside it", "ITI TF-3 4.2.1.2.1", func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, _ *conformance.Doc) {
				for _, c := range s.Set.ChildElements() {
					if conformance.Attr(c, "classificationNode") != "" {
						s.Others = append([]*etree.Element{s.Set.RemoveChild(c).(*etree.Element)}, s.Others...)
					}
				}
			})
		}),
		taken("unique-id-any-form", "A document's uniqueId may have any form", "ITI TF-3 4.2.3.2.26", func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				conformance.SetIdentifier(d.XML, conformance.EntryUnique, conformance.NewOID()+"^EXT-"+conformance.NewOID())
			})
		}),
		taken("display-name", "Another display name of a code is accepted", "ITI TF-2 3.42.4.1.3.3", func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				d.XML.FindElement("./Classification[@classificationScheme='"+conformance.EntryClass+"']/Name/LocalizedString").CreateAttr("value", "Noe annet")
			})
		}),
		taken("status-ignored", "A submitted status is ignored", "ITI TF-2 3.42.4.1.3.3.5", func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				d.XML.CreateAttr("status", "urn:oasis:names:tc:ebxml-regrep:StatusType:Submitted")
			})
		}),
		takenAfter(1, "same-document-again", "The same uniqueId with the same bytes is accepted again", "ITI TF-3 4.2.3.2.26", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) { sameBytes(old.Docs[0], d) })
		}),
		takenAfter(1, "uppercase-hash", "A hash in capitals is the same hash", "ITI TF-3 4.2.3.2.10", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				sameBytes(old.Docs[0], d)
				conformance.SetSlot(d.XML, "hash", strings.ToUpper(conformance.SlotOf(d.XML, "hash")[0]))
			})
		}),

		refused("no-set", "A submission without a submission set is refused", "ITI TF-3 4.2.1.5", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, _ *conformance.Doc) { s.Set, s.Others = nil, nil })
		}),
		refused("two-sets", "A submission with two submission sets is refused", "ITI TF-3 4.2.1.5", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, _ *conformance.Doc) {
				s.Others = append(s.Others, t.NewSubmission(s.Patient).Set)
			})
		}),
		refused("untyped-package", "A RegistryPackage that is neither submission set nor folder is refused", "ITI TF-3 4.2.4.1", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, _ *conformance.Doc) {
				_, _, f := s.Folder(s.Patient)
				conformance.Remove(f, "")
				for _, c := range f.ChildElements() {
					if conformance.Attr(c, "classificationNode") != "" {
						f.RemoveChild(c)
					}
				}
			})
		}),
		refused("extra-slot-name", "An extra slot whose name is no URN is refused", "ITI TF-3 4.2.3.1.6", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) { conformance.SetSlot(d.XML, "lokalFelt", "x") })
		}),
		refused("extra-slot-ihe", "An unknown slot in IHE's name space is refused", "ITI TF-3 4.2.3.1.6", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				conformance.SetSlot(d.XML, "urn:ihe:iti:xds:2099:unknown", "x")
			})
		}),
		refused("service-times", "A service that stops before it starts is refused", tf42, metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				conformance.SetSlot(d.XML, "serviceStopTime", "20200101")
			})
		}),
		refused("two-patients", "Objects of two patients in one submission are refused", tf42, "XDSPatientIdDoesNotMatch", func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				conformance.SetIdentifier(d.XML, conformance.EntryPatient, t.OtherPatient(s.Patient))
			})
		}),
		refused("duplicate-in-message", "One uniqueId twice in a message is refused", tf42, "XDSRegistryDuplicateUniqueIdInMessage", func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, d *conformance.Doc) {
				conformance.SetIdentifier(s.Add("annet").XML, conformance.EntryUnique, d.UniqueID)
			})
		}),
		refused("duplicate-set", "A submission set's uniqueId is used once", tf42, "XDSDuplicateUniqueIdInRegistry", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			return one(t, func(s *conformance.Submission, _ *conformance.Doc) {
				conformance.SetIdentifier(s.Set, conformance.SetUnique, old.SetUnique)
			})
		}),
		refused("other-hash", "The same uniqueId with other bytes is refused", tf42, "XDSNonIdenticalHash", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				sameBytes(old.Docs[0], d)
				conformance.SetSlot(d.XML, "hash", strings.Repeat("0", 40))
			})
		}),
		refused("other-size", "The same uniqueId with another size is refused", tf42, "XDSNonIdenticalSize", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			return one(t, func(_ *conformance.Submission, d *conformance.Doc) {
				sameBytes(old.Docs[0], d)
				conformance.SetSlot(d.XML, "size", "1")
			})
		}),
		refused("known-entry-uuid", "An entryUUID that exists is refused", tf42, metadataError, func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(old.Patient)
			d := s.Add("annet")
			text := toText(d.XML)
			d.XML = fromText(strings.ReplaceAll(text, d.ID, old.Docs[0].ID))
			s.Others = nil
			s.Member(s.SetID, old.Docs[0].ID, "Original")
			s.Docs[0].ID = "" // the registry holds the old entry of this id: not to be looked for
			return s
		}),
		{
			ID: "ITI-42/extra-slot-kept", Title: "An extra slot with a URN name is kept and returned, or warned of", Section: "ITI TF-3 4.2.3.1.6",
			Mutant: mutant.Answers("urn:example:kept", "urn:example:lost"),
			Run: func(t *conformance.T) {
				s := one(t, func(_ *conformance.Submission, d *conformance.Doc) {
					conformance.SetSlot(d.XML, "urn:example:kept", "første", "andre")
				})
				a := t.Success(t.Register(s))
				for _, e := range t.ErrorsOf(a) {
					if e.Code == "XDSExtraMetadataNotSaved" {
						return
					}
				}
				e := entryOf(t, s.Docs[0].UniqueID)
				t.Check(slices.Equal(conformance.SlotOf(e, "urn:example:kept"), []string{"første", "andre"}), "the extra slot came back as %v", conformance.SlotOf(e, "urn:example:kept"))
			},
		},
		{
			ID: "ITI-42/symbolic-ids", Title: "Symbolic ids become UUIDs, everywhere the same", Section: "ITI TF-2 3.42.4.1.3.7",
			Mutant: mutant.Answers(`(targetObject=")urn:uuid:[0-9a-f]{8}`, "${1}urn:uuid:00000000"),
			Run: func(t *conformance.T) {
				s := one(t, nil)
				text := strings.ReplaceAll(toText(s.Docs[0].XML), s.Docs[0].ID, "Document01")
				s.Docs[0].XML = fromText(text)
				s.Others[0].CreateAttr("targetObject", "Document01")
				t.Success(t.Register(s))
				e := entryOf(t, s.Docs[0].UniqueID)
				id := conformance.Attr(e, "id")
				t.Check(uuidForm.MatchString(id), "entryUUID is %q", id)
				o := t.ObjectsOf(t.Query("LeafClass", getAssociations, conformance.P("$uuid", conformance.Quote(id))))
				t.Check(len(o.Associations) == 1, "%d associations of the entry, expected its membership", len(o.Associations))
				t.Check(conformance.Attr(o.Associations[0], "targetObject") == id, "the membership points at %q, the entry is %q", conformance.Attr(o.Associations[0], "targetObject"), id)
			},
		},
		{
			ID: "ITI-42/approved", Title: "New objects are Approved", Section: "ITI TF-2 3.42.4.1.3.3.5",
			Mutant: mutant.Answers(":Approved", ":Deprecated"),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 1)
				e := entryOf(t, s.Docs[0].UniqueID)
				t.Check(conformance.Attr(e, "status") == conformance.Approved, "status is %q", conformance.Attr(e, "status"))
			},
		},
		{
			ID: "ITI-42/values-kept", Title: "Values come back as they were submitted", Section: "ITI TF-3 4.2.3",
			Mutant: mutant.Answers("565505933", "565505934"),
			Run: func(t *conformance.T) {
				s := one(t, nil)
				t.Setup(func() { t.Success(t.Register(s)) })
				sent, got := s.Docs[0].XML, entryOf(t, s.Docs[0].UniqueID)
				for _, name := range []string{"creationTime", "languageCode", "serviceStartTime", "serviceStopTime", "sourcePatientId", "sourcePatientInfo", "hash", "size"} {
					t.Check(slices.Equal(conformance.SlotOf(sent, name), conformance.SlotOf(got, name)), "%s was %v and came back as %v", name, conformance.SlotOf(sent, name), conformance.SlotOf(got, name))
				}
				author := got.FindElement("./Classification[@classificationScheme='" + conformance.EntryAuthor + "']")
				t.Check(author != nil, "the author is gone")
				t.Check(slices.Equal(conformance.SlotOf(author, "authorPerson"), []string{"565505933^GREVLING^KVART^^^^^^&2.16.578.1.12.4.1.4.4&ISO"}), "authorPerson came back as %v", conformance.SlotOf(author, "authorPerson"))
				t.Check(conformance.ExternalID(got, conformance.EntryPatient) == s.Patient, "patientId came back as %q", conformance.ExternalID(got, conformance.EntryPatient))
			},
		},
	}
	return append(cases, required()...)
}

var uuidForm = regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)

// required has a case for every attribute that ITI TF-3 Table 4.3.1-3 requires
// and for every form.
func required() []conformance.Case {
	var out []conformance.Case
	missing := func(what, name string, in func(*conformance.Submission) *etree.Element) {
		out = append(out, refused("required-"+what, "A submission without "+what+" is refused", "ITI TF-3 Table 4.3.1-3", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, func(s *conformance.Submission, _ *conformance.Doc) { conformance.Remove(in(s), name) })
		}))
	}
	entry := func(s *conformance.Submission) *etree.Element { return s.Docs[0].XML }
	set := func(s *conformance.Submission) *etree.Element { return s.Set }
	missing("classCode", conformance.EntryClass, entry)
	missing("confidentialityCode", conformance.EntryConfidential, entry)
	missing("creationTime", "creationTime", entry)
	missing("formatCode", conformance.EntryFormat, entry)
	missing("healthcareFacilityTypeCode", conformance.EntryFacility, entry)
	missing("languageCode", "languageCode", entry)
	missing("patientId", conformance.EntryPatient, entry)
	missing("practiceSettingCode", conformance.EntryPractice, entry)
	missing("sourcePatientId", "sourcePatientId", entry)
	missing("typeCode", conformance.EntryType, entry)
	missing("uniqueId", conformance.EntryUnique, entry)
	missing("hash", "hash", entry)
	missing("size", "size", entry)
	missing("repositoryUniqueId", "repositoryUniqueId", entry)
	missing("contentTypeCode", conformance.SetContentType, set)
	missing("submissionTime", "submissionTime", set)
	missing("set-patientId", conformance.SetPatient, set)
	missing("set-sourceId", conformance.SetSource, set)
	missing("set-uniqueId", conformance.SetUnique, set)

	wrong := func(what string, edit func(*conformance.Submission, *conformance.Doc)) {
		out = append(out, refused("form-"+what, "A wrong form of "+what+" is refused", "ITI TF-3 4.2.3.1.7", metadataError, func(t *conformance.T) *conformance.Submission { return one(t, edit) }))
	}
	wrong("creationTime", func(_ *conformance.Submission, d *conformance.Doc) {
		conformance.SetSlot(d.XML, "creationTime", "2026-01-02")
	})
	wrong("creationTime-calendar", func(_ *conformance.Submission, d *conformance.Doc) {
		conformance.SetSlot(d.XML, "creationTime", "20261302")
	})
	wrong("size", func(_ *conformance.Submission, d *conformance.Doc) { conformance.SetSlot(d.XML, "size", "many") })
	wrong("hash", func(_ *conformance.Submission, d *conformance.Doc) { conformance.SetSlot(d.XML, "hash", "abc") })
	wrong("patientId", func(s *conformance.Submission, d *conformance.Doc) {
		conformance.SetIdentifier(d.XML, conformance.EntryPatient, "123")
		conformance.SetIdentifier(s.Set, conformance.SetPatient, "123")
	})
	wrong("set-uniqueId", func(s *conformance.Submission, _ *conformance.Doc) {
		conformance.SetIdentifier(s.Set, conformance.SetUnique, "not an oid")
	})
	wrong("single-value", func(_ *conformance.Submission, d *conformance.Doc) {
		conformance.SetSlot(d.XML, "creationTime", "20260101", "20260102")
	})
	wrong("second-classCode", func(_ *conformance.Submission, d *conformance.Doc) {
		conformance.AddCode(d.XML, conformance.EntryClass, "B00-1", "2.16.578.1.12.4.1.1.9602")
	})
	wrong("objectType", func(_ *conformance.Submission, d *conformance.Doc) {
		d.XML.CreateAttr("objectType", conformance.NewUUID())
	})
	return out
}

// sameBytes makes d another entry of the document that old describes.
func sameBytes(old, d *conformance.Doc) {
	conformance.SetIdentifier(d.XML, conformance.EntryUnique, old.UniqueID)
	for _, name := range []string{"hash", "size"} {
		conformance.SetSlot(d.XML, name, conformance.SlotOf(old.XML, name)...)
	}
	d.UniqueID = old.UniqueID
}

func toText(e *etree.Element) string {
	doc := etree.NewDocument()
	doc.SetRoot(e.Copy())
	s, err := doc.WriteToString()
	if err != nil {
		panic(err)
	}
	return s
}

func fromText(s string) *etree.Element {
	doc := etree.NewDocument()
	if err := doc.ReadFromString(s); err != nil {
		panic(err)
	}
	return doc.Root()
}

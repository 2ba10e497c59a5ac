package cases

import (
	"slices"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	mu  = "XDS Metadata Update, ITI TF-2 3.57.4.1.3"
	rmu = "Restricted Metadata Update, ITI TF-2 3.92"
	rmd = "Remove Metadata and Documents, ITI TF-2 3."
)

// update registers a document and makes a request about it.
func update(t *conformance.T, build func(u *conformance.Submission, old *conformance.Doc)) (old *conformance.Doc, u *conformance.Submission) {
	s := registered(t, t.Patient(), 1)
	old, u = s.Docs[0], t.NewSubmission(s.Patient)
	build(u, old)
	return old, u
}

// notUpdated is a request that is refused with a code, and the location of what
// is wrong in it.
func notUpdated(id, title, code string, send func(*conformance.T, *conformance.Submission) *conformance.Answer, build func(u *conformance.Submission, old *conformance.Doc)) conformance.Case {
	section := mu
	if id[:6] == "ITI-92" {
		section = rmu
	}
	return conformance.Case{ID: id, Title: title, Section: section, Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) {
			old, u := update(t, build)
			e := t.Refused(send(t, u), code)
			t.Check(slices.Contains(u.IDs(), e.Location), "location is %q, which is no object of the request", e.Location)
			t.Check(statusOf(t, old.UniqueID) == conformance.Approved, "a refused update left the document %s", statusOf(t, old.UniqueID))
		}}
}

func sendUpdate(t *conformance.T, u *conformance.Submission) *conformance.Answer { return t.Update(u) }
func sendRestricted(t *conformance.T, u *conformance.Submission) *conformance.Answer {
	return t.Restricted(u)
}

// versionsOf asks for all versions of a logical object.
func versionsOf(t *conformance.T, lid string, more ...conformance.Param) conformance.Objects {
	return t.ObjectsOf(t.Query("LeafClass", getDocuments, append(more, conformance.P("$XDSDocumentEntryLogicalID", conformance.Quote(lid)))...))
}

func statusSlots(from, to string) []string {
	return []string{conformance.Slot("OriginalStatus", from), conformance.Slot("NewStatus", to)}
}

// replacesEntry is a case of an update that makes a new version.
func replacesEntry(id, section string, send func(*conformance.T, *conformance.Submission) *conformance.Answer) conformance.Case {
	return conformance.Case{ID: id, Title: "A new version of an entry takes the place of the previous one", Section: section,
		Mutant: mutant.OnPath("/registry", "AdhocQuery", mutant.Answers("Rettet tittel", "Epikrise")),
		Run: func(t *conformance.T) {
			old, u := update(t, func(u *conformance.Submission, old *conformance.Doc) {
				u.Revise(old, "1", func(d *conformance.Doc) { conformance.SetTitle(d, "Rettet tittel") })
			})
			t.Success(send(t, u))
			o := versionsOf(t, old.ID)
			t.Check(len(o.Entries) == 1, "GetDocuments by logical id finds %s, expected the newest version", o)
			e := o.Entries[0]
			t.Check(conformance.Attr(e, "id") == u.Docs[0].ID && conformance.Attr(e, "lid") == old.ID, "the newest version is %s of %s", conformance.Attr(e, "id"), conformance.Attr(e, "lid"))
			t.Check(conformance.Attr(e, "status") == conformance.Approved, "the new version is %q", conformance.Attr(e, "status"))
			title := e.FindElement("./Name/LocalizedString")
			t.Check(title != nil && title.SelectAttrValue("value", "") == "Rettet tittel", "the new version has the old title")
			info := e.FindElement("./VersionInfo")
			t.Check(info != nil && info.SelectAttrValue("versionName", "") == "2", "VersionInfo is not 2")
		}}
}

// Updates are the rules of ITI-57 and ITI-92.
func Updates() []conformance.Case {
	revise := func(edit func(*conformance.Doc)) func(*conformance.Submission, *conformance.Doc) {
		return func(u *conformance.Submission, old *conformance.Doc) { u.Revise(old, "1", edit) }
	}
	return []conformance.Case{
		replacesEntry("ITI-57/new-version", mu, sendUpdate),
		{
			ID: "ITI-57/metadata-level", Title: "$MetadataLevel 2 shows all versions, the older ones Deprecated", Section: "XDS Metadata Update, ITI TF-2 3.18.4.1.2.3.5.1",
			Mutant: mutant.Ignores("$MetadataLevel"),
			Run: func(t *conformance.T) {
				old, u := update(t, revise(nil))
				t.Setup(func() { t.Success(t.Update(u)) })
				o := versionsOf(t, old.ID, conformance.P("$MetadataLevel", "2"))
				t.Check(len(o.Entries) == 2, "level 2 finds %s, expected 2 versions", o)
				for _, e := range o.Entries {
					want := conformance.Approved
					if conformance.Attr(e, "id") == old.ID {
						want = conformance.Deprecated
					}
					t.Check(conformance.Attr(e, "status") == want, "%s is %q", conformance.Attr(e, "id"), conformance.Attr(e, "status"))
				}
			},
		},
		{
			ID: "ITI-57/propagation", Title: "A new version joins the folders of the previous one", Section: mu,
			Mutant: mutant.OnPath("/registry", getFolderContents, mutant.Answers(`(?s)<(\w+:)?ExtrinsicObject.*</(\w+:)?ExtrinsicObject>`, "")),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				d := s.Add("i mappe")
				folder, _, _ := s.Folder(s.Patient)
				s.InFolder(folder, d.ID)
				u := t.NewSubmission(s.Patient)
				n := u.Revise(d, "1", nil)
				t.Setup(func() {
					t.Success(t.Register(s))
					t.Success(t.Update(u))
				})
				o := t.ObjectsOf(t.Query("LeafClass", getFolderContents, conformance.P("$XDSFolderEntryUUID", "'"+folder+"'")))
				t.Check(len(o.Entries) == 1 && conformance.Attr(o.Entries[0], "id") == n.ID, "the folder holds %s, expected the new version", o)
			},
		},
		{
			ID: "ITI-57/status", Title: "UpdateAvailabilityStatus changes the status and makes no version", Section: mu,
			Mutant: mutant.Answers(":Deprecated", ":Approved"),
			Run: func(t *conformance.T) {
				old, u := update(t, func(u *conformance.Submission, old *conformance.Doc) {
					u.Associate(conformance.UpdateStatus, u.SetID, old.ID, statusSlots(conformance.Approved, conformance.Deprecated)...)
				})
				t.Success(t.Update(u))
				o := versionsOf(t, old.ID, conformance.P("$MetadataLevel", "2"))
				t.Check(len(o.Entries) == 1 && conformance.Attr(o.Entries[0], "status") == conformance.Deprecated, "found %s, expected one Deprecated entry", o)
			},
		},
		{
			ID: "ITI-57/submit-association", Title: "SubmitAssociation adds an association of registered objects", Section: mu,
			Mutant: mutant.OnPath("/registry", getRelated, mutant.Answers(`(?s)<(\w+:)?Association .*?</(\w+:)?Association>`, "")),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 2)
				u := t.NewSubmission(s.Patient)
				u.Associate(conformance.SubmitAssociation, u.SetID, u.Associate(conformance.APND, s.Docs[0].ID, s.Docs[1].ID))
				t.Setup(func() { t.Success(t.Update(u)) })
				o := t.ObjectsOf(t.Query("LeafClass", getRelated, conformance.P("$XDSDocumentEntryEntryUUID", "'"+s.Docs[1].ID+"'"), conformance.P("$AssociationTypes", conformance.Quote(conformance.APND))))
				t.Check(len(o.Associations) == 1 && len(o.Entries) == 2, "GetRelatedDocuments finds %s", o)
			},
		},
		notUpdated("ITI-57/version-mismatch", "A wrong PreviousVersion is refused", "XDSMetadataVersionError", sendUpdate,
			func(u *conformance.Submission, old *conformance.Doc) { u.Revise(old, "7", nil) }),
		notUpdated("ITI-57/unique-id-changes", "A new version keeps the uniqueId", "XDSMetadataIdentifierError", sendUpdate,
			revise(func(d *conformance.Doc) {
				conformance.SetIdentifier(d.XML, conformance.EntryUnique, conformance.NewOID())
			})),
		notUpdated("ITI-57/unknown-logical-id", "A logical id that is not registered is refused", unresolved, sendUpdate,
			revise(func(d *conformance.Doc) { d.XML.CreateAttr("lid", conformance.NewUUID()) })),
		notUpdated("ITI-57/first-version", "A first version is no update", "XDSInvalidRequestException", sendUpdate,
			revise(func(d *conformance.Doc) { d.XML.RemoveAttr("lid") })),
		notUpdated("ITI-57/original-status", "OriginalStatus must be the present status", "XDSMetadataUpdateError", sendUpdate,
			func(u *conformance.Submission, old *conformance.Doc) {
				u.Associate(conformance.UpdateStatus, u.SetID, old.ID, statusSlots(conformance.Deprecated, conformance.Approved)...)
			}),
		notUpdated("ITI-57/patients", "A new version and its submission set are of one patient", "XDSPatientIDReconciliationError", sendUpdate,
			revise(func(d *conformance.Doc) {
				conformance.SetIdentifier(d.XML, conformance.EntryPatient, "CX1^^^&1.3.6.1.4.1.21367.2005.13.20.1000&ISO")
			})),
		replacesEntry("ITI-92/new-version", rmu, sendRestricted),
		notUpdated("ITI-92/repository", "A restricted update keeps the repositoryUniqueId", "UnmodifiableMetadataError", sendRestricted,
			revise(func(d *conformance.Doc) { conformance.SetSlot(d.XML, "repositoryUniqueId", "1.2.3.4.5") })),
		notUpdated("ITI-92/status", "A restricted update changes no status", "UnmodifiableMetadataError", sendRestricted,
			func(u *conformance.Submission, old *conformance.Doc) {
				u.Associate(conformance.UpdateStatus, u.SetID, old.ID, statusSlots(conformance.Approved, conformance.Deprecated)...)
			}),
		notUpdated("ITI-92/version-mismatch", "A restricted update of an old version is refused", "XDSMetadataVersionError", sendRestricted,
			func(u *conformance.Submission, old *conformance.Doc) { u.Revise(old, "7", nil) }),
	}
}

// notRemoved is a removal that is refused and changes nothing.
func notRemoved(id, title, code string, ids func(*conformance.Submission) []string) conformance.Case {
	return conformance.Case{ID: id, Title: title, Section: rmd + "62.4.1.3", Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) {
			s := registered(t, t.Patient(), 1)
			t.Refused(t.Remove(ids(s)...), code)
			entryOf(t, s.Docs[0].UniqueID)
		}}
}

// Removals are the rules of ITI-62 and ITI-86.
func Removals() []conformance.Case {
	return []conformance.Case{
		{
			ID: "ITI-62/whole-submission", Title: "A submission is removed with everything in it", Section: rmd + "62.4.1.3",
			Mutant: mutant.Requests(`urn:ihe:iti:2010:DeleteDocumentSet`, "urn:ihe:iti:2007:RegistryStoredQuery"),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 2)
				t.Success(t.Remove(s.IDs()...))
				o := t.ObjectsOf(t.Query("LeafClass", getDocuments, conformance.P("$XDSDocumentEntryEntryUUID", conformance.Quote(s.Docs[0].ID, s.Docs[1].ID)), conformance.P("$MetadataLevel", "2")))
				t.Check(o.Total() == 0, "removed entries are found: %s", o)
				t.Refused(t.Remove(s.SetID), unresolved)
			},
		},
		notRemoved("ITI-62/unknown", "An unknown id is refused and nothing is removed", unresolved,
			func(s *conformance.Submission) []string { return append(s.IDs(), conformance.NewUUID()) }),
		notRemoved("ITI-62/referenced", "What is still referred to is not removed", "ReferencesExistException",
			func(s *conformance.Submission) []string { return []string{s.Docs[0].ID} }),
		notRemoved("ITI-62/orphan", "No entry is left without a submission set", "XDSUnreferencedObjectException",
			func(s *conformance.Submission) []string {
				return slices.DeleteFunc(s.IDs(), func(id string) bool { return id == s.Docs[0].ID })
			}),
		{
			ID: "ITI-86/removed", Title: "A removed document cannot be retrieved; its entry stays", Section: rmd + "86.4.1.3",
			Mutant: mutant.OnPath("/repository", "RetrieveDocumentSetRequest", mutant.Accepts()),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				d := s.Add("skal bort")
				var get conformance.Get
				t.Setup(func() {
					t.Success(t.Provide(s))
					get = conformance.Get{Repository: repositoryOf(t, d.UniqueID), Unique: d.UniqueID}
				})
				t.Success(t.RemoveDocuments(get))
				t.Refused(t.Retrieve(get), "XDSDocumentUniqueIdError")
				entryOf(t, d.UniqueID)
				t.Refused(t.RemoveDocuments(get), "XDSDocumentUniqueIdError")
			},
		},
		{
			ID: "ITI-86/partial", Title: "Of two documents the known one is removed, with PartialSuccess", Section: rmd + "86.4.2.3",
			Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				d := s.Add("skal bort")
				var get conformance.Get
				t.Setup(func() {
					t.Success(t.Provide(s))
					get = conformance.Get{Repository: repositoryOf(t, d.UniqueID), Unique: d.UniqueID}
				})
				errs := t.Partial(t.RemoveDocuments(get, conformance.Get{Repository: get.Repository, Unique: conformance.NewOID()}))
				t.Check(len(errs) == 1 && errs[0].Code == "XDSDocumentUniqueIdError", "errors are %v", errs)
				t.Refused(t.Retrieve(get), "XDSDocumentUniqueIdError")
			},
		},
	}
}

// repositoryOf is where the registry says that a document is.
func repositoryOf(t *conformance.T, unique string) string {
	return strings.Join(conformance.SlotOf(entryOf(t, unique), "repositoryUniqueId"), "")
}

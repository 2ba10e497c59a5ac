package cases

import (
	"regexp"
	"slices"
	"strings"

	"github.com/beevik/etree"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

type params = []conformance.Param

// QueryEach are the rules that hold for each of the stored queries of ITI-18: what
// it needs, what it must not mix, how it is narrowed.
func QueryEach() []conformance.Case {
	return slices.Concat(needs(), narrowed(), onePatientOnly(), answerForms())
}

// needs: required parameters and numbers of values (ITI TF-2 3.18.4.1.2.3.7).
func needs() []conformance.Case {
	const missing, number = "XDSStoredQueryMissingParam", "XDSStoredQueryParamNumber"
	approved := conformance.Quote(conformance.Approved)
	two := conformance.Quote(conformance.NewUUID(), conformance.NewUUID())
	single := "'" + conformance.NewUUID() + "'"
	var out []conformance.Case
	add := func(id, code, query string, p ...conformance.Param) {
		out = append(out, queryFails(id, "The query without its parameters, or with too many values, is refused: "+id, code, query, func(*conformance.T) params { return p }))
	}
	const patient = "'1^^^&1.2.3&ISO'"
	add("find-sets-patient", missing, findSets, conformance.P("$XDSSubmissionSetStatus", approved))
	add("find-sets-status", missing, findSets, conformance.P("$XDSSubmissionSetPatientId", patient))
	add("find-sets-authors", number, findSets, conformance.P("$XDSSubmissionSetPatientId", patient), conformance.P("$XDSSubmissionSetStatus", approved), conformance.P("$XDSSubmissionSetAuthorPerson", "('a','b')"))
	add("find-folders-patient", missing, findFolders, conformance.P("$XDSFolderStatus", approved))
	add("find-folders-status", missing, findFolders, conformance.P("$XDSFolderPatientId", patient))
	add("get-all-patient", missing, getAll, conformance.P("$XDSDocumentEntryStatus", approved), conformance.P("$XDSSubmissionSetStatus", approved), conformance.P("$XDSFolderStatus", approved))
	add("get-all-status", missing, getAll, conformance.P("$patientId", patient), conformance.P("$XDSDocumentEntryStatus", approved), conformance.P("$XDSSubmissionSetStatus", approved))
	add("reference-id-missing", missing, findByReference, findParams("1^^^&1.2.3&ISO")...)
	add("get-folders-neither", missing, getFolders)
	add("get-folders-both", number, getFolders, conformance.P("$XDSFolderEntryUUID", two), conformance.P("$XDSFolderUniqueId", "('1.2.3')"))
	add("get-associations-none", missing, getAssociations)
	add("get-documents-and-associations-neither", missing, getDocsAndAssocs)
	add("get-documents-and-associations-both", number, getDocsAndAssocs, conformance.P("$XDSDocumentEntryEntryUUID", two), conformance.P("$XDSDocumentEntryUniqueId", "('1.2.3')"))
	add("get-submission-sets-none", missing, getSets)
	add("set-contents-neither", missing, getSetContents)
	add("set-contents-two", number, getSetContents, conformance.P("$XDSSubmissionSetEntryUUID", two))
	add("set-contents-both", number, getSetContents, conformance.P("$XDSSubmissionSetEntryUUID", single), conformance.P("$XDSSubmissionSetUniqueId", "'1.2.3'"))
	add("folder-contents-neither", missing, getFolderContents)
	add("folder-contents-two", number, getFolderContents, conformance.P("$XDSFolderEntryUUID", two))
	add("folders-for-document-neither", missing, getFoldersForDoc)
	add("folders-for-document-two", number, getFoldersForDoc, conformance.P("$XDSDocumentEntryEntryUUID", two))
	add("related-neither", missing, getRelated, conformance.P("$AssociationTypes", conformance.Quote(conformance.APND)))
	add("related-types", missing, getRelated, conformance.P("$XDSDocumentEntryEntryUUID", single))
	add("related-two", number, getRelated, conformance.P("$XDSDocumentEntryEntryUUID", two), conformance.P("$AssociationTypes", conformance.Quote(conformance.APND)))
	return out
}

// narrows is a parameter that changes what a query on a folder with one of two
// documents finds, from total objects to less.
func narrows(id, title, query string, base func(s *conformance.Submission, folder string) params, more conformance.Param, all, left int) conformance.Case {
	return conformance.Case{ID: "ITI-18/" + id, Title: title, Section: "ITI TF-2 3.18.4.1.2.3.7", Mutant: mutant.Ignores(more.Name),
		Run: func(t *conformance.T) {
			s, folder, _ := filed(t)
			o := t.ObjectsOf(t.Query("LeafClass", query, base(s, folder)...))
			t.Check(o.Total() == all, "without %s found %s, expected %d objects", more.Name, o, all)
			o = t.ObjectsOf(t.Query("LeafClass", query, append(base(s, folder), more)...))
			t.Check(o.Total() == left, "with %s found %s, expected %d objects", more.Name, o, left)
		}}
}

func narrowed() []conformance.Case {
	sets := func(s *conformance.Submission, _ string) params {
		return params{conformance.P("$XDSSubmissionSetPatientId", "'"+s.Patient+"'"), conformance.P("$XDSSubmissionSetStatus", conformance.Quote(conformance.Approved))}
	}
	folders := func(s *conformance.Submission, _ string) params {
		return params{conformance.P("$XDSFolderPatientId", "'"+s.Patient+"'"), conformance.P("$XDSFolderStatus", conformance.Quote(conformance.Approved))}
	}
	contents := func(_ *conformance.Submission, folder string) params {
		return params{conformance.P("$XDSFolderEntryUUID", "'"+folder+"'")}
	}
	all := func(s *conformance.Submission, _ string) params {
		a := conformance.Quote(conformance.Approved)
		return params{conformance.P("$patientId", "'"+s.Patient+"'"), conformance.P("$XDSDocumentEntryStatus", a), conformance.P("$XDSSubmissionSetStatus", a), conformance.P("$XDSFolderStatus", a)}
	}
	set := func(s *conformance.Submission, _ string) params {
		return params{conformance.P("$XDSSubmissionSetEntryUUID", "'"+s.SetID+"'")}
	}
	none := conformance.Quote("NOPE^^1.2.3")
	return []conformance.Case{
		narrows("find-sets-from", "FindSubmissionSets selects by submissionTimeFrom", findSets, sets, conformance.P("$XDSSubmissionSetSubmissionTimeFrom", "20260102030406"), 1, 0),
		narrows("find-sets-to", "FindSubmissionSets excludes submissionTimeTo", findSets, sets, conformance.P("$XDSSubmissionSetSubmissionTimeTo", "'20260102030405'"), 1, 0),
		narrows("find-sets-author", "FindSubmissionSets selects by author", findSets, sets, conformance.P("$XDSSubmissionSetAuthorPerson", "'%INGEN%'"), 1, 0),
		narrows("find-sets-content-type", "FindSubmissionSets selects by content type", findSets, sets, conformance.P("$XDSSubmissionSetContentType", none), 1, 0),
		narrows("find-folders-from", "FindFolders selects by lastUpdateTimeFrom", findFolders, folders, conformance.P("$XDSFolderLastUpdateTimeFrom", "'2999'"), 1, 0),
		narrows("find-folders-to", "FindFolders selects by lastUpdateTimeTo", findFolders, folders, conformance.P("$XDSFolderLastUpdateTimeTo", "2001"), 1, 0),
		narrows("folder-contents-format", "GetFolderAndContents filters documents and their memberships by format", getFolderContents, contents, conformance.P("$XDSDocumentEntryFormatCode", none), 3, 1),
		narrows("folder-contents-confidentiality", "GetFolderAndContents filters by confidentiality", getFolderContents, contents, conformance.P("$XDSDocumentEntryConfidentialityCode", none), 3, 1),
		narrows("folder-contents-type", "GetFolderAndContents filters by type of document", getFolderContents, contents, conformance.P("$XDSDocumentEntryType", conformance.Quote(conformance.OnDemand)), 3, 1),
		narrows("set-contents-confidentiality", "GetSubmissionSetAndContents filters documents by confidentiality", getSetContents, set, conformance.P("$XDSDocumentEntryConfidentialityCode", none), 9, 3),
		narrows("get-all-format", "GetAll filters documents by format, and keeps associations of the rest", getAll, all, conformance.P("$XDSDocumentEntryFormatCode", none), 9, 7),
		gets("get-submission-sets-of-folder", getSets, func(_ *conformance.Submission, folder, _ string) params {
			return params{conformance.P("$uuid", conformance.Quote(folder))}
		}, 0, 1, 0, 1),
		gets("get-submission-sets-of-both", getSets, func(s *conformance.Submission, folder, _ string) params {
			return params{conformance.P("$uuid", conformance.Quote(folder, s.Docs[0].ID, s.Docs[1].ID))}
		}, 0, 1, 0, 3),
		gets("get-associations-of-folder", getAssociations, func(_ *conformance.Submission, folder, _ string) params {
			return params{conformance.P("$uuid", conformance.Quote(folder))}
		}, 0, 0, 0, 2),
		gets("get-associations-of-set", getAssociations, func(s *conformance.Submission, _, _ string) params {
			return params{conformance.P("$uuid", conformance.Quote(s.SetID))}
		}, 0, 0, 0, 4),
		gets("get-folders-for-document-by-unique-id", getFoldersForDoc, func(s *conformance.Submission, _, _ string) params {
			return params{conformance.P("$XDSDocumentEntryUniqueId", "'"+s.Docs[0].UniqueID+"'")}
		}, 0, 0, 1, 0),
		gets("get-folder-and-contents-by-unique-id", getFolderContents, func(_ *conformance.Submission, _, unique string) params {
			return params{conformance.P("$XDSFolderUniqueId", "'"+unique+"'")}
		}, 1, 0, 1, 1),
		{
			ID: "ITI-18/related-types-list", Title: "GetRelatedDocuments finds what any of several types relates", Section: "ITI TF-2 3.18.4.1.2.3.7.13",
			Mutant: mutant.Requests(":signs'", ":RPLC'"),
			Run: func(t *conformance.T) {
				old, appended := related(t, conformance.APND)
				signed := t.NewSubmission(old.Patient)
				signed.Associate(conformance.Signs, signed.Add("signatur").ID, old.Docs[0].ID)
				t.Setup(func() {
					t.Success(t.Register(appended))
					t.Success(t.Register(signed))
				})
				p := params{conformance.P("$XDSDocumentEntryEntryUUID", "'"+old.Docs[0].ID+"'"), {Name: "$AssociationTypes", Values: []string{conformance.Quote(conformance.APND), conformance.Quote(conformance.RPLC, conformance.Signs)}}}
				o := t.ObjectsOf(t.Query("LeafClass", getRelated, p...))
				t.Check(len(o.Entries) == 3 && len(o.Associations) == 2 && o.Total() == 5, "found %s, expected 3 entries and 2 associations", o)
				refs := t.ObjectsOf(t.Query("ObjectRef", getRelated, p...))
				t.Check(len(refs.Refs) == 5, "ObjectRef finds %s", refs)
			},
		},
		{
			ID: "ITI-18/related-memberships", Title: "GetRelatedDocuments does not count memberships: both ends are documents", Section: "ITI TF-2 3.18.4.1.2.3.7.13",
			Mutant: mutant.Requests(`(?s)`+getRelated+`(.*?\$XDSDocumentEntryEntryUUID)`, getDocuments+"$1"),
			Run: func(t *conformance.T) {
				s, _, _ := filed(t)
				o := t.ObjectsOf(t.Query("LeafClass", getRelated, conformance.P("$XDSDocumentEntryEntryUUID", "'"+s.Docs[0].ID+"'"), conformance.P("$AssociationTypes", conformance.Quote(conformance.HasMember))))
				t.Check(o.Total() == 0, "found %s, expected nothing", o)
			},
		},
	}
}

// onePatientOnly: the single-patient rule for each query that has it; references
// are free of it (ITI TF-2 3.18.4.1.3).
func onePatientOnly() []conformance.Case {
	type world struct{ a, b *conformance.Submission }
	mixed := func(id, query string, build func(t *conformance.T, w *world) params) conformance.Case {
		return conformance.Case{ID: "ITI-18/single-patient-" + id, Title: "Objects of two patients are not returned together: " + id, Section: "ITI TF-2 3.18.4.1.3", Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				w := &world{}
				w.a = registered(t, t.Patient(), 1)
				w.b = registered(t, t.OtherPatient(w.a.Patient), 1)
				p := build(t, w)
				a := t.Query("LeafClass", query, p...)
				t.Refused(a, "XDSResultNotSinglePatient")
				for _, tag := range []string{"ExtrinsicObject", "RegistryPackage", "Association"} {
					t.Check(len(a.Root.FindElements("//"+tag)) == 0, "a Failure carries metadata")
				}
				o := t.ObjectsOf(t.Query("ObjectRef", query, p...))
				t.Check(len(o.Refs) >= 2, "ObjectRef finds %s", o)
			}}
	}
	documents := func(name string) func(*conformance.T, *world) params {
		return func(_ *conformance.T, w *world) params {
			return params{conformance.P(name, conformance.Quote(w.a.Docs[0].ID, w.b.Docs[0].ID))}
		}
	}
	return []conformance.Case{
		mixed("associations", getAssociations, documents("$uuid")),
		mixed("documents-and-associations", getDocsAndAssocs, documents("$XDSDocumentEntryEntryUUID")),
		mixed("submission-sets", getSets, documents("$uuid")),
		mixed("folders", getFolders, func(t *conformance.T, w *world) params {
			var ids []string
			for _, patient := range []string{w.a.Patient, w.b.Patient} {
				s := t.NewSubmission(patient)
				id, _, _ := s.Folder(patient)
				ids = append(ids, id)
				t.Setup(func() { t.Success(t.Register(s)) })
			}
			return params{conformance.P("$XDSFolderEntryUUID", conformance.Quote(ids...))}
		}),
		mixed("set-and-contents", getSetContents, func(t *conformance.T, w *world) params {
			s := t.NewSubmission(w.a.Patient)
			s.Member(s.SetID, w.b.Docs[0].ID, "Reference")
			t.Setup(func() { t.Success(t.Register(s)) })
			return params{conformance.P("$XDSSubmissionSetEntryUUID", "'"+s.SetID+"'")}
		}),
	}
}

// answerForms: how objects are written in an answer (ITI TF-3 4.2.1.2.1; rim.xsd).
func answerForms() []conformance.Case {
	everything := func(t *conformance.T) conformance.Objects {
		s, _, _ := filed(t)
		return t.ObjectsOf(t.Query("LeafClass", getSetContents, conformance.P("$XDSSubmissionSetEntryUUID", "'"+s.SetID+"'")))
	}
	each := func(o conformance.Objects) []*etree.Element {
		return slices.Concat(o.Entries, o.Sets, o.Folders, o.Associations)
	}
	const rim = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"
	return []conformance.Case{
		{
			ID: "ITI-18/object-types", Title: "objectType stands on every part, package and association of an answer", Section: "ITI TF-3 4.2.1.2.1",
			Mutant: mutant.Answers(`objectType="`+rim+`Classification"`, ""),
			Run: func(t *conformance.T) {
				for _, e := range each(everything(t)) {
					for _, c := range append(e.ChildElements(), e) {
						switch c.Tag {
						case "Classification", "ExternalIdentifier", "RegistryPackage", "Association":
							t.Check(strings.EqualFold(conformance.Attr(c, "objectType"), rim+c.Tag), "a %s has objectType %q", c.Tag, conformance.Attr(c, "objectType"))
						}
					}
				}
			},
		},
		{
			ID: "ITI-18/children-order", Title: "The parts of an object come in the schema's order", Section: "ebRS 3.0, rim.xsd",
			Mutant: mutant.Answers(`(?s)(<(?:\w+:)?Name>.*?</(?:\w+:)?Name>)(<(?:\w+:)?Description>.*?</(?:\w+:)?Description>)`, "$2$1"),
			Run: func(t *conformance.T) {
				order := []string{"Slot", "Name", "Description", "VersionInfo", "Classification", "ExternalIdentifier"}
				for _, e := range each(everything(t)) {
					last := 0
					for _, c := range e.ChildElements() {
						i := slices.Index(order, c.Tag)
						t.Check(i >= last, "in a %s, %s stands in the wrong place", e.Tag, c.Tag)
						last = i
					}
				}
			},
		},
		{
			ID: "ITI-18/statuses", Title: "Every object of an answer has a status", Section: "ITI TF-3 4.2.3.2.2",
			Mutant: mutant.Answers(`(<(?:\w+:)?Association [^>]*?)status="[^"]*"`, "$1"),
			Run: func(t *conformance.T) {
				for _, e := range each(everything(t)) {
					t.Check(conformance.Attr(e, "status") == conformance.Approved, "a %s has status %q", e.Tag, conformance.Attr(e, "status"))
				}
			},
		},
		{
			ID: "ITI-18/parts-belong", Title: "Classifications and identifiers name the object around them", Section: "ITI TF-3 4.2.3.1.2",
			Mutant: mutant.Answers(`registryObject="[^"]*"`, `registryObject="urn:uuid:00000000-0000-4000-8000-000000000000"`),
			Run: func(t *conformance.T) {
				s := one(t, nil)
				xml := conformance.RegisterBody(s)
				t.Setup(func() { t.Success(t.RegisterXML(regexp.MustCompile(s.Docs[0].ID).ReplaceAllString(xml, "Document01"))) })
				e := entryOf(t, s.Docs[0].UniqueID)
				for _, c := range e.ChildElements() {
					owner := conformance.Attr(c, "classifiedObject") + conformance.Attr(c, "registryObject")
					t.Check(c.Tag != "Classification" && c.Tag != "ExternalIdentifier" || owner == conformance.Attr(e, "id"), "a %s names %q, the entry is %q", c.Tag, owner, conformance.Attr(e, "id"))
				}
			},
		},
	}
}

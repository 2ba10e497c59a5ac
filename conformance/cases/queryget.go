package cases

import (
	"samdok/conformance"
	"samdok/conformance/mutant"
)

// filed registers a submission with a folder holding the first of two documents.
func filed(t *conformance.T) (s *conformance.Submission, folder, folderUnique string) {
	s = t.NewSubmission(t.Patient())
	d := s.Add("i mappen")
	s.Add("utenfor")
	folder, folderUnique, _ = s.Folder(s.Patient)
	s.InFolder(folder, d.ID)
	t.Setup(func() { t.Success(t.Register(s)) })
	return s, folder, folderUnique
}

// gets is a Get query whose answer must hold just these numbers of objects.
func gets(id, query string, params func(s *conformance.Submission, folder, folderUnique string) []conformance.Param, entries, sets, folders, associations int) conformance.Case {
	return conformance.Case{ID: "ITI-18/" + id, Title: "The query " + id + " returns what it is defined to", Section: "ITI TF-2 3.18.4.1.2.3.7",
		Mutant: mutant.OnPath("/registry", query, mutant.Answers(`(?s)<(\w+:)?(ExtrinsicObject|RegistryPackage|Association) .*</(\w+:)?(ExtrinsicObject|RegistryPackage|Association)>`, "")),
		Run: func(t *conformance.T) {
			s, folder, folderUnique := filed(t)
			o := t.ObjectsOf(t.Query("LeafClass", query, params(s, folder, folderUnique)...))
			t.Check(len(o.Entries) == entries && len(o.Sets) == sets && len(o.Folders) == folders && len(o.Associations) == associations,
				"found %s; expected %d entries, %d sets, %d folders, %d associations", o, entries, sets, folders, associations)
			refs := t.ObjectsOf(t.Query("ObjectRef", query, params(s, folder, folderUnique)...))
			t.Check(len(refs.Refs) == o.Total() && refs.Total() == o.Total(), "ObjectRef finds %s where LeafClass finds %s", refs, o)
		}}
}

// QueryGet are the rules of the Get queries of ITI-18.
func QueryGet() []conformance.Case {
	type params = []conformance.Param
	one := func(name string, value func(s *conformance.Submission, folder, unique string) string) func(*conformance.Submission, string, string) params {
		return func(s *conformance.Submission, folder, unique string) params {
			return params{conformance.P(name, value(s, folder, unique))}
		}
	}
	statuses := func(s *conformance.Submission) params {
		all := conformance.Quote(conformance.Approved, conformance.Deprecated)
		return params{conformance.P("$patientId", "'"+s.Patient+"'"), conformance.P("$XDSDocumentEntryStatus", all), conformance.P("$XDSSubmissionSetStatus", all), conformance.P("$XDSFolderStatus", all)}
	}
	firstDoc := func(s *conformance.Submission, _, _ string) string { return conformance.Quote(s.Docs[0].ID) }
	return []conformance.Case{
		gets("get-documents-uuid", getDocuments, one("$XDSDocumentEntryEntryUUID", func(s *conformance.Submission, _, _ string) string {
			return conformance.Quote(s.Docs[0].ID, s.Docs[1].ID)
		}), 2, 0, 0, 0),
		gets("get-documents-unique", getDocuments, one("$XDSDocumentEntryUniqueId", func(s *conformance.Submission, _, _ string) string {
			return conformance.Quote(s.Docs[1].UniqueID)
		}), 1, 0, 0, 0),
		gets("get-folders-uuid", getFolders, one("$XDSFolderEntryUUID", func(_ *conformance.Submission, f, _ string) string { return conformance.Quote(f) }), 0, 0, 1, 0),
		gets("get-folders-unique", getFolders, one("$XDSFolderUniqueId", func(_ *conformance.Submission, _, u string) string { return conformance.Quote(u) }), 0, 0, 1, 0),
		gets("get-associations", getAssociations, one("$uuid", firstDoc), 0, 0, 0, 2),
		gets("get-documents-and-associations", getDocsAndAssocs, one("$XDSDocumentEntryEntryUUID", firstDoc), 1, 0, 0, 2),
		gets("get-submission-sets", getSets, one("$uuid", firstDoc), 0, 1, 0, 1),
		gets("get-submission-set-and-contents", getSetContents, one("$XDSSubmissionSetEntryUUID", func(s *conformance.Submission, _, _ string) string { return "'" + s.SetID + "'" }), 2, 1, 1, 5),
		gets("get-submission-set-by-unique-id", getSetContents, one("$XDSSubmissionSetUniqueId", func(s *conformance.Submission, _, _ string) string { return "'" + s.SetUnique + "'" }), 2, 1, 1, 5),
		gets("get-folder-and-contents", getFolderContents, one("$XDSFolderEntryUUID", func(_ *conformance.Submission, f, _ string) string { return "'" + f + "'" }), 1, 0, 1, 1),
		gets("get-folders-for-document", getFoldersForDoc, one("$XDSDocumentEntryEntryUUID", func(s *conformance.Submission, _, _ string) string { return "'" + s.Docs[0].ID + "'" }), 0, 0, 1, 0),
		gets("get-all", getAll, func(s *conformance.Submission, _, _ string) params { return statuses(s) }, 2, 1, 1, 5),
		{
			ID: "ITI-18/set-contents-filter", Title: "GetSubmissionSetAndContents filters documents and their associations", Section: "ITI TF-2 3.18.4.1.2.3.7.10",
			Mutant: mutant.Ignores("$XDSDocumentEntryFormatCode"),
			Run: func(t *conformance.T) {
				s, _, _ := filed(t)
				o := t.ObjectsOf(t.Query("LeafClass", getSetContents, conformance.P("$XDSSubmissionSetEntryUUID", "'"+s.SetID+"'"), conformance.P("$XDSDocumentEntryFormatCode", "('no-such-format^^1.2.3')")))
				t.Check(len(o.Entries) == 0 && len(o.Folders) == 1 && len(o.Associations) == 1, "found %s; expected the set, the folder and one association", o)
			},
		},
		{
			ID: "ITI-18/unknown-id", Title: "An unknown id is no hit and no error", Section: "ITI TF-2 3.18.4.1.3",
			Mutant: mutant.Refuses(),
			Run: func(t *conformance.T) {
				o := t.ObjectsOf(t.Query("LeafClass", getDocuments, conformance.P("$XDSDocumentEntryEntryUUID", conformance.Quote(conformance.NewUUID()))))
				t.Check(o.Total() == 0, "found %s", o)
			},
		},
		{
			ID: "ITI-18/uuid-letter-case", Title: "A UUID in capitals is the same UUID", Section: "RFC 4122, 3",
			Mutant: mutant.Answers(`(?s)<(\w+:)?ExtrinsicObject.*</(\w+:)?ExtrinsicObject>`, ""),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 1)
				upper := "urn:uuid:" + upperHex(s.Docs[0].ID[len("urn:uuid:"):])
				o := t.ObjectsOf(t.Query("LeafClass", getDocuments, conformance.P("$XDSDocumentEntryEntryUUID", conformance.Quote(upper))))
				t.Check(len(o.Entries) == 1, "found %s", o)
			},
		},
		{
			ID: "ITI-18/many-values", Title: "A list of ids may be spread over many values", Section: tf18 + ".5",
			Mutant: mutant.Requests(`(?s)(EntryUUID"><rim:ValueList><rim:Value>[^<]*</rim:Value>).*?</rim:ValueList>`, "$1</rim:ValueList>"),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 2)
				values := []string{conformance.Quote(s.Docs[0].ID), conformance.Quote(conformance.NewUUID(), conformance.NewUUID()), conformance.Quote(s.Docs[1].ID)}
				for range 300 {
					values = append(values, conformance.Quote(conformance.NewUUID()))
				}
				o := t.ObjectsOf(t.Query("LeafClass", getDocuments, conformance.P("$XDSDocumentEntryEntryUUID", values...)))
				t.Check(len(o.Entries) == 2, "found %s, expected 2 entries", o)
			},
		},
		{
			ID: "ITI-18/single-patient", Title: "Entries of two patients are not returned together", Section: "ITI TF-2 3.18.4.1.3",
			Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				a := registered(t, t.Patient(), 1)
				b := registered(t, t.OtherPatient(a.Patient), 1)
				p := conformance.P("$XDSDocumentEntryEntryUUID", conformance.Quote(a.Docs[0].ID, b.Docs[0].ID))
				t.Refused(t.Query("LeafClass", getDocuments, p), "XDSResultNotSinglePatient")
				o := t.ObjectsOf(t.Query("ObjectRef", getDocuments, p))
				t.Check(len(o.Refs) == 2, "ObjectRef finds %s, expected both references", o)
			},
		},
		{
			ID: "ITI-18/related", Title: "GetRelatedDocuments finds nothing when nothing is related", Section: "ITI TF-2 3.18.4.1.2.3.7.13",
			Mutant: mutant.Requests("AssociationType:RPLC", "AssociationType:APND"),
			Run: func(t *conformance.T) {
				old, s := related(t, conformance.APND)
				t.Setup(func() { t.Success(t.Register(s)) })
				o := t.ObjectsOf(t.Query("LeafClass", getRelated, conformance.P("$XDSDocumentEntryUniqueId", "'"+old.Docs[0].UniqueID+"'"), conformance.P("$AssociationTypes", conformance.Quote(conformance.RPLC))))
				t.Check(o.Total() == 0, "found %s for a type that does not occur", o)
			},
		},
	}
}

func upperHex(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'f' {
			b[i] = c - 32
		}
	}
	return string(b)
}

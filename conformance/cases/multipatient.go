package cases

import (
	"slices"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	findAcross        = "urn:uuid:3d1bdb10-39a2-11de-89c2-2f44d94eaa9f"
	findFoldersAcross = "urn:uuid:50d3f5ac-39a2-11de-a1ca-b366239e58df"
	tf51              = "ITI TF-2 3.51.4.1.2"
)

// twoPatients registers a document for each of two patients.
func twoPatients(t *conformance.T) (a, b *conformance.Submission) {
	a = registered(t, t.Patient(), 1)
	return a, registered(t, t.OtherPatient(a.Patient), 1)
}

// acrossFinds are the uniqueIds of what ITI-51 finds.
func acrossFinds(t *conformance.T, params ...conformance.Param) []string {
	o := t.ObjectsOf(t.Across("LeafClass", findAcross, append(params, conformance.P("$XDSDocumentEntryStatus", conformance.Quote(conformance.Approved)))...))
	var ids []string
	for _, e := range o.Entries {
		ids = append(ids, conformance.ExternalID(e, conformance.EntryUnique))
	}
	return ids
}

func acrossRefused(id, title, code, query string, params ...conformance.Param) conformance.Case {
	return conformance.Case{ID: "ITI-51/" + id, Title: title, Section: tf51, Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) { t.Refused(t.Across("LeafClass", query, params...), code) }}
}

// MultiPatient are the rules of ITI-51.
func MultiPatient() []conformance.Case {
	approved := conformance.P("$XDSDocumentEntryStatus", conformance.Quote(conformance.Approved))
	patients := func(ids ...string) conformance.Param {
		return conformance.P("$XDSDocumentEntryPatientId", conformance.Quote(ids...))
	}
	return []conformance.Case{
		{
			ID: "ITI-51/patients", Title: "A list of patients finds the documents of each", Section: tf51,
			Mutant: mutant.Requests(`\('C[^']*',`, "("),
			Run: func(t *conformance.T) {
				a, b := twoPatients(t)
				got := acrossFinds(t, patients(a.Patient, b.Patient))
				t.Check(len(got) == 2 && slices.Contains(got, a.Docs[0].UniqueID) && slices.Contains(got, b.Docs[0].UniqueID), "found %v, expected one document of each", got)
			},
		},
		{
			ID: "ITI-51/one-patient", Title: "The list may name one patient", Section: tf51, Mutant: mutant.Ignores("$XDSDocumentEntryPatientId"),
			Run: func(t *conformance.T) {
				a, _ := twoPatients(t)
				got := acrossFinds(t, patients(a.Patient))
				t.Check(len(got) == 1 && got[0] == a.Docs[0].UniqueID, "found %v", got)
			},
		},
		{
			ID: "ITI-51/several-patients-leafclass", Title: "An answer with full metadata may be about several patients", Section: tf51, Mutant: mutant.OnPath("/registry", findAcross, mutant.Answers("ResponseStatusType:Success", "ResponseStatusType:Failure")),
			Run: func(t *conformance.T) {
				a, b := twoPatients(t)
				t.ObjectsOf(t.Across("LeafClass", findAcross, approved, patients(a.Patient, b.Patient)))
			},
		},
		{
			ID: "ITI-51/filters", Title: "The other parameters select as in FindDocuments", Section: tf51, Mutant: mutant.Ignores("$XDSDocumentEntryClassCode"),
			Run: func(t *conformance.T) {
				a := t.NewSubmission(t.Patient())
				hit := a.Add("treff")
				b := t.NewSubmission(t.OtherPatient(a.Patient))
				recode(conformance.EntryClass, "B00-1", "2.16.578.1.12.4.1.1.9602")(b.Add("bom"))
				t.Setup(func() {
					t.Success(t.Register(a))
					t.Success(t.Register(b))
				})
				got := acrossFinds(t, patients(a.Patient, b.Patient), conformance.P("$XDSDocumentEntryClassCode", conformance.Quote("A00-1^^2.16.578.1.12.4.1.1.9602")))
				t.Check(len(got) == 1 && got[0] == hit.UniqueID, "found %v", got)
			},
		},
		{
			ID: "ITI-51/object-refs", Title: "returnType ObjectRef answers references", Section: tf51, Mutant: mutant.Requests(`returnType="ObjectRef"`, `returnType="LeafClass"`),
			Run: func(t *conformance.T) {
				a, b := twoPatients(t)
				o := t.ObjectsOf(t.Across("ObjectRef", findAcross, approved, patients(a.Patient, b.Patient)))
				t.Check(len(o.Refs) == 2 && o.Total() == 2, "found %s, expected 2 references", o)
			},
		},
		{
			ID: "ITI-51/folders", Title: "FindFoldersForMultiplePatients finds the folders of each patient", Section: tf51, Mutant: mutant.Requests(`\('C[^']*',`, "("),
			Run: func(t *conformance.T) {
				a := t.NewSubmission(t.Patient())
				a.Folder(a.Patient)
				b := t.NewSubmission(t.OtherPatient(a.Patient))
				b.Folder(b.Patient)
				t.Setup(func() {
					t.Success(t.Register(a))
					t.Success(t.Register(b))
				})
				o := t.ObjectsOf(t.Across("LeafClass", findFoldersAcross, conformance.P("$XDSFolderStatus", conformance.Quote(conformance.Approved)),
					conformance.P("$XDSFolderPatientId", conformance.Quote(a.Patient, b.Patient))))
				t.Check(len(o.Folders) == 2 && o.Total() == 2, "found %s, expected 2 folders", o)
			},
		},
		answers("across", conformance.ActionAcross, func(t *conformance.T) *conformance.Answer {
			return t.Across("ObjectRef", findAcross, approved, patients(t.Patient()))
		}),
		acrossRefused("nothing-given", "One of patient, class, event and facility must be given", "XDSStoredQueryMissingParam", findAcross, approved,
			conformance.P("$XDSDocumentEntryTypeCode", conformance.Quote("A03-2^^2.16.578.1.12.4.1.1.9602"))),
		acrossRefused("no-status", "The status must be given", "XDSStoredQueryMissingParam", findAcross, patients("C1^^^&1.2.3&ISO")),
		acrossRefused("folders-nothing-given", "One of patient and code must be given for folders", "XDSStoredQueryMissingParam", findFoldersAcross,
			conformance.P("$XDSFolderStatus", conformance.Quote(conformance.Approved))),
		acrossRefused("other-query", "A query of ITI-18 is none of ITI-51", "XDSUnknownStoredQuery", findDocuments, approved, patients("C1^^^&1.2.3&ISO")),
	}
}

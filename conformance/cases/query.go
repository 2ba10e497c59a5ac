package cases

import (
	"strings"

	"github.com/beevik/etree"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	findDocuments     = "urn:uuid:14d4debf-8f97-4251-9a74-a90016b0af0d"
	findSets          = "urn:uuid:f26abbcb-ac74-4422-8a30-edb644bbc1a9"
	findFolders       = "urn:uuid:958f3006-baad-4929-a4de-ff1114824431"
	getAll            = "urn:uuid:10b545ea-725c-446d-9b95-8aeb444eddf3"
	getDocuments      = "urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
	getFolders        = "urn:uuid:5737b14c-8a1a-4539-b659-e03a34a5e1e4"
	getAssociations   = "urn:uuid:a7ae438b-4bc2-4642-93e9-be891f7bb155"
	getDocsAndAssocs  = "urn:uuid:bab9529a-4a10-40b3-a01f-f68a615d247a"
	getSets           = "urn:uuid:51224314-5390-4169-9b91-b1980040715a"
	getSetContents    = "urn:uuid:e8e3cb2c-e39c-46b9-99e4-c12f57260b83"
	getFolderContents = "urn:uuid:b909a503-523d-4517-8acf-8e5834dfc4c7"
	getFoldersForDoc  = "urn:uuid:10cae35a-c7f9-4cf5-b61e-fc3278ffb578"
	getRelated        = "urn:uuid:d90e5407-b356-4d91-a89f-873917b4b0e6"
	findByReference   = "urn:uuid:12941a89-e02e-4be5-967c-ce4bfc8fe492"

	tf18 = "ITI TF-2 3.18.4.1.2.3"
)

func findParams(patient string, more ...conformance.Param) []conformance.Param {
	return append([]conformance.Param{
		conformance.P("$XDSDocumentEntryPatientId", "'"+patient+"'"),
		conformance.P("$XDSDocumentEntryStatus", conformance.Quote(conformance.Approved)),
	}, more...)
}

func findBody(returnType, patient string, more ...conformance.Param) string {
	return conformance.QueryBody(returnType, findDocuments, findParams(patient, more...)...)
}

// entryOf finds the newest entry of a uniqueId.
func entryOf(t *conformance.T, unique string) *etree.Element {
	o := t.ObjectsOf(t.Query("LeafClass", getDocuments, conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(unique))))
	t.Check(len(o.Entries) >= 1, "GetDocuments finds no entry of a registered document")
	return o.Entries[0]
}

func found(t *conformance.T, patient string, more ...conformance.Param) []string {
	o := t.ObjectsOf(t.Query("LeafClass", findDocuments, findParams(patient, more...)...))
	ids := make([]string, len(o.Entries))
	for i, e := range o.Entries {
		ids[i] = conformance.ExternalID(e, conformance.EntryUnique)
	}
	return ids
}

// selects is a case in which a parameter finds the first of two documents that
// differ by edit, and not the second.
func selects(id string, hitEdit, missEdit func(*conformance.Doc), params ...conformance.Param) conformance.Case {
	return conformance.Case{ID: "ITI-18/" + id, Title: "FindDocuments selects by " + strings.TrimPrefix(params[0].Name, "$XDSDocumentEntry"), Section: tf18,
		Mutant: mutant.Ignores(params[0].Name),
		Run: func(t *conformance.T) {
			s := t.NewSubmission(t.Patient())
			hit, miss := s.Add("treff"), s.Add("bom")
			hitEdit(hit)
			missEdit(miss)
			t.Setup(func() { t.Success(t.Register(s)) })
			got := found(t, s.Patient, params...)
			t.Check(len(got) == 1 && got[0] == hit.UniqueID, "found %v, expected only %s", got, hit.UniqueID)
		}}
}

// queryFails is a query that must be refused with a code.
func queryFails(id, title, code, query string, params func(*conformance.T) []conformance.Param) conformance.Case {
	return conformance.Case{ID: "ITI-18/" + id, Title: title, Section: tf18, Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) {
			a := t.Query("LeafClass", query, params(t)...)
			t.Refused(a, strings.Split(code, "|")...)
		}}
}

func asIs(*conformance.Doc) {}

func recode(scheme, code, system string) func(*conformance.Doc) {
	return func(d *conformance.Doc) {
		conformance.Remove(d.XML, scheme)
		conformance.AddCode(d.XML, scheme, code, system)
	}
}

func reslot(name string, values ...string) func(*conformance.Doc) {
	return func(d *conformance.Doc) { conformance.SetSlot(d.XML, name, values...) }
}

// Query are the rules of the Find queries of ITI-18.
func Query() []conformance.Case {
	const v9602 = "2.16.578.1.12.4.1.1.9602"
	code := func(name, code, system string) conformance.Param {
		return conformance.P("$XDSDocumentEntry"+name, conformance.Quote(code+"^^"+system))
	}
	patientOnly := func(t *conformance.T) string { return t.Patient() }
	return []conformance.Case{
		selects("class-code", asIs, recode(conformance.EntryClass, "B00-1", v9602), code("ClassCode", "A00-1", v9602)),
		// By the question only: a registry with value sets takes no such document.
		{ID: "ITI-18/class-code-scheme", Title: "A code of another scheme is another code", Section: tf18, Mutant: mutant.Ignores("$XDSDocumentEntryClassCode"),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				d := s.Add("epikrise")
				recode(conformance.EntryClass, "A00-1", v9602)(d)
				t.Setup(func() { t.Success(t.Register(s)) })
				got := found(t, s.Patient, code("ClassCode", "A00-1", v9602))
				t.Check(len(got) == 1 && got[0] == d.UniqueID, "found %v by the code and its scheme, expected %s", got, d.UniqueID)
				got = found(t, s.Patient, code("ClassCode", "A00-1", "2.16.578.1.12.4.5.100.7"))
				t.Check(len(got) == 0, "found %v by the code with another scheme", got)
			}},
		selects("type-code", asIs, recode(conformance.EntryType, "B02-2", v9602), code("TypeCode", "A03-2", v9602)),
		selects("format-code", asIs, recode(conformance.EntryFormat, "urn:no:ehelse:document:pdf", "1.3.6.1.4.1.19376.1.2.3"), code("FormatCode", "urn:ihe:iti:xds:2017:mimeTypeSufficient", "1.3.6.1.4.1.19376.1.2.3")),
		selects("facility-code", asIs, recode(conformance.EntryFacility, "86.101", "2.16.578.1.12.4.1.1.1305"), code("HealthcareFacilityTypeCode", "86.210", "2.16.578.1.12.4.1.1.1305")),
		selects("practice-code", asIs, recode(conformance.EntryPractice, "KX17", "2.16.578.1.12.4.1.1.8663"), code("PracticeSettingCode", "KA02", "2.16.578.1.12.4.1.1.8663")),
		selects("event-code", asIs, recode(conformance.EntryEvent, "CCC00", "2.16.578.1.12.4.1.1.7210"), code("EventCodeList", "BBB00", "2.16.578.1.12.4.1.1.7210")),
		selects("confidentiality", asIs, recode(conformance.EntryConfidential, "R", "2.16.840.1.113883.5.25"), code("ConfidentialityCode", "N", "2.16.840.1.113883.5.25")),
		selects("creation-from", asIs, reslot("creationTime", "20250101"), conformance.P("$XDSDocumentEntryCreationTimeFrom", "'202601'")),
		selects("creation-to", reslot("creationTime", "20260102030404"), reslot("creationTime", "20260102030405"), conformance.P("$XDSDocumentEntryCreationTimeTo", "'20260102030405'")),
		selects("service-start", asIs, reslot("serviceStartTime", "20250101"), conformance.P("$XDSDocumentEntryServiceStartTimeFrom", "20260101110000")),
		selects("service-stop", asIs, reslot("serviceStopTime", "20270101"), conformance.P("$XDSDocumentEntryServiceStopTimeTo", "'2026010112'")),
		selects("author", asIs, func(d *conformance.Doc) {
			conformance.SetSlot(d.XML.FindElement("./Classification[@classificationScheme='"+conformance.EntryAuthor+"']"), "authorPerson", "^REV^MIKKEL")
		}, conformance.P("$XDSDocumentEntryAuthorPerson", "('%GREVLING^K_ART%')")),
		{
			ID: "ITI-18/event-and-or", Title: "Values are OR, repeated slots are AND", Section: tf18 + ".5",
			Mutant: mutant.Requests(`(?s)(<rim:Slot name="\$XDSDocumentEntryEventCodeList">.*?</rim:Slot>)(<rim:Slot name="\$XDSDocumentEntryEventCodeList">.*?</rim:Slot>)`, "$1"),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				both := s.Add("begge")
				recode(conformance.EntryEvent, "AAA00", "2.16.578.1.12.4.1.1.7210")(s.Add("bare den ene"))
				t.Setup(func() { t.Success(t.Register(s)) })
				or := code("EventCodeList", "AAA00", "2.16.578.1.12.4.1.1.7210")
				or.Values = append(or.Values, conformance.Quote("ZZZ00^^2.16.578.1.12.4.1.1.7210"))
				t.Check(len(found(t, s.Patient, or)) == 2, "OR finds %d, expected 2", len(found(t, s.Patient, or)))
				and := found(t, s.Patient, or, code("EventCodeList", "BBB00", "2.16.578.1.12.4.1.1.7210"))
				t.Check(len(and) == 1 && and[0] == both.UniqueID, "AND finds %v, expected %s", and, both.UniqueID)
			},
		},
		{
			ID: "ITI-18/status", Title: "Only the statuses asked for are returned", Section: tf18,
			Mutant: mutant.Requests("StatusType:Deprecated", "StatusType:Approved"),
			Run: func(t *conformance.T) {
				old, s := related(t, conformance.RPLC)
				t.Setup(func() { t.Success(t.Register(s)) })
				got := found(t, old.Patient)
				t.Check(len(got) == 1 && got[0] == s.Docs[0].UniqueID, "Approved finds %v", got)
				o := t.ObjectsOf(t.Query("LeafClass", findDocuments, conformance.P("$XDSDocumentEntryPatientId", "'"+old.Patient+"'"), conformance.P("$XDSDocumentEntryStatus", conformance.Quote(conformance.Deprecated))))
				t.Check(len(o.Entries) == 1 && conformance.Attr(o.Entries[0], "id") == old.Docs[0].ID, "Deprecated finds %s", o)
			},
		},
		{
			ID: "ITI-18/service-time-absent", Title: "An entry without service times matches whatever times are asked for", Section: tf18 + ".3",
			Mutant: mutant.Answers(`(?s)<(\w+:)?ExtrinsicObject.*</(\w+:)?ExtrinsicObject>`, ""),
			Run: func(t *conformance.T) {
				s := one(t, func(_ *conformance.Submission, d *conformance.Doc) {
					conformance.Remove(d.XML, "serviceStartTime")
					conformance.Remove(d.XML, "serviceStopTime")
				})
				t.Setup(func() { t.Success(t.Register(s)) })
				got := found(t, s.Patient, conformance.P("$XDSDocumentEntryServiceStartTimeFrom", "'2030'"))
				t.Check(len(got) == 1, "found %d, expected 1", len(got))
			},
		},
		{
			ID: "ITI-18/object-ref", Title: "ObjectRef returns references and nothing else", Section: "ITI TF-2 3.18.4.1.2.5",
			Mutant: mutant.Requests(`returnType="ObjectRef"`, `returnType="LeafClass"`),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 2)
				o := t.ObjectsOf(t.Query("ObjectRef", findDocuments, findParams(s.Patient)...))
				t.Check(len(o.Refs) == 2 && o.Total() == 2, "found %s, expected 2 references", o)
			},
		},
		{
			ID: "ITI-18/no-hits", Title: "No hits is Success with an empty list", Section: "ITI TF-2 3.18.4.1.3",
			Mutant: mutant.Answers(`RegistryObjectList`, "NoSuchList"),
			Run: func(t *conformance.T) {
				o := t.ObjectsOf(t.Query("LeafClass", findDocuments, findParams(t.Patient(), conformance.P("$XDSDocumentEntryClassCode", "('NOPE^^1.2.3')"))...))
				t.Check(o.Total() == 0, "found %s, expected nothing", o)
			},
		},
		{
			ID: "ITI-18/unknown-parameter", Title: "An unknown parameter is ignored", Section: tf18,
			Mutant: mutant.RefusesAfter(1),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 1)
				t.Check(len(found(t, s.Patient, conformance.P("$Unknown", "('x')"))) == 1, "the parameter changed the answer")
			},
		},
		{
			ID: "ITI-18/unquoted-patient", Title: "A patient id without quotes is read", Section: tf18,
			Mutant: mutant.RefusesAfter(1),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 1)
				o := t.ObjectsOf(t.Query("LeafClass", findDocuments, conformance.P("$XDSDocumentEntryPatientId", s.Patient), conformance.P("$XDSDocumentEntryStatus", conformance.Quote(conformance.Approved))))
				t.Check(len(o.Entries) == 1, "found %s", o)
			},
		},
		{
			ID: "ITI-18/other-patient", Title: "Documents of other patients are not found", Section: tf18,
			Mutant: mutant.OnPath("/registry", findDocuments, mutant.Answers(`(?s)<(\w+:)?ExtrinsicObject.*</(\w+:)?ExtrinsicObject>`, "")),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 1)
				got := found(t, t.OtherPatient(s.Patient))
				for _, u := range got {
					t.Check(u != s.Docs[0].UniqueID, "found the document of another patient")
				}
				t.Check(len(found(t, s.Patient)) >= 1, "the patient's own document is not found")
			},
		},
		{
			ID: "ITI-18/only-stable", Title: "Without $XDSDocumentEntryType only stable documents are found", Section: tf18 + ".6.2",
			Mutant: mutant.Requests(`(?s)(\$XDSDocumentEntryType">.*?)`+conformance.OnDemand, "${1}"+conformance.Stable),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 1)
				t.Check(len(found(t, s.Patient)) == 1, "the stable document is not found")
				got := found(t, s.Patient, conformance.P("$XDSDocumentEntryType", conformance.Quote(conformance.OnDemand)))
				t.Check(len(got) == 0, "asked for on-demand documents, found the stable %v", got)
			},
		},
		queryFails("missing-patient", "FindDocuments without a patient is refused", "XDSStoredQueryMissingParam", findDocuments, func(t *conformance.T) []conformance.Param {
			return findParams("x")[1:]
		}),
		queryFails("missing-status", "FindDocuments without a status is refused", "XDSStoredQueryMissingParam", findDocuments, func(t *conformance.T) []conformance.Param {
			return findParams(patientOnly(t))[:1]
		}),
		queryFails("two-patients", "FindDocuments with two patients is refused", "XDSStoredQueryParamNumber", findDocuments, func(t *conformance.T) []conformance.Param {
			p := findParams(patientOnly(t))
			p[0].Values = []string{"('a^^^&1.2.3&ISO','b^^^&1.2.3&ISO')"}
			return p
		}),
		queryFails("repeated-slot", "A slot repeated where AND has no meaning is refused", "XDSStoredQueryParamNumber", findDocuments, func(t *conformance.T) []conformance.Param {
			return findParams(patientOnly(t), code("ClassCode", "A00-1", v9602), code("ClassCode", "B00-1", v9602))
		}),
		queryFails("code-without-scheme", "A code without its scheme is refused", "XDSStoredQueryParamNumber|XDSStoredQueryMissingParam|XDSRegistryError", findDocuments, func(t *conformance.T) []conformance.Param {
			return findParams(patientOnly(t), conformance.P("$XDSDocumentEntryClassCode", "('A00-1')"))
		}),
		queryFails("unknown-query", "An unknown stored query is refused", "XDSUnknownStoredQuery", conformance.NewUUID(), func(t *conformance.T) []conformance.Param {
			return findParams(patientOnly(t))
		}),
		queryFails("get-both", "GetDocuments by both kinds of id is refused", "XDSStoredQueryParamNumber", getDocuments, func(*conformance.T) []conformance.Param {
			return []conformance.Param{conformance.P("$XDSDocumentEntryEntryUUID", conformance.Quote(conformance.NewUUID())), conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote("1.2.3"))}
		}),
		queryFails("get-neither", "GetDocuments by no id is refused", "XDSStoredQueryMissingParam", getDocuments, func(*conformance.T) []conformance.Param { return nil }),
		{
			ID: "ITI-18/find-sets", Title: "FindSubmissionSets selects by source, time, author and content type", Section: "ITI TF-2 3.18.4.1.2.3.7.2",
			Mutant: mutant.Ignores("$XDSSubmissionSetSourceId"),
			Run: func(t *conformance.T) {
				s := registered(t, t.Patient(), 1)
				p := []conformance.Param{conformance.P("$XDSSubmissionSetPatientId", "'"+s.Patient+"'"), conformance.P("$XDSSubmissionSetStatus", conformance.Quote(conformance.Approved)),
					conformance.P("$XDSSubmissionSetSubmissionTimeFrom", "2026"), conformance.P("$XDSSubmissionSetContentType", conformance.Quote("A03-2^^"+v9602))}
				o := t.ObjectsOf(t.Query("LeafClass", findSets, append(p, conformance.P("$XDSSubmissionSetSourceId", conformance.Quote("2.16.578.1.12.4.5.100.1")))...))
				t.Check(len(o.Sets) == 1 && o.Total() == 1, "found %s, expected the submission set", o)
				o = t.ObjectsOf(t.Query("LeafClass", findSets, append(p, conformance.P("$XDSSubmissionSetSourceId", conformance.Quote("2.16.578.1.12.4.5.100.99")))...))
				t.Check(o.Total() == 0, "another source finds %s", o)
			},
		},
		{
			ID: "ITI-18/find-folders", Title: "FindFolders selects by code", Section: "ITI TF-2 3.18.4.1.2.3.7.3",
			Mutant: mutant.Ignores("$XDSFolderCodeList"),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				s.Folder(s.Patient)
				t.Setup(func() { t.Success(t.Register(s)) })
				p := []conformance.Param{conformance.P("$XDSFolderPatientId", "'"+s.Patient+"'"), conformance.P("$XDSFolderStatus", conformance.Quote(conformance.Approved))}
				o := t.ObjectsOf(t.Query("LeafClass", findFolders, append(p, conformance.P("$XDSFolderCodeList", conformance.Quote("M1^^2.16.578.1.12.4.5.100.9")))...))
				t.Check(len(o.Folders) == 1 && o.Total() == 1, "found %s, expected the folder", o)
				o = t.ObjectsOf(t.Query("LeafClass", findFolders, append(p, conformance.P("$XDSFolderCodeList", conformance.Quote("M2^^2.16.578.1.12.4.5.100.9")))...))
				t.Check(o.Total() == 0, "another code finds %s", o)
			},
		},
		{
			ID: "ITI-18/reference-id", Title: "FindDocumentsByReferenceId finds by reference id", Section: "ITI TF-2 3.18.4.1.2.3.7.14",
			Mutant: mutant.Answers(`(?s)<(\w+:)?ExtrinsicObject.*</(\w+:)?ExtrinsicObject>`, ""),
			Run: func(t *conformance.T) {
				ref := conformance.NewOID()
				s := t.NewSubmission(t.Patient())
				hit := s.Add("treff")
				conformance.SetSlot(hit.XML, "urn:ihe:iti:xds:2013:referenceIdList", ref+"^^^&1.2.3.4&ISO^urn:ihe:iti:xds:2013:order")
				s.Add("bom")
				t.Setup(func() { t.Success(t.Register(s)) })
				o := t.ObjectsOf(t.Query("LeafClass", findByReference, findParams(s.Patient, conformance.P("$XDSDocumentEntryReferenceIdList", "('"+ref+"^%')"))...))
				t.Check(len(o.Entries) == 1 && conformance.ExternalID(o.Entries[0], conformance.EntryUnique) == hit.UniqueID, "found %s, expected one entry", o)
			},
		},
	}
}

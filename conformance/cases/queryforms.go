package cases

import (
	"regexp"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const v7210 = "2.16.578.1.12.4.1.1.7210"

// understood is a query, written in one of the ways the standard allows, that must
// find the one registered document. The mutant refuses all but the registration.
func understood(id, title, section string, query func(t *conformance.T, s *conformance.Submission) *conformance.Answer) conformance.Case {
	return conformance.Case{ID: "ITI-18/" + id, Title: title, Section: section, Mutant: mutant.RefusesAfter(1),
		Run: func(t *conformance.T) {
			s := registered(t, t.Patient(), 1)
			o := t.ObjectsOf(query(t, s))
			t.Check(len(o.Entries) == 1 && conformance.ExternalID(o.Entries[0], conformance.EntryUnique) == s.Docs[0].UniqueID, "found %s, expected the document", o)
		}}
}

// QueryForms are the rules of ITI-18 on how a request is written.
func QueryForms() []conformance.Case {
	type T = conformance.T
	type S = conformance.Submission
	type A = conformance.Answer
	with := func(more ...conformance.Param) func(*T, *S) *A {
		return func(t *T, s *S) *A { return t.Query("LeafClass", findDocuments, findParams(s.Patient, more...)...) }
	}
	raw := func(edit func(string) string) func(*T, *S) *A {
		return func(t *T, s *S) *A {
			return t.SOAP(conformance.Envelope(conformance.ActionQuery, conformance.NewUUID(), "", edit(findBody("LeafClass", s.Patient))))
		}
	}
	event := func(value string) conformance.Param { return conformance.P("$XDSDocumentEntryEventCodeList", value) }
	a, b := "AAA00^^"+v7210, "ZZZ00^^"+v7210
	likes := func(pattern string) conformance.Param {
		return conformance.P("$XDSDocumentEntryAuthorPerson", pattern)
	}
	author := func(name string) func(*conformance.Doc) {
		return func(d *conformance.Doc) {
			conformance.SetSlot(d.XML.FindElement("./Classification[@classificationScheme='"+conformance.EntryAuthor+"']"), "authorPerson", name)
		}
	}
	// The title of selects names the parameter; these say which of its rules.
	titled := func(title string, c conformance.Case) conformance.Case { c.Title = title; return c }
	return []conformance.Case{
		understood("list-without-parentheses", "A list of one may come without parentheses", tf18+".5", with(event("'"+a+"'"))),
		understood("list-blanks", "Blanks and line ends in a list mean nothing", tf18+".5", with(event("(\r\n  '"+b+"' ,\t'"+a+"'\r\n)"))),
		understood("list-of-values", "Several values of a slot are one list", tf18+".5", func(t *T, s *S) *A {
			p := event("('" + b + "')")
			p.Values = append(p.Values, "('"+b+"')", "('"+a+"')")
			return with(p)(t, s)
		}),
		understood("both-statuses", "Both statuses may be asked for", tf18, func(t *T, s *S) *A {
			p := findParams(s.Patient)
			p[1].Values = []string{conformance.Quote(conformance.Deprecated, conformance.Approved)}
			return t.Query("LeafClass", findDocuments, p...)
		}),
		understood("unknown-status-beside", "A status that is not understood is ignored", tf18, func(t *T, s *S) *A {
			p := findParams(s.Patient)
			p[1].Values = []string{conformance.Quote("urn:example:StatusType:Other", conformance.Approved)}
			return t.Query("LeafClass", findDocuments, p...)
		}),
		understood("both-types", "Both object types may be asked for", tf18+".6.2", with(conformance.P("$XDSDocumentEntryType", conformance.Quote(conformance.Stable, conformance.OnDemand)))),
		understood("metadata-level", "$MetadataLevel is a number, and no obstacle", "XDS Metadata Update, 3.18.4.1.2.3.5.1.1", with(conformance.P("$MetadataLevel", "1"))),
		understood("obsolete-scheme", "The old parameters of code schemes are ignored", tf18+".4", with(conformance.P("$XDSDocumentEntryPracticeSettingCodeScheme", "('Connect-a-thon practiceSettingCodes')"))),
		understood("composed-absent", "returnComposedObjects may be missing", "ITI TF-2 3.18.4.1.2.3", raw(func(s string) string { return strings.Replace(s, ` returnComposedObjects="true"`, "", 1) })),
		understood("query-id-letter-case", "The query's id may be in capitals", "RFC 4122, 3", raw(func(s string) string {
			return strings.Replace(s, findDocuments, "urn:uuid:"+upperHex(findDocuments[len("urn:uuid:"):]), 1)
		})),
		understood("request-prefixes", "Prefixes of a query mean nothing", "Namespaces in XML, 6", raw(strings.NewReplacer("<rim:", "<", "</rim:", "</", "xmlns:rim=", "xmlns=").Replace)),
		understood("own-home-beside-patient", "home on a query by patient is no obstacle", tf18+".8", func(t *T, s *S) *A {
			if t.Home() == "" {
				t.Skipf("the server's homeCommunityId is not known (--home)")
			}
			return raw(func(s string) string {
				return strings.Replace(s, "<rim:AdhocQuery ", `<rim:AdhocQuery home="`+t.Home()+`" `, 1)
			})(t, s)
		}),

		titled("A doubled quote in a value is one quote", selects("quote-in-value", author("1^O'Brien^Pat"), author("1^OBrien^Pat"), likes("('1^O''Brien^Pat')"))),
		titled("A comma inside quotes does not end a value", selects("comma-in-value", recode(conformance.EntryEvent, "X,1", v7210), recode(conformance.EntryEvent, "X", v7210), event("('X,1^^"+v7210+"')"))),
		titled("A LIKE pattern without wildcards is the whole value", selects("like-exact", author("^REV^MIKKEL"), author("^REV^MIKKELINE"), likes("('^REV^MIKKEL')"))),
		titled("LIKE keeps letter case", selects("like-case", author("^REV^MIKKEL"), author("^Rev^Mikkel"), likes("('%REV%')"))),
		titled("_ is one character", selects("like-one", author("^REV_A"), author("^REVA"), likes("('^REV_A')"))),
		titled("LIKE patterns are a list of alternatives", selects("like-or", author("^REV^MIKKEL"), author("^GAUPE^GRO"), likes("('^NOBODY%','^REV%')"))),
		titled("From includes its time", selects("from-inclusive", reslot("creationTime", "20260102030405"), reslot("creationTime", "20260102030404"), conformance.P("$XDSDocumentEntryCreationTimeFrom", "'20260102030405'"))),
		titled("To excludes its time", selects("to-exclusive", reslot("serviceStopTime", "20260102030404"), reslot("serviceStopTime", "20260102030405"), conformance.P("$XDSDocumentEntryServiceStopTimeTo", "20260102030405"))),
		titled("A bound may be less precise than the time", selects("bound-precision", reslot("creationTime", "20251231235959"), reslot("creationTime", "20260102030405"), conformance.P("$XDSDocumentEntryCreationTimeTo", "'2026'"))),
		titled("Codes of one list are alternatives", selects("code-or", asIs, recode(conformance.EntryType, "B02-2", "2.16.578.1.12.4.1.1.9602"),
			conformance.P("$XDSDocumentEntryTypeCode", conformance.Quote("C01-2^^2.16.578.1.12.4.1.1.9602", "A03-2^^2.16.578.1.12.4.1.1.9602")))),
		titled("Codes keep letter case", selects("code-case", asIs, recode(conformance.EntryEvent, "aaa00", v7210), event("('AAA00^^"+v7210+"')"))),
		and("confidentiality-and", "$XDSDocumentEntryConfidentialityCode", findDocuments, func(d *conformance.Doc) { // the other has only one of them
			conformance.Remove(d.XML, conformance.EntryConfidential)
			conformance.AddCode(d.XML, conformance.EntryConfidential, "N", "2.16.840.1.113883.5.25")
		}, asIs, "N^^2.16.840.1.113883.5.25", "N^^2.16.578.1.12.4.1.1.9603"),
		and("reference-and", "$XDSDocumentEntryReferenceIdList", findByReference, reslot("urn:ihe:iti:xds:2013:referenceIdList", "R1^^^^urn:x:a"),
			reslot("urn:ihe:iti:xds:2013:referenceIdList", "R1^^^^urn:x:a", "R2^^^^urn:x:a"), "R1^^^^urn:x:a", "R2^^^^urn:x:a"),

		queryFails("only-unknown-status", "A query with no status that is understood is refused", "XDSStoredQueryMissingParam", findDocuments, func(t *T) []conformance.Param {
			p := findParams(t.Patient())
			p[1].Values = []string{conformance.Quote("urn:example:StatusType:Other")}
			return p
		}),
		queryFails("repeated-status", "A repeated status slot is refused", "XDSStoredQueryParamNumber", findDocuments, func(t *T) []conformance.Param {
			p := findParams(t.Patient())
			return append(p, p[1])
		}),
		queryFails("two-times", "A time has one value", "XDSStoredQueryParamNumber", findDocuments, func(t *T) []conformance.Param {
			return findParams(t.Patient(), conformance.P("$XDSDocumentEntryCreationTimeFrom", "('2025','2026')"))
		}),
		queryFails("repeated-author", "A repeated author slot is refused", "XDSStoredQueryParamNumber", findDocuments, func(t *T) []conformance.Param {
			return findParams(t.Patient(), likes("('a%')"), likes("('b%')"))
		}),
		{
			ID: "ITI-18/return-type", Title: "A returnType that ITI-18 does not have is refused", Section: "ITI TF-2 3.18.4.1.2.3", Mutant: mutant.NeverFaultsNorRefuses(),
			Run: func(t *T) {
				a := t.Query("RepositoryItem", findDocuments, findParams(t.Patient())...)
				if conformance.Find(a.Root, "http://www.w3.org/2003/05/soap-envelope", "Fault") != nil {
					t.AnyFault(a)
					return
				}
				t.Check(strings.HasSuffix(t.StatusOf(a), ":Failure"), "status is %q", t.StatusOf(a))
			},
		},
		{
			ID: "ITI-18/highest-severity", Title: "highestSeverity, when given, is the worst of the list", Section: "ITI TF-3 4.2.4.1",
			Mutant: mutant.Answers(`highestSeverity="[^"]*"`, `highestSeverity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Warning"`),
			Run: func(t *T) {
				a := t.Query("LeafClass", conformance.NewUUID(), findParams(t.Patient())...)
				t.Refused(a, "XDSUnknownStoredQuery")
				list := conformance.Find(a.Root, "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0", "RegistryErrorList")
				v := list.SelectAttrValue("highestSeverity", "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error")
				t.Check(v == "urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error", "highestSeverity is %q", v)
			},
		},
	}
}

// and is a parameter whose repeated slots are all to be met: of two documents, the
// first meets one value and the second both.
func and(id, name, query string, oneOf, both func(*conformance.Doc), first, second string) conformance.Case {
	slots := `(?s)(<rim:Slot name="` + regexp.QuoteMeta(name) + `">.*?</rim:Slot>)<rim:Slot name="` + regexp.QuoteMeta(name) + `">.*?</rim:Slot>`
	return conformance.Case{ID: "ITI-18/" + id, Title: "Repeated slots of " + name + " must all match", Section: tf18 + ".5",
		Mutant: mutant.Requests(slots, "$1"),
		Run: func(t *conformance.T) {
			s := t.NewSubmission(t.Patient())
			oneOf(s.Add("den ene"))
			hit := s.Add("begge")
			both(hit)
			t.Setup(func() { t.Success(t.Register(s)) })
			o := t.ObjectsOf(t.Query("LeafClass", query, findParams(s.Patient, conformance.P(name, conformance.Quote(first, "ZZ^^ZZ")), conformance.P(name, conformance.Quote(second)))...))
			t.Check(len(o.Entries) == 1 && conformance.ExternalID(o.Entries[0], conformance.EntryUnique) == hit.UniqueID, "found %s, expected only the document with both", o)
		}}
}

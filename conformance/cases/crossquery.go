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
	tf38         = "ITI TF-2 3.38.4.1.3"
	foreignHome  = "urn:oid:1.2.3.999.7"
	missingHome  = "XDSMissingHomeCommunityId"
	unknownHome  = "XDSUnknownCommunity"
	xcaPath      = "/xca"
	crossQuery   = "CrossGatewayQuery"
	noEntries    = `(?s)<(\w+:)?ExtrinsicObject.*</(\w+:)?ExtrinsicObject>`
	noLocation   = `location="[^"]*"`
	homeOnObject = ` home="[^"]*"`
)

var homeOID = regexp.MustCompile(`^urn:oid:[0-2](\.(0|[1-9][0-9]*))+$`)

// acrossHome is the homeCommunityId of the community behind the gateway: the one that was
// given, or that of its answer about a patient who has documents.
func acrossHome(t *conformance.T, patient string) (home string) {
	if t.Home() != "" {
		return t.Home()
	}
	t.Setup(func() {
		o := t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, findParams(patient)...))
		t.Check(len(o.Entries) > 0, "the gateway finds nothing of a patient with documents")
		home = conformance.Attr(o.Entries[0], "home")
		t.Check(home != "", "the gateway gives no homeCommunityId to ask with, and none was given (--home)")
	})
	return home
}

// across registers n documents behind the gateway.
func across(t *conformance.T, n int) *conformance.Submission {
	t.NeedsGateway()
	return registered(t, t.Patient(), n)
}

// hasHome checks the homeCommunityId of objects in an answer.
func hasHome(t *conformance.T, objects []*etree.Element) {
	for _, e := range objects {
		home := conformance.Attr(e, "home")
		t.Check(homeOID.MatchString(home), "%s %s has the home %q, expected urn:oid:...", e.Tag, conformance.Attr(e, "id"), home)
		t.Check(t.Home() == "" || home == t.Home(), "%s has the home %q, the community's is %q", e.Tag, home, t.Home())
	}
}

// locatedAt checks that errors name the community.
func locatedAt(t *conformance.T, a *conformance.Answer) {
	for _, e := range t.ErrorsOf(a) {
		t.Check(homeOID.MatchString(e.Location), "%s has the location %q, expected a homeCommunityId", e.Code, e.Location)
	}
}

// crossFails is an ITI-38 that must be refused with a code, and with the community as
// location.
func crossFails(id, title, code string, send func(t *conformance.T, s *conformance.Submission) *conformance.Answer) conformance.Case {
	return conformance.Case{ID: "ITI-38/" + id, Title: title, Section: tf38, Mutant: mutant.OnPath(xcaPath, crossQuery, mutant.Accepts()),
		Run: func(t *conformance.T) {
			a := send(t, across(t, 1))
			t.Refused(a, code)
			locatedAt(t, a)
		}}
}

func byUnique(s *conformance.Submission) conformance.Param {
	return conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(s.Docs[0].UniqueID))
}

func setsOf(patient string) []conformance.Param {
	return []conformance.Param{conformance.P("$XDSSubmissionSetPatientId", "'"+patient+"'"), conformance.P("$XDSSubmissionSetStatus", conformance.Quote(conformance.Approved))}
}

// knowsPackages skips the case at a gateway that answers queries about submission
// sets, folders and associations with nothing (ITI TF-2 Table 3.38.4.1.2.3-1).
func knowsPackages(t *conformance.T, patient string) {
	t.Setup(func() {
		if o := t.ObjectsOf(t.CrossQuery("", "LeafClass", findSets, setsOf(patient)...)); o.Total() == 0 {
			t.Skipf("the gateway answers queries about submission sets with nothing, as it may")
		}
	})
}

// CrossQuery are the rules of ITI-38 at a responding gateway.
func CrossQuery() []conformance.Case {
	onQuery := func(m conformance.Mutant) conformance.Mutant { return mutant.OnPath(xcaPath, crossQuery, m) }
	uniques := func(o conformance.Objects) (all []string) {
		for _, e := range o.Entries {
			all = append(all, conformance.ExternalID(e, conformance.EntryUnique))
		}
		return all
	}
	return []conformance.Case{
		{
			ID: "ITI-38/find", Title: "FindDocuments by patient finds the community's documents without a home", Section: tf38, Mutant: onQuery(mutant.Answers(noEntries, "")),
			Run: func(t *conformance.T) {
				s := across(t, 2)
				got := uniques(t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, findParams(s.Patient)...)))
				t.Check(len(got) == 2 && slices.Contains(got, s.Docs[0].UniqueID) && slices.Contains(got, s.Docs[1].UniqueID), "found %v, expected two documents", got)
			},
		},
		{
			ID: "ITI-38/find-with-home", Title: "FindDocuments with the community's home finds the same", Section: tf38,
			Mutant: mutant.OnPath(xcaPath, `AdhocQuery home=`, mutant.Answers(noEntries, "")),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				got := uniques(t.ObjectsOf(t.CrossQuery(acrossHome(t, s.Patient), "LeafClass", findDocuments, findParams(s.Patient)...)))
				t.Check(len(got) == 1 && got[0] == s.Docs[0].UniqueID, "found %v, expected %s", got, s.Docs[0].UniqueID)
			},
		},
		{
			ID: "ITI-38/target-communities", Title: "Of $targetCommunityIdList a gateway takes those that it supports, and says nothing of the others", Section: "ITI TF-1 18.2.6",
			Mutant: mutant.OnPath(xcaPath, "targetCommunityIdList", mutant.Answers("ResponseStatusType:Success", "ResponseStatusType:Failure")),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				both := conformance.P("$targetCommunityIdList", conformance.Quote(acrossHome(t, s.Patient), foreignHome))
				got := uniques(t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, append(findParams(s.Patient), both)...)))
				t.Check(len(got) == 1 && got[0] == s.Docs[0].UniqueID, "found %v, expected %s", got, s.Docs[0].UniqueID)
			},
		},
		{
			ID: "ITI-38/home-of-entries", Title: "Every ExtrinsicObject has its community as home", Section: tf38, Mutant: onQuery(mutant.Answers(homeOnObject, "")),
			Run: func(t *conformance.T) {
				s := across(t, 2)
				o := t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, findParams(s.Patient)...))
				t.Check(len(o.Entries) == 2, "found %s, expected 2 entries", o)
				hasHome(t, o.Entries)
			},
		},
		{
			ID: "ITI-38/home-of-references", Title: "Every ObjectRef has its community as home", Section: tf38, Mutant: onQuery(mutant.Answers(homeOnObject, "")),
			Run: func(t *conformance.T) {
				s := across(t, 2)
				o := t.ObjectsOf(t.CrossQuery("", "ObjectRef", findDocuments, findParams(s.Patient)...))
				t.Check(len(o.Refs) == 2 && o.Total() == 2, "found %s, expected 2 references", o)
				hasHome(t, o.Refs)
			},
		},
		{
			ID: "ITI-38/home-of-packages", Title: "Every RegistryPackage has its community as home", Section: tf38, Mutant: onQuery(mutant.Answers(homeOnObject, "")),
			Run: func(t *conformance.T) {
				t.NeedsGateway()
				s := t.NewSubmission(t.Patient())
				folder, _, _ := s.Folder(s.Patient)
				s.InFolder(folder, s.Add("i mappe").ID)
				t.Setup(func() { t.Success(t.Register(s)) })
				knowsPackages(t, s.Patient)
				o := t.ObjectsOf(t.CrossQuery("", "LeafClass", getAll, conformance.P("$patientId", "'"+s.Patient+"'"), conformance.P("$XDSDocumentEntryStatus", conformance.Quote(conformance.Approved)),
					conformance.P("$XDSSubmissionSetStatus", conformance.Quote(conformance.Approved)), conformance.P("$XDSFolderStatus", conformance.Quote(conformance.Approved))))
				t.Check(len(o.Entries) == 1 && len(o.Sets) == 1 && len(o.Folders) == 1, "GetAll finds %s", o)
				hasHome(t, slices.Concat(o.Entries, o.Sets, o.Folders))
			},
		},
		{
			ID: "ITI-38/untouched", Title: "Ids, codes and slots are those that the registry answers", Section: tf38,
			Mutant: onQuery(mutant.Answers(`nodeRepresentation="A03-2"`, `nodeRepresentation="A03-1"`)),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				o := t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, findParams(s.Patient)...))
				t.Check(len(o.Entries) == 1, "found %s, expected 1 entry", o)
				near, far := contents(entryOf(t, s.Docs[0].UniqueID)), contents(o.Entries[0])
				for i, v := range near {
					t.Check(i < len(far) && far[i] == v, "the registry answers %q, which the gateway does not", v)
				}
				t.Check(len(far) == len(near), "the gateway answers %d values, the registry %d", len(far), len(near))
			},
		},
		{
			ID: "ITI-38/deprecated", Title: "Deprecated documents are found by their status", Section: tf38, Mutant: onQuery(mutant.Requests("StatusType:Deprecated", "StatusType:Approved")),
			Run: func(t *conformance.T) {
				t.NeedsGateway()
				old, s := related(t, conformance.RPLC)
				t.Setup(func() { t.Success(t.Register(s)) })
				o := t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, conformance.P("$XDSDocumentEntryPatientId", "'"+old.Patient+"'"), conformance.P("$XDSDocumentEntryStatus", conformance.Quote(conformance.Deprecated))))
				t.Check(len(o.Entries) == 1 && conformance.Attr(o.Entries[0], "id") == old.Docs[0].ID, "Deprecated finds %s", o)
			},
		},
		{
			ID: "ITI-38/get-documents", Title: "GetDocuments with the community's home finds the document", Section: tf38, Mutant: mutant.OnPath(xcaPath, getDocuments, mutant.Answers(noEntries, "")),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				o := t.ObjectsOf(t.CrossQuery(acrossHome(t, s.Patient), "LeafClass", getDocuments, byUnique(s)))
				t.Check(len(o.Entries) == 1 && conformance.Attr(o.Entries[0], "id") == s.Docs[0].ID, "found %s, expected the document", o)
				hasHome(t, o.Entries)
			},
		},
		{
			ID: "ITI-38/get-nothing", Title: "GetDocuments of an unknown id is Success with nothing", Section: tf38, Mutant: mutant.OnPath(xcaPath, getDocuments, mutant.Refuses()),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				o := t.ObjectsOf(t.CrossQuery(acrossHome(t, s.Patient), "LeafClass", getDocuments, conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(conformance.NewOID()))))
				t.Check(o.Total() == 0, "found %s, expected nothing", o)
			},
		},
		crossFails("missing-home", "GetDocuments without a home is XDSMissingHomeCommunityId", missingHome, func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return t.CrossQuery("", "LeafClass", getDocuments, byUnique(s))
		}),
		{
			ID: "ITI-38/missing-home-each", Title: "Every query without a patient needs a home", Section: "ITI TF-2 3.18.4.1.2.3.8", Mutant: onQuery(mutant.Accepts()),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				knowsPackages(t, s.Patient)
				document := conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(s.Docs[0].UniqueID))
				for query, p := range map[string]conformance.Param{
					getDocsAndAssocs: document, getFoldersForDoc: document,
					getAssociations:   conformance.P("$uuid", conformance.Quote(s.Docs[0].ID)),
					getSets:           conformance.P("$uuid", conformance.Quote(s.Docs[0].ID)),
					getSetContents:    conformance.P("$XDSSubmissionSetUniqueId", "'"+s.SetUnique+"'"),
					getFolders:        conformance.P("$XDSFolderUniqueId", conformance.Quote("1.2.3")),
					getFolderContents: conformance.P("$XDSFolderUniqueId", "'1.2.3'"),
				} {
					t.Refused(t.CrossQuery("", "LeafClass", query, p), missingHome)
				}
				t.Refused(t.CrossQuery("", "LeafClass", getRelated, conformance.P("$XDSDocumentEntryUniqueId", "'"+s.Docs[0].UniqueID+"'"),
					conformance.P("$AssociationTypes", conformance.Quote(conformance.RPLC))), missingHome)
			},
		},
		crossFails("unknown-home", "FindDocuments with another community's home is XDSUnknownCommunity", unknownHome, func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return t.CrossQuery(foreignHome, "LeafClass", findDocuments, findParams(s.Patient)...)
		}),
		crossFails("get-unknown-home", "GetDocuments with another community's home is XDSUnknownCommunity", unknownHome, func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return t.CrossQuery(foreignHome, "LeafClass", getDocuments, byUnique(s))
		}),
		crossFails("missing-parameter", "FindDocuments without a status is refused as by a registry", "XDSStoredQueryMissingParam", func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return t.CrossQuery("", "LeafClass", findDocuments, findParams(s.Patient)[:1]...)
		}),
		crossFails("unknown-query", "An unknown stored query is refused", "XDSUnknownStoredQuery", func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return t.CrossQuery(acrossHome(t, s.Patient), "LeafClass", conformance.NewUUID(), findParams(s.Patient)...)
		}),
		{
			ID: "ITI-38/error-location", Title: "The location of every error is a homeCommunityId", Section: tf38, Mutant: onQuery(mutant.Answers(noLocation, `location=""`)),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				for _, a := range []*conformance.Answer{
					t.CrossQuery("", "LeafClass", findDocuments, findParams(s.Patient)[:1]...),
					t.CrossQuery("", "LeafClass", getDocuments, byUnique(s)),
					t.CrossQuery(foreignHome, "LeafClass", getDocuments, byUnique(s)),
				} {
					t.Check(len(t.ErrorsOf(a)) > 0, "no error where one belongs")
					locatedAt(t, a)
				}
			},
		},
		{
			ID: "ITI-38/unknown-patient", Title: "An unknown patient has nothing, or is XDSUnknownPatientId", Section: tf38, Mutant: onQuery(mutant.Refuses()),
			Run: func(t *conformance.T) {
				t.NeedsGateway()
				a := t.CrossQuery("", "LeafClass", findDocuments, findParams(t.Stranger())...)
				if strings.HasSuffix(t.StatusOf(a), ":Failure") {
					t.Refused(a, "XDSUnknownPatientId")
					locatedAt(t, a)
					return
				}
				o := t.ObjectsOf(a)
				t.Check(o.Total() == 0, "found %s, expected nothing", o)
			},
		},
		{
			ID: "ITI-38/no-hits", Title: "No hits is Success with an empty list", Section: tf38, Mutant: onQuery(mutant.Answers("RegistryObjectList", "NoSuchList")),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				o := t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, findParams(s.Patient, conformance.P("$XDSDocumentEntryClassCode", "('NOPE^^1.2.3')"))...))
				t.Check(o.Total() == 0, "found %s, expected nothing", o)
			},
		},
		{
			ID: "ITI-38/unknown-parameter", Title: "An unknown parameter changes nothing", Section: tf38, Mutant: mutant.OnPath(xcaPath, "$Unknown", mutant.Refuses()),
			Run: func(t *conformance.T) {
				s := across(t, 1)
				o := t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, findParams(s.Patient, conformance.P("$Unknown", "('x')"))...))
				t.Check(len(o.Entries) == 1, "found %s, expected 1 entry", o)
			},
		},
		{
			ID: "ITI-38/parameters", Title: "Parameters select as they do in ITI-18", Section: tf38, Mutant: onQuery(mutant.Ignores("$XDSDocumentEntryClassCode")),
			Run: func(t *conformance.T) {
				t.NeedsGateway()
				s := t.NewSubmission(t.Patient())
				hit := s.Add("treff")
				recode(conformance.EntryClass, "B00-1", "2.16.578.1.12.4.1.1.9602")(s.Add("bom"))
				t.Setup(func() { t.Success(t.Register(s)) })
				got := uniques(t.ObjectsOf(t.CrossQuery("", "LeafClass", findDocuments, findParams(s.Patient, conformance.P("$XDSDocumentEntryClassCode", conformance.Quote("A00-1^^2.16.578.1.12.4.1.1.9602")))...)))
				t.Check(len(got) == 1 && got[0] == hit.UniqueID, "found %v, expected only %s", got, hit.UniqueID)
			},
		},
		answers("cross-gateway-query", conformance.ActionCrossQuery, func(t *conformance.T) *conformance.Answer {
			return t.CrossQuery("", "LeafClass", findDocuments, findParams(across(t, 1).Patient)...)
		}),
		{
			ID: "ITI-38/simple-soap", Title: "The answer is SOAP 1.2 without attachments", Section: "ITI TF-2 3.38.5",
			Mutant: onQuery(conformance.Mutant{Response: func(x *conformance.Exchange) { x.Type, x.Response = conformance.MTOM(string(x.Response), nil, 0) }}),
			Run: func(t *conformance.T) {
				a := t.CrossQuery("", "LeafClass", findDocuments, findParams(across(t, 1).Patient)...)
				t.Success(a)
				t.Check(a.Type == "application/soap+xml", "Content-Type is %q", a.Type)
			},
		},
		{
			ID: "ITI-38/posted", Title: "An answer is posted to a wsa:ReplyTo", Section: "ITI TF-2 3.38.5", Mutant: mutant.Delivered(mutant.Answers(homeOnObject, "")),
			Run: func(t *conformance.T) {
				s := across(t, 2)
				t.WithInbox(func(in *conformance.Inbox) {
					a := in.Ask(conformance.ActionCrossQuery, conformance.CrossQueryBody("", "LeafClass", findDocuments, findParams(s.Patient)...))
					o := t.ObjectsOf(a)
					t.Check(len(o.Entries) == 2, "found %s, expected 2 entries", o)
					hasHome(t, o.Entries)
					t.Check(a.Type == "application/soap+xml", "Content-Type is %q", a.Type)
				})
			},
		},
	}
}

// contents are what an entry says, sorted: everything but the home and the ids that a
// registry may make anew for each answer.
func contents(e *etree.Element) []string {
	all := []string{"id " + conformance.Attr(e, "id"), "status " + conformance.Attr(e, "status"), "mimeType " + conformance.Attr(e, "mimeType")}
	for _, c := range e.ChildElements() {
		switch c.Tag {
		case "Slot":
			name := conformance.Attr(c, "name")
			all = append(all, name+" "+strings.Join(conformance.SlotOf(e, name), "|"))
		case "Classification":
			all = append(all, conformance.Attr(c, "classificationScheme")+" "+conformance.Attr(c, "nodeRepresentation")+" "+strings.Join(conformance.SlotOf(c, "codingScheme"), ""))
		case "ExternalIdentifier":
			all = append(all, conformance.Attr(c, "identificationScheme")+" "+conformance.Attr(c, "value"))
		}
	}
	slices.Sort(all)
	return all
}

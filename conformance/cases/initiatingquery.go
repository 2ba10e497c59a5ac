package cases

import (
	"slices"
	"strings"

	"github.com/beevik/etree"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	tf38Initiating = "ITI TF-2 3.38.4.1.3"
	gatewayPath    = "/initiating"
	homeOne        = "urn:oid:2.25.7001"
	homeTwo        = "urn:oid:2.25.7002"
	homeOdd        = "urn:oid:2.25.7003"
	unavailable    = "XDSUnavailableCommunity"
)

// stage is the kit's communities with a document each of one patient.
type stage struct {
	*conformance.Communities
	t             *conformance.T
	patient       string
	one, two, odd *conformance.Doc
}

// staged is a case about an initiating gateway in front of the kit's communities.
func staged(id, title, section string, m conformance.Mutant, run func(*conformance.T, *stage)) conformance.Case {
	return conformance.Case{ID: id, Title: title, Section: section, Mutant: m, Run: func(t *conformance.T) {
		t.WithCommunities(func(k *conformance.Communities) {
			s := &stage{Communities: k, t: t, patient: t.Patient()}
			s.one, s.two, s.odd = k.One.Hold(t, s.patient, 1)[0], k.Two.Hold(t, s.patient, 1)[0], k.Odd.Hold(t, s.patient, 1)[0]
			run(t, s)
		})
	}}
}

// find asks the gateway for the patient's documents.
func (s *stage) find(more ...conformance.Param) *conformance.Answer {
	return s.t.GatewayQuery("", "LeafClass", findDocuments, findParams(s.patient, more...)...)
}

// came expects just these documents, each with the home that its community gave.
func (s *stage) came(a *conformance.Answer, docs ...*conformance.Doc) {
	got := map[string]int{}
	for _, e := range s.t.Listed(a).Entries {
		got[conformance.ExternalID(e, conformance.EntryUnique)+" of "+conformance.Attr(e, "home")]++
	}
	for _, d := range docs {
		want := d.UniqueID + " of " + conformance.Attr(d.XML, "home")
		s.t.Check(got[want] == 1, "the document %s comes %d times, expected once; the answer has %v", want, got[want], got)
		delete(got, want)
	}
	s.t.Check(len(got) == 0, "the answer has more documents than expected: %v", got)
}

// othersCame expects the documents of the right communities, and an error with one of
// the codes (any when there are none) that names the odd one.
func (s *stage) othersCame(a *conformance.Answer, codes ...string) conformance.RegistryError {
	errs := s.t.Partial(a)
	s.came(a, s.one, s.two)
	return s.namesOdd(errs, codes...)
}

func (s *stage) namesOdd(errs []conformance.RegistryError, codes ...string) conformance.RegistryError {
	for _, e := range errs {
		if (len(codes) == 0 || slices.Contains(codes, e.Code)) && strings.Contains(e.Location, s.Odd.Home) {
			return e
		}
	}
	s.t.Failf("errors are %v, expected %s with the location %s", errs, strings.Join(codes, " or "), s.Odd.Home)
	return conformance.RegistryError{}
}

// InitiatingQuery are the rules of ITI-18 at an initiating gateway.
func InitiatingQuery() []conformance.Case {
	answers := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath(gatewayPath, "RegistryStoredQuery", mutant.Answers(pattern, with))
	}
	asks := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath(gatewayPath, "RegistryStoredQuery", mutant.Requests(pattern, with))
	}
	accepts := mutant.OnPath(gatewayPath, "RegistryStoredQuery", mutant.Accepts())
	unknownPatient := func(q *conformance.Asked) bool {
		q.Query(conformance.RegistryErrorXML("XDSUnknownPatientId", "not known here", q.Community.Home), "")
		return true
	}
	return []conformance.Case{
		staged("XCA-18/find-all", "FindDocuments by patient answers the documents of all communities", tf38Initiating, answers(noEntries, ""), func(t *conformance.T, s *stage) {
			a := t.Success(s.find())
			s.came(a, s.one, s.two, s.odd)
		}),
		staged("XCA-18/homes-kept", "Every ExtrinsicObject keeps the home that its community gave", tf38Initiating, answers(`home="urn:oid:2\.25\.700[12]"`, `home="`+homeOdd+`"`), func(t *conformance.T, s *stage) {
			s.came(t.Success(s.find()), s.one, s.two, s.odd)
		}),
		staged("XCA-18/references", "ObjectRefs of all communities come with their homes", tf38Initiating, answers(homeOnObject, ""), func(t *conformance.T, s *stage) {
			o := t.ObjectsOf(t.GatewayQuery("", "ObjectRef", findDocuments, findParams(s.patient)...))
			got := map[string]string{}
			for _, e := range o.Refs {
				got[conformance.Attr(e, "id")] = conformance.Attr(e, "home")
			}
			t.Check(len(got) == 3 && o.Total() == 3 && got[s.one.ID] == homeOne && got[s.two.ID] == homeTwo && got[s.odd.ID] == homeOdd, "the references are %v", got)
		}),
		staged("XCA-18/untouched", "Ids, codes and slots are those that the community answered", tf38Initiating, answers(`nodeRepresentation="A03-2"`, `nodeRepresentation="A03-1"`), func(t *conformance.T, s *stage) {
			for _, e := range t.ObjectsOf(s.find()).Entries {
				if conformance.ExternalID(e, conformance.EntryUnique) != s.one.UniqueID {
					continue
				}
				t.Check(conformance.Attr(e, "id") == s.one.ID, "the entryUUID is %s, the community answered %s", conformance.Attr(e, "id"), s.one.ID)
				far, near := contents(s.one.XML), contents(e)
				for i, v := range far {
					t.Check(i < len(near) && near[i] == v, "the community answered %q, which the gateway does not", v)
				}
				return
			}
			t.Failf("the document did not come")
		}),
		staged("XCA-18/asked-as-gateway", "A community is asked by ITI-38, as plain SOAP with the patient and all WS-Addressing headers", "ITI TF-2 3.38.4.1",
			mutant.Onward("CrossGatewayQuery", "RegistryStoredQuery"), func(t *conformance.T, s *stage) {
				s.find()
				asked := s.One.AskedAbout(s.patient)
				t.Check(len(asked) > 0, "the community was not asked about the patient")
				q := asked[0]
				t.Check(q.Action == conformance.ActionCrossQuery, "the action is %q", q.Action)
				t.Check(q.Type == "application/soap+xml", "the Content-Type is %q", q.Type)
				t.Check(q.MessageID != "" && q.ReplyTo != "", "MessageID is %q, ReplyTo %q", q.MessageID, q.ReplyTo)
			}),
		staged("XCA-18/parameters-passed", "Parameters are passed on as they are, unknown ones too", "ITI TF-2 3.38.4.1.1",
			mutant.Onward(`(?s)<(\w+:)?Slot name="\$KitParameter">.*?</(\w+:)?Slot>`, ""), func(t *conformance.T, s *stage) {
				s.find(conformance.P("$KitParameter", "('a value','another''s')"), conformance.P("$XDSDocumentEntryCreationTimeFrom", "20200102"))
				for _, c := range []*conformance.Community{s.One, s.Two} {
					asked := c.AskedAbout(s.patient)
					t.Check(len(asked) > 0, "%s was not asked", c.Name)
					for name, value := range map[string]string{"$KitParameter": "another''s", "$XDSDocumentEntryCreationTimeFrom": "20200102", "$XDSDocumentEntryStatus": conformance.Approved} {
						got := strings.Join(valuesOf(asked[0].Root, name), " ")
						t.Check(strings.Contains(got, value), "%s was asked with %s = %q, expected %s", c.Name, name, got, value)
					}
				}
			}),
		staged("XCA-18/by-object", "A query with home goes to that community only", tf38Initiating, asks(`home="`+homeTwo+`"`, `home="`+homeOne+`"`), func(t *conformance.T, s *stage) {
			s.came(t.Success(t.GatewayQuery(homeTwo, "LeafClass", getDocuments, byUniqueID(s.two))), s.two)
			t.Check(len(s.One.AskedAbout(s.two.UniqueID)) == 0, "another community was asked too")
		}),
		staged("XCA-18/missing-home", "A query by object without home is XDSMissingHomeCommunityId", "ITI TF-2 3.18.4.1.2.3.8", accepts, func(t *conformance.T, s *stage) {
			t.Refused(t.GatewayQuery("", "LeafClass", getDocuments, byUniqueID(s.one)), missingHome)
		}),
		staged("XCA-18/unknown-home", "A query for a community that nobody knows is XDSUnknownCommunity", tf38Initiating, accepts, func(t *conformance.T, s *stage) {
			t.Refused(t.GatewayQuery(foreignHome, "LeafClass", getDocuments, byUniqueID(s.one)), unknownHome)
		}),
		staged("XCA-18/target-communities", "$targetCommunityIdList narrows a query to those communities", "ITI TF-1 18.2.6", asks(homeTwo, homeOne), func(t *conformance.T, s *stage) {
			a := t.Success(s.find(conformance.P("$targetCommunityIdList", conformance.Quote(homeTwo))))
			if len(t.Listed(a).Entries) == 3 {
				t.Skipf("the gateway does not have the Target Communities Option")
			}
			s.came(a, s.two)
		}),
		staged("XCA-18/unknown-patient", "XDSUnknownPatientId of one community is no error of the answer", tf38Initiating, answers("ResponseStatusType:Success", "ResponseStatusType:Failure"), func(t *conformance.T, s *stage) {
			s.Odd.Behave = unknownPatient
			s.came(t.Success(s.find()), s.one, s.two)
		}),
		staged("XCA-18/unknown-patient-anywhere", "XDSUnknownPatientId of all communities is Success with nothing", tf38Initiating, answers("ResponseStatusType:Success", "ResponseStatusType:Failure"), func(t *conformance.T, s *stage) {
			s.One.Behave, s.Two.Behave, s.Odd.Behave = unknownPatient, unknownPatient, unknownPatient
			o := t.ObjectsOf(s.find())
			t.Check(o.Total() == 0, "found %s, expected nothing", o)
		}),
		staged("XCA-18/error-passed", "An error of one community comes with its location, beside the others' documents", tf38Initiating, accepts, func(t *conformance.T, s *stage) {
			s.Odd.Behave = refusesWith("XDSRegistryBusy", homeOdd)
			s.othersCame(s.find(), "XDSRegistryBusy")
		}),
		staged("XCA-18/error-without-location", "An error without a location comes, and is nobody else's", tf38Initiating, accepts, func(t *conformance.T, s *stage) {
			s.Odd.Behave = refusesWith("XDSRegistryBusy", "")
			a := s.find()
			errs := t.Partial(a)
			s.came(a, s.one, s.two)
			i := slices.IndexFunc(errs, func(e conformance.RegistryError) bool { return e.Code == "XDSRegistryBusy" })
			t.Check(i >= 0, "errors are %v, expected XDSRegistryBusy", errs)
			t.Check(errs[i].Location == "" || strings.Contains(errs[i].Location, homeOdd), "the error has the location %q", errs[i].Location)
		}),
		staged("XCA-18/partial-passed", "Documents and errors of one answer both come", tf38Initiating, accepts, func(t *conformance.T, s *stage) {
			s.Odd.Behave = func(q *conformance.Asked) bool {
				q.Query(conformance.RegistryErrorXML("XDSRegistryError", "a registry behind is away", homeOdd), conformance.EntryXML(s.odd))
				return true
			}
			a := s.find()
			s.namesOdd(t.Partial(a), "XDSRegistryError")
			s.came(a, s.one, s.two, s.odd)
		}),
		staged("XCA-18/only-failure", "When nobody but a community that refuses was asked, the status is Failure", tf38Initiating, answers("urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure", "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"), func(t *conformance.T, s *stage) {
			s.Odd.Behave = refusesWith("XDSRegistryBusy", homeOdd)
			t.Refused(t.GatewayQuery(homeOdd, "LeafClass", getDocuments, byUniqueID(s.odd)), "XDSRegistryBusy")
		}),
		staged("XCA-18/same-ids", "Documents with the same ids in two communities both come", tf38Initiating, answers(`(?s)<(\w+:)?ExtrinsicObject[^>]*home="`+homeTwo+`".*?</(\w+:)?ExtrinsicObject>`, ""), func(t *conformance.T, s *stage) {
			twin := *s.one
			twin.XML = s.one.XML.Copy()
			twin.XML.CreateAttr("home", homeTwo)
			s.Two.Behave = func(q *conformance.Asked) bool { q.Query("", conformance.EntryXML(&twin)); return true }
			s.came(t.Success(s.find()), s.one, &twin, s.odd)
		}),
		staged("XCA-18/many", "Five hundred documents of one community all come, or it is named", tf38Initiating, answers(`(?s)<(\w+:)?ExtrinsicObject.*?</(\w+:)?ExtrinsicObject>`, ""), func(t *conformance.T, s *stage) {
			docs := append(s.Odd.Hold(t, s.patient, 500), s.odd, s.one, s.two)
			a := s.find()
			if errs := t.ErrorsOf(a); len(errs) > 0 {
				s.othersCame(a)
				return
			}
			s.came(t.Success(a), docs...)
		}),
	}
}

// refusesWith answers a failure with one error.
func refusesWith(code, location string) func(*conformance.Asked) bool {
	return func(q *conformance.Asked) bool {
		q.Query(conformance.RegistryErrorXML(code, "the kit says so", location), "")
		return true
	}
}

func byUniqueID(d *conformance.Doc) conformance.Param {
	return conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(d.UniqueID))
}

// valuesOf are the values of a parameter in a message.
func valuesOf(root *etree.Element, name string) (all []string) {
	for _, e := range conformance.All(root, "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0", "AdhocQuery") {
		all = append(all, conformance.SlotOf(e, name)...)
	}
	return all
}

package cases

import (
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	homeMany   = "urn:oid:2.25.7006"
	homeSecond = "urn:oid:2.25.7007"
	homeThird  = "urn:oid:2.25.7008"
	bridgePath = "/bridge"
)

// side is one of the two ways to the kit's communities: as a consumer of an initiating
// gateway, or as another gateway through a bridge.
type side struct {
	name, path                string
	query, retrieve           string // the transactions
	queryAction, fetchAction  string
	querySection, getsSection string
	find                      func(t *conformance.T, home, returnType, id string, params ...conformance.Param) *conformance.Answer
	get                       func(t *conformance.T, gets ...conformance.Get) *conformance.Answer
}

func sides() []side {
	return []side{
		{"a consumer", gatewayPath, "XCA-18", "XCA-43", "RegistryStoredQuery", "RetrieveDocumentSet", tf38Initiating, tf39Initiating, (*conformance.T).GatewayQuery, (*conformance.T).GatewayRetrieve},
		{"another gateway", bridgePath, "XCA-38", "XCA-39", "CrossGatewayQuery", "CrossGatewayRetrieve", "ITI TF-2 3.38.4.1.2.1", "ITI TF-2 3.39.4.1.3", (*conformance.T).BridgeQuery, (*conformance.T).BridgeRetrieve},
	}
}

// instance is a gateway that answers for three communities, with a document in each.
type instance struct {
	*stage
	side side
	docs [3]*conformance.Doc // by home
}

func instances(x side, id, title, section string, m conformance.Mutant, run func(*conformance.T, *instance)) conformance.Case {
	return staged(id, title, section, m, func(t *conformance.T, s *stage) {
		i := &instance{stage: s, side: x}
		for n, home := range []string{homeMany, homeSecond, homeThird} {
			i.docs[n] = s.Many.HoldIn(t, home, s.patient, 1)[0]
		}
		run(t, i)
	})
}

func (i *instance) all() *conformance.Answer {
	return i.side.find(i.t, "", "LeafClass", findDocuments, findParams(i.patient)...)
}

func (i *instance) gets() (list []conformance.Get) {
	for _, d := range i.docs {
		list = append(list, i.Many.Get(d))
	}
	return list
}

// SharedInstances are the rules for a gateway behind which several home communities with
// repositories of their own stand: each document and error keeps its community.
func SharedInstances() (all []conformance.Case) {
	for _, x := range sides() {
		all = append(all, sharedQueries(x)...)
		all = append(all, sharedRetrievals(x)...)
	}
	return all
}

func sharedQueries(x side) []conformance.Case {
	answers := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath(x.path, x.queryAction, mutant.Answers(pattern, with))
	}
	return []conformance.Case{
		instances(x, x.query+"/several-homes", "One gateway answers for three communities: "+x.name+" gets each document with its own home", x.querySection, answers(`home="`+homeThird+`"`, `home="`+homeMany+`"`), func(t *conformance.T, i *instance) {
			i.came(t.Success(i.all()), i.one, i.two, i.odd, i.docs[0], i.docs[1], i.docs[2])
		}),
		instances(x, x.query+"/several-homes-references", "ObjectRefs of three communities behind one gateway have their homes", x.querySection, answers(`home="`+homeSecond+`"`, `home="`+homeMany+`"`), func(t *conformance.T, i *instance) {
			got := map[string]string{}
			for _, e := range t.ObjectsOf(i.side.find(t, "", "ObjectRef", findDocuments, findParams(i.patient)...)).Refs {
				got[conformance.Attr(e, "id")] = conformance.Attr(e, "home")
			}
			for _, d := range i.docs {
				t.Check(got[d.ID] == conformance.Attr(d.XML, "home"), "the reference of a document in %s has the home %q", conformance.Attr(d.XML, "home"), got[d.ID])
			}
		}),
		instances(x, x.query+"/one-of-several-homes", "A query in one of these homes goes to its gateway under that home, and answers of it alone", x.querySection,
			mutant.OnPath(x.path, x.queryAction, mutant.Requests(`home="`+homeSecond+`"`, `home="`+homeThird+`"`)), func(t *conformance.T, i *instance) {
				i.came(t.Success(i.side.find(t, homeSecond, "LeafClass", getDocuments, byUniqueID(i.docs[1]))), i.docs[1])
				asked := i.Many.AskedAbout(i.docs[1].UniqueID)
				t.Check(len(asked) > 0 && strings.Contains(asked[0].Text, `home="`+homeSecond+`"`), "the gateway was not asked with the home of the query")
			}),
		instances(x, x.query+"/error-of-one-home", "An error of one of these homes keeps its location, beside the others' documents", x.querySection, answers(`location="`+homeThird+`"`, `location="`+homeMany+`"`), func(t *conformance.T, i *instance) {
			i.Many.Behave = func(q *conformance.Asked) bool {
				q.Query(conformance.RegistryErrorXML("XDSRegistryBusy", "the third is away", homeThird), conformance.EntryXML(i.docs[0])+conformance.EntryXML(i.docs[1]))
				return true
			}
			a := i.all()
			errs := t.Partial(a)
			i.came(a, i.one, i.two, i.odd, i.docs[0], i.docs[1])
			for _, e := range errs {
				if e.Code == "XDSRegistryBusy" && e.Location == homeThird {
					return
				}
			}
			t.Failf("errors are %v, expected XDSRegistryBusy with the location %s", errs, homeThird)
		}),
	}
}

func sharedRetrievals(x side) []conformance.Case {
	answers := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath(x.path, x.fetchAction, mutant.Answers(pattern, with))
	}
	return []conformance.Case{
		instances(x, x.retrieve+"/several-homes", "Documents of three communities behind one gateway come, each under its own home and repository", x.getsSection, answers(">"+homeThird+"<", ">"+homeMany+"<"), func(t *conformance.T, i *instance) {
			got := documents(t, t.Success(i.side.get(t, append(i.gets(), i.One.Get(i.one))...)))
			t.Check(len(got) == 4, "%d documents, expected 4", len(got))
			for _, d := range append(i.docs[:], i.one) {
				whole(t, got, d)
			}
		}),
		instances(x, x.retrieve+"/asked-under-each-home", "Their gateway is asked under the home of each document", x.getsSection, mutant.Onward(">"+homeSecond+"<", ">"+homeMany+"<"), func(t *conformance.T, i *instance) {
			i.side.get(t, i.gets()...)
			for _, d := range i.docs {
				asked := i.Many.AskedAbout(d.UniqueID)
				t.Check(len(asked) > 0 && strings.Contains(asked[0].Text, ">"+conformance.Attr(d.XML, "home")+"<"), "the document of %s was not asked for under its home", conformance.Attr(d.XML, "home"))
			}
		}),
		instances(x, x.retrieve+"/error-of-one-home", "A document that one of them does not have is an error that names it, beside the others' documents", x.getsSection, answers(`<(\w+:)?RegistryError [^>]*location="[^"]*"`, `<rs:RegistryError errorCode="XDSDocumentUniqueIdError" location="`+homeMany+`"`), func(t *conformance.T, i *instance) {
			gets := i.gets()
			gets[2].Unique = conformance.NewOID()
			a := i.side.get(t, gets...)
			errs := t.Partial(a)
			got := documents(t, a)
			t.Check(len(got) == 2, "%d documents, expected 2", len(got))
			whole(t, got, i.docs[0])
			whole(t, got, i.docs[1])
			t.Check(len(errs) == 1 && errs[0].Code == "XDSDocumentUniqueIdError" && strings.Contains(errs[0].Location, gets[2].Unique) && strings.Contains(errs[0].Location, homeThird),
				"errors are %v, expected XDSDocumentUniqueIdError whose location has the document and %s", errs, homeThird)
		}),
	}
}

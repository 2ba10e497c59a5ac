package cases

import (
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

// guided is a case about a gateway that asks Guide where a patient has data: in One and,
// under another id, in Far. It is skipped when the gateway does not ask.
func guided(id, title string, m conformance.Mutant, run func(*conformance.T, *distant)) conformance.Case {
	return afar("XCA-56/"+id, title, tf56, m, func(t *conformance.T, d *distant) {
		d.Guide.Behave = func(q *conformance.Asked) bool {
			if !q.IsLocation() {
				return false
			}
			q.Located(map[string]string{homeOne: d.patient, homeFar: d.there})
			return true
		}
		run(t, d)
	})
}

// guide are the questions to Guide where the patient has data.
func (d *distant) guide(t *conformance.T) (all []*conformance.Asked) {
	for _, q := range d.Guide.AskedAbout(strings.SplitN(d.patient, "^", 2)[0]) {
		if q.IsLocation() {
			all = append(all, q)
		}
	}
	if len(all) == 0 {
		t.Skipf("the gateway does not ask the community Kit Guide where a patient has data (ITI-56)")
	}
	return all
}

// InitiatingLocation are the rules of ITI-56 and of ITI-55 for consumers at an initiating
// gateway.
func InitiatingLocation() []conformance.Case {
	answers := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath(gatewayPath, "RegistryStoredQuery", mutant.Answers(pattern, with))
	}
	ofFar := `(?s)<(\w+:)?ExtrinsicObject[^>]*home="` + homeFar + `".*?</(\w+:)?ExtrinsicObject>`
	return []conformance.Case{
		guided("named", "Communities that a Health Data Locator names are asked, each about the id that it said", answers(ofFar, ""), func(t *conformance.T, d *distant) {
			a := d.find()
			q := d.guide(t)[0]
			t.Check(q.Type == "application/soap+xml", "the Content-Type is %q", q.Type)
			id := conformance.Find(q.Root, "urn:ihe:iti:xcpd:2009", "RequestedPatientId")
			t.Check(id != nil && conformance.Attr(id, "extension") == strings.SplitN(d.patient, "^", 2)[0], "RequestedPatientId is not the patient's")
			t.Success(a)
			got := map[string]bool{}
			for _, e := range t.Listed(a).Entries {
				got[conformance.Attr(e, "home")] = true
			}
			t.Check(got[homeOne] && got[homeFar], "documents came from %v, expected those of %s and %s", got, homeOne, homeFar)
		}),
		guided("corresponding-id", "CorrespondingPatientId is the id in the queries to that community", mutant.Onward(`&amp;2\.25\.7004\.2&amp;`, `&amp;2.25.7004.9&amp;`), func(t *conformance.T, d *distant) {
			d.find()
			d.guide(t)
			asked := false
			for _, q := range d.Far.AskedAbout(d.there) {
				asked = asked || q.Action == conformance.ActionCrossQuery
			}
			t.Check(asked, "Kit Far was not asked for documents of the id that the locator said")
		}),
		guided("narrowed", "Communities that the locator knows and does not name are not asked", answers(ofFar, ""), func(t *conformance.T, d *distant) {
			a := t.Success(d.find())
			d.guide(t)
			if len(d.Two.AskedAbout(d.patient)) > 0 {
				t.Skipf("the gateway asks all communities, whatever a locator says")
			}
			d.came(a, d.one, d.far)
		}),
		afar("XCA-56/not-a-locator", "A locator that knows nothing of this patient narrows nothing", tf56, answers(noEntries, ""), func(t *conformance.T, d *distant) {
			a := d.find()
			d.guide(t)
			d.came(t.Success(a), d.one, d.two, d.odd, d.far)
		}),
		afar("XCA-56/locator-dead", "A locator that cannot be reached narrows nothing", tf56, answers(noEntries, ""), func(t *conformance.T, d *distant) {
			d.Guide.Behave = func(q *conformance.Asked) bool {
				if q.IsLocation() {
					q.Dead()
				}
				return false
			}
			a := d.find()
			d.guide(t)
			d.came(a, d.one, d.two, d.odd, d.far)
		}),
		afar("XCA-55/consumer", "A consumer that asks who a patient is gets the answers of communities, each with its home", tf55, mutant.OnPath(gatewayPath, "PRPA_IN201305UV02", mutant.Answers(`root="2\.25\.7004"`, `root="2.25.7001"`)), func(t *conformance.T, d *distant) {
			f := t.GatewayDiscover(conformance.Who{IDs: []string{d.patient}})
			t.Check(f.Accepted == "AA" && f.Code == "OK" && f.QueryID == f.SentQuery, "the answer is %s %s to the query %q", f.Accepted, f.Code, f.QueryID)
			for _, e := range f.Events {
				if e.Home == strings.TrimPrefix(homeFar, "urn:oid:") {
					t.Check(len(e.IDs) == 1 && e.IDs[0] == d.there, "the patient's ids in Kit Far are %v, expected %s", e.IDs, d.there)
					return
				}
			}
			t.Failf("there is no registrationEvent of %s: %+v", homeFar, f.Events)
		}),
		afar("XCA-55/consumer-remembered", "What a consumer asked serves its queries: the community is asked once who the patient is", "ITI TF-2 3.55.4.2.2.7", mutant.Onward(`&amp;2\.25\.7004\.2&amp;`, `&amp;2.25.7004.9&amp;`), func(t *conformance.T, d *distant) {
			d.keep = "PT1H"
			t.GatewayDiscover(conformance.Who{IDs: []string{d.patient}})
			n := len(d.asked(t))
			a := d.find()
			d.came(t.Success(a), d.one, d.two, d.odd, d.far)
			if len(d.asked(t)) > n {
				t.Skipf("the gateway remembers nothing of what consumers ask")
			}
		}),
		guided("consumer", "A consumer that asks where a patient has data gets what the locator says", mutant.OnPath(gatewayPath, "PatientLocationQueryRequest", mutant.Answers(homeFar, homeTwo)), func(t *conformance.T, d *distant) {
			a := t.GatewayLocate(d.patient)
			d.guide(t)
			homes := t.Locations(a, d.patient)
			t.Check(strings.Contains(strings.Join(homes, " "), homeFar) && strings.Contains(strings.Join(homes, " "), homeOne), "the answer names %v", homes)
		}),
	}
}

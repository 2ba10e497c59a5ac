package cases

import (
	"bytes"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const homeFar = "urn:oid:2.25.7004"

// distant is a stage with a community that has another id for the patient.
type distant struct {
	*stage
	there string // the patient's id in Far
	far   *conformance.Doc
	// answer is how Far answers ITI-55; nil: that it has the patient.
	answer func(*conformance.Asked)
	keep   string // CorrelationTimeToLive
}

// discovers is a case about a gateway that asks Far who a patient is; it is skipped when
// the gateway does not.
func discovers(id, title, section string, m conformance.Mutant, run func(*conformance.T, *distant)) conformance.Case {
	return afar("XCA-55/"+id, title, section, m, run)
}

// afar is a case with a community that has another id for the patient.
func afar(id, title, section string, m conformance.Mutant, run func(*conformance.T, *distant)) conformance.Case {
	return staged(id, title, section, m, func(t *conformance.T, s *stage) {
		d := &distant{stage: s, there: "F" + conformance.NewOID()[5:15] + "^^^&2.25.7004.2&ISO"}
		d.far = s.Far.Hold(t, d.there, 1)[0]
		s.Far.Behave = func(q *conformance.Asked) bool {
			switch {
			case !q.IsDiscovery():
				return false
			case d.answer != nil:
				d.answer(q)
			case !strings.Contains(q.Text, `"`+strings.SplitN(s.patient, "^", 2)[0]+`"`):
				return false
			default:
				q.Discovered(q.DiscoverXML("AA", "", "", d.there), d.keep)
			}
			return true
		}
		run(t, d)
	})
}

// asked is how often Far was asked who the patient is; the case is skipped when it never
// was, unless nothing else can be the reason.
func (d *distant) asked(t *conformance.T) (all []*conformance.Asked) {
	for _, q := range d.Far.AskedAbout(strings.SplitN(d.patient, "^", 2)[0]) {
		if q.IsDiscovery() {
			all = append(all, q)
		}
	}
	if len(all) == 0 && len(d.Far.AskedAbout(d.patient)) == 0 {
		t.Skipf("the gateway does not ask the community Kit Far who a patient is (ITI-55)")
	}
	return all
}

// InitiatingDiscovery are the rules of ITI-55 at an initiating gateway.
func InitiatingDiscovery() []conformance.Case {
	answers := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath(gatewayPath, "RegistryStoredQuery", mutant.Answers(pattern, with))
	}
	accepts := mutant.OnPath(gatewayPath, "RegistryStoredQuery", mutant.Accepts())
	trouble := func(id, title string, answer func(*conformance.Asked)) conformance.Case {
		return discovers(id, title, tf55, accepts, func(t *conformance.T, d *distant) {
			d.answer = answer
			a := d.find()
			d.asked(t)
			errs := t.Partial(a)
			d.came(a, d.one, d.two, d.odd)
			for _, e := range errs {
				if strings.Contains(e.Location, homeFar) {
					return
				}
			}
			t.Failf("errors are %v, expected one with the location %s", errs, homeFar)
		})
	}
	return []conformance.Case{
		discovers("finds", "A community with ids of its own is asked about its own id, and its documents come", "ITI TF-2 3.38.4.1.3", answers(`(?s)<(\w+:)?ExtrinsicObject[^>]*home="`+homeFar+`".*?</(\w+:)?ExtrinsicObject>`, ""), func(t *conformance.T, d *distant) {
			a := d.find()
			d.asked(t)
			d.came(t.Success(a), d.one, d.two, d.odd, d.far)
		}),
		discovers("id-replaced", "The patient id of ITI-38 is the one that the community said", "ITI TF-2 3.38.4.1.3", mutant.Onward(`&amp;2\.25\.7004\.2&amp;`, `&amp;2.25.7004.9&amp;`), func(t *conformance.T, d *distant) {
			d.find()
			d.asked(t)
			t.Check(len(d.Far.AskedAbout(d.there)) > 0, "the community was not asked about the id that it said")
			t.Check(len(d.One.AskedAbout(d.there)) == 0, "another community was asked about that id")
		}),
		discovers("wrapper", "The query is PRPA_IN201305UV02 with the asking community as sender", "ITI TF-2 3.55.4.1.2", mutant.Onward(`(?s)<asAgent .*?</asAgent>`, ""), func(t *conformance.T, d *distant) {
			d.find()
			all := d.asked(t)
			t.Check(len(all) > 0, "the community was not asked who the patient is")
			q := all[0]
			t.Check(q.Type == "application/soap+xml", "the Content-Type is %q", q.Type)
			get := func(name, attribute string) string {
				e := conformance.Find(q.Root, "urn:hl7-org:v3", name)
				if e == nil {
					return ""
				}
				return conformance.Attr(e, attribute)
			}
			t.Check(get("interactionId", "extension") == "PRPA_IN201305UV02", "interactionId is %q", get("interactionId", "extension"))
			t.Check(get("acceptAckCode", "code") == "AL", "acceptAckCode is %q", get("acceptAckCode", "code"))
			t.Check(get("responsePriorityCode", "code") == "I", "responsePriorityCode is %q", get("responsePriorityCode", "code"))
			t.Check(get("queryId", "root") != "", "queryId is missing")
			sender := conformance.Find(q.Root, "urn:hl7-org:v3", "sender")
			t.Check(sender != nil && conformance.Find(sender, "urn:hl7-org:v3", "representedOrganization") != nil, "sender/device/asAgent/representedOrganization, the asking community, is missing")
		}),
		discovers("not-found", "A community that does not have the patient is not asked for documents, and is no error", tf55, answers("ResponseStatusType:Success", "ResponseStatusType:Failure"), func(t *conformance.T, d *distant) {
			d.answer = func(q *conformance.Asked) { q.Discovered(q.DiscoverXML("AA", "NF", ""), "") }
			a := d.find()
			d.asked(t)
			d.came(t.Success(a), d.one, d.two, d.odd)
			for _, q := range d.Far.AskedAbout(conformance.Approved) {
				t.Check(!strings.Contains(q.Text, d.patient) && q.Action != conformance.ActionCrossQuery, "the community was asked for documents of a patient whom it does not have")
			}
		}),
		discovers("not-kept", "Without CorrelationTimeToLive the community is asked each time", "ITI TF-2 3.55.4.2.2.7", remembers(), func(t *conformance.T, d *distant) {
			d.find()
			n := len(d.asked(t))
			d.find()
			t.Check(len(d.asked(t)) > n, "the second time the community was not asked who the patient is, though it allowed nobody to remember")
		}),
		discovers("fresh-id", "An id that was not to be remembered is replaced by the next answer's", "ITI TF-2 3.55.4.2.2.7", answers(`(?s)<(\w+:)?ExtrinsicObject[^>]*home="`+homeFar+`".*?</(\w+:)?ExtrinsicObject>`, ""), func(t *conformance.T, d *distant) {
			d.find()
			d.asked(t)
			d.there = "G" + conformance.NewOID()[5:15] + "^^^&2.25.7004.2&ISO"
			fresh := d.Far.Hold(t, d.there, 1)[0]
			d.came(t.Success(d.find()), d.one, d.two, d.odd, fresh)
		}),
		trouble("error", "A community that cannot say who the patient is is named", func(q *conformance.Asked) {
			q.Discovered(q.DiscoverXML("AE", "AE", `<reasonOf typeCode="RSON"><detectedIssueEvent classCode="ALRT" moodCode="EVN"><mitigatedBy typeCode="MITGT"><detectedIssueManagement classCode="ACT" moodCode="EVN"><code code="ResponderBusy" codeSystem="1.3.6.1.4.1.19376.1.2.27.3"/></detectedIssueManagement></mitigatedBy></detectedIssueEvent></reasonOf>`), "")
		}),
		trouble("malformed", "An answer that is not well-formed is not taken", func(q *conformance.Asked) {
			q.Reply(200, "application/soap+xml; charset=UTF-8", q.EnvelopeXML("<PRPA_IN201306UV02>"))
		}),
		trouble("dead", "A community that breaks off is named", func(q *conformance.Asked) { q.Dead() }),
	}
}

// remembers is a gateway that asks only once: later questions are about somebody else.
func remembers() conformance.Mutant {
	asked := map[string]bool{}
	return conformance.Mutant{Onward: func(x *conformance.Exchange) {
		if !bytes.Contains(x.Request, []byte("<PRPA_IN201305UV02")) {
			return
		}
		_, rest, _ := bytes.Cut(x.Request, []byte("<livingSubjectId>"))
		id, _, _ := bytes.Cut(rest, []byte("</livingSubjectId>"))
		if key := string(id); asked[key] {
			x.Request = bytes.Replace(x.Request, id, []byte(`<value root="2.25.7" extension="somebody"/>`), 1)
			x.Request = bytes.ReplaceAll(x.Request, []byte("livingSubjectName"), []byte("livingSubjectNone"))
		} else {
			asked[key] = true
		}
	}}
}

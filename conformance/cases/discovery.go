package cases

import (
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	tf55 = "ITI TF-2 3.55.4.2.3"
	tf56 = "XCPD Health Data Locator 3.56.4"
)

// discoverable is a patient of the community, with a name that nobody else has.
func discoverable(t *conformance.T, gender string) (patient, family string) {
	t.NeedsDiscovery()
	s := t.NewSubmission(t.Patient())
	family = "Kitsen" + strings.Map(func(r rune) rune { return 'a' + r%26 }, conformance.NewOID()[5:17])
	conformance.SetSlot(s.Add("om hvem").XML, "sourcePatientInfo", "PID-5|"+family+"^Kari", "PID-7|19800131", "PID-8|"+gender)
	t.Setup(func() { t.Success(t.Register(s)) })
	return s.Patient, family
}

// oneMatch expects one patient: acceptance, OK and one event.
func oneMatch(t *conformance.T, f conformance.Found) conformance.Event {
	t.Check(f.Accepted == "AA" && f.Code == "OK", "the answer is %s/%s, expected AA/OK", f.Accepted, f.Code)
	t.Check(len(f.Events) == 1, "%d patients, expected 1", len(f.Events))
	return f.Events[0]
}

// Discovery are the rules of ITI-55 and ITI-56 at a responding gateway.
func Discovery() []conformance.Case {
	answers := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath("/xcpd", "PRPA_IN201305UV02", mutant.Answers(pattern, with))
	}
	byID := func(id, title string, m conformance.Mutant, check func(t *conformance.T, patient string, f conformance.Found)) conformance.Case {
		return conformance.Case{ID: "ITI-55/" + id, Title: title, Section: tf55, Mutant: m, Run: func(t *conformance.T) {
			patient, _ := discoverable(t, "F")
			check(t, patient, t.Discover(conformance.Who{IDs: []string{patient}}))
		}}
	}
	byName := func(id, title string, m conformance.Mutant, who func(family string) conformance.Who, check func(t *conformance.T, patient string, f conformance.Found)) conformance.Case {
		return conformance.Case{ID: "ITI-55/" + id, Title: title, Section: tf55, Mutant: m, Run: func(t *conformance.T) {
			patient, family := discoverable(t, "F")
			t.Setup(func() {
				if f := t.Discover(conformance.Who{Family: family, Given: "Kari", Born: "19800131", Gender: "F"}); len(f.Events) == 0 && f.Accepted == "AE" {
					t.Skipf("the gateway does not find patients by name")
				}
			})
			check(t, patient, t.Discover(who(family)))
		}}
	}
	return []conformance.Case{
		byID("by-id", "A patient is found by id, with exactly one id to ask with", answers(`(?s)<subject .*</subject>`, ""), func(t *conformance.T, patient string, f conformance.Found) {
			e := oneMatch(t, f)
			t.Check(len(e.IDs) == 1 && e.IDs[0] == patient, "the patient's ids are %v, expected %s", e.IDs, patient)
		}),
		byID("home", "Every patient has the community as custodian", answers(`(<custodian.*?root=")[^"]*`, `${1}1.2.3.999`), func(t *conformance.T, _ string, f conformance.Found) {
			e := oneMatch(t, f)
			t.Check(homeOID.MatchString("urn:oid:"+e.Home), "custodian/assignedEntity/id is %q, expected an OID without urn:oid:", e.Home)
			t.Check(t.Home() == "" || "urn:oid:"+e.Home == t.Home(), "the custodian is %q, the community's home is %q", e.Home, t.Home())
		}),
		byID("locator-code", "Every custodian says whether the community is a Health Data Locator", answers(`(NotHealthDataLocator|SupportsHealthDataLocator)`, "Perhaps"), func(t *conformance.T, _ string, f conformance.Found) {
			e := oneMatch(t, f)
			t.Check(e.Locator == "SupportsHealthDataLocator" || e.Locator == "NotHealthDataLocator", "assignedEntity/code is %q", e.Locator)
			t.Check(e.LocatorSystem == "1.3.6.1.4.1.19376.1.2.27.2", "its codeSystem is %q", e.LocatorSystem)
		}),
		byID("acknowledges", "The answer names the message and the query that it answers, and repeats the parameters", answers(`(<targetMessage><id root="2\.25\.7" extension=")`, `${1}9`), func(t *conformance.T, _ string, f conformance.Found) {
			t.Check(f.Target == f.SentTarget, "targetMessage is %q, expected %q", f.Target, f.SentTarget)
			t.Check(f.QueryID == f.SentQuery, "queryAck/queryId is %q, expected %q", f.QueryID, f.SentQuery)
			t.Check(f.HasParameters, "the answer has no queryByParameter with the parameters")
		}),
		byID("action", "The wsa:Action of the answer is that of PRPA_IN201306UV02", answers("PRPA_IN201306UV02:CrossGatewayPatientDiscovery", "PRPA_IN201305UV02:CrossGatewayPatientDiscoveryResponse"), func(t *conformance.T, _ string, f conformance.Found) {
			got := conformance.Find(f.Answer.Root, "http://www.w3.org/2005/08/addressing", "Action")
			t.Check(got != nil && strings.TrimSpace(got.Text()) == conformance.ActionDiscoverAnswer, "the action is not %s", conformance.ActionDiscoverAnswer)
			t.Check(f.Answer.Type == "application/soap+xml", "the Content-Type is %q", f.Answer.Type)
		}),
		{
			ID: "ITI-55/unknown", Title: "An id that nobody has is accepted and finds nothing (AA, NF)", Section: tf55, Mutant: answers(`queryResponseCode code="NF"`, `queryResponseCode code="OK"`),
			Run: func(t *conformance.T) {
				t.NeedsDiscovery()
				f := t.Discover(conformance.Who{IDs: []string{t.Stranger()}})
				t.Check(f.Accepted == "AA" && f.Code == "NF" && len(f.Events) == 0, "the answer is %s/%s with %d patients, expected AA/NF", f.Accepted, f.Code, len(f.Events))
			},
		},
		{
			ID: "ITI-55/several-ids", Title: "One id of several is enough", Section: tf55, Mutant: answers(`(?s)<subject .*</subject>`, ""),
			Run: func(t *conformance.T) {
				patient, _ := discoverable(t, "F")
				e := oneMatch(t, t.Discover(conformance.Who{IDs: []string{t.Stranger(), patient}}))
				t.Check(len(e.IDs) == 1 && e.IDs[0] == patient, "the patient's ids are %v, expected %s", e.IDs, patient)
			},
		},
		{
			ID: "ITI-55/nothing-asked", Title: "A query that says nobody is an error or finds nothing", Section: tf55, Mutant: answers(`<typeCode code="AE"/>`, `<typeCode code="AA"/>`),
			Run: func(t *conformance.T) {
				t.NeedsDiscovery()
				a := t.DiscoverXML(conformance.ActionDiscover, conformance.DiscoverBody("1", "I", conformance.Who{}))
				if conformance.Find(a.Root, "http://www.w3.org/2003/05/soap-envelope", "Fault") != nil {
					return
				}
				f := t.FoundIn(a)
				t.Check(len(f.Events) == 0, "%d patients were found by nothing", len(f.Events))
				t.Check(f.Accepted == "AA" && f.Code == "NF" || f.Accepted == "AE" && f.Code == "AE" && len(f.Trouble) > 0 || len(f.Requested) > 0,
					"the answer is %s/%s with the issues %v, expected AA/NF, or AE/AE with a detected issue", f.Accepted, f.Code, f.Trouble)
			},
		},
		{
			ID: "ITI-55/deferred", Title: "A deferred answer is promised, or refused with NS250", Section: "ITI TF-2 3.55.4.1.3", Mutant: answers("NS250", "NS000"),
			Run: func(t *conformance.T) {
				t.NeedsDiscovery()
				a := t.DiscoverXML(conformance.ActionDiscover, conformance.DiscoverBody("2", "D", conformance.Who{IDs: []string{t.Stranger()}}))
				t.Check(conformance.Find(a.Root, "urn:hl7-org:v3", "MCCI_IN000002UV01") != nil, "HTTP %d without MCCI_IN000002UV01", a.Status)
				ack := t.AckOf(a)
				t.Check(ack.Positive || ack.Code == "AE" && strings.Contains(string(a.Raw), "NS250"), "the acknowledgement is %s", ack.Text)
			},
		},
		{
			ID: "ITI-55/merged", Title: "An id that was merged leads to the patient who survives", Section: tf55, Mutant: answers(`(?s)<subject .*</subject>`, ""),
			Run: func(t *conformance.T) {
				t.NeedsDiscovery()
				w := conformance.Wires()[1].On(t)
				old, now := t.Stranger(), t.Stranger()
				t.Setup(func() {
					w.Add(old)
					w.Add(now)
					w.Merge(old, now)
				})
				e := oneMatch(t, t.Discover(conformance.Who{IDs: []string{old}}))
				t.Check(len(e.IDs) == 1 && e.IDs[0] == now, "the patient's ids are %v, expected %s", e.IDs, now)
			},
		},
		byName("by-name", "A patient is found by name, day of birth and gender", answers(`(?s)<subject .*</subject>`, ""), func(family string) conformance.Who {
			return conformance.Who{Family: family, Given: "Kari", Born: "19800131", Gender: "F"}
		}, func(t *conformance.T, patient string, f conformance.Found) {
			e := oneMatch(t, f)
			t.Check(len(e.IDs) == 1 && e.IDs[0] == patient, "the patient's ids are %v, expected %s", e.IDs, patient)
		}),
		byName("other-birth", "The same name with another day of birth finds nobody", answers(`(?s)<queryResponseCode code="NF"/>`, `<queryResponseCode code="OK"/>`), func(family string) conformance.Who {
			return conformance.Who{Family: family, Given: "Kari", Born: "19811231"}
		}, func(t *conformance.T, _ string, f conformance.Found) {
			t.Check(f.Accepted == "AA" && f.Code == "NF" && len(f.Events) == 0, "the answer is %s/%s with %d patients, expected AA/NF", f.Accepted, f.Code, len(f.Events))
		}),
		{
			ID: "ITI-55/posted", Title: "An answer is posted to a wsa:ReplyTo", Section: "ITI TF-2 3.55.5", Mutant: mutant.Delivered(mutant.Answers(`(?s)<subject .*</subject>`, "")),
			Run: func(t *conformance.T) {
				patient, _ := discoverable(t, "F")
				t.WithInbox(func(in *conformance.Inbox) {
					oneMatch(t, t.FoundIn(in.Ask(conformance.ActionDiscover, conformance.DiscoverBody("3", "I", conformance.Who{IDs: []string{patient}}))))
				})
			},
		},
		{
			ID: "ITI-56/locate", Title: "A Health Data Locator says where a patient has data; others answer a fault", Section: tf56,
			Mutant: mutant.OnPath("/xcpd", "PatientLocationQueryRequest", mutant.Answers(`(?s)<(\w+:)?PatientLocationResponse>.*</(\w+:)?PatientLocationResponse>`, "")),
			Run: func(t *conformance.T) {
				patient, _ := discoverable(t, "F")
				e := oneMatch(t, t.Discover(conformance.Who{IDs: []string{patient}}))
				a := t.Locate(patient)
				if e.Locator != "SupportsHealthDataLocator" {
					t.Fault(a, "Sender")
					return
				}
				homes := t.Locations(a, patient)
				t.Check(strings.Contains(strings.Join(homes, " "), "urn:oid:"+e.Home), "the locations are %v, expected urn:oid:%s among them", homes, e.Home)
			},
		},
		{
			ID: "ITI-56/unknown", Title: "A patient of whom nothing is known is a fault of the sender", Section: tf56,
			Mutant: mutant.OnPath("/xcpd", "PatientLocationQueryRequest", mutant.NeverFaults()),
			Run: func(t *conformance.T) {
				t.NeedsDiscovery()
				t.Fault(t.Locate(t.Stranger()), "Sender")
			},
		},
	}
}

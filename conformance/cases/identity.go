package cases

import (
	"slices"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const unknownPatient = "XDSUnknownPatientId"

// The mutants of identity feeds, for both wires.
var (
	// forgetsMerges merges somebody else instead: the message is acknowledged and has
	// no effect on whom it names.
	forgetsMerges = both(mutant.OnPath("/mllp", "ADT^A40", mutant.Requests(`MRG\|C`, "MRG|X")),
		mutant.OnPath("/identity", "PRPA_IN201304UV02", mutant.Requests(`(priorRegisteredRole classCode="PAT"><id root="[^"]*" extension=")C`, "${1}X")))
	// saysNo and saysYes turn acknowledgements around.
	saysNo  = both(mutant.OnPath("/mllp", "", mutant.Answers(`MSA\|AA`, "MSA|AE")), mutant.OnPath("/identity", "", mutant.Answers(`typeCode code="CA"`, `typeCode code="CE"`)))
	saysYes = both(mutant.OnPath("/mllp", "", mutant.Answers(`MSA\|A[ER]`, "MSA|AA")), mutant.OnPath("/identity", "", mutant.Answers(`typeCode code="C[ER]"`, `typeCode code="CA"`)))
	// findsNothing answers queries without entries.
	findsNothing = mutant.OnPath("/registry", "AdhocQuery", mutant.Answers(`(?s)<(\w+:)?ExtrinsicObject .*?</(\w+:)?ExtrinsicObject>`, ""))
	// takesEverything accepts every submission.
	takesEverything = mutant.OnPath("/registry", "SubmitObjectsRequest", mutant.Accepts())
)

// both applies two mutants.
func both(a, b conformance.Mutant) conformance.Mutant {
	return conformance.Mutant{
		Request:  func(x *conformance.Exchange) { a.Request(x); b.Request(x) },
		Response: func(x *conformance.Exchange) { a.Response(x); b.Response(x) },
	}
}

// onBoth makes a case for each wire.
func onBoth(id, title string, m conformance.Mutant, run func(*conformance.T, conformance.Wire)) []conformance.Case {
	var all []conformance.Case
	for _, w := range conformance.Wires() {
		all = append(all, conformance.Case{ID: w.Transaction + "/" + id, Title: title, Section: w.Section, Mutant: m,
			Run: func(t *conformance.T) { run(t, w.On(t)) }})
	}
	return all
}

// patient is a known patient and the uniqueId of its document.
type patient struct{ id, document string }

// patients are new, known by the wire, and have a document each.
func patients(t *conformance.T, w conformance.Wire, n int) []patient {
	all := make([]patient, n)
	for i := range all {
		all[i].id = t.Stranger()
		t.Setup(func() { w.Add(all[i].id) })
		all[i].document = registered(t, all[i].id, 1).Docs[0].UniqueID
	}
	return all
}

// holds expects that a query by patient finds exactly these documents.
func holds(t *conformance.T, who string, p patient, documents ...string) {
	got := found(t, p.id)
	slices.Sort(got)
	slices.Sort(documents)
	t.Check(slices.Equal(got, documents), "a query by %s finds %d documents, expected %d (or others)", who, len(got), len(documents))
}

// findsNone expects what a query by a subsumed id gives: nothing, or that it is
// unknown.
func findsNone(t *conformance.T, who string, p patient) {
	a := t.Query("LeafClass", findDocuments, findParams(p.id)...)
	if strings.HasSuffix(t.StatusOf(a), ":Failure") {
		t.Refused(a, unknownPatient)
		return
	}
	t.Check(t.ObjectsOf(a).Total() == 0, "a query by %s still finds documents", who)
}

// unchanged is a merge that has no effect, whatever it is answered.
func unchanged(id, title string, merge func(a, b, c patient) (subsumed, survivor string), prepare func(*conformance.T, conformance.Wire, patient, patient), docs func(a, b, c patient) (ofA, ofB, ofC []string)) []conformance.Case {
	return onBoth(id, title, findsNothing, func(t *conformance.T, w conformance.Wire) {
		p := patients(t, w, 3)
		if prepare != nil {
			t.Setup(func() { prepare(t, w, p[0], p[1]) })
		}
		subsumed, survivor := merge(p[0], p[1], p[2])
		w.Tell(conformance.Story{Trigger: "A40", Patients: []string{survivor}, Subsumed: subsumed})
		ofA, ofB, ofC := docs(p[0], p[1], p[2])
		for i, want := range [][]string{ofA, ofB, ofC} {
			who := []string{"A", "B", "C"}[i]
			if want == nil {
				findsNone(t, who, p[i])
			} else {
				holds(t, who, p[i], want...)
			}
		}
	})
}

// Identity are the rules of patient identity feeds, ITI-8 and ITI-44.
func Identity() []conformance.Case {
	mergeAB := func(_ *conformance.T, w conformance.Wire, a, b patient) { w.Merge(a.id, b.id) }
	apart := func(a, b, c patient) (x, y, z []string) {
		return []string{a.document}, []string{b.document}, []string{c.document}
	}
	merged := func(a, b, c patient) (x, y, z []string) {
		return nil, []string{a.document, b.document}, []string{c.document}
	}
	return slices.Concat(
		onBoth("add", "That a patient exists is acknowledged", saysNo, func(t *conformance.T, w conformance.Wire) {
			for _, trigger := range []string{"A01", "A04", "A05"} {
				a := w.Tell(conformance.Story{Trigger: trigger, Patients: []string{t.Stranger()}})
				t.Check(a.Positive, "%s: %s", trigger, a.Text)
			}
		}),
		onBoth("add-twice", "A message that comes twice is acknowledged twice", saysNo, func(t *conformance.T, w conformance.Wire) {
			s := conformance.Story{Trigger: "A04", Patients: []string{t.Stranger()}}
			w.Tell(s)
			a := w.Tell(s)
			t.Check(a.Positive, "the second time: %s", a.Text)
		}),
		onBoth("revise", "That something about a known patient changed is acknowledged", both(mutant.OnPath("/mllp", "ADT^A08", mutant.Answers(`MSA\|AA`, "MSA|AE")),
			mutant.OnPath("/identity", "PRPA_IN201302UV02", mutant.Answers(`typeCode code="CA"`, `typeCode code="CE"`))), func(t *conformance.T, w conformance.Wire) {
			p := t.Stranger()
			t.Setup(func() { w.Add(p) })
			a := w.Tell(conformance.Story{Trigger: "A08", Patients: []string{p}})
			t.Check(a.Positive, "%s", a.Text)
		}),
		onBoth("refers", "The acknowledgement names the message that it answers", both(mutant.OnPath("/mllp", "", mutant.Answers(`(MSA\|AA\|)\d`, "${1}x")),
			mutant.OnPath("/identity", "", mutant.Answers(`(?s)(targetMessage>.*?extension=")`, "${1}x"))), func(t *conformance.T, w conformance.Wire) {
			a := w.Tell(conformance.Story{Trigger: "A04", Patients: []string{t.Stranger()}})
			t.Check(a.Target == a.Sent, "the message is %q, the acknowledgement is of %q", a.Sent, a.Target)
		}),
		onBoth("add-known", "A patient can have documents once a feed has told of it, and not before", takesEverything, func(t *conformance.T, w conformance.Wire) {
			t.KnownOnly()
			p := t.Stranger()
			s := t.NewSubmission(p)
			s.Add("for tidlig")
			t.Refused(t.Register(s), unknownPatient)
			w.Add(p)
			registered(t, p, 1)
		}),
		onBoth("other-authority", "Ids of other assigning authorities are not taken in", takesEverything, func(t *conformance.T, w conformance.Wire) {
			t.KnownOnly()
			p := t.Stranger()
			id, _, _ := strings.Cut(p, "^")
			w.Tell(conformance.Story{Trigger: "A04", Patients: []string{id + "^^^&1.2.3.4.5&ISO"}})
			s := t.NewSubmission(p)
			s.Add("ukjent")
			t.Refused(t.Register(s), unknownPatient)
			w.Add(id+"^^^&1.2.3.4.5&ISO", p) // ours among others
			registered(t, p, 1)
		}),
		onBoth("merge", "After a merge a query by the surviving id finds the documents of both", forgetsMerges, func(t *conformance.T, w conformance.Wire) {
			p := patients(t, w, 2)
			w.Merge(p[0].id, p[1].id)
			holds(t, "the surviving id", p[1], p[0].document, p[1].document)
		}),
		onBoth("merge-shows-survivor", "After a merge entries and submission sets show the surviving id", mutant.OnPath("/registry", "AdhocQuery", mutant.Answers(`value="C`, `value="D`)), func(t *conformance.T, w conformance.Wire) {
			p := patients(t, w, 2)
			t.Setup(func() { w.Merge(p[0].id, p[1].id) })
			for _, e := range t.ObjectsOf(t.Query("LeafClass", findDocuments, findParams(p[1].id)...)).Entries {
				t.Check(conformance.ExternalID(e, conformance.EntryPatient) == p[1].id, "an entry shows another patient id than the surviving one")
			}
			o := t.ObjectsOf(t.Query("LeafClass", findSets, conformance.P("$XDSSubmissionSetPatientId", "'"+p[1].id+"'"), conformance.P("$XDSSubmissionSetStatus", conformance.Quote(conformance.Approved))))
			t.Check(len(o.Sets) == 2, "the query by the surviving id finds %s, expected two submission sets", o)
			for _, e := range o.Sets {
				t.Check(conformance.ExternalID(e, conformance.SetPatient) == p[1].id, "a submission set shows another patient id than the surviving one")
			}
		}),
		onBoth("merge-subsumed-query", "After a merge a query by the subsumed id finds nothing", forgetsMerges, func(t *conformance.T, w conformance.Wire) {
			p := patients(t, w, 2)
			w.Merge(p[0].id, p[1].id)
			findsNone(t, "the subsumed id", p[0])
		}),
		onBoth("merge-subsumed-register", "After a merge nothing is registered for the subsumed id", takesEverything, func(t *conformance.T, w conformance.Wire) {
			p := patients(t, w, 2)
			t.Setup(func() { w.Merge(p[0].id, p[1].id) })
			s := t.NewSubmission(p[0].id)
			s.Add("for sent")
			t.Refused(t.Register(s), unknownPatient)
		}),
		onBoth("merge-goes-on", "After a merge documents are registered for the surviving id, and may replace those of the subsumed", findsNothing, func(t *conformance.T, w conformance.Wire) {
			a, b := t.Stranger(), t.Stranger()
			t.Setup(func() { w.Add(a); w.Add(b) })
			old := registered(t, a, 1).Docs[0]
			t.Setup(func() { w.Merge(a, b) })
			s := t.NewSubmission(b)
			d := s.Add("ny utgave")
			s.Associate(conformance.RPLC, d.ID, old.ID)
			t.Setup(func() { t.Success(t.Register(s)) })
			holds(t, "the surviving id", patient{id: b}, d.UniqueID)
		}),
		onBoth("merge-chain", "After A into B and B into C a query by C finds the documents of all", forgetsMerges, func(t *conformance.T, w conformance.Wire) {
			p := patients(t, w, 3)
			w.Merge(p[0].id, p[1].id)
			w.Merge(p[1].id, p[2].id)
			holds(t, "C", p[2], p[0].document, p[1].document, p[2].document)
			findsNone(t, "A", p[0])
			findsNone(t, "B", p[1])
		}),
		unchanged("merge-twice", "A merge that comes twice is one merge", func(a, b, c patient) (string, string) { return a.id, b.id }, mergeAB, merged),
		unchanged("merge-subsumed-again", "An id that was subsumed is not merged into another one", func(a, b, c patient) (string, string) { return a.id, c.id }, mergeAB, merged),
		unchanged("merge-into-subsumed", "Nothing is merged into an id that was subsumed", func(a, b, c patient) (string, string) { return c.id, a.id }, mergeAB, merged),
		unchanged("merge-itself", "A patient is not merged into itself", func(a, b, c patient) (string, string) { return a.id, a.id }, nil, apart),
		unchanged("merge-other-authority", "A merge with an id of another assigning authority changes nothing", func(a, b, c patient) (string, string) {
			id, _, _ := strings.Cut(b.id, "^")
			return a.id, id + "^^^&1.2.3.4.5&ISO"
		}, func(t *conformance.T, _ conformance.Wire, _, _ patient) { t.KnownOnly() }, apart), // who knows nobody may take ids of any authority
		onBoth("merge-unknown", "A merge with an id that is not known changes nothing", findsNothing, func(t *conformance.T, w conformance.Wire) {
			t.KnownOnly()
			p := patients(t, w, 1)
			stranger := t.Stranger()
			w.Tell(conformance.Story{Trigger: "A40", Patients: []string{stranger}, Subsumed: p[0].id})
			holds(t, "the known id", p[0], p[0].document)
		}),
		v2Forms(), v3Forms(),
	)
}

// v2Refused is a message that is not acknowledged positively.
func v2Refused(id, title string, edit func(string) string) conformance.Case {
	return conformance.Case{ID: "ITI-8/" + id, Title: title, Section: "HL7 v2.5 2.9.2", Mutant: saysYes,
		Run: func(t *conformance.T) {
			conformance.Wires()[0].On(t)
			a := t.MLLP(edit(conformance.V2("4711", conformance.Story{Trigger: "A04", Patients: []string{t.Stranger()}})))
			t.Check(a.Code == "AE" || a.Code == "AR", "the answer is %s", a.Text)
		}}
}

func replaced(old, new string) func(string) string {
	return func(s string) string { return strings.Replace(s, old, new, 1) }
}

// v2Forms are rules of HL7 v2's messages and of MLLP.
func v2Forms() []conformance.Case {
	v2 := func(id, title, section string, m conformance.Mutant, run func(*conformance.T)) conformance.Case {
		return conformance.Case{ID: "ITI-8/" + id, Title: title, Section: section, Mutant: m, Run: func(t *conformance.T) {
			conformance.Wires()[0].On(t)
			run(t)
		}}
	}
	add := func(t *conformance.T, id string) string {
		return conformance.V2(id, conformance.Story{Trigger: "A04", Patients: []string{t.Stranger()}})
	}
	return []conformance.Case{
		v2Refused("no-patient", "A message without a patient id is refused", func(s string) string {
			before, after, _ := strings.Cut(s, "PID|||")
			_, after, _ = strings.Cut(after, "||")
			return before + "PID|||||" + after
		}),
		v2Refused("no-pid", "A message without PID is refused", replaced("PID|", "ZZZ|")),
		v2Refused("no-mrg", "A merge without MRG is refused", func(s string) string {
			return strings.Replace(strings.Replace(s, "ADT^A04", "ADT^A40", 1), "EVN|A04", "EVN|A40", 1)
		}),
		v2Refused("other-type", "A message of another type is refused", replaced("ADT^A04", "ORU^R01")),
		v2Refused("other-event", "An event of another transaction is refused", replaced("ADT^A04", "ADT^A99")),
		v2Refused("other-version", "A version that is not 2.x is refused", replaced("|P|2.3.1", "|P|9.9")),
		v2("order", "Messages of one connection are answered in their order", "HL7 v2.5 C.4", mutant.OnPath("/mllp", "", mutant.Answers(`(MSA\|AA\|)o\d`, "${1}o0")), func(t *conformance.T) {
			var all []string
			for _, id := range []string{"o1", "o2", "o3", "o4", "o5"} {
				all = append(all, add(t, id))
			}
			for i, a := range t.MLLPAll(all...) {
				t.Check(a.Target == "o"+string(rune('1'+i)), "answer %d is to %q", i+1, a.Target)
			}
		}),
		v2("survives-errors", "After a message that is refused the connection goes on", "HL7 v2.5 C.4", saysNo, func(t *conformance.T) {
			acks := t.MLLPAll(strings.Replace(add(t, "1"), "PID|", "ZZZ|", 1), add(t, "2"))
			t.Check(acks[1].Positive && acks[1].Target == "2", "%s", acks[1].Text)
		}),
		v2("delimiters", "The encoding characters of MSH-1 and MSH-2 are those of the message", "HL7 v2.5 2.5.4", saysNo, func(t *conformance.T) {
			s := add(t, "47")
			a := t.MLLP(strings.NewReplacer("|", "$", "^", "*", "~", "%", `\`, "!", "&", "+").Replace(s))
			t.Check(a.Positive && a.Target == "47", "%s", a.Text)
		}),
		v2("further-segments", "Segments that a registry has no use for are passed over", "HL7 v2.5 2.8", saysNo, func(t *conformance.T) {
			a := t.MLLP(add(t, "48") + "NK1|1|X^Y\rZZ1|lokalt|innhold~to\rPV2|\r")
			t.Check(a.Positive, "%s", a.Text)
		}),
		v2("norwegian", "Names in 8859/1 and in UTF-8 are no obstacle", "ITI TF-2 3.8.4.1.2.1", saysNo, func(t *conformance.T) {
			for set, name := range map[string]string{"8859/1": "\xc6\xd8\xc5", "UNICODE UTF-8": "ÆØÅ"} {
				s := strings.Replace(strings.Replace(add(t, "49"), "|P|2.3.1", "|P|2.3.1||||||"+set, 1), "TESTPERSON", name, 1)
				a := t.MLLP(s)
				t.Check(a.Positive, "%s: %s", set, a.Text)
			}
		}),
		v2("roles", "The acknowledgement is an ACK that goes back where the message came from", "HL7 v2.5 2.9.3", mutant.OnPath("/mllp", "", mutant.Answers(`KIT\|CONFORMANCE`, "REGISTRY|DOMAIN")), func(t *conformance.T) {
			a := t.MLLP(add(t, "50"))
			f := strings.Split(a.Text, "|")
			t.Check(len(f) > 11 && strings.HasPrefix(f[8], "ACK") && f[2] == "REGISTRY" && f[4] == "KIT" && f[5] == "CONFORMANCE", "%s", a.Text)
		}),
	}
}

// v3Forms are rules of HL7 v3's messages and their envelope.
func v3Forms() []conformance.Case {
	v3 := func(id, title string, m conformance.Mutant, run func(*conformance.T)) conformance.Case {
		return conformance.Case{ID: "ITI-44/" + id, Title: title, Section: "ITI TF-2 3.44", Mutant: m, Run: func(t *conformance.T) {
			conformance.Wires()[1].On(t)
			run(t)
		}}
	}
	add := func(t *conformance.T) string {
		return conformance.V3("4711", conformance.Story{Trigger: "A04", Patients: []string{t.Stranger()}})
	}
	action := conformance.ActionFeed + "PRPA_IN201301UV02"
	refused := func(id, title string, edit func(string) string) conformance.Case {
		return v3(id, title, both(saysYes, mutant.OnPath("/identity", "", mutant.NeverFaults())), func(t *conformance.T) {
			a := t.AckOf(t.FeedXML(action, edit(add(t))))
			t.Check(!a.Positive, "the answer is %s", a.Text)
		})
	}
	return []conformance.Case{
		refused("no-patient", "A message without a patient id is refused", func(s string) string {
			before, after, _ := strings.Cut(s, `<patient classCode="PAT">`)
			_, after, _ = strings.Cut(after, "/>")
			return before + `<patient classCode="PAT">` + after
		}),
		refused("no-event", "A message without a registrationEvent is refused", func(s string) string { return strings.ReplaceAll(s, "registrationEvent", "registrationOther") }),
		refused("other-interaction", "interactionId must fit the message", replaced(`extension="PRPA_IN201301UV02"`, `extension="PRPA_IN201305UV02"`)),
		v3("action", "The answer's action is that of MCCI_IN000002UV01 and relates to the request", mutant.OnPath("/identity", "", mutant.Answers(`Action([^>]*)>[^<]*<`, "Action$1>urn:x<")), func(t *conformance.T) {
			a := t.FeedXML(action, add(t))
			t.Check(a.Status == 200, "HTTP %d", a.Status)
			e := conformance.Find(a.Root, "http://www.w3.org/2005/08/addressing", "Action")
			t.Check(e != nil && strings.TrimSpace(e.Text()) == conformance.ActionFeed+"MCCI_IN000002UV01", "the answer's wsa:Action is not that of MCCI_IN000002UV01")
			t.Check(conformance.Find(a.Root, "http://www.w3.org/2005/08/addressing", "RelatesTo") != nil, "the answer has no wsa:RelatesTo")
		}),
		v3("other-action", "An action of another transaction is a fault", mutant.OnPath("/identity", "", mutant.NeverFaults()), func(t *conformance.T) {
			t.Fault(t.FeedXML("urn:ihe:iti:2007:RegistryStoredQuery", add(t)), "ActionNotSupported")
		}),
		v3("prefixes", "Prefixes of namespaces do not matter", saysNo, func(t *conformance.T) {
			s := strings.ReplaceAll(add(t), "</", "\x00")
			s = strings.ReplaceAll(strings.ReplaceAll(s, "<", "<v3:"), "\x00", "</v3:")
			a := t.AckOf(t.FeedXML(action, strings.Replace(s, "xmlns=", "xmlns:v3=", 1)))
			t.Check(a.Positive, "%s", a.Text)
		}),
	}
}

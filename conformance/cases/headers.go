package cases

import (
	"regexp"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

// Headers are further rules of ITI TF-2 Appendix V on SOAP headers, with what
// stacks of other makers send.
func Headers() []conformance.Case {
	with := func(header string) func(string) string {
		return func(s string) string { return strings.Replace(s, "<s:Header>", "<s:Header>"+header, 1) }
	}
	return []conformance.Case{
		accepted("to-must-understand", "To and ReplyTo may carry mustUnderstand", "SOAP 1.2 Part 1, 5.2.3",
			strings.NewReplacer("<a:To>", `<a:To s:mustUnderstand="1">`, "<a:ReplyTo>", `<a:ReplyTo s:mustUnderstand="true">`).Replace),
		accepted("no-to", "To may be missing", "WS-Addressing 1.0, 3.2", func(s string) string {
			return s[:strings.Index(s, "<a:To>")] + s[strings.Index(s, "</a:To>")+len("</a:To>"):]
		}),
		accepted("action-plain", "Action may come without mustUnderstand", "ITI TF-2 V.3.2.2", func(s string) string {
			return strings.Replace(s, ` s:mustUnderstand="1"`, "", 1)
		}),
		accepted("unknown-header", "An unknown header without mustUnderstand is passed over", "SOAP 1.2 Part 1, 2.4",
			with(`<ActivityId CorrelationId="1" xmlns="http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics">2</ActivityId><x:Y xmlns:x="urn:example:x" s:mustUnderstand="0"><x:Z/></x:Y>`)),
		accepted("header-for-others", "A header for another role is passed over", "SOAP 1.2 Part 1, 2.4",
			with(`<x:Y xmlns:x="urn:example:x" s:mustUnderstand="1" s:role="http://example.org/another"/>`)),
		accepted("from-fault-to", "From and FaultTo are understood", "WS-Addressing 1.0, 3.2",
			with(`<a:From s:mustUnderstand="1"><a:Address>http://example.org/</a:Address></a:From><a:FaultTo s:mustUnderstand="1"><a:Address>http://www.w3.org/2005/08/addressing/anonymous</a:Address></a:FaultTo>`)),
		accepted("comments", "Comments and blanks around the envelope mean nothing", "SOAP 1.2 Part 1, 5", func(s string) string {
			return strings.NewReplacer("?><s:Envelope", "?>\r\n<!-- en kommentar -->\r\n<s:Envelope", "<s:Body>", "<s:Body>\r\n\t", "</s:Body>", "\r\n</s:Body><!-- slutt -->").Replace(s)
		}),
		accepted("no-declaration", "The XML declaration may be missing", "XML 1.0, 2.8", func(s string) string { return s[strings.Index(s, "<s:Envelope"):] }),
		{
			ID: "SOAP/charset", Title: "The charset parameter may be quoted, small or missing", Section: "RFC 2045, 5.1", Mutant: mutant.Refuses(),
			Run: func(t *conformance.T) {
				for _, contentType := range []string{"application/soap+xml", `application/soap+xml;charset="utf-8"`, "Application/SOAP+XML; Charset=UTF-8"} {
					t.Success(t.RegistryPost(contentType, []byte(conformance.Envelope(conformance.ActionQuery, conformance.NewUUID(), "", findBody("LeafClass", t.Patient())))))
				}
			},
		},
		{
			ID: "SOAP/no-action", Title: "A message without Action is a fault", Section: "WS-Addressing SOAP Binding 6.4.1", Mutant: mutant.NeverFaults(),
			Run: func(t *conformance.T) {
				t.AnyFault(ping(t, func(s string) string { return regexp.MustCompile(`<a:Action.*?</a:Action>`).ReplaceAllString(s, "") }))
			},
		},
		{
			ID: "SOAP/other-body", Title: "A body that is not the Action's is a fault", Section: "ITI TF-2 3.42.4.1", Mutant: mutant.NeverFaults(),
			Run: func(t *conformance.T) {
				t.AnyFault(ping(t, func(s string) string {
					return strings.Replace(s, conformance.ActionQuery, conformance.ActionRegister, 1)
				}))
			},
		},
		{
			ID: "SOAP/fault-relates-to", Title: "A fault refers to the request too", Section: "WS-Addressing 1.0, 3.4",
			Mutant: mutant.Answers(relatesTo, "${1}urn:uuid:00000000-0000-4000-8000-000000000000"),
			Run: func(t *conformance.T) {
				id := conformance.NewUUID()
				a := t.SOAP(conformance.Envelope("urn:example:NoSuchAction", id, "", findBody("LeafClass", t.Patient())))
				t.Fault(a, "ActionNotSupported")
				r := conformance.Find(a.Root, nsWSA, "RelatesTo")
				t.Check(r != nil && strings.TrimSpace(r.Text()) == id, "the fault's RelatesTo is not the request's MessageID %s", id)
			},
		},
		answers("register", conformance.ActionRegister, func(t *conformance.T) *conformance.Answer { return t.Register(one(t, nil)) }),
		answers("provide", conformance.ActionProvide, func(t *conformance.T) *conformance.Answer { return t.Provide(one(t, nil)) }),
		answers("retrieve", conformance.ActionRetrieve, func(t *conformance.T) *conformance.Answer {
			s, repository := provided(t, 1)
			return t.Retrieve(conformance.Get{Repository: repository, Unique: s.Docs[0].UniqueID})
		}),
	}
}

// answers: the answer of a transaction has its Action, with mustUnderstand.
func answers(id, action string, send func(*conformance.T) *conformance.Answer) conformance.Case {
	return conformance.Case{ID: "SOAP/action-of-" + id, Title: "The answer of " + id + " has its own Action, to be understood", Section: "ITI TF-2 V.3.2.2 (IHE-WSA101)",
		Mutant: mutant.Answers(regexp.QuoteMeta(action)+"Response<", action+"<"),
		Run: func(t *conformance.T) {
			a := t.Success(send(t))
			h := conformance.Find(a.Root, nsWSA, "Action")
			t.Check(h != nil && strings.TrimSpace(h.Text()) == action+"Response", "the answer's Action is not %sResponse", action)
			v := h.SelectAttrValue("mustUnderstand", "")
			t.Check(v == "1" || v == "true", "wsa:Action has mustUnderstand %q", v)
			t.Check(conformance.Find(a.Root, nsWSA, "RelatesTo") != nil, "no wsa:RelatesTo in the answer")
		}}
}

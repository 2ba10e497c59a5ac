package cases

import (
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	relatesTo = `(<(?:\w+:)?RelatesTo[^>]*>)[^<]*`
	nsWSA     = "http://www.w3.org/2005/08/addressing"
)

func ping(t *conformance.T, edit func(string) string) *conformance.Answer {
	env := conformance.Envelope(conformance.ActionQuery, conformance.NewUUID(), "", findBody("LeafClass", t.Patient()))
	return t.SOAP(edit(env))
}

func same(s string) string { return s }

func accepted(id, title, section string, edit func(string) string) conformance.Case {
	return conformance.Case{ID: "SOAP/" + id, Title: title, Section: section, Mutant: mutant.Refuses(),
		Run: func(t *conformance.T) { t.Success(ping(t, edit)) }}
}

// SOAP are the rules of ITI TF-2 Appendix V, tested with ITI-18.
func SOAP() []conformance.Case {
	replace := func(old, with string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, with, 1) }
	}
	return []conformance.Case{
		{
			ID: "SOAP/relates-to", Title: "The answer's RelatesTo is the request's MessageID", Section: "ITI TF-2 V.3.2.2",
			Mutant: mutant.Answers(relatesTo, "${1}urn:uuid:00000000-0000-4000-8000-000000000000"),
			Run: func(t *conformance.T) {
				id := conformance.NewUUID()
				a := t.SOAP(conformance.Envelope(conformance.ActionQuery, id, "", findBody("LeafClass", t.Patient())))
				t.Success(a)
				r := conformance.Find(a.Root, nsWSA, "RelatesTo")
				t.Check(r != nil, "no wsa:RelatesTo in the answer")
				t.Check(strings.TrimSpace(r.Text()) == id, "RelatesTo is %q, the request's MessageID was %q", r.Text(), id)
			},
		},
		{
			ID: "SOAP/response-action", Title: "The answer's Action belongs to the transaction", Section: "ITI TF-2 3.18.4.1.2.7",
			Mutant: mutant.Answers("RegistryStoredQueryResponse<", "RegistryStoredQuery<"),
			Run: func(t *conformance.T) {
				a := t.Success(ping(t, same))
				action := conformance.Find(a.Root, nsWSA, "Action")
				t.Check(action != nil, "no wsa:Action in the answer")
				t.Check(strings.TrimSpace(action.Text()) == conformance.ActionQuery+"Response", "Action of the answer is %q", action.Text())
			},
		},
		{
			ID: "SOAP/action-must-understand", Title: "The answer's Action carries mustUnderstand", Section: "ITI TF-2 V.3.2.2 (IHE-WSA101)",
			Mutant: mutant.Answers(`[\w]+:mustUnderstand="(1|true)"`, ""),
			Run: func(t *conformance.T) {
				a := t.Success(ping(t, same))
				action := conformance.Find(a.Root, nsWSA, "Action")
				t.Check(action != nil, "no wsa:Action in the answer")
				v := action.SelectAttrValue("mustUnderstand", "")
				t.Check(v == "1" || v == "true", "wsa:Action has mustUnderstand %q", v)
			},
		},
		{
			ID: "SOAP/simple-format", Title: "A simple SOAP request gets a simple SOAP answer", Section: "ITI TF-2 V.3.2.1",
			Mutant: conformance.Mutant{Response: func(x *conformance.Exchange) { x.Type = "text/xml" }},
			Run: func(t *conformance.T) {
				a := t.Success(ping(t, same))
				t.Check(a.Type == "application/soap+xml", "Content-Type of the answer is %q", a.Type)
			},
		},
		{
			ID: "SOAP/unknown-action", Title: "An Action that does not belong here is a fault ActionNotSupported", Section: "WS-Addressing SOAP Binding 6.4.1",
			Mutant: mutant.NeverFaults(),
			Run: func(t *conformance.T) {
				t.Fault(ping(t, replace(conformance.ActionQuery, "urn:example:NoSuchAction")), "ActionNotSupported")
			},
		},
		{
			ID: "SOAP/must-understand", Title: "An unknown header with mustUnderstand is a fault MustUnderstand", Section: "SOAP 1.2 Part 1, 2.4",
			Mutant: mutant.NeverFaults(),
			Run: func(t *conformance.T) {
				t.Fault(ping(t, replace("<s:Header>", `<s:Header><x:Unknown xmlns:x="urn:example:x" s:mustUnderstand="1"/>`)), "MustUnderstand")
			},
		},
		{
			ID: "SOAP/version", Title: "SOAP 1.1 is refused", Section: "ITI TF-2 V.3.2",
			Mutant: mutant.NeverFaults(),
			Run: func(t *conformance.T) {
				t.AnyFault(ping(t, replace("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/")))
			},
		},
		{
			ID: "SOAP/doctype", Title: "A message with a document type declaration is refused", Section: "SOAP 1.2 Part 1, 5",
			Mutant: mutant.NeverFaults(),
			Run: func(t *conformance.T) {
				t.AnyFault(ping(t, replace("?>", `?><!DOCTYPE x [<!ENTITY a "b">]>`)))
			},
		},
		{
			ID: "SOAP/unclosed", Title: "A message that ends too early is refused", Section: "SOAP 1.2 Part 1, 5.4",
			Mutant: mutant.NeverFaults(),
			Run: func(t *conformance.T) {
				t.AnyFault(ping(t, func(s string) string { return s[:len(s)-30] }))
			},
		},
		accepted("other-prefixes", "Prefixes mean nothing", "Namespaces in XML", func(s string) string {
			return strings.NewReplacer("<s:", "<zz:", "</s:", "</zz:", "xmlns:s=", "xmlns:zz=", " s:must", " zz:must", "<q:", "<", "</q:", "</", "xmlns:q=", "xmlns=").Replace(s)
		}),
		accepted("action-blanks", "Blanks around the Action are no matter", "ITI TF-2 V.3.2", func(s string) string {
			return strings.Replace(s, ">"+conformance.ActionQuery+"<", ">\n  "+conformance.ActionQuery+"\n  <", 1)
		}),
		accepted("no-reply-to", "ReplyTo may be missing: the answer is synchronous", "ITI TF-2 V.3.2.2", func(s string) string {
			from, to := strings.Index(s, "<a:ReplyTo>"), strings.Index(s, "</a:ReplyTo>")
			return s[:from] + s[to+len("</a:ReplyTo>"):]
		}),
		accepted("message-id-form", "A MessageID may be any URI", "ITI TF-2 V.3.2.2", func(s string) string {
			return strings.Replace(s, "<a:MessageID>urn:uuid:", "<a:MessageID>http://example.org/", 1)
		}),
		{
			ID: "SOAP/soap-action-ignored", Title: "The action parameter of Content-Type is ignored", Section: "ITI TF-2 V.3.2.1.3",
			Mutant: mutant.Refuses(),
			Run: func(t *conformance.T) {
				env := conformance.Envelope(conformance.ActionQuery, conformance.NewUUID(), "", findBody("LeafClass", t.Patient()))
				t.Success(t.RegistryPost(`application/soap+xml; charset=UTF-8; action="urn:example:whatever"`, []byte(env)))
			},
		},
	}
}

package cases

import (
	"bytes"
	"net/http"
	"regexp"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const async = "ITI TF-2 V.3.2.2 (asynchronous)"

// posted is a case with an inbox for answers.
func posted(id, title, section string, m conformance.Mutant, run func(*conformance.T, *conformance.Inbox)) conformance.Case {
	return conformance.Case{ID: id, Title: title, Section: section, Mutant: m,
		Run: func(t *conformance.T) { t.WithInbox(func(in *conformance.Inbox) { run(t, in) }) }}
}

// wrongAction breaks the Action of an answer that is posted.
func wrongAction(action string) conformance.Mutant {
	return mutant.Delivered(mutant.Answers(regexp.QuoteMeta(action)+"Response<", action+"<"))
}

// asksNothing is a query about a patient without documents.
func asksNothing(t *conformance.T, in *conformance.Inbox) {
	t.Success(in.Ask(conformance.ActionQuery, findBody("LeafClass", t.Patient())))
}

// Asynchronous are the rules on answers that go to a wsa:ReplyTo.
func Asynchronous() []conformance.Case {
	return []conformance.Case{
		posted("SOAP/asynchronous-elsewhere", "A request with a ReplyTo is not answered in its connection", async,
			mutant.Requests(`(<a:ReplyTo><a:Address>)http://127[^<]*`, "${1}"+conformance.Anonymous), asksNothing),
		posted("SOAP/asynchronous-empty", "HTTP 202 has no body", async,
			conformance.Mutant{Response: func(x *conformance.Exchange) {
				if x.Status == http.StatusAccepted {
					x.Type, x.Response = "text/plain", []byte("accepted")
				}
			}}, asksNothing),
		posted("SOAP/asynchronous-relates-to", "The posted answer's RelatesTo is the request's MessageID", async,
			mutant.Delivered(mutant.Answers(relatesTo, "${1}urn:uuid:00000000-0000-4000-8000-000000000000")), asksNothing),
		posted("SOAP/asynchronous-to", "The posted answer's To is the request's ReplyTo", "WS-Addressing 1.0, 3.4",
			mutant.Delivered(mutant.Answers(`(<(?:\w+:)?To(?: [^>]*)?>)[^<]*`, "${1}http://example.org/")), asksNothing),
		posted("SOAP/asynchronous-nowhere", "A ReplyTo to which nothing can be sent is a fault in the connection", "WS-Addressing SOAP Binding 6.4.1", mutant.NeverFaults(),
			func(t *conformance.T, _ *conformance.Inbox) {
				t.AnyFault(t.AskAt("file:///answers", findBody("LeafClass", t.Patient())))
			}),
		posted("ITI-18/asynchronous", "The answer to a query is posted to ReplyTo", async, wrongAction(conformance.ActionQuery),
			func(t *conformance.T, in *conformance.Inbox) {
				s := registered(t, t.Patient(), 2)
				o := t.ObjectsOf(in.Ask(conformance.ActionQuery, findBody("LeafClass", s.Patient)))
				t.Check(len(o.Entries) == 2, "the answer holds %s, expected 2 entries", o)
			}),
		posted("ITI-42/asynchronous", "The answer to a registration is posted to ReplyTo", async, wrongAction(conformance.ActionRegister),
			func(t *conformance.T, in *conformance.Inbox) {
				s := one(t, nil)
				t.Success(in.Ask(conformance.ActionRegister, conformance.RegisterBody(s)))
				entryOf(t, s.Docs[0].UniqueID)
			}),
		posted("ITI-42/asynchronous-refusal", "A refusal is posted to ReplyTo like other answers", async, mutant.Delivered(mutant.Accepts()),
			func(t *conformance.T, in *conformance.Inbox) {
				s := one(t, func(_ *conformance.Submission, d *conformance.Doc) {
					conformance.SetIdentifier(d.XML, conformance.EntryPatient, t.Stranger())
				})
				t.Refused(in.Ask(conformance.ActionRegister, conformance.RegisterBody(s)), "XDSPatientIdDoesNotMatch", "XDSUnknownPatientId")
			}),
		posted("ITI-41/asynchronous", "The answer to a submission with documents is posted to ReplyTo", async, wrongAction(conformance.ActionProvide),
			func(t *conformance.T, in *conformance.Inbox) {
				s := one(t, nil)
				d := s.Docs[0]
				t.Success(in.Ask(conformance.ActionProvide, conformance.ProvideBody(s, conformance.Included), conformance.Part{CID: d.CID, Bytes: d.Bytes}))
				entryOf(t, d.UniqueID)
			}),
		posted("ITI-43/asynchronous", "Documents are posted to ReplyTo as MTOM", async,
			mutant.Delivered(conformance.Mutant{Response: func(x *conformance.Exchange) {
				x.Response = bytes.ReplaceAll(x.Response, []byte("dokument "), []byte("Dokument "))
			}}),
			func(t *conformance.T, in *conformance.Inbox) {
				s, repository := provided(t, 1)
				a := t.Success(in.Ask(conformance.ActionRetrieve, conformance.RetrieveBody(conformance.Get{Repository: repository, Unique: s.Docs[0].UniqueID})))
				t.Check(a.Type == "multipart/related" && a.Params["type"] == "application/xop+xml", "Content-Type of the posted answer is %q with type %q", a.Type, a.Params["type"])
				d := documents(t, a)
				t.Check(len(d) == 1 && bytes.Equal(d[0].bytes, s.Docs[0].Bytes), "%d documents came, expected the one that was asked for, unaltered", len(d))
			}),
	}
}

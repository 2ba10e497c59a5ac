package cases

import (
	"samdok/conformance"
	"samdok/conformance/mutant"
)

const xdr = "ITI TF-2 3.41.4.1.3.1"

// addressed is a submission of one document to an organisation.
func addressed(t *conformance.T, to string) *conformance.Submission {
	s := t.NewSubmission(t.Patient())
	s.Add("melding")
	conformance.SetSlot(s.Set, "intendedRecipient", "Sykehus^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^"+to)
	return s
}

// limit takes everything out of a message that limited metadata may lack, and
// marks it.
func limit(s *conformance.Submission, mark bool) {
	for _, scheme := range []string{conformance.EntryClass, conformance.EntryType, conformance.EntryFormat, conformance.EntryFacility, conformance.EntryPractice, conformance.EntryConfidential} {
		conformance.Remove(s.Docs[0].XML, scheme)
	}
	if mark {
		conformance.MarkLimited(s.Docs[0].XML, "urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85")
		conformance.MarkLimited(s.Set, "urn:uuid:5003a9db-8d8d-49e6-bf0c-990e34ac7707")
	}
}

func receives(id, title string, m conformance.Mutant, edit func(*conformance.T, *conformance.Submission)) conformance.Case {
	return conformance.Case{ID: "XDR/" + id, Title: title, Section: xdr, Mutant: m,
		Run: func(t *conformance.T) {
			s := addressed(t, t.Mailbox())
			edit(t, s)
			t.Success(t.Send(s))
		}}
}

func notReceived(id, title, code string, edit func(*conformance.T, *conformance.Submission)) conformance.Case {
	return conformance.Case{ID: "XDR/" + id, Title: title, Section: xdr, Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) {
			s := addressed(t, t.Mailbox())
			edit(t, s)
			t.Refused(t.Send(s), code)
		}}
}

// Recipient are the rules of a Document Recipient.
func Recipient() []conformance.Case {
	warns := func(t *conformance.T, a *conformance.Answer, code string) {
		t.Success(a)
		for _, e := range t.ErrorsOf(a) {
			if e.Code == code {
				return
			}
		}
		t.Failf("no warning %s: %v", code, t.ErrorsOf(a))
	}
	return []conformance.Case{
		receives("plain", "A message to an organisation is received", mutant.Refuses(), func(*conformance.T, *conformance.Submission) {}),
		receives("limited", "Limited metadata is received when it is marked so", mutant.Requests("urn:uuid:ab9b591b-83ab-4d03-8f5d-f93b1fb92e85", "urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1"),
			func(_ *conformance.T, s *conformance.Submission) { limit(s, true) }),
		{
			ID: "XDR/not-registered", Title: "What was received is not found by queries", Section: "ITI TF-1 15",
			Mutant: mutant.OnPath("/registry", getDocuments, mutant.Answers(`<(\w+:)?RegistryObjectList[^>]*?(/>|></(\w+:)?RegistryObjectList>)`, `<rim:RegistryObjectList xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"><rim:ExtrinsicObject id="urn:uuid:00000000-0000-4000-8000-000000000001"/></rim:RegistryObjectList>`)),
			Run: func(t *conformance.T) {
				s := addressed(t, t.Mailbox())
				t.Setup(func() { t.Success(t.Send(s)) })
				o := t.ObjectsOf(t.Query("LeafClass", getDocuments, conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(s.Docs[0].UniqueID))))
				t.Check(o.Total() == 0, "found %s", o)
			},
		},
		{
			ID: "XDR/replacement", Title: "A replacement of a document elsewhere is received with a warning", Section: xdr,
			Mutant: mutant.Answers("PartialReplaceContentNotProcessed", "XDSExtraMetadataNotSaved"),
			Run: func(t *conformance.T) {
				s := addressed(t, t.Mailbox())
				s.Associate(conformance.RPLC, s.Docs[0].ID, conformance.NewUUID())
				warns(t, t.Send(s), "PartialReplaceContentNotProcessed")
			},
		},
		{
			ID: "XDR/one-of-two", Title: "A message goes to the recipients that are known, with a warning about the others", Section: "ITI TF-3 Table 4.2.4.1-2",
			Mutant: mutant.Answers("UnknownRecipient", "XDSExtraMetadataNotSaved"),
			Run: func(t *conformance.T) {
				s := addressed(t, t.Mailbox())
				conformance.SetSlot(s.Set, "intendedRecipient", "Sykehus^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^"+t.Mailbox(), "Ukjent^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^000000000")
				warns(t, t.Send(s), "UnknownRecipient")
			},
		},
		notReceived("unmarked", "Limited metadata without its mark is refused", "XDSRepositoryMetadataError", func(_ *conformance.T, s *conformance.Submission) { limit(s, false) }),
		notReceived("unknown-recipient", "A message to nobody here is refused", "UnknownRecipient", func(_ *conformance.T, s *conformance.Submission) {
			conformance.SetSlot(s.Set, "intendedRecipient", "Ukjent^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^000000000")
		}),
		notReceived("wrong-hash", "A document that is not the stated one is refused", "XDSRepositoryMetadataError", func(_ *conformance.T, s *conformance.Submission) {
			conformance.SetSlot(s.Docs[0].XML, "hash", "0000000000000000000000000000000000000000")
		}),
		{
			ID: "XDR/only-provide", Title: "A recipient answers no retrieval", Section: "ITI TF-1 15", Mutant: mutant.NeverFaults(),
			Run: func(t *conformance.T) {
				s := addressed(t, t.Mailbox())
				t.Setup(func() { t.Success(t.Send(s)) })
				t.Fault(t.SendAs(conformance.ActionRetrieve, s), "ActionNotSupported")
			},
		},
	}
}

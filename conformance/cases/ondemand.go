package cases

import (
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	tf61      = "ITI TF-2 3.61.4.1.3"
	elsewhere = "2.16.578.1.12.4.5.100.3" // a repository that the server is not
)

// announced registers an on-demand document of another source during set-up.
func announced(t *conformance.T) *conformance.Submission {
	s := t.NewSubmission(t.Patient())
	s.AddOnDemand(elsewhere, "text/xml")
	t.Setup(func() { t.Success(t.OnDemand(s)) })
	return s
}

// notAnnounced is an ITI-61 that is refused and leaves nothing.
func notAnnounced(id, title, section, code string, build func(*conformance.T) *conformance.Submission) conformance.Case {
	return conformance.Case{ID: "ITI-61/" + id, Title: title, Section: section, Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) {
			s := build(t)
			t.Refused(t.OnDemand(s), strings.Split(code, "|")...)
			o := t.ObjectsOf(t.Query("ObjectRef", getSets, conformance.P("$uuid", conformance.Quote(s.Docs[0].ID))))
			t.Check(o.Total() == 0, "a refused submission left %s", o)
		}}
}

// changed is a submission of one on-demand document with an error in it.
func changed(edit func(*conformance.Doc)) func(*conformance.T) *conformance.Submission {
	return func(t *conformance.T) *conformance.Submission {
		s := t.NewSubmission(t.Patient())
		edit(s.AddOnDemand(elsewhere, "text/xml"))
		return s
	}
}

// ofType asks FindDocuments for object types.
func ofType(t *conformance.T, patient string, types ...string) []string {
	return found(t, patient, conformance.P("$XDSDocumentEntryType", conformance.Quote(types...)))
}

// OnDemand are the rules of ITI-61 and of queries for what it registers.
func OnDemand() []conformance.Case {
	onlyStable := mutant.OnPath("/registry", "AdhocQuery", mutant.Ignores("$XDSDocumentEntryType"))
	return []conformance.Case{
		{
			ID: "ITI-61/found", Title: "An on-demand document is registered, and found by those who ask for it", Section: tf61, Mutant: onlyStable,
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				d := s.AddOnDemand(elsewhere, "text/xml")
				t.Success(t.OnDemand(s))
				got := ofType(t, s.Patient, conformance.OnDemand)
				t.Check(len(got) == 1 && got[0] == d.UniqueID, "asked for on-demand documents, found %v", got)
			},
		},
		{
			ID: "ITI-61/answer-action", Title: "The answer's wsa:Action has no Entry in its name", Section: "ITI TF-2 3.61.4.2.2",
			Mutant: mutant.Answers("RegisterOnDemandDocumentResponse", "RegisterOnDemandDocumentEntryResponse"),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				s.AddOnDemand(elsewhere, "text/xml")
				a := t.Success(t.OnDemand(s))
				action := conformance.Find(a.Root, "http://www.w3.org/2005/08/addressing", "Action")
				t.Check(action != nil && strings.TrimSpace(action.Text()) == "urn:ihe:iti:2010:RegisterOnDemandDocumentResponse", "the answer has another wsa:Action")
			},
		},
		{
			ID: "ITI-61/not-by-default", Title: "Without $XDSDocumentEntryType an on-demand document is not found", Section: tf18 + ".6.2",
			Mutant: mutant.OnPath("/registry", findDocuments, mutant.Requests(`(<rim:AdhocQuery [^>]*>)`, `${1}<rim:Slot name="$$XDSDocumentEntryType"><rim:ValueList><rim:Value>('`+conformance.Stable+`','`+conformance.OnDemand+`')</rim:Value></rim:ValueList></rim:Slot>`)),
			Run: func(t *conformance.T) {
				s := announced(t)
				t.Check(len(found(t, s.Patient)) == 0, "an on-demand document is found by default")
			},
		},
		{
			ID: "ITI-61/both-types", Title: "Both object types are found together", Section: tf18 + ".6.2", Mutant: onlyStable,
			Run: func(t *conformance.T) {
				s := announced(t)
				stable := t.NewSubmission(s.Patient)
				stable.Add("stabilt")
				t.Setup(func() { t.Success(t.Register(stable)) })
				got := ofType(t, s.Patient, conformance.Stable, conformance.OnDemand)
				t.Check(len(got) == 2, "found %v, expected a stable and an on-demand document", got)
			},
		},
		{
			ID: "ITI-61/no-content", Title: "An on-demand entry has neither creationTime nor hash nor size", Section: "ITI TF-2 3.61.4.1.2",
			Mutant: mutant.OnPath("/registry", getDocuments, mutant.Answers(`(<(\w+:)?ExtrinsicObject [^>]*>)`, `${1}<rim:Slot xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" name="size"><rim:ValueList><rim:Value>0</rim:Value></rim:ValueList></rim:Slot>`)),
			Run: func(t *conformance.T) {
				s := announced(t)
				e := entryOf(t, s.Docs[0].UniqueID)
				t.Check(conformance.Attr(e, "objectType") == conformance.OnDemand, "objectType is %q", conformance.Attr(e, "objectType"))
				for _, name := range []string{"creationTime", "hash", "size"} {
					t.Check(len(conformance.SlotOf(e, name)) == 0, "the entry has %s", name)
				}
			},
		},
		{
			ID: "ITI-61/same-unique-id", Title: "A further on-demand entry may have the uniqueId of another", Section: tf61,
			Mutant: mutant.OnPath("/registry", getDocuments, mutant.Answers(`(?s)<(\w+:)?ExtrinsicObject .*</(\w+:)?ExtrinsicObject>`, "")),
			Run: func(t *conformance.T) {
				first := announced(t)
				s := t.NewSubmission(first.Patient)
				d := s.AddOnDemand(elsewhere, "application/pdf")
				conformance.SetIdentifier(d.XML, conformance.EntryUnique, first.Docs[0].UniqueID)
				t.Success(t.OnDemand(s))
				o := t.ObjectsOf(t.Query("LeafClass", getDocuments, conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(first.Docs[0].UniqueID))))
				t.Check(len(o.Entries) == 2, "GetDocuments finds %s, expected two entries of one uniqueId", o)
			},
		},
		{
			ID: "ITI-61/replaces", Title: "An on-demand document may replace a stable one", Section: "ITI TF-2 3.61.4.1.2",
			Mutant: mutant.OnPath("/registry", getDocuments, mutant.Answers(":Deprecated", ":Approved")),
			Run: func(t *conformance.T) {
				old := registered(t, t.Patient(), 1)
				s := t.NewSubmission(old.Patient)
				s.Associate(conformance.RPLC, s.AddOnDemand(elsewhere, "text/xml").ID, old.Docs[0].ID)
				t.Success(t.OnDemand(s))
				t.Check(statusOf(t, old.Docs[0].UniqueID) == conformance.Deprecated, "the replaced document is %s", statusOf(t, old.Docs[0].UniqueID))
			},
		},
		{
			ID: "ITI-61/snapshot", Title: "A snapshot and its origin are related documents", Section: "ITI TF-3 4.2.2.2.6",
			Mutant: mutant.OnPath("/registry", getRelated, mutant.Answers(`(?s)<(\w+:)?Association .*?</(\w+:)?Association>`, "")),
			Run: func(t *conformance.T) {
				old := announced(t)
				s := t.NewSubmission(old.Patient)
				s.Associate(conformance.Snapshot, s.Add("stillbilde").ID, old.Docs[0].ID)
				t.Success(t.Register(s))
				ask := []conformance.Param{conformance.P("$XDSDocumentEntryEntryUUID", "'"+old.Docs[0].ID+"'"), conformance.P("$AssociationTypes", conformance.Quote(conformance.Snapshot)),
					conformance.P("$XDSDocumentEntryType", conformance.Quote(conformance.Stable, conformance.OnDemand))}
				o := t.ObjectsOf(t.Query("LeafClass", getRelated, ask...))
				t.Check(len(o.Associations) == 1 && len(o.Entries) == 2, "GetRelatedDocuments finds %s", o)
				t.Check(statusOf(t, old.Docs[0].UniqueID) == conformance.Approved, "a snapshot deprecated its origin")
			},
		},
		notAnnounced("stable", "ITI-61 registers no stable documents", "ITI TF-2 3.61.4.1.2", metadataError, func(t *conformance.T) *conformance.Submission {
			return one(t, nil)
		}),
		notAnnounced("creation-time", "An on-demand entry with creationTime is refused", "ITI TF-2 3.61.4.2.2", metadataError,
			changed(func(d *conformance.Doc) { conformance.SetSlot(d.XML, "creationTime", "20260102030405") })),
		notAnnounced("hash", "An on-demand entry with hash is refused", "ITI TF-2 3.61.4.2.2", metadataError,
			changed(func(d *conformance.Doc) { conformance.SetSlot(d.XML, "hash", strings.Repeat("a", 40)) })),
		notAnnounced("size", "An on-demand entry with size is refused, also with size 0", "ITI TF-2 3.61.4.2.2", metadataError,
			changed(func(d *conformance.Doc) { conformance.SetSlot(d.XML, "size", "0") })),
		notAnnounced("repository", "An on-demand entry names its source's repositoryUniqueId", "ITI TF-3 Table 4.3.1-3", metadataError,
			changed(func(d *conformance.Doc) { conformance.Remove(d.XML, "repositoryUniqueId") })),
		notAnnounced("stable-unique-id", "An on-demand entry with a stable one's uniqueId is refused", tf61, "XDSDuplicateUniqueIdInRegistry|XDSRegistryMetadataError", func(t *conformance.T) *conformance.Submission {
			old := registered(t, t.Patient(), 1)
			s := t.NewSubmission(old.Patient)
			d := s.AddOnDemand(elsewhere, "text/xml")
			conformance.SetIdentifier(d.XML, conformance.EntryUnique, old.Docs[0].UniqueID)
			return s
		}),
		refused("on-demand", "ITI-42 registers no on-demand documents", "ITI TF-2 3.42.4.1.2", metadataError, func(t *conformance.T) *conformance.Submission {
			s := t.NewSubmission(t.Patient())
			s.AddOnDemand(elsewhere, "text/xml")
			return s
		}),
	}
}

package cases

import (
	"bytes"
	"regexp"
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

const tf43d = "ITI TF-2 3.43.4.2"

// offered registers an on-demand document of the server's own repository, if it
// is a source of such documents, and what it may be made of.
func offered(t *conformance.T) (get conformance.Get, patient string) {
	s, repository := provided(t, 1)
	for _, mime := range []string{"text/xml", "application/pdf"} {
		announced := t.NewSubmission(s.Patient)
		d := announced.AddOnDemand(repository, mime)
		t.Setup(func() { t.Success(t.OnDemand(announced)) })
		get = conformance.Get{Repository: repository, Unique: d.UniqueID}
		if a := t.Retrieve(get); a.RootErr == nil && len(conformance.All(a.Root, nsXDS, "DocumentResponse")) > 0 {
			return get, s.Patient
		}
	}
	t.Skipf("the server's repository makes no documents on demand of the kinds that the kit registers")
	return get, s.Patient
}

// made is a retrieval of an on-demand document.
func made(t *conformance.T, get conformance.Get) document {
	d := documents(t, t.Success(t.Retrieve(get)))
	t.Check(len(d) == 1, "%d documents, expected 1", len(d))
	return d[0]
}

// OnDemandRetrieve are the rules of ITI-43 for on-demand documents.
func OnDemandRetrieve() []conformance.Case {
	onRetrieve := func(m conformance.Mutant) conformance.Mutant {
		return mutant.OnPath("/repository", "RetrieveDocumentSetRequest", m)
	}
	return []conformance.Case{
		{
			ID: "ITI-43/on-demand-new-id", Title: "What is made on demand has a uniqueId of its own", Section: tf43d + ".2",
			Mutant: onRetrieve(mutant.Answers(`<(\w+:)?NewDocumentUniqueId>[^<]*</(\w+:)?NewDocumentUniqueId>`, "")),
			Run: func(t *conformance.T) {
				get, _ := offered(t)
				d := made(t, get)
				t.Check(d.repository == get.Repository && d.unique == get.Unique, "the answer names %q %q", d.repository, d.unique)
				t.Check(d.newUnique != "" && d.newUnique != get.Unique, "NewDocumentUniqueId is %q, DocumentUniqueId %q", d.newUnique, d.unique)
			},
		},
		{
			ID: "ITI-43/on-demand-same-id", Title: "One NewDocumentUniqueId always names the same bytes", Section: tf43d + ".2",
			Mutant: onRetrieve(conformance.Mutant{Response: differently()}),
			Run: func(t *conformance.T) {
				get, _ := offered(t)
				a, b := made(t, get), made(t, get)
				t.Check(a.newUnique != b.newUnique || string(a.bytes) == string(b.bytes), "%s names two documents", a.newUnique)
			},
		},
		{
			ID: "ITI-43/on-demand-current", Title: "What is made on demand is made of what there is now", Section: "ITI TF-1 10.2.5",
			Mutant: onRetrieve(mutant.Answers(`(?s)Helt ny`, "Ganske gammel")),
			Run: func(t *conformance.T) {
				get, patient := offered(t)
				s := t.NewSubmission(patient)
				conformance.SetTitle(s.Add("nytt"), "Helt ny")
				t.Setup(func() { t.Success(t.Provide(s)) })
				d := made(t, get)
				if !strings.Contains(string(d.bytes), "Epikrise") {
					t.Skipf("the document does not list titles in plain text")
				}
				t.Check(strings.Contains(string(d.bytes), "Helt ny"), "a document registered before is not in what was made afterwards")
			},
		},
		{
			ID: "ITI-43/on-demand-kept", Title: "With NewRepositoryUniqueId the document is registered as a snapshot before the answer", Section: tf43d + ".3",
			Mutant: mutant.OnPath("/registry", "AdhocQuery", mutant.Answers(`(?s)<(\w+:)?Association .*?</(\w+:)?Association>`, "")),
			Run: func(t *conformance.T) {
				get, _ := offered(t)
				d := made(t, get)
				if d.newRepository == "" {
					t.Skipf("the server does not keep what it makes (Persistence of Retrieved Documents)")
				}
				kept := documents(t, t.Success(t.Retrieve(conformance.Get{Repository: d.newRepository, Unique: d.newUnique})))
				t.Check(len(kept) == 1 && string(kept[0].bytes) == string(d.bytes) && kept[0].newUnique == "", "the kept document is not the one that was answered")
				e := entryOf(t, d.newUnique)
				t.Check(conformance.Attr(e, "objectType") == conformance.Stable, "its entry's objectType is %q", conformance.Attr(e, "objectType"))
				o := t.ObjectsOf(t.Query("LeafClass", getDocsAndAssocs, conformance.P("$XDSDocumentEntryUniqueId", conformance.Quote(d.newUnique))))
				snapshots := 0
				for _, a := range o.Associations {
					if conformance.Attr(a, "associationType") == conformance.Snapshot && conformance.Attr(a, "targetObject") == conformance.Attr(entryOf(t, get.Unique), "id") {
						snapshots++
					}
				}
				t.Check(snapshots == 1, "%d IsSnapshotOf associations lead to the on-demand entry", snapshots)
			},
		},
	}
}

// differently changes the bytes of every second answer, and keeps the ids.
func differently() func(*conformance.Exchange) {
	n, ids := 0, regexp.MustCompile(`NewDocumentUniqueId>[^<]*<`)
	return func(x *conformance.Exchange) {
		n++
		x.Response = ids.ReplaceAll(x.Response, []byte("NewDocumentUniqueId>1.2.3.4<"))
		if n%2 == 0 {
			x.Response = bytes.Replace(x.Response, []byte("Epikrise"), []byte("Epikrisa"), 1)
		}
	}
}

package cases

import (
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	nsXDS = "urn:ihe:iti:xds-b:2007"
	tf43  = "ITI TF-2 3.43.4"
)

type document struct {
	home, repository, unique, mime string
	newRepository, newUnique       string
	bytes                          []byte
}

// documents reads the DocumentResponses of an answer.
func documents(t *conformance.T, a *conformance.Answer) []document {
	var out []document
	for _, e := range conformance.All(a.Root, nsXDS, "DocumentResponse") {
		child := func(name string) string {
			if c := conformance.Find(e, nsXDS, name); c != nil {
				return strings.TrimSpace(c.Text())
			}
			return ""
		}
		d := document{home: child("HomeCommunityId"), repository: child("RepositoryUniqueId"), unique: child("DocumentUniqueId"), mime: child("mimeType"),
			newRepository: child("NewRepositoryUniqueId"), newUnique: child("NewDocumentUniqueId")}
		doc := conformance.Find(e, nsXDS, "Document")
		t.Check(doc != nil, "a DocumentResponse without Document")
		b, ok := a.Include(doc)
		t.Check(ok, "the document is not in a part that its xop:Include names")
		d.bytes = b
		out = append(out, d)
	}
	return out
}

// provided provides n documents during set-up and learns the repository's id.
func provided(t *conformance.T, n int) (s *conformance.Submission, repository string) {
	s = t.NewSubmission(t.Patient())
	for range n {
		s.Add("dokument " + conformance.NewOID())
	}
	t.Setup(func() {
		t.Success(t.Provide(s))
		repository = strings.Join(conformance.SlotOf(entryOf(t, s.Docs[0].UniqueID), "repositoryUniqueId"), "")
	})
	return s, repository
}

// Retrieve are the rules of ITI-43.
func Retrieve() []conformance.Case {
	get := func(repository string, d *conformance.Doc) conformance.Get {
		return conformance.Get{Repository: repository, Unique: d.UniqueID}
	}
	return []conformance.Case{
		{
			ID: "ITI-43/echo", Title: "The answer names repository, document and mime type", Section: tf43 + ".2.2",
			Mutant: mutant.OnPath("/repository", "RetrieveDocumentSetRequest", mutant.Answers("text/plain", "text/html")),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				a := t.Success(t.Retrieve(get(repository, s.Docs[0])))
				d := documents(t, a)
				t.Check(len(d) == 1, "%d documents, expected 1", len(d))
				t.Check(d[0].repository == repository && d[0].unique == s.Docs[0].UniqueID, "the answer names %q %q", d[0].repository, d[0].unique)
				t.Check(d[0].mime == "text/plain", "mimeType is %q, the entry says text/plain", d[0].mime)
			},
		},
		{
			ID: "ITI-43/mtom", Title: "The answer is MTOM/XOP with its root part named", Section: "ITI TF-2 V.8.1",
			Mutant: conformance.Mutant{Response: func(x *conformance.Exchange) {
				x.Type = strings.Replace(x.Type, "application/xop+xml", "text/xml", 1)
			}},
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				a := t.Retrieve(get(repository, s.Docs[0]))
				t.Check(a.Type == "multipart/related", "Content-Type is %q", a.Type)
				t.Check(a.Params["type"] == "application/xop+xml", "its type parameter is %q", a.Params["type"])
				t.Check(a.Params["start-info"] == "application/soap+xml", "its start-info parameter is %q", a.Params["start-info"])
				t.Success(a)
			},
		},
		{
			ID: "ITI-43/several", Title: "Several documents in one request", Section: tf43 + ".1.3",
			Mutant: mutant.OnPath("/repository", "RetrieveDocumentSetRequest", mutant.Answers(`(?s)<(\w+:)?DocumentResponse>.*?</(\w+:)?DocumentResponse>`, "")),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 3)
				a := t.Success(t.Retrieve(get(repository, s.Docs[0]), get(repository, s.Docs[1]), get(repository, s.Docs[2])))
				got := documents(t, a)
				t.Check(len(got) == 3, "%d documents, expected 3", len(got))
				for _, g := range got {
					for _, d := range s.Docs {
						t.Check(g.unique != d.UniqueID || string(g.bytes) == string(d.Bytes), "a document came back with another's bytes")
					}
				}
			},
		},
		{
			ID: "ITI-43/unknown-document", Title: "An unknown document is XDSDocumentUniqueIdError with its id as location", Section: tf43 + ".1.3",
			Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				_, repository := provided(t, 1)
				unknown := conformance.NewOID()
				e := t.Refused(t.Retrieve(conformance.Get{Repository: repository, Unique: unknown}), "XDSDocumentUniqueIdError")
				t.Check(e.Location == unknown, "location is %q, expected the DocumentUniqueId %q", e.Location, unknown)
			},
		},
		{
			ID: "ITI-43/unknown-repository", Title: "Another repository's id is XDSUnknownRepositoryId", Section: tf43 + ".1.3",
			Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				s, _ := provided(t, 1)
				t.Refused(t.Retrieve(get("1.2.3.999.1", s.Docs[0])), "XDSUnknownRepositoryId")
			},
		},
		{
			ID: "ITI-43/partial", Title: "Some documents and some errors are PartialSuccess", Section: tf43 + ".1.3",
			Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				unknown := conformance.NewOID()
				a := t.Retrieve(get(repository, s.Docs[0]), conformance.Get{Repository: repository, Unique: unknown})
				errs := t.Partial(a)
				t.Check(len(errs) == 1 && errs[0].Code == "XDSDocumentUniqueIdError" && errs[0].Location == unknown, "errors are %v", errs)
				t.Check(len(documents(t, a)) == 1, "%d documents, expected 1", len(documents(t, a)))
			},
		},
		{
			ID: "ITI-43/deprecated", Title: "A deprecated document can be retrieved", Section: tf43 + ".1.3",
			Mutant: mutant.OnPath("/repository", "RetrieveDocumentSetRequest", mutant.Refuses()),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				n := t.NewSubmission(s.Patient)
				n.Associate(conformance.RPLC, n.Add("erstatning").ID, s.Docs[0].ID)
				t.Setup(func() { t.Success(t.Provide(n)) })
				d := documents(t, t.Success(t.Retrieve(get(repository, s.Docs[0]))))
				t.Check(len(d) == 1 && string(d[0].bytes) == string(s.Docs[0].Bytes), "the deprecated document did not come back")
			},
		},
		{
			ID: "ITI-43/home-echo", Title: "A homeCommunityId in the request is echoed", Section: tf43 + ".2.2",
			Mutant: mutant.OnPath("/repository", "RetrieveDocumentSetRequest", mutant.Answers(`<(\w+:)?HomeCommunityId>[^<]*</(\w+:)?HomeCommunityId>`, "")),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				g := get(repository, s.Docs[0])
				e := entryOf(t, s.Docs[0].UniqueID)
				if g.Home = t.Home(); g.Home == "" {
					g.Home = conformance.Attr(e, "home")
				}
				if g.Home == "" {
					t.Skipf("the registry gives no homeCommunityId to ask with, and none was given (--home)")
				}
				d := documents(t, t.Success(t.Retrieve(g)))
				t.Check(len(d) == 1 && d[0].home == g.Home, "the answer's home is not the request's %q", g.Home)
			},
		},
		{
			ID: "ITI-43/registered-only", Title: "What was refused cannot be retrieved", Section: tf41,
			Mutant: mutant.OnPath("/repository", "RetrieveDocumentSetRequest", mutant.Accepts()),
			Run: func(t *conformance.T) {
				_, repository := provided(t, 1)
				s := t.NewSubmission(t.Patient())
				d := s.Add("avvist " + conformance.NewOID())
				conformance.SetSlot(d.XML, "size", "1")
				t.Setup(func() { t.Refused(t.Provide(s), repoMetadata) })
				t.Refused(t.Retrieve(get(repository, d)), "XDSDocumentUniqueIdError")
			},
		},
	}
}

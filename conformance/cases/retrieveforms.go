package cases

import (
	"bytes"
	"regexp"
	"slices"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

var documentResponse = regexp.MustCompile(`(?s)<(\w+:)?DocumentResponse>.*?</(\w+:)?DocumentResponse>`)

// RetrieveForms are further rules of ITI-43, most of them on the form of the answer.
func RetrieveForms() []conformance.Case {
	retrieved := func(m conformance.Mutant) conformance.Mutant {
		return mutant.OnPath("/repository", "RetrieveDocumentSetRequest", m)
	}
	return []conformance.Case{
		{
			ID: "ITI-43/same-twice", Title: "A document asked for twice comes twice", Section: tf43 + ".1.3",
			Mutant: retrieved(conformance.Mutant{Response: func(x *conformance.Exchange) {
				if at := documentResponse.FindIndex(x.Response); at != nil {
					x.Response = slices.Delete(x.Response, at[0], at[1])
				}
			}}),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				g := conformance.Get{Repository: repository, Unique: s.Docs[0].UniqueID}
				for _, d := range twice(documents(t, t.Success(t.Retrieve(g, g))), t) {
					t.Check(bytes.Equal(d.bytes, s.Docs[0].Bytes), "a document came back with other bytes")
				}
			},
		},
		{
			ID: "ITI-43/several-repositories", Title: "An unknown repository spoils only its own documents", Section: tf43 + ".1.3", Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 2)
				a := t.Retrieve(conformance.Get{Repository: repository, Unique: s.Docs[0].UniqueID}, conformance.Get{Repository: "1.2.3.999.1", Unique: "fremmed"},
					conformance.Get{Repository: repository, Unique: s.Docs[1].UniqueID})
				errs := t.Partial(a)
				t.Check(len(errs) == 1 && errs[0].Code == "XDSUnknownRepositoryId" && errs[0].Location == "fremmed", "errors are %v", errs)
				t.Check(len(documents(t, a)) == 2, "%d documents, expected 2", len(documents(t, a)))
			},
		},
		{
			ID: "ITI-43/all-fail", Title: "When no document comes the status is Failure, with an error for each", Section: tf43 + ".1.3", Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				_, repository := provided(t, 1)
				a := t.Retrieve(conformance.Get{Repository: repository, Unique: "ukjent-1"}, conformance.Get{Repository: repository, Unique: "ukjent-2"})
				t.Refused(a, "XDSDocumentUniqueIdError")
				var where []string
				for _, e := range t.ErrorsOf(a) {
					where = append(where, e.Location)
				}
				slices.Sort(where)
				t.Check(slices.Equal(where, []string{"ukjent-1", "ukjent-2"}), "the errors are about %v", where)
				t.Check(conformance.Find(a.Root, nsXDS, "DocumentResponse") == nil, "a DocumentResponse in a Failure")
			},
		},
		{
			ID: "ITI-43/empty-request", Title: "A request for nothing is refused", Section: "XDS.b_DocumentRepository.xsd", Mutant: mutant.NeverFaultsNorRefuses(),
			Run: func(t *conformance.T) {
				a := t.Retrieve()
				if conformance.Find(a.Root, "http://www.w3.org/2003/05/soap-envelope", "Fault") != nil {
					t.AnyFault(a)
					return
				}
				t.Check(strings.HasSuffix(t.StatusOf(a), ":Failure"), "status is %q", t.StatusOf(a))
			},
		},
		{
			ID: "ITI-43/other-community", Title: "Another community's home is XDSUnknownCommunity", Section: tf43 + ".1.3", Mutant: mutant.Accepts(),
			Run: func(t *conformance.T) {
				if t.Home() == "" {
					t.Skipf("the server's own homeCommunityId is not known (--home)")
				}
				s, repository := provided(t, 1)
				t.Refused(t.Retrieve(conformance.Get{Home: "urn:oid:1.2.3.999.7", Repository: repository, Unique: s.Docs[0].UniqueID}), "XDSUnknownCommunity")
			},
		},
		{
			ID: "ITI-43/element-order", Title: "The status comes first, and the parts of a DocumentResponse in the schema's order", Section: "XDS.b_DocumentRepository.xsd",
			Mutant: retrieved(mutant.Answers(`(?s)(<(?:\w+:)?RepositoryUniqueId>.*?</(?:\w+:)?RepositoryUniqueId>)(<(?:\w+:)?DocumentUniqueId>.*?</(?:\w+:)?DocumentUniqueId>)`, "$2$1")),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				a := t.Success(t.Retrieve(conformance.Get{Repository: repository, Unique: s.Docs[0].UniqueID}))
				children := a.Body().ChildElements()
				t.Check(len(children) == 2 && children[0].Tag == "RegistryResponse" && children[1].Tag == "DocumentResponse", "the answer does not hold RegistryResponse, then DocumentResponse")
				order := []string{"HomeCommunityId", "RepositoryUniqueId", "DocumentUniqueId", "NewRepositoryUniqueId", "NewDocumentUniqueId", "mimeType", "Document"}
				last := -1
				for _, c := range children[1].ChildElements() {
					i := slices.Index(order, c.Tag)
					t.Check(i > last, "%s stands in the wrong place", c.Tag)
					t.Check(!strings.HasPrefix(c.Tag, "New"), "%s for a stable document", c.Tag)
					last = i
				}
			},
		},
		{
			ID: "ITI-43/content-ids", Title: "Content-IDs are unique, in brackets, of the form id@place, and each is referred to once", Section: "RFC 2045, 7; XOP 1.0, 4.1",
			Mutant: retrieved(mutant.Answers(`Content-ID: <(\w+)@([\w.]+)>`, "Content-ID: <$1>")),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 3)
				a := t.Retrieve(conformance.Get{Repository: repository, Unique: s.Docs[0].UniqueID}, conformance.Get{Repository: repository, Unique: s.Docs[1].UniqueID},
					conformance.Get{Repository: repository, Unique: s.Docs[2].UniqueID})
				ids := map[string]bool{}
				for _, m := range regexp.MustCompile(`(?mi)^Content-ID: *(.*?)\r$`).FindAllSubmatch(a.Raw, -1) {
					id := string(m[1])
					t.Check(contentID.MatchString(id), "Content-ID is %q", id)
					t.Check(!ids[id], "Content-ID %s stands twice", id)
					ids[id] = true
				}
				t.Check(len(ids) == 4, "%d parts with a Content-ID, expected 4", len(ids))
				t.Success(a)
				t.Check(len(documents(t, a)) == 3, "not every document has its part")
			},
		},
		{
			ID: "ITI-43/root-type", Title: "The answer's root part is application/xop+xml of SOAP 1.2", Section: "ITI TF-2 V.8.1",
			Mutant: retrieved(mutant.Answers(`application/xop\+xml; *charset`, "text/xml; charset")),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				a := t.Retrieve(conformance.Get{Repository: repository, Unique: s.Docs[0].UniqueID})
				t.Success(a)
				head, _, _ := bytes.Cut(a.Raw, []byte("\r\n\r\n"))
				text := strings.ToLower(string(head))
				t.Check(strings.Contains(text, "content-type: application/xop+xml") && strings.Contains(text, `type="application/soap+xml"`), "the first part begins with %q", head)
			},
		},
		{
			ID: "ITI-43/mime-types", Title: "Each document has the mime type of its entry", Section: tf43 + ".2.2",
			Mutant: retrieved(mutant.Answers("application/pdf", "application/octet-stream")),
			Run: func(t *conformance.T) {
				types := []string{"text/plain", "application/pdf", "text/xml"}
				s := t.NewSubmission(t.Patient())
				var gets []conformance.Get
				for _, mime := range types {
					d := s.Add("innhold " + mime)
					d.XML.CreateAttr("mimeType", mime)
					gets = append(gets, conformance.Get{Unique: d.UniqueID})
				}
				t.Setup(func() {
					t.Success(t.Provide(s))
					for i := range gets {
						gets[i].Repository = strings.Join(conformance.SlotOf(entryOf(t, gets[i].Unique), "repositoryUniqueId"), "")
					}
				})
				got := documents(t, t.Success(t.Retrieve(gets...)))
				t.Check(len(got) == len(types), "%d documents, expected %d", len(got), len(types))
				for _, d := range got {
					i := slices.IndexFunc(gets, func(g conformance.Get) bool { return g.Unique == d.unique })
					t.Check(i >= 0 && d.mime == types[i], "the mime type of %s is %q", d.unique, d.mime)
				}
			},
		},
		{
			ID: "ITI-43/simple-in-simple-out", Title: "A simple SOAP request is refused or answered in simple SOAP", Section: "ITI TF-2 3.43.5.1",
			Mutant: conformance.Mutant{Response: func(x *conformance.Exchange) {
				if strings.HasPrefix(x.RequestType, "application/soap+xml") && x.Path == "/repository" {
					x.Type, x.Response = conformance.MTOM(string(x.Response), nil, 0)
				}
			}},
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				a := t.RepositoryPost("application/soap+xml; charset=UTF-8", []byte(conformance.Envelope(conformance.ActionRetrieve, conformance.NewUUID(), "",
					conformance.RetrieveBody(conformance.Get{Repository: repository, Unique: s.Docs[0].UniqueID}))))
				t.Check(!strings.HasPrefix(a.Type, "multipart/"), "a simple SOAP request was answered as %s", a.Type)
			},
		},
		{
			ID: "ITI-43/blanks", Title: "Blanks around the ids of a request mean nothing", Section: "XDS.b_DocumentRepository.xsd", Mutant: retrieved(mutant.Refuses()),
			Run: func(t *conformance.T) {
				s, repository := provided(t, 1)
				t.Check(len(documents(t, t.Success(t.Retrieve(conformance.Get{Repository: "\n\t" + repository + "\n", Unique: s.Docs[0].UniqueID})))) == 1, "the document did not come")
			},
		},
	}
}

var contentID = regexp.MustCompile(`^<[^<>@\s]+@[^<>@\s]+>$`)

func twice(got []document, t *conformance.T) []document {
	t.Check(len(got) == 2, "%d documents, expected 2", len(got))
	return got
}

package cases

import (
	"bytes"
	"slices"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const tf39 = "ITI TF-2 3.39.4.1.3"

// acrossProvided provides n documents behind the gateway and gives what asks for them.
func acrossProvided(t *conformance.T, n int) (*conformance.Submission, []conformance.Get) {
	t.NeedsGateway()
	s, repository := provided(t, n)
	home := acrossHome(t, s.Patient)
	gets := make([]conformance.Get, n)
	for i, d := range s.Docs {
		gets[i] = conformance.Get{Home: home, Repository: repository, Unique: d.UniqueID}
	}
	return s, gets
}

// names checks that an error tells of a document and of the community (ITI TF-2
// 3.39.4.1.3).
func names(t *conformance.T, e conformance.RegistryError, parts ...string) {
	for _, p := range parts {
		t.Check(strings.Contains(e.Location, p), "the location of %s is %q, expected it to hold %q", e.Code, e.Location, p)
	}
}

// someCame expects one of several documents, with the failure of the others told or
// left out: both are right (ITI TF-2 3.39.4.1.3).
func someCame(t *conformance.T, a *conformance.Answer, unique, code string) {
	if strings.HasSuffix(t.StatusOf(a), ":Success") {
		t.Success(a)
	} else {
		errs := t.Partial(a)
		t.Check(len(errs) == 1 && errs[0].Code == code, "errors are %v, expected %s", errs, code)
	}
	d := documents(t, a)
	t.Check(len(d) == 1 && d[0].unique == unique, "%d documents, expected 1", len(d))
}

// CrossRetrieve are the rules of ITI-39 at a responding gateway.
func CrossRetrieve() []conformance.Case {
	onRetrieve := func(m conformance.Mutant) conformance.Mutant {
		return mutant.OnPath(xcaPath, "CrossGatewayRetrieve", m)
	}
	lost := onRetrieve(mutant.Answers(documentResponse.String(), ""))
	return []conformance.Case{
		{
			ID: "ITI-39/retrieve", Title: "A document comes with the bytes that were provided", Section: tf39,
			Mutant: onRetrieve(mutant.Answers("dokument 2", "dokument 3")),
			Run: func(t *conformance.T) {
				s, gets := acrossProvided(t, 1)
				d := documents(t, t.Success(t.CrossRetrieve(gets...)))
				t.Check(len(d) == 1 && bytes.Equal(d[0].bytes, s.Docs[0].Bytes), "the document did not come as it was provided")
			},
		},
		{
			ID: "ITI-39/posted", Title: "A document is posted to a wsa:ReplyTo, as multipart/related", Section: "ITI TF-2 3.39.5", Mutant: mutant.Delivered(mutant.Answers("dokument 2", "dokument 3")),
			Run: func(t *conformance.T) {
				s, gets := acrossProvided(t, 1)
				t.WithInbox(func(in *conformance.Inbox) {
					a := t.Success(in.Ask(conformance.ActionCrossRetrieve, conformance.RetrieveBody(gets...)))
					d := documents(t, a)
					t.Check(len(d) == 1 && bytes.Equal(d[0].bytes, s.Docs[0].Bytes), "the document did not come as it was provided")
					t.Check(a.Type == "multipart/related", "Content-Type is %q", a.Type)
				})
			},
		},
		{
			ID: "ITI-39/echo", Title: "The answer names repository, document and mime type", Section: tf39, Mutant: onRetrieve(mutant.Answers("text/plain", "text/html")),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				d := documents(t, t.Success(t.CrossRetrieve(gets...)))
				t.Check(len(d) == 1, "%d documents, expected 1", len(d))
				t.Check(d[0].repository == gets[0].Repository && d[0].unique == gets[0].Unique, "the answer names %q %q", d[0].repository, d[0].unique)
				t.Check(d[0].mime == "text/plain", "mimeType is %q, the entry says text/plain", d[0].mime)
			},
		},
		{
			ID: "ITI-39/home-echo", Title: "Every document has the home that it was asked for with", Section: tf39,
			Mutant: onRetrieve(mutant.Answers(`<(\w+:)?HomeCommunityId>[^<]*</(\w+:)?HomeCommunityId>`, "")),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 2)
				got := documents(t, t.Success(t.CrossRetrieve(gets...)))
				t.Check(len(got) == 2, "%d documents, expected 2", len(got))
				for _, d := range got {
					t.Check(d.home == gets[0].Home, "HomeCommunityId is %q, asked with %q", d.home, gets[0].Home)
				}
			},
		},
		{
			ID: "ITI-39/mtom", Title: "The answer is MTOM/XOP with its root part named", Section: "ITI TF-2 3.39.5",
			Mutant: onRetrieve(conformance.Mutant{Response: func(x *conformance.Exchange) {
				x.Type = strings.Replace(x.Type, "application/xop+xml", "text/xml", 1)
			}}),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				a := t.CrossRetrieve(gets...)
				t.Check(a.Type == "multipart/related", "Content-Type is %q", a.Type)
				t.Check(a.Params["type"] == "application/xop+xml", "its type parameter is %q", a.Params["type"])
				t.Check(a.Params["start-info"] == "application/soap+xml", "its start-info parameter is %q", a.Params["start-info"])
				t.Success(a)
			},
		},
		{
			ID: "ITI-39/several", Title: "Several documents in one request, each with its own bytes", Section: tf39, Mutant: lost,
			Run: func(t *conformance.T) {
				s, gets := acrossProvided(t, 3)
				got := documents(t, t.Success(t.CrossRetrieve(gets...)))
				t.Check(len(got) == 3, "%d documents, expected 3", len(got))
				for _, d := range s.Docs {
					i := slices.IndexFunc(got, func(g document) bool { return g.unique == d.UniqueID })
					t.Check(i >= 0 && bytes.Equal(got[i].bytes, d.Bytes), "a document is missing or came with another's bytes")
				}
			},
		},
		{
			ID: "ITI-39/deprecated", Title: "A deprecated document can be retrieved", Section: tf39, Mutant: onRetrieve(mutant.Refuses()),
			Run: func(t *conformance.T) {
				s, gets := acrossProvided(t, 1)
				n := t.NewSubmission(s.Patient)
				n.Associate(conformance.RPLC, n.Add("erstatning").ID, s.Docs[0].ID)
				t.Setup(func() { t.Success(t.Provide(n)) })
				d := documents(t, t.Success(t.CrossRetrieve(gets...)))
				t.Check(len(d) == 1 && bytes.Equal(d[0].bytes, s.Docs[0].Bytes), "the deprecated document did not come back")
			},
		},
		{
			ID: "ITI-39/missing-home", Title: "A request without HomeCommunityId is XDSMissingHomeCommunityId and names its document", Section: tf39, Mutant: onRetrieve(mutant.Accepts()),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				gets[0].Home = ""
				names(t, t.Refused(t.CrossRetrieve(gets...), missingHome), gets[0].Unique)
			},
		},
		{
			ID: "ITI-39/unknown-home", Title: "Another community's home is XDSUnknownCommunity and names its document", Section: tf39, Mutant: onRetrieve(mutant.Accepts()),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				gets[0].Home = foreignHome
				names(t, t.Refused(t.CrossRetrieve(gets...), unknownHome), gets[0].Unique)
			},
		},
		{
			ID: "ITI-39/unknown-document", Title: "An unknown document is XDSDocumentUniqueIdError", Section: tf39, Mutant: onRetrieve(mutant.Accepts()),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				gets[0].Unique = conformance.NewOID()
				t.Refused(t.CrossRetrieve(gets...), "XDSDocumentUniqueIdError")
			},
		},
		{
			ID: "ITI-39/error-location", Title: "The location of an error holds the document and the homeCommunityId", Section: tf39,
			Mutant: onRetrieve(mutant.Answers(`(location="[^"]*?)\s*urn:oid:[0-9.]+`, "$1")),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				gets[0].Unique = conformance.NewOID()
				names(t, t.Refused(t.CrossRetrieve(gets...), "XDSDocumentUniqueIdError"), gets[0].Unique, gets[0].Home)
			},
		},
		{
			ID: "ITI-39/unknown-repository", Title: "An unknown repository of the community is XDSUnknownRepositoryId", Section: tf39, Mutant: onRetrieve(mutant.Accepts()),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				gets[0].Repository = "1.2.3.999.1"
				names(t, t.Refused(t.CrossRetrieve(gets...), "XDSUnknownRepositoryId"), gets[0].Unique)
			},
		},
		{
			ID: "ITI-39/partial", Title: "An unknown document spoils only itself", Section: tf39, Mutant: lost,
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				unknown := gets[0]
				unknown.Unique = conformance.NewOID()
				someCame(t, t.CrossRetrieve(gets[0], unknown), gets[0].Unique, "XDSDocumentUniqueIdError")
			},
		},
		{
			ID: "ITI-39/several-homes", Title: "A document of an unknown community spoils only itself", Section: tf39, Mutant: lost,
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 1)
				foreign := gets[0]
				foreign.Home = foreignHome
				someCame(t, t.CrossRetrieve(foreign, gets[0]), gets[0].Unique, unknownHome)
			},
		},
		{
			ID: "ITI-39/all-fail", Title: "When no document comes the status is Failure, with an error for each", Section: tf39, Mutant: onRetrieve(mutant.Accepts()),
			Run: func(t *conformance.T) {
				_, gets := acrossProvided(t, 2)
				gets[0].Unique, gets[1].Home = conformance.NewOID(), foreignHome
				a := t.CrossRetrieve(gets...)
				t.Refused(a, "XDSDocumentUniqueIdError")
				t.Refused(a, unknownHome)
				t.Check(len(documents(t, a)) == 0, "a DocumentResponse in a Failure")
			},
		},
		answers("cross-gateway-retrieve", conformance.ActionCrossRetrieve, func(t *conformance.T) *conformance.Answer {
			_, gets := acrossProvided(t, 1)
			return t.CrossRetrieve(gets...)
		}),
	}
}

package cases

import (
	"bytes"
	"strings"
	"time"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const tf39Initiating = "ITI TF-2 3.39.4.1.3"

// whole expects one document with its home and bytes among the answer's.
func whole(t *conformance.T, got []document, d *conformance.Doc) {
	for _, g := range got {
		if g.unique == d.UniqueID {
			t.Check(g.home == conformance.Attr(d.XML, "home"), "the document has the home %q", g.home)
			t.Check(bytes.Equal(g.bytes, d.Bytes), "the document came with other bytes than the community sent: %d octets, expected %d", len(g.bytes), len(d.Bytes))
			return
		}
	}
	t.Failf("the document %s did not come", d.UniqueID)
}

// missed expects that one document did not come, which an error with one of the codes
// (any when there are none) says, and that the other did.
func missed(t *conformance.T, a *conformance.Answer, came *conformance.Doc, codes ...string) {
	errs := t.Partial(a)
	t.Check(len(errs) > 0 && (len(codes) == 0 || strings.Contains(strings.Join(codes, " "), errs[0].Code)), "errors are %v, expected %v", errs, codes)
	got := documents(t, a)
	t.Check(len(got) == 1, "%d documents, expected 1", len(got))
	whole(t, got, came)
}

// lost is a retrieval of two documents, one from a community that does not answer as
// it should: the other comes.
func lost(id, title string, m conformance.Mutant, odd func(*conformance.Asked), codes ...string) conformance.Case {
	return staged("XCA-43/"+id, title, tf39Initiating, mutant.OnPath(gatewayPath, "RetrieveDocumentSet", m), func(t *conformance.T, s *stage) {
		t.Setup(func() { t.Success(t.GatewayRetrieve(s.Odd.Get(s.odd))) })
		s.Odd.Behave = func(q *conformance.Asked) bool { odd(q); return true }
		began := time.Now()
		a := t.GatewayRetrieve(s.Odd.Get(s.odd), s.One.Get(s.one))
		t.Check(time.Since(began) < t.Patience(), "the answer took %s, expected less than %s (--deadline)", time.Since(began).Round(time.Millisecond), t.Patience())
		missed(t, a, s.one, codes...)
	})
}

// InitiatingRetrieve are the rules of ITI-43 at an initiating gateway.
func InitiatingRetrieve() []conformance.Case {
	answers := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath(gatewayPath, "RetrieveDocumentSet", mutant.Answers(pattern, with))
	}
	asks := func(pattern, with string) conformance.Mutant {
		return mutant.OnPath(gatewayPath, "RetrieveDocumentSet", mutant.Requests(pattern, with))
	}
	accepts := mutant.Accepts()
	refusedAs := func(id, title, code string, gets func(*stage) []conformance.Get) conformance.Case {
		return staged("XCA-43/"+id, title, tf39Initiating, mutant.OnPath(gatewayPath, "RetrieveDocumentSet", accepts), func(t *conformance.T, s *stage) {
			t.Refused(t.GatewayRetrieve(gets(s)...), code)
		})
	}
	return []conformance.Case{
		staged("XCA-43/retrieve", "A document comes from its community with its bytes", tf39Initiating, answers("dokument 1 i Kit One", "dokument 2 i Kit One"), func(t *conformance.T, s *stage) {
			whole(t, documents(t, t.Success(t.GatewayRetrieve(s.One.Get(s.one)))), s.one)
		}),
		staged("XCA-43/homes-echoed", "Every document has the home that it was asked for with", tf39Initiating, answers(`>`+homeTwo+`<`, `>`+homeOne+`<`), func(t *conformance.T, s *stage) {
			got := documents(t, t.Success(t.GatewayRetrieve(s.Two.Get(s.two), s.One.Get(s.one), s.Odd.Get(s.odd))))
			t.Check(len(got) == 3, "%d documents, expected 3", len(got))
			whole(t, got, s.one)
			whole(t, got, s.two)
			whole(t, got, s.odd)
		}),
		staged("XCA-43/mime-type", "The mimeType is the one that the community says", tf39Initiating, answers("text/plain", "text/html"), func(t *conformance.T, s *stage) {
			got := documents(t, t.Success(t.GatewayRetrieve(s.One.Get(s.one))))
			t.Check(len(got) == 1 && got[0].mime == "text/plain", "the answer is %v", got)
		}),
		staged("XCA-43/asked-as-gateway", "A community is asked by ITI-39, in an MTOM package and with its home", "ITI TF-2 3.39.5",
			mutant.Onward(`<(\w+:)?HomeCommunityId>[^<]*</(\w+:)?HomeCommunityId>`, ""), func(t *conformance.T, s *stage) {
				t.GatewayRetrieve(s.One.Get(s.one))
				asked := s.One.AskedAbout(s.one.UniqueID)
				t.Check(len(asked) > 0, "the community was not asked for the document")
				q := asked[0]
				t.Check(q.Action == conformance.ActionCrossRetrieve, "the action is %q", q.Action)
				t.Check(q.Type == "multipart/related", "the Content-Type is %q", q.Type)
				home := conformance.Find(q.Root, nsXDS, "HomeCommunityId")
				t.Check(home != nil && strings.TrimSpace(home.Text()) == homeOne, "the request names no home, or another")
			}),
		staged("XCA-43/only-its-community", "Only the community that a request names is asked", tf39Initiating, asks(homeTwo, homeOne), func(t *conformance.T, s *stage) {
			whole(t, documents(t, t.Success(t.GatewayRetrieve(s.Two.Get(s.two)))), s.two)
			t.Check(len(s.One.AskedAbout(s.two.UniqueID)) == 0, "another community was asked too")
		}),
		refusedAs("missing-home", "A request without HomeCommunityId is XDSMissingHomeCommunityId", missingHome, func(s *stage) []conformance.Get {
			return []conformance.Get{{Repository: s.One.Repository(), Unique: s.one.UniqueID}}
		}),
		refusedAs("unknown-home", "A request for a community that nobody knows is XDSUnknownCommunity", unknownHome, func(s *stage) []conformance.Get {
			return []conformance.Get{{Home: foreignHome, Repository: s.One.Repository(), Unique: s.one.UniqueID}}
		}),
		refusedAs("unknown-document", "A document that its community does not have is XDSDocumentUniqueIdError", "XDSDocumentUniqueIdError", func(s *stage) []conformance.Get {
			return []conformance.Get{{Home: homeOne, Repository: s.One.Repository(), Unique: conformance.NewOID()}}
		}),
		staged("XCA-43/some-unknown", "A document comes beside the error of another", tf39Initiating, mutant.OnPath(gatewayPath, "RetrieveDocumentSet", accepts), func(t *conformance.T, s *stage) {
			missed(t, t.GatewayRetrieve(s.One.Get(s.one), conformance.Get{Home: homeOne, Repository: s.One.Repository(), Unique: conformance.NewOID()}), s.one, "XDSDocumentUniqueIdError")
		}),
		staged("XCA-43/on-demand-ids", "New ids of an on-demand document are passed on", tf39Initiating, answers(`<(\w+:)?NewDocumentUniqueId>[^<]*</(\w+:)?NewDocumentUniqueId>`, ""), func(t *conformance.T, s *stage) {
			fresh := conformance.NewOID()
			s.Odd.Behave = func(q *conformance.Asked) bool {
				d := q.Community.First()
				q.Documents("", q.ResponseXML(d, "<x:NewRepositoryUniqueId>"+q.Community.Repository()+"</x:NewRepositoryUniqueId><x:NewDocumentUniqueId>"+fresh+"</x:NewDocumentUniqueId>"), []conformance.Part{{CID: d.CID, Bytes: d.Bytes}})
				return true
			}
			got := documents(t, t.Success(t.GatewayRetrieve(s.Odd.Get(s.odd))))
			t.Check(len(got) == 1 && got[0].newUnique == fresh && got[0].newRepository == s.Odd.Repository(), "the answer is %+v", got)
		}),
		staged("XCA-43/large", "A document of 8 MiB comes whole", tf39Initiating, answers("AAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAA"), func(t *conformance.T, s *stage) {
			s.odd.Bytes = bytes.Repeat([]byte("A"), 8<<20)
			whole(t, documents(t, t.Success(t.GatewayRetrieve(s.Odd.Get(s.odd)))), s.odd)
		}),
		staged("XCA-43/any-order", "Parts of an answer may come in another order than its responses", "ITI TF-2 V.8", answers("dokument 1 i Kit Odd", "dokument 2 i Kit Odd"), func(t *conformance.T, s *stage) {
			more := s.Odd.Hold(t, s.patient, 1)[0]
			s.Odd.Behave = func(q *conformance.Asked) bool {
				q.Documents("", q.ResponseXML(s.odd, "")+q.ResponseXML(more, ""), []conformance.Part{{CID: more.CID, Bytes: more.Bytes}, {CID: s.odd.CID, Bytes: s.odd.Bytes}})
				return true
			}
			got := documents(t, t.Success(t.GatewayRetrieve(s.Odd.Get(s.odd), s.Odd.Get(more))))
			whole(t, got, s.odd)
			whole(t, got, more)
		}),
		lost("dead", "A community that cannot be reached is XDSUnavailableCommunity, and others' documents come", accepts, func(q *conformance.Asked) { q.Dead() }, unavailable),
		lost("silent", "A community that never answers is XDSUnavailableCommunity, in time", mutant.Dawdles(4*time.Second), func(q *conformance.Asked) { q.Silent() }, unavailable),
		lost("http-error", "HTTP 503 is not an answer", accepts, func(q *conformance.Asked) { q.Reply(503, "text/plain", "later") }),
		lost("malformed", "An answer that is not well-formed is not taken", accepts, func(q *conformance.Asked) {
			contentType, _ := q.DocumentsMTOM("", "", nil)
			q.Reply(200, contentType, "--nothing\r\n\r\n<a>")
		}),
		lost("other-document", "A document that was not asked for is not passed on", accepts, func(q *conformance.Asked) {
			d := *q.Community.First()
			d.UniqueID = conformance.NewOID()
			q.Documents("", q.ResponseXML(&d, ""), []conformance.Part{{CID: d.CID, Bytes: d.Bytes}})
		}),
		staged("XCA-43/cut-off", "A document that breaks off never looks like a whole one", "ITI TF-2 V.8",
			mutant.OnPath(gatewayPath, "RetrieveDocumentSet", completes()), func(t *conformance.T, s *stage) {
				s.odd.Bytes = bytes.Repeat([]byte("A"), 1<<20)
				s.Odd.Behave = func(q *conformance.Asked) bool {
					contentType, body := q.DocumentsMTOM("", q.ResponseXML(s.odd, ""), []conformance.Part{{CID: s.odd.CID, Bytes: s.odd.Bytes}})
					q.Send(contentType, time.Millisecond, func(i int) string { return [2]string{string(body[:len(body)/2]), ""}[min(i, 1)] })
					return true
				}
				a, broken := t.TryGatewayRetrieve(s.Odd.Get(s.odd))
				if broken || a.RootErr != nil {
					return
				}
				t.Refused(a, unavailable, "XDSRepositoryError")
			}),
	}
}

// completes is a gateway that closes what was broken off.
func completes() conformance.Mutant {
	return conformance.Mutant{Response: func(x *conformance.Exchange) {
		if !x.Cut {
			return
		}
		_, boundary, _ := strings.Cut(x.Type, "boundary=")
		boundary, _, _ = strings.Cut(strings.Trim(boundary, `"`), `"`)
		boundary, _, _ = strings.Cut(boundary, ";")
		x.Cut, x.Response = false, append(x.Response, []byte("\r\n--"+boundary+"--\r\n")...)
	}}
}

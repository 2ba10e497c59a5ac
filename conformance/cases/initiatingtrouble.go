package cases

import (
	"strings"
	"time"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

// harmless is a case about a community that answers in a bad way: the others' documents
// come in time, and it is named by an error of one of the codes (any when there are none).
func harmless(id, title string, m conformance.Mutant, odd func(*conformance.Asked), codes ...string) conformance.Case {
	return staged("XCA-18/"+id, title, tf38Initiating, mutant.OnPath(gatewayPath, "RegistryStoredQuery", m), func(t *conformance.T, s *stage) {
		t.Setup(func() { s.came(t.Success(s.find()), s.one, s.two, s.odd) }) // the gateway has not given it up
		s.Odd.Behave = func(q *conformance.Asked) bool { odd(q); return true }
		began := time.Now()
		a := s.find()
		t.Check(time.Since(began) < t.Patience(), "the answer took %s, expected less than %s (--deadline)", time.Since(began).Round(time.Millisecond), t.Patience())
		s.othersCame(a, codes...)
	})
}

const deepLevels = 100_000

// InitiatingTrouble are communities that are slow, dead, wrong or hostile, behind an
// initiating gateway.
func InitiatingTrouble() []conformance.Case {
	accepts := mutant.Accepts()
	xml := "application/soap+xml; charset=UTF-8"
	entry := func(q *conformance.Asked) string { return conformance.EntryXML(q.Community.First()) }
	return []conformance.Case{
		harmless("dead", "A community that cannot be reached is XDSUnavailableCommunity", accepts, func(q *conformance.Asked) { q.Dead() }, unavailable),
		harmless("silent", "A community that never answers is XDSUnavailableCommunity, in time", mutant.Dawdles(4*time.Second), func(q *conformance.Asked) { q.Silent() }, unavailable),
		harmless("one-byte-a-second", "A community that sends one byte a second does not delay the answer", accepts, func(q *conformance.Asked) {
			begin := q.QueryBegin()
			q.Send(xml, time.Second, func(i int) string { return begin[i%len(begin):][:1] })
		}, unavailable),
		harmless("endless", "A community whose answer does not end does not delay the answer", accepts, func(q *conformance.Asked) {
			begin, one := q.QueryBegin(), strings.Repeat(entry(q), 16)
			q.Send(xml, 5*time.Millisecond, func(i int) string {
				if i == 0 {
					return begin
				}
				return one
			})
		}),
		harmless("cut-off", "An answer that breaks off in the middle is not taken for a whole one", accepts, func(q *conformance.Asked) {
			begin := q.QueryBegin() + entry(q)
			q.Send(xml, time.Millisecond, func(i int) string { return [2]string{begin, ""}[min(i, 1)] })
		}),
		harmless("malformed", "An answer that is not well-formed is not taken", accepts, func(q *conformance.Asked) {
			q.Reply(200, xml, q.EnvelopeXML("<q:AdhocQueryResponse></rim:Wrong>"))
		}),
		harmless("deep", "XML of 100,000 levels harms nobody", accepts, func(q *conformance.Asked) {
			q.Reply(200, xml, q.QueryBegin()+strings.Repeat("<d>", deepLevels)+strings.Repeat("</d>", deepLevels)+"</rim:RegistryObjectList></q:AdhocQueryResponse></s:Body></s:Envelope>")
		}),
		harmless("entities", "A document type with entities that grow harms nobody", accepts, func(q *conformance.Asked) {
			bomb := `<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">`
			for c := 'b'; c <= 'j'; c++ {
				last := string(c - 1)
				bomb += `<!ENTITY ` + string(c) + ` "` + strings.Repeat("&"+last+";", 10) + `">`
			}
			_, body, _ := strings.Cut(q.EnvelopeXML("<x>&j;</x>"), "?>")
			q.Reply(200, xml, bomb+"]>"+body)
		}),
		harmless("page", "A page in HTML is not an answer", accepts, func(q *conformance.Asked) {
			q.Reply(200, "text/html", "<html><body>Welcome</body></html>")
		}),
		harmless("http-error", "HTTP 503 is not an answer", accepts, func(q *conformance.Asked) { q.Reply(503, "text/plain", "later") }),
		harmless("fault", "A SOAP fault is the community's error", accepts, func(q *conformance.Asked) { q.Reply(400, xml, conformance.FaultXML("no")) }),
		harmless("not-a-response", "Another body than an AdhocQueryResponse is not an answer", accepts, func(q *conformance.Asked) {
			q.Envelope(`<x:RetrieveDocumentSetResponse xmlns:x="urn:ihe:iti:xds-b:2007"/>`)
		}),
		harmless("object-without-home", "An object without home is left out, as XDSMissingHomeCommunityId", accepts, func(q *conformance.Asked) {
			d := *q.Community.First()
			d.XML = d.XML.Copy()
			d.XML.RemoveAttr("home")
			q.Query("", conformance.EntryXML(&d))
		}, missingHome),
		staged("XCA-18/foreign-home", "An object in another community's name is left out with an error, or keeps the home that it came with", tf38Initiating,
			mutant.OnPath(gatewayPath, "RegistryStoredQuery", accepts), func(t *conformance.T, s *stage) {
				liar := *s.odd
				liar.XML = s.odd.XML.Copy()
				liar.XML.CreateAttr("home", homeTwo)
				s.Odd.Behave = func(q *conformance.Asked) bool { q.Query("", conformance.EntryXML(&liar)); return true }
				a := s.find()
				if strings.HasSuffix(t.StatusOf(a), ":Success") {
					s.came(a, s.one, s.two, &liar)
					return
				}
				s.othersCame(a)
			}),
	}
}

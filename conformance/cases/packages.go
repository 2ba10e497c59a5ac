package cases

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

// Packages are further rules of ITI-41: how its MTOM package may look, and what it
// may carry.
func Packages() []conformance.Case {
	// packed sends a document with the package's text and Content-Type changed.
	packed := func(id, title, section string, change func(contentType string, body string) (string, string)) conformance.Case {
		c := stored(id, title, documentsOf("innhold æøå"), func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			s.Docs[0].CID = "document@conformance"
			contentType, body := conformance.MTOM(conformance.Envelope(conformance.ActionProvide, conformance.NewUUID(), "", conformance.ProvideBody(s, conformance.Included)), partsOf(s), 0)
			contentType, text := change(contentType, string(body))
			return t.RepositoryPost(contentType, []byte(text))
		})
		c.Section = section
		return c
	}
	inBody := func(pairs ...string) func(string, string) (string, string) {
		return func(contentType, body string) (string, string) {
			return contentType, strings.NewReplacer(pairs...).Replace(body)
		}
	}
	inType := func(contentType string) func(string, string) (string, string) {
		return func(_, body string) (string, string) {
			return strings.ReplaceAll(contentType, "BOUNDARY", "conformance-boundary-7f3a"), body
		}
	}
	const include = `href="cid:document@conformance"`
	const rootType = `application/xop+xml; charset=UTF-8; type="application/soap+xml"`
	return []conformance.Case{
		packed("wcf-content-id", "A Content-ID may be a URL, escaped in the reference", "RFC 2392, 2", inBody("<document@conformance>", "<http://tempuri.org/1/639>", include, `href="cid:http%3A%2F%2Ftempuri.org%2F1%2F639"`)),
		packed("small-escapes", "The escapes of a cid may be in small letters", "RFC 3986, 2.1", inBody("<document@conformance>", "<http://tempuri.org/0>", include, `href="cid:http%3a%2f%2ftempuri.org%2f0"`)),
		packed("blanks-around-include", "Blanks around xop:Include mean nothing", "XOP 1.0, 3.2", func(contentType, body string) (string, string) {
			return contentType, regexp.MustCompile(`(<xop:Include [^>]*/>)`).ReplaceAllString(body, "\r\n\t $1 \r\n")
		}),
		packed("include-default-namespace", "xop:Include may be without a prefix", "XOP 1.0, 2.1", func(contentType, body string) (string, string) {
			return contentType, strings.NewReplacer("<xop:Include xmlns:xop=", "<Include xmlns=").Replace(body)
		}),
		packed("no-start", "Without a start parameter the first part is the root", "RFC 2387, 3.2", inType(`multipart/related; type="application/xop+xml"; start-info="application/soap+xml"; boundary="BOUNDARY"`)),
		packed("parameters-in-any-order", "Parameters may come in any order, with others among them", "RFC 2045, 5.1",
			inType(`multipart/related; start-info="application/soap+xml"; action="urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"; boundary=BOUNDARY; start="<root@conformance>"; type="application/xop+xml"`)),
		packed("start-info-action", "start-info may carry an action", "ITI TF-2 V.3.2.1.3",
			inType(`Multipart/Related; boundary="BOUNDARY"; start="<root@conformance>"; type="application/xop+xml"; start-info="application/soap+xml; action=\"urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b\""`)),
		packed("root-charset", "The root part's charset may be quoted and in small letters", "RFC 2045, 5.1", inBody(rootType, `application/xop+xml;charset="utf-8";type="application/soap+xml"`)),
		packed("root-action", "The root part's type may carry an action", "ITI TF-2 V.3.2.1.3", inBody(rootType, `application/xop+xml; type="application/soap+xml; action=\"urn:x\""; charset=utf-8`)),
		packed("preamble", "What stands before the first boundary means nothing", "RFC 2046, 5.1.1", func(contentType, body string) (string, string) {
			return contentType, "This is a multi-part message.\r\n\r\n" + body + "\r\nepilogue"
		}),
		packed("part-headers", "Header names have any letter case, and there may be others", "RFC 2045, 3",
			inBody("Content-ID: <document", "Content-Disposition: attachment; name=\"a.txt\"\r\ncontent-id: <document")),
		packed("no-transfer-encoding", "A part without Content-Transfer-Encoding is taken as it is", "RFC 2045, 6.1", func(contentType, body string) (string, string) {
			return contentType, strings.ReplaceAll(body, "Content-Transfer-Encoding: binary\r\n", "")
		}),
		stored("inline-lines", "Base64 inside the envelope may have line ends", documentsOf(strings.Repeat("langt innhold ", 20)), func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return sendMTOM(t, s, func(d *conformance.Doc) string {
				b := base64.StdEncoding.EncodeToString(d.Bytes)
				return fmt.Sprintf("<xds:Document id=\"%s\">\r\n%s\r\n%s\r\n</xds:Document>", d.ID, b[:76], b[76:])
			}, nil, 0)
		}),
		stored("inline-and-included", "One document may be inline and another included", documentsOf("i konvolutten", "ved siden av"), func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return sendMTOM(t, s, func(d *conformance.Doc) string {
				if d == s.Docs[0] {
					return fmt.Sprintf(`<xds:Document id="%s">%s</xds:Document>`, d.ID, base64.StdEncoding.EncodeToString(d.Bytes))
				}
				return conformance.Included(d)
			}, partsOf(s)[1:], 0)
		}),
		stored("document-order", "Documents may come in another order than their entries", documentsOf("a", "b", "c"), func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			body := conformance.ProvideBody(s, func(*conformance.Doc) string { return "" })
			for _, d := range s.Docs {
				body = strings.Replace(body, "</lcm:SubmitObjectsRequest>", "</lcm:SubmitObjectsRequest>"+conformance.Included(d), 1)
			}
			contentType, b := conformance.MTOM(conformance.Envelope(conformance.ActionProvide, conformance.NewUUID(), "", body), partsOf(s), 0)
			return t.RepositoryPost(contentType, b)
		}),
		stored("hash-letter-case", "A hash in capitals is the same hash", func(_ *conformance.T, s *conformance.Submission) {
			d := s.Add("store bokstaver")
			conformance.SetSlot(d.XML, "hash", strings.ToUpper(conformance.SlotOf(d.XML, "hash")[0]))
		}, provide),
		stored("symbolic-ids", "A document is provided under a symbolic id", func(_ *conformance.T, s *conformance.Submission) {
			d := s.Add("symbolsk")
			d.XML = fromText(strings.ReplaceAll(toText(d.XML), d.ID, "Document01"))
			s.Others[0].CreateAttr("targetObject", "Document01")
			d.ID = "Document01"
		}, provide),
		storedAfter(1, stored("same-document-again", "The same bytes under the same uniqueId are accepted again", func(t *conformance.T, s *conformance.Submission) {
			old := t.NewSubmission(s.Patient)
			d := old.Add("samme innhold")
			t.Setup(func() { t.Success(t.Provide(old)) })
			sameBytes(d, s.Add("samme innhold"))
		}, provide)),
		refusedBytes("other-bytes", "Other bytes under a known uniqueId are refused", "XDSNonIdenticalHash|XDSNonIdenticalSize", "andre bytes"),
		refusedBytes("longer-bytes", "More bytes under a known uniqueId are refused", "XDSNonIdenticalHash|XDSNonIdenticalSize", "mange flere bytes enn sist"),
		{
			ID: "ITI-41/set-only", Title: "A submission without documents is accepted", Section: "ITI TF-3 4.2.1.5", Mutant: mutant.Refuses(),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				s.Folder(s.Patient)
				t.Success(t.Provide(s))
			},
		},
		{
			ID: "ITI-41/replaces", Title: "A provided document may replace a registered one", Section: "ITI TF-2 3.42.4.1.3.5",
			Mutant: mutant.Answers(":Deprecated", ":Approved"),
			Run: func(t *conformance.T) {
				old, _ := provided(t, 1)
				s := t.NewSubmission(old.Patient)
				s.Associate(conformance.RPLC, s.Add("erstatning").ID, old.Docs[0].ID)
				t.Success(t.Provide(s))
				t.Check(statusOf(t, old.Docs[0].UniqueID) == conformance.Deprecated, "the replaced document is %q", statusOf(t, old.Docs[0].UniqueID))
			},
		},
		notStored("unresolved", "A registry's error comes back through the repository", unresolved, func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			s.Associate(conformance.RPLC, s.Docs[0].ID, conformance.NewUUID())
			return t.Provide(s)
		}),
		notStored("same-id-twice", "Two documents with one id are refused", repoMetadata+"|XDSMissingDocumentMetadata", func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return sendMTOM(t, s, func(d *conformance.Doc) string { return conformance.Included(d) + conformance.Included(d) }, partsOf(s), 0)
		}),
	}
}

// storedAfter is for a case that needs n exchanges to set it up.
func storedAfter(n int, c conformance.Case) conformance.Case {
	c.Mutant = mutant.RefusesAfter(n)
	return c
}

// refusedBytes is a submission of content under a uniqueId whose document is
// another: it must be refused and leave that document as it is.
func refusedBytes(id, title, codes, content string) conformance.Case {
	return conformance.Case{ID: "ITI-41/" + id, Title: title, Section: tf41, Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) {
			old, repository := provided(t, 1)
			s := t.NewSubmission(old.Patient)
			conformance.SetIdentifier(s.Add(content).XML, conformance.EntryUnique, old.Docs[0].UniqueID)
			t.Refused(t.Provide(s), strings.Split(codes, "|")...)
			d := documents(t, t.Success(t.Retrieve(conformance.Get{Repository: repository, Unique: old.Docs[0].UniqueID})))
			t.Check(len(d) == 1 && string(d[0].bytes) == string(old.Docs[0].Bytes), "the document that was there came back with other bytes")
		}}
}

package cases

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"samdok/conformance"
	"samdok/conformance/mutant"
)

const (
	tf41         = "ITI TF-2 3.41.4.1.3"
	repoMetadata = "XDSRepositoryMetadataError"
)

// notStored is a submission that must be refused and leave nothing to find or
// retrieve.
func notStored(id, title, code string, send func(*conformance.T, *conformance.Submission) *conformance.Answer) conformance.Case {
	return conformance.Case{ID: "ITI-41/" + id, Title: title, Section: tf41, Mutant: mutant.Accepts(),
		Run: func(t *conformance.T) {
			s := t.NewSubmission(t.Patient())
			s.Add("innhold " + conformance.NewOID())
			t.Refused(send(t, s), strings.Split(code, "|")...)
			t.Check(len(found(t, s.Patient)) == 0, "a refused submission is found")
		}}
}

// opened provides, finds and retrieves the documents and compares their bytes.
func opened(t *conformance.T, s *conformance.Submission, provide func() *conformance.Answer) {
	t.Success(provide())
	for _, d := range s.Docs {
		e := entryOf(t, d.UniqueID)
		repository := strings.Join(conformance.SlotOf(e, "repositoryUniqueId"), "")
		a := t.Retrieve(conformance.Get{Repository: repository, Unique: d.UniqueID})
		t.Success(a)
		got := documents(t, a)
		t.Check(len(got) == 1 && bytes.Equal(got[0].bytes, d.Bytes), "the document came back with other bytes")
		sum := sha1.Sum(d.Bytes)
		t.Check(strings.EqualFold(strings.Join(conformance.SlotOf(e, "hash"), ""), hex.EncodeToString(sum[:])), "hash is %v", conformance.SlotOf(e, "hash"))
		t.Check(strings.Join(conformance.SlotOf(e, "size"), "") == strconv.Itoa(len(d.Bytes)), "size is %v", conformance.SlotOf(e, "size"))
	}
}

// stored is a submission that must be accepted and come back byte for byte.
func stored(id, title string, edit func(*conformance.T, *conformance.Submission), send func(*conformance.T, *conformance.Submission) *conformance.Answer) conformance.Case {
	return conformance.Case{ID: "ITI-41/" + id, Title: title, Section: tf41, Mutant: mutant.Refuses(),
		Run: func(t *conformance.T) {
			s := t.NewSubmission(t.Patient())
			edit(t, s)
			opened(t, s, func() *conformance.Answer { return send(t, s) })
		}}
}

func documentsOf(contents ...string) func(*conformance.T, *conformance.Submission) {
	return func(_ *conformance.T, s *conformance.Submission) {
		for _, c := range contents {
			s.Add(c)
		}
	}
}

func provide(t *conformance.T, s *conformance.Submission) *conformance.Answer { return t.Provide(s) }

func sendMTOM(t *conformance.T, s *conformance.Submission, document func(*conformance.Doc) string, parts []conformance.Part, rootAt int) *conformance.Answer {
	contentType, body := conformance.MTOM(conformance.Envelope(conformance.ActionProvide, conformance.NewUUID(), "", conformance.ProvideBody(s, document)), parts, rootAt)
	return t.RepositoryPost(contentType, body)
}

func partsOf(s *conformance.Submission) []conformance.Part {
	var parts []conformance.Part
	for _, d := range s.Docs {
		parts = append(parts, conformance.Part{CID: d.CID, Bytes: d.Bytes})
	}
	return parts
}

// Provide are the rules of ITI-41.
func Provide() []conformance.Case {
	inline := func(d *conformance.Doc) string {
		return fmt.Sprintf(`<xds:Document id="%s">%s</xds:Document>`, d.ID, base64.StdEncoding.EncodeToString(d.Bytes))
	}
	return []conformance.Case{
		stored("one", "A document comes back as it was provided", documentsOf("innhold æøå\r\n\x00\xff"), provide),
		stored("several", "Several documents in one submission", documentsOf("første", "andre", "tredje"), provide),
		stored("empty", "A document of no bytes", documentsOf(""), provide),
		stored("line-ends", "Line ends and boundaries inside a document are bytes like others", documentsOf("\r\n--conformance-boundary\r\n\r\n--\n"), provide),
		stored("without-hash", "The repository adds hash and size", func(_ *conformance.T, s *conformance.Submission) {
			d := s.Add("uten hash")
			conformance.Remove(d.XML, "hash")
			conformance.Remove(d.XML, "size")
		}, provide),
		stored("repository-id", "The repository puts its own repositoryUniqueId", func(_ *conformance.T, s *conformance.Submission) {
			conformance.Remove(s.Add("uten repository").XML, "repositoryUniqueId")
		}, provide),
		stored("inline", "A document in base64 inside the envelope", documentsOf("inne i konvolutten"), func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return sendMTOM(t, s, inline, nil, 0)
		}),
		stored("root-last", "The root part may come after the documents", documentsOf("a", "b"), func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return sendMTOM(t, s, conformance.Included, partsOf(s), 2)
		}),
		stored("parts-reversed", "Parts may come in any order", documentsOf("a", "b", "c"), func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			p := partsOf(s)
			p[0], p[2] = p[2], p[0]
			return sendMTOM(t, s, conformance.Included, p, 0)
		}),
		stored("base64-part", "A part may be sent in base64", documentsOf("kodet"), func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			p := partsOf(s)
			p[0].Encoding, p[0].Bytes = "base64", []byte(base64.StdEncoding.EncodeToString(p[0].Bytes))
			return sendMTOM(t, s, conformance.Included, p, 0)
		}),
		stored("escaped-cid", "The cid in href is URL-escaped", func(_ *conformance.T, s *conformance.Submission) {
			s.Add("innhold").CID = "a b+c@conformance"
		}, func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			escaped := func(d *conformance.Doc) string {
				return strings.Replace(conformance.Included(d), "a b+c@conformance", "a%20b%2Bc%40conformance", 1)
			}
			return sendMTOM(t, s, escaped, partsOf(s), 0)
		}),
		notStored("missing-document", "An entry without a document is refused", "XDSMissingDocument", func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			return sendMTOM(t, s, func(*conformance.Doc) string { return "" }, nil, 0)
		}),
		notStored("missing-metadata", "A document without an entry is refused", "XDSMissingDocumentMetadata", func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			extra := func(d *conformance.Doc) string {
				return conformance.Included(d) + strings.Replace(conformance.Included(d), d.ID, conformance.NewUUID(), 1)
			}
			return sendMTOM(t, s, extra, partsOf(s), 0)
		}),
		notStored("wrong-hash", "A hash that is not the document's is refused", repoMetadata, func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			conformance.SetSlot(s.Docs[0].XML, "hash", strings.Repeat("a", 40))
			return t.Provide(s)
		}),
		notStored("wrong-size", "A size that is not the document's is refused", repoMetadata, func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			conformance.SetSlot(s.Docs[0].XML, "size", "7")
			return t.Provide(s)
		}),
		notStored("duplicate-in-message", "One uniqueId twice in a message is refused", "XDSRepositoryDuplicateUniqueIdInMessage", func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			conformance.SetIdentifier(s.Add("annet").XML, conformance.EntryUnique, s.Docs[0].UniqueID)
			return t.Provide(s)
		}),
		notStored("registry-refuses", "What the registry refuses, the repository refuses", "XDSRegistryMetadataError|XDSRepositoryMetadataError", func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			conformance.Remove(s.Docs[0].XML, conformance.EntryClass)
			return t.Provide(s)
		}),
		notStored("second-document-lies", "One lying document refuses the whole submission", repoMetadata, func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			conformance.SetSlot(s.Add("annet").XML, "size", "999")
			return t.Provide(s)
		}),
		notStored("on-demand", "On-demand entries are not provided", "XDSRepositoryMetadataError|XDSRegistryMetadataError", func(t *conformance.T, s *conformance.Submission) *conformance.Answer {
			s.Docs[0].XML.CreateAttr("objectType", conformance.OnDemand)
			return t.Provide(s)
		}),
		{
			ID: "ITI-41/cid-without-part", Title: "A reference to a part that is not there is refused", Section: "ITI TF-2 V.8.1", Mutant: mutant.NeverFaultsNorRefuses(),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				s.Add("innhold")
				a := sendMTOM(t, s, conformance.Included, nil, 0)
				if conformance.Find(a.Root, "http://www.w3.org/2003/05/soap-envelope", "Fault") != nil {
					t.AnyFault(a)
				} else {
					t.Check(!strings.HasSuffix(t.StatusOf(a), ":Success"), "a submission whose document is missing was accepted")
				}
				t.Check(len(found(t, s.Patient)) == 0, "a refused submission is found")
			},
		},
		{
			ID: "ITI-41/truncated", Title: "A message that ends too early stores nothing", Section: "RFC 2046, 5.1.1", Mutant: mutant.NeverFaultsNorRefuses(),
			Run: func(t *conformance.T) {
				s := t.NewSubmission(t.Patient())
				s.Add(strings.Repeat("langt innhold ", 1000))
				contentType, body := conformance.MTOM(conformance.Envelope(conformance.ActionProvide, conformance.NewUUID(), "", conformance.ProvideBody(s, conformance.Included)), partsOf(s), 0)
				a := t.RepositoryPost(contentType, body[:len(body)-200])
				ok := a.Status == 200 && a.Root != nil && conformance.Find(a.Root, "http://www.w3.org/2003/05/soap-envelope", "Fault") == nil && strings.HasSuffix(t.StatusOf(a), ":Success")
				t.Check(!ok, "a truncated message was accepted")
				t.Check(len(found(t, s.Patient)) == 0, "a truncated submission is found")
			},
		},
	}
}

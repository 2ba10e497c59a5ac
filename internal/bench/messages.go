package bench

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"samdok/metadata"
	"samdok/metadata/ebrim"
)

const (
	authority  = "1.3.6.1.4.1.21367.2005.13.20.1000"
	boundary   = "samdok-bench-boundary"
	mtomType   = `multipart/related; type="application/xop+xml"; start="<root@bench>"; start-info="application/soap+xml"; boundary="` + boundary + `"`
	soapType   = "application/soap+xml; charset=UTF-8"
	rootHeader = "--" + boundary + "\r\nContent-Type: application/xop+xml; charset=UTF-8; type=\"application/soap+xml\"\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <root@bench>\r\n\r\n"
	closing    = "\r\n--" + boundary + "--\r\n"
)

// messages renders requests and checks answers of one run against one server.
type messages struct {
	run        uint64
	repository string
	document   []byte // of up to maxHeld bytes; bigger ones are made of repeats of it
	docSize    int64
	register   map[int]template // by number of documents
	others     template         // a register of entries of another class
	provide    map[int]template
	findRefs   template
	findLeaf   template
	get        template
}

// maxHeld bounds the document kept in memory.
const maxHeld = 1 << 20

// elsewhere is the repositoryUniqueId of documents that are registered only (ITI-42):
// a registry may know that its own repository does not have them.
const elsewhere = "1.2.3.4"

func newMessages(seed uint64, repository string, size int64, others int, counts ...int) (*messages, error) {
	m := &messages{
		run: uint64(time.Now().UnixNano())/1000%100000*100 + seed%100, repository: repository, docSize: size,
		document: document(min(size, maxHeld)),
		register: map[int]template{}, provide: map[int]template{},
	}
	sum, err := m.hash()
	if err != nil {
		return nil, err
	}
	for _, n := range counts {
		s, holes := submission(n, size, sum, elsewhere)
		m.register[n] = newTemplate(envelope("urn:ihe:iti:2007:RegisterDocumentSet-b", ebrim.AppendSubmission(nil, s)), holes)
		s, holes = submission(n, size, sum, repository)
		body := append([]byte(`<xds:ProvideAndRegisterDocumentSetRequest xmlns:xds="urn:ihe:iti:xds-b:2007">`), ebrim.AppendSubmission(nil, s)...)
		for i := range n {
			body = fmt.Appendf(body, `<xds:Document id="%s"><xop:Include xmlns:xop="http://www.w3.org/2004/08/xop/include" href="cid:d%d@bench"/></xds:Document>`, s.Entries[i].ID, i)
		}
		body = append(body, "</xds:ProvideAndRegisterDocumentSetRequest>"...)
		m.provide[n] = newTemplate(append([]byte(rootHeader), envelope("urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b", body)...), holes)
	}
	if others > 0 {
		s, holes := submission(others, size, sum, elsewhere)
		for _, e := range s.Entries {
			e.ClassCode = code("B00-1", "2.16.578.1.12.4.1.1.9602", "Kontinuerlig/løpende journal")
		}
		m.others = newTemplate(envelope("urn:ihe:iti:2007:RegisterDocumentSet-b", ebrim.AppendSubmission(nil, s)), holes)
	}
	m.findRefs, m.findLeaf = find(metadata.ObjectRef, others > 0), find(metadata.LeafClass, others > 0)
	holes := []hole{{holeMessage, 0}, {holeEntryUnique, 0}}
	m.get = newTemplate(append(append([]byte(rootHeader), envelope("urn:ihe:iti:2007:RetrieveDocumentSet", fmt.Appendf(nil,
		`<xds:RetrieveDocumentSetRequest xmlns:xds="urn:ihe:iti:xds-b:2007"><xds:DocumentRequest><xds:RepositoryUniqueId>%s</xds:RepositoryUniqueId><xds:DocumentUniqueId>%s</xds:DocumentUniqueId></xds:DocumentRequest></xds:RetrieveDocumentSetRequest>`,
		repository, hole{holeEntryUnique, 0}.mark()))...), closing...), holes)
	return m, nil
}

// document is text that does not compress to nothing and is cheap to make.
func document(n int64) []byte {
	b := make([]byte, n)
	x := uint32(2463534242)
	for i := range b {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		b[i] = 'a' + byte(x&15)
	}
	return b
}

func (m *messages) hash() (string, error) {
	h := sha1.New()
	if _, err := io.Copy(h, m.bytes()); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// bytes reads one document.
func (m *messages) bytes() io.Reader {
	if m.docSize <= int64(len(m.document)) {
		return bytes.NewReader(m.document)
	}
	return &repeat{data: m.document, left: m.docSize}
}

// repeat reads data again and again until left bytes have been read.
type repeat struct {
	data []byte
	at   int
	left int64
}

func (r *repeat) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(int64(len(p)), r.left)], r.data[r.at:])
	r.at = (r.at + n) % len(r.data)
	r.left -= int64(n)
	return n, nil
}

func envelope(action string, body []byte) []byte {
	b := fmt.Appendf(nil, `<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Header><Action soap:mustUnderstand="true" xmlns="http://www.w3.org/2005/08/addressing">%s</Action><MessageID xmlns="http://www.w3.org/2005/08/addressing">%s</MessageID><To xmlns="http://www.w3.org/2005/08/addressing">http://bench.invalid/</To><ReplyTo xmlns="http://www.w3.org/2005/08/addressing"><Address>http://www.w3.org/2005/08/addressing/anonymous</Address></ReplyTo></soap:Header><soap:Body>`,
		action, hole{holeMessage, 0}.mark())
	b = append(b, body...)
	return append(b, "</soap:Body></soap:Envelope>"...)
}

// find is FindDocuments of one patient; byClass asks for the class of submission.
func find(r metadata.ReturnType, byClass bool) template {
	patient := metadata.PatientID{ID: hole{holePatient, 0}.mark(), Authority: authority}
	filter := metadata.DocumentFilter{Status: []metadata.Status{metadata.Approved}}
	if byClass {
		filter.ClassCode = metadata.AnyOf[metadata.CodeRef]{{Value: "A00-1", Scheme: "2.16.578.1.12.4.1.1.9602"}}
	}
	q := metadata.StoredQuery{Return: r, Query: &metadata.FindDocuments{Patient: patient.CX(), Filter: filter}}
	return newTemplate(envelope("urn:ihe:iti:2007:RegistryStoredQuery", ebrim.AppendQuery(nil, q)), []hole{{holeMessage, 0}, {holePatient, 0}})
}

// write is a register or provide of n documents, seq being the first's number.
func (m *messages) write(op Op, patient int, seq uint64, n int) (iti int, contentType string, body io.Reader, length int64) {
	if op == Register {
		b := m.register[n].fill(nil, m.run, patient, seq)
		return 42, soapType, bytes.NewReader(b), int64(len(b))
	}
	root := m.provide[n].fill(nil, m.run, patient, seq)
	length = int64(len(root))
	parts := []io.Reader{bytes.NewReader(root)}
	for i := range n {
		header := fmt.Appendf(nil, "\r\n--%s\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <d%d@bench>\r\n\r\n", boundary, i)
		parts = append(parts, bytes.NewReader(header), m.bytes())
		length += int64(len(header)) + m.docSize
	}
	parts = append(parts, bytes.NewReader([]byte(closing)))
	return 41, mtomType, io.MultiReader(parts...), length + int64(len(closing))
}

func (m *messages) find(patient int, refs bool) (iti int, contentType string, body io.Reader, length int64) {
	t := m.findLeaf
	if refs {
		t = m.findRefs
	}
	b := t.fill(nil, m.run, patient, 0)
	return 18, soapType, bytes.NewReader(b), int64(len(b))
}

func (m *messages) retrieve(seq uint64) (iti int, contentType string, body io.Reader, length int64) {
	b := m.get.fill(nil, m.run, 0, seq)
	return 43, mtomType, bytes.NewReader(b), int64(len(b))
}

func (m *messages) size(op Op, n int) int64 {
	if op == Provide {
		return int64(n) * m.docSize
	}
	return 0
}

var statusSuccess = []byte("ResponseStatusType:Success")

func success(answer []byte) bool { return bytes.Contains(answer, statusSuccess) }

// count counts the entries of an answer: start tags only, whatever the prefix.
func (m *messages) count(answer []byte, refs bool) int64 {
	if refs {
		return int64(bytes.Count(answer, []byte("ObjectRef ")))
	}
	return int64(bytes.Count(answer, []byte("ExtrinsicObject ")))
}

func (m *messages) mentions(answer []byte, seq uint64, refs bool) bool {
	if refs {
		return bytes.Contains(answer, []byte(uuid(m.run, holeEntry, seq)))
	}
	unique := append(appendUnique([]byte{'"'}, m.run, 2, seq), '"')
	return bytes.Contains(answer, unique)
}

// checkDocument compares the second part of a multipart answer with the document
// and returns the number of bytes read.
func (m *messages) checkDocument(answer io.Reader) (int64, error) {
	const window = 64 << 10
	c := &counter{r: answer}
	head := make([]byte, 0, window)
	for { // the root part and the document's headers are small
		n, err := c.Read(head[len(head):cap(head)])
		head = head[:len(head)+n]
		if i := documentStart(head); i >= 0 {
			return c.n, m.compare(io.MultiReader(bytes.NewReader(head[i:]), c))
		}
		if err != nil || len(head) == cap(head) {
			return c.n, fmt.Errorf("retrieve: no document in the answer: %s", excerpt(head))
		}
	}
}

// documentStart is where the second part's bytes begin; -1 when not yet read.
func documentStart(b []byte) int {
	root := bytes.Index(b, []byte("Envelope>\r\n--"))
	if root < 0 || !success(b[:root]) {
		return -1
	}
	end := bytes.Index(b[root+len("Envelope>"):], []byte("\r\n\r\n"))
	if end < 0 {
		return -1
	}
	return root + len("Envelope>") + end + 4
}

func (m *messages) compare(r io.Reader) error {
	want := m.bytes()
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for left := m.docSize; left > 0; {
		n := int(min(left, int64(len(a))))
		if _, err := io.ReadFull(want, a[:n]); err != nil {
			return err
		}
		if _, err := io.ReadFull(r, b[:n]); err != nil {
			return fmt.Errorf("retrieve: the document ends early: %w", err)
		}
		if !bytes.Equal(a[:n], b[:n]) {
			return errors.New("retrieve: the document's bytes are not those that were provided")
		}
		left -= int64(n)
	}
	rest, err := io.ReadAll(io.LimitReader(r, 1<<10))
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(rest, []byte("\r\n--")) {
		return errors.New("retrieve: the document is longer than what was provided")
	}
	return nil
}

type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// excerpt shows the first error of an answer, or its beginning.
func excerpt(b []byte) string {
	if i := bytes.Index(b, []byte("errorCode")); i >= 0 {
		b = b[i:]
	}
	return strconv.Quote(string(b[:min(len(b), 400)]))
}

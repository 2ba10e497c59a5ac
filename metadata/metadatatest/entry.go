package metadatatest

import (
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"time"

	"samdok/metadata"
)

// Kind is a kind of document.
type Kind uint8

const (
	EpikriseCDA Kind = iota // discharge summary, CDA R2
	EpikrisePDF             // discharge summary, PDF
	LabXML                  // laboratory answer, KITH-like XML
	LabText                 // laboratory answer, plain text
	XRay                    // chest X-ray, PNG
	Referral                // referral, KITH-like XML
	Note                    // progress note, plain text
	kindCount
)

// Kinds are all kinds.
func Kinds() []Kind {
	list := make([]Kind, kindCount)
	for i := range list {
		list[i] = Kind(i)
	}
	return list
}

// String is a short name for file names and listings.
func (k Kind) String() string { return kinds[k].name }

// kind is what all documents of a kind have in common.
type kind struct {
	name, ext, mime, title string
	class, typ, format     metadata.Code
	units                  []int // places where such documents are made
	reference              string
	signed                 bool
	write                  func(*Gen, *story) []byte
	typical                int // octets, for metadata without bytes
}

const (
	formatScheme = "1.3.6.1.4.1.19376.1.2.3"
	docTypes     = volven + "9602"
)

var (
	sufficient = code("urn:ihe:iti:xds:2017:mimeTypeSufficient", formatScheme, "Formatet følger av medietypen")
	summaries  = code("A00-1", docTypes, "Epikriser og sammenfatninger")
	epikrise   = code("A03-2", docTypes, "Epikrise")
	results    = code("C00-1", docTypes, "Prøvesvar, vev og væsker")
	chemistry  = code("C01-2", docTypes, "Medisinsk biokjemi")

	normal    = code("N", volven+"9603", "Normal")
	normalHL7 = code("N", "2.16.840.1.113883.5.25", "Normal")
)

var kinds = [kindCount]kind{
	EpikriseCDA: {
		name: "epikrise-cda", ext: ".xml", mime: "text/xml", title: "Epikrise", class: summaries, typ: epikrise,
		format: sufficient, units: []int{0, 1, 2}, reference: metadata.RefEncounter, signed: true,
		write: (*Gen).cda, typical: 7900,
	},
	EpikrisePDF: {
		name: "epikrise-pdf", ext: ".pdf", mime: "application/pdf", title: "Epikrise", class: summaries, typ: epikrise,
		format: code("urn:no:ehelse:document:pdf", formatScheme, "PDF"),
		units:  []int{0, 1, 2}, reference: metadata.RefEncounter, signed: true,
		write: (*Gen).pdf, typical: 3600,
	},
	LabXML: {
		name: "lab-xml", ext: ".xml", mime: "text/xml", title: "Svar på blodprøver", class: results, typ: chemistry,
		format: sufficient, units: []int{3}, reference: metadata.RefAccession,
		write: (*Gen).labXML, typical: 5200,
	},
	LabText: {
		name: "lab-text", ext: ".txt", mime: "text/plain", title: "Svar på blodprøver", class: results, typ: chemistry,
		format: code("urn:no:ehelse:document:text", formatScheme, "Tekst"),
		units:  []int{3}, reference: metadata.RefAccession,
		write: (*Gen).labText, typical: 1100,
	},
	XRay: {
		name: "xray", ext: ".png", mime: "image/png", title: "Røntgen thorax",
		class:  code("E00-1", docTypes, "Bildediagnostikk og andre medisinske bilder"),
		typ:    code("E01-2", docTypes, "Diagnostiske bilder"),
		format: code("urn:no:ehelse:document:image", formatScheme, "Bilde"),
		units:  []int{4}, reference: metadata.RefAccession,
		write: (*Gen).xray, typical: 240_000,
	},
	Referral: {
		name: "henvisning", ext: ".xml", mime: "text/xml", title: "Henvisning",
		class: code("I00-1", docTypes, "Korrespondanse"), typ: code("I01-2", docTypes, "Henvisninger"),
		format: code("urn:no:kith:xmlstds:henvisning", formatScheme, "Henvisning (KITH XML)"),
		units:  []int{5, 6, 7}, reference: metadata.RefReferral,
		write: (*Gen).referral, typical: 2600,
	},
	Note: {
		name: "journalnotat", ext: ".txt", mime: "text/plain", title: "Journalnotat",
		class: code("B00-1", docTypes, "Kontinuerlig/løpende journal"), typ: code("B02-2", docTypes, "Journalnotat"),
		format: code("urn:no:ehelse:document:text", formatScheme, "Tekst"),
		units:  []int{0, 1, 2, 6, 7}, reference: metadata.RefEncounter,
		write: (*Gen).note, typical: 1500,
	},
}

// Document is a document with its metadata.
type Document struct {
	Entry *metadata.DocumentEntry
	Bytes []byte
}

// story is what a document tells: who, whom, where, when.
type story struct {
	patient   Patient
	author    Practitioner
	unit      *Unit
	from, to  time.Time // of the service
	written   time.Time
	uniqueID  string
	reference string // the id in Entry.ReferenceIDs
	entry     *metadata.DocumentEntry
}

// Document makes a document that real programs can open, with hash and size.
func (g *Gen) Document(p Patient, k Kind) Document {
	s := g.story(p, k)
	d := Document{Entry: s.entry, Bytes: kinds[k].write(g, s)}
	sum := sha1.Sum(d.Bytes)
	d.Entry.Hash = hex.EncodeToString(sum[:])
	d.Entry.Size = metadata.Octets(int64(len(d.Bytes)))
	return d
}

// Entry makes the metadata of a document that is not made: hash and size are
// plausible. It is quick enough for benchmarks.
func (g *Gen) Entry(p Patient, k Kind) *metadata.DocumentEntry {
	e := g.story(p, k).entry
	var sum [20]byte
	binary.LittleEndian.PutUint64(sum[:], g.rng.Uint64())
	binary.LittleEndian.PutUint64(sum[8:], g.rng.Uint64())
	e.Hash = hex.EncodeToString(sum[:])
	e.Size = metadata.Octets(int64(kinds[k].typical + g.rng.IntN(400)))
	return e
}

// FileName is a name for the document's bytes.
func (d Document) FileName() string {
	for i := range kinds {
		if k := &kinds[i]; k.mime == d.Entry.MimeType && k.typ.Value == d.Entry.TypeCode.Value {
			return k.name + k.ext
		}
	}
	return "document"
}

func (g *Gen) story(p Patient, k Kind) *story {
	oldest := g.Now.AddDate(-8, 0, 0)
	if p.Birth.After(oldest) {
		oldest = p.Birth
	}
	s := &story{patient: p, author: g.Practitioner(), unit: g.Unit(k)}
	s.from = g.between(oldest, g.Now.Add(-100*time.Hour))
	s.to = s.from.Add(time.Duration(20+g.rng.IntN(4000)) * time.Minute)
	s.written = s.to.Add(time.Duration(1+g.rng.IntN(600)) * time.Minute)
	s.uniqueID = g.uniqueID(k)
	s.reference = g.digits('2', 10)
	s.entry = g.entry(s, &kinds[k])
	return s
}

// uniqueID has each of the forms that sources use.
func (g *Gen) uniqueID(k Kind) string {
	switch k {
	case EpikriseCDA:
		return Root + ".2^" + g.UUID().String()[len("urn:uuid:"):]
	case Note:
		return g.UUID().String()
	}
	return g.OID()
}

func (g *Gen) entry(s *story, k *kind) *metadata.DocumentEntry {
	person := s.author.XCN()
	e := &metadata.DocumentEntry{
		ID:       g.UUID().ID(),
		Kind:     metadata.Stable,
		MimeType: k.mime,
		Title:    metadata.Text{{Value: k.title + " - " + s.unit.Department, Lang: "nb-NO", Charset: "UTF-8"}},
		Authors: []metadata.Author{{
			Person:       person,
			Institutions: s.unit.Institutions(),
			Roles:        []string{s.author.Role + "^^^&" + volven + "9060&ISO"},
			Telecom:      []metadata.XTN{"^WPN^PH^^47^^00000000"},
		}},
		ClassCode: k.class, TypeCode: k.typ, FormatCode: k.format,
		Facility: s.unit.Facility, Practice: s.unit.Practice,
		Confidential:      []metadata.Code{normal, normalHL7},
		CreationTime:      metadata.FormatDTM(s.written),
		ServiceStart:      metadata.FormatDTM(s.from),
		ServiceStop:       metadata.FormatDTM(s.to),
		Language:          "nb-NO",
		PatientID:         s.patient.CX(),
		SourcePatientID:   s.patient.CX(),
		SourcePatientInfo: s.patient.Info(),
		ReferenceIDs:      []metadata.CXi{metadata.CXi(s.reference + "^^^&" + Root + ".3&ISO^" + k.reference)},
		RepositoryID:      g.RepositoryID,
		UniqueID:          s.uniqueID,
	}
	if k.signed {
		e.LegalAuthenticator = person
	}
	return e
}

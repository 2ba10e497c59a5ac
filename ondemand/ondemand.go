package ondemand

import (
	"context"
	"io"
	"time"

	"samdok/metadata"
)

// Generator makes the documents of on-demand entries.
type Generator interface {
	// Name tells this generator's documents from those of others and of its own
	// earlier versions: equal names make equal documents of equal input.
	Name() string
	// Generate writes a document. It may be called concurrently. What it writes
	// depends on the input alone.
	Generate(ctx context.Context, w io.Writer, in *Input) error
}

// Input is what a document is made of. A generator changes nothing in it.
type Input struct {
	// Entry is the on-demand entry: whose document it is, its title and language.
	Entry *metadata.DocumentEntry
	// Documents are the approved stable documents of the patient that the reader
	// may see, in the order of their registration.
	Documents []Document
	// UniqueID is the new document's own id, Made the time of its making.
	UniqueID string
	Made     time.Time
	// Repository is the repositoryUniqueId of the source, which keeps the document
	// if anybody does.
	Repository string
}

// Document is what a generator gets to know of a registered document: some 400
// bytes, so that thousands of them can be held. Texts are cut at MaxText.
type Document struct {
	ID                        metadata.ID
	Title                     string
	Class, Type               metadata.Code
	Created                   metadata.DTM
	ServiceStart, ServiceStop metadata.DTM
	Author                    string // name
	Institution               string // name
	MimeType                  string
	// Confidential is the highest of the HL7 confidentiality codes N, R and V.
	Confidential string
}

// EmptyHash is the SHA-1 of nothing, which an entry has whose document is assembled
// at its first retrieval (Delayed Document Assembly, ITI TF-2 3.42.4.1.2.1).
const EmptyHash = "da39a3ee5e6b4b0d3255bfef95601890afd80709"

// DelayedSlot marks such an entry for this source: its document is assembled by the
// generator of its mime type. Without it the document is simply empty.
const DelayedSlot = "urn:x-samdok:delayed-assembly"

// MaxText is how many characters of a title or name a generator gets to see; XDS
// knows titles of up to 128 (ITI TF-3 4.2.3.2.25).
const MaxText = 200

// Cut shortens a text to MaxText characters.
func Cut(s string) string {
	n := 0
	for i := range s {
		if n++; n > MaxText {
			return s[:i] + "..."
		}
	}
	return s
}

// Describe takes from an entry what a generator gets to know. The result holds
// nothing else of the entry alive.
func Describe(e *metadata.DocumentEntry) Document {
	d := Document{
		ID: e.ID, Title: Cut(e.Title.String()), Class: short(e.ClassCode), Type: short(e.TypeCode), MimeType: e.MimeType,
		Created: e.CreationTime, ServiceStart: e.ServiceStart, ServiceStop: e.ServiceStop, Confidential: Confidentiality(e.Confidential),
	}
	for _, a := range e.Authors {
		if p, err := a.Person.Parse(); err == nil && d.Author == "" {
			d.Author = Cut(p.Name())
		}
		if d.Institution == "" {
			d.Institution = institution(a.Institutions)
		}
	}
	return d
}

// institution is the name of the first organisation that can be read.
func institution(list []metadata.XON) string {
	for _, x := range list {
		if o, err := x.Parse(); err == nil {
			return Cut(o.Name)
		}
	}
	return ""
}

// short is a code with one name.
func short(c metadata.Code) metadata.Code {
	return metadata.Code{Value: c.Value, Scheme: c.Scheme, Display: metadata.NewText(Cut(c.Display.String()))}
}

// confidentiality is the code system of HL7 (2.16.840.1.113883.5.25).
const confidentiality = "2.16.840.1.113883.5.25"

// Confidentiality is the highest of N, R and V among codes of HL7; N when there is
// none.
func Confidentiality(codes []metadata.Code) string {
	highest := "N"
	for _, c := range codes {
		if metadata.BareOID(c.Scheme) == confidentiality {
			highest = Higher(highest, c.Value)
		}
	}
	return highest
}

// Higher is the higher of two of N, R and V; others count as N.
func Higher(a, b string) string {
	if a == "V" || b == "V" {
		return "V"
	}
	if a == "R" || b == "R" {
		return "R"
	}
	return "N"
}

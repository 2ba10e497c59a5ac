package summary

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"samdok/metadata"
	"samdok/ondemand"
)

// Options of the generators. Both are required.
type Options struct {
	// Label is the name of a code in "nb" or "en".
	Label func(c metadata.Code, lang string) string
	// Zone is where the readers are.
	Zone *time.Location
}

// version is part of the generators' names. It counts up when the same input makes
// another document.
const version = "1"

// page is a summary in words, before it has a form.
type page struct {
	lang     string // "nb" or "en"
	words    *words
	title    string
	patient  patient
	made     string
	sections []section
	total    int
	highest  string // confidentiality
}

// section are the documents of one class, the newest first.
type section struct {
	title string
	class metadata.Code
	rows  []row
}

// row is one document, in words.
type row struct{ created, service, title, kind, author, institution string }

// patient is what the entry says of the patient.
type patient struct {
	id, authority string
	given, family []string
	born          metadata.DTM
	sex           string // PID-8
}

func (p patient) name() string {
	return strings.Join(append(append([]string(nil), p.given...), p.family...), " ")
}

// compose puts the input into words.
func (o Options) compose(in *ondemand.Input) *page {
	p := &page{lang: "nb", words: &bokmal, total: len(in.Documents), highest: ondemand.Confidentiality(in.Entry.Confidential)}
	if strings.HasPrefix(strings.ToLower(in.Entry.Language), "en") {
		p.lang, p.words = "en", &english
	}
	if p.title = ondemand.Cut(in.Entry.Title.String()); p.title == "" {
		p.title = p.words.title
	}
	p.patient = patientOf(in.Entry)
	p.made = in.Made.In(o.Zone).Format("02.01.2006 15:04")
	p.sections = o.sections(in.Documents, p.lang)
	for i := range in.Documents {
		p.highest = ondemand.Higher(p.highest, in.Documents[i].Confidential)
	}
	return p
}

// sections sorts documents by class and time.
func (o Options) sections(documents []ondemand.Document, lang string) []section {
	byClass := make(map[metadata.CodeRef][]int)
	for i := range documents {
		ref := documents[i].Class.Ref().Canonical()
		byClass[ref] = append(byClass[ref], i)
	}
	list := make([]section, 0, len(byClass))
	for _, members := range byClass {
		slices.SortStableFunc(members, func(a, b int) int { return documents[b].Created.Compare(documents[a].Created) })
		class := documents[members[0]].Class
		s := section{title: o.Label(class, lang), class: class, rows: make([]row, len(members))}
		for i, m := range members {
			s.rows[i] = o.row(&documents[m], lang)
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b section) int {
		return cmp.Or(cmp.Compare(a.title, b.title), cmp.Compare(a.class.Value, b.class.Value), cmp.Compare(a.class.Scheme, b.class.Scheme))
	})
	return list
}

func (o Options) row(d *ondemand.Document, lang string) row {
	r := row{created: o.when(d.Created), kind: o.Label(d.Type, lang), title: d.Title, author: d.Author, institution: d.Institution}
	if r.title == "" {
		r.title = r.kind
	}
	start, stop := o.when(d.ServiceStart), o.when(d.ServiceStop)
	switch {
	case start == stop:
		r.service = start
	case stop == "":
		r.service = start + " –"
	default:
		r.service = strings.TrimSpace(start + " – " + stop)
	}
	return r
}

// when is a time for people, as exact as it is; "" when there is none.
func (o Options) when(d metadata.DTM) string {
	t, err := d.Time()
	if err != nil {
		return ""
	}
	switch len(d) {
	case 4:
		return t.Format("2006")
	case 6:
		return t.Format("01.2006")
	case 8:
		return t.Format("02.01.2006")
	}
	return t.In(o.Zone).Format("02.01.2006 15:04")
}

// patientOf reads the patient from the entry (ITI TF-3 4.2.3.2.23).
func patientOf(e *metadata.DocumentEntry) patient {
	var p patient
	if id, err := e.PatientID.Patient(); err == nil {
		p.id, p.authority = id.ID, id.Authority
	}
	for _, v := range e.SourcePatientInfo {
		name, value, _ := strings.Cut(v, "|")
		switch strings.TrimSpace(name) {
		case "PID-5":
			family, given, _ := strings.Cut(value, "^")
			given, further, _ := strings.Cut(given, "^")
			further, _, _ = strings.Cut(further, "^")
			p.family, p.given = strings.Fields(ondemand.Cut(plain(family))), strings.Fields(ondemand.Cut(plain(given)+" "+plain(further)))
		case "PID-7":
			if d := metadata.DTM(strings.TrimSpace(value)); d.Valid() {
				p.born = d[:min(len(d), 8)]
			}
		case "PID-8":
			p.sex = strings.TrimSpace(value)
		}
	}
	return p
}

// escapes are the delimiters of HL7 v2 in text.
var escapes = strings.NewReplacer(`\F\`, "|", `\S\`, "^", `\T\`, "&", `\R\`, "~", `\E\`, `\`)

// plain is the first subcomponent of the first repetition of a component.
func plain(s string) string {
	s, _, _ = strings.Cut(s, "~")
	s, _, _ = strings.Cut(s, "&")
	return escapes.Replace(s)
}

// words are what a summary says, in one language.
type words struct {
	tag                                                   string // RFC 5646
	title, patient, born, id, made, by, none, count, page string
	created, service, document, author, institution       string
	unnamed                                               string
}

var bokmal = words{
	tag: "nb-NO", title: "Pasientsammendrag", patient: "Pasient", born: "Født", id: "Pasient-id", made: "Laget", by: "av samdok",
	none: "Det er ingen dokumenter om pasienten som kan vises.", count: "Dokumenter som kan vises", page: "Side",
	created: "Opprettet", service: "Helsehjelp", document: "Dokument", author: "Forfatter", institution: "Virksomhet",
	unnamed: "Navn ikke oppgitt",
}

var english = words{
	tag: "en-GB", title: "Patient summary", patient: "Patient", born: "Born", id: "Patient id", made: "Made", by: "by samdok",
	none: "There are no documents about the patient that may be shown.", count: "Documents that may be shown", page: "Page",
	created: "Created", service: "Care given", document: "Document", author: "Author", institution: "Institution",
	unnamed: "Name not given",
}

package main

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"samdok/metadata"
	"samdok/metadata/profile"
)

// cliSource is the sourceId of documents put by hand, an OID under 2.25 made
// once for this program.
const cliSource = "2.25.226716418763092836150377128405512340437"

// facts is what a person tells about one document: with flags of put or in a row
// of import. Empty fields are guessed or get the profile's default.
type facts struct {
	Patient, Type, Class, Title, Author, Organisation, Department   string
	Created, Confidentiality, Format, MimeType, Language            string
	Facility, Practice, Event, ServiceStart, ServiceStop, Reference string
	Comment, UniqueID, Replace, Append, Folder, SourceID            string
}

// fact is one row of the table of facts: the flag of put and the column of import.
type fact struct {
	name, form string
	en, nb     string
	field      func(*facts) *string
}

// factTable is in the order of the help. Lists are separated by semicolons in a
// column and by repeating a flag.
func factTable() []fact {
	return []fact{
		{"type", "CODE", "kind of document: a code of 9602 such as A03-2, or its name", "dokumenttype: en kode fra 9602 som A03-2, eller navnet", func(f *facts) *string { return &f.Type }},
		{"class", "CODE", "class of the kind; follows the type", "dokumentklasse; følger typen", func(f *facts) *string { return &f.Class }},
		{"title", "TEXT", "title; the file's name without one", "tittel; ellers filens navn", func(f *facts) *string { return &f.Title }},
		{"author", "NAME;HPR", "author: 'Kari Nordmann;9144889', or an XCN", "forfatter: 'Kari Nordmann;9144889', eller en XCN", func(f *facts) *string { return &f.Author }},
		{"organisation", "NAME;NUMBER", "author's organisation with its number: 'Sykehuset Øst HF;974706490', or an XON", "forfatterens virksomhet med nummer: 'Sykehuset Øst HF;974706490', eller en XON", func(f *facts) *string { return &f.Organisation }},
		{"department", "NAME;RESH", "author's department with its RESH id, or an XON", "forfatterens avdeling med RESH-id, eller en XON", func(f *facts) *string { return &f.Department }},
		{"created", "TIME", "when it was written, Norwegian time; the file's time without one", "når det ble skrevet, norsk tid; ellers filens tid", func(f *facts) *string { return &f.Created }},
		{"confidentiality", "CODE", "confidentiality codes, such as N or NORS, with ; between", "konfidensialitetskoder, som N eller NORS, med ; mellom", func(f *facts) *string { return &f.Confidentiality }},
		{"format", "CODE", "format code; follows the mime type", "formatkode; følger mimetypen", func(f *facts) *string { return &f.Format }},
		{"mime", "TYPE", "mime type; guessed from the bytes and the name", "mimetype; gjettes fra innholdet og navnet", func(f *facts) *string { return &f.MimeType }},
		{"language", "CODE", "language, nb-NO", "språk, nb-NO", func(f *facts) *string { return &f.Language }},
		{"facility", "CODE", "kind of facility (1303, 1305)", "virksomhetstype (1303, 1305)", func(f *facts) *string { return &f.Facility }},
		{"practice", "CODE", "kind of practice (8651, 8653, 8654, 8655, 8663)", "fagområde (8651, 8653, 8654, 8655, 8663)", func(f *facts) *string { return &f.Practice }},
		{"event", "CODE", "event codes as code^^scheme, with ; between", "hendelseskoder som kode^^kodeverk, med ; mellom", func(f *facts) *string { return &f.Event }},
		{"service-start", "TIME", "when the treatment began", "når behandlingen begynte", func(f *facts) *string { return &f.ServiceStart }},
		{"service-stop", "TIME", "when the treatment ended", "når behandlingen sluttet", func(f *facts) *string { return &f.ServiceStop }},
		{"reference", "CXi", "reference ids, with ; between", "referanse-id-er, med ; mellom", func(f *facts) *string { return &f.Reference }},
		{"comment", "TEXT", "comment", "kommentar", func(f *facts) *string { return &f.Comment }},
		{"unique-id", "ID", "the document's own id; a new OID without one", "dokumentets egen id; ellers en ny OID", func(f *facts) *string { return &f.UniqueID }},
		{"source-id", "OID", "OID of the system that sends", "OID for systemet som sender", func(f *facts) *string { return &f.SourceID }},
		{"replace", "ENTRYUUID", "registered document that this one replaces", "registrert dokument som dette erstatter", func(f *facts) *string { return &f.Replace }},
		{"append", "ENTRYUUID", "registered document that this one adds to", "registrert dokument som dette er et tillegg til", func(f *facts) *string { return &f.Append }},
		{"folder", "UUID|TITLE", "folder: the entryUUID of one that exists, or the title of a new one", "mappe: entryUUID til en som finnes, eller tittelen på en ny", func(f *facts) *string { return &f.Folder }},
	}
}

// builder makes submissions of facts.
type builder struct {
	c       *cli
	profile *profile.Profile
}

// file is what is known about the bytes.
type fileFacts struct {
	name     string // without folder
	mime     string
	modified time.Time
	size     int64
	sha1     string
}

// entry makes a complete DocumentEntry.
func (b builder) entry(f *facts, patient metadata.PatientID, file fileFacts) (*metadata.DocumentEntry, error) {
	e := &metadata.DocumentEntry{
		ID: metadata.NewUUID().ID(), Kind: metadata.Stable, MimeType: first(f.MimeType, file.mime), Language: f.Language,
		PatientID: patient.CX(), SourcePatientID: patient.CX(), UniqueID: first(f.UniqueID, newOID()),
		Title: metadata.NewText(first(f.Title, strings.TrimSuffix(file.name, extensionOf(file.name)))), Comments: metadata.NewText(f.Comment),
		Hash: file.sha1, Size: metadata.Octets(file.size),
	}
	if author, ok := b.author(f); ok {
		e.Authors = []metadata.Author{author}
	}
	for _, ref := range list(f.Reference) {
		e.ReferenceIDs = append(e.ReferenceIDs, metadata.CXi(ref))
	}
	if err := b.times(e, f, file); err != nil {
		return nil, err
	}
	if err := b.codes(e, f); err != nil {
		return nil, err
	}
	b.profile.Defaults(e, b.c.clock())
	return e, nil
}

func (b builder) times(e *metadata.DocumentEntry, f *facts, file fileFacts) error {
	e.CreationTime = metadata.FormatDTM(file.modified)
	for _, t := range []struct {
		text string
		to   *metadata.DTM
	}{{f.Created, &e.CreationTime}, {f.ServiceStart, &e.ServiceStart}, {f.ServiceStop, &e.ServiceStop}} {
		if t.text == "" {
			continue
		}
		d, err := b.c.parseWhen(t.text, b.profile.Zone())
		if err != nil {
			return err
		}
		*t.to = d
	}
	return nil
}

func (b builder) codes(e *metadata.DocumentEntry, f *facts) error {
	for _, one := range []struct {
		attribute profile.Attribute
		flag      string
		text      string
		to        *metadata.Code
	}{
		{profile.TypeCode, "type", f.Type, &e.TypeCode}, {profile.ClassCode, "class", f.Class, &e.ClassCode}, {profile.FormatCode, "format", f.Format, &e.FormatCode},
		{profile.Facility, "facility", f.Facility, &e.Facility}, {profile.Practice, "practice", f.Practice, &e.Practice},
	} {
		if one.text == "" {
			continue
		}
		code, err := b.code(one.attribute, one.flag, one.text)
		if err != nil {
			return err
		}
		*one.to = code
	}
	for _, many := range []struct {
		attribute profile.Attribute
		flag      string
		text      string
		to        *[]metadata.Code
	}{{profile.Confidentiality, "confidentiality", f.Confidentiality, &e.Confidential}, {profile.EventCode, "event", f.Event, &e.EventCodes}} {
		for _, text := range list(many.text) {
			code, err := b.code(many.attribute, many.flag, text)
			if err != nil {
				return err
			}
			*many.to = append(*many.to, code)
		}
	}
	return nil
}

func (b builder) code(a profile.Attribute, flag, text string) (metadata.Code, error) {
	c, ok := b.profile.Find(a, text)
	if !ok {
		hint := ""
		for i, known := range b.profile.Codes(a) {
			if i == 6 {
				hint += " ..."
				break
			}
			hint += " " + known.Value + " (" + b.profile.Label(known, b.c.tr("en", "nb")) + "),"
		}
		return c, b.c.usage("--%s: profile %s does not know %q; write code^^scheme, or one of:%s", "--%s: profilen %s kjenner ikke %q; skriv kode^^kodeverk, eller en av:%s",
			flag, b.profile.Name, text, strings.TrimSuffix(hint, ","))
	}
	return c, nil
}

func (b builder) author(f *facts) (metadata.Author, bool) {
	var a metadata.Author
	if f.Author != "" {
		a.Person = personOf(f.Author)
	}
	if f.Organisation != "" {
		a.Institutions = append(a.Institutions, organisationOf(f.Organisation, oidOrganisation))
	}
	if f.Department != "" {
		a.Institutions = append(a.Institutions, organisationOf(f.Department, oidDepartment))
	}
	return a, a.Person != "" || len(a.Institutions) > 0
}

// personOf reads an XCN, "Kari Nordmann;HPR" or "Nordmann, Kari;HPR".
func personOf(s string) metadata.XCN {
	if strings.Contains(s, "^") {
		return metadata.XCN(s)
	}
	name, id, _ := strings.Cut(s, ";")
	p := metadata.Person{ID: strings.TrimSpace(id)}
	if family, given, ok := strings.Cut(name, ","); ok {
		p.Family, p.Given = strings.TrimSpace(family), strings.TrimSpace(given)
	} else {
		words := strings.Fields(name)
		if n := len(words); n > 0 {
			p.Given, p.Family = strings.Join(words[:n-1], " "), words[n-1]
		}
	}
	if p.ID != "" {
		p.Authority = metadata.OIDAuthority(oidHPR)
	}
	return p.XCN()
}

// organisationOf reads an XON or "name;number".
func organisationOf(s, authority string) metadata.XON {
	if strings.Contains(s, "^") {
		return metadata.XON(s)
	}
	name, id, _ := strings.Cut(s, ";")
	o := metadata.Organization{Name: strings.TrimSpace(name), ID: strings.ReplaceAll(id, " ", "")}
	if o.ID != "" {
		o.Authority = metadata.OIDAuthority(authority)
	}
	return o.XON()
}

// submission puts entries of one patient into one submission set, with the
// relations and the folder that f asks for.
func (b builder) submission(f *facts, entries []*metadata.DocumentEntry) (*metadata.Submission, error) {
	s := &metadata.Submission{Entries: entries, Set: metadata.SubmissionSet{
		ID: metadata.NewUUID().ID(), UniqueID: newOID(), SourceID: first(f.SourceID, cliSource), PatientID: entries[0].PatientID, Authors: entries[0].Authors,
	}}
	b.profile.SetDefaults(&s.Set, entries[0], b.c.clock())
	for _, e := range entries {
		s.Associations = append(s.Associations, &metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: s.Set.ID, Target: e.ID, Membership: metadata.Original})
	}
	for _, relation := range []struct {
		flag, target string
		kind         metadata.AssociationType
	}{{"replace", f.Replace, metadata.Replaces}, {"append", f.Append, metadata.Appends}} {
		if relation.target == "" {
			continue
		}
		if len(entries) != 1 {
			return nil, b.c.usage("--%s takes one file at a time", "--%s tar én fil om gangen", relation.flag)
		}
		target, ok := entryUUID(relation.target)
		if !ok {
			return nil, b.c.usage("--%s: %q is not an entryUUID", "--%s: %q er ikke en entryUUID", relation.flag, relation.target)
		}
		s.Associations = append(s.Associations, &metadata.Association{ID: metadata.NewUUID().ID(), Type: relation.kind, Source: entries[0].ID, Target: target})
	}
	if f.Folder != "" {
		b.folder(s, f.Folder)
	}
	return s, nil
}

// folder adds all entries to a folder; each FD-DE association is itself a member
// of the submission set (ITI TF-3 4.2.2.1.3).
func (b builder) folder(s *metadata.Submission, name string) {
	id, exists := entryUUID(name)
	if !exists {
		id = metadata.NewUUID().ID()
		s.Folders = append(s.Folders, &metadata.Folder{ID: id, UniqueID: newOID(), PatientID: s.Set.PatientID, Title: metadata.NewText(name), Codes: []metadata.Code{s.Entries[0].ClassCode}})
		s.Associations = append(s.Associations, &metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: s.Set.ID, Target: id})
	}
	for _, e := range s.Entries {
		member := &metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: id, Target: e.ID}
		s.Associations = append(s.Associations, member,
			&metadata.Association{ID: metadata.NewUUID().ID(), Type: metadata.HasMember, Source: s.Set.ID, Target: member.ID})
	}
}

// entryUUID reads the URN or the bare form.
func entryUUID(s string) (metadata.ID, bool) {
	u, ok := metadata.ParseUUID(strings.TrimSpace(s))
	return u.ID(), ok
}

// newOID makes an OID that nobody else has: a random UUID under 2.25 (ITU-T
// X.667).
func newOID() string {
	u := metadata.NewUUID()
	return "2.25." + new(big.Int).SetBytes(u[:]).String()
}

// list splits at semicolons.
func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ";") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func extensionOf(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i:]
	}
	return ""
}

// loadProfile is for the flag --profile.
func (c *cli) loadProfile(name string) (*profile.Profile, error) {
	p, err := profile.Load(name)
	if err != nil {
		return nil, exit(exitUsage, fmt.Errorf("--profile: %w", err))
	}
	return p, nil
}

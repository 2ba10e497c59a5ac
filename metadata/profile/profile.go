package profile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"samdok/fault"
	"samdok/metadata"
)

// Profile is one affinity domain's rules. It never changes after Load and is
// safe for concurrent use.
type Profile struct {
	Name    string
	Version string
	Source  []string // where the values come from

	zone      *time.Location
	sets      [attributes]*valueSet // nil: any code
	mimeTypes map[string]bool       // nil: any
	names     map[metadata.CodeRef][2]string
	order     []metadata.CodeRef // of names, as in the data file
	defaults  defaults
	numbers   map[string]NumberKind // by assigning authority
	check     NumberCheck
}

// Attribute is a coded attribute.
type Attribute uint8

const (
	ClassCode Attribute = iota
	TypeCode
	FormatCode
	Facility
	Practice
	Confidentiality
	EventCode
	ContentType
	FolderCode
	attributes
)

var attributeNames = [attributes]string{
	"classCode", "typeCode", "formatCode", "healthcareFacilityTypeCode", "practiceSettingCode",
	"confidentialityCode", "eventCodeList", "contentTypeCode", "codeList",
}

// String is the attribute's name in the standard.
func (a Attribute) String() string { return attributeNames[a] }

func attributeByName(name string) (Attribute, bool) {
	i := slices.Index(attributeNames[:], name)
	return Attribute(max(i, 0)), i >= 0
}

// valueSet is what one attribute may hold.
type valueSet struct {
	// codes are those of closed systems, canonical.
	codes map[metadata.CodeRef]bool
	// schemes are the systems allowed, bare: "" when closed, else "*" or the
	// suffix that every code must have.
	schemes map[string]string
}

const anyCode = "*"

func (v *valueSet) add(s *system, suffix string) {
	scheme := metadata.BareOID(s.OID)
	switch {
	case s.Closed:
		v.schemes[scheme] = ""
		for _, c := range s.Codes {
			if strings.HasSuffix(c[0], suffix) {
				v.codes[metadata.CodeRef{Value: c[0], Scheme: scheme}] = true
			}
		}
	case suffix == "":
		v.schemes[scheme] = anyCode
	default:
		v.schemes[scheme] = suffix
	}
}

// has tells whether the code is in the set; when it is not, whether at least
// its scheme is.
func (v *valueSet) has(c *metadata.Code) (ok, schemeOK bool) {
	scheme := metadata.BareOID(c.Scheme)
	rule, known := v.schemes[scheme]
	switch {
	case !known:
		return false, false
	case rule == "":
		return v.codes[metadata.CodeRef{Value: c.Value, Scheme: scheme}], true
	}
	return rule == anyCode || strings.HasSuffix(c.Value, rule), true
}

// Allows tells whether the attribute may hold the code. The display name does
// not matter, nor whether the scheme is written with "urn:oid:".
func (p *Profile) Allows(a Attribute, c metadata.Code) bool {
	if p.sets[a] == nil {
		return true
	}
	ok, _ := p.sets[a].has(&c)
	return ok
}

// AllowsMimeType ignores parameters and letter case.
func (p *Profile) AllowsMimeType(mime string) bool {
	if p.mimeTypes == nil || p.mimeTypes[mime] {
		return true
	}
	mime, _, _ = strings.Cut(mime, ";")
	return p.mimeTypes[strings.ToLower(strings.TrimSpace(mime))]
}

// Validate reports every coded value and mime type outside the value sets, and a
// patientId that is no number of its assigning authority, as
// XDSRegistryMetadataError (ITI TF-2 3.42.4.1.3.1). Display names are never
// checked, and what is missing is not reported here. Location is the id of the object.
func (p *Profile) Validate(sub *metadata.Submission) []fault.Problem {
	var c check
	c.Profile = p
	c.object, c.id = "SubmissionSet", sub.Set.ID
	c.patient(sub.Set.PatientID)
	c.code(ContentType, &sub.Set.ContentType)
	for _, e := range sub.Entries {
		c.entry(e)
	}
	for _, f := range sub.Folders {
		c.object, c.id = "Folder", f.ID
		c.codes(FolderCode, f.Codes)
	}
	return c.problems
}

type check struct {
	*Profile
	object   string
	id       metadata.ID
	problems []fault.Problem
}

func (c *check) entry(e *metadata.DocumentEntry) {
	c.object, c.id = "DocumentEntry", e.ID
	c.code(ClassCode, &e.ClassCode)
	c.code(TypeCode, &e.TypeCode)
	c.code(FormatCode, &e.FormatCode)
	c.code(Facility, &e.Facility)
	c.code(Practice, &e.Practice)
	c.codes(Confidentiality, e.Confidential)
	c.codes(EventCode, e.EventCodes)
	if e.MimeType != "" && !c.AllowsMimeType(e.MimeType) {
		c.add("mimeType", fmt.Sprintf("%s is not accepted by profile %s; send one of %s.", quote(e.MimeType), c.Name, strings.Join(c.MimeTypes(), ", ")))
	}
}

// patient checks the set's id; that the others are the same is a rule of the
// registry. The number is not repeated: what is wrong with it may be all that
// keeps it from being another person's.
func (c *check) patient(cx metadata.CX) {
	if len(c.numbers) == 0 {
		return
	}
	id, err := cx.Patient()
	if err != nil {
		return // reported as a form
	}
	if _, err := c.IdentityNumber(id); err != nil {
		c.add("patientId", err.Error()+".")
	}
}

func (c *check) codes(a Attribute, codes []metadata.Code) {
	if c.sets[a] == nil {
		return
	}
	for i := range codes {
		c.code(a, &codes[i])
	}
}

func (c *check) code(a Attribute, code *metadata.Code) {
	set := c.sets[a]
	if set == nil || code.Value == "" || code.Scheme == "" {
		return
	}
	switch ok, schemeOK := set.has(code); {
	case ok:
	case schemeOK:
		c.add(a.String(), fmt.Sprintf("code %s of scheme %s is not among the values of profile %s; send one that is.", quote(code.Value), quote(code.Scheme), c.Name))
	default:
		c.add(a.String(), fmt.Sprintf("scheme %s (code %s) is not accepted by profile %s; send a code of %s.", quote(code.Scheme), quote(code.Value), c.Name, strings.Join(set.list(), ", ")))
	}
}

// maxProblems bounds the answer to a message that is wrong everywhere.
const maxProblems = 500

func (c *check) add(attribute, text string) {
	if len(c.problems) >= maxProblems {
		return
	}
	c.problems = append(c.problems, fault.Problem{
		Code:    fault.RegistryMetadataError,
		Context: c.object + " " + quote(string(c.id)) + ", " + attribute + ": " + text, Location: string(c.id),
	})
}

func quote(s string) string {
	const most = 120
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return "'" + s + "'"
}

func (v *valueSet) list() []string {
	var schemes []string
	for s := range v.schemes {
		schemes = append(schemes, s)
	}
	slices.Sort(schemes)
	return schemes
}

// MimeTypes are the media types accepted, sorted; none when any is.
func (p *Profile) MimeTypes() []string {
	var list []string
	for m := range p.mimeTypes {
		list = append(list, m)
	}
	slices.Sort(list)
	return list
}

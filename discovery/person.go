package discovery

import (
	"strings"
	"unicode"

	"samdok/metadata"
)

// Person is what is said of a person. Everything may be missing.
type Person struct {
	Names  []Name
	Gender string       // HL7 administrative gender: "M", "F"; anything else says nothing
	Birth  metadata.DTM // may be a year or a month only
	// Addresses, Telecoms (URLs such as tel:+47...), BirthPlace and MothersMaidenName
	// are passed on and not compared.
	Addresses         []Address
	Telecoms          []string
	BirthPlace        string
	MothersMaidenName string
}

// Name of a person. Given holds all given names.
type Name struct{ Family, Given string }

// Address of a person.
type Address struct{ Street, City, PostCode, State, Country string }

// Query asks who a patient is (PRPA_IN201305UV02).
type Query struct {
	Person
	IDs []metadata.PatientID
	// Minimum is the least degree of match in percent; 0: any.
	Minimum int
}

// Demographic tells whether a query without ids says enough: a name and when the
// person was born (ITI TF-2 3.55.1).
func (q *Query) Demographic() bool { return len(q.Names) > 0 && q.Birth != "" }

// Candidate is a patient that fits.
type Candidate struct {
	// ID is the one to be used towards the community; Others are further ones.
	ID     metadata.PatientID
	Others []metadata.PatientID
	Person Person
	// Home is the homeCommunityId ("urn:oid:...") of who has the patient.
	Home string
	// Locator: the community knows where else the patient has data (ITI-56).
	Locator bool
	Degree  int // of the match, in percent
}

// Attribute is something of a person that would tell candidates apart
// (1.3.6.1.4.1.19376.1.2.27.1).
type Attribute string

// The attributes that may be asked for.
const (
	GenderRequested       Attribute = "LivingSubjectAdministrativeGenderRequested"
	AddressRequested      Attribute = "PatientAddressRequested"
	TelecomRequested      Attribute = "PatientTelecomRequested"
	BirthPlaceRequested   Attribute = "LivingSubjectBirthPlaceNameRequested"
	BirthAddressRequested Attribute = "LivingSubjectBirthPlaceAddressRequested"
	MaidenNameRequested   Attribute = "MothersMaidenNameRequested"
)

// Answer to a Query. More is asked for when candidates were found that cannot be told
// apart; then there are none.
type Answer struct {
	Candidates []Candidate
	More       []Attribute
}

// Trouble is why a query has no answer (1.3.6.1.4.1.19376.1.2.27.3).
type Trouble string

// The codes of the standard.
const (
	Busy         Trouble = "ResponderBusy"
	NotAvailable Trouble = "AnswerNotAvailable"
	Internal     Trouble = "InternalError"
)

// Error is the trouble of an answer. Text is for people and names nobody.
type Error struct {
	Trouble Trouble
	Text    string
}

func (e *Error) Error() string { return "discovery: " + string(e.Trouble) + ": " + e.Text }

// Location says that a community has something about a patient (ITI-56).
type Location struct {
	Home string             // "urn:oid:..."
	ID   metadata.PatientID // the patient's there
}

// Of reads sourcePatientInfo, as a DocumentEntry carries it (ITI TF-3 4.2.3.2.23).
func Of(info []string) Person {
	var p Person
	for _, line := range info {
		field, value, ok := strings.Cut(line, "|")
		if !ok || value == "" {
			continue
		}
		switch strings.TrimSpace(field) {
		case "PID-5":
			for _, one := range strings.Split(value, "~") {
				c := components(one, 3)
				family, _, _ := strings.Cut(c[0], "&")
				p.Names = append(p.Names, Name{family, strings.TrimSpace(c[1] + " " + c[2])})
			}
		case "PID-7":
			p.Birth = metadata.DTM(components(value, 1)[0])
		case "PID-8":
			p.Gender = components(value, 1)[0]
		case "PID-11":
			c := components(value, 6)
			street, _, _ := strings.Cut(c[0], "&")
			p.Addresses = append(p.Addresses, Address{street, c[2], c[4], c[3], c[5]})
		}
	}
	return p
}

func components(s string, n int) []string {
	c := strings.Split(s, "^")
	for len(c) < n {
		c = append(c, "")
	}
	return c
}

// plain is a name without case, blanks and signs, so that spellings meet.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, s)
}

// first is the first given name, plain.
func first(given string) string {
	f := strings.FieldsFunc(given, func(r rune) bool { return unicode.IsSpace(r) || r == '-' })
	if len(f) == 0 {
		return ""
	}
	return plain(f[0])
}

// gender is "m", "f" or "".
func gender(s string) string {
	if s = strings.ToLower(strings.TrimSpace(s)); s == "m" || s == "f" {
		return s
	}
	return ""
}

// day is a day of birth, or less of it.
func day(d metadata.DTM) string { return string(d[:min(len(d), 8)]) }

// Degree says how well what is known of a patient fits a query, in percent: 0 when
// something contradicts it. byID: an id of the query is the patient's, so that what is
// not known is not missed.
func Degree(q *Query, known Person, byID bool) int {
	compared := 0
	if len(q.Names) > 0 && len(known.Names) > 0 {
		if !fits(q.Names, known.Names) {
			return 0
		}
		compared++
	}
	if a, b := day(q.Birth), day(known.Birth); a != "" && b != "" {
		if n := min(len(a), len(b)); a[:n] != b[:n] {
			return 0
		}
		compared++
	}
	if a, b := gender(q.Gender), gender(known.Gender); a != "" && b != "" {
		if a != b {
			return 0
		}
		compared++
	}
	switch {
	case byID:
		return 100
	case compared < 2 || len(q.Names) == 0 || len(known.Names) == 0:
		return 0
	}
	return 75 + 5*compared
}

func fits(asked, known []Name) bool {
	for _, a := range asked {
		for _, k := range known {
			if plain(a.Family) == plain(k.Family) && (a.Given == "" || first(a.Given) == first(k.Given)) {
				return true
			}
		}
	}
	return false
}

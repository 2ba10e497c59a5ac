package metadata

import "strings"

// Person is a parsed XCN. Empty means absent.
type Person struct {
	ID        string
	Family    string
	Given     string
	Further   string // second and further given names
	Suffix    string
	Prefix    string // "Dr." ...
	Authority Authority
}

var (
	errXCNEmpty = &FormError{"XCN", "a person needs an id (component 1) or a family name (component 2); write id^family^given^^^^^^&OID&ISO"}
	errXONName  = &FormError{"XON", "an organisation needs a name (component 1); write name^^^^^&OID&ISO^^^^id"}
	errXONOID   = &FormError{"XON", "an organisation id that is not an OID needs its authority; write name^^^^^&OID&ISO^^^^id"}
	errXTNForm  = &FormError{"XTN", "write ^use^PH^^country^area^number^extension for a phone, ^NET^Internet^address for e-mail"}
)

// Parse reads id^family^given^further^suffix^prefix^^^authority. Components that
// XDS does not use are ignored, as are empty ones at the end.
func (x XCN) Parse() (Person, error) {
	s := strings.TrimSpace(string(x))
	p := Person{
		ID: field(s, 1), Family: field(s, 2), Given: field(s, 3),
		Further: field(s, 4), Suffix: field(s, 5), Prefix: field(s, 6),
	}
	var err error
	p.Authority, err = parseAuthority(component(s, 9))
	if p.ID == "" && p.Family == "" {
		return p, errXCNEmpty
	}
	return p, err
}

// XCN prints the person without empty components at the end.
func (p Person) XCN() XCN {
	b := make([]byte, 0, 96)
	for i, s := range [...]string{p.ID, p.Family, p.Given, p.Further, p.Suffix, p.Prefix} {
		if i > 0 {
			b = append(b, '^')
		}
		b = appendEscaped(b, s)
	}
	b = appendCarets(b, 6, 9)
	return XCN(trimTail(p.Authority.append(b)))
}

// Name is the person's name in reading order; the id when there is no name.
func (p Person) Name() string {
	name := strings.Join(strings.Fields(p.Prefix+" "+p.Given+" "+p.Further+" "+p.Family+" "+p.Suffix), " ")
	if name == "" {
		return p.ID
	}
	return name
}

// Organization is a parsed XON. ID is either an OID of its own or an id that
// Authority assigned.
type Organization struct {
	Name      string
	Authority Authority
	ID        string
}

// Parse reads name^^^^^authority^^^^id. Components that XDS does not use are
// ignored.
func (x XON) Parse() (Organization, error) {
	s := strings.TrimSpace(string(x))
	o := Organization{Name: field(s, 1), ID: field(s, 10)}
	var err error
	o.Authority, err = parseAuthority(component(s, 6))
	switch {
	case o.Name == "":
		return o, errXONName
	case err != nil:
		return o, err
	case o.ID != "" && o.Authority.ID == "" && !ValidOID(o.ID):
		return o, errXONOID
	}
	return o, nil
}

// XON prints the organisation without empty components at the end.
func (o Organization) XON() XON {
	b := make([]byte, 0, 96)
	b = appendEscaped(b, o.Name)
	b = appendCarets(b, 1, 6)
	b = o.Authority.append(b)
	b = appendCarets(b, 6, 10)
	return XON(trimTail(appendEscaped(b, o.ID)))
}

// Telecom is a parsed XTN.
type Telecom struct {
	Text      string // component 1, an unstructured number
	Use       string // "WPN", "PRN", "NET" ...
	Equipment string // "PH", "CP", "FX", "Internet", "X.400"
	Address   string // e-mail
	Country   string
	Area      string
	Number    string
	Extension string
}

// Parse reads ^use^PH^^country^area^number^extension or ^NET^Internet^address.
// An unstructured number in component 1 or 12 is accepted too: senders have used
// it since before version 2.5.
func (x XTN) Parse() (Telecom, error) {
	s := strings.TrimSpace(string(x))
	t := Telecom{
		Text: field(s, 1), Use: field(s, 2), Equipment: field(s, 3), Address: field(s, 4),
		Country: field(s, 5), Area: field(s, 6), Number: field(s, 7), Extension: field(s, 8),
	}
	if t.Text == "" {
		t.Text = field(s, 12)
	}
	if t.Address == "" && t.Text == "" && (t.Number == "" || t.Equipment == "") {
		return t, errXTNForm
	}
	return t, nil
}

// XTN prints the address without empty components at the end.
func (t Telecom) XTN() XTN {
	b := make([]byte, 0, 64)
	parts := [...]string{t.Text, t.Use, t.Equipment, t.Address, t.Country, t.Area, t.Number, t.Extension}
	for i, s := range parts {
		if i > 0 {
			b = append(b, '^')
		}
		b = appendEscaped(b, s)
	}
	return XTN(trimTail(b))
}

// Recipient is one intendedRecipient, "XON|XCN|XTN": at least one of the three
// (ITI TF-3 4.2.3.3.7).
type Recipient struct {
	Organization XON
	Person       XCN
	Telecom      XTN
}

// ParseRecipient splits an intendedRecipient; empty parts at the end may be
// left out.
func ParseRecipient(s string) (Recipient, error) {
	r := Recipient{XON(part(s, '|', 1)), XCN(part(s, '|', 2)), XTN(part(s, '|', 3))}
	if strings.Trim(s, "|^& ") == "" {
		return r, &FormError{"intendedRecipient", "name an organisation, a person or an address: XON|XCN|XTN"}
	}
	if r.Organization != "" {
		if _, err := r.Organization.Parse(); err != nil {
			return r, err
		}
	}
	if r.Person != "" {
		if _, err := r.Person.Parse(); err != nil {
			return r, err
		}
	}
	if r.Telecom != "" {
		if _, err := r.Telecom.Parse(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// ParseCodedString reads code^^^&OID&ISO, the form of coded roles, specialties
// and fields (ITI TF-3 4.2.3.1.7). ok is false for plain text.
func ParseCodedString(s string) (ref CodeRef, ok bool) {
	a, err := parseAuthority(component(s, 4))
	if err != nil || a.ID == "" || component(s, 2) != "" || component(s, 3) != "" {
		return CodeRef{}, false
	}
	return CodeRef{Value: field(s, 1), Scheme: a.ID}, true
}

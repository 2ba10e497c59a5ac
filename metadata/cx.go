package metadata

import "strings"

var (
	errCXEmpty     = &FormError{"CX", "the id is empty; write id^^^&OID&ISO"}
	errCXForm      = &FormError{"CX", "components 2 and 3 must be empty and component 4 must follow; write id^^^&OID&ISO"}
	errCXNamespace = &FormError{"CX", "the assigning authority must begin with & (no namespace); write id^^^&OID&ISO"}
	errCXType      = &FormError{"CX", "the assigning authority must be an OID of type ISO; write id^^^&OID&ISO"}
	errCXExtra     = &FormError{"CX", "nothing may follow the assigning authority; write id^^^&OID&ISO"}
	errCXDelimiter = &FormError{"CX", `the id holds an unescaped | & or ~; write \F\, \T\ or \R\ for it`}
	errCXDouble    = &FormError{"CX", "the ampersands are escaped twice (&amp;amp; in XML); write &amp; once"}
)

// Patient reads id^^^&OID&ISO (ITI TF-3 4.2.3.1.7). Blanks around it, empty
// components at the end and ampersands that were escaped twice are tolerated,
// the last because senders of queries and tokens do it; see Check. It allocates
// only when the id holds escapes or the ampersands are doubled.
func (c CX) Patient() (PatientID, error) {
	s := strings.TrimSpace(string(c))
	i := strings.IndexByte(s, '^')
	if i == 0 || s == "" {
		return PatientID{}, errCXEmpty
	}
	if i < 0 || len(s) < i+4 || s[i+1] != '^' || s[i+2] != '^' {
		return PatientID{}, errCXForm
	}
	id, hd := s[:i], s[i+3:]
	if j := strings.IndexByte(hd, '^'); j >= 0 {
		if strings.Trim(hd[j:], "^") != "" {
			return PatientID{}, errCXExtra
		}
		hd = hd[:j]
	}
	if strings.HasPrefix(hd, "&amp;") {
		hd = undouble(hd)
	}
	if hd == "" || hd[0] != '&' {
		return PatientID{}, errCXNamespace
	}
	oid, kind, _ := strings.Cut(hd[1:], "&")
	if strings.TrimRight(kind, "&") != isoType || !ValidOID(oid) {
		return PatientID{}, errCXType
	}
	if strings.ContainsAny(id, "|&~") {
		return PatientID{}, errCXDelimiter
	}
	id = unescape(id)
	if strings.TrimSpace(id) == "" {
		return PatientID{}, errCXEmpty
	}
	return PatientID{ID: id, Authority: oid}, nil
}

// Check is Patient's error, and also an error for ampersands that were escaped
// twice: what is stored is handed on to everybody as it was sent.
func (c CX) Check() error {
	if _, err := c.Patient(); err != nil {
		return err
	}
	if strings.Contains(string(c), "^^^&amp;") {
		return errCXDouble
	}
	return nil
}

// CX prints id^^^&OID&ISO.
func (p PatientID) CX() CX {
	b := make([]byte, 0, len(p.ID)+len(p.Authority)+8)
	b = appendEscaped(b, p.ID)
	b = append(b, "^^^&"...)
	b = append(b, p.Authority...)
	return CX(append(b, "&ISO"...))
}

// IsZero tells whether there is no patient.
func (p PatientID) IsZero() bool { return p == PatientID{} }

// ReferenceID is a parsed CXi.
type ReferenceID struct {
	ID        string
	Authority Authority
	Type      string // "urn:ihe:iti:xds:2013:order" ... or any local value
}

// Types of reference ids (ITI TF-3 4.2.3.2.28).
const (
	RefUniqueID         = "urn:ihe:iti:xds:2013:uniqueId"
	RefAccession        = "urn:ihe:iti:xds:2013:accession"
	RefReferral         = "urn:ihe:iti:xds:2013:referral"
	RefOrder            = "urn:ihe:iti:xds:2013:order"
	RefWorkflow         = "urn:ihe:iti:xdw:2013:workflowInstanceId"
	RefStudyInstanceUID = "urn:ihe:iti:xds:2016:studyInstanceUID"
	RefEncounter        = "urn:ihe:iti:xds:2015:encounterId"
)

var (
	errCXiID        = &FormError{"CXi", "the id (component 1) is missing; write id^^^&OID&ISO^type"}
	errCXiMiddle    = &FormError{"CXi", "components 2 and 3 must be empty; write id^^^&OID&ISO^type"}
	errCXiType      = &FormError{"CXi", "the identifier type (component 5) is missing; write id^^^&OID&ISO^type"}
	errCXiAuthority = &FormError{"CXi", "this identifier type needs an assigning authority (component 4); write id^^^&OID&ISO^type"}
)

// Parse reads id^^^authority^type. Components after the type are ignored.
func (c CXi) Parse() (ReferenceID, error) {
	s := strings.TrimSpace(string(c))
	r := ReferenceID{ID: field(s, 1), Type: unescape(component(s, 5))}
	var err error
	r.Authority, err = parseAuthority(component(s, 4))
	switch {
	case r.ID == "":
		return r, errCXiID
	case component(s, 2) != "" || component(s, 3) != "":
		return r, errCXiMiddle
	case r.Type == "":
		return r, errCXiType
	case err != nil:
		return r, err
	case r.Authority.IsZero() && (r.Type == RefReferral || r.Type == RefOrder || r.Type == RefEncounter):
		return r, errCXiAuthority
	}
	return r, nil
}

// CXi prints id^^^authority^type.
func (r ReferenceID) CXi() CXi {
	b := make([]byte, 0, len(r.ID)+len(r.Authority.ID)+len(r.Type)+16)
	b = appendEscaped(b, r.ID)
	b = append(b, "^^^"...)
	b = r.Authority.append(b)
	b = append(b, '^')
	return CXi(trimTail(appendEscaped(b, r.Type)))
}

package metadata

import "strings"

// CX, CXi, XCN, XON and XTN hold HL7 v2 text as sent (ITI TF-3 4.2.3.1.7). Their
// parsed views are made on demand.
type (
	CX  string // patient id: id^^^&OID&ISO
	CXi string // reference id
	XCN string // person
	XON string // organisation
	XTN string // telecommunication address
	DTM string // YYYY[MM[DD[hh[mm[ss]]]]], UTC
)

// PatientID is what identifies a patient: the id and the OID of the authority
// that assigned it. Compare patients by this, never by CX text.
type PatientID struct{ ID, Authority string }

// Authority is an HL7 HD: who assigned an id. In XDS it is nearly always an OID:
// Namespace empty, ID the OID without "urn:oid:", Type "ISO".
type Authority struct{ Namespace, ID, Type string }

// OIDAuthority is the authority that an OID names; none for "".
func OIDAuthority(oid string) Authority {
	if oid == "" {
		return Authority{}
	}
	return Authority{ID: oid, Type: isoType}
}

// IsZero tells whether there is no authority.
func (a Authority) IsZero() bool { return a == Authority{} }

const isoType = "ISO"

// FormError says what is wrong with the form of a value. It never quotes the
// value, which may be a national identity number.
type FormError struct {
	Type    string // "CX", "DTM" ...
	Problem string // what to write instead
}

func (e *FormError) Error() string { return e.Type + ": " + e.Problem }

var (
	errAuthorityOID  = &FormError{"HD", "the second part of an assigning authority of type ISO must be an OID (&OID&ISO)"}
	errAuthorityType = &FormError{"HD", "an assigning authority with a universal id needs its type, usually ISO (&OID&ISO)"}
)

// component is the n-th (from 1) ^-separated part of s, escapes untouched; ""
// when there is none.
func component(s string, n int) string { return part(s, '^', n) }

func part(s string, sep byte, n int) string {
	for ; n > 1; n-- {
		i := strings.IndexByte(s, sep)
		if i < 0 {
			return ""
		}
		s = s[i+1:]
	}
	if i := strings.IndexByte(s, sep); i >= 0 {
		s = s[:i]
	}
	return s
}

// field is the unescaped n-th component, of which only the first subcomponent
// counts.
func field(s string, n int) string { return unescape(part(component(s, n), '&', 1)) }

// unescape replaces \F\ \S\ \R\ \T\ \E\; anything else after a backslash stays
// as it is (HL7 v2.5 2.7, as restricted by ITI TF-3 4.2.3.1.7).
func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if s[i] == '\\' && i+2 < len(s) && s[i+2] == '\\' {
			if j := strings.IndexByte(escapeLetters, s[i+1]); j >= 0 {
				b = append(b, delimiters[j])
				i += 3
				continue
			}
		}
		b = append(b, s[i])
		i++
	}
	return string(b)
}

const (
	delimiters    = `|^~&\`
	escapeLetters = "FSRTE"
)

// appendEscaped appends s with every HL7 delimiter escaped.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if j := strings.IndexByte(delimiters, s[i]); j >= 0 {
			b = append(b, '\\', escapeLetters[j], '\\')
			continue
		}
		b = append(b, s[i])
	}
	return b
}

// parseAuthority reads ns&id&type; "" is none.
func parseAuthority(s string) (Authority, error) {
	s = undouble(s)
	if strings.Trim(s, "&") == "" {
		return Authority{}, nil
	}
	a := Authority{
		Namespace: unescape(part(s, '&', 1)),
		ID:        unescape(part(s, '&', 2)),
		Type:      unescape(part(s, '&', 3)),
	}
	switch {
	case a.ID != "" && a.Type == "":
		return a, errAuthorityType
	case a.Type == isoType && !ValidOID(a.ID):
		return a, errAuthorityOID
	}
	return a, nil
}

func (a Authority) append(b []byte) []byte {
	if a.IsZero() {
		return b
	}
	b = appendEscaped(b, a.Namespace)
	if a.ID == "" && a.Type == "" {
		return b
	}
	b = append(b, '&')
	b = appendEscaped(b, a.ID)
	b = append(b, '&')
	return appendEscaped(b, a.Type)
}

// undouble repairs an authority whose ampersands were escaped twice on their way
// through XML, as some senders' tokens and queries do ("&amp;1.2.3&amp;ISO").
func undouble(s string) string {
	if strings.HasPrefix(s, "&amp;") {
		return strings.ReplaceAll(s, "&amp;", "&")
	}
	return s
}

// appendCarets appends separators up to component n when b, which began at
// start, stands in component at.
func appendCarets(b []byte, at, n int) []byte {
	for ; at < n; at++ {
		b = append(b, '^')
	}
	return b
}

// trimTail drops empty components at the end.
func trimTail(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == '^' {
		b = b[:len(b)-1]
	}
	return string(b)
}

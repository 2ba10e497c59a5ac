package xmlscan

// NS is a namespace: NoNS, one of the constants below, or, for any other URI, a
// number that is the same for the same URI within one Scanner. Compare it; ask
// Scanner.URI for the text.
type NS int32

// The namespaces that samdok's messages use. Their numbers may change between
// builds; never store them.
const (
	NoNS NS = iota
	XML
	SOAP12
	SOAP11
	WSA
	XOP
	WSSE
	WSU
	DSig
	ExcC14N
	SAML2
	RIM
	RS
	LCM
	Query
	XDS
	RMD
	XCPD
	XDSExt // XCF's ebRIM extension
	HL7V3
	SVS
	XSI
	XSD
	XMIME
	WST
	WSNT
	firstUnknown
)

var nsURI = [firstUnknown]string{
	NoNS:    "",
	XML:     "http://www.w3.org/XML/1998/namespace",
	SOAP12:  "http://www.w3.org/2003/05/soap-envelope",
	SOAP11:  "http://schemas.xmlsoap.org/soap/envelope/",
	WSA:     "http://www.w3.org/2005/08/addressing",
	XOP:     "http://www.w3.org/2004/08/xop/include",
	WSSE:    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
	WSU:     "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
	DSig:    "http://www.w3.org/2000/09/xmldsig#",
	ExcC14N: "http://www.w3.org/2001/10/xml-exc-c14n#",
	SAML2:   "urn:oasis:names:tc:SAML:2.0:assertion",
	RIM:     "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0",
	RS:      "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0",
	LCM:     "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0",
	Query:   "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0",
	XDS:     "urn:ihe:iti:xds-b:2007",
	RMD:     "urn:ihe:iti:rmd:2017",
	XCPD:    "urn:ihe:iti:xcpd:2009",
	XDSExt:  "urn:ihe:iti:xds-ebrim:extensions:2010",
	HL7V3:   "urn:hl7-org:v3",
	SVS:     "urn:ihe:iti:svs:2008",
	XSI:     "http://www.w3.org/2001/XMLSchema-instance",
	XSD:     "http://www.w3.org/2001/XMLSchema",
	XMIME:   "http://www.w3.org/2005/05/xmlmime",
	WST:     "http://docs.oasis-open.org/ws-sx/ws-trust/200512",
	WSNT:    "http://docs.oasis-open.org/wsn/b-2",
}

const xmlnsURI = "http://www.w3.org/2000/xmlns/"

// knownNS finds the constant of a URI. The lengths of the URIs are nearly all
// different, so most misses cost one comparison of lengths each.
func knownNS(uri []byte) (NS, bool) {
	for i := range nsURI {
		if len(uri) == len(nsURI[i]) && string(uri) == nsURI[i] {
			return NS(i), true
		}
	}
	return 0, false
}

// URI is the namespace's text; "" for NoNS.
func (s *Scanner) URI(ns NS) string {
	if ns < firstUnknown {
		return nsURI[ns]
	}
	return s.uris[ns-firstUnknown]
}

// Binding is one namespace declaration. Prefix is "" for the default namespace.
type Binding struct {
	Prefix string
	URI    string
}

// Bindings are the namespace declarations in force at the current event (at an
// End: those around the element), the innermost of each prefix only, in the order
// of their making; an undone default (xmlns="") is left out. Put them on a wrapper
// when a subtree is cut out, so that its canonical form stays the same. It
// allocates and is not meant for every element.
func (s *Scanner) Bindings() []Binding {
	var out []Binding
next:
	for i := range s.binds {
		prefix := s.b[s.binds[i].prefix:s.binds[i].prefixEnd]
		for j := i + 1; j < len(s.binds); j++ {
			if string(s.b[s.binds[j].prefix:s.binds[j].prefixEnd]) == string(prefix) {
				continue next
			}
		}
		if s.binds[i].ns != NoNS {
			out = append(out, Binding{string(prefix), s.URI(s.binds[i].ns)})
		}
	}
	return out
}

// declare records xmlns or xmlns:prefix for the element being read.
func (s *Scanner) declare(at, prefix, prefixEnd, from, to int, first int) *Error {
	b := s.b
	for i := first; i < len(s.binds); i++ {
		if string(b[s.binds[i].prefix:s.binds[i].prefixEnd]) == string(b[prefix:prefixEnd]) {
			return s.fail(at, "the same namespace declaration stands twice in one tag")
		}
	}
	if len(s.binds) >= s.lim.Namespaces {
		return s.failLimit(at, "namespaces", s.lim.Namespaces)
	}
	raw := b[from:to]
	plain, err := s.checkValue(from, to)
	if err != nil {
		return err
	}
	if !plain {
		raw = appendDecoded(nil, raw, attrValue)
	}
	ns, known := knownNS(raw)
	isXML := string(b[prefix:prefixEnd]) == "xml"
	switch {
	case string(b[prefix:prefixEnd]) == "xmlns" || string(raw) == xmlnsURI:
		return s.fail(at, "xmlns itself cannot be declared")
	case isXML != (ns == XML):
		return s.fail(at, "the prefix xml and its namespace belong to each other only")
	case prefix != prefixEnd && len(raw) == 0:
		return s.fail(at, "a prefix cannot be undeclared in XML 1.0")
	}
	if !known {
		if ns, err = s.intern(at, raw); err != nil {
			return err
		}
	}
	s.foreign++
	s.binds = append(s.binds, binding{int32(prefix), int32(prefixEnd), ns})
	return nil
}

func (s *Scanner) intern(at int, uri []byte) (NS, *Error) {
	for i := range s.uris {
		if s.uris[i] == string(uri) {
			return firstUnknown + NS(i), nil
		}
	}
	if len(s.uris) >= s.lim.Namespaces {
		return 0, s.failLimit(at, "namespaces", s.lim.Namespaces)
	}
	s.uris = append(s.uris, string(uri))
	return firstUnknown + NS(len(s.uris)-1), nil
}

// resolve finds the namespace of a prefix; "" is the default namespace.
func (s *Scanner) resolve(from, to int) (NS, bool) {
	b := s.b
	prefix := b[from:to]
	for i := len(s.binds) - 1; i >= 0; i-- {
		if d := &s.binds[i]; int(d.prefixEnd-d.prefix) == len(prefix) &&
			string(b[d.prefix:d.prefixEnd]) == string(prefix) {
			return d.ns, true
		}
	}
	if len(prefix) == 0 {
		return NoNS, true
	}
	return XML, string(prefix) == "xml"
}

package metadata

import "strings"

const oidPrefix = "urn:oid:"

// ValidOID tells whether s is an OID without "urn:oid:": at most 64 digits and
// dots, two arcs or more, no leading zeros. What the first arcs may be is not
// checked: senders have lived with others for years.
func ValidOID(s string) bool {
	if len(s) < 3 || len(s) > 64 {
		return false
	}
	arcs, start := 1, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if i == start {
				return false
			}
			arcs, start = arcs+1, i+1
		case c < '0' || c > '9':
			return false
		case i > start && s[start] == '0':
			return false
		}
	}
	return arcs > 1 && start < len(s)
}

// ValidHome tells whether s is a homeCommunityId: an OID in URN form
// (ITI TF-3 4.2.3.2.12).
func ValidHome(s string) bool {
	return strings.HasPrefix(s, oidPrefix) && ValidOID(s[len(oidPrefix):])
}

// ParseHome reads a homeCommunityId as people write it: "urn:oid:" in another letter case
// or left out, and blanks around it. What is none is returned as it came.
func ParseHome(s string) string {
	if ValidHome(s) {
		return s
	}
	if oid := BareOID(strings.TrimSpace(s)); ValidOID(oid) {
		return oidPrefix + oid
	}
	return s
}

// BareOID drops "urn:oid:" in any letter case.
func BareOID(s string) string {
	if len(s) > len(oidPrefix) && strings.EqualFold(s[:len(oidPrefix)], oidPrefix) {
		return s[len(oidPrefix):]
	}
	return s
}

// Same tells whether two references name one code: equal values, and equal
// schemes or the two spellings (1.2.3, urn:oid:1.2.3) of one OID.
func (r CodeRef) Same(o CodeRef) bool {
	return r.Value == o.Value && sameScheme(r.Scheme, o.Scheme)
}

func sameScheme(a, b string) bool { return a == b || BareOID(a) == BareOID(b) }

// Canonical is the reference with a bare OID as scheme: equal for every two
// references that are Same, so that it can be a key.
func (r CodeRef) Canonical() CodeRef { return CodeRef{r.Value, BareOID(r.Scheme)} }

// ValidHash tells whether s is a SHA-1 in hex, any letter case.
func ValidHash(s string) bool {
	if len(s) != 40 {
		return false
	}
	for i := range len(s) {
		if unhex(s[i]) > 15 {
			return false
		}
	}
	return true
}

// ValidMimeType tells whether s is type/subtype, with or without parameters
// (RFC 6838 4.2).
func ValidMimeType(s string) bool {
	s, _, _ = strings.Cut(s, ";")
	kind, sub, ok := strings.Cut(strings.TrimRight(s, " "), "/")
	return ok && isMimeName(kind) && isMimeName(sub)
}

func isMimeName(s string) bool {
	if s == "" || len(s) > 127 || !isAlnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if !isAlnum(s[i]) && strings.IndexByte("!#$&-^_.+", s[i]) < 0 {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// ValidLanguage tells whether s has the form of a language tag (RFC 5646):
// subtags of 1 to 8 letters or digits, the first of letters only.
func ValidLanguage(s string) bool {
	for i, first := 0, true; ; first = false {
		n := 0
		for i+n < len(s) && s[i+n] != '-' {
			c := s[i+n]
			if !isAlnum(c) || first && c <= '9' {
				return false
			}
			n++
		}
		if n < 1 || n > 8 {
			return false
		}
		if i += n; i == len(s) {
			return true
		}
		i++
	}
}

// ValidURN tells whether s has the form of a URN: "urn:", a namespace of two or
// more letters, digits or hyphens, a colon and something without blanks.
func ValidURN(s string) bool {
	if len(s) < 8 || !strings.EqualFold(s[:4], "urn:") {
		return false
	}
	nid, nss, ok := strings.Cut(s[4:], ":")
	if !ok || len(nid) < 2 || len(nid) > 32 || nss == "" || !isAlnum(nid[0]) {
		return false
	}
	for i := range len(nid) {
		if !isAlnum(nid[i]) && nid[i] != '-' {
			return false
		}
	}
	return strings.IndexFunc(nss, func(r rune) bool { return r <= ' ' || r == 0x7f }) < 0
}

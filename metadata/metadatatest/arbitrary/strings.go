package arbitrary

import (
	"fmt"
	"strings"

	"pgregory.net/rapid"

	"samdok/metadata"
)

// Strings draws free text; never "", no blanks at the ends.
type Strings = *rapid.Generator[string]

// Plain draws words with Norwegian and Sámi letters.
func Plain() Strings {
	return rapid.StringMatching(`[A-Za-zÆØÅæøåáčđŋšŧž][A-Za-z0-9æøå ,.()-]{0,30}[a-z0-9]`)
}

// awkward is what codecs trip over.
var awkward = []string{
	"&", "<", ">", `"`, "'", "]]>", "&amp;", "&#10;", "<!--", "<![CDATA[", "<?x?>", "%", "_", "|", "^", "~", `\`, `\S\`, `\E\`, "^^^&1.2.3&ISO",
	"\t", "\n", "\r", "\r\n", " ", "\u00a0", "\u0085", "\u2028", "\u200b", "\u202e", "e\u0301", "ø", "漢", "😀", "\U0010fffd", "\ufffd", "\ufeff", "$", "{", "}", "''", "(", ")",
	"urn:uuid:", "../../etc/passwd", "';DROP TABLE entry;--", "$XDSDocumentEntryPatientId", "%00", "cid:", strings.Repeat("A", 300),
}

// Hostile draws XML-legal text made of awkward pieces and any characters.
func Hostile() Strings {
	piece := rapid.OneOf(rapid.SampledFrom(awkward), rapid.StringOfN(rapid.Rune(), 1, 4, -1))
	return rapid.Custom(func(t *rapid.T) string {
		s := strings.Join(rapid.SliceOfN(piece, 1, 6).Draw(t, "pieces"), "")
		s = strings.TrimSpace(strings.Map(legal, s))
		if s == "" {
			return "&"
		}
		return s
	})
}

// legal drops what XML 1.0 cannot hold (production Char).
func legal(r rune) rune {
	switch {
	case r == '\t' || r == '\n' || r == '\r':
		return r
	case r < 0x20, r >= 0xd800 && r <= 0xdfff, r == 0xfffe, r == 0xffff:
		return -1
	}
	return r
}

// OID draws an object identifier.
func OID() Strings { return rapid.StringMatching(`[12](\.(0|[1-9][0-9]{0,5})){2,7}`) }

// UUID draws a UUID that is not zero.
func UUID() *rapid.Generator[metadata.UUID] {
	return rapid.Custom(func(t *rapid.T) metadata.UUID {
		var u metadata.UUID
		copy(u[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		u[0] |= 1
		return u
	})
}

// ID draws a registered id.
func ID() *rapid.Generator[metadata.ID] {
	return rapid.Map(UUID(), metadata.UUID.ID)
}

// DTM draws a valid time of any precision.
func DTM() *rapid.Generator[metadata.DTM] {
	return rapid.Custom(func(t *rapid.T) metadata.DTM {
		s := fmt.Sprintf("%04d%02d%02d%02d%02d%02d",
			rapid.IntRange(1900, 2100).Draw(t, "year"), rapid.IntRange(1, 12).Draw(t, "month"), rapid.IntRange(1, 28).Draw(t, "day"),
			rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(0, 59).Draw(t, "second"))
		return metadata.DTM(s[:rapid.SampledFrom([]int{4, 6, 8, 10, 12, 14}).Draw(t, "precision")])
	})
}

// Patient draws a patient id.
func Patient(s Strings) *rapid.Generator[metadata.PatientID] {
	return rapid.Custom(func(t *rapid.T) metadata.PatientID {
		return metadata.PatientID{ID: s.Draw(t, "id"), Authority: OID().Draw(t, "authority")}
	})
}

// Person draws a person with id and name.
func Person(s Strings) *rapid.Generator[metadata.Person] {
	return rapid.Custom(func(t *rapid.T) metadata.Person {
		return metadata.Person{
			ID: maybe(t, "id", s), Family: s.Draw(t, "family"), Given: maybe(t, "given", s), Further: maybe(t, "further", s),
			Suffix: maybe(t, "suffix", s), Prefix: maybe(t, "prefix", s),
			Authority: metadata.OIDAuthority(maybe(t, "authority", OID())),
		}
	})
}

// Organization draws an organisation with name, id and authority.
func Organization(s Strings) *rapid.Generator[metadata.Organization] {
	return rapid.Custom(func(t *rapid.T) metadata.Organization {
		o := metadata.Organization{Name: s.Draw(t, "name"), ID: maybe(t, "id", s)}
		if o.ID != "" {
			o.Authority = metadata.OIDAuthority(OID().Draw(t, "authority"))
		}
		return o
	})
}

// Telecom draws a phone number or an e-mail address.
func Telecom(s Strings) *rapid.Generator[metadata.Telecom] {
	return rapid.Custom(func(t *rapid.T) metadata.Telecom {
		if rapid.Bool().Draw(t, "mail") {
			return metadata.Telecom{Use: "NET", Equipment: "Internet", Address: s.Draw(t, "address")}
		}
		return metadata.Telecom{Use: "WPN", Equipment: "PH", Country: "47", Number: s.Draw(t, "number")}
	})
}

// Reference draws a reference id.
func Reference(s Strings) *rapid.Generator[metadata.ReferenceID] {
	return rapid.Custom(func(t *rapid.T) metadata.ReferenceID {
		return metadata.ReferenceID{
			ID: s.Draw(t, "id"), Authority: metadata.OIDAuthority(OID().Draw(t, "authority")),
			Type: rapid.OneOf(rapid.SampledFrom([]string{metadata.RefOrder, metadata.RefAccession, metadata.RefReferral}), s).Draw(t, "type"),
		}
	})
}

// maybe draws "" or a string.
func maybe(t *rapid.T, label string, s Strings) string {
	if !rapid.Bool().Draw(t, "has "+label) {
		return ""
	}
	return s.Draw(t, label)
}

// upTo draws nil or 1 to n elements.
func upTo[T any](t *rapid.T, label string, n int, g *rapid.Generator[T]) []T {
	list := rapid.SliceOfN(g, 0, n).Draw(t, label)
	if len(list) == 0 {
		return nil
	}
	return list
}

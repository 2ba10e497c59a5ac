package metadata_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"samdok/metadata"
	"samdok/metadata/metadatatest/arbitrary"
)

func TestCX(t *testing.T) {
	ok := map[metadata.CX]metadata.PatientID{
		"13116900216^^^&2.16.578.1.12.4.1.4.1&ISO":            {"13116900216", "2.16.578.1.12.4.1.4.1"},
		"77^^^&1.2.3&ISO":                                     {"77", "1.2.3"},
		" \n77^^^&1.2.3&ISO\t":                                {"77", "1.2.3"},
		"77^^^&1.2.3&ISO^^^":                                  {"77", "1.2.3"},
		"77^^^&1.2.3&ISO&":                                    {"77", "1.2.3"},
		"77^^^&amp;1.2.3&amp;ISO":                             {"77", "1.2.3"},
		`a\S\b\T\c\E\d\F\e\R\f^^^&1.2.3&ISO`:                  {`a^b&c\d|e~f`, "1.2.3"},
		`a\X0D\b^^^&1.2.3&ISO`:                                {`a\X0D\b`, "1.2.3"},
		`lone\^^^&1.2.3&ISO`:                                  {`lone\`, "1.2.3"},
		"source^^^&4.1&ISO":                                   {"source", "4.1"},
		metadata.CX(strings.Repeat("9", 300)) + "^^^&1.2&ISO": {strings.Repeat("9", 300), "1.2"},
	}
	for cx, want := range ok {
		got, err := cx.Patient()
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v; want %v", cx, got, err, want)
		}
	}
	bad := []metadata.CX{
		"", " ", "77", "77^^^", "77^^^1.2.3", "77^^^&1.2.3", "77^^^&1.2.3&", "77^^^&1.2.3&DNS", "77^^^ns&1.2.3&ISO", "77^^^&&ISO",
		"77^1^^&1.2.3&ISO", "77^^ISO^&1.2.3&ISO", "77^^&1.2.3&ISO", "^^^&1.2.3&ISO", "77^^^&1.2.3&ISO^PI", "77^^^&1.02.3&ISO",
		"77^^^&urn:oid:1.2.3&ISO", "7|7^^^&1.2.3&ISO", "7&7^^^&1.2.3&ISO", "7~7^^^&1.2.3&ISO", "77^^^&1.2.3&ISO~78^^^&1.2.3&ISO", " ^^^&1.2.3&ISO",
	}
	for _, cx := range bad {
		p, err := cx.Patient()
		if err == nil {
			t.Errorf("%q was read as %v", cx, p)
			continue
		}
		if cx != "" && strings.Contains(string(cx), "77") && strings.Contains(err.Error(), "77") {
			t.Errorf("%q: the error quotes the id: %v", cx, err)
		}
		var form *metadata.FormError
		if !errors.As(err, &form) || !metadata.IsForm(err) || form.Type != "CX" {
			t.Errorf("%q: error %v has the wrong type", cx, err)
		}
	}
	if err := metadata.CX("77^^^&amp;1.2.3&amp;ISO").Check(); err == nil {
		t.Error("doubled escapes must not be stored")
	}
	if err := metadata.CX("77^^^&1.2.3&ISO").Check(); err != nil {
		t.Error(err)
	}
}

func TestCXi(t *testing.T) {
	tests := []struct {
		in   metadata.CXi
		want metadata.ReferenceID
		bad  bool
	}{
		{in: "ref-id-1^^^ABCD&1.1.2.3&ISO^urn:ihe:iti:xds:2013:order", want: metadata.ReferenceID{ID: "ref-id-1", Authority: metadata.Authority{Namespace: "ABCD", ID: "1.1.2.3", Type: "ISO"}, Type: metadata.RefOrder}},
		{in: "a^^^&1.2.3&ISO^vendor-defined", want: metadata.ReferenceID{ID: "a", Authority: metadata.OIDAuthority("1.2.3"), Type: "vendor-defined"}},
		{in: "2.25.1^^^^urn:ihe:iti:xdw:2013:workflowInstanceId", want: metadata.ReferenceID{ID: "2.25.1", Type: metadata.RefWorkflow}},
		{in: "a^^^NS^local^^^x", want: metadata.ReferenceID{ID: "a", Authority: metadata.Authority{Namespace: "NS"}, Type: "local"}},
		{in: "urn:uuid:x^^^^urn:ihe:iti:xds:2013:uniqueId", want: metadata.ReferenceID{ID: "urn:uuid:x", Type: metadata.RefUniqueID}},
		{in: "", bad: true},
		{in: "a", bad: true},
		{in: "a^^^&1.2.3&ISO", bad: true},
		{in: "^^^&1.2.3&ISO^t", bad: true},
		{in: "a^b^^&1.2.3&ISO^t", bad: true},
		{in: "a^^^&1.2.3^t", bad: true},
		{in: "a^^^&x.y&ISO^t", bad: true},
		{in: "a^^^^urn:ihe:iti:xds:2013:order", bad: true},
		{in: "a^^^^urn:ihe:iti:xds:2015:encounterId", bad: true},
	}
	for _, tt := range tests {
		got, err := tt.in.Parse()
		if tt.bad != (err != nil) || !tt.bad && got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.in, got, err)
		}
	}
}

func TestXCN(t *testing.T) {
	tests := []struct {
		in   metadata.XCN
		want metadata.Person
		bad  bool
	}{
		{in: "123456789^NORDMANN^OLA^^^^^^&2.16.578.1.12.4.1.4.4&ISO", want: metadata.Person{ID: "123456789", Family: "NORDMANN", Given: "OLA", Authority: metadata.OIDAuthority("2.16.578.1.12.4.1.4.4")}},
		{in: "^Welby^Marcus^J^Jr. MD^Dr^^^&1.2.3&ISO^^^", want: metadata.Person{Family: "Welby", Given: "Marcus", Further: "J", Suffix: "Jr. MD", Prefix: "Dr", Authority: metadata.OIDAuthority("1.2.3")}},
		{in: "^Nordmann", want: metadata.Person{Family: "Nordmann"}},
		{in: "id1", want: metadata.Person{ID: "id1"}},
		{in: "1^de&von^x", want: metadata.Person{ID: "1", Family: "de", Given: "x"}},
		{in: "1^A^^^^^^^&amp;1.2.3&amp;ISO", want: metadata.Person{ID: "1", Family: "A", Authority: metadata.OIDAuthority("1.2.3")}},
		{in: "1^A^^^^^^^NS^L^^^NPI", want: metadata.Person{ID: "1", Family: "A", Authority: metadata.Authority{Namespace: "NS"}}},
		{in: "", bad: true},
		{in: "^^^^^^^^&1.2.3&ISO", bad: true},
		{in: "1^A^^^^^^^&not.an.oid&ISO", bad: true},
		{in: "1^A^^^^^^^&1.2.3", bad: true},
	}
	for _, tt := range tests {
		got, err := tt.in.Parse()
		if tt.bad != (err != nil) || !tt.bad && got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.in, got, err)
		}
	}
	if got := (metadata.Person{Family: "Nordmann", Given: "Ola", Prefix: "Dr."}).Name(); got != "Dr. Ola Nordmann" {
		t.Error(got)
	}
	if got := (metadata.Person{ID: "9"}).Name(); got != "9" {
		t.Error(got)
	}
}

func TestXON(t *testing.T) {
	tests := []struct {
		in   metadata.XON
		want metadata.Organization
		bad  bool
	}{
		{in: "Laboratoriemedisinsk avdeling - FIN^^^^^&2.16.578.1.12.4.1.4.102&ISO^^^^4211607", want: metadata.Organization{Name: "Laboratoriemedisinsk avdeling - FIN", Authority: metadata.OIDAuthority("2.16.578.1.12.4.1.4.102"), ID: "4211607"}},
		{in: "authorOrg", want: metadata.Organization{Name: "authorOrg"}},
		{in: "Some Hospital^^^^^^^^^1.2.3.4", want: metadata.Organization{Name: "Some Hospital", ID: "1.2.3.4"}},
		{in: `A \T\ B^^^^^^^^^`, want: metadata.Organization{Name: "A & B"}},
		{in: "", bad: true},
		{in: "^^^^^&1.2.3&ISO^^^^7", bad: true},
		{in: "A^^^^^^^^^7", bad: true},
		{in: "A^^^^^&x&ISO^^^^7", bad: true},
	}
	for _, tt := range tests {
		got, err := tt.in.Parse()
		if tt.bad != (err != nil) || !tt.bad && got != tt.want {
			t.Errorf("%q: got %+v, %v", tt.in, got, err)
		}
	}
}

func TestXTN(t *testing.T) {
	ok := map[metadata.XTN]metadata.Telecom{
		"^WPN^PH^^47^22^334455^1":            {Use: "WPN", Equipment: "PH", Country: "47", Area: "22", Number: "334455", Extension: "1"},
		"^NET^Internet^author1@acme.org":     {Use: "NET", Equipment: "Internet", Address: "author1@acme.org"},
		"^^Internet^a@b.example^^^^^":        {Equipment: "Internet", Address: "a@b.example"},
		"(47)22334455":                       {Text: "(47)22334455"},
		"^WPN^PH^^^^^^^^^+47 22 33 44 55^^^": {Use: "WPN", Equipment: "PH", Text: "+47 22 33 44 55"},
	}
	for in, want := range ok {
		if got, err := in.Parse(); err != nil || got != want {
			t.Errorf("%q: got %+v, %v", in, got, err)
		}
	}
	for _, in := range []metadata.XTN{"", "^WPN^PH", "^NET^Internet^", "^WPN^^^47^22^334455"} {
		if got, err := in.Parse(); err == nil {
			t.Errorf("%q was read as %+v", in, got)
		}
	}
}

func TestParseRecipient(t *testing.T) {
	for _, in := range []string{"org", "Some Hospital^^^^^^^^^1.2.3.4|^Welby^Marcus^^^Dr^MD|^^Internet^w@x.example", "|1^Ola", "||^NET^Internet^a@b.example", "org||"} {
		if _, err := metadata.ParseRecipient(in); err != nil {
			t.Errorf("%q: %v", in, err)
		}
	}
	for _, in := range []string{"", "||", " ", "|^^^", "^^^^^&1.2.3&ISO", "||^WPN^PH"} {
		if r, err := metadata.ParseRecipient(in); err == nil {
			t.Errorf("%q was read as %+v", in, r)
		}
	}
}

func TestParseCodedString(t *testing.T) {
	ref, ok := metadata.ParseCodedString("LE^^^&2.16.578.1.12.4.1.1.9060&ISO")
	if !ok || ref != (metadata.CodeRef{Value: "LE", Scheme: "2.16.578.1.12.4.1.1.9060"}) {
		t.Error(ref, ok)
	}
	for _, plain := range []string{"lege", "a^b^^&1.2.3&ISO", "a^^^&x&ISO", ""} {
		if ref, ok := metadata.ParseCodedString(plain); ok {
			t.Errorf("%q was read as %v", plain, ref)
		}
	}
}

// What is printed is read back as it was, whatever is in it.
func TestHL7RoundTrip(t *testing.T) {
	for name, strings := range map[string]arbitrary.Strings{"plain": arbitrary.Plain(), "hostile": arbitrary.Hostile()} {
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			p := arbitrary.Patient(strings).Draw(t, "patient")
			if got, err := p.CX().Patient(); err != nil || got != p {
				t.Fatalf("%q: %v, %v", p.CX(), got, err)
			}
			if err := p.CX().Check(); err != nil {
				t.Fatal(err)
			}
			person := arbitrary.Person(strings).Draw(t, "person")
			if got, err := person.XCN().Parse(); err != nil || got != person {
				t.Fatalf("%q: %+v, %v; want %+v", person.XCN(), got, err, person)
			}
			o := arbitrary.Organization(strings).Draw(t, "organisation")
			if got, err := o.XON().Parse(); err != nil || got != o {
				t.Fatalf("%q: %+v, %v", o.XON(), got, err)
			}
			tel := arbitrary.Telecom(strings).Draw(t, "telecom")
			if got, err := tel.XTN().Parse(); err != nil || got != tel {
				t.Fatalf("%q: %+v, %v", tel.XTN(), got, err)
			}
			ref := arbitrary.Reference(strings).Draw(t, "reference")
			if got, err := ref.CXi().Parse(); err != nil || got != ref {
				t.Fatalf("%q: %+v, %v", ref.CXi(), got, err)
			}
		}))
	}
}

func FuzzHL7(f *testing.F) {
	for _, s := range []string{
		"13116900216^^^&2.16.578.1.12.4.1.4.1&ISO", "77^^^&amp;1.2.3&amp;ISO", `a\S\b^^^&1.2.3&ISO`, `\`, `\E`, `\\\\`, "^^^^^^^^^^^", "&&&", "|||", "~", "\x00", "\xff\xfe",
		"123^NORDMANN^OLA^^^^^^&2.16.578.1.12.4.1.4.4&ISO", "A^^^^^&1.2&ISO^^^^7", "^WPN^PH^^47^22^334455", "r^^^N&1.2&ISO^urn:ihe:iti:xds:2013:order", "a|b^c|^^Internet^d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if p, err := metadata.CX(s).Patient(); err == nil {
			if !metadata.ValidOID(p.Authority) || p.ID == "" {
				t.Fatalf("%q was read as %+v", s, p)
			}
			// Blanks at the ends of a value do not survive, being tolerated.
			if strings.TrimSpace(p.ID) == p.ID {
				if again, err := p.CX().Patient(); err != nil || again != p {
					t.Fatalf("%q: %+v became %+v, %v", s, p, again, err)
				}
			}
		}
		if v, err := metadata.XCN(s).Parse(); err == nil {
			again, err := v.XCN().Parse()
			stable(t, s, v, again, err)
		}
		if v, err := metadata.XON(s).Parse(); err == nil {
			again, err := v.XON().Parse()
			stable(t, s, v, again, err)
		}
		if v, err := metadata.XTN(s).Parse(); err == nil {
			again, err := v.XTN().Parse()
			stable(t, s, v, again, err)
		}
		if v, err := metadata.CXi(s).Parse(); err == nil {
			again, err := v.CXi().Parse()
			stable(t, s, v, again, err)
		}
		_, _ = metadata.ParseRecipient(s)
		_, _ = metadata.ParseCodedString(s)
	})
}

func stable[T comparable](t *testing.T, s string, v, again T, err error) {
	t.Helper()
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x85 || r >= 0xa0 && r < 0x3001 }) {
		return // blanks at the ends are tolerated and may come to stand there
	}
	if err != nil || again != v {
		t.Fatalf("%q: %+v became %+v, %v", s, v, again, err)
	}
}

func BenchmarkPatient(b *testing.B) {
	cx := metadata.CX("13116900216^^^&2.16.578.1.12.4.1.4.1&ISO")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := cx.Patient(); err != nil {
			b.Fatal(err)
		}
	}
}

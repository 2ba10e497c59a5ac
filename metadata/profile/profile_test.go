package profile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samdok/fault"
	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/profile"
	"samdok/metadata/rules"
)

const volven = "2.16.578.1.12.4.1.1."

func load(t testing.TB, name string) *profile.Profile {
	t.Helper()
	p, err := profile.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func code(value, scheme string) metadata.Code { return metadata.Code{Value: value, Scheme: scheme} }

func TestNorwegianValues(t *testing.T) {
	p := load(t, "norway")
	hl7 := "2.16.840.1.113883.5.25"
	tests := []struct {
		attribute profile.Attribute
		code      metadata.Code
		want      bool
	}{
		{profile.ClassCode, code("A00-1", volven+"9602"), true},
		{profile.ClassCode, code("A00-1", "urn:oid:"+volven+"9602"), true},
		{profile.ClassCode, code("A03-2", volven+"9602"), false}, // a type
		{profile.ClassCode, code("Q00-1", volven+"9602"), false},
		{profile.ClassCode, code("a00-1", volven+"9602"), false},
		{profile.ClassCode, code("A00-1", volven+"9603"), false},
		{profile.TypeCode, code("A03-2", volven+"9602"), true},
		{profile.TypeCode, code("S03-2", "URN:OID:"+volven+"9602"), true},
		{profile.TypeCode, code("A00-1", volven+"9602"), false},
		{profile.ContentType, code("A03-2", volven+"9602"), true},
		{profile.ContentType, code("A00-1", volven+"9602"), true},
		{profile.ContentType, code("A03-2", "1.2.3"), false},
		{profile.Confidentiality, code("N", hl7), true},
		{profile.Confidentiality, code("V", "urn:oid:"+hl7), true},
		{profile.Confidentiality, code("X", hl7), false},
		{profile.Confidentiality, code("N", volven+"9603"), true},
		{profile.Confidentiality, code("NORS", volven+"9603"), true},
		{profile.Confidentiality, code("NORN_UNGDOM", volven+"9603"), true},
		{profile.Confidentiality, code("NORN", volven+"9603"), false},
		{profile.Confidentiality, code("R", volven+"9603"), false},
		{profile.Facility, code("86.211", volven+"1303"), true},
		{profile.Facility, code("whatever", volven+"1305"), true},
		{profile.Facility, code("86.210", volven+"8624"), false},
		{profile.Practice, code("KA02", volven+"8663"), true},
		{profile.Practice, code("unlisted", volven+"8655"), true},
		{profile.Practice, code("1", volven+"8627"), false},
		{profile.EventCode, code("unlisted", volven+"7210"), true},
		{profile.EventCode, code("x", "1.2.3"), false},
		{profile.FormatCode, code("anything", "anywhere"), true},
		{profile.FolderCode, code("anything", "anywhere"), true},
	}
	for _, tt := range tests {
		if got := p.Allows(tt.attribute, tt.code); got != tt.want {
			t.Errorf("%s %s^^%s: %v", tt.attribute, tt.code.Value, tt.code.Scheme, got)
		}
	}
	if n := len(p.Codes(profile.Confidentiality)); n != 6+14 {
		t.Errorf("%d confidentiality codes", n)
	}
	if c, n := len(p.Codes(profile.ClassCode)), len(p.Codes(profile.TypeCode)); c != 9 || n != 54 {
		t.Errorf("%d classes, %d types", c, n)
	}
	for mime, want := range map[string]bool{"application/pdf": true, "Text/XML; charset=utf-8": true, "image/png": true, "text/html": false, "application/zip": false, "": false} {
		if p.AllowsMimeType(mime) != want {
			t.Errorf("%q: %v", mime, !want)
		}
	}
}

func TestValidate(t *testing.T) {
	p := load(t, "norway")
	g := metadatatest.New(1)
	patient := g.Patient()
	for seed := range uint64(30) {
		g := metadatatest.New(seed)
		sub := g.Metadata(patient, 5)
		metadatatest.AddFolder(sub, g.Folder(patient, "Mappe"))
		if problems := p.Validate(sub); problems != nil {
			t.Fatal(problems)
		}
	}
	tests := map[string]func(*metadata.Submission){
		"contentTypeCode":            func(s *metadata.Submission) { s.Set.ContentType.Value = "X" },
		"classCode":                  func(s *metadata.Submission) { s.Entries[0].ClassCode.Value = "X" },
		"typeCode":                   func(s *metadata.Submission) { s.Entries[0].TypeCode.Scheme = "1.2.3" },
		"healthcareFacilityTypeCode": func(s *metadata.Submission) { s.Entries[0].Facility.Scheme = "1.2.3" },
		"practiceSettingCode":        func(s *metadata.Submission) { s.Entries[0].Practice.Scheme = "1.2.3" },
		"confidentialityCode":        func(s *metadata.Submission) { s.Entries[0].Confidential[1].Value = strings.Repeat("X", 10_000) },
		"eventCodeList":              func(s *metadata.Submission) { s.Entries[0].EventCodes = []metadata.Code{code("a", "b")} },
		"mimeType":                   func(s *metadata.Submission) { s.Entries[0].MimeType = "text/html" },
	}
	for attribute, change := range tests {
		sub := g.Metadata(patient, 1)
		change(sub)
		problems := p.Validate(sub)
		if len(problems) != 1 || problems[0].Code != fault.RegistryMetadataError || !strings.Contains(problems[0].Context, ", "+attribute+": ") || len(problems[0].Context) > 900 {
			t.Errorf("%s: %v", attribute, problems)
		}
		if problems := load(t, "base").Validate(sub); problems != nil {
			t.Errorf("base: %v", problems)
		}
	}
	sub := g.Metadata(patient, 1)
	sub.Entries[0].ClassCode.Display = metadata.NewText("not what the list says")
	sub.Entries[0].TypeCode = metadata.Code{} // missing is not ours to report
	if problems := p.Validate(sub); problems != nil {
		t.Error(problems)
	}
}

func TestEverythingWrongIsBounded(t *testing.T) {
	sub := &metadata.Submission{}
	for range 1000 {
		sub.Entries = append(sub.Entries, &metadata.DocumentEntry{ClassCode: code("x", "y"), MimeType: "a/b"})
	}
	if n := len(load(t, "norway").Validate(sub)); n != 500 {
		t.Errorf("%d problems", n)
	}
}

func TestNames(t *testing.T) {
	p := load(t, "norway")
	epikrise := metadata.CodeRef{Value: "A03-2", Scheme: "urn:oid:" + volven + "9602"}
	if got := p.Display(epikrise, "nb"); got != "Epikrise" {
		t.Error(got)
	}
	if got := p.Display(epikrise, "en-GB"); got != "Discharge summary" {
		t.Error(got)
	}
	if got := p.Display(metadata.CodeRef{Value: "NORS", Scheme: volven + "9603"}, "nb-NO"); got != "Sperret" {
		t.Error(got)
	}
	if got := p.Label(metadata.Code{Value: "A03-2", Scheme: "1.2.3", Display: metadata.NewText("Sent")}, "nb"); got != "Sent" {
		t.Error(got)
	}
	if got := p.Label(code("bare", "1.2.3"), "nb"); got != "bare" {
		t.Error(got)
	}
	for _, text := range []string{"A03-2", "epikrise", "DISCHARGE SUMMARY", "A03-2^^" + volven + "9602"} {
		if c, ok := p.Find(profile.TypeCode, text); !ok || c.Value != "A03-2" || c.Display.String() != "Epikrise" {
			t.Errorf("%q: %v, %v", text, c, ok)
		}
	}
	for _, text := range []string{"", "A00-1", "nonsense", "A00-1^^" + volven + "9602", "^^"} {
		if c, ok := p.Find(profile.TypeCode, text); ok {
			t.Errorf("%q: %v", text, c)
		}
	}
	if c, ok := load(t, "base").Find(profile.TypeCode, "x^^1.2.3"); !ok || c.Value != "x" {
		t.Error(c, ok)
	}
}

func TestShowTime(t *testing.T) {
	p := load(t, "base")
	for d, want := range map[metadata.DTM]string{
		"2026": "2026", "202601": "01.2026", "20260102": "02.01.2026",
		"20260102030405": "02.01.2026 04:04:05", // winter, +1
		"202607012330":   "02.07.2026 01:30",    // summer, +2, the next day
		"2026070112":     "01.07.2026 14:00",
		"nonsense":       "nonsense",
	} {
		if got := p.ShowTime(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
	if p.Zone().String() != "Europe/Oslo" {
		t.Error(p.Zone())
	}
}

// What somebody puts with nothing but a patient, ids and bytes is a complete and
// valid submission.
func TestDefaults(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"base", "norway"} {
		p := load(t, name)
		for _, kind := range []string{"", "A03-2", "C01-2"} {
			e := &metadata.DocumentEntry{
				ID: "document", PatientID: "13116900216^^^&2.16.578.1.12.4.1.4.1&ISO", UniqueID: "1.2.3", MimeType: "application/pdf",
				TypeCode: code(kind, volven+"9602"),
			}
			if kind == "" {
				e.TypeCode = metadata.Code{}
			}
			p.Defaults(e, now)
			sub := &metadata.Submission{Entries: []*metadata.DocumentEntry{e}}
			sub.Set.ID, sub.Set.SourceID, sub.Set.UniqueID = "set", "1.2.3", "1.2.4"
			p.SetDefaults(&sub.Set, e, now)
			if problems := append(rules.Check(sub, rules.Source), p.Validate(sub)...); len(problems) > 0 {
				t.Errorf("%s %s: %v", name, kind, problems)
			}
			if name == "norway" && kind != "" && e.ClassCode.Value != kind[:1]+"00-1" {
				t.Errorf("%s: class %s", kind, e.ClassCode.Value)
			}
			if e.CreationTime != "20261101120000" || len(e.Confidential) == 0 || e.Language == "" {
				t.Errorf("%+v", e)
			}
		}
	}
	p := load(t, "norway")
	e := &metadata.DocumentEntry{MimeType: "application/pdf", Language: "se-NO", ClassCode: code("I00-1", volven+"9602"), Facility: code("86.210", volven+"1305")}
	p.Defaults(e, now)
	if e.Language != "se-NO" || e.ClassCode.Value != "I00-1" || e.Facility.Value != "86.210" || e.FormatCode.Value != "urn:no:ehelse:document:pdf" {
		t.Errorf("%+v", e)
	}
}

func TestParse(t *testing.T) {
	good, err := os.ReadFile("data/norway.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"unknown field":     {`"mimeTypes"`, `"mimetype"`},
		"unknown attribute": {`"classCode": [`, `"klasseCode": [`},
		"unknown system":    {`{"system": "2.16.578.1.12.4.1.1.1303"}`, `{"system": "1.2.3"}`},
		"zone":              {`Europe/Oslo`, `Europe/Osloo`},
		"no version":        {`"version": "2026-11-21"`, `"version": ""`},
		"short code":        {`["NORS", "Sperret", "Blocked for personnel"]`, `["NORS"]`},
		"system twice":      {`"oid": "2.16.578.1.12.4.1.1.1303"`, `"oid": "2.16.578.1.12.4.1.1.9602"`},
		"invalid default":   {`["B02-2", "2.16`, `["B99-2", "2.16`},
	} {
		changed := strings.Replace(string(good), change[0], change[1], 1)
		if changed == string(good) {
			t.Errorf("%s: nothing changed", name)
		}
		if _, err := profile.Parse([]byte(changed)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	for _, bad := range []string{"", "{}", "null", "[]", string(good) + "x", string(good[:len(good)/2])} {
		if _, err := profile.Parse([]byte(bad)); err == nil {
			t.Errorf("%.20q was accepted", bad)
		}
	}
	path := filepath.Join(t.TempDir(), "own.json")
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if p := load(t, path); p.Name != "norway" || p.Version == "" || len(p.Source) == 0 {
		t.Errorf("%+v", p)
	}
	for _, name := range []string{"sweden", "", "../profile/data/norway", path + "x.json"} {
		if _, err := profile.Load(name); err == nil {
			t.Errorf("%q was loaded", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"base", "norway"} {
		data, err := os.ReadFile("data/" + name + ".json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"name":"x","version":"1","defaults":{"typeCode":["",""]}}`))
	g := metadatatest.New(1)
	sub := g.Metadata(g.Patient(), 2)
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := profile.Parse(data)
		if err != nil {
			return
		}
		p.Validate(sub)
		p.Find(profile.TypeCode, "A03-2")
		p.Defaults(sub.Entries[0].Clone(), time.Unix(0, 0))
	})
}

func BenchmarkValidate(b *testing.B) {
	p := load(b, "norway")
	g := metadatatest.New(1)
	sub := g.Metadata(g.Patient(), 1)
	b.ReportAllocs()
	for b.Loop() {
		if problems := p.Validate(sub); problems != nil {
			b.Fatal(problems)
		}
	}
}

// What is wrong in a data file is told by file, line and key, and in no words of a
// programming language.
func TestMistakesAreToldInTheWordsOfTheFile(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a number for a text":       {"{\n\"name\": 3}", "line 2: name: expected text, and there is \"3\""},
		"one value for a list":      {"{\n\"mimeTypes\":\n\"text/plain\"}", "line 3: mimeTypes: expected a list, and there is \"text/plain\""},
		"a text in a list":          {"{\"systems\": [\n\"x\"]}", "line 2: systems[1]: expected keys such as oid, name, closed, and there is \"x\""},
		"a word for true":           {"{\"systems\": [\n{\"closed\": \"perhaps\"}]}", "line 2: systems[1].closed: expected true or false"},
		"a key that does not exist": {"{\n\"timezone\": \"Europe/Oslo\"}", "line 2: timezone: there is no such key; did you mean timeZone?"},
		"a key twice":               {"{\"name\": \"a\",\n\"name\": \"b\"}", "line 2: name: stands in line 1 already"},
		"an attribute twice":        {"{\"attributes\": {\"typeCode\": [],\n\"typeCode\": []}}", "line 2: attributes.typeCode: stands in line 1 already"},
		"a comma too many":          {"{\n\"name\": \"a\",\n}", "line 3: cannot be read as JSON"},
		"an end that lacks":         {"{\n\"name\": \"a\"", "line 2: cannot be read as JSON"},
		"a list for the whole":      {"[]", "line 1: expected keys such as name, version, source"},
		"a kind of number":          {"{\"identityNumbers\": {\n\"1.2\": \"x\"}}", "line 2: identityNumbers.1.2: "},
	} {
		path := filepath.Join(t.TempDir(), "own.json")
		if err := os.WriteFile(path, []byte(c.in), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := profile.Load(path)
		if err == nil || !strings.Contains(err.Error(), "profile: "+path+", "+c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
			continue
		}
		for _, word := range []string{"unmarshal", "struct", "profile.", "json:", "!!"} {
			if strings.Contains(strings.ReplaceAll(err.Error(), path, ""), word) {
				t.Errorf("%s: %q stands in %v", name, word, err)
			}
		}
	}
}

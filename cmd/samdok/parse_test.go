package main

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"samdok/metadata"
)

func TestPatients(t *testing.T) {
	c := &cli{}
	for in, want := range map[string]metadata.PatientID{
		"13911699170":            {ID: "13911699170", Authority: oidNationalID}, // Tenor: month + 80
		" 139116 99170\n":        {ID: "13911699170", Authority: oidNationalID},
		"13761699134":            {ID: "13761699134", Authority: oidNationalID}, // month + 65
		"53011699123":            {ID: "53011699123", Authority: oidDNumber},    // day + 40
		"53811699123":            {ID: "53811699123", Authority: oidDNumber},    // synthetic D-number
		"13411699123":            {ID: "13411699123", Authority: oidHelpNumber}, // month + 40
		"80000000001":            {ID: "80000000001", Authority: oidHelpNumber},
		"x^^^&1.2.3&ISO":         {ID: "x", Authority: "1.2.3"},
		"13911699170^^^&1.2&ISO": {ID: "13911699170", Authority: "1.2"},
	} {
		if got, err := c.parsePatient(in); err != nil || got != want {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	for _, bad := range []string{"", "1391169912", "139116991704", "1391169912a", "x^^^y", "^^^&1.2&ISO"} {
		_, err := c.parsePatient(bad)
		if err == nil {
			t.Errorf("%q was taken", bad)
		} else if len(bad) > 6 && strings.Contains(err.Error(), bad) {
			t.Errorf("%q is quoted: %v", bad, err)
		}
	}
}

func TestTimesAreNorwegian(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	c := &cli{}
	for in, want := range map[string]metadata.DTM{
		"2026-07-01 10:15":          "202607010815",
		"01.07.2026 10:15":          "202607010815",
		"2026-01-01 10:15:30":       "20260101091530",
		"2026-01-01T10:15:30+05:00": "20260101051530",
		"2026-07-01":                "20260701",
		"1.7.2026":                  "",
		"20260701081500":            "20260701081500",
		"2026":                      "2026",
		"noon":                      "",
	} {
		got, err := c.parseWhen(in, zone)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v", in, got, err)
		}
	}
	// A day of the clock change has 23 hours.
	from, _ := c.parseBound("2026-03-29", zone, false)
	to, _ := c.parseBound("2026-03-29", zone, true)
	if from != "20260328230000" || to != "20260329220000" {
		t.Errorf("the day is %s to %s", from, to)
	}
}

func TestMimeTypes(t *testing.T) {
	for _, tc := range []struct{ name, head, want string }{
		{"a.txt", "%PDF-1.7", "application/pdf"}, // the bytes know better
		{"a", "\x89PNG\r\n\x1a\n", "image/png"},
		{"a.xml", "<?xml version='1.0'?>", "text/xml"},
		{"a", "\xef\xbb\xbf <ClinicalDocument xmlns='urn:hl7-org:v3'>", "text/xml"},
		{"a.dat", "Hei på deg", "text/plain"},
		{"a.dat", "Hei p\xc3", "text/plain"}, // cut in the middle of å
		{"a.dat", "\x00\x01", "application/octet-stream"},
		{"a", strings.Repeat("\x00", 128) + "DICM", "application/dicom"},
		{"notes.md", "# x", "text/plain"},
		{"a.rtf", `{\rtf1`, "application/rtf"},
		{"empty", "", "application/octet-stream"},
	} {
		if got := guessMime(tc.name, []byte(tc.head)); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.name, got, tc.want)
		}
	}
}

func TestAuthorsAndOrganisations(t *testing.T) {
	for in, want := range map[string]metadata.XCN{
		"Kari Nordmann;9144889":    "9144889^Nordmann^Kari^^^^^^&2.16.578.1.12.4.1.4.4&ISO",
		"Nordmann, Kari Anne":      "^Nordmann^Kari Anne",
		"Nordmann":                 "^Nordmann",
		"1^Nordmann^Ola^^^^^^&1&2": "1^Nordmann^Ola^^^^^^&1&2",
		"O^Brien":                  "O^Brien",
	} {
		if got := personOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := organisationOf("Sykehuset Øst HF;974 706 490", oidOrganisation); got != "Sykehuset Øst HF^^^^^&2.16.578.1.12.4.1.4.101&ISO^^^^974706490" {
		t.Errorf("%q", got)
	}
	if got := organisationOf("Legekontoret", oidOrganisation); got != "Legekontoret" {
		t.Errorf("%q", got)
	}
}

// What strangers put into a title must not move the cursor or turn the line.
func TestTerminalsAreSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, r := range clean(rapid.String().Draw(t, "title")) {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e {
				t.Fatalf("%U is left", r)
			}
		}
	})
	if got := clean("a\x1b[31mb\u202ec\nd"); got != "a\ufffd[31mb\ufffdc d" {
		t.Errorf("%q", got)
	}
}

func TestFileNamesStayInTheFolder(t *testing.T) {
	for id, want := range map[string]string{
		"1.2.3":           "document-1.2.3.pdf",
		"../../etc/x":     "document-.._.._etc_x.pdf",
		"urn:uuid:ab-cd":  "document-ab-cd.pdf",
		"1.2^ext\x00\x1b": "document-1.2_ext__.pdf",
	} {
		if got := fileName(&metadata.DocumentEntry{UniqueID: id, MimeType: "application/pdf"}); got != want {
			t.Errorf("%q: %q", id, got)
		}
	}
}

func TestNewOIDsAreValid(t *testing.T) {
	for range 1000 {
		if o := newOID(); !metadata.ValidOID(o) {
			t.Fatal(o)
		}
	}
	if !metadata.ValidOID(cliSource) {
		t.Error(cliSource)
	}
}

func TestPatternsOfFileNames(t *testing.T) {
	c := &cli{}
	e, err := c.compile("{patient}/{type}_{service-start}_{title}.*")
	if err != nil {
		t.Fatal(err)
	}
	m := e.FindStringSubmatch("139/A03-2_2026-01-02_En_lang tittel.v2.pdf")
	if m == nil || m[1] != "139" || m[2] != "A03-2" || m[3] != "2026-01-02" || m[4] != "En_lang tittel" {
		t.Errorf("%q", m)
	}
	if e.MatchString("139/x/A03-2_2026_t.pdf") {
		t.Error("a folder more was taken")
	}
	for _, bad := range []string{"{tpye}", "{file}"} {
		if _, err := c.compile(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

// Every fact can be said by a flag, and every submission that is made of facts
// is valid in its profile.
func TestSubmissionsAreValid(t *testing.T) {
	c := &cli{clock: func() time.Time { return time.Unix(1_790_000_000, 0) }}
	for _, name := range []string{"norway", "base"} {
		p, err := c.loadProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		b := builder{c, p}
		f := &facts{Organisation: "A;974706490", Department: "B;123", Author: "Kari Nordmann;1", Folder: "Mappe", Append: "urn:uuid:6f2cb5e1-9a41-4f6e-9a55-2a4c2ad9a111"}
		e, err := b.entry(f, metadata.PatientID{ID: "13911699170", Authority: oidNationalID}, fileFacts{name: "x.pdf", mime: "application/pdf", modified: c.clock(), size: 1, sha1: strings.Repeat("a", 40)})
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.submission(f, []*metadata.DocumentEntry{e})
		if err != nil {
			t.Fatal(err)
		}
		if problems := p.Validate(s); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		if len(s.Associations) != 5 || len(s.Folders) != 1 || len(e.Authors[0].Institutions) != 2 || e.Title.String() != "x" {
			t.Errorf("%s: %d associations, %d folders", name, len(s.Associations), len(s.Folders))
		}
	}
}

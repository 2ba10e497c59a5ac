package metadatatest_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"image/png"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
)

func TestPatient(t *testing.T) {
	g := metadatatest.New(1)
	seen := map[string]bool{}
	for range 5000 {
		p := g.Patient()
		if !metadatatest.ValidFNR(p.FNR) {
			t.Fatalf("%s: control digits", p.FNR)
		}
		month, _ := strconv.Atoi(p.FNR[2:4])
		if month != int(p.Birth.Month())+80 || p.FNR[:2] != p.Birth.Format("02") || p.FNR[4:6] != p.Birth.Format("06") {
			t.Fatalf("%s: born %v", p.FNR, p.Birth)
		}
		series, _ := strconv.Atoi(p.FNR[6:9])
		if series%2 == 0 != p.Female || series >= 500 != (p.Birth.Year() >= 2000) {
			t.Fatalf("%s: born %v, female %v", p.FNR, p.Birth, p.Female)
		}
		if p.Birth.Year() < 1930 || p.Birth.Year() > 2025 {
			t.Fatalf("born %v", p.Birth)
		}
		if id, err := p.CX().Patient(); err != nil || id != p.ID() || p.CX() != p.ID().CX() {
			t.Fatalf("%v, %v", id, err)
		}
		seen[p.FNR] = true
	}
	if len(seen) < 4950 {
		t.Errorf("only %d different patients of 5000", len(seen))
	}
	for _, bad := range []string{"", "13116900217", "1311690021", "131169002166", "1311690021x"} {
		if metadatatest.ValidFNR(bad) {
			t.Errorf("%q", bad)
		}
	}
	if !metadatatest.ValidFNR("13116900216") { // NHN's published test patient
		t.Error("the control digits of a known number are wrong")
	}
}

func TestUnitsAndPersonnel(t *testing.T) {
	g := metadatatest.New(1)
	for _, k := range metadatatest.Kinds() {
		for range 20 {
			u := g.Unit(k)
			if !metadatatest.ValidOrgNr(u.OrgNr) || u.OrgNr[0] != '3' || len(u.RESH) != 7 {
				t.Fatalf("%+v", u)
			}
			xons := u.Institutions()
			first, err1 := xons[0].Parse()
			second, err2 := xons[1].Parse()
			if err1 != nil || err2 != nil || len(xons) != 2 || first.Authority.ID != metadatatest.OrgNr || first.ID != u.OrgNr || second.Authority.ID != metadatatest.RESH || second.ID != u.RESH {
				t.Fatalf("%v %v %v", xons, err1, err2)
			}
		}
	}
	for range 100 {
		p := g.Practitioner()
		if person, err := p.XCN().Parse(); err != nil || person.ID != p.HPR || person.Authority.ID != metadatatest.HPR || len(p.HPR) != 9 {
			t.Fatalf("%+v, %v", person, err)
		}
	}
	if metadatatest.ValidOrgNr("974760674") == metadatatest.ValidOrgNr("974760673") || metadatatest.ValidOrgNr("97476067") || metadatatest.ValidOrgNr("97476067x") {
		t.Error("organisation numbers")
	}
}

func TestSameSeedSameMaterial(t *testing.T) {
	make := func(seed uint64) []any {
		g := metadatatest.New(seed)
		var all []any
		p := g.Patient()
		for _, k := range metadatatest.Kinds() {
			all = append(all, g.Document(p, k))
		}
		return append(all, g.Metadata(p, 5))
	}
	if diff := cmp.Diff(make(3), make(3)); diff != "" {
		t.Error(diff)
	}
	if reflect.DeepEqual(make(3), make(4)) {
		t.Error("two seeds made the same")
	}
}

func TestEntriesAreNorwegian(t *testing.T) {
	g := metadatatest.New(2)
	p := g.Patient()
	for _, k := range metadatatest.Kinds() {
		d := g.Document(p, k)
		e := d.Entry
		sum := sha1.Sum(d.Bytes)
		if e.Hash != hex.EncodeToString(sum[:]) || e.Size != metadata.Octets(int64(len(d.Bytes))) {
			t.Errorf("%v: hash %s, size %v", k, e.Hash, e.Size)
		}
		schemes := map[string]bool{}
		for _, c := range e.Confidential {
			schemes[c.Scheme] = true
		}
		if len(e.Authors) != 1 || len(e.Authors[0].Institutions) != 2 || !schemes["2.16.840.1.113883.5.25"] || !schemes["2.16.578.1.12.4.1.1.9603"] ||
			e.Language != "nb-NO" || len(e.SourcePatientInfo) != 5 || len(e.ReferenceIDs) != 1 || !strings.HasPrefix(string(e.ReferenceIDs[0]), "2") {
			t.Errorf("%v: %+v", k, e)
		}
		from, err1 := e.ServiceStart.Time()
		to, err2 := e.ServiceStop.Time()
		made, err3 := e.CreationTime.Time()
		if errors.Join(err1, err2, err3) != nil || from.Before(p.Birth) || to.Before(from) || made.Before(to) || made.After(g.Now) {
			t.Errorf("%v: %v, %v, %v", k, from, to, made)
		}
		if !strings.HasPrefix(d.FileName(), strings.Split(k.String(), "-")[0]) {
			t.Errorf("%v is called %s", k, d.FileName())
		}
	}
}

func TestNewborn(t *testing.T) {
	g := metadatatest.New(1)
	p := g.Patient()
	p.Birth = g.Now.Add(-10 * 24 * time.Hour)
	for range 200 {
		e := g.Entry(p, metadatatest.Note)
		if from, err := e.ServiceStart.Time(); err != nil || from.Before(p.Birth) {
			t.Fatalf("%v, %v", from, err)
		}
	}
}

func TestSubmission(t *testing.T) {
	g := metadatatest.New(5)
	p := g.Patient()
	sub := g.Submission(p, g.Document(p, metadatatest.Note), g.Document(p, metadatatest.LabText))
	f := g.Folder(p, "Mappe")
	metadatatest.AddFolder(sub, f)
	member := metadatatest.AddToFolder(sub, f.ID, sub.Entries[0].ID)
	metadatatest.AddReference(sub, g.UUID().ID())
	metadatatest.Relate(sub, metadata.Replaces, sub.Entries[0].ID, g.UUID().ID())
	var kinds []string
	ids := map[metadata.ID]bool{}
	for _, a := range sub.Associations {
		if ids[a.ID] || a.ID.IsSymbolic() {
			t.Errorf("id %s", a.ID)
		}
		ids[a.ID] = true
		kinds = append(kinds, fmt.Sprint(a.Type[strings.LastIndex(string(a.Type), ":")+1:], a.Membership))
	}
	want := []string{"HasMember1", "HasMember1", "HasMember0", "HasMember0", "HasMember0", "HasMember2", "RPLC0"}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Error(diff)
	}
	if last := sub.Associations[4]; last.Source != sub.Set.ID || last.Target != member.ID {
		t.Errorf("the folder's member is not in the set: %+v", last)
	}
	if sub.Set.ContentType.Ref() != sub.Entries[0].TypeCode.Ref() || sub.Set.PatientID != p.CX() || len(sub.Set.Authors) != 1 {
		t.Errorf("%+v", sub.Set)
	}
	sub.Set.Authors[0].Roles[0] = "changed"
	if sub.Entries[0].Authors[0].Roles[0] == "changed" {
		t.Error("set and entry share an author")
	}
	if empty := g.Submission(p); len(empty.Entries) != 0 || empty.Set.UniqueID == "" {
		t.Errorf("%+v", empty)
	}
}

func TestXMLDocuments(t *testing.T) {
	for seed := range uint64(40) {
		g := metadatatest.New(seed)
		p := g.Patient()
		p.Family = `O'Hara & <Sønn> "Ltd"`
		for _, k := range []metadatatest.Kind{metadatatest.EpikriseCDA, metadatatest.LabXML, metadatatest.Referral} {
			d := g.Document(p, k)
			names := elements(t, d.Bytes)
			text := string(d.Bytes)
			if !strings.Contains(text, p.FNR) || !strings.Contains(text, "O'Hara &amp; &lt;Sønn&gt;") || strings.Contains(text, "%!") {
				t.Fatalf("%v:\n%s", k, text)
			}
			if k == metadatatest.EpikriseCDA {
				order(t, names, "typeId", "id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode", "recordTarget", "author", "custodian", "legalAuthenticator", "componentOf", "component")
			}
		}
	}
}

// elements are the names of the root's children; the document must be well
// formed and nothing but itself.
func elements(t *testing.T, b []byte) []string {
	t.Helper()
	dec := xml.NewDecoder(bytes.NewReader(b))
	var names []string
	depth := 0
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, b)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth == 1 {
				names = append(names, token.Name.Local)
			}
			depth++
		case xml.EndElement:
			depth--
		}
	}
}

func order(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("order of elements: %s", diff)
	}
}

// A reader finds every object of the file where the table says it is.
func TestPDF(t *testing.T) {
	for seed := range uint64(40) {
		g := metadatatest.New(seed)
		b := g.Document(g.Patient(), metadatatest.EpikrisePDF).Bytes
		if !bytes.HasPrefix(b, []byte("%PDF-1.4\n")) || !bytes.HasSuffix(b, []byte("%%EOF\n")) {
			t.Fatalf("%q", b)
		}
		at := regexp.MustCompile(`startxref\n(\d+)\n`).FindSubmatch(b)
		start, err := strconv.Atoi(string(at[1]))
		if err != nil || !bytes.HasPrefix(b[start:], []byte("xref\n0 8\n0000000000 65535 f \n")) {
			t.Fatalf("startxref %s", at[1])
		}
		rows := bytes.Split(b[start:], []byte("\n"))[3:10]
		for i, row := range rows {
			offset, err := strconv.Atoi(string(row[:10]))
			if err != nil || len(row) != 19 || !bytes.HasPrefix(b[offset:], fmt.Appendf(nil, "%d 0 obj\n", i+1)) {
				t.Fatalf("object %d: %q, %v", i+1, row, err)
			}
		}
		stream := regexp.MustCompile(`(?s)<< /Length (\d+) >>\nstream\n(.*?)\nendstream`).FindSubmatch(b)
		if n, err := strconv.Atoi(string(stream[1])); err != nil || n != len(stream[2]) || !bytes.Contains(stream[2], []byte("(Diagnose) Tj")) {
			t.Fatalf("stream of %d octets says %s", len(stream[2]), stream[1])
		}
		if lines := bytes.Count(stream[2], []byte("T*")); lines > 55 {
			t.Errorf("%d lines do not fit the page", lines)
		}
		if bytes.Contains(stream[2], []byte("?")) {
			t.Errorf("a letter is lost: %s", stream[2])
		}
	}
}

func TestPNG(t *testing.T) {
	g := metadatatest.New(1)
	d := g.Document(g.Patient(), metadatatest.XRay)
	img, err := png.Decode(bytes.NewReader(d.Bytes))
	if err != nil || img.Bounds().Dx() != 480 || img.Bounds().Dy() != 560 {
		t.Fatal(err, img.Bounds())
	}
	greys := map[uint32]bool{}
	for x := range 480 {
		grey, _, _, _ := img.At(x, 280).RGBA()
		greys[grey] = true
	}
	if len(greys) < 60 {
		t.Errorf("only %d greys in the middle row", len(greys))
	}
}

func TestPlainText(t *testing.T) {
	g := metadatatest.New(1)
	for _, k := range []metadatatest.Kind{metadatatest.Note, metadatatest.LabText} {
		b := g.Document(g.Patient(), k).Bytes
		if !utf8.Valid(b) || len(b) < 400 || bytes.Contains(b, []byte("%!")) {
			t.Errorf("%v: %q", k, b)
		}
	}
}

func BenchmarkMetadata(b *testing.B) {
	g := metadatatest.New(1)
	p := g.Patient()
	b.ReportAllocs()
	for b.Loop() {
		g.Metadata(p, 1)
	}
}

func BenchmarkDocument(b *testing.B) {
	for _, k := range metadatatest.Kinds() {
		b.Run(k.String(), func(b *testing.B) {
			g := metadatatest.New(1)
			p := g.Patient()
			for b.Loop() {
				g.Document(p, k)
			}
		})
	}
}

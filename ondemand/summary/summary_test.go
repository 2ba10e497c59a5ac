package summary_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ledongthuc/pdf"

	"samdok/metadata"
	"samdok/metadata/metadatatest"
	"samdok/metadata/profile"
	"samdok/ondemand"
	"samdok/ondemand/summary"
)

var norway = sync.OnceValues(func() (*profile.Profile, error) { return profile.Load("norway") })

func options(t testing.TB) summary.Options {
	t.Helper()
	p, err := norway()
	if err != nil {
		t.Fatal(err)
	}
	return summary.Options{Label: p.Label, Zone: p.Zone()}
}

var made = time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC) // 2 July in Oslo

// input is a summary of n documents of a made-up patient.
func input(n int) *ondemand.Input {
	g := metadatatest.New(3)
	g.RepositoryID = "1.2.3.4"
	p := g.Patient()
	e := g.Entry(p, metadatatest.EpikriseCDA)
	e.Kind, e.CreationTime, e.Hash, e.Size = metadata.OnDemand, "", "", metadata.Size{}
	e.Title, e.Language = nil, "nb-NO"
	e.SourcePatientInfo = []string{`PID-5|BLÅBÆR-ØRRET^Åse\T\^Øy^^^^L`, "PID-7|19800101", "PID-8|F"}
	in := &ondemand.Input{Entry: e, UniqueID: "2.25.123456789", Made: made, Repository: "1.2.3.4"}
	kinds := metadatatest.Kinds()
	for i := range n {
		d := g.Entry(p, kinds[i%len(kinds)])
		d.CreationTime = metadata.FormatDTM(made.Add(-time.Duration(i) * time.Hour))
		in.Documents = append(in.Documents, ondemand.Describe(d))
	}
	return in
}

func generate(t testing.TB, g ondemand.Generator, in *ondemand.Input) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := g.Generate(t.Context(), &b, in); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// node is an element of the CDA.
type node struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Nodes   []node     `xml:",any"`
	Text    string     `xml:",chardata"`
}

func (n *node) names() (list []string) {
	for _, c := range n.Nodes {
		list = append(list, c.XMLName.Local)
	}
	return list
}

func (n *node) at(path ...string) *node {
	for _, name := range path {
		i := slices.IndexFunc(n.Nodes, func(c node) bool { return c.XMLName.Local == name })
		if i < 0 {
			return &node{}
		}
		n = &n.Nodes[i]
	}
	return n
}

func (n *node) attr(name string) string {
	for _, a := range n.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func (n *node) all(name string) (list []*node) {
	for i := range n.Nodes {
		if n.Nodes[i].XMLName.Local == name {
			list = append(list, &n.Nodes[i])
		}
		list = append(list, n.Nodes[i].all(name)...)
	}
	return list
}

func parse(t testing.TB, b []byte) *node {
	t.Helper()
	var n node
	d := xml.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&n); err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	if _, err := d.Token(); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return &n
}

// order is the order of the schema (CDA R2, POCD_MT000040) of the elements that we
// write, by their parent.
var order = map[string][]string{
	"ClinicalDocument":                 {"typeId", "id", "code", "title", "effectiveTime", "confidentialityCode", "languageCode", "recordTarget", "author", "custodian", "component"},
	"patientRole":                      {"id", "patient"},
	"patient":                          {"name", "administrativeGenderCode", "birthTime"},
	"author":                           {"time", "assignedAuthor"},
	"assignedAuthor":                   {"id", "assignedAuthoringDevice"},
	"assignedCustodian":                {"representedCustodianOrganization"},
	"representedCustodianOrganization": {"id", "name"},
	"section":                          {"title", "text"},
	"table":                            {"thead", "tbody"},
}

func checkOrder(t *testing.T, n *node) {
	t.Helper()
	if want, ok := order[n.XMLName.Local]; ok && !slices.Equal(n.names(), want) {
		t.Errorf("%s holds %v, want %v", n.XMLName.Local, n.names(), want)
	}
	if n.XMLName.Space != "urn:hl7-org:v3" {
		t.Errorf("%s is in the namespace %q", n.XMLName.Local, n.XMLName.Space)
	}
	for i := range n.Nodes {
		checkOrder(t, &n.Nodes[i])
	}
}

func TestCDA(t *testing.T) {
	in := input(20)
	in.Documents[4].Confidential = "R"
	doc := parse(t, generate(t, summary.CDA{Options: options(t)}, in))
	checkOrder(t, doc)
	for what, c := range map[string][2]string{
		"id":              {doc.at("id").attr("root"), in.UniqueID},
		"code":            {doc.at("code").attr("code"), in.Entry.TypeCode.Value},
		"title":           {doc.at("title").Text, "Pasientsammendrag"},
		"effectiveTime":   {doc.at("effectiveTime").attr("value"), "20260701223000+0000"},
		"confidentiality": {doc.at("confidentialityCode").attr("code"), "R"},
		"language":        {doc.at("languageCode").attr("code"), "nb-NO"},
		"given":           {doc.at("recordTarget", "patientRole", "patient", "name", "given").Text, "Åse&"},
		"family":          {doc.at("recordTarget", "patientRole", "patient", "name", "family").Text, "BLÅBÆR-ØRRET"},
		"born":            {doc.at("recordTarget", "patientRole", "patient", "birthTime").attr("value"), "19800101"},
		"device":          {doc.at("author", "assignedAuthor", "assignedAuthoringDevice", "softwareName").Text, "samdok"},
	} {
		if c[0] != c[1] {
			t.Errorf("%s is %q, want %q", what, c[0], c[1])
		}
	}
	id, _ := in.Entry.PatientID.Patient()
	if p := doc.at("recordTarget", "patientRole", "id"); p.attr("root") != id.Authority || p.attr("extension") != id.ID {
		t.Errorf("the patient is %v", p.Attrs)
	}
	if doc.at("custodian", "assignedCustodian", "representedCustodianOrganization", "name").Text == "" {
		t.Error("the custodian has no name")
	}
	rows := 0
	for _, body := range doc.all("tbody") {
		last := ""
		for _, r := range body.Nodes {
			rows++
			if len(r.Nodes) != 5 || r.Nodes[2].Text == "" || r.Nodes[3].Text == "" || r.Nodes[4].Text == "" {
				t.Errorf("the row %v", r)
			}
			at, err := time.Parse("02.01.2006 15:04", r.Nodes[0].Text)
			if err != nil {
				t.Fatal(err)
			}
			if this := at.Format("200601021504"); last != "" && this > last {
				t.Errorf("%s comes after %s", this, last)
			} else {
				last = this
			}
		}
	}
	if rows != len(in.Documents) {
		t.Errorf("%d rows for %d documents", rows, len(in.Documents))
	}
	var titles []string
	for _, s := range doc.all("section") {
		titles = append(titles, s.at("title").Text)
	}
	if !slices.IsSorted(titles) || !slices.Contains(titles, "Epikriser og sammenfatninger") {
		t.Errorf("sections %q", titles)
	}
	if !slices.ContainsFunc(doc.all("td"), func(n *node) bool { return n.Text == "02.07.2026 00:30" }) {
		t.Error("times are not Norwegian")
	}
}

func TestEnglish(t *testing.T) {
	in := input(3)
	in.Entry.Language = "en-US"
	doc := parse(t, generate(t, summary.CDA{Options: options(t)}, in))
	if doc.at("title").Text != "Patient summary" || doc.at("languageCode").attr("code") != "en-GB" || doc.all("th")[0].Text != "Created" {
		t.Errorf("%s %v", doc.at("title").Text, doc.all("th")[0])
	}
	in.Entry.Title = metadata.NewText("My own title")
	if doc := parse(t, generate(t, summary.CDA{Options: options(t)}, in)); doc.at("title").Text != "My own title" {
		t.Error("the entry's title is not used")
	}
}

func TestNothing(t *testing.T) {
	in := input(0)
	in.Entry.SourcePatientInfo, in.Entry.Authors = nil, nil
	doc := parse(t, generate(t, summary.CDA{Options: options(t)}, in))
	if p := doc.all("paragraph"); len(p) != 1 || !strings.HasPrefix(p[0].Text, "Det er ingen dokumenter") {
		t.Errorf("%v", p)
	}
	if doc.at("recordTarget", "patientRole", "patient", "name").attr("nullFlavor") != "UNK" || doc.at("custodian", "assignedCustodian", "representedCustodianOrganization", "id").attr("root") != "1.2.3.4" {
		t.Error("what is unknown is not said to be")
	}
	if text := textOf(t, generate(t, summary.PDF{Options: options(t)}, in)); !strings.Contains(text, "Det er ingen dokumenter") || !strings.Contains(text, "Navn ikke oppgitt") {
		t.Errorf("%s", text)
	}
}

// textOf reads a PDF back with another library.
func textOf(t testing.TB, b []byte) string {
	t.Helper()
	r, err := pdf.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for i := 1; i <= r.NumPage(); i++ {
		text, err := r.Page(i).GetPlainText(nil)
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(text + "\n")
	}
	return all.String()
}

func TestPDF(t *testing.T) {
	in := input(60)
	in.Documents[7].Title = "Blåbærsyltetøy på ØRE, ÆRE og ÅRE"
	b := generate(t, summary.PDF{Options: options(t)}, in)
	text := strings.Join(strings.Fields(textOf(t, b)), " ")
	for _, want := range []string{"Pasientsammendrag", "Åse& Øy BLÅBÆR-ØRRET", "Født: 01.01.1980", "Laget 02.07.2026 00:30 av samdok",
		"Dokumenter som kan vises: 60", "Epikriser og sammenfatninger", "Virksomhet", "Side 1", "Side 2", in.UniqueID} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	for _, word := range []string{"Blåbærsyltetøy", "ØRE,", "ÆRE", "ÅRE"} { // may stand on several lines
		if !strings.Contains(text, word) {
			t.Errorf("the text lacks %q", word)
		}
	}
	for _, raw := range []string{"/Lang (nb-NO)", "/Outlines", "/FontFile2", "/Title"} {
		if !bytes.Contains(b, []byte(raw)) {
			t.Errorf("the file has no %s", raw)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

// Equal input makes equal bytes: a snapshot is what was shown.
func TestSameAgain(t *testing.T) {
	for _, g := range generators(t) {
		a, b := generate(t, g, input(30)), generate(t, g, input(30))
		if !bytes.Equal(a, b) {
			t.Errorf("%s differs", g.Name())
		}
		later := input(30)
		later.Made = made.Add(time.Minute)
		if bytes.Equal(a, generate(t, g, later)) {
			t.Errorf("%s does not tell when it was made", g.Name())
		}
	}
}

func generators(t testing.TB) []ondemand.Generator {
	return []ondemand.Generator{summary.CDA{Options: options(t)}, summary.PDF{Options: options(t)}}
}

// The memory that 10,000 documents take is bounded, in and beside the list.
func TestMemory(t *testing.T) {
	in := input(10_000)
	for _, g := range generators(t) {
		runtime.GC()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		peak := before.HeapAlloc
		n := int64(0)
		w := writerFunc(func(p []byte) (int, error) {
			if n += int64(len(p)); n%(1<<20) < int64(len(p)) {
				runtime.ReadMemStats(&after)
				peak = max(peak, after.HeapAlloc)
			}
			return len(p), nil
		})
		if err := g.Generate(t.Context(), w, in); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		peak = max(peak, after.HeapAlloc)
		t.Logf("%s: %d KiB written, %d MiB more in the heap", g.Name(), n>>10, (peak-before.HeapAlloc)>>20)
		if peak-before.HeapAlloc > 128<<20 {
			t.Errorf("%s takes %d MiB", g.Name(), (peak-before.HeapAlloc)>>20)
		}
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func FuzzSummary(f *testing.F) {
	f.Add("Blåbær", "Kari", "A00-1", "20260102", "PID-5|A^B")
	f.Add("\x00\x1b[2J\xff", "<script>]]>&", "\u202e", "x", `PID-5|\F\~&^\X0D\`)
	f.Add(strings.Repeat("W", 5000), "\U0001F600 مرحبا", "", "2026", "PID-5|^^^|")
	f.Fuzz(func(t *testing.T, title, author, code, created, info string) {
		in := input(2)
		in.Entry.Title, in.Entry.SourcePatientInfo = metadata.NewText(title), []string{info, "PID-7|" + created, "PID-8|" + code}
		d := &in.Documents[0]
		d.Title, d.Author, d.Institution, d.Created, d.ServiceStart = title, author, author, metadata.DTM(created), metadata.DTM(created)
		d.Class = metadata.Code{Value: code, Scheme: author, Display: metadata.NewText(title)}
		doc := parse(t, generate(t, summary.CDA{Options: options(t)}, in))
		checkOrder(t, doc)
		if rows := len(doc.all("tr")); rows != 2+len(doc.all("table")) {
			t.Errorf("%d rows", rows)
		}
		b := generate(t, summary.PDF{Options: options(t)}, in)
		if _, err := pdf.NewReader(bytes.NewReader(b), int64(len(b))); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkSummary(b *testing.B) {
	for _, n := range []int{50, 1000} {
		in := input(n)
		for _, g := range generators(b) {
			b.Run(fmt.Sprintf("%s/%d", g.Name(), n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := g.Generate(b.Context(), io.Discard, in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

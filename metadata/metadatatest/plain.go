package metadatatest

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// head is how every document for people begins.
func head(s *story) []string {
	return []string{
		s.unit.Organisation,
		s.unit.Department,
		"",
		"Pasient: " + s.patient.Given + " " + s.patient.Family + ", født " + s.patient.Birth.Format("02.01.2006"),
		"Adresse: " + s.patient.Street + ", " + s.patient.PostCode + " " + s.patient.City,
		"Dato: " + date(s.entry.CreationTime),
		"",
	}
}

// labText is a laboratory answer as a text table.
func (g *Gen) labText(s *story) []byte {
	var b strings.Builder
	for _, line := range head(s) {
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "SVAR PÅ BLODPRØVER, rekvisisjon %s\n\n", s.reference)
	row := func(cells ...string) {
		for i, width := range []int{18, 10, 10, 14, 1} {
			b.WriteString(cells[i])
			b.WriteString(strings.Repeat(" ", max(0, width-utf8.RuneCountInString(cells[i]))))
		}
		b.WriteByte('\n')
	}
	row("Analyse", "Resultat", "Enhet", "Referanse", "")
	for _, r := range g.results() {
		row(r.name, r.show(r.value), r.unit, r.show(r.low)+"–"+r.show(r.high), r.flag)
	}
	fmt.Fprintf(&b, "\nGodkjent av %s %s\n", s.author.Given, s.author.Family)
	return []byte(b.String())
}

// note is a progress note in plain text.
func (g *Gen) note(s *story) []byte {
	var b strings.Builder
	for _, line := range head(s) {
		b.WriteString(line + "\n")
	}
	b.WriteString("JOURNALNOTAT\n")
	for _, part := range chapters(g.course(s)) {
		b.WriteString("\n" + part.title + "\n")
		for _, line := range part.lines {
			b.WriteString("  " + line + "\n")
		}
	}
	fmt.Fprintf(&b, "\n%s %s, lege\n", s.author.Given, s.author.Family)
	return []byte(b.String())
}

type chapter struct {
	title string
	lines []string
}

func chapters(c course) []chapter {
	var medicines []string
	for _, m := range c.medicines {
		medicines = append(medicines, m[0]+": "+m[1])
	}
	return []chapter{
		{"Aktuelt", []string{c.reason}},
		{"Tidligere sykdommer", c.history},
		{"Funn", c.status},
		{"Forløp og behandling", c.treatment},
		{"Diagnose", []string{c.icd + " " + c.diagnosis}},
		{"Legemidler", medicines},
		{"Videre oppfølging", c.plan},
	}
}

// wrap breaks a line at blanks so that it has at most width characters.
func wrap(s string, width int) []string {
	var lines []string
	line, n := "", 0
	for _, word := range strings.Fields(s) {
		w := utf8.RuneCountInString(word)
		if n > 0 && n+1+w > width {
			lines = append(lines, line)
			line, n = "", 0
		}
		if n > 0 {
			line, n = line+" ", n+1
		}
		line, n = line+word, n+w
	}
	return append(lines, line)
}

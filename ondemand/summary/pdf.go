package summary

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"

	"samdok/metadata"
	"samdok/ondemand"
)

// PDF makes summaries for people to read and print: A4, an embedded font, the
// language and the title set, a bookmark for each class. It is not tagged: the
// library writes no structure tree.
type PDF struct{ Options }

// Name implements ondemand.Generator.
func (PDF) Name() string { return "summary-pdf/" + version }

// Millimetres.
const (
	margin     = 15.0
	lineHeight = 4.6
	foot       = 18.0
)

// columns of a section's table; the page is 180 mm wide between its margins.
var columns = [...]float64{26, 30, 58, 34, 32}

// Generate implements ondemand.Generator.
func (g PDF) Generate(ctx context.Context, w io.Writer, in *ondemand.Input) error {
	p := g.compose(in)
	d := &sheet{Fpdf: fpdf.New("P", "mm", "A4", ""), page: p}
	d.SetCatalogSort(true) // equal input, equal bytes
	d.SetCreationDate(in.Made.UTC())
	d.SetModificationDate(in.Made.UTC())
	d.SetLang(p.words.tag)
	d.SetTitle(printable(p.title), true)
	d.SetAuthor("samdok", true)
	d.SetSubject(in.UniqueID, true)
	d.AddUTF8FontFromBytes("go", "", goregular.TTF)
	d.AddUTF8FontFromBytes("go", "B", gobold.TTF)
	d.SetMargins(margin, margin, margin)
	d.SetAutoPageBreak(false, foot) // rows are kept whole
	d.SetFooterFunc(func() { d.footer(in.UniqueID) })
	d.AddPage()
	d.head(g.when(metadata.FormatDTM(in.Made)), g.when(p.patient.born))
	for _, s := range p.sections {
		if err := ctx.Err(); err != nil {
			return err
		}
		d.section(s)
	}
	if err := d.Error(); err != nil {
		return fmt.Errorf("summary: %w", err)
	}
	return d.Output(w)
}

// sheet is a document under way.
type sheet struct {
	*fpdf.Fpdf
	page *page
}

func (d *sheet) line(style string, size float64, text string) {
	d.SetFont("go", style, size)
	d.MultiCell(0, size*0.5, printable(text), "", "L", false)
}

// head is whose summary it is.
func (d *sheet) head(made, born string) {
	w, p := d.page.words, d.page.patient
	d.line("B", 16, d.page.title)
	d.Ln(2)
	name := p.name()
	if name == "" {
		name = w.unnamed
	}
	d.line("", 10, w.patient+": "+name)
	if born != "" {
		d.line("", 10, w.born+": "+born)
	}
	d.line("", 10, w.id+": "+p.id)
	d.line("", 10, w.made+" "+made+" "+w.by)
	d.line("", 10, w.count+": "+strconv.Itoa(d.page.total))
	if d.page.total == 0 {
		d.Ln(4)
		d.line("", 10, w.none)
	}
}

func (d *sheet) footer(id string) {
	d.SetY(-foot + 6)
	d.SetFont("go", "", 8)
	d.CellFormat(120, 4, printable(id), "", 0, "L", false, 0, "")
	d.CellFormat(60, 4, d.page.words.page+" "+strconv.Itoa(d.PageNo()), "", 0, "R", false, 0, "")
}

// room begins a page when less than mm are left; it tells whether it did.
func (d *sheet) room(mm float64) bool {
	_, height := d.GetPageSize()
	if d.GetY()+mm <= height-foot {
		return false
	}
	d.AddPage()
	return true
}

func (d *sheet) section(s section) {
	d.Ln(5)
	d.room(30) // a heading is followed by at least one row
	d.Bookmark(printable(s.title), 0, -1)
	d.line("B", 12, s.title)
	d.Ln(1)
	d.heads()
	for i := range s.rows {
		d.row(&s.rows[i])
	}
}

func (d *sheet) heads() {
	w := d.page.words
	d.cells("B", []string{w.created, w.service, w.document, w.author, w.institution})
}

func (d *sheet) row(r *row) {
	cells := []string{r.created, r.service, r.document(), r.author, r.institution}
	d.cells("", cells)
}

// maxLines bounds one cell: a text of a stranger cannot fill pages.
const maxLines = 12

// cells writes one row of the table. It is kept on one page, and a page that it
// begins repeats the heads.
func (d *sheet) cells(style string, texts []string) {
	d.SetFont("go", style, 8.5)
	lines := make([][]string, len(texts))
	most := 1
	for i, text := range texts {
		lines[i] = d.SplitText(printable(text), columns[i]-3)
		if len(lines[i]) > maxLines {
			lines[i] = append(lines[i][:maxLines], "...")
		}
		most = max(most, len(lines[i]))
	}
	if d.room(float64(most)*lineHeight+1) && style == "" {
		d.heads()
		d.SetFont("go", style, 8.5)
	}
	x, y := margin, d.GetY()
	d.SetLineWidth(0.1)
	d.Line(margin, y, margin+180, y)
	for i := range lines {
		for n, text := range lines[i] {
			d.SetXY(x, y+0.5+float64(n)*lineHeight)
			d.CellFormat(columns[i], lineHeight, text, "", 0, "L", false, 0, "")
		}
		x += columns[i]
	}
	d.SetXY(margin, y+float64(most)*lineHeight+1)
}

// printable replaces what the font's tables cannot address and what would not be
// seen.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r' || r == '\u00a0':
			return ' '
		case r < ' ' || r >= 0x7f && r < 0xa0 || r > 0xffff || r == '\ufffd':
			return '?'
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}

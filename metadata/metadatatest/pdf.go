package metadatatest

import (
	"bytes"
	"encoding/hex"
	"fmt"
)

// pdf is a discharge summary on one A4 page, PDF 1.4 with standard fonts.
func (g *Gen) pdf(s *story) []byte {
	id := g.UUID()
	p := &pdfFile{}
	p.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	p.object("<< /Type /Catalog /Pages 2 0 R /Lang (nb-NO) >>")
	p.object("<< /Type /Pages /Kids [3 0 R] /Count 1 >>")
	p.object("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 6 0 R /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>")
	p.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
	p.object("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>")
	page := pdfPage(s, g.course(s))
	p.object(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(page), page))
	p.object(fmt.Sprintf("<< /Title %s /Producer (samdok test data) /CreationDate (D:%sZ) >>", pdfString("Epikrise"), s.entry.CreationTime))
	return p.close(hex.EncodeToString(id[:]))
}

// pdfFile collects objects, numbered from 1, and where they begin.
type pdfFile struct {
	bytes.Buffer
	offsets []int
}

func (p *pdfFile) object(body string) {
	p.offsets = append(p.offsets, p.Len())
	fmt.Fprintf(p, "%d 0 obj\n%s\nendobj\n", len(p.offsets), body)
}

// close writes the table of offsets. The information dictionary is the last
// object, the catalog the first.
func (p *pdfFile) close(id string) []byte {
	start, n := p.Len(), len(p.offsets)
	fmt.Fprintf(p, "xref\n0 %d\n0000000000 65535 f \n", n+1)
	for _, offset := range p.offsets {
		fmt.Fprintf(p, "%010d 00000 n \n", offset)
	}
	fmt.Fprintf(p, "trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R /ID [<%s> <%s>] >>\nstartxref\n%d\n%%%%EOF\n", n+1, n, id, id, start)
	return p.Bytes()
}

// pdfPage is the content stream: 10 point text from the top, 13 points apart.
func pdfPage(s *story, c course) []byte {
	var b bytes.Buffer
	b.WriteString("BT\n/F2 16 Tf\n56 780 Td\n")
	fmt.Fprintf(&b, "%s Tj\n/F1 10 Tf\n0 -22 Td\n13 TL\n", pdfString("Epikrise"))
	line := func(text string) { fmt.Fprintf(&b, "%s Tj T*\n", pdfString(text)) }
	for _, text := range head(s) {
		line(text)
	}
	for _, part := range chapters(c) {
		fmt.Fprintf(&b, "/F2 10 Tf\n%s Tj T*\n/F1 10 Tf\n", pdfString(part.title))
		for _, text := range part.lines {
			for _, piece := range wrap(text, 95) {
				line(piece)
			}
		}
		line("")
	}
	line("Med vennlig hilsen")
	line(s.author.Given + " " + s.author.Family + ", lege, HPR-nr. " + s.author.HPR)
	b.WriteString("ET")
	return b.Bytes()
}

// pdfString is a literal string in WinAnsiEncoding; letters it does not have
// become question marks.
func pdfString(s string) string {
	b := []byte{'('}
	for _, r := range s {
		switch {
		case r == '(' || r == ')' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '–':
			b = append(b, `\226`...)
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r > 0xff:
			b = append(b, '?')
		case r < 0x7f:
			b = append(b, byte(r))
		default:
			b = fmt.Appendf(b, `\%03o`, r)
		}
	}
	return string(append(b, ')'))
}

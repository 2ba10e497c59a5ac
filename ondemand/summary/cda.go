package summary

import (
	"bufio"
	"context"
	"encoding/xml"
	"io"
	"time"

	"samdok/metadata"
	"samdok/ondemand"
)

// CDA makes summaries as HL7 CDA R2, level 1.
type CDA struct{ Options }

// Name implements ondemand.Generator.
func (CDA) Name() string { return "summary-cda/" + version }

// Generate implements ondemand.Generator. The header's elements stand in the order
// of the schema (POCD_MT000040: typeId, id, code, title, effectiveTime,
// confidentialityCode, languageCode, recordTarget, author, custodian, component).
func (g CDA) Generate(ctx context.Context, w io.Writer, in *ondemand.Input) error {
	p := g.compose(in)
	x := &writer{Writer: bufio.NewWriterSize(w, 16<<10)}
	x.raw(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	x.raw(`<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" classCode="DOCCLIN" moodCode="EVN">`)
	x.raw(`<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>`)
	x.identifier("id", in.UniqueID)
	x.code("code", in.Entry.TypeCode, g.Label(in.Entry.TypeCode, p.lang))
	x.text("title", p.title)
	x.empty("effectiveTime", "value", stamp(in.Made))
	x.empty("confidentialityCode", "code", p.highest, "codeSystem", "2.16.840.1.113883.5.25")
	x.empty("languageCode", "code", p.words.tag)
	x.patient(p.patient)
	x.author(in)
	x.custodian(in)
	x.raw(`<component><structuredBody>`)
	if p.total == 0 {
		x.section(p, section{title: p.words.count}, true)
	}
	for _, s := range p.sections {
		if err := ctx.Err(); err != nil {
			return err
		}
		x.section(p, s, false)
	}
	x.raw("</structuredBody></component></ClinicalDocument>\n")
	return x.Flush() // a bufio.Writer keeps its first error
}

// stamp is an HL7 time stamp with seconds, in UTC.
func stamp(t time.Time) string { return t.UTC().Format("20060102150405") + "+0000" }

// writer writes XML. Names are ours, values are strangers'.
type writer struct{ *bufio.Writer }

func (x *writer) raw(s string) { x.WriteString(s) }

// escaped replaces what XML cannot hold with U+FFFD.
func (x *writer) escaped(s string) { xml.EscapeText(x, []byte(s)) }

func (x *writer) text(name, value string) {
	x.raw("<" + name + ">")
	x.escaped(value)
	x.raw("</" + name + ">")
}

// empty writes an element of attributes only, those that have a value.
func (x *writer) empty(name string, attributes ...string) {
	x.raw("<" + name)
	for i := 0; i+1 < len(attributes); i += 2 {
		if attributes[i+1] != "" {
			x.raw(" " + attributes[i] + `="`)
			x.escaped(attributes[i+1])
			x.raw(`"`)
		}
	}
	x.raw("/>")
}

// identifier writes an II. Only an OID can be its root.
func (x *writer) identifier(name, id string) {
	if metadata.ValidOID(id) {
		x.empty(name, "root", id)
		return
	}
	x.empty(name, "nullFlavor", "UNK")
}

func (x *writer) code(name string, c metadata.Code, label string) {
	if system := metadata.BareOID(c.Scheme); metadata.ValidOID(system) {
		x.empty(name, "code", c.Value, "codeSystem", system, "displayName", label)
		return
	}
	x.empty(name, "nullFlavor", "OTH", "displayName", label)
}

func (x *writer) patient(p patient) {
	x.raw(`<recordTarget><patientRole>`)
	if metadata.ValidOID(p.authority) {
		x.empty("id", "root", p.authority, "extension", p.id)
	} else {
		x.empty("id", "nullFlavor", "UNK")
	}
	x.raw(`<patient>`)
	if len(p.given)+len(p.family) == 0 {
		x.raw(`<name nullFlavor="UNK"/>`)
	} else {
		x.raw(`<name>`)
		for _, v := range p.given {
			x.text("given", v)
		}
		for _, v := range p.family {
			x.text("family", v)
		}
		x.raw(`</name>`)
	}
	switch p.sex {
	case "M", "F":
		x.empty("administrativeGenderCode", "code", p.sex, "codeSystem", "2.16.840.1.113883.5.1")
	default:
		x.raw(`<administrativeGenderCode nullFlavor="UNK"/>`)
	}
	if p.born != "" {
		x.empty("birthTime", "value", string(p.born))
	} else {
		x.raw(`<birthTime nullFlavor="UNK"/>`)
	}
	x.raw(`</patient></patientRole></recordTarget>`)
}

// author is this software: nobody has written or approved the summary.
func (x *writer) author(in *ondemand.Input) {
	x.raw(`<author>`)
	x.empty("time", "value", stamp(in.Made))
	x.raw(`<assignedAuthor>`)
	x.identifier("id", in.Repository)
	x.raw(`<assignedAuthoringDevice><softwareName>samdok</softwareName></assignedAuthoringDevice></assignedAuthor></author>`)
}

// custodian is who registered the on-demand entry, else the repository alone.
func (x *writer) custodian(in *ondemand.Input) {
	x.raw(`<custodian><assignedCustodian><representedCustodianOrganization>`)
	var o metadata.Organization
	for _, a := range in.Entry.Authors {
		for _, i := range a.Institutions {
			if parsed, err := i.Parse(); err == nil && o.Name == "" {
				o = parsed
			}
		}
	}
	switch {
	case o.ID != "" && metadata.ValidOID(o.Authority.ID):
		x.empty("id", "root", o.Authority.ID, "extension", o.ID)
	case metadata.ValidOID(o.ID):
		x.empty("id", "root", o.ID)
	default:
		x.identifier("id", in.Repository)
	}
	if o.Name != "" {
		x.text("name", o.Name)
	}
	x.raw(`</representedCustodianOrganization></assignedCustodian></custodian>`)
}

// section writes a title and a table.
func (x *writer) section(p *page, s section, none bool) {
	x.raw(`<component><section>`)
	x.text("title", s.title)
	x.raw(`<text>`)
	if none {
		x.text("paragraph", p.words.none)
	} else {
		x.raw(`<table><thead><tr>`)
		w := p.words
		for _, head := range []string{w.created, w.service, w.document, w.author, w.institution} {
			x.text("th", head)
		}
		x.raw(`</tr></thead><tbody>`)
		for i := range s.rows {
			r := &s.rows[i]
			x.raw(`<tr>`)
			for _, cell := range []string{r.created, r.service, r.document(), r.author, r.institution} {
				x.text("td", cell)
			}
			x.raw(`</tr>`)
		}
		x.raw(`</tbody></table>`)
	}
	x.raw(`</text></section></component>`)
}

// document is the title, with the kind when the title does not say it.
func (r *row) document() string {
	if r.kind == "" || r.title == r.kind {
		return r.title
	}
	return r.title + " (" + r.kind + ")"
}

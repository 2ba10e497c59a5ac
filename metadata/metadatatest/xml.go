package metadatatest

import (
	"fmt"
	"strconv"
	"strings"

	"samdok/metadata"
)

// xmlText writes XML with little ceremony: tag names come from the code here,
// values are escaped.
type xmlText struct{ strings.Builder }

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// put writes format with every argument escaped.
func (x *xmlText) put(format string, args ...string) {
	escaped := make([]any, len(args))
	for i, a := range args {
		escaped[i] = xmlEscaper.Replace(a)
	}
	fmt.Fprintf(x, format, escaped...)
	x.WriteByte('\n')
}

func (x *xmlText) list(items []string) {
	x.put(`<list listType="unordered">`)
	for _, item := range items {
		x.put(`<item>%s</item>`, item)
	}
	x.put(`</list>`)
}

func (x *xmlText) paragraphs(items []string) {
	for _, item := range items {
		x.put(`<paragraph>%s</paragraph>`, item)
	}
}

// section is a CDA section; text writes its narrative.
func (x *xmlText) section(code, title string, text func()) {
	x.put(`<component><section>`)
	x.put(`<code code="%s" codeSystem="2.16.840.1.113883.6.1" codeSystemName="LOINC"/>`, code)
	x.put(`<title>%s</title>`, title)
	x.put(`<text>`)
	text()
	x.put(`</text>`)
	x.put(`</section></component>`)
}

// cda is a discharge summary as CDA R2 with a structured body.
func (g *Gen) cda(s *story) []byte {
	c := g.course(s)
	x := &xmlText{}
	x.put(`<?xml version="1.0" encoding="UTF-8"?>`)
	x.put(`<ClinicalDocument xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">`)
	x.cdaHeader(s)
	x.put(`<component><structuredBody>`)
	x.section("29299-5", "Årsak til innleggelsen", func() { x.paragraphs([]string{c.reason}) })
	x.section("11348-0", "Tidligere sykdommer", func() { x.paragraphs(c.history) })
	x.section("29545-1", "Funn", func() { x.paragraphs(c.status) })
	x.section("8648-8", "Forløp og behandling", func() { x.paragraphs(c.treatment) })
	x.section("11535-2", "Diagnose", func() { x.paragraphs([]string{c.icd + " " + c.diagnosis}) })
	x.section("30954-2", "Prøvesvar", func() { x.resultTable(g.results()) })
	x.section("10183-2", "Legemidler ved utskrivning", func() {
		var list []string
		for _, m := range c.medicines {
			list = append(list, m[0]+": "+m[1])
		}
		x.list(list)
	})
	x.section("18776-5", "Videre oppfølging", func() { x.list(c.plan) })
	x.put(`</structuredBody></component>`)
	x.put(`</ClinicalDocument>`)
	return []byte(x.String())
}

// cdaHeader writes the header in the order of the schema.
func (x *xmlText) cdaHeader(s *story) {
	e := s.entry
	root, ext, _ := strings.Cut(s.uniqueID, "^")
	x.put(`<typeId root="2.16.840.1.113883.1.3" extension="POCD_HD000040"/>`)
	x.put(`<id root="%s" extension="%s"/>`, root, ext)
	x.put(`<code code="%s" codeSystem="%s" displayName="%s"/>`, e.TypeCode.Value, e.TypeCode.Scheme, e.TypeCode.Display.String())
	x.put(`<title>%s</title>`, e.Title.String())
	x.put(`<effectiveTime value="%s"/>`, zoned(e.CreationTime))
	x.put(`<confidentialityCode code="N" codeSystem="2.16.840.1.113883.5.25"/>`)
	x.put(`<languageCode code="%s"/>`, e.Language)
	x.recordTarget(s)
	x.put(`<author><time value="%s"/><assignedAuthor>`, zoned(e.CreationTime))
	x.personnel(s)
	x.put(`<representedOrganization>`)
	x.organisation(s.unit)
	x.put(`</representedOrganization></assignedAuthor></author>`)
	x.put(`<custodian><assignedCustodian><representedCustodianOrganization>`)
	x.put(`<id root="%s" extension="%s"/><name>%s</name>`, OrgNr, s.unit.OrgNr, s.unit.Organisation)
	x.put(`</representedCustodianOrganization></assignedCustodian></custodian>`)
	x.put(`<legalAuthenticator><time value="%s"/><signatureCode code="S"/><assignedEntity>`, zoned(e.CreationTime))
	x.personnel(s)
	x.put(`</assignedEntity></legalAuthenticator>`)
	x.put(`<componentOf><encompassingEncounter><id root="%s" extension="%s"/>`, Root+".3", s.reference)
	x.put(`<effectiveTime><low value="%s"/><high value="%s"/></effectiveTime>`, zoned(e.ServiceStart), zoned(e.ServiceStop))
	x.put(`</encompassingEncounter></componentOf>`)
}

func (x *xmlText) recordTarget(s *story) {
	p := s.patient
	x.put(`<recordTarget><patientRole>`)
	x.put(`<id root="%s" extension="%s"/>`, FNR, p.FNR)
	x.put(`<addr use="HP"><streetAddressLine>%s</streetAddressLine><postalCode>%s</postalCode><city>%s</city><country>NO</country></addr>`, p.Street, p.PostCode, p.City)
	x.put(`<patient><name><given>%s</given><family>%s</family></name>`, p.Given, p.Family)
	x.put(`<administrativeGenderCode code="%s" codeSystem="2.16.840.1.113883.5.1"/>`, p.Sex())
	x.put(`<birthTime value="%s"/></patient>`, string(metadata.FormatDTM(p.Birth)[:8]))
	x.put(`</patientRole></recordTarget>`)
}

func (x *xmlText) personnel(s *story) {
	a := s.author
	x.put(`<id root="%s" extension="%s"/>`, HPR, a.HPR)
	x.put(`<assignedPerson><name><given>%s</given><family>%s</family></name></assignedPerson>`, a.Given, a.Family)
}

func (x *xmlText) organisation(u *Unit) {
	x.put(`<id root="%s" extension="%s"/><name>%s</name>`, RESH, u.RESH, u.Department)
	x.put(`<asOrganizationPartOf><wholeOrganization><id root="%s" extension="%s"/><name>%s</name></wholeOrganization></asOrganizationPartOf>`, OrgNr, u.OrgNr, u.Organisation)
}

func (x *xmlText) resultTable(results []result) {
	x.put(`<table border="1"><thead><tr><th>Analyse</th><th>Resultat</th><th>Enhet</th><th>Referanse</th><th>Avvik</th></tr></thead><tbody>`)
	for _, r := range results {
		x.put(`<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>`, r.name, r.show(r.value), r.unit, r.show(r.low)+"–"+r.show(r.high), r.flag)
	}
	x.put(`</tbody></table>`)
}

// show prints a number with a decimal comma.
func (r result) show(v float64) string {
	return strings.Replace(strconv.FormatFloat(v, 'f', r.decimals, 64), ".", ",", 1)
}

// zoned is an HL7 v3 time stamp: a DTM is in UTC.
func zoned(d metadata.DTM) string { return string(d) + "+0000" }

// labXML is a laboratory answer in the manner of the KITH message standard.
func (g *Gen) labXML(s *story) []byte {
	x := &xmlText{}
	x.put(`<?xml version="1.0" encoding="UTF-8"?>`)
	x.put(`<Message xmlns="http://www.kith.no/xmlstds/labsvar/2012-02-15">`)
	x.put(`<Type V="SVAR_LAB" DN="Svarrapport - laboratoriemedisin"/><MIGversion>v1.4 2012-02-15</MIGversion>`)
	x.put(`<GenDate V="%s"/><MsgId>%s</MsgId>`, iso(s.entry.CreationTime), s.uniqueID)
	x.put(`<ServReport><ServType V="N" DN="Ny"/><IssueDate V="%s"/><Status V="F" DN="Endelig rapport"/>`, iso(s.entry.CreationTime))
	x.put(`<ServProvId>%s</ServProvId>`, s.reference)
	x.kithPatient(s)
	x.put(`<ServProvider><HCP><Inst><Name>%s</Name><Id>%s</Id><TypeId V="ENH"/><Dept><Name>%s</Name><Id>%s</Id><TypeId V="RSH"/></Dept></Inst></HCP></ServProvider>`, s.unit.Organisation, s.unit.OrgNr, s.unit.Department, s.unit.RESH)
	for i, r := range g.results() {
		x.put(`<ResultItem><IdResultItem>%s</IdResultItem><ClinInv><Id V="%s" S="2.16.578.1.12.4.1.1.7280" DN="%s"/></ClinInv>`, strconv.Itoa(i+1), r.code, r.name)
		x.put(`<Interval><Numeric><NumResult V="%s" U="%s"/></Numeric></Interval>`, strconv.FormatFloat(r.value, 'f', r.decimals, 64), r.unit)
		x.put(`<RefInterval><Descr>%s</Descr></RefInterval>`, r.show(r.low)+" - "+r.show(r.high))
		if r.flag != "" {
			x.put(`<DevResultInd V="%s"/>`, r.flag)
		}
		x.put(`<StatusInvestigation V="3" DN="Endelig svar"/></ResultItem>`)
	}
	x.put(`</ServReport></Message>`)
	return []byte(x.String())
}

// referral is a referral in the manner of the KITH message standard.
func (g *Gen) referral(s *story) []byte {
	c := g.course(s)
	x := &xmlText{}
	x.put(`<?xml version="1.0" encoding="UTF-8"?>`)
	x.put(`<Message xmlns="http://www.kith.no/xmlstds/henvisning/2012-02-15">`)
	x.put(`<Type V="H" DN="Henvisning"/><MIGversion>v2.0 2012-02-15</MIGversion>`)
	x.put(`<GenDate V="%s"/><MsgId>%s</MsgId>`, iso(s.entry.CreationTime), s.uniqueID)
	x.put(`<ServReq><ServType V="N" DN="Ny"/><IssueDate V="%s"/><Ack V="J" DN="Ja"/><Id>%s</Id>`, iso(s.entry.CreationTime), s.reference)
	x.kithPatient(s)
	x.put(`<ReasonAsText><Heading V="PROB" DN="Aktuell problemstilling"/><TextResultValue>%s</TextResultValue></ReasonAsText>`, c.reason)
	for _, t := range c.history {
		x.put(`<InfItem><Heading V="TIDL" DN="Tidligere sykdommer"/><TextResultValue>%s</TextResultValue></InfItem>`, t)
	}
	for _, t := range c.status {
		x.put(`<InfItem><Heading V="FUNN" DN="Funn"/><TextResultValue>%s</TextResultValue></InfItem>`, t)
	}
	for _, m := range c.medicines {
		x.put(`<Medication><Drug><DN>%s</DN></Drug><DosageText>%s</DosageText></Medication>`, m[0], m[1])
	}
	x.put(`<Diagnosis><Concept V="%s" S="2.16.578.1.12.4.1.1.7110" DN="%s"/></Diagnosis>`, c.icd, c.diagnosis)
	x.put(`<Requester><HCP><Inst><Name>%s</Name><Id>%s</Id><TypeId V="ENH"/></Inst><HCProf><Name>%s</Name><Id>%s</Id><TypeId V="HPR"/></HCProf></HCP></Requester>`,
		s.unit.Organisation, s.unit.OrgNr, s.author.Given+" "+s.author.Family, s.author.HPR)
	x.put(`</ServReq></Message>`)
	return []byte(x.String())
}

func (x *xmlText) kithPatient(s *story) {
	p := s.patient
	x.put(`<Patient><OffId>%s</OffId><TypeOffId V="FNR" DN="Fødselsnummer"/><Name><FamilyName>%s</FamilyName><GivenName>%s</GivenName></Name>`, p.FNR, p.Family, p.Given)
	x.put(`<DateOfBirth V="%s"/><Address><StreetAdr>%s</StreetAdr><PostalCode>%s</PostalCode><City>%s</City></Address></Patient>`, p.Birth.Format("2006-01-02"), p.Street, p.PostCode, p.City)
}

func iso(d metadata.DTM) string {
	t, err := d.Time()
	if err != nil {
		return string(d)
	}
	return t.Format("2006-01-02T15:04:05Z")
}

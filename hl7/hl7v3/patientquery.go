package hl7v3

import (
	"strconv"
	"strings"

	"samdok/discovery"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// Messages of Cross Gateway Patient Discovery (ITI TF-2 3.55).
const (
	PatientQueryName  = "PRPA_IN201305UV02"
	PatientAnswerName = "PRPA_IN201306UV02"
	// UnsupportedMode says that a deferred answer is not to be had (ITI TF-2 3.55.4.1.3).
	UnsupportedMode Code = "NS250"
)

// PatientQuery is PRPA_IN201305UV02.
type PatientQuery struct {
	ID, Sender, Receiver II
	// SenderHome is the OID of the asking community, "" when it did not say.
	SenderHome string
	// ReceiverHomes are OIDs of the communities that the sender means to ask; none when
	// it did not say.
	ReceiverHomes []string
	Time          string
	// QueryID names the query, Priority is I (at once) or D (deferred).
	QueryID  II
	Priority string
	// Authority is the OID whose ids the asker can be asked with in return.
	Authority string
	Query     discovery.Query
}

// maxParameters bounds how often a parameter may stand in a query.
const maxParameters = 100

// DecodePatientQuery reads a message. The scanner stands on its start tag; afterwards it
// stands on its end tag. The query is not nil when the error is an *Error, so that it
// can be answered; other errors are those of the scanner.
func DecodePatientQuery(sc *xmlscan.Scanner) (*PatientQuery, error) {
	q := &PatientQuery{Priority: "I"}
	d := queryDecoder{walker: newWalker(sc), q: q}
	if err := d.walk(d.element); err != nil {
		return nil, err
	}
	p := &q.Query
	switch {
	case d.wrong != nil:
		return q, d.wrong
	case q.ID.Root == "":
		return q, &Error{ElementMissing, "the id of the message is missing; the answer must refer to it", false}
	case q.QueryID.Root == "":
		return q, &Error{ElementMissing, "controlActProcess/queryByParameter/queryId is missing", false}
	case len(q.ReceiverHomes) > maxParameters:
		return q, &Error{DataType, "more than 100 communities are named as receiver", false}
	case max(len(p.IDs), len(p.Names), len(p.Addresses), len(p.Telecoms)) > maxParameters:
		return q, &Error{DataType, "a parameter stands more than 100 times in the query", false}
	case p.Birth != "" && !p.Birth.Valid():
		return q, &Error{DataType, "livingSubjectBirthTime is no time", false}
	}
	return q, nil
}

// birth is a time of birth in a form that can be compared: without the fraction of a second
// and the time zone that HL7 allows. A day of birth is that of the place.
func birth(v string) metadata.DTM {
	if i := strings.IndexAny(v, ".+-"); i > 0 {
		v = v[:i]
	}
	return metadata.DTM(v)
}

type queryDecoder struct {
	walker
	q     *PatientQuery
	name  *discovery.Name    // whose parts are read
	addr  *discovery.Address // likewise
	wrong *Error
}

const (
	queryBy    = "controlActProcess/queryByParameter"
	parameters = queryBy + "/parameterList/"
)

func (d *queryDecoder) element(name string) error {
	q, p := d.q, &d.q.Query
	switch {
	case d.at("id"):
		q.ID = d.ii()
	case d.at("creationTime"):
		q.Time = d.attr("value")
	case d.at("sender/device/id"):
		q.Sender = d.ii()
	case d.at("sender/device/asAgent/representedOrganization/id"):
		q.SenderHome = d.attr("root")
	case d.at("receiver/device/id"):
		q.Receiver = d.ii()
	case d.at("receiver/device/asAgent/representedOrganization/id"):
		if root := d.attr("root"); root != "" && len(q.ReceiverHomes) <= maxParameters {
			q.ReceiverHomes = append(q.ReceiverHomes, root)
		}
	case d.at("controlActProcess/authorOrPerformer/assignedDevice/id"):
		q.Authority = d.attr("root")
	case d.at(queryBy + "/queryId"):
		q.QueryID = d.ii()
	case d.at(queryBy + "/responsePriorityCode"):
		if code := d.attr("code"); code != "" {
			q.Priority = code
		}
	case d.at(queryBy + "/matchCriterionList/minimumDegreeMatch/value"):
		p.Minimum, _ = strconv.Atoi(d.attr("value")) // what is no number is none
	case d.at(parameters + "livingSubjectAdministrativeGender/value"):
		p.Gender = d.attr("code")
	case d.at(parameters + "livingSubjectBirthTime/value"), d.at(parameters + "livingSubjectBirthTime/value/center"):
		if v := d.attr("value"); v != "" {
			p.Birth = birth(v)
		}
	case d.at(parameters + "livingSubjectId/value"):
		d.id(&p.IDs)
	case d.at(parameters + "livingSubjectName/value"):
		d.name = nil
		if d.attr("use") != "SRCH" && len(p.Names) <= maxParameters {
			p.Names = append(p.Names, discovery.Name{})
			d.name = &p.Names[len(p.Names)-1]
		}
	case d.at(parameters + "patientAddress/value"):
		if len(p.Addresses) <= maxParameters {
			p.Addresses = append(p.Addresses, discovery.Address{})
			d.addr = &p.Addresses[len(p.Addresses)-1]
		}
	case d.at(parameters + "patientTelecom/value"):
		if v := d.attr("value"); v != "" && len(p.Telecoms) <= maxParameters {
			p.Telecoms = append(p.Telecoms, v)
		}
	case d.at(parameters+"livingSubjectName/value/"+name) && d.name != nil:
		return d.namePart(name, d.name)
	case d.at(parameters+"patientAddress/value/"+name) && d.addr != nil:
		return d.addressPart(name, d.addr)
	case d.at(parameters + "livingSubjectBirthPlaceName/value"):
		return d.into(&p.BirthPlace)
	case d.at(parameters + "mothersMaidenName/value/family"):
		return d.into(&p.MothersMaidenName)
	}
	return nil
}

// into reads text; of an element that stands twice the last counts.
func (d *walker) into(to *string) (err error) {
	*to, err = d.text()
	return err
}

func (d *walker) namePart(part string, n *discovery.Name) error {
	switch part {
	case "given":
		s, err := d.text()
		n.Given = strings.TrimSpace(n.Given + " " + s)
		return err
	case "family":
		s, err := d.text()
		n.Family = strings.TrimSpace(n.Family + " " + s)
		return err
	}
	return nil
}

func (d *walker) addressPart(part string, a *discovery.Address) error {
	switch part {
	case "streetAddressLine":
		return d.into(&a.Street)
	case "city":
		return d.into(&a.City)
	case "postalCode":
		return d.into(&a.PostCode)
	case "state":
		return d.into(&a.State)
	case "country":
		return d.into(&a.Country)
	}
	return nil
}

// id reads an id of a patient. One that is no OID and text is not an id at all.
func (d *queryDecoder) id(to *[]metadata.PatientID) {
	if d.attr("nullFlavor") != "" || len(*to) > maxParameters {
		return
	}
	id := d.ii()
	if id.Extension == "" || !metadata.ValidOID(id.Root) {
		d.wrong = &Error{DataType, "a livingSubjectId needs root (the assigning authority's OID) and extension (the id)", false}
		return
	}
	*to = append(*to, metadata.PatientID{ID: id.Extension, Authority: id.Root})
}

// Append appends the message's element.
func (q *PatientQuery) Append(b []byte) []byte {
	w := writer{b}
	w.begin(PatientQueryName, q.ID, q.Time, "AL")
	w.device("receiver", "RCV", q.Receiver)
	w.deviceOf("sender", "SND", q.Sender, q.SenderHome)
	w.raw(`<controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201305UV02" codeSystem="` + interactions + `"/>`)
	if q.Authority != "" {
		w.raw(`<authorOrPerformer typeCode="AUT"><assignedDevice classCode="ASSIGNED">`)
		w.id(II{Root: q.Authority})
		w.raw(`</assignedDevice></authorOrPerformer>`)
	}
	w.query(q)
	w.raw(`</controlActProcess></` + PatientQueryName + `>`)
	return w.b
}

// deviceOf is a device with the community that it stands for.
func (w *writer) deviceOf(element, typeCode string, id II, home string) {
	if home == "" {
		w.device(element, typeCode, id)
		return
	}
	w.raw(`<` + element + ` typeCode="` + typeCode + `"><device classCode="DEV" determinerCode="INSTANCE">`)
	w.id(id)
	w.raw(`<asAgent classCode="AGNT"><representedOrganization classCode="ORG" determinerCode="INSTANCE">`)
	w.id(II{Root: home})
	w.raw(`</representedOrganization></asAgent></device></` + element + `>`)
}

// query appends queryByParameter, which an answer repeats.
func (w *writer) query(q *PatientQuery) {
	p := &q.Query
	w.raw(`<queryByParameter>`)
	w.named("queryId", q.QueryID)
	w.raw(`<statusCode code="new"/><responseModalityCode code="R"/><responsePriorityCode code="`)
	w.value(q.Priority)
	w.raw(`"/>`)
	if p.Minimum > 0 {
		w.raw(`<matchCriterionList><minimumDegreeMatch><value xmlns:xsi="` + xsi + `" xsi:type="INT" value="` + strconv.Itoa(p.Minimum) + `"/><semanticsText>MinimumDegreeMatch</semanticsText></minimumDegreeMatch></matchCriterionList>`)
	}
	w.raw(`<parameterList>`)
	if p.Gender != "" {
		w.parameter("livingSubjectAdministrativeGender", "LivingSubject.administrativeGender", func() { w.coded("value", "code", p.Gender) })
	}
	if p.Birth != "" {
		w.parameter("livingSubjectBirthTime", "LivingSubject.birthTime", func() { w.coded("value", "value", string(p.Birth)) })
	}
	for _, id := range p.IDs {
		w.parameter("livingSubjectId", "LivingSubject.id", func() { w.named("value", II{id.Authority, id.ID}) })
	}
	for _, n := range p.Names {
		w.parameter("livingSubjectName", "LivingSubject.name", func() { w.name("value", n) })
	}
	if p.BirthPlace != "" {
		w.parameter("livingSubjectBirthPlaceName", "LivingSubject.BirthPlace.Place.Name", func() { w.element("value", p.BirthPlace) })
	}
	for _, a := range p.Addresses {
		w.parameter("patientAddress", "Patient.addr", func() { w.address("value", a) })
	}
	for _, t := range p.Telecoms {
		w.parameter("patientTelecom", "Patient.telecom", func() { w.coded("value", "value", t) })
	}
	if p.MothersMaidenName != "" {
		w.parameter("mothersMaidenName", "Person.MothersMaidenName", func() { w.name("value", discovery.Name{Family: p.MothersMaidenName}) })
	}
	w.raw(`</parameterList></queryByParameter>`)
}

const xsi = "http://www.w3.org/2001/XMLSchema-instance"

func (w *writer) parameter(name, semantics string, value func()) {
	w.raw(`<` + name + `>`)
	value()
	w.raw(`<semanticsText>` + semantics + `</semanticsText></` + name + `>`)
}

func (w *writer) value(s string) { w.b = xmlscan.AppendAttr(w.b, s) }

// coded is an element with one attribute.
func (w *writer) coded(element, attribute, value string) {
	w.raw(`<` + element + ` ` + attribute + `="`)
	w.value(value)
	w.raw(`"/>`)
}

// named is an II under any name.
func (w *writer) named(element string, id II) {
	w.raw(`<` + element + ` root="`)
	w.value(id.Root)
	if id.Extension != "" {
		w.raw(`" extension="`)
		w.value(id.Extension)
	}
	w.raw(`"/>`)
}

func (w *writer) element(name, content string) {
	if content == "" {
		return
	}
	w.raw(`<` + name + `>`)
	w.b = xmlscan.AppendText(w.b, content)
	w.raw(`</` + name + `>`)
}

func (w *writer) name(element string, n discovery.Name) {
	w.raw(`<` + element + `>`)
	w.element("given", n.Given)
	w.element("family", n.Family)
	w.raw(`</` + element + `>`)
}

func (w *writer) address(element string, a discovery.Address) {
	w.raw(`<` + element + `>`)
	w.element("streetAddressLine", a.Street)
	w.element("city", a.City)
	w.element("state", a.State)
	w.element("postalCode", a.PostCode)
	w.element("country", a.Country)
	w.raw(`</` + element + `>`)
}

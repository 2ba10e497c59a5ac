package hl7v3

import (
	"errors"
	"strings"

	"samdok/internal/xmlscan"
)

const (
	namespace     = "urn:hl7-org:v3"
	interactions  = "2.16.840.1.113883.1.6"
	detailCodes   = "2.16.840.1.113883.5.1100"
	Acknowledging = "MCCI_IN000002UV01" // the interaction of an acknowledgement
)

// ActionPrefix and an interaction are a wsa:Action.
const ActionPrefix = namespace + ":"

// Append appends the message's element. Family, given and so on are not kept by a
// registry; name may be empty.
func (f *Feed) Append(b []byte, family, given string) []byte {
	w := writer{b}
	w.begin(f.Kind.Interaction(), f.ID, f.Time, "AL")
	w.device("receiver", "RCV", f.Receiver)
	w.device("sender", "SND", f.Sender)
	trigger := strings.Replace(f.Kind.Interaction(), "_IN", "_TE", 1)
	w.raw(`<controlActProcess classCode="CACT" moodCode="EVN"><code code="` + trigger + `" codeSystem="` + interactions + `"/>` +
		`<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN"><id nullFlavor="NA"/><statusCode code="active"/>` +
		`<subject1 typeCode="SBJ"><patient classCode="PAT">`)
	w.ids(f.Patient)
	w.raw(`<statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE"><name><given>`)
	w.b = xmlscan.AppendText(w.b, given)
	w.raw(`</given><family>`)
	w.b = xmlscan.AppendText(w.b, family)
	w.raw(`</family></name></patientPerson></patient></subject1>` +
		`<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED">`)
	w.ids([]II{f.Sender})
	w.raw(`</assignedEntity></custodian>`)
	if f.Kind == Merged {
		w.raw(`<replacementOf typeCode="RPLC"><priorRegistration classCode="REG" moodCode="EVN"><statusCode code="obsolete"/>` +
			`<subject1 typeCode="SBJ"><priorRegisteredRole classCode="PAT">`)
		w.ids(f.Subsumed)
		w.raw(`</priorRegisteredRole></subject1></priorRegistration></replacementOf>`)
	}
	w.raw(`</registrationEvent></subject></controlActProcess></` + f.Kind.Interaction() + `>`)
	return w.b
}

// Acknowledgement is MCCI_IN000002UV01.
type Acknowledgement struct {
	ID       II
	Time     string // YYYYMMDDHHMMSS
	Sender   II
	Receiver II
	Target   II // id of the message that is acknowledged
	// Err is what was wrong; nil accepts (CA).
	Err *Error
	// TypeCode replaces the code that Err means; "": CA, CE or CR.
	TypeCode string
}

// Append appends the acknowledgement's element.
func (a *Acknowledgement) Append(b []byte) []byte {
	w := writer{b}
	w.begin(Acknowledging, a.ID, a.Time, "NE")
	w.device("receiver", "RCV", a.Receiver)
	w.device("sender", "SND", a.Sender)
	code := "CA"
	if a.Err != nil {
		if code = "CE"; a.Err.Reject {
			code = "CR"
		}
	}
	if a.TypeCode != "" {
		code = a.TypeCode
	}
	w.raw(`<acknowledgement><typeCode code="` + code + `"/><targetMessage>`)
	w.id(a.Target)
	w.raw(`</targetMessage>`)
	if a.Err != nil {
		w.detail(a.Err.Code, a.Err.Text)
	}
	w.raw(`</acknowledgement></` + Acknowledging + `>`)
	return w.b
}

// detail says in words what was wrong; code "" is none.
func (w *writer) detail(code Code, text string) {
	w.raw(`<acknowledgementDetail typeCode="E">`)
	if code != "" {
		w.raw(`<code code="` + string(code) + `" codeSystem="` + detailCodes + `"/>`)
	}
	w.raw(`<text>`)
	w.b = xmlscan.AppendText(w.b, text)
	w.raw(`</text></acknowledgementDetail>`)
}

// ReadAcknowledgement reads one: its typeCode, the message that it answers and the
// texts of its details. The scanner stands on its start tag.
func ReadAcknowledgement(sc *xmlscan.Scanner) (code string, target II, text string, err error) {
	if !sc.Is(xmlscan.HL7V3, Acknowledging) {
		return "", II{}, "", errors.New("the answer is not " + Acknowledging)
	}
	d := newWalker(sc)
	err = d.walk(func(string) error {
		switch {
		case d.at("acknowledgement/typeCode"):
			code = d.attr("code")
		case d.at("acknowledgement/targetMessage/id"):
			target = d.ii()
		case d.at("acknowledgement/acknowledgementDetail/text"):
			one, err := d.text()
			text = strings.TrimSpace(text + " " + one)
			return err
		}
		return nil
	})
	switch {
	case err != nil:
		return "", II{}, "", err
	case code == "":
		return "", II{}, "", errors.New("the acknowledgement has no typeCode")
	}
	return code, target, text, nil
}

type writer struct{ b []byte }

func (w *writer) raw(s string) { w.b = append(w.b, s...) }

func (w *writer) begin(interaction string, id II, at, accept string) {
	w.raw(`<` + interaction + ` xmlns="` + namespace + `" ITSVersion="XML_1.0">`)
	w.id(id)
	w.raw(`<creationTime value="`)
	w.b = xmlscan.AppendAttr(w.b, at)
	w.raw(`"/><interactionId root="` + interactions + `" extension="` + interaction + `"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="` + accept + `"/>`)
}

func (w *writer) device(element, typeCode string, id II) {
	w.raw(`<` + element + ` typeCode="` + typeCode + `"><device classCode="DEV" determinerCode="INSTANCE">`)
	w.id(id)
	w.raw(`</device></` + element + `>`)
}

func (w *writer) ids(all []II) {
	for _, id := range all {
		w.id(id)
	}
}

func (w *writer) id(id II) {
	if id == (II{}) {
		w.raw(`<id nullFlavor="NI"/>`)
		return
	}
	w.raw(`<id root="`)
	w.b = xmlscan.AppendAttr(w.b, id.Root)
	if id.Extension != "" {
		w.raw(`" extension="`)
		w.b = xmlscan.AppendAttr(w.b, id.Extension)
	}
	w.raw(`"/>`)
}

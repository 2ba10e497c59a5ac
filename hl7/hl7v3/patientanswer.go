package hl7v3

import (
	"errors"
	"strconv"

	"samdok/discovery"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// Code systems of XCPD (ITI TF-2 3.55.4.2.2).
const (
	requestCodes = "1.3.6.1.4.1.19376.1.2.27.1"
	locatorCodes = "1.3.6.1.4.1.19376.1.2.27.2"
	troubleCodes = "1.3.6.1.4.1.19376.1.2.27.3"

	supportsLocator = "SupportsHealthDataLocator"
	notLocator      = "NotHealthDataLocator"
)

// PatientAnswer is PRPA_IN201306UV02.
type PatientAnswer struct {
	ID, Sender, Receiver II
	// SenderHome is the OID of the answering community.
	SenderHome string
	Time       string
	Target     II // id of the message that is answered
	// Query is what was asked; its QueryID and parameters stand in the answer.
	Query *PatientQuery
	// Answer is given unless Trouble is set. Homes are written without urn:oid:.
	Answer  discovery.Answer
	Trouble discovery.Trouble
	// Detail says in words what the trouble is; "" for nothing.
	Detail string
}

// Append appends the message's element: one registrationEvent for each candidate
// (cases 1 and 2 of ITI TF-2 3.55.4.2.3), what more is asked for (3), nothing found (4),
// or trouble (5).
func (a *PatientAnswer) Append(b []byte) []byte {
	w := writer{b}
	accepted, found := "AA", "OK"
	switch {
	case a.Trouble != "":
		accepted, found = "AE", "AE"
	case len(a.Answer.Candidates) == 0 && len(a.Answer.More) == 0:
		found = "NF"
	}
	w.begin(PatientAnswerName, a.ID, a.Time, "NE")
	w.deviceOf("receiver", "RCV", a.Receiver, a.Query.SenderHome)
	w.deviceOf("sender", "SND", a.Sender, a.SenderHome)
	w.raw(`<acknowledgement><typeCode code="` + accepted + `"/><targetMessage>`)
	w.id(a.Target)
	w.raw(`</targetMessage>`)
	if a.Detail != "" {
		w.detail("", a.Detail)
	}
	w.raw(`</acknowledgement><controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201306UV02" codeSystem="` + interactions + `"/>`)
	for i := range a.Answer.Candidates {
		w.candidate(&a.Answer.Candidates[i])
	}
	w.issue(a)
	w.raw(`<queryAck>`)
	w.named("queryId", a.Query.QueryID)
	w.raw(`<statusCode code="deliveredResponse"/><queryResponseCode code="` + found + `"/></queryAck>`)
	w.query(a.Query)
	w.raw(`</controlActProcess></` + PatientAnswerName + `>`)
	return w.b
}

func (w *writer) candidate(c *discovery.Candidate) {
	home := oidOf(c.Home)
	w.raw(`<subject typeCode="SUBJ" contextConductionInd="false"><registrationEvent classCode="REG" moodCode="EVN"><id nullFlavor="NA"/><statusCode code="active"/>` +
		`<subject1 typeCode="SBJ"><patient classCode="PAT">`)
	w.id(II{c.ID.Authority, c.ID.ID})
	w.raw(`<statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE">`)
	for _, n := range c.Person.Names {
		w.name("name", n)
	}
	if len(c.Person.Names) == 0 {
		w.raw(`<name nullFlavor="NA"/>`)
	}
	if c.Person.Gender != "" {
		w.coded("administrativeGenderCode", "code", c.Person.Gender)
	}
	if c.Person.Birth != "" {
		w.coded("birthTime", "value", string(c.Person.Birth))
	}
	for _, id := range c.Others {
		w.raw(`<asOtherIDs classCode="PAT">`)
		w.id(II{id.Authority, id.ID})
		w.raw(`<scopingOrganization classCode="ORG" determinerCode="INSTANCE">`)
		w.id(II{Root: id.Authority})
		w.raw(`</scopingOrganization></asOtherIDs>`)
	}
	w.raw(`</patientPerson><providerOrganization classCode="ORG" determinerCode="INSTANCE">`)
	w.id(II{Root: home})
	w.raw(`<contactParty classCode="CON"/></providerOrganization><subjectOf1><queryMatchObservation classCode="COND" moodCode="EVN"><code code="IHE_PDQ"/><value xmlns:xsi="` + xsi +
		`" xsi:type="INT" value="` + strconv.Itoa(c.Degree) + `"/></queryMatchObservation></subjectOf1></patient></subject1><custodian typeCode="CST"><assignedEntity classCode="ASSIGNED">`)
	w.id(II{Root: home})
	locator := notLocator
	if c.Locator {
		locator = supportsLocator
	}
	w.raw(`<code code="` + locator + `" codeSystem="` + locatorCodes + `"/></assignedEntity></custodian></registrationEvent></subject>`)
}

// issue is the detected issue of cases 3 and 5.
func (w *writer) issue(a *PatientAnswer) {
	if len(a.Answer.More) == 0 && a.Trouble == "" {
		return
	}
	w.raw(`<reasonOf typeCode="RSON"><detectedIssueEvent classCode="ALRT" moodCode="EVN"><code code="_ActAdministrativeDetectedIssueManagementCode" codeSystem="2.16.840.1.113883.5.4"/>`)
	for _, more := range a.Answer.More {
		w.raw(`<triggerFor typeCode="TRIG"><actOrderRequired classCode="ACT" moodCode="RQO"><code code="` + string(more) + `" codeSystem="` + requestCodes + `"/></actOrderRequired></triggerFor>`)
	}
	if a.Trouble != "" {
		w.raw(`<mitigatedBy typeCode="MITGT"><detectedIssueManagement classCode="ACT" moodCode="EVN"><code code="` + string(a.Trouble) + `" codeSystem="` + troubleCodes + `"/></detectedIssueManagement></mitigatedBy>`)
	}
	w.raw(`</detectedIssueEvent></reasonOf>`)
}

// oidOf is a homeCommunityId as HL7 v3 writes it.
func oidOf(home string) string {
	if len(home) > 8 && home[:8] == "urn:oid:" {
		return home[8:]
	}
	return home
}

// maxCandidates bounds the patients of an answer.
const maxCandidates = 1000

// DecodePatientAnswer reads a message; the scanner stands on its start tag. target is
// the message that it answers. Homes are read as urn:oid:. Candidates without an id or
// a home are left out; when there are no others, the answer is wrong, for nobody must take
// it for one that knows nobody. An error of the standard is a *discovery.Error.
func DecodePatientAnswer(sc *xmlscan.Scanner) (answer discovery.Answer, target II, err error) {
	if !sc.Is(xmlscan.HL7V3, PatientAnswerName) {
		return answer, target, errors.New("the answer is not " + PatientAnswerName)
	}
	d := answerDecoder{walker: newWalker(sc)}
	if err := d.walk(d.element); err != nil {
		return answer, target, err
	}
	d.finish()
	switch {
	case d.accepted == "":
		return answer, d.target, errors.New("the answer has no acknowledgement")
	case d.many:
		return answer, d.target, errors.New("the answer has more than 1000 patients")
	case d.accepted != "AA" || d.found == "AE":
		if d.trouble == "" {
			d.trouble = discovery.NotAvailable
		}
		return answer, d.target, &discovery.Error{Trouble: d.trouble, Text: "The community answered an error."}
	case d.unusable && len(d.answer.Candidates) == 0 && len(d.answer.More) == 0:
		return answer, d.target, errors.New("the answer has patients without an id or without a homeCommunityId (custodian) only")
	}
	return d.answer, d.target, nil
}

type answerDecoder struct {
	walker
	answer          discovery.Answer
	target          II
	accepted, found string
	trouble         discovery.Trouble
	now             *discovery.Candidate
	many            bool
	unusable        bool // a candidate has no id or no home
}

const (
	registration = "controlActProcess/subject/registrationEvent"
	subject      = registration + "/subject1/patient"
	issues       = "controlActProcess/reasonOf/detectedIssueEvent"
)

func (d *answerDecoder) element(name string) error {
	switch {
	case d.at("acknowledgement/typeCode"):
		d.accepted = d.attr("code")
	case d.at("acknowledgement/targetMessage/id"):
		d.target = d.ii()
	case d.at("controlActProcess/queryAck/queryResponseCode"):
		d.found = d.attr("code")
	case d.at(issues + "/triggerFor/actOrderRequired/code"):
		if len(d.answer.More) < maxParameters {
			d.answer.More = append(d.answer.More, discovery.Attribute(d.attr("code")))
		}
	case d.at(issues + "/mitigatedBy/detectedIssueManagement/code"):
		d.trouble = discovery.Trouble(d.attr("code"))
	case d.at(registration):
		d.finish()
		d.now = &discovery.Candidate{Degree: 100}
	case d.now != nil:
		return d.ofCandidate(name)
	}
	return nil
}

func (d *answerDecoder) ofCandidate(name string) error {
	c := d.now
	switch {
	case d.at(subject + "/id"):
		if id, ok := d.patient(); ok && c.ID == (metadata.PatientID{}) {
			c.ID = id
		}
	case d.at(subject + "/patientPerson/asOtherIDs/id"):
		if id, ok := d.patient(); ok && len(c.Others) < maxIDs {
			c.Others = append(c.Others, id)
		}
	case d.at(subject + "/patientPerson/name"):
		if len(c.Person.Names) <= maxIDs {
			c.Person.Names = append(c.Person.Names, discovery.Name{})
		}
	case d.at(subject + "/patientPerson/name/" + name):
		return d.namePart(name, &c.Person.Names[len(c.Person.Names)-1])
	case d.at(subject + "/patientPerson/administrativeGenderCode"):
		c.Person.Gender = d.attr("code")
	case d.at(subject + "/patientPerson/birthTime"):
		c.Person.Birth = birth(d.attr("value"))
	case d.at(subject + "/subjectOf1/queryMatchObservation/value"):
		if n, err := strconv.Atoi(d.attr("value")); err == nil {
			c.Degree = n
		}
	case d.at(registration + "/custodian/assignedEntity/id"):
		if root := d.attr("root"); metadata.ValidOID(oidOf(root)) {
			c.Home = "urn:oid:" + oidOf(root)
		}
	case d.at(registration + "/custodian/assignedEntity/code"):
		c.Locator = d.attr("code") == supportsLocator
	}
	return nil
}

func (d *answerDecoder) patient() (metadata.PatientID, bool) {
	id := d.ii()
	return metadata.PatientID{ID: id.Extension, Authority: id.Root}, id.Extension != "" && metadata.ValidOID(id.Root)
}

// finish keeps the candidate that was read.
func (d *answerDecoder) finish() {
	c := d.now
	d.now = nil
	switch {
	case c == nil:
	case c.Home == "" || c.ID == (metadata.PatientID{}):
		d.unusable = true
	case len(d.answer.Candidates) == maxCandidates:
		d.many = true
	default:
		d.answer.Candidates = append(d.answer.Candidates, *c)
	}
}

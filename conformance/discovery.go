package conformance

import (
	"strings"

	"github.com/beevik/etree"
)

// Actions of XCPD.
const (
	ActionDiscover       = "urn:hl7-org:v3:PRPA_IN201305UV02:CrossGatewayPatientDiscovery"
	ActionDiscoverAnswer = "urn:hl7-org:v3:PRPA_IN201306UV02:CrossGatewayPatientDiscovery"
	ActionLocate         = "urn:ihe:iti:2009:PatientLocationQuery"

	nsXCPD = "urn:ihe:iti:xcpd:2009"
	// kitHome is the community in whose name the kit asks.
	kitHome = "2.25.7000"
)

// Who says whom a query of ITI-55 is about. IDs are in CX form.
type Who struct {
	IDs           []string
	Family, Given string
	Born, Gender  string
}

// DiscoverBody is the body of ITI-55.
func DiscoverBody(id, priority string, w Who) string {
	parameter := func(name, value, semantics string) string {
		return `<` + name + `>` + value + `<semanticsText>` + semantics + `</semanticsText></` + name + `>`
	}
	var p strings.Builder
	if w.Gender != "" {
		p.WriteString(parameter("livingSubjectAdministrativeGender", `<value code="`+w.Gender+`"/>`, "LivingSubject.administrativeGender"))
	}
	if w.Born != "" {
		p.WriteString(parameter("livingSubjectBirthTime", `<value value="`+w.Born+`"/>`, "LivingSubject.birthTime"))
	}
	for _, cx := range w.IDs {
		root, extension := idOf(cx)
		p.WriteString(parameter("livingSubjectId", `<value root="`+root+`" extension="`+esc(extension)+`"/>`, "LivingSubject.id"))
	}
	if w.Family != "" {
		p.WriteString(parameter("livingSubjectName", `<value><given>`+esc(w.Given)+`</given><family>`+esc(w.Family)+`</family></value>`, "LivingSubject.name"))
	}
	return `<PRPA_IN201305UV02 xmlns="` + nsHL7 + `" ITSVersion="XML_1.0"><id root="2.25.7" extension="` + id + `"/><creationTime value="20260102030405"/>` +
		`<interactionId root="2.16.840.1.113883.1.6" extension="PRPA_IN201305UV02"/><processingCode code="T"/><processingModeCode code="T"/><acceptAckCode code="AL"/>` +
		`<receiver typeCode="RCV"><device classCode="DEV" determinerCode="INSTANCE"><id root="2.25.771"/></device></receiver>` +
		`<sender typeCode="SND"><device classCode="DEV" determinerCode="INSTANCE"><id root="2.25.772"/><asAgent classCode="AGNT"><representedOrganization classCode="ORG" determinerCode="INSTANCE"><id root="` + kitHome + `"/></representedOrganization></asAgent></device></sender>` +
		`<controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201305UV02" codeSystem="2.16.840.1.113883.1.6"/>` +
		`<queryByParameter><queryId root="2.25.7" extension="q` + id + `"/><statusCode code="new"/><responseModalityCode code="R"/><responsePriorityCode code="` + priority + `"/><parameterList>` + p.String() +
		`</parameterList></queryByParameter></controlActProcess></PRPA_IN201305UV02>`
}

// idOf are the authority and the id of a CX.
func idOf(cx string) (root, extension string) {
	id, rest, _ := strings.Cut(cx, "^")
	return strings.TrimSuffix(strings.TrimPrefix(rest, "^^&"), "&ISO"), id
}

func (t *T) discovery() string {
	if t.target.XCPD == "" {
		t.Skipf("needs the address of a responding gateway's patient discovery (--xcpd)")
	}
	return t.target.XCPD
}

// NeedsDiscovery skips the case when the server answers no questions about patients.
func (t *T) NeedsDiscovery() { t.discovery() }

// DiscoverXML sends a body as it is.
func (t *T) DiscoverXML(action, body string) *Answer {
	return t.Post(t.discovery(), soapType, []byte(Envelope(action, NewUUID(), "", body)))
}

// Found is an answer of ITI-55.
type Found struct {
	Answer                *Answer
	Accepted, Code        string // typeCode and queryResponseCode
	Target, QueryID       string // extensions of what is answered
	Events                []Event
	Requested, Trouble    []string
	HasParameters         bool
	Keep                  string // CorrelationTimeToLive
	SentTarget, SentQuery string
}

// Event is one registrationEvent.
type Event struct {
	IDs                 []string // patient/id as CX
	Others              []string
	Home, Locator       string
	LocatorSystem, Name string
}

// Discover sends ITI-55 and reads the answer.
func (t *T) Discover(w Who) Found {
	id := NewOID()[5:17]
	f := t.FoundIn(t.DiscoverXML(ActionDiscover, DiscoverBody(id, "I", w)))
	f.SentTarget, f.SentQuery = id, "q"+id
	return f
}

// FoundIn reads an answer of ITI-55.
func (t *T) FoundIn(a *Answer) Found {
	t.Check(a.RootErr == nil && a.Root != nil, "HTTP %d, the answer cannot be read: %v", a.Status, a.RootErr)
	if e := Find(a.Root, nsSOAP, "Fault"); e != nil {
		t.Failf("HTTP %d, a SOAP fault where PRPA_IN201306UV02 belongs: %s", a.Status, text(e))
	}
	m := Find(a.Root, nsHL7, "PRPA_IN201306UV02")
	t.Check(m != nil, "HTTP %d without PRPA_IN201306UV02", a.Status)
	code := func(e *etree.Element, name string) string { return Attr(orEmpty(Find(e, nsHL7, name)), "code") }
	ack := Find(m, nsHL7, "acknowledgement")
	t.Check(ack != nil, "the answer has no acknowledgement")
	f := Found{Answer: a, Accepted: code(ack, "typeCode"), Code: code(m, "queryResponseCode"), Target: Attr(orEmpty(Find(ack, nsHL7, "id")), "extension"),
		HasParameters: Find(m, nsHL7, "parameterList") != nil, Keep: text(orEmpty(Find(a.Root, nsXCPD, "CorrelationTimeToLive")))}
	if e := Find(m, nsHL7, "queryAck"); e != nil {
		f.QueryID = Attr(orEmpty(Find(e, nsHL7, "queryId")), "extension")
	}
	for _, e := range All(m, nsHL7, "registrationEvent") {
		f.Events = append(f.Events, eventOf(e))
	}
	for _, e := range All(m, nsHL7, "actOrderRequired") {
		f.Requested = append(f.Requested, code(e, "code"))
	}
	for _, e := range All(m, nsHL7, "detectedIssueManagement") {
		f.Trouble = append(f.Trouble, code(e, "code"))
	}
	return f
}

func eventOf(e *etree.Element) (ev Event) {
	cx := func(id *etree.Element) string { return Attr(id, "extension") + "^^^&" + Attr(id, "root") + "&ISO" }
	patient := orEmpty(Find(e, nsHL7, "patient"))
	for _, c := range patient.ChildElements() {
		if c.Tag == "id" {
			ev.IDs = append(ev.IDs, cx(c))
		}
	}
	for _, o := range All(patient, nsHL7, "asOtherIDs") {
		ev.Others = append(ev.Others, cx(orEmpty(Find(o, nsHL7, "id"))))
	}
	custodian := orEmpty(Find(e, nsHL7, "custodian"))
	ev.Home = Attr(orEmpty(Find(custodian, nsHL7, "id")), "root")
	kind := orEmpty(Find(custodian, nsHL7, "code"))
	ev.Locator, ev.LocatorSystem = Attr(kind, "code"), Attr(kind, "codeSystem")
	return ev
}

// Locate sends ITI-56.
func (t *T) Locate(patient string) *Answer { return t.locateAt(t.discovery(), patient) }

func (t *T) locateAt(address, patient string) *Answer {
	root, extension := idOf(patient)
	return t.Post(address, soapType, []byte(Envelope(ActionLocate, NewUUID(), "",
		`<x:PatientLocationQueryRequest xmlns:x="`+nsXCPD+`"><x:RequestedPatientId root="`+root+`" extension="`+esc(extension)+`"/></x:PatientLocationQueryRequest>`)))
}

// Locations are the homes of an answer of ITI-56 that are about a patient.
func (t *T) Locations(a *Answer, patient string) (homes []string) {
	t.Check(a.RootErr == nil && Find(a.Root, nsXCPD, "PatientLocationQueryResponse") != nil, "HTTP %d without PatientLocationQueryResponse", a.Status)
	root, extension := idOf(patient)
	for _, e := range All(a.Root, nsXCPD, "PatientLocationResponse") {
		asked, there := orEmpty(Find(e, nsXCPD, "RequestedPatientId")), orEmpty(Find(e, nsXCPD, "CorrespondingPatientId"))
		t.Check(Attr(asked, "root") == root && Attr(asked, "extension") == extension, "a location is about another patient than was asked for")
		t.Check(Attr(there, "root") != "" && Attr(there, "extension") != "", "a location has no CorrespondingPatientId")
		homes = append(homes, text(orEmpty(Find(e, nsXCPD, "HomeCommunityId"))))
	}
	return homes
}

// Stranger's answers: how one of the kit's communities answers ITI-55.

// DiscoverXML is an answer to ITI-55 with patients of the community, each by its CX;
// code is queryResponseCode, "" the one that fits.
func (q *Asked) DiscoverXML(accepted, code, more string, patients ...string) string {
	home := strings.TrimPrefix(q.Community.Home, "urn:oid:")
	if code == "" {
		if code = "OK"; len(patients) == 0 && more == "" {
			code = "NF"
		}
	}
	id := orEmpty(Find(q.Root, nsHL7, "id"))
	queryID := orEmpty(Find(q.Root, nsHL7, "queryId"))
	ii := func(name string, e *etree.Element) string {
		return `<` + name + ` root="` + esc(Attr(e, "root")) + `" extension="` + esc(Attr(e, "extension")) + `"/>`
	}
	var b strings.Builder
	for _, cx := range patients {
		root, extension := idOf(cx)
		b.WriteString(`<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN"><id nullFlavor="NA"/><statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT"><id root="` + root + `" extension="` + esc(extension) +
			`"/><statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE"><name nullFlavor="NA"/></patientPerson></patient></subject1><custodian typeCode="CST"><assignedEntity classCode="ASSIGNED"><id root="` + home +
			`"/><code code="NotHealthDataLocator" codeSystem="1.3.6.1.4.1.19376.1.2.27.2"/></assignedEntity></custodian></registrationEvent></subject>`)
	}
	return `<PRPA_IN201306UV02 xmlns="` + nsHL7 + `" ITSVersion="XML_1.0"><id root="2.25.7" extension="a"/><creationTime value="20260102030405"/><interactionId root="2.16.840.1.113883.1.6" extension="PRPA_IN201306UV02"/>` +
		`<processingCode code="T"/><processingModeCode code="T"/><acceptAckCode code="NE"/><acknowledgement><typeCode code="` + accepted + `"/><targetMessage>` + ii("id", id) + `</targetMessage></acknowledgement>` +
		`<controlActProcess classCode="CACT" moodCode="EVN"><code code="PRPA_TE201306UV02" codeSystem="2.16.840.1.113883.1.6"/>` + b.String() + more + `<queryAck>` + ii("queryId", queryID) + `<queryResponseCode code="` + code + `"/></queryAck></controlActProcess></PRPA_IN201306UV02>`
}

// Discovered answers ITI-55; keep is CorrelationTimeToLive, "" for none.
func (q *Asked) Discovered(body, keep string) {
	envelope := strings.Replace(q.EnvelopeXML(body), q.Action+"Response", ActionDiscoverAnswer, 1)
	if keep != "" {
		envelope = strings.Replace(envelope, "</s:Header>", `<x:CorrelationTimeToLive xmlns:x="`+nsXCPD+`">`+keep+`</x:CorrelationTimeToLive></s:Header>`, 1)
	}
	q.Reply(200, soapType, envelope)
}

// Located answers ITI-56: the patient's id, as CX, in each of some communities.
func (q *Asked) Located(patients map[string]string) {
	asked := orEmpty(Find(q.Root, nsXCPD, "RequestedPatientId"))
	var b strings.Builder
	b.WriteString(`<x:PatientLocationQueryResponse xmlns:x="` + nsXCPD + `">`)
	for home, cx := range patients {
		root, extension := idOf(cx)
		b.WriteString(`<x:PatientLocationResponse><x:HomeCommunityId>` + home + `</x:HomeCommunityId><x:CorrespondingPatientId root="` + root + `" extension="` + esc(extension) +
			`"/><x:RequestedPatientId root="` + esc(Attr(asked, "root")) + `" extension="` + esc(Attr(asked, "extension")) + `"/></x:PatientLocationResponse>`)
	}
	q.Envelope(b.String() + `</x:PatientLocationQueryResponse>`)
}

// IsLocation tells requests of ITI-56.
func (q *Asked) IsLocation() bool { return q.Action == ActionLocate }

// IsDiscovery tells requests of ITI-55.
func (q *Asked) IsDiscovery() bool { return q.Action == ActionDiscover }

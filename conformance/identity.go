package conformance

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

const nsHL7 = "urn:hl7-org:v3"

// ActionFeed and the name of a message are the action of ITI-44.
const ActionFeed = nsHL7 + ":"

// Wire is one of the two ways of a patient identity feed.
type Wire struct {
	Transaction string // "ITI-8", "ITI-44"
	Section     string
	t           *T
}

// Wires are both, ITI-8 first.
func Wires() []Wire {
	return []Wire{{Transaction: "ITI-8", Section: "ITI TF-2 3.8.4"}, {Transaction: "ITI-44", Section: "ITI TF-2 3.44.4"}}
}

// On is the wire for a running case, which is skipped when the target does not
// have it.
func (w Wire) On(t *T) Wire {
	if w.Transaction == "ITI-8" && t.target.MLLP == "" {
		t.Skipf("needs the address for HL7 v2 (--mllp)")
	}
	if w.Transaction == "ITI-44" && t.target.Identity == "" {
		t.Skipf("needs the address of ITI-44 (--identity)")
	}
	w.t = t
	return w
}

// Ack is an acknowledgement.
type Ack struct {
	Positive bool
	Code     string // MSA-1, or the typeCode
	Target   string // MSA-2, or the extension of the id in targetMessage
	Text     string // the whole answer, for messages of the kit
	Sent     string // the message's own id
	Answer   *Answer
}

// Story is what a message tells. Patient ids are in CX form.
type Story struct {
	Trigger  string // A01, A04, A05, A08, A40
	Patients []string
	Subsumed string
}

// Tell sends a message.
func (w Wire) Tell(s Story) Ack {
	if w.Transaction == "ITI-8" {
		id := NewOID()[5:]
		if len(id) > 20 {
			id = id[:20]
		}
		a := w.t.MLLP(V2(id, s))
		a.Sent = id
		return a
	}
	return w.t.feedV3(V3(NewOID(), s))
}

// Add tells that a patient exists and expects that it is acknowledged.
func (w Wire) Add(patients ...string) {
	a := w.Tell(Story{Trigger: "A04", Patients: patients})
	w.t.Check(a.Positive, "that a patient exists is not acknowledged: %s", a.Text)
}

// Merge tells that two are one and expects that it is acknowledged.
func (w Wire) Merge(subsumed, survivor string) {
	a := w.Tell(Story{Trigger: "A40", Patients: []string{survivor}, Subsumed: subsumed})
	w.t.Check(a.Positive, "a merge is not acknowledged: %s", a.Text)
}

// V2 writes a message of ITI-8. Patient ids need no escapes.
func V2(id string, s Story) string {
	b := "MSH|^~\\&|KIT|CONFORMANCE|REGISTRY|DOMAIN|20260102030405||ADT^" + s.Trigger + "|" + id + "|P|2.3.1\rEVN|" + s.Trigger + "|20260102030405\r" +
		"PID|||" + strings.Join(s.Patients, "~") + "||TESTPERSON^SYNTETISK||19800101|F\r"
	if s.Trigger == "A40" {
		return b + "MRG|" + s.Subsumed + "\r"
	}
	return b + "PV1||N\r"
}

// V3 writes the element of a message of ITI-44.
func V3(id string, s Story) string {
	name := map[string]string{"A01": "PRPA_IN201301UV02", "A04": "PRPA_IN201301UV02", "A05": "PRPA_IN201301UV02", "A08": "PRPA_IN201302UV02", "A40": "PRPA_IN201304UV02"}[s.Trigger]
	device := func(element, code string) string {
		return `<` + element + ` typeCode="` + code + `"><device classCode="DEV" determinerCode="INSTANCE"><id root="2.25.77` + fmt.Sprint(len(code+element)) + `"/></device></` + element + `>`
	}
	ii := func(cx string) string {
		id, rest, _ := strings.Cut(cx, "^")
		return `<id root="` + strings.TrimSuffix(strings.TrimPrefix(rest, "^^&"), "&ISO") + `" extension="` + esc(id) + `"/>`
	}
	ids := ""
	for _, p := range s.Patients {
		ids += ii(p)
	}
	replacement := ""
	if s.Trigger == "A40" {
		replacement = `<replacementOf typeCode="RPLC"><priorRegistration classCode="REG" moodCode="EVN"><statusCode code="obsolete"/><subject1 typeCode="SBJ"><priorRegisteredRole classCode="PAT">` +
			ii(s.Subsumed) + `</priorRegisteredRole></subject1></priorRegistration></replacementOf>`
	}
	return `<` + name + ` xmlns="` + nsHL7 + `" ITSVersion="XML_1.0"><id root="2.25.7" extension="` + id + `"/><creationTime value="20260102030405"/>` +
		`<interactionId root="2.16.840.1.113883.1.6" extension="` + name + `"/><processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="AL"/>` +
		device("receiver", "RCV") + device("sender", "SND") +
		`<controlActProcess classCode="CACT" moodCode="EVN"><code code="` + strings.Replace(name, "_IN", "_TE", 1) + `" codeSystem="2.16.840.1.113883.1.6"/><subject typeCode="SUBJ">` +
		`<registrationEvent classCode="REG" moodCode="EVN"><id nullFlavor="NA"/><statusCode code="active"/><subject1 typeCode="SBJ"><patient classCode="PAT">` + ids +
		`<statusCode code="active"/><patientPerson classCode="PSN" determinerCode="INSTANCE"><name><given>SYNTETISK</given><family>TESTPERSON</family></name></patientPerson></patient></subject1>` +
		`<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED"><id root="2.25.7"/></assignedEntity></custodian>` + replacement + `</registrationEvent></subject></controlActProcess></` + name + `>`
}

// Frame puts a message into the frame of MLLP.
func Frame(message string) string { return "\x0b" + message + "\x1c\r" }

// ReadFrame reads one message out of its frame.
func ReadFrame(r *bufio.Reader) (string, error) {
	if _, err := r.ReadString('\x0b'); err != nil {
		return "", err
	}
	s, err := r.ReadString('\x1c')
	if err != nil {
		return "", errors.Join(io.ErrUnexpectedEOF, err)
	}
	return s[:len(s)-1], nil
}

// MLLP sends messages of HL7 v2 in one connection, without waiting, and returns the
// last answer; MLLPAll returns all.
func (t *T) MLLP(message string) Ack { return t.MLLPAll(message)[0] }

// MLLPAll sends messages without waiting and returns their answers in order.
func (t *T) MLLPAll(messages ...string) []Ack {
	conn, err := t.dialMLLP()
	if err != nil {
		t.transport(err)
	}
	defer conn.Close()
	deadline, _ := t.ctx.Deadline()
	if d := time.Now().Add(20 * time.Second); deadline.IsZero() || d.Before(deadline) {
		deadline = d
	}
	if err := conn.SetDeadline(deadline); err != nil {
		t.Errorf("%v", err)
	}
	var all bytes.Buffer
	for _, m := range messages {
		all.WriteString(Frame(m))
	}
	if _, err := conn.Write(all.Bytes()); err != nil {
		t.Failf("the connection does not take a message: %v", err)
	}
	r := bufio.NewReader(conn)
	acks := make([]Ack, len(messages))
	for i := range acks {
		answer, err := ReadFrame(r)
		t.Check(err == nil, "message %d has no acknowledgement: %v", i+1, err)
		acks[i] = readV2(answer)
	}
	return acks
}

func (t *T) dialMLLP() (net.Conn, error) {
	d := &net.Dialer{Timeout: 10 * time.Second}
	if t.target.MLLPTLS != nil {
		return (&tls.Dialer{NetDialer: d, Config: t.target.MLLPTLS}).DialContext(t.ctx, "tcp", t.target.MLLP)
	}
	return d.DialContext(t.ctx, "tcp", t.target.MLLP)
}

// readV2 reads an acknowledgement with the usual delimiters.
func readV2(answer string) Ack {
	a := Ack{Text: strings.ReplaceAll(answer, "\r", " / ")}
	for _, s := range strings.FieldsFunc(answer, func(r rune) bool { return r == '\r' || r == '\n' }) {
		f := strings.Split(s+"|||", "|")
		if f[0] == "MSA" {
			a.Code, a.Target = f[1], f[2]
		}
	}
	a.Positive = a.Code == "AA" || a.Code == "CA"
	return a
}

// FeedXML sends the element of a message of ITI-44 as it is.
func (t *T) FeedXML(action, message string) *Answer {
	return t.Post(t.target.Identity, soapType, []byte(Envelope(action, NewUUID(), "", message)))
}

func (t *T) feedV3(message string) Ack {
	name := message[1:strings.IndexByte(message, ' ')]
	a := t.AckOf(t.FeedXML(ActionFeed+name, message))
	_, a.Sent, _ = strings.Cut(message, `extension="`)
	a.Sent, _, _ = strings.Cut(a.Sent, `"`)
	return a
}

// AckOf reads the acknowledgement of ITI-44.
func (t *T) AckOf(answer *Answer) Ack {
	t.Check(answer.RootErr == nil, "HTTP %d, the answer cannot be read: %v", answer.Status, answer.RootErr)
	if f := Find(answer.Root, nsSOAP, "Fault"); f != nil {
		return Ack{Code: "fault", Text: text(f), Answer: answer}
	}
	e := Find(answer.Root, nsHL7, "acknowledgement")
	t.Check(e != nil && Find(answer.Root, nsHL7, "MCCI_IN000002UV01") != nil, "HTTP %d, no MCCI_IN000002UV01 with an acknowledgement in the answer", answer.Status)
	a := Ack{Text: text(e), Answer: answer}
	if code := Find(e, nsHL7, "typeCode"); code != nil {
		a.Code = Attr(code, "code")
	}
	if target := Find(e, nsHL7, "targetMessage"); target != nil {
		if id := Find(target, nsHL7, "id"); id != nil {
			a.Target = Attr(id, "extension")
		}
	}
	a.Positive = a.Code == "CA" || a.Code == "AA"
	a.Text = a.Code + " " + a.Text
	return a
}

// KnownOnly skips a case when the server takes documents of any patient.
func (t *T) KnownOnly() {
	if !t.target.Announce {
		t.Skipf("needs a server that knows its patients only from the feed (--announce)")
	}
}

// announce tells the server of a patient before it is used.
func (t *T) announce(patient string) {
	was := t.setup
	t.setup = true
	defer func() { t.setup = was }()
	for _, w := range Wires() {
		if w.Transaction == "ITI-8" && t.target.MLLP != "" || w.Transaction == "ITI-44" && t.target.Identity != "" {
			w.On(t).Add(patient)
			return
		}
	}
	t.Errorf("--announce needs --identity or --mllp")
}

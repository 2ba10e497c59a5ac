package hl7v2

import (
	"strconv"
	"strings"
	"time"
)

// Answer is an acknowledgement (HL7 v2.5 2.9.3, original mode).
type Answer struct {
	// To is the header of the message that is answered; nil when it could not be
	// read.
	To *Message
	// Err is what was wrong; nil acknowledges (AA).
	Err *Error
	// ControlID is the answer's own MSH-10.
	ControlID string
	Time      time.Time
}

// Append appends the message, each segment ended by CR, without framing.
func (a Answer) Append(b []byte) []byte {
	h := Header{Version: "2.5", Processing: "P"}
	if a.To != nil {
		h = a.To.Header
	}
	if !strings.HasPrefix(h.Version, "2.") || strings.Trim(h.Version, "0123456789.") != "" || len(h.Version) > 8 {
		h.Version = "2.5"
	}
	if h.Processing != "T" && h.Processing != "D" {
		h.Processing = "P"
	}
	cs, _ := charsetOf(h.Charset)
	if cs == unstated {
		h.Charset = ""
	}
	var w writer
	w.header(Header{
		SendingApplication: h.ReceivingApplication, SendingFacility: h.ReceivingFacility,
		ReceivingApplication: h.SendingApplication, ReceivingFacility: h.SendingFacility,
		Type: "ACK", Trigger: h.Trigger, ControlID: a.ControlID, Processing: h.Processing, Version: h.Version, Charset: h.Charset,
	}, "", a.Time)
	code, text := "AA", ""
	if a.Err != nil {
		if code, text = "AE", a.Err.Text; a.Err.Reject {
			code = "AR"
		}
	}
	w.segment("MSA", code, clip(h.ControlID, maxControlID), text)
	if a.Err != nil {
		w.error(a.Err, h.Version)
	}
	return append(b, encode(w.String(), cs)...)
}

// error writes ERR: ERR-1 until version 2.4, ERR-2 and following from 2.5 on.
func (w *writer) error(e *Error, version string) {
	code := strconv.Itoa(int(e.Code))
	field := ""
	if e.Field > 0 {
		field = strconv.Itoa(e.Field)
	}
	w.WriteString("ERR|")
	if version < "2.5" {
		w.WriteString(e.Segment + "^1^" + field + "^" + code + "&" + e.Code.String() + "&HL70357\r")
		return
	}
	if e.Segment != "" {
		w.WriteString("|" + strings.TrimRight(e.Segment+"^1^"+field, "^"))
	} else {
		w.WriteString("|")
	}
	w.WriteString("|" + code + "^" + e.Code.String() + "^HL70357|E||||")
	w.escaped(e.Text)
	w.WriteString("\r")
}

// ADT is a message of a Patient Identity Source (ITI TF-2 3.8.4).
type ADT struct {
	Header
	Time time.Time
	// Event gives the segments; its Kind must fit Header.Trigger.
	Event Event
	// Family and Given are PID-5, Birth (YYYYMMDD) PID-7, Sex PID-8; all may be empty.
	Family, Given, Birth, Sex string
}

// structures are MSH-9.3 by trigger, as versions from 2.3.1 on have them.
var structures = map[string]string{"A01": "ADT_A01", "A04": "ADT_A01", "A05": "ADT_A05", "A08": "ADT_A01", "A28": "ADT_A05", "A31": "ADT_A05", "A40": "ADT_A39"}

// Append appends the message, each segment ended by CR, in UTF-8 and without
// framing.
func (a ADT) Append(b []byte) []byte {
	var w writer
	a.Type, a.Charset = "ADT", "UNICODE UTF-8"
	w.header(a.Header, structures[a.Trigger], a.Time)
	w.segment("EVN", a.Trigger, a.Time.UTC().Format(stamp))
	w.WriteString("PID|||")
	w.identifiers(a.Event.Patient)
	w.WriteString("||")
	w.escaped(a.Family)
	w.WriteString("^")
	w.escaped(a.Given)
	w.WriteString("||")
	w.escaped(a.Birth)
	w.WriteString("|")
	w.escaped(a.Sex)
	w.WriteString("\r")
	if len(a.Event.Subsumed) > 0 {
		w.WriteString("MRG|")
		w.identifiers(a.Event.Subsumed)
		w.WriteString("\r")
	} else {
		w.segment("PV1", "", "N")
	}
	return append(b, w.String()...)
}

// stamp is a time to the second, always UTC here.
const stamp = "20060102150405+0000"

// writer writes with the usual delimiters.
type writer struct{ strings.Builder }

func (w *writer) header(h Header, structure string, at time.Time) {
	w.WriteString(`MSH|^~\&|`)
	for _, d := range [...]HD{h.SendingApplication, h.SendingFacility, h.ReceivingApplication, h.ReceivingFacility} {
		w.designator(d, "^")
		w.WriteString("|")
	}
	w.WriteString(at.UTC().Format(stamp) + "||" + h.Type)
	for _, s := range [...]string{h.Trigger, structure} {
		if s != "" {
			w.WriteString("^")
			w.escaped(s)
		}
	}
	w.WriteString("|")
	w.escaped(h.ControlID)
	w.WriteString("|")
	w.escaped(h.Processing)
	w.WriteString("|")
	w.escaped(h.Version)
	if h.Charset != "" {
		w.WriteString("||||||")
		w.escaped(h.Charset)
	}
	w.WriteString("\r")
}

func (w *writer) segment(name string, fields ...string) {
	w.WriteString(name)
	for len(fields) > 0 && fields[len(fields)-1] == "" {
		fields = fields[:len(fields)-1]
	}
	for _, f := range fields {
		w.WriteString("|")
		w.escaped(f)
	}
	w.WriteString("\r")
}

func (w *writer) identifiers(all []Identifier) {
	for i, id := range all {
		if i > 0 {
			w.WriteString("~")
		}
		w.escaped(id.ID)
		w.WriteString("^^^")
		w.designator(id.Authority, "&")
		if id.TypeCode != "" {
			w.WriteString("^")
			w.escaped(id.TypeCode)
		}
	}
}

func (w *writer) designator(d HD, sep string) {
	w.escaped(d.Namespace)
	if d.Universal == "" && d.Type == "" {
		return
	}
	w.WriteString(sep)
	w.escaped(d.Universal)
	w.WriteString(sep)
	w.escaped(d.Type)
}

// escaped writes a value with the delimiters and line ends in it escaped.
func (w *writer) escaped(s string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '|':
			w.WriteString(`\F\`)
		case '^':
			w.WriteString(`\S\`)
		case '&':
			w.WriteString(`\T\`)
		case '~':
			w.WriteString(`\R\`)
		case '\\':
			w.WriteString(`\E\`)
		case '\r':
			w.WriteString(`\X0D\`)
		case '\n':
			w.WriteString(`\X0A\`)
		default:
			if s[i] >= ' ' && s[i] != 0x7f { // the framing's octets must not come from a value
				w.WriteByte(s[i])
			}
		}
	}
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// ReadAnswer reads an acknowledgement: its MSA-1, the control id it answers and
// the text that says what is wrong.
func ReadAnswer(b []byte) (code, controlID, text string, err error) {
	m, err := Parse(b, Limits{})
	if err != nil {
		return "", "", "", err
	}
	msa, err := m.only("MSA")
	if err != nil {
		return "", "", "", err
	}
	code, controlID, text = m.value(msa, 1, 1), m.value(msa, 2, 1), m.value(msa, 3, 1)
	for i := range m.segments {
		if m.segments[i][:3] == "ERR" && text == "" {
			text = m.value(i, 8, 1)
		}
	}
	return code, controlID, text, nil
}

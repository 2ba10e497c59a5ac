package soap

import (
	"net/http"
	"strings"

	"samdok/internal/xmlscan"
)

// Code is a SOAP 1.2 fault code (SOAP 1.2 part 1, 5.4.6).
type Code string

const (
	Sender          Code = "Sender"
	Receiver        Code = "Receiver"
	MustUnderstand  Code = "MustUnderstand"
	VersionMismatch Code = "VersionMismatch"
)

// Subcode is a WS-Addressing fault (WS-Addressing SOAP Binding 6.4); "" for none.
type Subcode string

const (
	ActionNotSupported      Subcode = "ActionNotSupported"
	InvalidAddressingHeader Subcode = "InvalidAddressingHeader"
	InvalidCardinality      Subcode = "InvalidCardinality"            // below InvalidAddressingHeader
	OnlyAnonymousSupported  Subcode = "OnlyAnonymousAddressSupported" // below InvalidAddressingHeader
	InvalidAddress          Subcode = "InvalidAddress"                // below InvalidAddressingHeader
	HeaderRequired          Subcode = "MessageAddressingHeaderRequired"
)

// maxReason is how much of a text that quotes the sender is sent back, in bytes.
const maxReason = 2000

const supportedEnvelopeUpgrade = `<env:Upgrade><env:SupportedEnvelope qname="env:Envelope"/></env:Upgrade>`

// Name is an XML name with its namespace.
type Name struct{ Space, Local string }

// Fault is a failure of SOAP, WS-Addressing or the packaging. Failures of the
// business travel as registry responses, never as faults (ITI TF-2 V.3.2).
type Fault struct {
	Code Code
	Sub  Subcode
	// Text and Norsk say the same in English and Norwegian bokmål.
	Text, Norsk string
	// Status is the HTTP status; 0 means the one of the code.
	Status int
	// NotUnderstood are the header blocks of a MustUnderstand fault.
	NotUnderstood []Name
	// Problem is the offending WS-Addressing header, or the action for
	// ActionNotSupported.
	Problem string
	// Action is the wsa:Action of a fault that its standard names; "": the one of
	// WS-Addressing. Detail is the XML inside env:Detail that such a standard wants.
	Action string
	Detail []byte
	// Version11 asks for a SOAP 1.1 envelope: the sender knows no other.
	Version11 bool
	// To is where an asynchronous fault goes; "" for one in the same connection.
	To string
	// Err is for the operator's log and is never written.
	Err error
}

// Refuse makes a Sender fault: the message is wrong and sending it again changes
// nothing.
func Refuse(text, norsk string) *Fault { return &Fault{Code: Sender, Text: text, Norsk: norsk} }

// Fail makes a Receiver fault: the message may be right.
func Fail(text, norsk string) *Fault { return &Fault{Code: Receiver, Text: text, Norsk: norsk} }

// WithStatus sets the HTTP status.
func (f *Fault) WithStatus(status int) *Fault { f.Status = status; return f }

// Because keeps the inner cause for the log.
func (f *Fault) Because(err error) *Fault { f.Err = err; return f }

// Error is for operators; the text may quote what the sender sent, so that the
// log should hold Summary instead.
func (f *Fault) Error() string { return "soap: " + f.Summary() + ": " + f.Text }

// Summary names the codes only.
func (f *Fault) Summary() string {
	if f.Sub != "" {
		return string(f.Code) + "/" + string(f.Sub)
	}
	return string(f.Code)
}

func (f *Fault) Unwrap() error { return f.Err }

// HTTPStatus is 400 for the sender's faults and 500 for all others (SOAP 1.2 part
// 2, table 20) unless Status says otherwise.
func (f *Fault) HTTPStatus() int {
	switch {
	case f.Status != 0:
		return f.Status
	case f.Code == Sender:
		return http.StatusBadRequest
	}
	return http.StatusInternalServerError
}

// ContentType is that of the envelope which AppendFault writes.
func (f *Fault) ContentType() string {
	if f.Version11 {
		return MediaType11 + "; charset=UTF-8"
	}
	return ContentType
}

// AppendFault appends the whole envelope of f. relatesTo is the request's
// MessageID, "" when it is not known; messageID names this message.
func AppendFault(b []byte, f *Fault, messageID, relatesTo string) []byte {
	if f.Version11 {
		return appendFault11(b, f)
	}
	action := soapFault
	if f.Sub != "" {
		action = addressingFault
	}
	if f.Action != "" {
		action = f.Action
	}
	b = append(b, xmlHead...)
	b = append(b, envelopeOpen...)
	b = appendHeaders(b, Header{Action: action, MessageID: messageID, RelatesTo: relatesTo, To: f.To})
	if f.Code == VersionMismatch {
		b = append(b, supportedEnvelopeUpgrade...)
	}
	for _, n := range f.NotUnderstood {
		b = append(b, `<env:NotUnderstood qname="x:`...)
		b = xmlscan.AppendAttr(b, n.Local)
		b = append(b, `" xmlns:x="`...)
		b = xmlscan.AppendAttr(b, n.Space)
		b = append(b, `"/>`...)
	}
	b = append(b, `</env:Header><env:Body><env:Fault><env:Code><env:Value>env:`...)
	b = append(b, f.Code...)
	b = append(b, `</env:Value>`...)
	b = appendSubcode(b, f.Sub)
	b = append(b, `</env:Code><env:Reason><env:Text xml:lang="en">`...)
	b = xmlscan.AppendText(b, clip(f.Text))
	b = append(b, `</env:Text>`...)
	if f.Norsk != "" {
		b = append(b, `<env:Text xml:lang="nb">`...)
		b = xmlscan.AppendText(b, clip(f.Norsk))
		b = append(b, `</env:Text>`...)
	}
	b = append(b, `</env:Reason>`...)
	b = appendDetail(b, f)
	return append(b, `</env:Fault></env:Body></env:Envelope>`...)
}

// appendSubcode nests InvalidCardinality and its like below InvalidAddressingHeader, as WS-
// Addressing SOAP Binding 6.4.1 wants it.
func appendSubcode(b []byte, sub Subcode) []byte {
	if sub == "" {
		return b
	}
	nested := sub == InvalidCardinality || sub == OnlyAnonymousSupported || sub == InvalidAddress
	if nested {
		b = append(b, `<env:Subcode><env:Value>wsa:InvalidAddressingHeader</env:Value>`...)
	}
	b = append(b, `<env:Subcode><env:Value>wsa:`...)
	b = append(b, sub...)
	b = append(b, `</env:Value></env:Subcode>`...)
	if nested {
		b = append(b, `</env:Subcode>`...)
	}
	return b
}

func appendDetail(b []byte, f *Fault) []byte {
	if f.Detail != nil {
		b = append(b, `<env:Detail>`...)
		return append(append(b, f.Detail...), `</env:Detail>`...)
	}
	if f.Problem == "" || f.Sub == "" {
		return b
	}
	if f.Sub == ActionNotSupported {
		b = append(b, `<env:Detail><wsa:ProblemAction><wsa:Action>`...)
		b = xmlscan.AppendText(b, clip(f.Problem))
		return append(b, `</wsa:Action></wsa:ProblemAction></env:Detail>`...)
	}
	b = append(b, `<env:Detail><wsa:ProblemHeaderQName>wsa:`...)
	b = xmlscan.AppendText(b, clip(f.Problem))
	return append(b, `</wsa:ProblemHeaderQName></env:Detail>`...)
}

// appendFault11 answers a SOAP 1.1 sender in its own words and says what to use
// instead (SOAP 1.2 part 1, appendix A).
func appendFault11(b []byte, f *Fault) []byte {
	b = append(b, xmlHead...)
	b = append(b, `<s11:Envelope xmlns:s11="`+Envelope11NS+`" xmlns:env="`+EnvelopeNS+`"><s11:Header>`+
		supportedEnvelopeUpgrade+`</s11:Header><s11:Body><s11:Fault><faultcode>s11:VersionMismatch</faultcode><faultstring xml:lang="en">`...)
	b = xmlscan.AppendText(b, clip(f.Text))
	return append(b, `</faultstring></s11:Fault></s11:Body></s11:Envelope>`...)
}

// clip keeps a hostile value from making the answer large.
func clip(s string) string {
	if len(s) <= maxReason {
		return s
	}
	return strings.ToValidUTF8(s[:maxReason], "") + " ..."
}

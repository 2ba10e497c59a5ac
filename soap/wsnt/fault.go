package wsnt

import (
	"time"

	"samdok/internal/xmlscan"
	"samdok/soap"
)

// Names of faults (WS-BaseNotification 1.3, 4.2, 6; ITI TF-2 3.52.4.1.3).
const (
	InvalidFilter           = "InvalidFilterFault"
	DialectUnknown          = "TopicExpressionDialectUnknownFault"
	InvalidTopic            = "InvalidTopicExpressionFault"
	TopicNotSupported       = "TopicNotSupportedFault"
	CreationFailed          = "SubscribeCreationFailedFault"
	UnacceptableInitialTime = "UnacceptableInitialTerminationTimeFault"
	UnacceptableTime        = "UnacceptableTerminationTimeFault"
	UnrecognizedPolicy      = "UnrecognizedPolicyRequestFault"
	UnsupportedPolicy       = "UnsupportedPolicyRequestFault"
	UnableToDestroy         = "UnableToDestroySubscriptionFault"
	ResourceUnknown         = "ResourceUnknownFault" // of WS-Resource
	faultAction             = "http://docs.oasis-open.org/wsn/fault"
	baseFaultNS             = "http://docs.oasis-open.org/wsrf/bf-2"
	resourceNS              = "http://docs.oasis-open.org/wsrf/r-2"
	timeForm                = "2006-01-02T15:04:05Z"
	unknownFilter           = `<wsnt:UnknownFilter xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0">rim:AdhocQuery</wsnt:UnknownFilter>`
)

// Error is a fault of WS-BaseNotification.
type Error struct {
	Name string // one of the constants
	// Text and Norsk say the same in English and Norwegian bokmål.
	Text, Norsk string
	// Minimum and Maximum are the termination times that would do; zero: not told.
	Minimum, Maximum time.Time
	// Err is for the operator's log and is never written.
	Err error
}

func (e *Error) Error() string { return "wsnt: " + e.Name + ": " + e.Text }

func (e *Error) Unwrap() error { return e.Err }

// Fault is the SOAP fault at a time, which the standard wants in it.
func (e *Error) Fault(now time.Time) *soap.Fault {
	ns, prefix := NS, "wsnt"
	if e.Name == ResourceUnknown {
		ns, prefix = resourceNS, "wsrf-r"
	}
	b := append([]byte(nil), `<`+prefix+`:`+e.Name+` xmlns:`+prefix+`="`+ns+`" xmlns:wsrf-bf="`+baseFaultNS+`"><wsrf-bf:Timestamp>`...)
	b = now.UTC().AppendFormat(b, timeForm)
	b = append(b, `</wsrf-bf:Timestamp><wsrf-bf:Description>`...)
	b = xmlscan.AppendText(b, e.Text)
	b = append(b, `</wsrf-bf:Description>`...)
	switch e.Name {
	case InvalidFilter:
		b = append(b, unknownFilter...)
	case UnacceptableInitialTime, UnacceptableTime:
		b = appendTime(b, "MinimumTime", e.Minimum)
		b = appendTime(b, "MaximumTime", e.Maximum)
	}
	b = append(b, `</`+prefix+`:`+e.Name+`>`...)
	f := &soap.Fault{Code: soap.Sender, Text: e.Name + ": " + e.Text, Norsk: e.Norsk, Action: faultAction, Detail: b, Err: e.Err}
	if e.Err != nil {
		f.Code = soap.Receiver
	}
	return f
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, `<wsnt:`+name+`>`...)
	b = t.UTC().AppendFormat(b, timeForm)
	return append(b, `</wsnt:`+name+`>`...)
}

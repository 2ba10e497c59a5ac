package hl7v2

import "strconv"

// Code is an error condition of HL7 table 0357.
type Code int

const (
	SegmentSequence   Code = 100
	RequiredField     Code = 101
	DataType          Code = 102
	TableValue        Code = 103
	UnsupportedType   Code = 200
	UnsupportedEvent  Code = 201
	UnsupportedMode   Code = 202 // processing id
	UnsupportedLevel  Code = 203 // version
	UnknownKey        Code = 204
	DuplicateKey      Code = 205
	ApplicationFailed Code = 207
)

func (c Code) String() string {
	switch c {
	case SegmentSequence:
		return "Segment sequence error"
	case RequiredField:
		return "Required field missing"
	case DataType:
		return "Data type error"
	case TableValue:
		return "Table value not found"
	case UnsupportedType:
		return "Unsupported message type"
	case UnsupportedEvent:
		return "Unsupported event code"
	case UnsupportedMode:
		return "Unsupported processing id"
	case UnsupportedLevel:
		return "Unsupported version id"
	case UnknownKey:
		return "Unknown key identifier"
	case DuplicateKey:
		return "Duplicate key identifier"
	}
	return "Application internal error"
}

// Error says why a message was not accepted. Its text names places and rules and
// never quotes the message, so it may be logged and sent.
type Error struct {
	Code Code
	// Segment and Field are the place: "PID", 3. Field 0 is the whole segment, an
	// empty Segment the whole message.
	Segment string
	Field   int
	Text    string
	// Reject: the sender gets AR, the message was not looked at (its type, version,
	// character set or a state of this server forbid it); otherwise AE.
	Reject bool
}

func (e *Error) Error() string {
	place := ""
	if e.Segment != "" {
		place = e.Segment
		if e.Field > 0 {
			place += "-" + strconv.Itoa(e.Field)
		}
		place += ": "
	}
	return "HL7 v2: " + place + e.Text
}

// refuse makes an Error that is answered AE.
func refuse(code Code, segment string, field int, text string) *Error {
	return &Error{Code: code, Segment: segment, Field: field, Text: text}
}

// reject makes an Error that is answered AR.
func reject(code Code, segment string, field int, text string) *Error {
	return &Error{Code: code, Segment: segment, Field: field, Text: text, Reject: true}
}

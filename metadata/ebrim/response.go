package ebrim

import (
	"strconv"
	"strings"

	"samdok/fault"
	"samdok/internal/xmlscan"
)

// RegistryResponse is the answer to a submission (ITI TF-3 4.2.4.2). Problems may
// hold warnings although the status is Success.
type RegistryResponse struct {
	Status   Status
	Problems []fault.Problem
}

// AppendRegistryResponse appends rs:RegistryResponse.
func AppendRegistryResponse(b []byte, s Status, problems []fault.Problem) []byte {
	b = append(b, `<rs:RegistryResponse xmlns:rs="`+rsNS+`" status="`...)
	b = append(b, s.URN()...)
	if len(problems) == 0 {
		return append(b, `"/>`...)
	}
	b = append(b, `">`...)
	b = AppendErrorList(b, problems)
	return append(b, `</rs:RegistryResponse>`...)
}

// Problems quote what senders sent, who may have sent a lot: an answer is bounded
// in the octets of one text and of the whole list. What ITI TF-3 wants in the two
// attributes is far shorter.
const (
	maxErrorText = 2000
	maxErrorList = 1 << 20
)

func clip(s string) string {
	if len(s) <= maxErrorText {
		return s
	}
	return strings.ToValidUTF8(s[:maxErrorText], "") + "..."
}

// AppendErrorList appends rs:RegistryErrorList, nothing when there is no problem.
// The prefix rs must be declared around it.
func AppendErrorList(b []byte, problems []fault.Problem) []byte {
	if len(problems) == 0 {
		return b
	}
	worst := fault.SeverityWarning
	if fault.HasErrors(problems) {
		worst = fault.SeverityError
	}
	b = append(b, `<rs:RegistryErrorList highestSeverity="`...)
	b = append(b, severityURN(worst)...)
	b = append(b, `">`...)
	for i, from := 0, len(b); i < len(problems); i++ {
		p := &problems[i]
		if len(b)-from > maxErrorList {
			p = &fault.Problem{Code: p.Code, Severity: worst, Context: "This and " + strconv.Itoa(len(problems)-i-1) + " more problems are not listed."}
			i = len(problems)
		}
		b = append(b, `<rs:RegistryError errorCode="`...)
		b = xmlscan.AppendAttr(b, string(p.Code))
		b = append(b, `" codeContext="`...)
		b = xmlscan.AppendAttr(b, clip(p.Context))
		b = append(b, `" severity="`...)
		b = append(b, severityURN(p.Severity)...)
		if p.Location != "" {
			b = append(b, `" location="`...)
			b = xmlscan.AppendAttr(b, clip(p.Location))
		}
		b = append(b, `"/>`...)
	}
	return append(b, `</rs:RegistryErrorList>`...)
}

// AppendQueryResponseHead appends query:AdhocQueryResponse up to where the objects
// stand: append them with AppendObject or AppendObjectRef, then
// AppendQueryResponseTail.
func AppendQueryResponseHead(b []byte, s Status, problems []fault.Problem) []byte {
	b = append(b, `<query:AdhocQueryResponse xmlns:query="`+queryNS+`" xmlns:rs="`+rsNS+`" xmlns="`+rimNS+`" status="`...)
	b = append(b, s.URN()...)
	b = append(b, `">`...)
	b = AppendErrorList(b, problems)
	return append(b, `<RegistryObjectList>`...)
}

// AppendQueryResponseTail ends what AppendQueryResponseHead began.
func AppendQueryResponseTail(b []byte) []byte {
	return append(b, `</RegistryObjectList></query:AdhocQueryResponse>`...)
}

func severityURN(s fault.Severity) string {
	if s == fault.SeverityWarning {
		return severityWarningURN
	}
	return severityErrorURN
}

// DecodeRegistryResponse reads rs:RegistryResponse; the scanner stands on its start
// tag and is left on its end tag. Errors are *xmlscan.Error, or *fault.Error when
// it is another element or has no known status.
func DecodeRegistryResponse(sc *xmlscan.Scanner) (*RegistryResponse, error) {
	if !sc.Is(xmlscan.RS, "RegistryResponse") {
		return nil, unexpected(sc, "rs:RegistryResponse")
	}
	status, err := responseStatus(sc)
	if err != nil {
		return nil, err
	}
	r := &RegistryResponse{Status: status}
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil {
			return nil, err
		}
		if !ok {
			return r, nil
		}
		if sc.Is(xmlscan.RS, "RegistryErrorList") {
			if r.Problems, err = errorList(sc, r.Problems); err != nil {
				return nil, err
			}
		}
	}
}

func responseStatus(sc *xmlscan.Scanner) (Status, error) {
	urn, _ := sc.Attr("status")
	status, ok := ParseStatus(urn)
	if !ok {
		return Failure, fault.New(fault.Invalid, "ebrim.responseStatus", fault.RegistryError,
			"The answer's status %s is none of Success, PartialSuccess, Failure.", quote(urn))
	}
	return status, nil
}

// errorList reads rs:RegistryErrorList.
func errorList(sc *xmlscan.Scanner, problems []fault.Problem) ([]fault.Problem, error) {
	for depth := sc.Depth(); ; {
		ok, err := sc.NextChild(depth)
		if err != nil || !ok {
			return problems, err
		}
		if !sc.Is(xmlscan.RS, "RegistryError") {
			continue
		}
		var p fault.Problem
		for i := range sc.Attrs() {
			switch a := &sc.Attrs()[i]; string(sc.AttrName(a)) {
			case "errorCode":
				p.Code = fault.Code(sc.Value(a))
			case "codeContext":
				p.Context = sc.Value(a)
			case "location":
				p.Location = sc.Value(a)
			case "severity":
				if string(sc.ValueBytes(a)) == severityWarningURN {
					p.Severity = fault.SeverityWarning
				}
			}
		}
		problems = append(problems, p)
	}
}

// unexpected is the error for a scanner that stands on another element.
func unexpected(sc *xmlscan.Scanner, want string) error {
	return fault.New(fault.Invalid, "ebrim.Decode", fault.RegistryError,
		"The message holds %s where %s is expected.", quote(string(sc.Local())), want)
}

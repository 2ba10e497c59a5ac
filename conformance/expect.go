package conformance

import (
	"fmt"
	"strings"

	"github.com/beevik/etree"
)

const (
	statusNS   = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:"
	partialURN = "urn:ihe:iti:2007:ResponseStatusType:PartialSuccess"
)

// response is the element that carries status: RegistryResponse or
// AdhocQueryResponse.
func (t *T) response(a *Answer) *etree.Element {
	t.Check(a.RootErr == nil, "HTTP %d, the answer cannot be read: %v", a.Status, a.RootErr)
	if f := Find(a.Root, nsSOAP, "Fault"); f != nil {
		t.Failf("HTTP %d, a SOAP fault where a RegistryResponse belongs: %s", a.Status, text(f))
	}
	if r := Find(a.Root, nsRS, "RegistryResponse"); r != nil {
		return r
	}
	r := Find(a.Root, nsQuery, "AdhocQueryResponse")
	t.Check(r != nil, "HTTP %d, no RegistryResponse or AdhocQueryResponse in the answer", a.Status)
	return r
}

func text(e *etree.Element) string {
	var b strings.Builder
	for _, c := range e.ChildElements() {
		b.WriteString(text(c))
	}
	b.WriteString(strings.TrimSpace(e.Text()))
	return b.String()
}

// StatusOf is the status URN of an answer.
func (t *T) StatusOf(a *Answer) string { return t.response(a).SelectAttrValue("status", "") }

// RegistryError is one error of an answer.
type RegistryError struct{ Code, Context, Location, Severity string }

// ErrorsOf are the RegistryErrors of an answer.
func (t *T) ErrorsOf(a *Answer) []RegistryError {
	var out []RegistryError
	for _, e := range All(t.response(a), nsRS, "RegistryError") {
		out = append(out, RegistryError{e.SelectAttrValue("errorCode", ""), e.SelectAttrValue("codeContext", ""), e.SelectAttrValue("location", ""), e.SelectAttrValue("severity", "")})
	}
	return out
}

// Success expects status Success without errors; warnings are fine.
func (t *T) Success(a *Answer) *Answer {
	errs := t.ErrorsOf(a)
	t.Check(t.StatusOf(a) == statusNS+"Success", "status is %q with %v, expected Success", t.StatusOf(a), errs)
	for _, e := range errs {
		t.Check(strings.HasSuffix(e.Severity, ":Warning"), "Success with an error in its list: %v", e)
	}
	return a
}

// Refused expects status Failure, HTTP 200 and an error with one of the codes;
// it returns that error.
func (t *T) Refused(a *Answer, codes ...string) RegistryError {
	errs := t.ErrorsOf(a)
	t.Check(t.StatusOf(a) == statusNS+"Failure", "status is %q, expected Failure with %s", t.StatusOf(a), strings.Join(codes, " or "))
	t.Check(a.Status == 200, "HTTP %d, expected 200: errors of the standard are not HTTP errors", a.Status)
	for _, e := range errs {
		for _, code := range codes {
			if e.Code == code {
				t.Check(strings.HasSuffix(e.Severity, ":Error"), "%s has severity %q", code, e.Severity)
				t.Check(e.Context != "", "%s has no codeContext", code)
				return e
			}
		}
	}
	t.Failf("errors are %v, expected %s", errs, strings.Join(codes, " or "))
	return RegistryError{}
}

// Partial expects status PartialSuccess.
func (t *T) Partial(a *Answer) []RegistryError {
	t.Check(t.StatusOf(a) == partialURN, "status is %q, expected PartialSuccess", t.StatusOf(a))
	return t.ErrorsOf(a)
}

// Fault expects a SOAP fault with the code (local name) somewhere in its Code.
func (t *T) Fault(a *Answer, code string) {
	t.Check(a.RootErr == nil, "HTTP %d, the answer is not SOAP: %v", a.Status, a.RootErr)
	f := Find(a.Root, nsSOAP, "Fault")
	t.Check(f != nil, "HTTP %d without a SOAP fault, expected the fault %s", a.Status, code)
	for _, v := range All(f, nsSOAP, "Value") {
		if _, local, _ := strings.Cut(strings.TrimSpace(v.Text()), ":"); local == code {
			t.Check(a.Status == 400 || a.Status == 500, "HTTP %d with a SOAP fault, expected 400 or 500", a.Status)
			return
		}
	}
	t.Failf("the fault's code is %q, expected %s", text(Find(f, nsSOAP, "Code")), code)
}

// AnyFault expects a SOAP fault of either version (SOAP 1.2 Part 1, Appendix A
// lets a 1.1 sender be answered in 1.1), or an HTTP error of the 4xx kind.
func (t *T) AnyFault(a *Answer) {
	if a.RootErr == nil && a.Root != nil && (Find(a.Root, nsSOAP, "Fault") != nil || Find(a.Root, nsSOAP11, "Fault") != nil) {
		t.Check(a.Status == 400 || a.Status == 500, "HTTP %d with a SOAP fault, expected 400 or 500", a.Status)
		return
	}
	t.Check(a.Status >= 400 && a.Status < 500, "HTTP %d without a SOAP fault", a.Status)
}

// Objects are the registry objects of a query answer.
type Objects struct {
	Entries, Sets, Folders, Associations, Refs []*etree.Element
}

// Total number of objects.
func (o Objects) Total() int {
	return len(o.Entries) + len(o.Sets) + len(o.Folders) + len(o.Associations) + len(o.Refs)
}

func (o Objects) String() string {
	return fmt.Sprintf("%d entries, %d submission sets, %d folders, %d associations, %d references", len(o.Entries), len(o.Sets), len(o.Folders), len(o.Associations), len(o.Refs))
}

// ObjectsOf expects Success and reads the objects.
func (t *T) ObjectsOf(a *Answer) Objects { return t.Listed(t.Success(a)) }

// Listed reads the objects of an answer with any status.
func (t *T) Listed(a *Answer) Objects {
	list := Find(a.Root, nsRIM, "RegistryObjectList")
	t.Check(list != nil, "a query answer has no RegistryObjectList")
	var o Objects
	for _, e := range list.ChildElements() {
		switch e.Tag {
		case "ExtrinsicObject":
			o.Entries = append(o.Entries, e)
		case "Association":
			o.Associations = append(o.Associations, e)
		case "ObjectRef":
			o.Refs = append(o.Refs, e)
		case "RegistryPackage":
			if node(e) == folderNode {
				o.Folders = append(o.Folders, e)
			} else {
				o.Sets = append(o.Sets, e)
			}
		}
	}
	return o
}

func node(e *etree.Element) string {
	for _, c := range e.ChildElements() {
		if c.Tag == "Classification" && c.SelectAttrValue("classificationNode", "") != "" {
			return c.SelectAttrValue("classificationNode", "")
		}
	}
	return ""
}

// SlotOf are the values of a slot of the object.
func SlotOf(e *etree.Element, name string) []string {
	var out []string
	for _, s := range e.ChildElements() {
		if s.Tag == "Slot" && s.SelectAttrValue("name", "") == name {
			for _, v := range s.FindElements(".//Value") {
				out = append(out, v.Text())
			}
		}
	}
	return out
}

// ExternalID is the value of an external identifier of the object.
func ExternalID(e *etree.Element, scheme string) string {
	for _, x := range e.ChildElements() {
		if x.Tag == "ExternalIdentifier" && x.SelectAttrValue("identificationScheme", "") == scheme {
			return x.SelectAttrValue("value", "")
		}
	}
	return ""
}

// Attr is an attribute of the object.
func Attr(e *etree.Element, name string) string { return e.SelectAttrValue(name, "") }

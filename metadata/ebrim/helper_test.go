package ebrim

import (
	"errors"
	"strings"
	"testing"

	"samdok/fault"
	"samdok/internal/xmlscan"
	"samdok/metadata"
)

// at gives a scanner that stands on the first element with this name.
func at(t testing.TB, b []byte, ns xmlscan.NS, local string) *xmlscan.Scanner {
	t.Helper()
	sc := xmlscan.New(b, xmlscan.Limits{})
	for {
		k, err := sc.Next()
		if err != nil || k == xmlscan.EOF {
			t.Fatalf("no %s: %v", local, err)
		}
		if k == xmlscan.Start && sc.Is(ns, local) {
			return sc
		}
	}
}

// submit decodes a submission whose list holds the given XML (rim is the default
// namespace).
func submit(t testing.TB, objects string) (*metadata.Submission, []fault.Problem) {
	t.Helper()
	sub, problems, err := DecodeSubmission(at(t, []byte(inRequest(objects)), xmlscan.LCM, "SubmitObjectsRequest"))
	if err != nil {
		t.Fatal(err)
	}
	return sub, problems
}

func inRequest(objects string) string {
	return `<l:SubmitObjectsRequest xmlns:l="` + lcmNS + `"><RegistryObjectList xmlns="` + rimNS + `">` + objects + `</RegistryObjectList></l:SubmitObjectsRequest>`
}

func slot(name string, values ...string) string {
	return `<Slot name="` + name + `"><ValueList><Value>` + strings.Join(values, "</Value><Value>") + `</Value></ValueList></Slot>`
}

func class(scheme, object, code string, inside ...string) string {
	return `<Classification id="x" classificationScheme="` + scheme + `" classifiedObject="` + object + `" nodeRepresentation="` + code + `">` + strings.Join(inside, "") + `</Classification>`
}

func node(uuid, object string) string {
	return `<Classification id="n" classifiedObject="` + object + `" classificationNode="` + uuid + `"/>`
}

func external(scheme, object, value string) string {
	return `<ExternalIdentifier id="e" registryObject="` + object + `" identificationScheme="` + scheme + `" value="` + value + `"/>`
}

// aSet is a submission set that has nothing wrong with it.
const aSet = `<RegistryPackage id="S"><Classification id="n" classifiedObject="S" classificationNode="` + nodeSet + `"/></RegistryPackage>`

// contexts joins the problems for comparing.
func contexts(problems []fault.Problem) string {
	var all []string
	for _, p := range problems {
		s := string(p.Code) + " " + p.Context
		if p.Severity == fault.SeverityWarning {
			s = "warning " + s
		}
		all = append(all, s)
	}
	return strings.Join(all, "\n")
}

func decodeQuery(t testing.TB, b []byte) (metadata.StoredQuery, error) {
	t.Helper()
	return DecodeQuery(at(t, b, xmlscan.Query, "AdhocQueryRequest"))
}

// codes are the codes of a fault.Error in short, "" for no error.
func codes(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	var e *fault.Error
	if !errors.As(err, &e) || e.Kind != fault.Invalid {
		t.Fatalf("got %v", err)
	}
	var all []string
	for _, p := range e.Problems {
		all = append(all, strings.TrimPrefix(string(p.Code), "XDS"))
	}
	return strings.Join(all, " ")
}

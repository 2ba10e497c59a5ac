package app

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"samdok/access"
	"samdok/audit"
	"samdok/audit/ledger"
	"samdok/metadata"
)

var update = flag.Bool("update", false, "write testdata/log.golden.json")

const goldenLog = "testdata/log.golden.json"

// What samdok log --json prints is part of the interface: words for what is numbers in the
// ledger, names of the standard, nothing that is null.
func TestLogAsJSON(t *testing.T) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	for _, r := range []foundRecord{{Record: everyField(), node: "node-a"}, {Record: ledger.Record{Event: audit.Event{Kind: audit.KindStop, Outcome: audit.Success}}}} {
		v, err := logRecord(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	if *update {
		if err := os.WriteFile(goldenLog, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(goldenLog)
	if err != nil || !bytes.Equal(want, out.Bytes()) {
		t.Errorf("%v; now it is\n%s", err, &out)
	}
}

// Every field that the documentation names is printed under that name, and no other.
func TestLogNamesAreDocumented(t *testing.T) {
	own := []string{"node", "index", "query_id", "segment", "offset"}
	var printed, documented []string
	for f := range reflect.TypeFor[LogRecord]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		printed = append(printed, name)
	}
	for _, f := range audit.Fields() {
		if f.JSON != "" {
			documented = append(documented, f.JSON)
		}
	}
	documented = append(documented, own...)
	slices.Sort(printed)
	slices.Sort(documented)
	if d := slices.Compact(documented); !slices.Equal(printed, d) {
		t.Errorf("printed %q, documented %q", printed, d)
	}
}

func everyField() ledger.Record {
	at := time.Date(2026, 11, 22, 12, 0, 0, 5, time.FixedZone("CET", 3600))
	patient := metadata.PatientID{ID: "13858599169", Authority: "2.16.578.1.12.4.1.4.1"}
	code := metadata.CodeRef{Value: "A00-1", Scheme: "2.16.578.1.12.4.1.1.9602"}
	return ledger.Record{Receipt: audit.Receipt{Index: 7, Segment: 2, Offset: 64}, Event: audit.Event{
		Kind: audit.KindUse, Part: audit.PartThatWorked, Outcome: audit.Success, Time: at, Rules: []string{"a rule"}, Omitted: 1, Hidden: 2, Codes: []string{"XDSRegistryError"},
		Details: []audit.Detail{{Name: "reason", Value: "case 2026/1"}},
		Items: []access.Item{
			{Kind: access.ItemEntry, ID: "urn:uuid:1", UniqueID: "2.999.1", RepositoryID: "2.999", Patient: patient, Controller: "974749025", ClassCode: code, TypeCode: code,
				Status: metadata.Deprecated, Codes: []metadata.Code{{Value: "N", Scheme: "2.16.840.1.113883.5.25"}}},
			{Kind: access.ItemPatient, ID: "none"},
		},
		Request: access.Request{Tenant: "default", Action: access.ActionFind, Transaction: "ITI-18", Time: at, Patients: []metadata.PatientID{patient},
			Documents: []metadata.DocumentRequest{{Home: "urn:oid:2.999", RepositoryID: "2.999", UniqueID: "2.999.1"}},
			Caller: access.Caller{Subject: "s", Name: "Kari Nordmann", Organisation: "974749025", Department: "4711", Role: code, Purpose: code, Basis: "basis", DecisionRef: "ref",
				Override: "need", Door: "soap", Remote: "10.0.0.1", Loopback: true, MessageID: "urn:uuid:2", TraceParent: "00-1-2-01", EventID: "urn:uuid:3", Hops: 1},
			Query: &metadata.FindDocuments{Patient: patient.CX(), Filter: metadata.DocumentFilter{
				Status: []metadata.Status{metadata.Approved, metadata.Deprecated}, Kinds: []metadata.EntryKind{metadata.Stable, metadata.OnDemand}, ClassCode: metadata.AnyOf[metadata.CodeRef]{code},
				EventCodes: metadata.AllOf[metadata.CodeRef]{{code}, {code, code}}, Creation: metadata.TimeRange{From: "2026", To: "2027"}, AuthorPerson: metadata.AnyOf[metadata.Like]{"%O'Hara%"},
			}}},
	}}
}

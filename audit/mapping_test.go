package audit_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"samdok/access"
	"samdok/audit"
)

var update = flag.Bool("update", false, "write docs/audit-events.md")

const documentation = "../docs/audit-events.md"

// Every kind, every action and every field has its row, so that nothing is
// recorded that cannot be told, and nothing forgotten.
func TestEverythingIsMapped(t *testing.T) {
	kinds, actions := map[audit.Kind]bool{}, map[access.Action]bool{}
	for _, m := range audit.Mappings() {
		kinds[m.Kind] = true
		if m.Kind == audit.KindUse {
			actions[m.Action] = true
		}
		if m.EventID.Code == "" || m.Code == "" || m.What == "" {
			t.Errorf("%v %v: no EventID, action or explanation", m.Kind, m.Action)
		}
	}
	for k := audit.Kind(0); k.String() != "unknown"; k++ {
		if !kinds[k] {
			t.Errorf("kind %v has no row", k)
		}
	}
	for a := access.Action(1); a.String() != "unknown"; a++ {
		if !actions[a] {
			t.Errorf("action %v has no row", a)
		}
	}
	var want, got []string
	fields(reflect.TypeFor[audit.Event](), "", &want)
	for _, f := range audit.Fields() {
		got = append(got, f.Name)
		if f.Meaning == "" || f.ATNA == "" || f.FHIR == "" {
			t.Errorf("%s: an empty cell", f.Name)
		}
	}
	if strings.Join(want, " ") != strings.Join(got, " ") {
		t.Errorf("fields of Event: %v\nrows: %v", want, got)
	}
}

// fields lists the fields down to those that have a row of their own.
func fields(t reflect.Type, prefix string, all *[]string) {
	for f := range t.Fields() {
		if f.Type == reflect.TypeFor[access.Request]() || f.Type == reflect.TypeFor[access.Caller]() {
			fields(f.Type, prefix+f.Name+".", all)
			continue
		}
		*all = append(*all, prefix+f.Name)
	}
}

func TestDocumentationIsCurrent(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("# What is recorded\n\nMade from `audit/mapping.go` by `go test ./audit -update`; do not edit.\n\n" +
		"The ledger has one record of each use, durable before the answer; a partial success has two, one of what worked and one of what did\nnot. " +
		"A request of a known transaction that is refused before its use case is reached (it cannot be read to its end, lacks a parameter, is for another\ncommunity) is one that failed; the detail `refused` says why. " +
		"What names no transaction (no envelope, an unknown SOAP action, no MSH segment, an address\nthat is none) is not a use and is not recorded.\n\n" +
		"## Events\n\n| event | what happened | transaction | ATNA EventID / FHIR type | EventTypeCode / subtype | action | objects / entities |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, m := range audit.Mappings() {
		name := m.Kind.String()
		if m.Kind == audit.KindUse {
			name = m.Action.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", name, m.What, m.Transaction, coded(m.EventID), coded(m.EventType), m.Code, m.Objects)
	}
	b.WriteString("\n## Fields\n\n| field | `samdok log --json` | what it says | ATNA | FHIR AuditEvent |\n| --- | --- | --- | --- | --- |\n")
	for _, f := range audit.Fields() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.Name, f.JSON, f.Meaning, f.ATNA, f.FHIR)
	}
	b.WriteString(asJSON)
	if *update {
		if err := os.WriteFile(documentation, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(documentation)
	if err != nil || !bytes.Equal(is, b.Bytes()) {
		t.Errorf("%s is not current: go test ./audit -update (%v)", documentation, err)
	}
}

// asJSON is of the form that internal/app gives records; a test there holds the names.
const asJSON = `
## samdok log --json

One object a line. A field that says nothing is left out; nothing is null. Times are RFC 3339 in UTC, patients are CX, codes ` + "`CODE^^SCHEME`" + `.

| name | values |
| --- | --- |
| index, node | number of the record, and whose ledger it is in when there are many; ` + "`--before`" + ` takes them |
| event | the first column of the table of events |
| outcome | success, partial-success (of old records), denied, failed, error, panic, aborted |
| part | of a partial success: succeeded, failed |
| query_id, query | the stored query's id, and ` + "`name` and `parameters`" + `: by their names in the standard (` + "`$XDSDocumentEntryStatus`" + `), each with its ` + "`values`" + `, which are alternatives; a name that stands twice means AND. A status is approved or deprecated, a kind of entry stable or on-demand |
| documents_asked_for | ` + "`home`, `repository_id`, `unique_id`" + ` |
| items | ` + "`kind`" + ` (document, submission-set, folder, association, patient, message, hold, subscription, holding), ` + "`id`" + ` (entryUUID), ` + "`unique_id`, `repository_id`, `patient`, `controller`, `status`, `class_code`, `type_code`, `confidentiality_codes`" + ` |
| details | an object of texts |
| segment, offset | where the record is in the ledger's files |
`

func coded(c audit.Coded) string {
	if c.Code == "" {
		return ""
	}
	return c.Code + " " + c.Display + " (" + c.Scheme + ")"
}

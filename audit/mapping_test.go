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
		"A request that is refused before a use case is reached (malformed XML, an unknown SOAP action) is not a use and is not recorded.\n\n" +
		"## Events\n\n| event | what happened | transaction | ATNA EventID / FHIR type | EventTypeCode / subtype | action | objects / entities |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, m := range audit.Mappings() {
		name := m.Kind.String()
		if m.Kind == audit.KindUse {
			name = m.Action.String()
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s |\n", name, m.What, m.Transaction, coded(m.EventID), coded(m.EventType), m.Code, m.Objects)
	}
	b.WriteString("\n## Fields\n\n| field | what it says | ATNA | FHIR AuditEvent |\n| --- | --- | --- | --- |\n")
	for _, f := range audit.Fields() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.Name, f.Meaning, f.ATNA, f.FHIR)
	}
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

func coded(c audit.Coded) string {
	if c.Code == "" {
		return ""
	}
	return c.Code + " " + c.Display + " (" + c.Scheme + ")"
}

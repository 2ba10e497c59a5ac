package retention_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"samdok/metadata"
	"samdok/retention"
)

func TestRules(t *testing.T) {
	r, err := retention.ParseRules([]byte(`
version: 1
rules:
  - id: born
    title: birth records
    type: [B1^^2.16.578.1.12.4.1.1.9602]
    action: keep
  - id: lab
    class: [ALM^^urn:oid:2.16.578.1.12.4.1.1.9602, LAB^^2.16.578.1.12.4.1.1.9602]
    controller: ["974749025"]
    action: erase
    age: 10y
    from: serviceStop
  - id: rest
    action: erase
    age: 90d
`))
	if err != nil {
		t.Fatal(err)
	}
	entry := func(class, kind, created, stop string) *metadata.DocumentEntry {
		d := &metadata.DocumentEntry{CreationTime: metadata.DTM(created), ServiceStop: metadata.DTM(stop)}
		d.ClassCode.Value, d.ClassCode.Scheme = class, "2.16.578.1.12.4.1.1.9602"
		d.TypeCode.Value, d.TypeCode.Scheme = kind, "2.16.578.1.12.4.1.1.9602"
		return d
	}
	for name, c := range map[string]struct {
		entry      *metadata.DocumentEntry
		controller string
		rule, due  string // due "": never; "?": undated
	}{
		"kept":                   {entry("LAB", "B1", "2001", "2001"), "974749025", "born", ""},
		"other spelling":         {entry("ALM", "X", "2001", "20160215"), "974749025", "lab", "2026-02-16"},
		"a year is over":         {entry("LAB", "X", "2001", "2016"), "974749025", "lab", "2027-01-01"},
		"a month":                {entry("LAB", "X", "2001", "201602"), "974749025", "lab", "2026-03-01"},
		"no date":                {entry("LAB", "X", "2001", ""), "974749025", "lab", "?"},
		"other controller":       {entry("LAB", "X", "20260101", ""), "1", "rest", "2026-04-02"},
		"without any controller": {entry("EPI", "X", "20260101", ""), "", "rest", "2026-04-02"},
	} {
		v := r.Of(c.entry, c.controller)
		due := ""
		if v.Undated {
			due = "?"
		} else if !v.Due.IsZero() {
			due = v.Due.Format(time.DateOnly)
		}
		if v.Rule == nil || v.Rule.ID != c.rule || due != c.due {
			t.Errorf("%s: %+v", name, v)
		}
	}
	if got := r.Rules[1].String(); !strings.Contains(got, "lab: erase class ALM") || !strings.Contains(got, "controller 974749025") || !strings.Contains(got, "10y, counted from serviceStop") {
		t.Error(got)
	}
}

func TestRulesRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                      "version",
		"version: 2\nrules: []": "version is 2",
		"version: 1\nrules: []": "0 rules",
		"version: 1\nrules: [{id: a, action: erase}]":                                           "age",
		"version: 1\nrules: [{id: a, action: erase, age: 10}]":                                  "age",
		"version: 1\nrules: [{id: a, action: erase, age: -1y}]":                                 "age",
		"version: 1\nrules: [{id: a, action: burn, age: 1y}]":                                   "action",
		"version: 1\nrules: [{id: a, action: keep, age: 1y}]":                                   "no age",
		"version: 1\nrules: [{action: keep}]":                                                   "id",
		"version: 1\nrules: [{id: a, action: keep}, {id: a, action: keep}]":                     "id",
		"version: 1\nrules: [{id: a, action: keep, class: [LAB]}]":                              "value^^scheme",
		"version: 1\nrules: [{id: a, action: keep, clas: [LAB]}]":                               "clas",
		"version: 1\nrules: [{id: a, action: erase, age: 1y, from: birth}]":                     "from",
		"version: 1\nrules: [{id: a, action: keep, controller: ['']}]":                          "controller",
		"version: 1\nrules: [{id: a, action: erase, age: 1y, from: creationTime, days: [1,2]}]": "days",
		"\t{": "",
	} {
		if _, err := retention.ParseRules([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// What is wrong is told by line and key, with an example, and in no words of a
// programming language.
func TestMistakesAreToldInTheWordsOfTheFile(t *testing.T) {
	const good = "version: 1\nrules:\n- id: lab\n  action: keep\n"
	for name, c := range map[string]struct{ in, want string }{
		"a word for a number":        {"version: one\n", "retention rules, line 1: version: expected a whole number, and there is \"one\"; write for example version: 1"},
		"one value for a list":       {good + "  class: LAB\n", "line 5: rules[1].class: expected a list, and there is \"LAB\"; write for example class: ["},
		"a list for a text":          {good + "  title: [a]\n", "line 5: rules[1].title: expected text, and there is a list"},
		"a group for a list":         {"version: 1\nrules:\n  lab: {action: keep}\n", "line 3: rules: expected a list, and there is a group of keys; write for example rules: ["},
		"a key that does not exist":  {good + "  tittle: a\n", "line 5: rules[1].tittle: there is no such key; did you mean title?"},
		"a key twice":                {good + "  id: a\n", "line 5: rules[1].id: stands in line 3 already"},
		"no version":                 {"rules: []\n", "retention rules: the version of their form is missing; write version: 1"},
		"a rule that cannot be kept": {good + "- id: old\n  action: erase\n  age: ten\n", "line 5: rule old: age is \"ten\"; give a number"},
		"a list for the whole":       {"- id: lab\n", "line 1: expected keys such as version, rules, and there is a list"},
		"a tab":                      {"version: 1\nrules:\n\t- id: lab\n", "line 3: is indented with a tab"},
	} {
		_, err := retention.ParseRules([]byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	l, err := retention.OpenList(dir, own)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []retention.Erasure{
		{ID: "a", State: retention.Begun}, {ID: "b", State: retention.Begun}, {ID: "a", State: retention.Ended},
		{ID: "c", State: retention.Begun}, {ID: "c", State: retention.Void}, {ID: "b", State: retention.Begun, Documents: nil},
	} {
		if err := l.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, retention.ListName)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// A line that a crash cut off is no line.
	if err := os.WriteFile(path, append(whole, `{"id":"d","sta`...), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err = retention.OpenList(dir, own); err != nil {
		t.Fatal(err)
	}
	if all, open := l.All(), l.Open(); len(all) != 3 || len(open) != 1 || open[0].ID != "b" {
		t.Fatalf("%+v, %+v", all, open)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := retention.OpenList(dir, "1.2.3"); err == nil || !strings.Contains(err.Error(), "belongs to") {
		t.Fatal(err)
	}
	for _, bad := range []string{"x\n", `{"format":9,"repository":"1"}` + "\n", string(whole) + "x\n", string(whole) + `{"id":"e","state":"done"}` + "\n"} {
		if _, err := retention.ParseList([]byte(bad), ""); err == nil {
			t.Errorf("taken: %q", bad)
		}
	}
	if _, err := retention.Merge(dir, whole[:len(whole)-30], own); err == nil {
		t.Error("an older or cut list was taken")
	}
	if n, err := retention.Merge(t.TempDir(), whole, own); err != nil || n != 3 {
		t.Errorf("into a folder without a list: %d, %v", n, err)
	}
}

package strictfile

import (
	"strings"
	"testing"
)

type file struct {
	Name string           `yaml:"name" json:"name"`
	List []item           `yaml:"list" json:"list"`
	Map  map[string][]int `yaml:"map" json:"map"`
}

type item struct {
	On *bool  `yaml:"on" json:"on"`
	N  int    `yaml:"n" json:"n" example:"7"`
	In *item  `yaml:"in" json:"in"`
	To string `yaml:"to" json:"to"`
}

func TestYAML(t *testing.T) {
	var f file
	read, err := YAML([]byte("---\nname: 1.10\nlist:\n- &a {n: 1, to: no}\n- <<: *a\n  on: yes\n  in: *a\nmap: {x: [1, 0x2]}\n"), &f)
	if err != nil || f.Name != "1.10" || f.List[0].To != "no" || f.List[1].N != 1 || !*f.List[1].On || f.List[1].In.N != 1 || f.Map["x"][1] != 2 {
		t.Errorf("%+v, %v", f, err)
	}
	for _, c := range []struct {
		line int
		path []any
	}{{2, []any{"name"}}, {4, []any{"list", 0, "n"}}, {6, []any{"list", 1, "on"}}, {5, []any{"list", 1, "to"}}, {2, []any{"nowhere"}}, {2, nil}} {
		if got := read.Line(c.path...); got != c.line {
			t.Errorf("%v: line %d, want %d", c.path, got, c.line)
		}
	}
	for _, empty := range []string{"", "# nothing\n", "---\n"} {
		if _, err := YAML([]byte(empty), &f); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

// Each of these is told by its line.
func TestMistakes(t *testing.T) {
	for in, want := range map[string]string{
		"list:\n- n: 1.5\n":                       "line 2: list[1].n: expected a whole number, and there is \"1.5\"; write for example n: 7",
		"list:\n- n: 99999999999999999999\n":      "line 2: list[1].n: expected a whole number",
		"list:\n- in:\n    in: {n: []}\n":         "line 3: list[1].in.in.n: expected a whole number, and there is a list",
		"map:\n  x: [1, a]\n":                     "line 2: map.x[2]: expected a whole number",
		"map:\n  x: 1\n":                          "line 2: map.x: expected a list",
		"map: [1]\n":                              "line 1: map: expected keys with values, and there is a list",
		"map:\n  x: []\n  x: []\n":                "line 3: map.x: stands in line 2 already",
		"? [a]\n: b\n":                            "line 1: expected a key, and there is a list",
		"list:\n- <<: 3\n":                        "line 2: list[1]: expected keys such as",
		"list:\n- {n: x}\n- {m: 1}\n":             "line 2: list[1].n: expected a whole number, and there is \"x\"; write for example n: 7\nline 3: list[2].m: there is no such key; there are on, n, in, to",
		"name: " + strings.Repeat("[", 200):       "line 1: ",
		"list:\n- n: " + strings.Repeat("x", 200): "x…\"",
		"name: *a\n":                              "line 1: a value begins with *",
		"name: \x01\n":                            "line 1: there is a control character",
		"name: \"\xff\"\n":                        "line 1: the file must be text in UTF-8",
		"name: \"a\n":                             "a quote is opened",
		"name: a\nlist\nmap: {}\n":                "a key lacks its colon",
		"list:\n- n: 1\n n: 2\n":                  "line 3: ",
		"list:\n  - n: 1\n to: x\n":               "line 3: the line does not belong with those above",
		"name: a\n--- \n\tx\n":                    "line 3: ",
		"list: &l\n- in: &a {in: {in: *a}}\n":     "itself",
		"list:\n- &a {<<: [*a, *a, *a, *a]}\n":    "itself",
		"a: &a {<<: *a}\n":                        "a: there is no such key",
		"list:\n- &a {<<: *a}\n":                  "",
	} {
		var f file
		_, err := YAML([]byte(in), &f)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, want %s", in, err, want)
			continue
		}
		for _, word := range []string{"yaml:", "unmarshal", "!!", "strictfile"} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%.60q: %q stands in %v", in, word, err)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	var f file
	if err := JSON([]byte("{\"name\": \"a\", \"list\":\t[{\"on\": true, \"n\": 2, \"in\": null}], \"map\": {\"x\": [1]}}"), &f); err != nil || f.List[0].N != 2 || f.Map["x"][0] != 1 {
		t.Errorf("%+v, %v", f, err)
	}
	for in, want := range map[string]string{
		"{\n\"list\": [{\"n\": \"2\"}]}": "line 2: list[1].n: expected a whole number",
		"{\n\n\"name\": true}":           "line 3: name: expected text, and there is \"true\"",
		"{} {}":                          "line 1: cannot be read as JSON",
		"":                               "line 1: cannot be read as JSON",
		"{\"list\": [{\"n\": 1.0}]}":     "list[1].n: expected a whole number",
		"{\"list\": [\nnull]}":           "line 2: list[1]: is an element without a value",
	} {
		if err := JSON([]byte(in), &f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", in, err, want)
		}
	}
	if err := LooseJSON([]byte("{\"other\": 1,\n\"list\": \"geheim\"}"), &f); err == nil || !strings.Contains(err.Error(), "line 2: list: is of another kind than expected") || strings.Contains(err.Error(), "geheim") {
		t.Error(err)
	}
}

// Whatever a file holds, reading it ends, and says what is wrong in no words of Go.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{"name: x", "&a [*a]", "list: [&a {in: *a}]", "map: {? [a] : b}", "- <<: [{}, *a]", "\t", "a: !!binary x", "name: !!int x"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var to file
		if _, err := YAML(b, &to); err != nil && strings.Contains(err.Error(), "strictfile.") {
			t.Error(err)
		}
		if err := JSON(b, &to); err != nil && strings.Contains(err.Error(), "strictfile.") {
			t.Error(err)
		}
	})
}

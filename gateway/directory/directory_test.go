package directory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "communities.yaml")
	if err := os.WriteFile(path, []byte(`
communities:
  - home: 1.2.3
    name: West
    query: https://west.example/xca
    deadline: 3s
    retries: 0
    tls: {ca: west.pem}
    health-data-locator: https://west.example/xcpd
    locates: [1.2.4]
  - home: urn:oid:1.2.4
    kind: xds
    query: http://127.0.0.1:1/registry
    retrieve: http://127.0.0.1:1/repository
`), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := Load(path)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	w := list[0]
	if w.Home != "urn:oid:1.2.3" || w.Retrieve != w.Query || w.Kind != "xca" || time.Duration(w.Deadline) != 3*time.Second || *w.Retries != 0 || w.TLS.CA != "west.pem" || w.Locates[0] != "urn:oid:1.2.4" {
		t.Errorf("%+v", w)
	}
	if list[1].Kind != "xds" || list[1].Retrieve == list[1].Query || list[1].Retries != nil {
		t.Errorf("%+v", list[1])
	}
	if list, err := Parse(nil); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	const good = "{home: 1.2.3, query: 'https://x/y'"
	for in, want := range map[string]string{
		"communities: [{home: x, query: 'https://x/y'}]":                                "is not an OID",
		"communities: [" + good + ", others: ['']}]":                                    "others",
		"communities: [{home: 1.2.3}]":                                                  "query is missing",
		"communities: [{home: 1.2.3, query: 'ftp://x'}]":                                "https://",
		"communities: [{home: 1.2.3, query: 'https://a:b@x/'}]":                         "https://",
		"communities: [" + good + ", kind: xcpd}]":                                      "xcpd",
		"communities: [" + good + ", kind: xds, bridge: true}]":                         "one community only",
		"communities: [" + good + ", repositories: [1.2]}]":                             "for kind xds",
		"communities: [" + good + ", kind: xds, repositories: [x]}]":                    "not an OID",
		"communities: [" + good + ", deadline: soon}]":                                  "duration",
		"communities: [" + good + ", deadline: -1s}]":                                   "duration",
		"communities: [" + good + ", assigning-authority: 'urn:oid:1.2'}]":              "assigning-authority",
		"communities: [" + good + ", discover: 'x'}]":                                   "discover",
		"communities: [" + good + ", locator: 'x'}]":                                    "locator",
		"communities: [" + good + ", discover: 'http://x/', assigning-authority: 1.2}]": "not both",
		"communities: [" + good + ", health-data-locator: x}]":                          "health-data-locator",
		"communities: [" + good + ", locates: [1.2]}]":                                  "needs health-data-locator",
		"communities: [" + good + ", health-data-locator: 'http://x/', locates: [x]}]":  "locates",
		"communities: [" + good + ", tls: {cert: a}}]":                                  "belong together",
		"communities: [" + good + ", concurrent: -1}]":                                  "negative",
		"communities: [" + good + ", speed: 9}]":                                        "speed",
		"comunities: []":                                                                "comunities",
		"[":                                                                             "not closed",
		"communities: [{home: 1.2.3, name: A}, {home: x, name: B}]":                     "communities[2] (B)",
	} {
		if _, err := Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	if _, err := Parse([]byte("communities: [" + good + ", locator: 'https://user:geheim@x/'}]")); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("a password stands in %v", err)
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error")
	}
}

// What is wrong is told by file, line and key, with an example, and in no words of a
// programming language.
func TestMistakesAreToldInTheWordsOfTheFile(t *testing.T) {
	const good = "communities:\n- home: 1.2.3\n  query: https://x/y\n"
	for name, c := range map[string]struct{ in, want string }{
		"a word for a number":       {good + "  concurrent: many\n", "line 4: communities[1].concurrent: expected a whole number, and there is \"many\"; write for example concurrent: 64"},
		"a list for a text":         {good + "  name: [a]\n", "line 4: communities[1].name: expected text, and there is a list; write for example name: Region West"},
		"a group for a duration":    {good + "  deadline:\n    seconds: 5\n", "line 5: communities[1].deadline: expected one value, and there is a group of keys; write for example deadline: 10s"},
		"a number for a duration":   {good + "  deadline: 10\n", "line 4: communities[1].deadline: \"10\" is not a duration of more than 0; write for example deadline: 10s"},
		"no value":                  {good + "  stall:\n", "line 4: communities[1].stall: expected one value, and there is nothing; write for example stall: 20s"},
		"a word for on and off":     {good + "  bridge: perhaps\n", "line 4: communities[1].bridge: expected true or false, and there is \"perhaps\"; write for example bridge: true"},
		"one value for a list":      {good + "  others: 1.2.4\n", "line 4: communities[1].others: expected a list, and there is \"1.2.4\"; write for example others: [urn:oid:"},
		"a text for a group":        {good + "  tls: west.pem\n", "line 4: communities[1].tls: expected keys such as cert, key, ca, and there is \"west.pem\"; write for example tls: {cert: "},
		"a group for the list":      {"communities:\n  west:\n    home: 1.2.3\n", "line 2: communities: expected a list, and there is a group of keys; write for example - in front"},
		"a list for the whole":      {"- home: 1.2.3\n", "line 1: expected keys such as communities, and there is a list"},
		"a key that does not exist": {good + "  dedline: 3s\n", "line 4: communities[1].dedline: there is no such key; did you mean deadline?"},
		"a key twice":               {good + "  name: a\n  name: b\n", "line 5: communities[1].name: stands in line 4 already"},
		"a tab":                     {good + "\tname: a\n", "line 4: is indented with a tab"},
		"a wrong column":            {good + "   name: a\n", "line 4: there is a colon where none can be"},
		"a column too few":          {good + " name: a\n", "line 4: the line does not belong with"},
		"a quote left open":         {good + "  name: 'a\n", "line 4: a quote is opened and not closed"},
		"a sign for a value":        {good + "  name: @a\n", "line 4: a value begins with a character"},
		"two documents":             {good + "---\n" + good, "line 4: a second document begins here"},
		"an empty element":          {good + "-\n", "line 4: communities[2]: is an element without a value"},
		"a required key":            {good + "- home: 1.2.4\n  name: B\n", "line 4: communities[2] (B): query is missing; write for example query: https://"},
		"what is no OID":            {good + "- query: https://x/y\n  home: abc\n", "line 5: communities[2] (abc): home \"abc\" is not an OID; write such as"},
		"what contains itself":      {"communities: &a [*a]\n", "communities"},
	} {
		path := filepath.Join(t.TempDir(), "communities.yaml")
		if err := os.WriteFile(path, []byte(c.in), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(path)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.HasPrefix(err.Error(), path+", ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
		for _, word := range []string{"yaml:", "!!", "unmarshal", "directory.", "struct", "field"} {
			if strings.Contains(strings.TrimPrefix(err.Error(), path), word) {
				t.Errorf("%s: %q stands in %v", name, word, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("communities: [{home: 1.2.3, query: 'https://x/y', deadline: 3s}]"))
	f.Add([]byte("&a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := Parse(b)
		if err != nil {
			return
		}
		for _, c := range list {
			if c.Home == "" || c.Query == "" || c.Retrieve == "" || c.Kind == "" {
				t.Errorf("%+v", c)
			}
		}
	})
}

// The examples that people start from are right.
func TestExample(t *testing.T) {
	if list, err := Load("../../examples/two-regions/communities.yaml"); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	list, err := Load("../../examples/communities.yaml")
	if err != nil || len(list) != 6 || !list[5].Bridge || list[2].Home != list[3].Home {
		t.Errorf("%+v, %v", list, err)
	}
}

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
		"communities: [{home: 1.2.3}]":                                                  "query",
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
		"communities: [" + good + ", discover: 'http://x/', assigning-authority: 1.2}]": "not both",
		"communities: [" + good + ", health-data-locator: x}]":                          "health-data-locator",
		"communities: [" + good + ", locates: [1.2]}]":                                  "needs health-data-locator",
		"communities: [" + good + ", health-data-locator: 'http://x/', locates: [x]}]":  "locates",
		"communities: [" + good + ", tls: {cert: a}}]":                                  "belong together",
		"communities: [" + good + ", concurrent: -1}]":                                  "negative",
		"communities: [" + good + ", speed: 9}]":                                        "speed",
		"comunities: []":                                                                "comunities",
		"[":                                                                             "yaml",
		"communities: [{home: 1.2.3, name: A}, {home: x, name: B}]":                     "community 2 (B)",
	} {
		if _, err := Parse([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error")
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

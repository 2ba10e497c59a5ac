package ebrim

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"samdok/internal/xmlscan"
)

var update = flag.Bool("update", false, "write the golden files anew; read the difference before you commit it")

// TestGolden decodes messages that other implementations sent (testdata/README.md)
// and compares everything in them with what a person has read once.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*/*.xml")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		t.Run(strings.TrimPrefix(name, "testdata/"), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(decoded(t, b), "", " ")
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(name, ".xml") + ".golden.json"
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(strings.TrimSpace(string(want)), string(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

// decoded is what the first known element of a message says; nil for a message of
// another kind.
func decoded(t *testing.T, b []byte) any {
	sc := xmlscan.New(b, xmlscan.Limits{})
	for {
		k, err := sc.Next()
		switch {
		case err != nil:
			t.Fatal(err)
		case k == xmlscan.EOF:
			return nil
		case k != xmlscan.Start:
			continue
		}
		switch {
		case sc.Is(xmlscan.LCM, "SubmitObjectsRequest"):
			sub, problems, err := DecodeSubmission(sc)
			if err != nil {
				t.Fatal(err)
			}
			again, _, err := DecodeSubmission(at(t, AppendSubmission(nil, sub), xmlscan.LCM, "SubmitObjectsRequest"))
			if d := cmp.Diff(sub, again); err != nil || d != "" {
				t.Errorf("written and read again: %v %s", err, d)
			}
			return map[string]any{"Submission": sub, "Problems": problems}
		case sc.Is(xmlscan.Query, "AdhocQueryRequest"):
			q, err := DecodeQuery(sc)
			if err != nil {
				t.Fatal(err)
			}
			again, err := decodeQuery(t, AppendQuery(nil, q))
			if d := cmp.Diff(q, again); err != nil || d != "" {
				t.Errorf("written and read again: %v %s", err, d)
			}
			return map[string]any{"QueryID": q.Query.QueryID(), "Query": q}
		case sc.Is(xmlscan.Query, "AdhocQueryResponse"):
			r, err := DecodeQueryResponse(sc)
			if err != nil {
				t.Fatal(err)
			}
			return r
		case sc.Is(xmlscan.RS, "RegistryResponse"):
			r, err := DecodeRegistryResponse(sc)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
}

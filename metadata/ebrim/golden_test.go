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
	"samdok/metadata"
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
			got := compact(t, decoded(t, b))
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

// compact is v as JSON without what is empty, and with UUIDs as text.
func compact(t *testing.T, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	b, err = json.MarshalIndent(prune(tree), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func prune(v any) any {
	switch v := v.(type) {
	case string, float64, bool:
		if v == "" || v == 0.0 || v == false {
			return nil
		}
	case []any:
		var u metadata.UUID
		for i, x := range v {
			if n, ok := x.(float64); ok && len(v) == len(u) {
				u[i] = byte(n)
				continue
			}
			v[i] = prune(x)
		}
		if len(v) == len(u) && isNumber(v[0]) {
			return prune(strings.TrimPrefix(u.String(), (metadata.UUID{}).String()))
		}
	case map[string]any:
		for name, x := range v {
			if x = prune(x); x == nil {
				delete(v, name)
			} else {
				v[name] = x
			}
		}
		if len(v) == 0 {
			return nil
		}
	}
	return v
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

func isNumber(v any) bool {
	_, ok := v.(float64)
	return ok
}

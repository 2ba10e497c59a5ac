package enginetest

import (
	"crypto/rand"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Index is where a test may make indices.
type Index struct {
	URL    string // http://127.0.0.1:PORT
	Prefix string // of the names of all indices and aliases of the test, "t...-"
}

// Elasticsearch is the shared server. What lies under the prefix is deleted when
// the test ends.
func Elasticsearch(t testing.TB) Index {
	t.Helper()
	url, err := sharedElasticsearch()
	if err != nil {
		t.Fatal(err)
	}
	x := Index{URL: url, Prefix: "t" + strings.ToLower(rand.Text()[:16]) + "-"}
	t.Cleanup(func() {
		if err := x.remove(); err != nil {
			t.Errorf("enginetest: the test's indices are left: %v", err)
		}
	})
	return x
}

var sharedElasticsearch = sync.OnceValues(func() (string, error) {
	if url := os.Getenv("SAMDOK_TEST_ELASTICSEARCH_URL"); url != "" {
		return strings.TrimSuffix(url, "/"), nil
	}
	return elasticsearch.share()
})

var elasticsearch = engine{name: "elasticsearch", ready: func(url string) error {
	_, err := call("GET", url+"/_cluster/health?wait_for_status=yellow&timeout=10s")
	return err
}}

// remove deletes by name: the server refuses patterns.
func (x Index) remove() error {
	body, err := call("GET", x.URL+"/_cat/indices/"+x.Prefix+"*?format=json&h=index&expand_wildcards=all")
	if err != nil {
		return err
	}
	var found []struct{ Index string }
	if err := json.Unmarshal(body, &found); err != nil || len(found) == 0 {
		return err
	}
	for some := range slices.Chunk(found, 40) { // the server takes lines of 4 KiB
		names := make([]string, len(some))
		for i, f := range some {
			names[i] = f.Index
		}
		if _, err := call("DELETE", x.URL+"/"+strings.Join(names, ",")+"?ignore_unavailable=true"); err != nil {
			return err
		}
	}
	return nil
}

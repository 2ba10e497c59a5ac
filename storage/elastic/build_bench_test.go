package elastic_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"samdok/internal/enginetest"
	"samdok/storage/elastic"
)

// BenchmarkBuild is what samdok alone does in a reindex: windows of batches of
// submissions of one document are derived, encoded, sealed and sent to a cluster that
// has nothing and forgets everything. Compare -cpu 1,2,4.
func BenchmarkBuild(b *testing.B) {
	at := enginetest.Elasticsearch(b)
	k := &keys{dead: map[uint64]bool{}}
	nowhere := &forgetting{}
	x := openIndex(b, at, elastic.Options{Keys: k, Transport: nowhere})
	defer x.Close()
	const window, records = 64, 8
	c := newCrowd(k, 7, 500, 1)
	var batches []elastic.Batch
	for seq := range uint64(window) {
		batches = append(batches, c.batch(seq+1, records))
	}
	nowhere.on.Store(true)
	entries := 0
	for b.Loop() {
		if err := x.Build(context.Background(), 1, region, batches); err != nil {
			b.Fatal(err)
		}
		entries += window * records
	}
	b.ReportMetric(float64(entries)/b.Elapsed().Seconds(), "entries/s")
}

// forgetting answers like a cluster that has no documents and takes all, when it is on.
type forgetting struct{ on atomic.Bool }

func (f *forgetting) RoundTrip(r *http.Request) (*http.Response, error) {
	if !f.on.Load() {
		return http.DefaultTransport.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	text := "{}"
	switch {
	case strings.HasSuffix(r.URL.Path, "/_mget"):
		text = `{"docs":[` + strings.Repeat(`{"found":false},`, bytes.Count(body, []byte(`"_index"`))-1) + `{"found":false}]}`
	case strings.HasSuffix(r.URL.Path, "/_bulk"):
		text = `{"items":[` + strings.Repeat(`{"index":{"status":201}},`, bytes.Count(body, []byte("\n"))/2-1) + `{"index":{"status":201}}]}`
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(text))}, nil
}

package elastic_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"samdok/access"
	"samdok/internal/enginetest"
	"samdok/metadata"
	"samdok/storage"
	"samdok/storage/elastic"
)

// BenchmarkFind finds a patient's ten entries, in turn with the same calls of the
// cluster made plainly, whose answers are read and thrown away. It reports the
// medians, so that what else the machine does falls on both.
func BenchmarkFind(b *testing.B) {
	at := enginetest.Elasticsearch(b)
	k := &keys{dead: map[uint64]bool{}}
	m := &meddler{}
	x := openIndex(b, at, elastic.Options{Keys: k, Transport: m})
	defer x.Close()
	c := newCrowd(k, 7, 200, 1)
	ctx := context.Background()
	mark, err := x.Watermark(ctx, region)
	var batches []elastic.Batch
	for seq := range uint64(20) {
		batches = append(batches, c.batch(seq+1, 100))
	}
	if err == nil {
		_, err = x.Project(ctx, region, mark, batches)
	}
	if err != nil {
		b.Fatal(err)
	}
	patient := storage.Stream{}
	for i := range c.patients {
		if c.versions[i] == 10 {
			patient = storage.PatientStream(c.patients[i].ID())
		}
	}
	find := func() {
		n := 0
		for _, err := range x.Find(ctx, region, patient, storage.Filter{Documents: &metadata.DocumentFilter{}}, access.Restriction{}) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != 10 {
			b.Fatalf("%d entries", n)
		}
	}
	m.set(nil)
	find()
	calls := slices.Clone(m.sent)
	x.Close()
	x = openIndex(b, at, elastic.Options{Keys: k}) // its own pool of connections
	plain := func(s sent) {
		method := "POST"
		if s.body == "" {
			method = "GET"
		}
		req, err := http.NewRequest(method, at.URL+s.path+"?"+s.query, bytes.NewReader([]byte(s.body)))
		if err != nil {
			b.Error(err)
			return
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil || res.StatusCode != 200 {
			b.Error(err, res.Status)
			return
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	raw := func() {
		done := make(chan struct{})
		plain(calls[0])
		if strings.HasSuffix(calls[1].path, "_search") {
			calls[1], calls[2] = calls[2], calls[1]
		}
		go func() { plain(calls[1]); close(done) }()
		plain(calls[2])
		<-done
	}
	var ours, theirs []time.Duration
	for range 100 {
		find()
		raw()
	}
	b.ResetTimer()
	for range b.N {
		begun := time.Now()
		raw()
		middle := time.Now()
		find()
		theirs, ours = append(theirs, middle.Sub(begun)), append(ours, time.Since(middle))
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(float64(ours[len(ours)/2].Microseconds()), "find-µs-p50")
	b.ReportMetric(float64(theirs[len(theirs)/2].Microseconds()), "raw-µs-p50")
}

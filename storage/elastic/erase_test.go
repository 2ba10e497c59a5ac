package elastic_test

import (
	"context"
	"encoding/base32"
	"testing"

	"samdok/internal/enginetest"
	"samdok/storage/elastic"
)

// What was erased leaves numbers and a status, sealed under another key.
func TestErasedLeavesNothing(t *testing.T) {
	at := enginetest.Elasticsearch(t)
	k := &keys{dead: map[uint64]bool{}}
	h := newHistory(k, 5)
	x := openIndex(t, at, elastic.Options{Keys: k})
	defer x.Close()
	mark, err := x.Watermark(context.Background(), region)
	if err == nil {
		_, err = x.Project(context.Background(), region, mark, h.batches[:h.since])
	}
	if err != nil {
		t.Fatal(err)
	}
	ref := x.Reference(region, h.stream(h.erased))
	term := base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(ref[:])
	var found struct {
		Hits struct {
			Hits []struct {
				Source map[string]any `json:"_source"`
			}
		}
	}
	call(t, "POST", at.URL+"/"+at.Prefix+"changes-000001/_search", map[string]any{"size": 100, "query": map[string]any{"term": map[string]any{"stream": term}}}, &found)
	if len(found.Hits.Hits) < 2 {
		t.Fatalf("%d parts", len(found.Hits.Hits))
	}
	stays := map[string]bool{"stream": true, "version": true, "part": true, "tenant": true, "seq": true, "at": true, "touched": true, "objects": true, "touches": true, "data": true, "submitted": true}
	for _, hit := range found.Hits.Hits {
		for name, v := range hit.Source {
			if !stays[name] {
				t.Errorf("%s is left: %v", name, v)
			}
		}
		if s, ok := hit.Source["submitted"].([]any); ok && (len(s) != 1 || s[0] != float64(0)) {
			t.Errorf("the time of a submission is left: %v", s)
		}
		if hit.Source["at"] != float64(h.since) && len(hit.Source["objects"].(string)) > 4 {
			t.Errorf("a part is as it was: %v", hit.Source["at"])
		}
	}
	// Nor does a uniqueId lead there; an entryUUID is never used again.
	for _, b := range h.batches[:h.since-1] {
		for _, r := range b.Records {
			if r.Stream != h.stream(h.erased) {
				continue
			}
			objects := map[string]bool{}
			for _, added := range r.Events[0].Added {
				objects[string(added.Object.ObjectID())] = true
			}
			a, err := x.At(context.Background(), region, elastic.Watermark{Seq: h.since, Generation: 1}, elastic.Question{Claims: r.Claims})
			if err != nil {
				t.Fatal(err)
			}
			for i, taken := range a.Taken {
				if id := r.Claims[i].ID; taken != objects[id] {
					t.Fatalf("claim on %s: taken %v", id, taken)
				}
			}
		}
	}
}

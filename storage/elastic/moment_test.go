package elastic_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"samdok/fault"
	"samdok/internal/enginetest"
	"samdok/storage"
	"samdok/storage/elastic"
)

// renewals counts the searches of a view that ask for nothing.
func (m *meddler) renewals() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.sent {
		if strings.HasSuffix(s.path, "/_search") && strings.Contains(s.body, `"pit"`) && strings.Contains(s.body, `"size":0`) {
			n++
		}
	}
	return n
}

// Whoever takes long over a page of streams does not lose the view: it is asked for
// again and again meanwhile, and no more when the walk has ended.
func TestViewIsKept(t *testing.T) {
	m := &meddler{}
	x, _, _ := small(t, enginetest.Elasticsearch(t), elastic.Options{Transport: m})
	x.KeepViews(200 * time.Millisecond)
	n := 0
	for _, err := range x.Streams(t.Context(), region, storage.StreamPatient) {
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); m.renewals() < 3*(n+1); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nobody asks for the view")
			}
		}
		n++
	}
	if n == 0 {
		t.Fatal("there are no streams")
	}
	m.set(nil)
	time.Sleep(300 * time.Millisecond)
	if m.renewals() > 0 {
		t.Error("the view is asked for after the walk")
	}
}

// A view that the cluster has given up ends the walk, and does not send the operator
// to rebuild an index that is well.
func TestViewIsGone(t *testing.T) {
	m := &meddler{}
	x, _, _ := small(t, enginetest.Elasticsearch(t), elastic.Options{Transport: m})
	m.set(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.URL.Path, "/_search") {
			return answer(http.StatusNotFound, `{"error":{"type":"search_phase_execution_exception","reason":"all shards failed"},"status":404}`)
		}
		return nil, nil
	})
	for _, err := range x.Streams(context.Background(), region, storage.StreamPatient) {
		if fault.KindOf(err) != fault.Unavailable || strings.Contains(fault.ProblemsOf(err)[0].Context, "reindex") || !strings.Contains(err.Error(), "begin again") {
			t.Errorf("%v %+v", err, fault.ProblemsOf(err))
		}
	}
}

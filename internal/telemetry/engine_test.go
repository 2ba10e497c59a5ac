package telemetry

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestEngineCallsAreCounted(t *testing.T) {
	m, err := NewMetrics("test")
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.NewEngines(time.Now)
	if err != nil {
		t.Fatal(err)
	}
	status := 200
	next := roundTripper(func(*http.Request) (*http.Response, error) {
		if status == 0 {
			return nil, errors.New("reset")
		}
		return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(""))}, nil
	})
	call := func(path string, answer int) {
		status = answer
		a, err := e.Transport("elasticsearch", next).RoundTrip(httptest.NewRequest(http.MethodPost, path, nil))
		if err == nil {
			_ = a.Body.Close()
		}
	}
	call("/samdok-13911699123/_bulk", 200)
	call("/samdok/_bulk", 429)
	call("/samdok/_doc/13911699123", 0)
	call("/bucket/documents/13911699123", 503)
	r, err := m.NewRecords()
	if err != nil {
		t.Fatal(err)
	}
	r.Wrote(3, 1000, time.Millisecond)
	r.Waited(2 * time.Millisecond)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	page := w.Body.String()
	for _, want := range []string{
		`samdok_engine_calls_total{engine="elasticsearch",operation="_bulk",outcome="ok"} 1`,
		`samdok_engine_calls_total{engine="elasticsearch",operation="_bulk",outcome="refused"} 1`,
		`samdok_engine_calls_total{engine="elasticsearch",operation="POST _doc",outcome="failed"} 1`,
		`samdok_engine_calls_total{engine="elasticsearch",operation="POST",outcome="failed"} 1`,
		`samdok_engine_seconds_count{engine="elasticsearch",operation="_bulk"} 2`,
		`samdok_ledger_records_sum 3`,
		`samdok_ledger_write_seconds_sum 0.001`,
		`samdok_ledger_wait_seconds_count 1`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(page, "13911699123") {
		t.Error("an id is a label")
	}
}

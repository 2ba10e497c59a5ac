package telemetry

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestIdentityNumbersStayOutOfTheLog(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var b strings.Builder
		l, err := NewLog(&b, "info", format)
		if err != nil {
			t.Fatal(err)
		}
		inner := fmt.Errorf("wrapped: %w", errors.New("patient 13911699123^^^&2.16&ISO is unknown"))
		l.Info("submission of 139116 99123 failed", "error", inner, "id", "13911699123", "number", int64(13911699123), "count", 42)
		l.With("patient", "13911699123").WithGroup("g").Error("again", "x", "a13911699123b")
		if s := b.String(); strings.Contains(s, "99123") || !strings.Contains(s, "42") {
			t.Errorf("%s: %s", format, s)
		}
	}
}

func TestRedactLeavesTheRest(t *testing.T) {
	for in, want := range map[string]string{
		"":                             "",
		"1234567890":                   "1234567890",
		"123456789012":                 "123456789012",
		"12345678901":                  "***********",
		"a 12345678901, b 10987654321": "a ***********, b ***********",
		"123456 78901":                 "************",
		"20260102030405 and 12 34":     "20260102030405 and 12 34",
		"1 2 3 4 5 6 7 8 9 0 1":        "1 2 3 4 5 6 7 8 9 0 1",
		"2.25.32980073569 x":           "2.25.*********** x",
	} {
		if got := Redact(in); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
}

func TestLevelsAndFormatsAreChecked(t *testing.T) {
	if _, err := NewLog(&strings.Builder{}, "loud", "json"); err == nil {
		t.Error("level loud was taken")
	}
	if _, err := NewLog(&strings.Builder{}, "info", "xml"); err == nil {
		t.Error("format xml was taken")
	}
}

func TestMetricsAreShown(t *testing.T) {
	m, err := NewMetrics("test")
	if err != nil {
		t.Fatal(err)
	}
	m.Transaction("ITI-41").Done(Refused, 3*time.Millisecond)
	m.HTTP("/services/registry", 200, time.Millisecond)
	m.Refused("rate")
	m.Job("sweep", time.Unix(1_800_000_000, 0), nil)
	if err := m.Gauge("samdok_requests_in_work", "Requests in work.", func() float64 { return 7 }); err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`samdok_transactions_total{outcome="refused",transaction="ITI-41"} 1`,
		`samdok_transactions_total{outcome="success",transaction="ITI-41"} 0`,
		`samdok_http_requests_total{endpoint="/services/registry",status="200"} 1`,
		`samdok_http_refused_total{reason="rate"} 1`, `samdok_job_last_success_seconds{job="sweep"} 1.8e+09`,
		"samdok_requests_in_work 7", "go_goroutines", "process_resident_memory_bytes", `version="test"`,
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s", want)
		}
	}
	if err := m.Gauge("samdok_requests_in_work", "again", nil); err == nil {
		t.Error("a name was used twice")
	}
}

func BenchmarkTransaction(b *testing.B) {
	m, err := NewMetrics("test")
	if err != nil {
		b.Fatal(err)
	}
	t := m.Transaction("ITI-18")
	for b.Loop() {
		t.Done(Success, time.Millisecond)
		m.HTTP("/services/registry", 200, time.Millisecond)
	}
}

// What a library quotes of a message never reaches the log.
func TestLibrariesQuoteNothing(t *testing.T) {
	for in, want := range map[string]string{
		`Unsolicited response received on idle HTTP channel starting with "<Value>PID-5|Nordmann^Kari</Value>"; err=<nil>` + "\n": "starting with (what it quotes is left out)",
		"http2: server connection error from 10.0.0.1 about 13816900216\n":                                                        "about ***********",
		strings.Repeat("x", 5000): strings.Repeat("x", 200) + "\n",
	} {
		var b bytes.Buffer
		l, err := NewLog(&b, "info", "text")
		if err != nil {
			t.Fatal(err)
		}
		log.New(Libraries(l), "", 0).Print(in)
		if got := b.String(); !strings.Contains(got, want) || strings.Contains(got, "Nordmann") || strings.Contains(got, "13816900216") {
			t.Errorf("%.40s: %s", in, got)
		}
	}
}

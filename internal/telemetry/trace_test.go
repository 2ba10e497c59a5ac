package telemetry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// TestTraceGoesThrough: a caller's trace goes on in the request, in the call to an
// engine and over the wire to it, and no span tells an identifier.
func TestTraceGoesThrough(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tr := newTracing(spans, TracingOptions{Sample: 0, Node: "n1"})
	var handed string
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handed = r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer engine.Close()
	client := &http.Client{Transport: tr.Transport("s3", http.DefaultTransport)}
	defer client.CloseIdleConnections()
	h := tr.Handler("/services/registry", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q, err := http.NewRequestWithContext(r.Context(), http.MethodPut, engine.URL+"/bucket/13911699123?x=13911699123", strings.NewReader("x"))
		if err != nil {
			t.Error(err)
			return
		}
		a, err := client.Do(q)
		if err != nil {
			t.Error(err)
			return
		}
		_ = a.Body.Close()
		w.WriteHeader(http.StatusBadGateway)
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Error("the controller does not reach through:", err)
		}
	}))
	const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	r := httptest.NewRequest(http.MethodPost, "/services/registry?patient=13911699123", nil)
	r.Header.Set("Traceparent", "00-"+traceID+"-00f067aa0ba902b7-01")
	h.ServeHTTP(httptest.NewRecorder(), r)

	if !strings.HasPrefix(handed, "00-"+traceID+"-") || strings.Contains(handed, "00f067aa0ba902b7") {
		t.Errorf("the engine was told %q", handed)
	}
	names := map[string]bool{}
	for _, s := range spans.Ended() {
		names[s.Name()] = true
		if s.SpanContext().TraceID().String() != traceID {
			t.Errorf("%s is in another trace", s.Name())
		}
		if s.Status().Code == 0 {
			t.Errorf("%s does not tell of the failure", s.Name())
		}
		for _, a := range s.Attributes() {
			if strings.Contains(a.Value.String(), "13911699123") {
				t.Errorf("%s tells %s", s.Name(), a.Key)
			}
		}
	}
	if !names["s3 PUT"] || !names["POST /services/registry"] || len(names) != 2 {
		t.Errorf("spans %v", names)
	}
}

func TestUntracedCallsPass(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tr := newTracing(spans, TracingOptions{Sample: 1})
	next := roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.Header.Get("Traceparent") != "" {
			t.Error("a call that no request caused carries a trace")
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(""))}, nil
	})
	a, err := tr.Transport("s3", next).RoundTrip(httptest.NewRequest(http.MethodGet, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	if n := len(spans.Ended()); n != 0 {
		t.Errorf("%d spans", n)
	}
	_, end := tr.Work(t.Context(), "batch", t.Context())
	end(errors.New("x"))
	if n := len(spans.Ended()); n != 0 {
		t.Errorf("work that no traced request caused left %d spans", n)
	}
}

// TestSharedWork: work for many requests stands in the trace of the first that is
// traced, leads to the others, and takes its calls there.
func TestSharedWork(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	tr := newTracing(spans, TracingOptions{Sample: 1})
	causes := []context.Context{t.Context()}
	for range 2 {
		ctx, span := tr.tracer.Start(t.Context(), "request")
		defer span.End()
		causes = append(causes, ctx)
	}
	ctx, end := tr.Work(t.Context(), "batch", causes...)
	engine := tr.Transport("s3", roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(""))}, nil
	}))
	a, err := engine.RoundTrip(httptest.NewRequestWithContext(ctx, http.MethodPut, "/", nil))
	if err != nil {
		t.Fatal(err)
	}
	_ = a.Body.Close()
	end(errors.New("x"))
	first, second := trace.SpanContextFromContext(causes[1]), trace.SpanContextFromContext(causes[2])
	ended := spans.Ended()
	if len(ended) != 2 {
		t.Fatalf("%d spans", len(ended))
	}
	call, batch := ended[0], ended[1]
	if batch.Parent().SpanID() != first.SpanID() || len(batch.Links()) != 1 || batch.Links()[0].SpanContext.TraceID() != second.TraceID() {
		t.Errorf("below %s with links %v", batch.Parent().SpanID(), batch.Links())
	}
	if call.Parent().SpanID() != batch.SpanContext().SpanID() || call.SpanContext().TraceID() != first.TraceID() {
		t.Error("the call to the engine is not in the trace")
	}
	if batch.Status().Description != "failed" {
		t.Error("the span does not tell of the failure")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestSpansReachTheCollector: spans leave by OTLP, and a collector that hangs
// holds nobody up.
func TestSpansReachTheCollector(t *testing.T) {
	got := make(chan string, 1)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.URL.Path }))
	defer collector.Close()
	tr, err := OpenTracing(t.Context(), TracingOptions{Endpoint: collector.URL, Sample: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tr.tracer.Start(t.Context(), "request")
	span.End()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := tr.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if path := <-got; path != "/v1/traces" {
		t.Errorf("sent to %s", path)
	}
	if _, err := OpenTracing(t.Context(), TracingOptions{Endpoint: "collector:4318"}); err == nil {
		t.Error("an endpoint without a scheme is taken")
	}
	if tr, err := OpenTracing(t.Context(), TracingOptions{}); tr != nil || err != nil {
		t.Error("tracing is not off")
	}
	var off *Tracing
	if h := http.NotFoundHandler(); off.Handler("/", h) == nil || off.Transport("s3", http.DefaultTransport) != http.DefaultTransport {
		t.Error("a Tracing that is off is in the way")
	}
}

package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Tracing sends spans of requests, and of the calls to engines that they cause, to
// an OpenTelemetry collector. A span names endpoints, methods, statuses and times;
// never an address with its query, an identifier or what a message says. A nil
// Tracing does nothing and costs nothing.
type Tracing struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	carried  propagation.TraceContext
}

// TracingOptions of OpenTracing.
type TracingOptions struct {
	// Endpoint is the collector's address, such as http://127.0.0.1:4318: spans go by
	// OTLP over HTTP to /v1/traces below it. "": tracing is off.
	Endpoint string
	// Sample is the part of the traces that begin here which are sent, 0 to 1. Those
	// that a caller began follow the caller's choice.
	Sample float64
	// Version of samdok, and the name of this node.
	Version, Node string
}

// OpenTracing begins. A collector that is away costs nothing but its spans. The
// error names a wrong endpoint.
func OpenTracing(ctx context.Context, o TracingOptions) (*Tracing, error) {
	if o.Endpoint == "" {
		return nil, nil
	}
	u, err := url.Parse(o.Endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("setting tracing.endpoint: %q is not an address such as http://127.0.0.1:4318", o.Endpoint)
	}
	exporter, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(u.JoinPath("v1/traces").String()))
	if err != nil {
		return nil, fmt.Errorf("setting tracing.endpoint: %w", err)
	}
	return newTracing(sdk.NewBatchSpanProcessor(exporter), o), nil
}

func newTracing(p sdk.SpanProcessor, o TracingOptions) *Tracing {
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(p),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(o.Sample))),
		sdk.WithResource(resource.NewSchemaless(semconv.ServiceName("samdok"),
			semconv.ServiceVersion(o.Version), semconv.ServiceInstanceID(o.Node))))
	return &Tracing{provider: provider, tracer: provider.Tracer("samdok")}
}

// Close sends what waits.
func (t *Tracing) Close(ctx context.Context) error {
	if t == nil {
		return nil
	}
	return t.provider.Shutdown(ctx)
}

// Handler makes a span of each request to an endpoint, below the one that the
// caller's traceparent names.
func (t *Tracing) Handler(endpoint string, next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := t.carried.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
		ctx, span := t.tracer.Start(ctx, r.Method+" "+endpoint, trace.WithSpanKind(trace.SpanKindServer),
			trace.WithAttributes(semconv.HTTPRequestMethodKey.String(r.Method), semconv.HTTPRoute(endpoint)))
		defer span.End()
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(s, r.WithContext(ctx))
		span.SetAttributes(semconv.HTTPResponseStatusCode(s.status))
		if s.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, http.StatusText(s.status))
		}
	})
}

// statusWriter remembers the status. Unwrap keeps what http.ResponseController
// can do.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Work makes a span of something that this process does for many requests at once,
// such as a batch. It stands in the trace of the first of their contexts that is
// traced, with links to the others; when none is, it is not traced. end is called once,
// with how it ended.
func (t *Tracing) Work(ctx context.Context, name string, causes ...context.Context) (_ context.Context, end func(error)) {
	var traced []trace.SpanContext
	for _, c := range causes {
		if s := trace.SpanContextFromContext(c); t != nil && s.IsSampled() {
			traced = append(traced, s)
		}
	}
	if len(traced) == 0 {
		return ctx, func(error) {}
	}
	var links []trace.Link
	for _, s := range traced[1:] {
		links = append(links, trace.Link{SpanContext: s})
	}
	ctx, span := t.tracer.Start(trace.ContextWithSpanContext(ctx, traced[0]), name, trace.WithLinks(links...))
	return ctx, func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "failed")
		}
		span.End()
	}
}

// Transport makes a span of each call to another system, named after it and the
// method, and gives the call a traceparent. Calls that no traced request or work
// caused pass as they are.
func (t *Tracing) Transport(system string, next http.RoundTripper) http.RoundTripper {
	if t == nil {
		return next
	}
	return transport{t, system, next}
}

type transport struct {
	*Tracing
	system string
	next   http.RoundTripper
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanContextFromContext(r.Context()).IsSampled() {
		return t.next.RoundTrip(r)
	}
	ctx, span := t.tracer.Start(r.Context(), t.system+" "+r.Method, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(r.Method), semconv.ServerAddress(r.URL.Hostname())))
	defer span.End()
	r = r.Clone(ctx)
	t.carried.Inject(ctx, propagation.HeaderCarrier(r.Header))
	a, err := t.next.RoundTrip(r)
	if err != nil {
		span.SetStatus(codes.Error, "no answer")
		return nil, err
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(a.StatusCode))
	if a.StatusCode >= http.StatusInternalServerError {
		span.SetStatus(codes.Error, http.StatusText(a.StatusCode))
	}
	return a, nil
}

// Package tracing makes the spans of calls and carries their context from process to
// process, as W3C Trace Context says (https://www.w3.org/TR/trace-context). It is the one
// place that knows OpenTelemetry, with the exporter in internal/otlp.
//
// It is on where OpenTelemetry's own variables say where spans go. Where it is off there is
// no *Tracing, and nothing of this package runs.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"

	"github.com/journeyman-go/journeyman/internal/otlp"
)

// stopTime bounds how long a process that ends waits for its last spans to be sent.
const stopTime = 2 * time.Second

// scope names this package as the one that makes the spans.
const scope = "github.com/journeyman-go/journeyman"

// A Process is what a trace says of the process that a span is of.
type Process struct {
	Service  string // the Procfile's process type
	Instance string // the platform's name for this process, which need not be unique
	Version  string
}

// A Tracing makes spans and sends them. Its methods may be called from any number of
// goroutines.
type Tracing struct {
	// Where is the address to which spans go, for people.
	Where string

	provider  *trace.TracerProvider
	tracer    api.Tracer
	exporter  *otlp.Exporter
	carry     propagation.TextMapPropagator
	fromWorld propagation.TextMapPropagator // what is taken from callers outside
}

// On reports whether the environment asks for traces: by an endpoint, or by
// OTEL_TRACES_EXPORTER=otlp for the one on this machine.
func On(getenv func(string) string) bool {
	exporter := strings.TrimSpace(getenv("OTEL_TRACES_EXPORTER"))
	switch {
	case strings.EqualFold(strings.TrimSpace(getenv("OTEL_SDK_DISABLED")), "true"), exporter == "none":
		return false
	case exporter != "":
		return true
	}
	return strings.TrimSpace(getenv("OTEL_EXPORTER_OTLP_ENDPOINT")+getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")) != ""
}

// Start starts it if the environment asks for it, and returns nil if not. It connects to
// nothing before there are spans. Its error says which setting is wrong. It becomes what
// OpenTelemetry's libraries find in this process, so that spans which handlers make with
// them go the same way.
func Start(p Process, getenv func(string) string, log *slog.Logger) (*Tracing, error) {
	if !On(getenv) {
		return nil, nil
	}
	if e := strings.TrimSpace(getenv("OTEL_TRACES_EXPORTER")); e != "" && e != "otlp" {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER is %q, want otlp or none", e)
	}
	carry, fromWorld, err := propagators(getenv("OTEL_PROPAGATORS"))
	if err != nil {
		return nil, err
	}
	settings, err := otlp.ReadSettings(getenv)
	if err != nil {
		return nil, err
	}
	// Errors of the library, as for OTEL_TRACES_SAMPLER, come while the provider is made.
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("tracing", "err", err) }))
	t := &Tracing{Where: settings.Where(), exporter: otlp.New(settings, log), carry: carry, fromWorld: fromWorld}
	t.use(trace.NewTracerProvider(trace.WithBatcher(t.exporter), trace.WithResource(describe(p, getenv))))
	otel.SetTracerProvider(t.provider)
	otel.SetTextMapPropagator(carry)
	return t, nil
}

func (t *Tracing) use(provider *trace.TracerProvider) {
	t.provider, t.tracer = provider, provider.Tracer(scope, api.WithSchemaURL(schema))
}

// Stop sends what has not been sent yet, for two seconds at most. A nil Tracing has nothing.
func (t *Tracing) Stop() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // the exporter has told the log what it could not send
	t.exporter.Abort()
}

// propagators returns what carries the context of a trace within, and what takes it from
// callers outside. Baggage from there is dropped: it would reach every service, and the
// services of others which these call, with whatever anybody wrote into it.
func propagators(names string) (carry, fromWorld propagation.TextMapPropagator, err error) {
	if strings.TrimSpace(names) == "" {
		names = "tracecontext,baggage"
	}
	var all, outside []propagation.TextMapPropagator
	for name := range strings.SplitSeq(names, ",") {
		switch name = strings.TrimSpace(name); name {
		case "tracecontext":
			all, outside = append(all, propagation.TraceContext{}), append(outside, propagation.TraceContext{})
		case "baggage":
			all = append(all, propagation.Baggage{})
		case "none", "":
		default:
			return nil, nil, fmt.Errorf("OTEL_PROPAGATORS has %q in it, want tracecontext, baggage or none", name)
		}
	}
	return propagation.NewCompositeTextMapPropagator(all...), propagation.NewCompositeTextMapPropagator(outside...), nil
}

// TraceID returns the id of the trace that ctx is part of, "" if it is part of none.
func TraceID(ctx context.Context) string {
	if c := api.SpanContextFromContext(ctx); c.HasTraceID() {
		return c.TraceID().String()
	}
	return ""
}

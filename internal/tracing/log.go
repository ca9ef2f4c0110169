package tracing

import (
	"context"
	"log/slog"

	api "go.opentelemetry.io/otel/trace"
)

// LogAttrs is for package contextlog: it adds trace_id and span_id where ctx has a span that is
// recorded.
func LogAttrs(ctx context.Context) []slog.Attr {
	span := api.SpanFromContext(ctx)
	if !span.IsRecording() {
		return nil
	}
	c := span.SpanContext()
	return []slog.Attr{slog.String("trace_id", c.TraceID().String()), slog.String("span_id", c.SpanID().String())}
}

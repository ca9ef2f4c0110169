package tracing

import (
	"context"
	"log/slog"

	api "go.opentelemetry.io/otel/trace"
)

// LogHandler returns a handler that adds trace_id and span_id to each record whose context
// has a span that is recorded. They stand at the top, whatever group the logger is in.
func LogHandler(inner slog.Handler) slog.Handler { return &logHandler{Handler: inner, root: inner} }

type logHandler struct {
	slog.Handler // with all steps

	root  slog.Handler
	steps []func(slog.Handler) slog.Handler // that made Handler of root; nil as long as no group is open
}

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	span := api.SpanFromContext(ctx)
	if !span.IsRecording() {
		return h.Handler.Handle(ctx, r)
	}
	c := span.SpanContext()
	ids := []slog.Attr{slog.String("trace_id", c.TraceID().String()), slog.String("span_id", c.SpanID().String())}
	if h.steps == nil {
		r = r.Clone()
		r.AddAttrs(ids...)
		return h.Handler.Handle(ctx, r)
	}
	with := h.root.WithAttrs(ids)
	for _, step := range h.steps {
		with = step(with)
	}
	return with.Handle(ctx, r)
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.step(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) }, h.steps != nil)
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	return h.step(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) }, true)
}

// step returns h after one more step. Before the first group root itself takes it.
func (h *logHandler) step(step func(slog.Handler) slog.Handler, grouped bool) slog.Handler {
	next := &logHandler{Handler: step(h.Handler), root: h.root}
	if grouped {
		next.steps = append(append(next.steps, h.steps...), step)
	} else {
		next.root = next.Handler
	}
	return next
}

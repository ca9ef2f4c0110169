// Package contextlog has records of a log say what their context knows: of which trace and
// of whose request they are.
package contextlog

import (
	"context"
	"log/slog"
)

// Attrs returns what a record that is logged with ctx is to say, nil for nothing.
type Attrs func(ctx context.Context) []slog.Attr

// New returns a handler that adds those attributes to each record. They stand at the top,
// whatever group the logger is in.
func New(inner slog.Handler, attrs Attrs) slog.Handler {
	return &handler{Handler: inner, root: inner, attrs: attrs}
}

type handler struct {
	slog.Handler // with all steps

	attrs Attrs
	root  slog.Handler
	steps []func(slog.Handler) slog.Handler // that made Handler of root; nil as long as no group is open
}

func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	known := h.attrs(ctx)
	switch {
	case len(known) == 0:
		return h.Handler.Handle(ctx, r)
	case h.steps == nil:
		r = r.Clone()
		r.AddAttrs(known...)
		return h.Handler.Handle(ctx, r)
	}
	with := h.root.WithAttrs(known)
	for _, step := range h.steps {
		with = step(with)
	}
	return with.Handle(ctx, r)
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.step(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) }, h.steps != nil)
}

func (h *handler) WithGroup(name string) slog.Handler {
	return h.step(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) }, true)
}

// step returns h after one more step. Before the first group root itself takes it.
func (h *handler) step(step func(slog.Handler) slog.Handler, grouped bool) slog.Handler {
	next := &handler{Handler: step(h.Handler), attrs: h.attrs, root: h.root}
	if grouped {
		next.steps = append(append(next.steps, h.steps...), step)
	} else {
		next.root = next.Handler
	}
	return next
}

package runner

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
)

// keyStack is under which a panic's stack is logged.
const keyStack = "stack"

// A stackHandler prints stacks on lines of their own, for people: as one quoted
// attribute, tint's way, nobody can read them. All the rest is inner's, which must
// write to out.
type stackHandler struct {
	slog.Handler
	out *stackWriter
}

// newStackHandler returns a handler that prints to w what the handler that build makes does.
func newStackHandler(w io.Writer, build func(io.Writer) slog.Handler) slog.Handler {
	out := &stackWriter{w: w}
	return stackHandler{build(out), out}
}

func (h stackHandler) Handle(ctx context.Context, r slog.Record) error {
	var stack string
	rest := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == keyStack {
			stack = a.Value.Resolve().String()
		} else {
			rest.AddAttrs(a)
		}
		return true
	})
	h.out.mu.Lock()
	defer h.out.mu.Unlock()
	h.out.stack = stack
	return h.Handler.Handle(ctx, rest)
}

func (h stackHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return stackHandler{h.Handler.WithAttrs(attrs), h.out}
}

func (h stackHandler) WithGroup(name string) slog.Handler {
	return stackHandler{h.Handler.WithGroup(name), h.out}
}

// A stackWriter adds the stack of the record at hand to its line, in one write.
type stackWriter struct {
	mu    sync.Mutex // held while a record is handled
	w     io.Writer
	stack string
}

func (w *stackWriter) Write(line []byte) (int, error) {
	if w.stack == "" {
		return w.w.Write(line)
	}
	_, err := w.w.Write(append(append(bytes.Clone(line), bytes.TrimSpace([]byte(w.stack))...), '\n'))
	return len(line), err
}

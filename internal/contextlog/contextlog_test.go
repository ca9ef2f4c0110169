package contextlog

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
)

type key string

// knows returns an Attrs that tells what the context has under a name.
func knows(name key) Attrs {
	return func(ctx context.Context) []slog.Attr {
		if v, ok := ctx.Value(name).(string); ok {
			return []slog.Attr{slog.String(string(name), v)}
		}
		return nil
	}
}

// What a context knows stands at the top, whatever group the logger is in.
func TestHandler(t *testing.T) {
	t.Parallel()
	ctx := context.WithValue(context.WithValue(t.Context(), key("of"), "7"), key("by"), "me")
	var out bytes.Buffer
	noTime := func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return a
	}
	log := slog.New(New(New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: noTime}), knows("by")), knows("of")))
	for _, tt := range []struct {
		log  *slog.Logger
		ctx  context.Context //nolint:containedctx // a table
		want string
	}{
		{log, t.Context(), "msg=m n=1"},
		{log, ctx, "msg=m n=1 of=7 by=me"},
		{log, context.WithValue(t.Context(), key("by"), "you"), "msg=m n=1 by=you"},
		{log.With("a", 1), ctx, "msg=m a=1 n=1 of=7 by=me"},
		{log.With("a", 1).WithGroup("g").With("b", 2), ctx, "msg=m a=1 of=7 by=me g.b=2 g.n=1"},
		{log.With("a", 1).WithGroup("g").With("b", 2), t.Context(), "msg=m a=1 g.b=2 g.n=1"},
	} {
		out.Reset()
		tt.log.InfoContext(tt.ctx, "m", "n", 1)
		if got := strings.TrimSpace(out.String()); got != tt.want {
			t.Errorf("logged %q, want %q", got, tt.want)
		}
	}
}

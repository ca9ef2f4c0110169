package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

func newAdapter(log *bytes.Buffer, method func(context.Context) error) *adapter {
	mux := &jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler)}
	mux.Handle("do", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) { return "ok", method(ctx) }))
	return &adapter{mux: mux, timeout: 25 * time.Second, log: slog.New(slog.NewTextHandler(log, nil))}
}

func TestAdapterDeadlines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		a := newAdapter(new(bytes.Buffer), func(ctx context.Context) error {
			deadline, _ := ctx.Deadline()
			left = time.Until(deadline)
			return nil
		})
		call := transports.Message{Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"do"}`)}
		a.handle(t.Context(), call)
		if left != 25*time.Second {
			t.Errorf("without a deadline a handler has %v, want the default", left)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		a.handle(ctx, call)
		if left != time.Hour {
			t.Errorf("with a deadline in an hour a handler has %v", left)
		}
	})
}

func TestAdapterOutcomes(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := newAdapter(&log, func(context.Context) error { return errors.New("no luck") })
	out := a.handle(t.Context(), transports.Message{ID: "m1", Body: []byte(`[{"jsonrpc":"2.0","method":"do"},{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}]`)})
	if want := `[{"jsonrpc":"2.0","id":1,"result":"pong"}]`; string(out.Reply) != want || out.Verdict != transports.Done {
		t.Errorf("outcome is %s %v, want %s", out.Reply, out.Verdict, want)
	}
	for _, want := range []string{"level=WARN", "method=do", "id=m1", "no luck"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %q in the log: %s", want, &log)
		}
	}
	if n := a.running.Load(); n != 0 {
		t.Errorf("%d calls still count as running", n)
	}
	if out := a.handle(t.Context(), transports.Message{Body: []byte(`{"jsonrpc":"2.0","method":"do"}`)}); out.Reply != nil {
		t.Errorf("a notification was answered: %s", out.Reply)
	}
}

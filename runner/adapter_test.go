package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A method as the tests of the adapter see it.
type method func(context.Context) error

// newAdapter joins a mux of the given methods to no transport.
func newAdapter(log *bytes.Buffer, methods map[string]method, opts ...jsonrpc.Option) *adapter {
	mux := &jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler), Timeout: 25 * time.Second, Grace: 2 * time.Second}
	for name, do := range methods {
		mux.Handle(name, jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) { return "ok", do(ctx) }), opts...)
	}
	return &adapter{
		mux: mux, service: "tester", instance: "tester.1", log: slog.New(slog.NewTextHandler(log, nil)),
		ending: make(chan error, 1),
	}
}

func fine(context.Context) error { return nil }

func failing(err error) method { return func(context.Context) error { return err } }

func TestAdapterAnswers(t *testing.T) {
	t.Parallel()
	var key string
	a := newAdapter(new(bytes.Buffer), map[string]method{"do": func(ctx context.Context) error {
		key = jsonrpc.Key(ctx)
		return nil
	}})
	out := a.handle(t.Context(), transports.Message{ID: "m1", Key: "k1", Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"do"}`)})
	if diff := gocmp.Diff(transports.Outcome{Reply: []byte(`{"jsonrpc":"2.0","id":1,"result":"ok"}`)}, out); diff != "" {
		t.Errorf("the outcome (-want +got):\n%s", diff)
	}
	if key != "k1" {
		t.Errorf("the handler's idempotency key is %q, want the message's", key)
	}
	out = a.handle(t.Context(), transports.Message{Body: []byte(`{"jsonrpc":"2.0","method":"do"}`)})
	if diff := gocmp.Diff(transports.Outcome{}, out); diff != "" {
		t.Errorf("the outcome of a notification (-want +got):\n%s", diff)
	}
	if n := a.running.Load(); n != 0 {
		t.Errorf("%d calls still count as running", n)
	}
}

// What ran well is remembered, as far as a method asks for it; an error is not.
func TestAdapterKeeps(t *testing.T) {
	t.Parallel()
	const window = time.Hour
	a := newAdapter(new(bytes.Buffer), map[string]method{"once": fine, "fail": failing(errors.New("no luck"))}, jsonrpc.Dedupe(window))
	a.mux.Handle("plain", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { return "ok", nil }))
	for name, tt := range map[string]struct {
		body   string
		dedupe bool
		want   time.Duration
	}{
		"call":                    {`{"jsonrpc":"2.0","id":1,"method":"once"}`, true, window},
		"notification":            {`{"jsonrpc":"2.0","method":"once"}`, true, window},
		"failed call":             {`{"jsonrpc":"2.0","id":1,"method":"fail"}`, true, 0},
		"failed notification":     {`{"jsonrpc":"2.0","method":"fail"}`, true, 0},
		"without the option":      {`{"jsonrpc":"2.0","id":1,"method":"plain"}`, false, 0},
		"batch":                   {`[{"jsonrpc":"2.0","id":1,"method":"plain"},{"jsonrpc":"2.0","id":2,"method":"once"}]`, true, window},
		"batch, a call failed":    {`[{"jsonrpc":"2.0","id":1,"method":"once"},{"jsonrpc":"2.0","id":2,"method":"fail"}]`, true, 0},
		"batch, the rest follows": {`[{"jsonrpc":"2.0","id":1,"method":"once"},{"jsonrpc":"2.0","method":"fail"}]`, true, window},
		"no JSON":                 {`{`, false, 0},
	} {
		m := transports.Message{ID: "m1", Body: []byte(tt.body)}
		if got := a.serves(1).Dedupe(m); got != tt.dedupe {
			t.Errorf("%s: to be run once: %v, want %v", name, got, tt.dedupe)
		}
		if got := a.handle(t.Context(), m).Keep; got != tt.want {
			t.Errorf("%s: kept for %v, want %v", name, got, tt.want)
		}
	}
}

// A transport that cannot remember is good enough for a service that does not ask for it.
func TestAdapterAsksForDedupe(t *testing.T) {
	t.Parallel()
	if s := newAdapter(new(bytes.Buffer), map[string]method{"do": fine}).serves(1); s.Dedupe != nil {
		t.Error("deduplication is asked for, and no method wants it")
	}
}

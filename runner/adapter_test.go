package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
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
	return &adapter{mux: mux, service: "tester", instance: "tester.1", log: slog.New(slog.NewTextHandler(log, nil))}
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

// A dead letter that is retried answers nobody, so a failure of it must be kept.
func TestAdapterUnread(t *testing.T) {
	t.Parallel()
	const ill, well = `{"jsonrpc":"2.0","id":1,"method":"ill"}`, `{"jsonrpc":"2.0","id":2,"method":"well"}`
	for name, tt := range map[string]struct {
		body    string
		read    bool
		verdict transports.Verdict
		err     string
		log     string
	}{
		"failed":             {body: ill, verdict: transports.Bury, err: "no luck (7)", log: `level=ERROR .*dead-letter list again.* method=ill id=m1 key=k1 err="no luck \(7\)"`},
		"failed, and read":   {body: ill, read: true},
		"went well":          {body: well},
		"in a batch":         {body: `[` + ill + `,` + well + `]`, log: `level=ERROR .*nobody reads its reply.* id=m1 call=1 err="no luck \(7\)"`},
		"no such method":     {body: `{"jsonrpc":"2.0","id":1,"method":"nope"}`, verdict: transports.Bury, err: "Method not found", log: "Method not found"},
		"no request at all":  {body: `{`, verdict: transports.Bury, err: "Parse error", log: "Parse error"},
		"batch, and it went": {body: `[` + well + `]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			a := newAdapter(&log, map[string]method{"well": fine, "ill": failing(jsonrpc.Errorf(7, "no luck"))})
			m := transports.Message{ID: "m1", Key: "k1", Body: []byte(tt.body), Unread: !tt.read}
			if !strings.HasPrefix(tt.body, "[") {
				m.Method, _, _ = strings.Cut(strings.TrimPrefix(tt.body, `{"jsonrpc":"2.0","id":1,"method":"`), `"`)
			}
			out := a.handle(t.Context(), m)
			if out.Verdict != tt.verdict || (out.Err == nil) != (tt.err == "") || out.Err != nil && !strings.Contains(out.Err.Error(), tt.err) {
				t.Errorf("verdict %v with error %v, want %v with %q", out.Verdict, out.Err, tt.verdict, tt.err)
			}
			matches(t, log.String(), tt.log)
		})
	}
}

// What a hard stop ends is not what a retried call came to.
func TestAdapterUnreadInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	a := newAdapter(new(bytes.Buffer), map[string]method{"do": func(ctx context.Context) error {
		cancel()
		return ctx.Err()
	}})
	out := a.handle(ctx, transports.Message{ID: "m1", Unread: true, Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"do"}`)})
	if out.Verdict != transports.NotMine {
		t.Errorf("verdict %v, want that it is given back", out.Verdict)
	}
}

// A handler can find out that its request may have run before.
func TestHandlersKnowOfRedelivery(t *testing.T) {
	t.Parallel()
	var seen []bool
	a := newAdapter(new(bytes.Buffer), map[string]method{"do": func(ctx context.Context) error {
		seen = append(seen, jsonrpc.Redelivered(ctx))
		return nil
	}})
	for _, redelivered := range []bool{false, true} {
		a.handle(t.Context(), transports.Message{Body: []byte(`{"jsonrpc":"2.0","method":"do"}`), Redelivered: redelivered})
	}
	if diff := gocmp.Diff([]bool{false, true}, seen); diff != "" {
		t.Errorf("redelivered (-want +got):\n%s", diff)
	}
}

package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A wire is a Caller that hands each message to a function, at once.
type wire struct {
	answer func(ctx context.Context, m transports.Message) ([]byte, error)

	mu   sync.Mutex // guards what follows
	seen []string   // service, kind, method and body of each message
}

func (w *wire) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	w.note(service, "call", m)
	return w.answer(ctx, m)
}

func (w *wire) Send(ctx context.Context, service string, m transports.Message) error {
	w.note(service, "send", m)
	_, err := w.answer(ctx, m)
	return err
}

func (w *wire) note(service, kind string, m transports.Message) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, fmt.Sprintf("%s %s %q %s", service, kind, m.Method, m.Body))
}

// says is a wire on which every call gets the same reply; ID stands for the
// request's id.
func says(reply string) *wire {
	return &wire{answer: func(_ context.Context, m transports.Message) ([]byte, error) {
		var r struct{ ID json.RawMessage }
		_ = json.Unmarshal(m.Body, &r) // a batch has none
		return []byte(strings.ReplaceAll(reply, "ID", string(r.ID))), nil
	}}
}

func breaks(err error) *wire {
	return &wire{answer: func(context.Context, transports.Message) ([]byte, error) { return nil, err }}
}

type operands struct {
	A float64 `json:"a"`
	B float64 `json:"b"`
}

// calculator is a wire with a service at its end.
func calculator() *wire {
	var mux jsonrpc.Mux
	mux.Handle("add", jsonrpc.Func(func(_ context.Context, in operands) (float64, error) { return in.A + in.B, nil }))
	mux.Handle("divide", jsonrpc.Func(func(_ context.Context, in operands) (float64, error) {
		if in.B == 0 {
			return 0, jsonrpc.Errorf(1, "Division by zero").WithData(in)
		}
		return in.A / in.B, nil
	}))
	mux.Handle("echo", jsonrpc.Raw(func(_ context.Context, params json.RawMessage) (any, error) { return params, nil }))
	return &wire{answer: func(ctx context.Context, m transports.Message) ([]byte, error) {
		return mux.Answer(ctx, m.Body).Reply, nil
	}}
}

func TestCall(t *testing.T) {
	t.Parallel()
	w := calculator()
	c := client.New(w, "calculator")
	var sum float64
	if err := c.Call(t.Context(), "add", operands{1, 5.1}, &sum); err != nil || sum != 6.1 {
		t.Errorf("got %v and %v, want 6.1", sum, err)
	}
	if err := c.Call(t.Context(), "add", []int{1, 2}, nil); err != nil {
		t.Errorf("without interest in the result: %v", err)
	}
	if got, err := client.Result[int](t.Context(), c, "add", []int{1, 2}); err != nil || got != 3 {
		t.Errorf("got %v and %v, want 3", got, err)
	}
	raw := json.RawMessage(`{"n": 9007199254740993.10, "s":"\u0041"}`)
	if got, err := c.CallRaw(t.Context(), "echo", raw); err != nil || string(got) != string(raw) {
		t.Errorf("got %s and %v, want the very bytes %s", got, err, raw)
	}
	if got, err := c.CallRaw(t.Context(), "echo", nil); err != nil || string(got) != `null` {
		t.Errorf("got %s and %v, want null", got, err)
	}
	ids := make(map[string]bool)
	for _, message := range w.seen {
		var r struct{ ID string }
		_, body, _ := strings.Cut(message, "{")
		if err := json.Unmarshal([]byte("{"+body), &r); err != nil {
			t.Fatal(err)
		}
		if len(r.ID) < 8 || strings.ContainsAny(r.ID, `:{}`) || ids[r.ID] {
			t.Errorf("id %q is no safe name or was used before", r.ID)
		}
		ids[r.ID] = true
		if !strings.HasPrefix(message, `calculator call "`) {
			t.Errorf("sent as %s", message)
		}
	}
}

func TestNotify(t *testing.T) {
	t.Parallel()
	w := calculator()
	if err := client.New(w, "calculator").Notify(t.Context(), "add", []int{1, 2}); err != nil {
		t.Error(err)
	}
	want := []string{`calculator send "add" {"jsonrpc":"2.0","method":"add","params":[1,2]}`}
	if diff := cmp.Diff(want, w.seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	err := client.New(breaks(transports.ErrBusy), "calculator").Notify(t.Context(), "add", nil)
	if !errors.Is(err, transports.ErrBusy) || !strings.HasPrefix(err.Error(), "notify calculator.add: ") {
		t.Errorf("got %v", err)
	}
	if err := client.New(w, "calculator").Notify(t.Context(), "add", 7); err == nil {
		t.Error("params that are no array or object were sent")
	}
}

// A caller can tell what kind of thing went wrong.
func TestCallErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		via                     *wire
		said, journey, noAnswer bool // which of the three it must be
		text                    string
	}{
		"the service said no":  {via: calculator(), said: true, text: `calculator.divide: Division by zero (1): {"a":1,"b":0}`},
		"it could not read it": {via: says(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`), said: true, text: "Parse error"},

		"the journey failed": {via: breaks(fmt.Errorf("dial: %w", transports.ErrUnavailable)), journey: true,
			text: "call calculator.divide: dial: broker unavailable"},

		"nothing":           {via: says(``), noAnswer: true, text: "reply of calculator.divide: want a response object"},
		"no JSON-RPC":       {via: says(`{"result":1}`), noAnswer: true, text: `"jsonrpc"`},
		"another's result":  {via: says(`{"jsonrpc":"2.0","id":1,"result":1}`), noAnswer: true, text: "its id is 1, want "},
		"nobody's result":   {via: says(`{"jsonrpc":"2.0","id":null,"result":1}`), noAnswer: true, text: "its id is null, want "},
		"another's error":   {via: says(`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}`), noAnswer: true, text: "its id is 1, want "},
		"result that fails": {via: says(`{"jsonrpc":"2.0","id":ID,"result":"x"}`), noAnswer: true, text: "does not fit into *float64"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var result float64
			err := client.New(tt.via, "calculator").Call(t.Context(), "divide", []int{1, 0}, &result)
			_, said := errors.AsType[*jsonrpc.Error](err)
			_, noAnswer := errors.AsType[*client.ReplyError](err)
			journey := errors.Is(err, transports.ErrUnavailable)
			if said != tt.said || journey != tt.journey || noAnswer != tt.noAnswer {
				t.Errorf("said no: %v, journey: %v, no answer: %v; want %v, %v, %v", said, journey, noAnswer, tt.said, tt.journey, tt.noAnswer)
			}
			if err == nil || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %v, want %q", err, tt.text)
			}
		})
	}
	if err := client.New(calculator(), "calculator").Call(t.Context(), "add", 7, nil); err == nil {
		t.Error("params that are no array or object were sent")
	}
}

// Every call has a deadline, the earliest of its context's and the client's.
func TestDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var given time.Duration
		w := &wire{answer: func(ctx context.Context, _ transports.Message) ([]byte, error) {
			deadline, _ := ctx.Deadline()
			given = time.Until(deadline)
			return nil, transports.ErrBusy
		}}
		early, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		late, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for name, tt := range map[string]struct {
			ctx  context.Context
			opts []client.Option
			want time.Duration
		}{
			"none":         {t.Context(), nil, client.DefaultTimeout},
			"an early one": {early, nil, time.Second},
			"a late one":   {late, nil, client.DefaultTimeout},
			"an option":    {late, []client.Option{client.Timeout(time.Minute)}, time.Minute},
		} {
			c := client.New(w, "calculator", tt.opts...)
			for what, do := range map[string]func() error{
				"call":   func() error { return c.Call(tt.ctx, "m", nil, nil) },
				"notify": func() error { return c.Notify(tt.ctx, "m", nil) },
				"batch":  func() error { return c.Batch(tt.ctx, &client.Call{Method: "m"}) },
			} {
				if err := do(); !errors.Is(err, transports.ErrBusy) || given != tt.want {
					t.Errorf("%s, %s: deadline in %v (%v), want %v", name, what, given, err, tt.want)
				}
			}
		}
	})
}

// What a service was told by another reaches the first caller if it is an
// application's error, and is its own affair otherwise.
func TestNestedErrors(t *testing.T) {
	t.Parallel()
	inner := client.New(calculator(), "calculator")
	var mux jsonrpc.Mux
	mux.Handle("ratio", jsonrpc.Func(func(ctx context.Context, in operands) (float64, error) {
		return client.Result[float64](ctx, inner, "divide", in)
	}))
	mux.Handle("lost", jsonrpc.Func(func(ctx context.Context, _ jsonrpc.None) (float64, error) {
		return client.Result[float64](ctx, inner, "nope", nil)
	}))
	outer := client.New(&wire{answer: func(ctx context.Context, m transports.Message) ([]byte, error) {
		return mux.Answer(ctx, m.Body).Reply, nil
	}}, "report")
	for method, code := range map[string]int{"ratio": 1, "lost": jsonrpc.CodeInternal, "nope": jsonrpc.CodeMethodNotFound} {
		var params any
		if method == "ratio" {
			params = operands{1, 0}
		}
		err := outer.Call(t.Context(), method, params, nil)
		if e, ok := errors.AsType[*jsonrpc.Error](err); !ok || e.Code != code {
			t.Errorf("%s: got %v, want code %d", method, err, code)
		}
	}
}

func TestTimeoutMustBePositive(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a client without a deadline was made")
		}
	}()
	client.Timeout(0)
}

// What is sent while a request to the gateway is worked on says for which one, so that the
// logs of all who worked for it can be put together.
func TestRequestID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]map[string]string{"r1": {"x-request-id": "r1"}, "": nil} {
		ctx := t.Context()
		if id != "" {
			ctx = requestid.With(ctx, id)
		}
		var got []transports.Message
		c := client.New(keep(&got), "calculator")
		_ = c.Call(ctx, "add", nil, nil)
		_ = c.Notify(ctx, "add", nil)
		_ = c.Batch(ctx, &client.Call{Method: "add"})
		_ = c.Batch(ctx, &client.Call{Method: "add", Notify: true})
		if len(got) != 4 {
			t.Fatalf("%d messages, want 4", len(got))
		}
		for _, m := range got {
			if diff := cmp.Diff(want, m.Header); diff != "" {
				t.Errorf("in the course of %q (-want +got):\n%s", id, diff)
			}
		}
	}
}

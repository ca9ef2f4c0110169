package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// A stubborn mux has a method that heeds nothing but release.
func stubborn(log *bytes.Buffer, opts ...jsonrpc.Option) (mux *jsonrpc.Mux, release chan struct{}) {
	release = make(chan struct{})
	mux = &jsonrpc.Mux{Logger: slog.New(slog.NewTextHandler(log, nil)), Grace: 2 * time.Second}
	mux.Handle("echo", echo)
	mux.Handle("stick", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		<-release
		return "late", nil
	}), opts...)
	return mux, release
}

// Whoever waits for a handler that does not return gets an answer, and so do its
// neighbours in a batch; the process knows what it still carries.
func TestStuck(t *testing.T) {
	t.Parallel()
	const timeout = `{"jsonrpc":"2.0","id":7,"error":{"code":-32000,"message":"Deadline exceeded"}}`
	for name, tt := range map[string]struct{ body, reply string }{
		"call":         {`{"jsonrpc":"2.0","method":"stick","id":7}`, timeout},
		"notification": {`{"jsonrpc":"2.0","method":"stick"}`, ``},
		"batch": {`[{"jsonrpc":"2.0","method":"echo","params":[1],"id":6},{"jsonrpc":"2.0","method":"stick","id":7},{"jsonrpc":"2.0","method":"echo"}]`,
			`[{"jsonrpc":"2.0","id":6,"result":[1]},` + timeout + `]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				mux, release := stubborn(&log, jsonrpc.Timeout(time.Second))
				start := time.Now()
				answer := mux.Answer(jsonrpc.WithKey(t.Context(), "m1"), []byte(tt.body))
				if took := time.Since(start); took != 3*time.Second {
					t.Errorf("given up after %v, want its timeout and the grace, 3s", took)
				}
				if string(answer.Reply) != tt.reply {
					t.Errorf("reply is %s, want %s", answer.Reply, tt.reply)
				}
				for _, n := range answer.Notifications {
					if stuck := errors.Is(n.Err, jsonrpc.ErrStuck); stuck != (n.Method == "stick") {
						t.Errorf("notification %s ended with %v", n.Method, n.Err)
					}
				}
				if s := mux.Stats().Methods["stick"]; mux.Stuck() != 1 || s.Stuck != 1 || s.Running != 1 {
					t.Errorf("%d are stuck, and the stats say %+v; want 1, running", mux.Stuck(), s)
				}
				says(t, log.String(), "level=ERROR", "method=stick", "key=m1", "after=3s", "stuck=1")

				close(release)
				synctest.Wait()
				if s := mux.Stats().Methods["stick"]; mux.Stuck() != 0 || s.Stuck != 0 || s.Running != 0 {
					t.Errorf("after its return %d are stuck, and the stats say %+v; want none", mux.Stuck(), s)
				}
				says(t, log.String(), "has returned after all")
			})
		})
	}
}

func says(t *testing.T, log string, words ...string) {
	t.Helper()
	for _, want := range words {
		if !strings.Contains(log, want) {
			t.Errorf("no %q in the log: %s", want, log)
		}
	}
}

// Not stuck is what ends within the grace, or before its deadline however long
// ago it was cancelled; nor what had no time to see its deadline, as in a process
// that was stopped meanwhile.
func TestNotStuck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		from, to  time.Duration // of the deadline and of the work, from now
		cancelled bool
	}{
		"within the grace":              {from: time.Second, to: 2900 * time.Millisecond},
		"cancelled, before its time":    {from: time.Minute, to: 59 * time.Second, cancelled: true},
		"woken up long after its time":  {from: -time.Hour, to: 1900 * time.Millisecond},
		"in time, of a deadline far of": {from: 24 * time.Hour, to: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				mux, release := stubborn(&log)
				time.AfterFunc(tt.to, func() { close(release) })
				ctx, cancel := context.WithTimeout(t.Context(), tt.from)
				defer cancel()
				if tt.cancelled {
					cancel()
				}
				answer := mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","method":"stick","id":7}`))
				if want := `{"jsonrpc":"2.0","id":7,"result":"late"}`; string(answer.Reply) != want || mux.Stuck() != 0 || log.Len() > 0 {
					t.Errorf("got %s with %d stuck, want %s; the log: %s", answer.Reply, mux.Stuck(), want, &log)
				}
			})
		})
	}
}

// A handler that ends its goroutine, as t.FailNow does, leaves nobody waiting.
func TestGoexit(t *testing.T) {
	t.Parallel()
	mux := jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler), Grace: time.Second, Timeout: time.Hour}
	mux.Handle("leave", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		runtime.Goexit()
		return nil, nil
	}))
	answer := mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"leave","id":7}`))
	if reply, err := jsonrpc.DecodeReply(answer.Reply); err != nil || reply.Error == nil || reply.Error.Code != jsonrpc.CodeInternal {
		t.Errorf("got %s, want an internal error", answer.Reply)
	}
	if s := mux.Stats().Methods["leave"]; s.Errors != 1 || s.Running != 0 {
		t.Errorf("the stats say %+v, want one error and nothing running", s)
	}
}

// A method's deadline is the caller's, its own, or that of the mux, which is for
// those that have neither.
func TestDeadlines(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		caller, method, mux, want time.Duration
	}{
		"of nobody":                       {},
		"of the mux":                      {mux: 25 * time.Second, want: 25 * time.Second},
		"its own, longer than the mux's":  {method: time.Hour, mux: 25 * time.Second, want: time.Hour},
		"its own, shorter than the mux's": {method: time.Second, mux: 25 * time.Second, want: time.Second},
		"the caller's, longer":            {caller: time.Hour, mux: 25 * time.Second, want: time.Hour},
		"the caller's, shorter":           {caller: time.Second, method: time.Minute, mux: 25 * time.Second, want: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				mux := jsonrpc.Mux{Timeout: tt.mux}
				var opts []jsonrpc.Option
				if tt.method > 0 {
					opts = append(opts, jsonrpc.Timeout(tt.method))
				}
				var left time.Duration
				mux.Handle("look", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
					if deadline, ok := ctx.Deadline(); ok {
						left = time.Until(deadline)
					}
					return nil, nil
				}), opts...)
				ctx := t.Context()
				if tt.caller > 0 {
					limited, cancel := context.WithTimeout(ctx, tt.caller)
					defer cancel()
					ctx = limited
				}
				mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","method":"look","id":1}`))
				if left != tt.want {
					t.Errorf("the handler has %v, want %v", left, tt.want)
				}
			})
		})
	}
}

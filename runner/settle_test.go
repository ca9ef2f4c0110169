package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// served serves a mux on Redis, which lends its goroutines to handlers.
func served(t *testing.T, mux *jsonrpc.Mux) *redislist.Transport {
	t.Helper()
	url, namespace := brokertest.Namespace(t)
	log := slog.New(slog.DiscardHandler)
	tr, err := redislist.Open(redislist.Options{URL: url, Namespace: namespace, Catalogue: []string{"tested"}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	mux.Timeout, mux.Grace, mux.Logger = time.Minute, time.Second, log
	ad := &adapter{mux: mux, service: "tested", log: log}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Serve(ctx, ad.serves(4)) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = tr.Close()
		if n := ad.running.Load(); n != 0 {
			t.Errorf("%d messages are counted as running", n)
		}
	})
	return tr
}

func askTested(t *testing.T, tr transports.Caller, body string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	reply, err := tr.Call(ctx, "tested", transports.Message{Body: []byte(body)})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return string(reply)
}

func bare(f func(ctx context.Context) (any, error)) jsonrpc.Method {
	return jsonrpc.Func(func(ctx context.Context, _ []json.RawMessage) (any, error) { return f(ctx) })
}

// A handler that ends its goroutine costs nobody else anything: not its neighbours in a
// batch, and not the worker, which may have lent it the goroutine that takes messages.
func TestGoroutineEnded(t *testing.T) {
	t.Parallel()
	mux := new(jsonrpc.Mux)
	left := make(chan struct{})
	mux.Handle("leave", bare(func(context.Context) (any, error) {
		defer close(left)
		runtime.Goexit()
		return nil, nil
	}))
	mux.Handle("exit", bare(func(context.Context) (any, error) {
		runtime.Goexit()
		return nil, nil
	}))
	mux.Handle("stay", bare(func(ctx context.Context) (any, error) {
		<-left
		return "fine", ctx.Err()
	}))
	tr := served(t, mux)
	members := []string{`{"jsonrpc":"2.0","id":0,"method":"leave"}`}
	for i := range 12 {
		members = append(members, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"stay"}`, i+1))
	}
	reply := askTested(t, tr, " ["+strings.Join(members, ",")+"]")
	if n := strings.Count(reply, "fine"); n != 12 {
		t.Errorf("%d of 12 neighbours ran to their end: %s", n, reply)
	}
	for range 9 { // more than there are slots
		if reply := askTested(t, tr, `{"jsonrpc":"2.0","id":1,"method":"exit"}`); !strings.Contains(reply, "-32603") {
			t.Errorf("reply %s", reply)
		}
	}
	if reply := askTested(t, tr, `{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}`); !strings.Contains(reply, "pong") {
		t.Errorf("reply %s", reply)
	}
}

// An evil error panics when it is asked what it says.
type evil struct{ error }

func (e evil) Error() string { panic("evil") }
func (e evil) Unwrap() error { return e.error }

// A notification's error may run into a panic where nobody stands behind it.
func TestEvilError(t *testing.T) {
	t.Parallel()
	mux := new(jsonrpc.Mux)
	mux.Handle("bad", bare(func(context.Context) (any, error) { return nil, evil{jsonrpc.Errorf(5, "inside")} }))
	tr := served(t, mux)
	bodies := []string{`{"jsonrpc":"2.0","method":"bad"}`, `[{"jsonrpc":"2.0","method":"bad"}]`}
	for _, body := range bodies {
		if err := tr.Send(t.Context(), "tested", transports.Message{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	for buried := 0; buried < len(bodies); {
		buried = 0
		if err := tr.DeadLetters(t.Context(), "tested", func(transports.DeadLetter) bool { buried++; return true }); err != nil {
			t.Fatal(err)
		}
		if reply := askTested(t, tr, `{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}`); !strings.Contains(reply, "pong") {
			t.Fatalf("reply %s", reply)
		}
	}
}

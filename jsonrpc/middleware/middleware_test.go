package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/jsonrpc/middleware"
)

func TestLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got bytes.Buffer
		mux := jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler)}
		mux.Use(middleware.Log(slog.New(slog.NewTextHandler(&got, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: untimed}))))
		mux.Handle("good", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			time.Sleep(1500 * time.Millisecond)
			return nil, nil
		}))
		mux.Handle("bad", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			return nil, jsonrpc.Errorf(7, "seven")
		}))
		mux.Handle("panic", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { panic("oops") }))
		for _, method := range []string{"good", "bad", "panic"} {
			mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"`+method+`","params":["secret"]}`))
		}
		want := "level=DEBUG msg=rpc method=good ms=1500 code=0\n" +
			"level=INFO msg=rpc method=bad ms=0 code=7\n" +
			"level=INFO msg=rpc method=panic ms=0 code=-32603\n"
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func untimed(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var took time.Duration
		wait := jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
			start := time.Now()
			<-ctx.Done()
			took = time.Since(start)
			return nil, ctx.Err()
		})
		var mux jsonrpc.Mux
		mux.Use(middleware.Timeout(5 * time.Second))
		mux.Handle("default", wait)
		mux.Handle("own", wait, jsonrpc.Timeout(time.Minute))

		run := func(ctx context.Context, why, method string, want time.Duration) {
			mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","method":"`+method+`"}`))
			if took != want {
				t.Errorf("%s: it took %v, want %v", why, took, want)
			}
		}
		run(t.Context(), "no deadline anywhere", "default", 5*time.Second)
		run(t.Context(), "the method's own", "own", time.Minute)
		callers, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		run(callers, "the caller's, later than the default", "default", 30*time.Second)
	})
}

func ExampleLog() {
	logger := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "ms" {
			return slog.Attr{}
		}
		return a
	}}))
	var mux jsonrpc.Mux
	mux.Use(middleware.Log(logger))
	mux.Handle("withdraw", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		return nil, jsonrpc.Errorf(402, "Not enough money")
	}))
	mux.Answer(context.Background(), []byte(`{"jsonrpc":"2.0","id":1,"method":"withdraw","params":[100]}`))
	// Output:
	// level=INFO msg=rpc method=withdraw code=402
}

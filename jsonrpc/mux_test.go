package jsonrpc_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

func TestHandleRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		register func(*jsonrpc.Mux)
		want     string
	}{
		"no name":       {func(m *jsonrpc.Mux) { m.Handle("", echo) }, "needs a name"},
		"reserved name": {func(m *jsonrpc.Mux) { m.Handle("rpc.mine", echo) }, "reserved"},
		"taken name":    {func(m *jsonrpc.Mux) { m.Handle("a", echo); m.Handle("a", echo) }, "twice"},
		"no method":     {func(m *jsonrpc.Mux) { m.Handle("a", jsonrpc.Method{}) }, "no handler"},
		"no handler":    {func(m *jsonrpc.Mux) { m.Handle("a", jsonrpc.Raw(nil)) }, "no handler"},
		"no time":       {func(m *jsonrpc.Mux) { m.Handle("a", echo, jsonrpc.Timeout(0)) }, "positive"},
		"no attempt":    {func(m *jsonrpc.Mux) { m.Handle("a", echo, jsonrpc.Retry(0, time.Second, time.Hour)) }, "want 1 or more"},
		"no delay":      {func(m *jsonrpc.Mux) { m.Handle("a", echo, jsonrpc.Retry(2, 0, time.Hour)) }, "want more than 0"},
		"delays shrink": {func(m *jsonrpc.Mux) { m.Handle("a", echo, jsonrpc.Retry(2, time.Hour, time.Second)) }, "want 1h0m0s"},
		"no window":     {func(m *jsonrpc.Mux) { m.Handle("a", echo, jsonrpc.Dedupe(0)) }, "positive"},
		"reserved code": {func(m *jsonrpc.Mux) { m.Handle("a", echo, jsonrpc.Throws(-32001, "x")) }, "reserved"},
		"code twice": {func(m *jsonrpc.Mux) {
			m.Handle("a", echo, jsonrpc.Throws(1, "x"), jsonrpc.Throws(1, "y"))
		}, "twice"},
		"params of a scalar": {func(m *jsonrpc.Mux) {
			m.Handle("a", jsonrpc.Func(func(context.Context, float64) (int, error) { return 0, nil }))
		}, "cannot hold params"},
		"params quoted": {func(m *jsonrpc.Mux) {
			type in struct {
				N int `json:",string"`
			}
			m.Handle("a", jsonrpc.Func(func(context.Context, in) (int, error) { return 0, nil }))
		}, "not supported"},
		"params out of reach": {func(m *jsonrpc.Mux) {
			type hidden struct{ N int }
			type in struct{ *hidden }
			m.Handle("a", jsonrpc.Func(func(context.Context, in) (int, error) { return 0, nil }))
		}, "cannot be filled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if v, _ := recover().(string); !strings.Contains(v, tt.want) {
					t.Errorf("panic %q, want %q", v, tt.want)
				}
			}()
			var mux jsonrpc.Mux
			tt.register(&mux)
		})
	}
}

func TestUse(t *testing.T) {
	t.Parallel()
	var trace []string
	mark := func(name string) jsonrpc.Middleware {
		return func(next jsonrpc.Handler) jsonrpc.Handler {
			return func(ctx context.Context, params json.RawMessage) (any, error) {
				trace = append(trace, name+" "+jsonrpc.MethodName(ctx))
				return next(ctx, params)
			}
		}
	}
	var mux jsonrpc.Mux
	mux.Use(mark("outer"))
	mux.Handle("early", echo)
	mux.Use(mark("inner"))
	mux.Handle("late", echo)
	for _, method := range []string{"early", "late", "rpc.ping", "nope"} {
		mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"`+method+`"}`))
	}
	want := []string{"outer early", "inner early", "outer late", "inner late"}
	if diff := gocmp.Diff(want, trace); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff([]string{"early", "late"}, mux.Methods()); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
	if name := jsonrpc.MethodName(t.Context()); name != "" {
		t.Errorf("outside of a handler the method is %q", name)
	}
}

// A method's timeout ends its context, unless the caller's deadline is earlier.
func TestTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mux jsonrpc.Mux
		mux.Handle("wait", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}), jsonrpc.Timeout(5*time.Second))
		took := func(ctx context.Context) time.Duration {
			start := time.Now()
			reply, err := jsonrpc.DecodeReply(mux.Answer(ctx, []byte(`{"jsonrpc":"2.0","method":"wait","id":1}`)).Reply)
			if err != nil || reply.Error == nil || !errors.Is(reply.Error, context.DeadlineExceeded) {
				t.Errorf("got %+v and %v, want the code for a deadline", reply, err)
			}
			return time.Since(start)
		}
		if d := took(t.Context()); d != 5*time.Second {
			t.Errorf("without a caller's deadline it took %v, want 5s", d)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d := took(ctx); d != time.Second {
			t.Errorf("with an earlier deadline it took %v, want 1s", d)
		}
	})
}

func TestStats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mux jsonrpc.Mux
		since := time.Now()
		release := make(chan struct{})
		mux.Handle("wait", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			<-release
			return nil, nil
		}))
		mux.Handle("fail", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			time.Sleep(2 * time.Second)
			return nil, jsonrpc.Errorf(7, "seven")
		}))
		go mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"wait","id":1}`))
		synctest.Wait()
		mux.Answer(t.Context(), []byte(`[{"jsonrpc":"2.0","method":"fail"},{"jsonrpc":"2.0","method":"fail","id":1}]`))

		reply, err := jsonrpc.DecodeReply(mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"rpc.stats","id":1}`)).Reply)
		if err != nil {
			t.Fatal(err)
		}
		var got jsonrpc.Stats
		if err := json.Unmarshal(reply.Result, &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]jsonrpc.MethodStats{
			"wait": {Calls: 1, Running: 1},
			"fail": {Calls: 2, Errors: 2, Seconds: 4},
		}
		if diff := gocmp.Diff(want, got.Methods); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if !got.Since.Equal(since) {
			t.Errorf("since %v, want %v", got.Since, since)
		}
		close(release)
		synctest.Wait()
		if s := mux.Stats().Methods["wait"]; s != (jsonrpc.MethodStats{Calls: 1, Seconds: 2}) {
			t.Errorf("after its end wait has %+v", s)
		}
	})
}

// The zero Mux answers.
func TestPing(t *testing.T) {
	t.Parallel()
	var mux jsonrpc.Mux
	got := string(mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"rpc.ping","id":1}`)).Reply)
	if want := `{"jsonrpc":"2.0","id":1,"result":"pong"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

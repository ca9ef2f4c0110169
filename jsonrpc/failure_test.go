package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// A collector is a mux that fails in many ways, and what its OnError was told.
type collector struct {
	jsonrpc.Mux
	log      bytes.Buffer
	failures []jsonrpc.Failure
}

func newCollector() *collector {
	c := &collector{}
	c.Grace = time.Second // as package runner does; handlers have goroutines of their own then
	c.Logger = slog.New(slog.NewTextHandler(&c.log, nil))
	c.OnError = func(_ context.Context, f jsonrpc.Failure) { c.failures = append(c.failures, f) }
	for name, err := range map[string]error{
		"fine":    nil,
		"fail":    errors.New("no luck"),
		"refuse":  jsonrpc.Errorf(1, "no"),
		"late":    context.DeadlineExceeded,
		"broken":  (*brokenError)(nil),
		"stopped": context.Canceled,
	} {
		c.Handle(name, jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { return nil, err }))
	}
	c.Handle("panic", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { panic("out of order") }))
	c.Handle("exit", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { runtime.Goexit(); return nil, nil }))
	return c
}

// What failed inside is reported, and what callers are told in full is not.
func TestOnError(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method             string
		call, notification string // what is reported of it; "": nothing
		panics             string
	}{
		{"fine", "", "", ""},
		{"fail", "no luck", "no luck", ""},
		{"refuse", "", "no (1)", ""},
		{"late", "", "context deadline exceeded", ""},
		{"stopped", "", "context canceled", ""}, // but nobody has cancelled it
		{"panic", "panic: out of order", "panic: out of order", "out of order"},
		{"exit", "the handler ended its goroutine", "the handler ended its goroutine", ""},
		{"broken", "the handler returned a broken error, a *jsonrpc_test.brokenError", "the handler returned a broken error, a *jsonrpc_test.brokenError", "runtime error: invalid memory address or nil pointer dereference"},
		{"unknown", "", "", ""},
	} {
		for _, call := range []bool{true, false} {
			id, want := `,"id":7`, tt.call
			if !call {
				id, want = "", tt.notification
			}
			c := newCollector()
			ctx := jsonrpc.WithDelivery(jsonrpc.WithKey(t.Context(), "k1"), jsonrpc.Delivery{Message: "m1", Attempt: 3, Trace: "t1"})
			answer := c.Answer(ctx, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":%q%s}`, tt.method, id))
			if want == "" {
				if len(c.failures) > 0 {
					t.Errorf("%s%s: reported %+v", tt.method, id, c.failures)
				}
				continue
			}
			if len(c.failures) != 1 {
				t.Errorf("%s%s: reported %d times, want once", tt.method, id, len(c.failures))
				continue
			}
			f := c.failures[0]
			if f.Err.Error() != want || f.Method != tt.method || f.Key != "k1" || panicked(f) != tt.panics {
				t.Errorf("%s%s: reported %+v, want %q and %q", tt.method, id, f, want, tt.panics)
			}
			if diff := cmp.Diff(jsonrpc.Delivery{Message: "m1", Attempt: 3, Trace: "t1"}, f.Delivery); diff != "" {
				t.Errorf("%s%s: the delivery (-want +got):\n%s", tt.method, id, diff)
			}
			if stack := strings.Contains(string(f.Stack), "failure_test.go"); stack != (tt.method == "panic") {
				t.Errorf("%s%s: the stack is %s", tt.method, id, f.Stack)
			}
			if f.ID != "" && !strings.Contains(c.log.String(), "error_id="+f.ID) {
				t.Errorf("%s%s: the log does not say %s:\n%s", tt.method, id, f.ID, &c.log)
			}
			if call && (f.ID == "" || !strings.Contains(string(answer.Reply), f.ID)) {
				t.Errorf("%s: the caller got %s, want the id %q in it", tt.method, answer.Reply, f.ID)
			}
		}
	}
}

// A job that fails may be tried again, and is no alarm before it was in vain: that says who
// carries it. Calls have failed for good, and a panic is a fault in any case.
func TestLevelsOfFailures(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"jsonrpc":"2.0","method":"fail","id":7}`: `level=ERROR msg="handler failed" method=fail `,
		`{"jsonrpc":"2.0","method":"fail"}`:        `level=WARN msg="handler failed" method=fail `,
		`{"jsonrpc":"2.0","method":"panic"}`:       `level=ERROR msg="handler failed" method=panic `,
	} {
		c := newCollector()
		c.Answer(t.Context(), []byte(body))
		if !strings.Contains(c.log.String(), want) {
			t.Errorf("of %s the log has no %s:\n%s", body, want, &c.log)
		}
	}
}

// The function has the context of the handler, and each member of a batch is told of
// for itself.
func TestOnErrorInBatch(t *testing.T) {
	t.Parallel()
	type secret struct{}
	c := newCollector()
	told := make(chan string, 10)
	c.OnError = func(ctx context.Context, f jsonrpc.Failure) {
		told <- fmt.Sprint(f.Method, f.Key, jsonrpc.MethodName(ctx), ctx.Value(secret{}))
	}
	ctx := jsonrpc.WithKey(context.WithValue(t.Context(), secret{}, "!"), "m")
	c.Answer(ctx, []byte(`[{"jsonrpc":"2.0","method":"fail","id":1},{"jsonrpc":"2.0","method":"fine","id":2},{"jsonrpc":"2.0","method":"refuse"}]`))
	close(told)
	var got []string
	for s := range told {
		got = append(got, s)
	}
	if diff := cmp.Diff([]string{"failm#0fail!", "refusem#2refuse!"}, got, cmpopts.SortSlices(strings.Compare)); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// Work that was ended from outside has not failed.
func TestOnErrorNotWhenCancelled(t *testing.T) {
	t.Parallel()
	c := newCollector()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.Answer(ctx, []byte(`{"jsonrpc":"2.0","method":"stopped"}`))
	if len(c.failures) > 0 {
		t.Errorf("reported %+v", c.failures)
	}
}

// A stuck handler is reported when it is found, and not again when it is given up.
func TestOnErrorOfStuck(t *testing.T) {
	t.Parallel()
	for _, id := range []string{`,"id":7`, ""} {
		synctest.Test(t, func(t *testing.T) {
			mux, release := stubborn(new(bytes.Buffer), jsonrpc.Timeout(time.Second))
			var failures []jsonrpc.Failure
			mux.OnError = func(_ context.Context, f jsonrpc.Failure) { failures = append(failures, f) }
			time.AfterFunc(time.Minute, mux.Abandon)
			mux.Answer(jsonrpc.WithKey(t.Context(), "k1"), []byte(`{"jsonrpc":"2.0","method":"stick"`+id+`}`))
			if len(failures) != 1 || !errors.Is(failures[0].Err, jsonrpc.ErrStuck) || failures[0].Method != "stick" || failures[0].Key != "k1" {
				t.Errorf("reported %+v, want one handler that is stuck", failures)
			}
			close(release)
			synctest.Wait()
		})
	}
}

// Whatever the function does to itself, callers are answered.
func TestOnErrorDoesNoHarm(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(){"panic": func() { panic("in the hook") }, "exit": runtime.Goexit} {
		c := newCollector()
		c.OnError = func(context.Context, jsonrpc.Failure) { harm() }
		answer := c.Answer(t.Context(), []byte(`[{"jsonrpc":"2.0","method":"fail","id":1},{"jsonrpc":"2.0","method":"fail"}]`))
		if !strings.Contains(string(answer.Reply), "-32603") || len(answer.Notifications) != 1 {
			t.Errorf("%s: the answer is %s and %v", name, answer.Reply, answer.Notifications)
		}
		if logged := strings.Contains(c.log.String(), `msg="OnError panicked" method=fail panic="in the hook" stack=`); logged != (name == "panic") {
			t.Errorf("%s: the log says:\n%s", name, &c.log)
		}
	}
}

func panicked(f jsonrpc.Failure) string {
	if f.Panic == nil {
		return ""
	}
	return fmt.Sprint(f.Panic)
}

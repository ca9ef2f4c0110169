package jsonrpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	var mux jsonrpc.Mux
	mux.Handle("plain", echo)
	mux.Handle("never", echo, jsonrpc.Retry(1, 0, 0))
	mux.Handle("both", echo, jsonrpc.Retry(3, time.Second, time.Minute), jsonrpc.Dedupe(time.Hour))
	mux.Handle("once", echo, jsonrpc.Dedupe(time.Hour))
	usual := jsonrpc.Policy{Attempts: 15, First: time.Second, Most: time.Hour}
	for method, want := range map[string]jsonrpc.Policy{
		"plain": usual,
		"nope":  usual,
		"never": {Attempts: 1},
		"both":  {Attempts: 3, First: time.Second, Most: time.Minute, Dedupe: time.Hour},
		"once":  {Attempts: 15, First: time.Second, Most: time.Hour, Dedupe: time.Hour},
	} {
		if diff := gocmp.Diff(want, mux.Policy(method)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", method, diff)
		}
	}
}

// Delays double from the first one up to the longest, and each is spread over its
// upper half.
func TestPolicyDelays(t *testing.T) {
	t.Parallel()
	const forever = 1 << 40
	long := jsonrpc.Policy{Attempts: forever, First: time.Second, Most: 1<<63 - 1}
	short := jsonrpc.Policy{Attempts: forever, First: time.Second, Most: 10 * time.Second}
	for _, tt := range []struct {
		policy   jsonrpc.Policy
		failures int
		want     time.Duration
	}{
		{short, 1, time.Second}, {short, 2, 2 * time.Second}, {short, 4, 8 * time.Second},
		{short, 5, 10 * time.Second}, {short, 6, 10 * time.Second}, {short, 1000, 10 * time.Second},
		{long, 11, 1024 * time.Second}, {long, 1000, 1<<63 - 1},
		{jsonrpc.Policy{Attempts: 9, First: 3, Most: 3}, 1, 3}, {jsonrpc.Policy{Attempts: 9, First: 1, Most: 1}, 8, 1},
	} {
		least, most := time.Duration(1<<63-1), time.Duration(0)
		for range 2000 {
			after, again := tt.policy.Next(tt.failures, errors.New("no luck"))
			if !again {
				t.Fatalf("%+v gives up after %d failures", tt.policy, tt.failures)
			}
			least, most = min(least, after), max(most, after)
		}
		if least < tt.want/2 || most > tt.want {
			t.Errorf("%d failures: delays from %v to %v, want them in the upper half of %v", tt.failures, least, most, tt.want)
		}
		if spread := tt.want / 10; tt.want > time.Millisecond && (least > tt.want/2+spread || most < tt.want-spread) {
			t.Errorf("%d failures: delays from %v to %v, want them all over the upper half of %v", tt.failures, least, most, tt.want)
		}
	}
}

func TestPolicyGivesUp(t *testing.T) {
	t.Parallel()
	p := jsonrpc.Policy{Attempts: 3, First: time.Second, Most: time.Second}
	for failures, want := range map[int]bool{1: true, 2: true, 3: false, 4: false, 1000: false} {
		if _, again := p.Next(failures, errors.New("no luck")); again != want {
			t.Errorf("after %d failures of 3 attempts: again is %v", failures, again)
		}
	}
	if _, again := (jsonrpc.Policy{Attempts: 1}).Next(1, errors.New("no luck")); again {
		t.Error("one attempt became two")
	}
}

// distant is an error of another service, as package client returns it.
type distant struct{ error }

func (distant) Remote() (service, method string) { return "there", "it" }
func (d distant) Unwrap() error                  { return d.error }

// Only what can never go well is given up before its attempts are used up.
func TestPolicyHopeless(t *testing.T) {
	t.Parallel()
	p := jsonrpc.Policy{Attempts: 2, First: time.Second, Most: time.Second}
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"any error":             {errors.New("no luck"), true},
		"an application's":      {jsonrpc.Errorf(7, "no"), true},
		"internal":              {jsonrpc.Errorf(jsonrpc.CodeInternal, "Internal error"), true},
		"late":                  {context.DeadlineExceeded, true},
		"its timeout":           {jsonrpc.Errorf(jsonrpc.CodeTimeout, "Deadline exceeded"), true},
		"invalid params":        {jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "Invalid params"), false},
		"wrapped":               {fmt.Errorf("place: %w", jsonrpc.Errorf(jsonrpc.CodeInvalidParams, "Invalid params")), false},
		"no method":             {jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "Method not found"), true},
		"no request":            {jsonrpc.Errorf(jsonrpc.CodeInvalidRequest, "Invalid Request"), false},
		"no JSON":               {jsonrpc.Errorf(jsonrpc.CodeParse, "Parse error"), false},
		"no method elsewhere":   {distant{jsonrpc.Errorf(jsonrpc.CodeMethodNotFound, "Method not found")}, true},
		"marked":                {jsonrpc.NoRetry(errors.New("no such customer")), false},
		"marked, wrapped":       {fmt.Errorf("bill: %w", jsonrpc.NoRetry(errors.New("no such customer"))), false},
		"marked, of the others": {jsonrpc.NoRetry(jsonrpc.Errorf(7, "no")), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, again := p.Next(1, tt.err); again != tt.want {
				t.Errorf("again is %v, want %v", again, tt.want)
			}
		})
	}
}

// NoRetry changes nothing but whether a notification is tried again.
func TestNoRetry(t *testing.T) {
	t.Parallel()
	if err := jsonrpc.NoRetry(nil); err != nil {
		t.Errorf("nil became %v", err)
	}
	refusal := jsonrpc.Errorf(7, "no").WithData(1)
	err := jsonrpc.NoRetry(fmt.Errorf("bill: %w", refusal))
	if e, ok := errors.AsType[*jsonrpc.Error](err); !ok || e != refusal || !errors.Is(err, refusal) {
		t.Errorf("what was wrapped cannot be seen in %v", err)
	}
	if err.Error() != "bill: no (7): 1" {
		t.Errorf("it reads %q", err)
	}
	mux := jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler)}
	mux.Handle("do", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { return nil, err }))
	got := mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","id":1,"method":"do"}`)).Reply
	if want := `{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"no","data":1}}`; string(got) != want {
		t.Errorf("the caller reads %s, want %s", got, want)
	}
	notified := mux.Answer(t.Context(), []byte(`{"jsonrpc":"2.0","method":"do"}`)).Notifications
	if _, again := mux.Policy("do").Next(1, notified[0].Err); again {
		t.Error("a notification that failed with it is tried again")
	}
}

// What a Mux says of notifications is what Next decides by.
func TestPolicyOfAnswer(t *testing.T) {
	t.Parallel()
	mux := jsonrpc.Mux{Logger: slog.New(slog.NewTextHandler(new(bytes.Buffer), nil))}
	mux.Handle("typed", same[query]())
	mux.Handle("panic", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { panic("oh") }))
	mux.Handle("broken", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
		var none *jsonrpc.Error
		return nil, none
	}))
	answer := mux.Answer(t.Context(), []byte(`[{"jsonrpc":"2.0","method":"panic"},{"jsonrpc":"2.0","method":"broken"},`+
		`{"jsonrpc":"2.0","method":"typed","params":{"nope":1}},{"jsonrpc":"2.0","method":"nope"}]`))
	got := make(map[string]bool)
	for _, n := range answer.Notifications {
		_, got[n.Method] = mux.Policy(n.Method).Next(1, n.Err)
	}
	if diff := gocmp.Diff(map[string]bool{"panic": true, "broken": true, "typed": false, "nope": true}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

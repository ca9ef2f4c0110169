package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// Each member gets its own result or error, wherever its reply stands.
func TestBatch(t *testing.T) {
	t.Parallel()
	w := calculator()
	forward := w.answer
	w.answer = func(ctx context.Context, m transports.Message) ([]byte, error) {
		reply, err := forward(ctx, m)
		var replies []json.RawMessage
		if err := json.Unmarshal(reply, &replies); err != nil {
			t.Errorf("%s: %v", reply, err)
		}
		slices.Reverse(replies)
		reply, _ = json.Marshal(replies)
		return reply, err
	}
	var sum, ratio float64
	var wrong []string
	calls := []*client.Call{
		{Method: "add", Params: operands{1, 5.1}, Result: &sum},
		{Method: "add", Params: operands{1, 2}, Notify: true, Err: errors.New("of an earlier try")},
		{Method: "divide", Params: operands{1, 0}, Result: &ratio},
		{Method: "add", Params: operands{1, 2}, Result: &wrong},
		{Method: "add", Params: operands{1, 2}},
	}
	if err := client.New(w, "calculator").Batch(t.Context(), calls...); err != nil {
		t.Fatal(err)
	}
	if sum != 6.1 || calls[0].Err != nil || calls[1].Err != nil || calls[4].Err != nil {
		t.Errorf("sum is %v; errors %v, %v, %v", sum, calls[0].Err, calls[1].Err, calls[4].Err)
	}
	if jsonrpc.CodeOf(calls[2].Err) != 1 {
		t.Errorf("division: got %v, want code 1", calls[2].Err)
	}
	if _, ok := errors.AsType[*client.ReplyError](calls[3].Err); !ok {
		t.Errorf("wrong type: got %v, want a ReplyError", calls[3].Err)
	}
	if len(w.seen) != 1 || !strings.HasPrefix(w.seen[0], `calculator call "" [`) {
		t.Errorf("sent %q, want one message without a method", w.seen)
	}
}

func TestBatchEmpty(t *testing.T) {
	t.Parallel()
	w := calculator()
	if err := client.New(w, "calculator").Batch(t.Context()); err != nil || len(w.seen) > 0 {
		t.Errorf("sent %q, error %v", w.seen, err)
	}
}

func TestBatchOfNotifications(t *testing.T) {
	t.Parallel()
	w := calculator()
	err := client.New(w, "calculator").Batch(t.Context(),
		&client.Call{Method: "a", Notify: true}, &client.Call{Method: "b", Notify: true})
	want := []string{`calculator send "" [{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","method":"b"}]`}
	if diff := cmp.Diff(want, w.seen); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// What fails as a whole fails for every member, too.
func TestBatchErrors(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		via  *wire
		kind string // the type or value of Batch's error
		text string
	}{
		"journey": {breaks(transports.ErrUnavailable), "journey", "batch to calculator: broker unavailable"},
		"refused": {says(`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request"}}`),
			"said", "calculator: Invalid Request"},
		"single result": {says(`{"jsonrpc":"2.0","id":1,"result":1}`), "reply", "want an array"},
		"nothing":       {says(``), "reply", "reply of calculator: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := []*client.Call{{Method: "a"}, {Method: "b", Notify: true}}
			err := client.New(tt.via, "calculator").Batch(t.Context(), calls...)
			if err == nil || !strings.Contains(err.Error(), tt.text) || kindOf(err) != tt.kind {
				t.Fatalf("got %v (%s), want %q (%s)", err, kindOf(err), tt.text, tt.kind)
			}
			for _, call := range calls {
				if !errors.Is(call.Err, err) {
					t.Errorf("member %s has error %v", call.Method, call.Err)
				}
			}
		})
	}
}

func kindOf(err error) string {
	if _, ok := errors.AsType[*jsonrpc.Error](err); ok {
		return "said"
	}
	if _, ok := errors.AsType[*client.ReplyError](err); ok {
		return "reply"
	}
	return "journey"
}

// Replies that are missing, of nobody, or there twice.
func TestBatchMismatch(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		reply          string // 1 and 2 stand for the ids
		batch          bool   // Batch has an error
		first, missing bool   // the first has its result, the second is missing
	}{
		"missing":    {`[{"jsonrpc":"2.0","id":1,"result":5}]`, false, true, true},
		"all":        {`[]`, false, false, true},
		"unexpected": {`[{"jsonrpc":"2.0","id":3,"result":5},{"jsonrpc":"2.0","id":1,"result":5}]`, true, true, true},
		"twice":      {`[{"jsonrpc":"2.0","id":1,"result":5},{"jsonrpc":"2.0","id":1,"result":6}]`, true, true, true},
		"of nobody":  {`[{"jsonrpc":"2.0","id":1,"result":5},{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"m"}}]`, true, true, true},
		"unexpected, none missing": {
			`[{"jsonrpc":"2.0","id":2,"result":5},{"jsonrpc":"2.0","id":1,"result":5},{"jsonrpc":"2.0","id":3,"result":5}]`, true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &wire{answer: func(_ context.Context, m transports.Message) ([]byte, error) {
				var requests []struct{ ID json.RawMessage }
				if err := json.Unmarshal(m.Body, &requests); err != nil {
					return nil, err
				}
				reply := tt.reply
				for i, r := range requests {
					reply = strings.ReplaceAll(reply, fmt.Sprintf(`"id":%d,`, i+1), fmt.Sprintf(`"id":%s,`, r.ID))
				}
				return []byte(reply), nil
			}}
			var result int
			first, second := &client.Call{Method: "a", Result: &result}, &client.Call{Method: "b"}
			err := client.New(w, "calculator").Batch(t.Context(), first, second)
			if (err != nil) != tt.batch || err != nil && kindOf(err) != "reply" {
				t.Errorf("batch: %v, want an error: %v", err, tt.batch)
			}
			if tt.first && result != 5 {
				t.Errorf("the first result is %d, want 5", result)
			}
			if missing := second.Err != nil && strings.Contains(second.Err.Error(), "missing"); missing != tt.missing {
				t.Errorf("the second has %v, want it missing: %v", second.Err, tt.missing)
			}
		})
	}
}

// A batch that cannot be encoded, or is too long, is not sent in part.
func TestBatchNotSent(t *testing.T) {
	t.Parallel()
	w := calculator()
	c := client.New(w, "calculator")
	if err := c.Batch(t.Context(), &client.Call{Method: "a"}, &client.Call{Method: "b", Params: 7}); err == nil || !strings.Contains(err.Error(), "calculator.b") {
		t.Errorf("bad params: got %v", err)
	}
	if err := c.Batch(t.Context(), slices.Repeat([]*client.Call{{Method: "a"}}, jsonrpc.MaxBatch+1)...); err == nil || !strings.Contains(err.Error(), "10001 calls") {
		t.Errorf("too many: got %v", err)
	}
	if len(w.seen) > 0 {
		t.Errorf("sent %q", w.seen)
	}
}

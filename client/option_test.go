package client_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// keep returns a wire that remembers messages in *got and breaks in the end.
func keep(got *[]transports.Message) *wire {
	return &wire{answer: func(_ context.Context, m transports.Message) ([]byte, error) {
		*got = append(*got, m)
		return nil, transports.ErrBusy
	}}
}

func TestNotifyOptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // time stands still
		now := time.Now()
		send := func(opts ...client.SendOption) transports.Message {
			t.Helper()
			var got []transports.Message
			err := client.New(keep(&got), "calculator").Notify(t.Context(), "add", []int{1, 2}, opts...)
			if !errors.Is(err, transports.ErrBusy) || len(got) != 1 {
				t.Fatalf("%d messages, %v", len(got), err)
			}
			return got[0]
		}
		want := transports.Message{Method: "add", Body: []byte(`{"jsonrpc":"2.0","method":"add","params":[1,2]}`)}
		in := func(d time.Duration) transports.Message { m := want; m.NotBefore = now.Add(d); return m }
		full := in(time.Minute)
		full.Key, full.Unique = "order-42", "report:42"
		early := client.In(time.Minute)
		for name, tt := range map[string]struct {
			got, want transports.Message
		}{
			"none":           {send(), want},
			"In":             {send(client.In(time.Minute)), in(time.Minute)},
			"In no time":     {send(client.In(0)), want},
			"At":             {send(client.At(now.Add(time.Hour))), in(time.Hour)},
			"At in the past": {send(client.At(now.Add(-time.Hour))), want},
			"At no time":     {send(client.At(time.Time{})), want},
			"all":            {send(client.Key("order-42"), client.Unique("report:42"), early), full},
		} {
			if diff := cmp.Diff(tt.want, tt.got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		time.Sleep(time.Hour)
		if got := send(early).NotBefore.Sub(now); got != time.Hour+time.Minute {
			t.Errorf("In counts from when it was written: %v, want it from Notify on", got)
		}
	})
}

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	past := time.Now().Add(-time.Hour)
	for want, opts := range map[string][]client.SendOption{
		"the delay is -1s, want 0 or more":     {client.In(-time.Second)},
		"In and At: want one of them, once":    {client.In(0), client.At(past)},
		"options In and At: want one of them":  {client.At(past), client.In(time.Hour)},
		"options In and At":                    {client.In(time.Hour), client.In(time.Hour)},
		"option Unique: the key is empty":      {client.Unique("")},
		"calculator.add: option Key: the key ": {client.Key("")},
	} {
		var sent []transports.Message
		err := client.New(keep(&sent), "calculator").Notify(t.Context(), "add", nil, opts...)
		if err == nil || !strings.Contains(err.Error(), want) || len(sent) > 0 {
			t.Errorf("%d sent, %v, want %q", len(sent), err, want)
		}
	}
	var sent []transports.Message
	err := client.New(keep(&sent), "calculator").Call(t.Context(), "add", nil, nil, client.Key(""))
	if err == nil || !strings.HasPrefix(err.Error(), "call calculator.add: option Key: ") || len(sent) > 0 {
		t.Errorf("%d sent, %v", len(sent), err)
	}
}

// remembering puts a store of replies by method and key before a wire, as a transport
// does for methods that are deduplicated.
func remembering(w *wire) *wire {
	type claim struct{ method, key string }
	kept := make(map[claim][]byte)
	return &wire{answer: func(ctx context.Context, m transports.Message) ([]byte, error) {
		c := claim{m.Method, m.Key}
		if kept[c] == nil {
			reply, err := w.answer(ctx, m)
			if err != nil {
				return nil, err
			}
			kept[c] = reply
		}
		return kept[c], nil
	}}
}

// A reply that was kept answers every call of its method with its key, whichever client
// makes it, and no other request.
func TestCallKey(t *testing.T) {
	t.Parallel()
	w := remembering(calculator())
	one, two := client.New(w, "calculator"), client.New(w, "calculator")
	for _, c := range []*client.Client{one, one, two} {
		if got, err := client.Result[int](t.Context(), c, "add", []int{1, 2}, client.Key("order-42")); got != 3 || err != nil {
			t.Errorf("got %v, %v, want 3", got, err)
		}
	}
	if got, err := one.CallRaw(t.Context(), "add", []byte(`[2,2]`), client.Key("order-43")); string(got) != "4" || err != nil {
		t.Errorf("another key: %s, %v, want 4", got, err)
	}
	if got, err := client.Result[int](t.Context(), two, "divide", []int{6, 2}, client.Key("order-42")); got != 3 || err != nil {
		t.Errorf("another method: %v, %v, want 3", got, err)
	}
	err := two.Call(t.Context(), "add", []int{1, 3}, nil, client.Key("order-42"))
	if _, ok := errors.AsType[*client.ReplyError](err); !ok || !strings.Contains(err.Error(), `other params and the key "order-42"`) {
		t.Errorf("other params: %v", err)
	}
	if err := two.Call(t.Context(), "add", 7, nil, client.Key("order-42")); err == nil || !strings.Contains(err.Error(), "encode params") {
		t.Errorf("params that are no array or object: %v", err)
	}
}

// A service that could not read the request says so under id null, and is believed
// with a key as without.
func TestCallKeyUnread(t *testing.T) {
	t.Parallel()
	w := says(`{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error"}}`)
	err := client.New(w, "calculator").Call(t.Context(), "add", nil, nil, client.Key("k"))
	if e, ok := errors.AsType[*jsonrpc.Error](err); !ok || e.Code != jsonrpc.CodeParse {
		t.Errorf("got %v, want the parse error", err)
	}
}

// The id of a request names a list on the bare wire, whatever the key looks like.
func TestCallKeyIsSafe(t *testing.T) {
	t.Parallel()
	var got []transports.Message
	c := client.New(keep(&got), "calculator")
	for _, key := range []client.Key{"a", "b", "order:{42}", "\n\"", "calculator", "ünïcode"} {
		if err := c.Call(t.Context(), "add", nil, nil, key); !errors.Is(err, transports.ErrBusy) {
			t.Fatal(err)
		}
	}
	seen := make(map[string]bool)
	for _, m := range got {
		id := regexp.MustCompile(`"id":"(key-[0-9a-f]{32})"`).FindSubmatch(m.Body)
		if id == nil || seen[string(id[1])] {
			t.Errorf("key %q made %s", m.Key, m.Body)
			continue
		}
		seen[string(id[1])] = true
	}
}

package jsonrpc_test

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

func TestWindow(t *testing.T) {
	t.Parallel()
	var mux, plain jsonrpc.Mux
	plain.Handle("free", echo)
	mux.Handle("hour", echo, jsonrpc.Dedupe(time.Hour))
	mux.Handle("day", echo, jsonrpc.Dedupe(24*time.Hour))
	mux.Handle("free", echo)
	ask := func(method string) string { return `{"jsonrpc":"2.0","id":1,"method":"` + method + `"}` }
	for name, tt := range map[string]struct {
		body string
		want time.Duration
	}{
		"a call":           {ask("hour"), time.Hour},
		"a notification":   {`{"jsonrpc":"2.0","method":"hour"}`, time.Hour},
		"without":          {ask("free"), 0},
		"unknown":          {ask("nope"), 0},
		"of every mux":     {ask("rpc.ping"), 0},
		"a batch":          {"[" + ask("free") + "," + ask("day") + "," + ask("hour") + "]", 24 * time.Hour},
		"a batch without":  {"[" + ask("free") + "]", 0},
		"one is invalid":   {`[{"jsonrpc":"1.0","id":1,"method":"day"},` + ask("hour") + "]", time.Hour},
		"no possible one":  {"[]", 0},
		"nothing":          {"", 0},
		"no JSON":          {ask("hour") + "}", 0},
		"too many members": {"[" + ask("hour") + strings.Repeat(",1", jsonrpc.MaxBatch) + "]", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := mux.Window([]byte(tt.body)); got != tt.want {
				t.Errorf("the window is %v, want %v", got, tt.want)
			}
			if got := plain.Window([]byte(tt.body)); got != 0 {
				t.Errorf("where nothing is deduplicated the window is %v", got)
			}
		})
	}
}

func TestUnknown(t *testing.T) {
	t.Parallel()
	var mux jsonrpc.Mux
	mux.Handle("here", echo)
	for body, want := range map[string]string{
		`{"jsonrpc":"2.0","id":1,"method":"there"}`:    `"there"`,
		`{"jsonrpc":"2.0","method":"there"}`:           `"there"`,
		`{"jsonrpc":"2.0","id":1,"method":""}`:         `""`,
		`{"jsonrpc":"2.0","id":1,"method":"here"}`:     "known",
		`{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}`: "known",
		`{"jsonrpc":"2.0","id":1,"method":"rpc.nope"}`: "known",
		`{"jsonrpc":"1.0","id":1,"method":"there"}`:    "known",
		`[{"jsonrpc":"2.0","id":1,"method":"there"}]`:  "known",
		`[]`: "known", `1`: "known", `{`: "known", ``: "known", "\xff": "known",
	} {
		got := "known"
		if method, unknown := mux.Unknown([]byte(body)); unknown {
			got = strconv.Quote(method)
		} else if method != "" {
			t.Errorf("%s: not unknown, and named %q", body, method)
		}
		if got != want {
			t.Errorf("%s is %s, want %s", body, got, want)
		}
	}
}

// Every member of a batch has a key of its own, the same each time that the batch
// comes, and a notification tells its key to whoever runs it again.
func TestKey(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := make(map[string]string) // params -> key
	var mux jsonrpc.Mux
	mux.Handle("do", jsonrpc.Raw(func(ctx context.Context, params json.RawMessage) (any, error) {
		mu.Lock()
		defer mu.Unlock()
		seen[string(params)] = jsonrpc.Key(ctx)
		return nil, nil
	}))
	type told struct{ Body, Key string }
	run := func(ctx context.Context, body string) (all []told) {
		for _, n := range mux.Answer(ctx, []byte(body)).Notifications {
			all = append(all, told{string(n.Body), n.Key})
		}
		return all
	}
	const note, call = `{"jsonrpc":"2.0","method":"do","params":[1]}`, `{"jsonrpc":"2.0","id":1,"method":"do","params":[2]}`
	const other, lost = `{"jsonrpc":"2.0","method":"do","params":[3]}`, `{"jsonrpc":"2.0","method":"nope"}`
	keyed := jsonrpc.WithKey(t.Context(), "m1")
	for name, tt := range map[string]struct {
		ctx  context.Context
		body string
		seen map[string]string
		told []told
	}{
		"a notification": {keyed, note, map[string]string{"[1]": "m1"}, []told{{note, "m1"}}},
		"a call":         {keyed, call, map[string]string{"[2]": "m1"}, nil},
		"a batch": {
			keyed, "[" + note + ",7," + call + "," + lost + "," + other + "]",
			map[string]string{"[1]": "m1#0", "[2]": "m1#2", "[3]": "m1#4"},
			[]told{{note, "m1#0"}, {lost, "m1#3"}, {other, "m1#4"}},
		},
		"a batch of one": {keyed, "[" + note + "]", map[string]string{"[1]": "m1#0"}, []told{{note, "m1#0"}}},
		"no key":         {t.Context(), "[" + note + "," + call + "]", map[string]string{"[1]": "", "[2]": ""}, []told{{note, ""}}},
	} {
		clear(seen)
		got := run(tt.ctx, tt.body)
		if diff := gocmp.Diff(tt.seen, seen); diff != "" {
			t.Errorf("%s, what handlers saw (-want +got):\n%s", name, diff)
		}
		if diff := gocmp.Diff(tt.told, got); diff != "" {
			t.Errorf("%s, what notifications tell (-want +got):\n%s", name, diff)
		}
	}
	if key := jsonrpc.Key(t.Context()); key != "" {
		t.Errorf("outside of a handler the key is %q", key)
	}
}

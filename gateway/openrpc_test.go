package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// An echo answers every call with the same.
type echo struct{ *caller }

func (e echo) Call(_ context.Context, _ string, m transports.Message) ([]byte, error) {
	e.with = m.Header
	return []byte(e.sent[0]), nil
}

func replying(text string) echo { return echo{&caller{sent: []string{text}}} }

func TestOpenRPC(t *testing.T) {
	t.Parallel()
	c := newCaller()
	c.mux.Title = "calculator"
	h := open(t, gateway.Options{Caller: c, Routed: true, Auth: gateway.Keys{gateway.PlainKey("key")}})
	key := header("Authorization", "Bearer key")
	for _, tc := range []struct{ url, forwarded, want string }{
		{"http://shop.example/openrpc/calculator.json", "", "http://shop.example/rpc/calculator"},
		{"http://shop.example:5000/openrpc/calculator.json", "nonsense", "http://shop.example:5000/rpc/calculator"},
		{"http://shop.example/openrpc/calculator.json", "https", "https://shop.example/rpc/calculator"}, // behind a router
		{"https://shop.example/openrpc/calculator.json", "", "https://shop.example/rpc/calculator"},
	} {
		var document struct {
			OpenRPC string
			Info    struct{ Title string }
			Methods []struct{ Name string }
			Servers []struct{ Name, URL string }
		}
		if err := json.Unmarshal([]byte(h.get(tc.url, key, header("X-Forwarded-Proto", tc.forwarded))), &document); err != nil {
			t.Fatal(err)
		}
		if document.OpenRPC == "" || document.Info.Title != "calculator" || len(document.Methods) != 1 || document.Methods[0].Name != "add" {
			t.Errorf("the document is %+v", document)
		}
		if s := document.Servers; len(s) != 1 || s[0].URL != tc.want || s[0].Name == "" {
			t.Errorf("servers are %+v, want %s", s, tc.want)
		}
	}
	if c.with[passport.Outside] == "" {
		t.Error("the service was not told that the question is from outside, and shows methods that are not public")
	}
	if r := h.ask(http.MethodGet, "/openrpc/calculator.json", ""); r.StatusCode != 401 {
		t.Errorf("without a key: status %d", r.StatusCode)
	}
	if r := h.ask(http.MethodPost, "/openrpc/calculator.json", "", key); r.StatusCode != 405 {
		t.Errorf("POST: status %d", r.StatusCode)
	}
	if r := h.ask(http.MethodHead, "/openrpc/calculator.json", "", key); r.StatusCode != 200 {
		t.Errorf("HEAD: status %d", r.StatusCode)
	}
}

func TestOpenRPCServers(t *testing.T) {
	t.Parallel()
	const own = `{"openrpc":"1.4.0","info":{},"methods":[],"servers":[{"name":"own","url":"x"}]}`
	h := open(t, gateway.Options{Caller: replying(`{"jsonrpc":"2.0","id":"openrpc","result":` + own + `}`)})
	check(t, h.ask(http.MethodGet, "/openrpc/calculator.json", ""), 200, own) // a service that knows better
	h = open(t, gateway.Options{Caller: replying(`{"jsonrpc":"2.0","id":"openrpc","result": {"openrpc":"1.3.2"} }`)})
	check(t, h.ask(http.MethodGet, "http://h/openrpc/calculator.json", ""), 200, `{"servers":[{"name":"gateway","url":"http://h/rpc/calculator"}],"openrpc":"1.3.2"}`)
}

func TestOpenRPCErrors(t *testing.T) {
	t.Parallel()
	failing := func(err error) *caller {
		c := newCaller()
		c.err = fmt.Errorf("call 10.1.2.3: %w", err)
		return c
	}
	for _, tc := range []struct {
		c      transports.Caller
		path   string
		status int
		code   int
		says   string
	}{
		{failing(transports.ErrNoService), "calculator", 404, gateway.CodeNoService, `there is no service \"calculator\"`},
		{newCaller(), "web", 404, gateway.CodeNoService, `there is no service \"web\"`},
		{newCaller(), "a/b", 404, gateway.CodeNoService, `there is no service \"a/b\"`},
		{failing(transports.ErrUnavailable), "calculator", 503, gateway.CodeUnavailable, "the broker cannot be reached now"},
		{failing(context.DeadlineExceeded), "calculator", 504, jsonrpc.CodeTimeout, "no reply within the time allowed; the call may still run"},
		{failing(errors.New("secret")), "calculator", 502, gateway.CodeFailed, "the request could not be passed on"},
		{replying(`{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"secret"}}`), "calculator", 404, gateway.CodeRefused, "calculator does not describe itself"},
		{replying(`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"secret"}}`), "calculator", 502, gateway.CodeFailed, "the request could not be passed on"},
		{replying(`{"jsonrpc":"2.0","id":1,"result":"secret"}`), "calculator", 502, gateway.CodeFailed, "the request could not be passed on"},
		{replying(`{"jsonrpc":"2.0","id":1,"result":{}}`), "calculator", 502, gateway.CodeFailed, "the request could not be passed on"},
		{replying(`secret`), "calculator", 502, gateway.CodeFailed, "the request could not be passed on"},
	} {
		want := fmt.Sprintf(`{"jsonrpc":"2.0","id":null,"error":{"code":%d,"message":"%s"}}`, tc.code, tc.says)
		check(t, open(t, gateway.Options{Caller: tc.c}).ask(http.MethodGet, "/openrpc/"+tc.path+".json", ""), tc.status, want)
	}
}

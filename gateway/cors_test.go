package gateway_test

import (
	"net/http"
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
)

const app = "https://app.example.com"

// A page of a listed site may call, with what it was given to show; one of another may not.
func TestListedOrigins(t *testing.T) {
	t.Parallel()
	o := gateway.Options{Origins: []string{app}, Auth: gateway.Keys{gateway.PlainKey("k")}}
	asks := []func(*http.Request){
		method(http.MethodOptions), header("Origin", app), header("Access-Control-Request-Method", "POST"),
		header("Access-Control-Request-Headers", "authorization,content-type"),
	}
	r := post(t, o, "/rpc/calculator", "", asks...)
	for name, want := range map[string]string{
		"Access-Control-Allow-Origin":      app,
		"Access-Control-Allow-Methods":     "POST",
		"Access-Control-Allow-Headers":     "authorization,content-type",
		"Access-Control-Allow-Credentials": "",
	} {
		if got := r.Header.Get(name); r.StatusCode != http.StatusNoContent || got != want {
			t.Errorf("status %d, %s is %q, want %q", r.StatusCode, name, got, want)
		}
	}
	r = post(t, o, "/rpc/calculator", add, header("Origin", app), header("Sec-Fetch-Site", "cross-site"), header("Authorization", "Bearer k"))
	check(t, r, http.StatusOK, `{"jsonrpc":"2.0","id":1,"result":6.1}`)
	if got := r.Header.Get("Access-Control-Allow-Origin"); got != app {
		t.Errorf("the answer is for %q", got)
	}
	// A page must be able to read why it is refused.
	r = post(t, o, "/rpc/calculator", add, header("Origin", app))
	if r.StatusCode != http.StatusUnauthorized || r.Header.Get("Access-Control-Allow-Origin") != app {
		t.Errorf("without a key: %d for %q", r.StatusCode, r.Header.Get("Access-Control-Allow-Origin"))
	}
	for _, evil := range []string{"https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"} {
		asks[1] = header("Origin", evil)
		if r := post(t, o, "/rpc/calculator", "", asks...); r.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s is allowed", evil)
		}
		if r := post(t, o, "/rpc/calculator", add, header("Origin", evil), header("Authorization", "Bearer k")); r.StatusCode != http.StatusForbidden {
			t.Errorf("a call from %s: status %d", evil, r.StatusCode)
		}
	}
}

package gateway_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/gateway"
)

// A request has one id, from the router to the worker; one that could confuse a log is
// replaced.
func TestRequestIDs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		given string
		kept  bool
	}{
		{"6f2c3b1e-8b7d-4f0e-9a53-0d1f5f4f2b11", true},
		{"YWJj/ZGVm+w==", true},
		{"", false},
		{"a b", false},
		{"x\nlevel=ERROR", false},
		{strings.Repeat("i", 201), false},
	} {
		var log bytes.Buffer
		c := newCaller()
		r := post(t, gateway.Options{Caller: c, Log: slog.New(slog.NewTextHandler(&log, nil))}, "/rpc/calculator", add, header("X-Request-ID", tc.given))
		id := r.Header.Get("X-Request-ID")
		if (id == tc.given) != tc.kept || id == "" {
			t.Errorf("given %q: it is %q", tc.given, id)
		}
		if logged := strings.ReplaceAll(log.String(), `"`, ""); c.with["x-request-id"] != id || !strings.Contains(logged, "request_id="+id+"\n") {
			t.Errorf("the answer has %q, the message %q, the log is %s", id, c.with["x-request-id"], &log)
		}
	}
}

// The log tells of every request, of probes only who wants to see all, and of nothing secret.
func TestAccessLog(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := gateway.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}
	post(t, o, "/livez", "", method("GET"))
	post(t, o, "/readyz", "", method("GET"))
	if log.Len() > 0 {
		t.Errorf("probes are logged:\n%s", &log)
	}
	debug := gateway.Options{Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	post(t, debug, "/hirefire/s3cret/info?token=s3cret", "", method("GET"))
	post(t, o, "/tickets/calculator.s3cret", "", method("GET"))
	post(t, o, "/rpc/calculator?key=s3cret", add, header("Authorization", "Bearer s3cret"))
	if strings.Contains(log.String(), "s3cret") || strings.Count(log.String(), "msg=request") != 3 {
		t.Errorf("log:\n%s", &log)
	}
	if want := "method=POST path=/rpc/calculator status=200 bytes=38 "; !strings.Contains(log.String(), want) || strings.Contains(log.String(), "code=") {
		t.Errorf("no %s in\n%s", want, &log)
	}
	if post(t, o, "/rpc/calculator", `{"jsonrpc":"2.0","id":1,"method":"ad"}`); !strings.Contains(log.String(), " rpc=ad requests=1 code=-32601 ") {
		t.Errorf("that the call failed is not in\n%s", &log)
	}
}

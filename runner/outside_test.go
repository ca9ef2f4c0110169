package runner

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

var outside = map[string]string{passport.Outside: "1"}

func TestCallsFromOutside(t *testing.T) {
	t.Parallel()
	a := newAdapter(new(bytes.Buffer), map[string]method{"do": fine})
	a.mux.Handle("greet", jsonrpc.Func(hello), jsonrpc.Public())
	for name, want := range map[string]string{"do": `"code":-32601`, "greet": `"result":"hello"`} {
		body := []byte(`{"jsonrpc":"2.0","id":1,"method":"` + name + `"}`)
		if out := a.handle(t.Context(), transports.Message{Header: outside, Body: body}); !strings.Contains(string(out.Reply), want) {
			t.Errorf("%s from outside: %s", name, out.Reply)
		}
		if out := a.handle(t.Context(), transports.Message{Body: body}); !strings.Contains(string(out.Reply), "result") {
			t.Errorf("%s from within: %s", name, out.Reply)
		}
	}
}

// A job that nobody outside may send is neither tried again nor kept: whoever can reach
// the gateway could fill the broker so. One that may be sent and fails is a job like others.
func TestJobsFromOutside(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := newAdapter(&log, map[string]method{"do": failing(errors.New("no luck"))}, jsonrpc.Public())
	a.mux.Handle("paid", jsonrpc.Func(hello), jsonrpc.Scope("pay"))
	a.mux.Handle("hidden", jsonrpc.Func(hello))
	job := func(name string) string { return `{"jsonrpc":"2.0","method":"` + name + `"}` }
	for _, name := range []string{"paid", "hidden", "unknown"} {
		if diff := gocmp.Diff(transports.Outcome{}, a.handle(t.Context(), transports.Message{Header: outside, Body: []byte(job(name))})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	out := a.handle(t.Context(), transports.Message{Header: outside, Body: []byte("[" + job("paid") + "," + job("hidden") + "," + job("do") + "]")})
	if len(out.Follow) != 1 || len(out.Dead) != 0 || out.Follow[0].Method != "do" || out.Follow[0].Header[passport.Outside] != "1" {
		t.Errorf("of a batch %+v follows and %+v is dead, want the job that failed, as one from outside", out.Follow, out.Dead)
	}
	if out := a.handle(t.Context(), transports.Message{Header: outside, Body: []byte(job("do"))}); out.Verdict != transports.Retry {
		t.Errorf("the outcome of a job that failed is %+v", out)
	}
	if n := strings.Count(log.String(), "refused"); n != 5 {
		t.Errorf("the log tells of %d refusals, want 5:\n%s", n, log.String())
	}
}

func hello(context.Context, jsonrpc.None) (string, error) { return "hello", nil }

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

const principalKey = "a principal key of at least 32 bytes"

// Who called is believed where it is signed, for this service, on a request from outside;
// otherwise the request is nobody's, and the log says so once in a while.
func TestPrincipals(t *testing.T) {
	t.Parallel()
	keys := passport.NewKeys(principalKey)
	bob := keys.Sign("tester", "bob", []string{"pay"})
	for name, tt := range map[string]struct {
		header map[string]string
		keys   passport.Keys
		who    string // "": nobody
		paid   bool
		log    string
	}{
		"signed":                     {map[string]string{passport.Outside: "1", passport.Principal: bob}, keys, "bob", true, ""},
		"signed with another of two": {map[string]string{passport.Outside: "1", passport.Principal: bob}, passport.NewKeys(principalKey+"2", principalKey), "bob", true, ""},
		"without the scope":          {map[string]string{passport.Outside: "1", passport.Principal: keys.Sign("tester", "eve", []string{"play"})}, keys, "eve", false, ""},
		"nobody":                     {outside, keys, "", false, ""},
		"forged": {map[string]string{passport.Outside: "1", passport.Principal: passport.NewKeys(principalKey+"x").Sign("tester", "bob", []string{"*"})}, keys, "", false,
			`level=WARN msg="a principal is not believed.* the same for every process\?" method=who .*so_far=1`},
		"no token":           {map[string]string{passport.Outside: "1", passport.Principal: "bob"}, keys, "", false, "not signed with any of the keys"},
		"of another service": {map[string]string{passport.Outside: "1", passport.Principal: keys.Sign("other", "bob", []string{"*"})}, keys, "", false, "another service"},
		"no key here":        {map[string]string{passport.Outside: "1", passport.Principal: bob}, nil, "", false, "JOURNEYMAN_PRINCIPAL_KEYS is not set here"},
		"from within":        {map[string]string{passport.Principal: bob}, keys, "", true, "the gateway did not send it"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			a := newAdapter(&log, nil)
			a.principals = tt.keys
			a.mux.Handle("who", jsonrpc.Func(func(ctx context.Context, _ jsonrpc.None) (string, error) {
				p, ok := jsonrpc.PrincipalOf(ctx)
				return strings.Join(append([]string{"it is " + p.Subject}, p.Scopes...), " "), map[bool]error{ok != (p.Subject != ""): errors.New("half a principal")}[true]
			}), jsonrpc.Public())
			a.mux.Handle("pay", jsonrpc.Func(hello), jsonrpc.Scope("pay"))
			reply := func(method string) string {
				body := []byte(`{"jsonrpc":"2.0","id":1,"method":"` + method + `"}`)
				return string(a.handle(t.Context(), transports.Message{Header: tt.header, Method: method, Body: body}).Reply)
			}
			for range 3 { // and the log speaks of it once
				if got := reply("who"); !strings.Contains(got, `"it is `+tt.who) || tt.who == "" && !strings.Contains(got, `"it is "`) {
					t.Errorf("the handler says %s, want %q", got, tt.who)
				}
			}
			if got := reply("pay"); strings.Contains(got, "hello") != tt.paid || !tt.paid && !strings.Contains(got, `"code":-32002`) {
				t.Errorf("the method with a scope says %s", got)
			}
			matches(t, log.String(), tt.log)
			if n := strings.Count(log.String(), "not believed"); n != min(1, len(tt.log)) {
				t.Errorf("the log speaks of it %d times:\n%s", n, &log)
			}
			if n := a.forged.Load(); n != int64(4*min(1, len(tt.log))) {
				t.Errorf("%d were counted", n)
			}
		})
	}
}

// What failed of a batch is still the same caller's when it is tried again.
func TestPrincipalsOfFollowers(t *testing.T) {
	t.Parallel()
	a := newAdapter(new(bytes.Buffer), map[string]method{"do": failing(errors.New("no luck"))}, jsonrpc.Scope("pay"))
	a.principals = passport.NewKeys(principalKey)
	h := map[string]string{passport.Outside: "1", passport.Principal: a.principals.Sign("tester", "bob", []string{"pay"})}
	job := `{"jsonrpc":"2.0","method":"do"}`
	out := a.handle(t.Context(), transports.Message{Header: h, Body: []byte("[" + job + "," + job + "]")})
	if len(out.Follow) != 2 {
		t.Fatalf("the outcome is %+v", out)
	}
	for _, f := range out.Follow {
		if again := a.handle(t.Context(), f); again.Verdict != transports.Retry || gocmp.Diff(h, f.Header) != "" {
			t.Errorf("it goes on with %v, and comes to %+v", f.Header, again)
		}
	}
}

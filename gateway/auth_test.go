package gateway_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/jsonrpc"
)

const refusedKey = `Bearer realm="journeyman", error="invalid_token", error_description="it is not known here"`

func TestKeys(t *testing.T) {
	t.Parallel()
	two := gateway.Keys{gateway.PlainKey("first"), gateway.PlainKey("second")} // as while one is replaced by the other
	hashed := gateway.Keys{{Name: "shop", Hash: sha256.Sum256([]byte("third")), Scopes: []string{"orders:read"}}}
	both := gateway.FirstOf(two, hashed)
	for _, tc := range []struct {
		name          string
		auth          gateway.Authenticator
		authorization string
		status        int
		challenge     string
	}{
		{"none wanted", nil, "", 200, ""},
		{"first", two, "Bearer first", 200, ""},
		{"second", two, "Bearer second", 200, ""},
		{"the scheme's case is free", two, "bearer second", 200, ""},
		{"hashed", both, "Bearer third", 200, ""},
		{"none", two, "", 401, `Bearer realm="journeyman"`},
		{"wrong", both, "Bearer fourth", 401, refusedKey},
		{"part of one", two, "Bearer firs", 401, refusedKey},
		{"a hash opens nothing", hashed, fmt.Sprintf("Bearer %x", hashed[0].Hash), 401, refusedKey},
		{"nor does a name", hashed, "Bearer shop", 401, refusedKey},
		{"other scheme", two, "Basic eDpmaXJzdA==", 401, `Bearer realm="journeyman"`}, // x:first
		{"no scheme", two, "first", 401, `Bearer realm="journeyman"`},
		{"an empty key opens nothing", gateway.Keys{gateway.PlainKey("")}, "Bearer ", 401, `Bearer realm="journeyman"`},
		{"nor without a header", gateway.Keys{gateway.PlainKey("")}, "", 401, `Bearer realm="journeyman"`},
		{"none is there", gateway.Keys{}, "Bearer first", 401, refusedKey},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCaller()
			r := post(t, gateway.Options{Auth: tc.auth, Caller: c}, "/rpc/calculator", add, header("Authorization", tc.authorization))
			if r.StatusCode != tc.status || len(c.sent) > 0 != (tc.status == 200) {
				t.Errorf("status %d, want %d; passed on: %q", r.StatusCode, tc.status, c.sent)
			}
			if got := r.Header.Get("WWW-Authenticate"); got != tc.challenge {
				t.Errorf("WWW-Authenticate is %s, want %s", got, tc.challenge)
			}
		})
	}
}

// Who calls travels with the call, signed, and nothing that a client sends takes its place.
func TestPrincipalTravels(t *testing.T) {
	t.Parallel()
	const secret = "a secret of at least 32 bytes...."
	auth := gateway.Keys{gateway.PlainKey("first"), {Name: "shop", Hash: sha256.Sum256([]byte("third")), Scopes: []string{"orders:read"}}}
	type principal struct {
		subject string
		scopes  []string
	}
	for name, tt := range map[string]struct {
		auth          gateway.Authenticator
		keys          []string
		authorization string
		want          principal
	}{
		"hashed key":     {auth, []string{secret}, "Bearer third", principal{"shop", []string{"orders:read"}}},
		"plain key":      {auth, []string{secret, "another"}, "Bearer first", principal{"key:a7937b64", []string{"*"}}},
		"nobody asked":   {nil, []string{secret}, "Bearer third", principal{}},
		"nothing signed": {auth, nil, "Bearer third", principal{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			forged := passport.NewKeys(secret).Sign("calculator", "admin", []string{"*"})
			c := newCaller()
			post(t, gateway.Options{Auth: tt.auth, PrincipalKeys: tt.keys, Caller: c}, "/rpc/calculator", add, header("Authorization", tt.authorization),
				header(passport.Principal, forged), header("Journeyman-Header-"+passport.Principal, forged))
			token, sent := c.with[passport.Principal]
			if sent != (tt.want.subject != "") || c.with[passport.Outside] != "1" {
				t.Fatalf("went with the headers %v", c.with)
			}
			if !sent {
				return
			}
			subject, scopes, err := passport.NewKeys(secret).Verify("calculator", token)
			if diff := cmp.Diff(tt.want, principal{subject, scopes}, cmp.AllowUnexported(principal{})); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

type authFunc func(string) (*jsonrpc.Principal, error)

func (f authFunc) Authenticate(_ context.Context, credential string) (*jsonrpc.Principal, error) {
	return f(credential)
}

// Nobody can tell is not the same as no.
func TestAuthenticatorThatCannotTell(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := gateway.Options{
		Auth: authFunc(func(string) (*jsonrpc.Principal, error) { return nil, errors.New("10.1.2.3 is down") }),
		Log:  slog.New(slog.NewTextHandler(&log, nil)),
	}
	r := post(t, o, "/rpc/calculator", add, header("Authorization", "Bearer s3cret"))
	check(t, r, http.StatusServiceUnavailable, `{"jsonrpc":"2.0","id":null,"error":{"code":-32013,"message":"who calls cannot be found out now; nothing was handed over"}}`)
	if r.Header.Get("Retry-After") != "1" || r.Header.Get("Journeyman-Refused") != "draining" || r.Header.Get("WWW-Authenticate") != "" {
		t.Errorf("headers %v", r.Header)
	}
	if text := log.String(); !strings.Contains(text, "10.1.2.3 is down") || strings.Contains(text, "s3cret") {
		t.Errorf("the log is %s", text)
	}
}

// A reason stands in a header, whatever is in it.
func TestReasonsInHeaders(t *testing.T) {
	t.Parallel()
	o := gateway.Options{Auth: authFunc(func(string) (*jsonrpc.Principal, error) {
		return nil, &gateway.InvalidError{Why: "it is \"zoë's\"\r\nSet-Cookie: x"}
	})}
	r := post(t, o, "/rpc/calculator", add, header("Authorization", "Bearer x"))
	want := `Bearer realm="journeyman", error="invalid_token", error_description="it is 'zo's'''Set-Cookie: x"`
	want = strings.Replace(want, "zo's", "zo''s", 1)
	if got := r.Header.Get("WWW-Authenticate"); got != want || r.StatusCode != 401 {
		t.Errorf("%d with %s, want %s", r.StatusCode, got, want)
	}
}

// client calls one gateway again and again.
type client struct {
	*testing.T
	gateway http.Handler
}

// call returns the status, and what Retry-After says, of a call with a credential.
func (c client) call(from, credential, body string) (status int, retryAfter string) {
	c.Helper()
	r := httptest.NewRequestWithContext(c.Context(), http.MethodPost, "/rpc/calculator", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.RemoteAddr = from
	if credential != "" {
		r.Header.Set("Authorization", "Bearer "+credential)
	}
	w := httptest.NewRecorder()
	c.gateway.ServeHTTP(w, r)
	return w.Code, w.Header().Get("Retry-After")
}

// calls makes n calls, and the test wants all of them to be answered so.
func (c client) calls(n int, from, credential string, status int) {
	c.Helper()
	for i := range n {
		if got, _ := c.call(from, credential, add); got != status {
			c.Errorf("call %d of %s with %q got %d, want %d", i+1, from, credential, got, status)
		}
	}
}

func TestGuessing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := client{t, gateway.New(gateway.Options{
			Caller: newCaller(), Auth: gateway.Keys{gateway.PlainKey("right"), gateway.PlainKey("late")},
			Log: slog.New(slog.NewTextHandler(&log, nil)),
		})}
		const here, there = "192.0.2.1:1001", "192.0.2.2:1002"
		c.calls(1, here, "right", 200)
		c.calls(100, here, "", 401) // shows nothing, so guesses nothing
		c.calls(20, here, "wrong", 401)
		c.calls(100, here, "wrong", 429)
		if status, wait := c.call("192.0.2.1:2002", "late", add); status != 429 || wait != "1" {
			t.Errorf("what may be another guess got %d, Retry-After %s", status, wait)
		}
		c.calls(10, here, "right", 200) // has been right before
		c.calls(20, there, "wrong", 401)
		c.calls(1, there, "right", 429) // has been right, but not from there
		if n := strings.Count(log.String(), "credential refused"); n != 40 {
			t.Errorf("%d lines in the log, want 40", n)
		}
		if strings.Contains(log.String(), "wrong") || !strings.Contains(log.String(), "from=192.0.2.2") {
			t.Errorf("the log is %s", log.String())
		}
		time.Sleep(2 * time.Second)
		c.calls(1, here, "late", 200)
		c.calls(2, here, "wrong", 401)
		c.calls(1, here, "wrong", 429)
	})
}

// Whose guesses they are, as far as addresses tell.
func TestAddresses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		forwarded bool
		from      string
		header    []string
		other     string
		others    []string
		same      bool
	}{
		"same address, another port":       {from: "192.0.2.1:1", other: "192.0.2.1:2", same: true},
		"other address":                    {from: "192.0.2.1:1", other: "192.0.2.2:1"},
		"same network of IPv6":             {from: "[2001:db8::1]:1", other: "[2001:db8::2]:1", same: true},
		"other network of IPv6":            {from: "[2001:db8::1]:1", other: "[2001:db8:0:1::1]:1"},
		"IPv4 on a socket of both":         {from: "192.0.2.1:1", other: "[::ffff:192.0.2.1]:1", same: true},
		"a header that nobody vouches for": {from: "192.0.2.1:1", other: "192.0.2.1:1", header: []string{"192.0.2.7"}, others: []string{"192.0.2.8"}, same: true},
		"behind a router":                  {forwarded: true, from: "10.0.0.1:1", other: "10.0.0.1:1", header: []string{"192.0.2.7"}, others: []string{"192.0.2.8"}},
		"behind two":                       {forwarded: true, from: "10.0.0.1:1", other: "10.0.0.2:1", header: []string{"192.0.2.7"}, others: []string{"192.0.2.7"}, same: true},
		"what the caller wrote in front":   {forwarded: true, from: "10.0.0.1:1", other: "10.0.0.1:1", header: []string{"192.0.2.1, 192.0.2.7"}, others: []string{"192.0.2.2,192.0.2.7"}, same: true},
		"what it wrote in a line of its own": {forwarded: true, from: "10.0.0.1:1", other: "10.0.0.1:1",
			header: []string{"192.0.2.1", "192.0.2.7"}, others: []string{"192.0.2.2", "192.0.2.7"}, same: true},
		"no address": {from: "@", other: "", same: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g := gateway.New(gateway.Options{Caller: newCaller(), Auth: gateway.Keys{}, Log: quiet, Routed: tt.forwarded})
				call := func(from string, header []string) int {
					r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/rpc/calculator", strings.NewReader(add))
					r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer wrong"}, "X-Forwarded-For": header}
					r.RemoteAddr = from
					w := httptest.NewRecorder()
					g.ServeHTTP(w, r)
					return w.Code
				}
				for range 20 {
					if status := call(tt.from, tt.header); status != 401 {
						t.Fatalf("status %d, want 401", status)
					}
				}
				if got := call(tt.other, tt.others) == 429; got != tt.same {
					t.Errorf("the other is barred: %v, want %v", got, tt.same)
				}
			})
		})
	}
}

//go:build unix

package endtoend

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/runner"
)

// newDesk serves a method for everybody, one for services and one for those who may pay.
// Each says who called.
func newDesk(runner.Resources) (*jsonrpc.Mux, error) {
	mux := &jsonrpc.Mux{}
	who := jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
		if p, ok := jsonrpc.PrincipalOf(ctx); ok {
			return p.Subject + " may " + strings.Join(p.Scopes, " "), nil
		}
		return "nobody", nil
	})
	mux.Handle("ask", who, jsonrpc.Public())
	mux.Handle("open", who)
	mux.Handle("pay", who, jsonrpc.Scope("pay"))
	return mux, nil
}

const (
	tokenSecret  = "a secret for tokens of 32 bytes.."
	principalKey = "a key for principals of 32 bytes."
)

func token(t *testing.T, secret string, exp time.Duration) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(secret)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(map[string]any{"sub": "bob", "aud": "desk", "scope": "pay", "exp": time.Now().Add(exp).Unix()}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ask calls a method of the desk. header holds names and values.
func ask(t *testing.T, url, method string, header ...string) (int, string, http.Header) {
	t.Helper()
	got := request(t, http.MethodPost, url+"/rpc/desk", `{"jsonrpc":"2.0","id":1,"method":"`+method+`"}`, header...)
	return got.code, got.body, got.header
}

// forged is what somebody sends who would like to be somebody else.
func forged(token string) []string {
	return []string{
		passport.Outside, "1", "Journeyman-Header-" + passport.Outside, "1",
		passport.Principal, token, "Journeyman-Header-" + passport.Principal, token,
	}
}

func TestWhoMay(t *testing.T) {
	t.Parallel()
	for name, broker := range map[string]func(*testing.T) []string{
		"redis": func(t *testing.T) []string {
			url, namespace := brokertest.Namespace(t)
			return []string{"JOURNEYMAN_URL=" + url, "JOURNEYMAN_NAMESPACE=" + namespace}
		},
		"rabbitmq": func(t *testing.T) []string { return []string{"JOURNEYMAN_URL=" + brokertest.Vhost(t)} },
		"http":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, "PORT=0", "JOURNEYMAN_API_KEYS=plain-key", "JOURNEYMAN_PRINCIPAL_KEYS="+principalKey)
			if broker != nil {
				a = a.with(broker(t)...)
				a.spawn("serve", "desk").says("msg=ready")
			} else {
				a = a.with("JOURNEYMAN_TRANSPORT=http")
				address := "http://" + a.spawn("serve", "desk").says(`msg=listening .* address=(\S+)`)
				a = a.with("JOURNEYMAN_SERVICES=desk=" + address)
				testForgedAtService(t, address)
			}
			testWhoMay(t, a)
		})
	}
}

// testWhoMay expects a desk to be served, which knows principalKey.
func testWhoMay(t *testing.T, a *app) {
	t.Helper()
	shop, till := makeKey(a, "shop"), makeKey(a, "--scope", "pay", "till")
	web := a.with("JOURNEYMAN_API_KEY_HASHES="+shop.Entry+","+till.Entry, "JOURNEYMAN_JWT_SECRET="+tokenSecret, "JOURNEYMAN_JWT_AUDIENCE=desk")
	gateway := web.spawn("web")
	url := gateway.says(`listening=(http://\S+)`)
	none := strings.Repeat("0", 64)
	for _, tt := range []struct {
		name, shown string
		ask         string // the reply to ask; "" is a 401
		pay         string
	}{
		{"no key", "", "", ""},
		{"a wrong key", "jm_" + none, "", ""},
		{"a hash", strings.Split(shop.Entry, ":")[1], "", ""},
		{"an expired token", token(t, tokenSecret, -time.Hour), "", ""},
		{"a token of nobody's", token(t, principalKey, time.Hour), "", ""},
		{"alg none", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiIsImF1ZCI6ImRlc2siLCJleHAiOjk5OTk5OTk5OTl9.", "", ""},
		{"the principal of another", passport.NewKeys(principalKey).Sign("desk", "admin", []string{"*"}), "", ""},
		{"a plain key", "plain-key", `"result":"key:[0-9a-f]{8} may \*"`, `"result":"key:`},
		{"a key", shop.Key, `"result":"shop may "`, `"error":{"code":-32002,"message":"Forbidden","data":{"scope":"pay"}}`},
		{"a key with the scope", till.Key, `"result":"till may pay"`, `"result":"till may pay"`},
		{"a token", token(t, tokenSecret, time.Hour), `"result":"bob may pay"`, `"result":"bob may pay"`},
	} {
		for method, want := range map[string]string{"ask": tt.ask, "pay": tt.pay, "open": `"error":{"code":-32601,`} {
			header := forged(passport.NewKeys(principalKey).Sign("desk", "admin", []string{"*"}))
			if tt.shown != "" {
				header = append(header, "Authorization", "Bearer "+tt.shown)
			}
			status, reply, answer := ask(t, url, method, header...)
			switch {
			case tt.ask == "":
				if status != 401 || !strings.Contains(reply, `"code":-32010`) || answer.Get("WWW-Authenticate") == "" {
					t.Errorf("%s with %s got %d %s", method, tt.name, status, reply)
				}
			case status != 200 || !regexp.MustCompile(want).MatchString(reply):
				t.Errorf("%s with %s got %d %s, want 200 with %s", method, tt.name, status, reply, want)
			}
		}
	}
	for _, secret := range []string{shop.Key, till.Key, "plain-key", principalKey, tokenSecret} {
		if strings.Contains(gateway.log.String(), secret) {
			t.Errorf("the log shows %s", secret)
		}
	}

	// While the key of principals is changed, and when web has one that the desk lacks.
	url = web.with("JOURNEYMAN_PRINCIPAL_KEYS=" + principalKey + ",the next key for principals of 32 b").spawn("web").says(`listening=(http://\S+)`)
	if _, reply, _ := ask(t, url, "pay", "Authorization", "Bearer "+till.Key); !strings.Contains(reply, "till may pay") {
		t.Errorf("with two keys: %s", reply)
	}
	url = web.with("JOURNEYMAN_PRINCIPAL_KEYS=a key that the desk does not know....").spawn("web").says(`listening=(http://\S+)`)
	if _, reply, _ := ask(t, url, "pay", "Authorization", "Bearer "+till.Key); !strings.Contains(reply, `"code":-32002`) {
		t.Errorf("with a key of its own: %s", reply)
	}
	if _, reply, _ := ask(t, url, "ask", "Authorization", "Bearer "+till.Key); !strings.Contains(reply, `"result":"nobody"`) {
		t.Errorf("with a key of its own: %s", reply)
	}
}

type madeKey struct{ Key, Entry string }

func makeKey(a *app, args ...string) (made madeKey) {
	a.Helper()
	code, stdout, stderr := a.run(append([]string{"key", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &made); err != nil || code != 0 {
		a.Fatalf("key ended with %d, %q and %q: %v", code, stdout, stderr, err)
	}
	return made
}

// Who has the key of services over HTTP speaks to them without a gateway. It is one of
// them, but nobody's principal.
func testForgedAtService(t *testing.T, address string) {
	t.Helper()
	for name, principal := range map[string]string{
		"a name":                 "admin",
		"signed by somebody":     passport.NewKeys(tokenSecret).Sign("desk", "admin", []string{"*"}),
		"signed for another":     passport.NewKeys(principalKey).Sign("calculator", "admin", []string{"*"}),
		"a token of an outsider": token(t, tokenSecret, time.Hour),
	} {
		header := append(forged(principal), "Authorization", "Bearer plain-key")
		if status, reply, _ := ask(t, address, "ask", header...); status != 200 || !strings.Contains(reply, `"result":"nobody"`) {
			t.Errorf("with %s: %d %s", name, status, reply)
		}
		if status, reply, _ := ask(t, address, "pay", header...); status != 200 || !strings.Contains(reply, `"code":-32002`) {
			t.Errorf("with %s: %d %s", name, status, reply)
		}
	}
}

// Without anything that says who may call, a gateway that others can reach is closed.
func TestClosedUntilCredentials(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	a := newApp(t, "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace, "PORT=0", "DYNO=web.1", "JOURNEYMAN_BIND=127.0.0.1")
	web := a.spawn("web")
	address := web.says(`listening=(http://\S+)`)
	web.says(`level=WARN msg="calls are refused until JOURNEYMAN_API_KEYS or another credential is set, as on Heroku everybody`)
	status, reply, _ := ask(t, address, "ask", "Authorization", "Bearer x")
	if status != 403 || !strings.Contains(reply, "JOURNEYMAN_API_KEYS") {
		t.Errorf("a call got %d %s", status, reply)
	}
	made := makeKey(a, "shop")
	web = a.with("JOURNEYMAN_API_KEY_HASHES="+made.Entry, "JOURNEYMAN_RATE_LIMIT=0.001").spawn("web")
	address = web.says(`listening=(http://\S+)`)
	web.says(`level=WARN msg="services are not told who calls, .* until JOURNEYMAN_PRINCIPAL_KEYS is set`)
	for range 50 {
		if status, reply, _ = ask(t, address, "rpc.stats", "Authorization", "Bearer "+made.Key); status != 403 {
			t.Fatalf("a reserved method got %d %s", status, reply)
		}
	}
	for n := 0; status != 429; n++ {
		status, reply, _ = ask(t, address, "ask", "Authorization", "Bearer "+made.Key, "Journeyman-Timeout", "1")
		if n > 50 {
			t.Fatalf("call %d got %d %s", n, status, reply)
		}
	}
	if !strings.Contains(reply, `"code":-32018`) {
		t.Errorf("beyond the limit: %s", reply)
	}
}

package runner

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// ask sends a request to the gateway and returns status and body.
func ask(t *testing.T, method, url, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text))
}

const waitRequest = `{"jsonrpc":"2.0","id":1,"method":"wait"}`

func TestWebDrains(t *testing.T) {
	isolate(t, map[string]string{"PORT": "0"})
	s := newSite()
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	web := s.spawn(t, "web")
	url := web.out.match(t, `listening=(http://127\.0\.0\.1:\d+)`)

	if code, body := ask(t, "POST", url+"/rpc/tester", `{"jsonrpc":"2.0","id":1,"method":"echo","params":[1,5.1]}`); code != 200 || body != `{"jsonrpc":"2.0","id":1,"result":[1,5.1]}` {
		t.Errorf("echo: %d %s", code, body)
	}
	for _, path := range []string{"/livez", "/readyz"} {
		if code, body := ask(t, "GET", url+path, ""); code != 200 {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}

	type answer struct {
		code int
		body string
	}
	answers := make(chan answer, 1)
	go func() {
		code, body := ask(t, "POST", url+"/rpc/tester", waitRequest)
		answers <- answer{code, body}
	}()
	receive(t, s.entered, "the handler runs")
	web.signals <- syscall.SIGTERM
	web.out.match(t, `msg=stopping .*running=1`)
	close(s.proceed)
	if got, want := <-answers, (answer{200, `{"jsonrpc":"2.0","id":1,"result":"done"}`}); got != want {
		t.Errorf("the request in hand got %+v, want %+v", got, want)
	}
	if code := web.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// On a platform everybody can reach the gateway, so it is closed without keys.
func TestWebOnPlatform(t *testing.T) {
	env := map[string]string{"PORT": "0", "DYNO": "web.1", "REDIS_URL": "redis://h", "JOURNEYMAN_BIND": "127.0.0.1"}
	request := `{"jsonrpc":"2.0","id":1,"method":"rpc.ping"}`
	t.Run("without keys", func(t *testing.T) {
		isolate(t, env)
		web := newSite().spawn(t, "web")
		url := web.out.match(t, `listening=(http://\S+)`)
		web.out.match(t, `level=WARN msg="calls are refused until JOURNEYMAN_API_KEYS or another credential is set, as on Heroku`)
		if code, body := ask(t, "POST", url+"/rpc/tester", request); code != 403 || !strings.Contains(body, "JOURNEYMAN_API_KEYS") {
			t.Errorf("a call got %d %s", code, body)
		}
	})
	t.Run("with keys", func(t *testing.T) {
		isolate(t, env)
		t.Setenv("JOURNEYMAN_API_KEYS", "first-key, second-key")
		s := newSite()
		s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
		url := s.spawn(t, "web").out.match(t, `listening=(http://\S+)`)
		if code, _ := ask(t, "POST", url+"/rpc/tester", request); code != 401 {
			t.Errorf("a call without a key got %d, want 401", code)
		}
		if code, body := ask(t, "POST", url+"/rpc/tester", request, "Authorization", "Bearer second-key"); code != 200 || !strings.Contains(body, "pong") {
			t.Errorf("a call with a key got %d %s", code, body)
		}
	})
}

func TestListenAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ bind, platform, want string }{
		{"", "", "127.0.0.1:5000"},
		{"", "Heroku", ":5000"},
		{"::1", "", "[::1]:5000"},
		{"0.0.0.0", "", "0.0.0.0:5000"},
	} {
		e := environment{config: Config{Bind: tc.bind, Port: 5000}, platform: platform{name: tc.platform}}
		if got := e.listenAddress(); got != tc.want {
			t.Errorf("bind %q on %q listens on %q, want %q", tc.bind, tc.platform, got, tc.want)
		}
	}
}

func TestWebPortTaken(t *testing.T) {
	isolate(t, map[string]string{"PORT": "0"})
	s := newSite()
	url := s.spawn(t, "web").out.match(t, `listening=(http://\S+)`)
	t.Setenv("PORT", url[strings.LastIndex(url, ":")+1:])
	if got := s.run(t, "web"); got.Code != 2 || !strings.Contains(got.Stderr, "set PORT to a free port") {
		t.Errorf("a second web: %+v", got)
	}
}

// A provider that cannot be reached is no reason to end, nor to refuse those who have a key.
func TestWebWithoutItsKeySet(t *testing.T) {
	isolate(t, map[string]string{
		"PORT": "0", "JOURNEYMAN_API_KEYS": "right", "JOURNEYMAN_JWKS": "http://127.0.0.1:1/jwks",
		"JOURNEYMAN_JWT_ISSUER": "https://id.example", "JOURNEYMAN_JWT_AUDIENCE": "shop",
	})
	s := newSite()
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	web := s.spawn(t, "web")
	url := web.out.match(t, `listening=(http://\S+)`)
	web.out.match(t, `level=WARN msg="the keys of the identity provider cannot be read`)
	if code, body := ask(t, "GET", url+"/readyz", ""); code != 503 {
		t.Errorf("it is ready: %d %s", code, body)
	}
	request := `{"jsonrpc":"2.0","id":1,"method":"echo"}`
	for credential, want := range map[string]int{"right": 200, "wrong": 401, "eyJhbGciOiJSUzI1NiJ9.e30.eA": 503} {
		if code, body := ask(t, "POST", url+"/rpc/tester", request, "Authorization", "Bearer "+credential); code != want {
			t.Errorf("with %s: %d %s, want %d", credential, code, body, want)
		}
	}
	web.signals <- syscall.SIGTERM
	if code := web.wait(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, web.out)
	}
}

// What is wrong with a file is told at start.
func TestWebWithAFaultyKeySet(t *testing.T) {
	dir := isolate(t, map[string]string{"PORT": "0", "JOURNEYMAN_JWKS": "keys.json", "JOURNEYMAN_JWT_ISSUER": "https://id.example", "JOURNEYMAN_JWT_AUDIENCE": "shop"})
	s := newSite()
	for _, tt := range []struct{ text, want string }{{"", "no such file"}, {"{}", "holds no key"}} {
		text, want := tt.text, tt.want
		if text != "" {
			writeFile(t, dir+"/keys.json", text)
		}
		if got := s.run(t, "web"); got.Code != 2 || !strings.Contains(got.Stderr, "app: tokens cannot be verified: key set keys.json: ") || !strings.Contains(got.Stderr, want) {
			t.Errorf("with %q: %+v", text, got)
		}
	}
}

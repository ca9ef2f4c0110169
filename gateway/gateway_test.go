package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A caller plays the way to the services: one of its own answers everything, and
// it remembers what passed.
type caller struct {
	err error // instead of passing anything on

	mux  jsonrpc.Mux
	sent []string          // service, method and body of each Call and Send
	with map[string]string // the headers of the latest
}

func newCaller() *caller {
	c := &caller{}
	c.mux.Handle("add", jsonrpc.Func(func(_ context.Context, in []float64) (float64, error) {
		return in[0] + in[1], nil
	}))
	return c
}

func (c *caller) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	c.sent, c.with = append(c.sent, "call "+service+" "+m.Method+" "+string(m.Body)), m.Header
	if c.err != nil {
		return nil, c.err
	}
	return c.mux.Answer(ctx, m.Body).Reply, nil
}

func (c *caller) Send(_ context.Context, service string, m transports.Message) error {
	c.sent, c.with = append(c.sent, "send "+service+" "+m.Method+" "+string(m.Body)), m.Header
	return c.err
}

// quiet keeps refusals out of the output of the tests.
var quiet = slog.New(slog.DiscardHandler)

// post sends a call as a well-behaved client does, changed by with.
func post(t *testing.T, o gateway.Options, path, body string, with ...func(*http.Request)) *http.Response {
	t.Helper()
	if o.Log == nil {
		o.Log = quiet
	}
	if o.Caller == nil {
		o.Caller = newCaller()
	}
	return postTo(t, gateway.New(o), path, body, with...)
}

// postTo is post to a gateway that has seen other calls.
func postTo(t *testing.T, g http.Handler, path, body string, with ...func(*http.Request)) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for _, change := range with {
		change(r)
	}
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w.Result()
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

func method(name string) func(*http.Request) {
	return func(r *http.Request) { r.Method = name }
}

func check(t *testing.T, r *http.Response, status int, body string) {
	t.Helper()
	got, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != status {
		t.Errorf("status %d, want %d", r.StatusCode, status)
	}
	if diff := cmp.Diff(body, strings.TrimSuffix(string(got), "\n")); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if want := "application/json"; body != "" && r.Header.Get("Content-Type") != want {
		t.Errorf("content type %q, want %q", r.Header.Get("Content-Type"), want)
	}
}

const add = `{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}`

// Over a real connection, as curl makes it.
func TestCallOverHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.Config = gateway.Server("", gateway.New(gateway.Options{Caller: newCaller()}))
	server.Start()
	defer server.Close()
	r, err := server.Client().Post(server.URL+"/rpc/calculator", "application/json", strings.NewReader(add))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	check(t, r, http.StatusOK, `{"jsonrpc":"2.0","id":1,"result":6.1}`)
}

func TestBodiesPass(t *testing.T) {
	t.Parallel()
	const note = `{"jsonrpc":"2.0","method":"add","params":[1, 2]}`
	const big = `{"jsonrpc":"2.0","id":9007199254740993,"method":"sub"}`
	const ping = `{"jsonrpc":"2.0","id":"a","method":"rpc.ping"}`
	const invalid = `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"Invalid Request","data":"a request is an object"}}`
	const decoy = ` {"method":"add", "id" : 1 ,"METHOD":"sub","x":{"jsonrpc":"1.0"},"params":[1,5.1],"jsonrpc":"2.0"}`
	for _, tc := range []struct {
		name, body string
		passed     string // what the caller saw
		status     int
		reply      string
	}{
		{"call", add, "call calculator add " + add, 200, `{"jsonrpc":"2.0","id":1,"result":6.1}`},
		{"of which nothing is left but what counts", decoy, "call calculator add " + add, 200, `{"jsonrpc":"2.0","id":1,"result":6.1}`},
		{"error of the service", big, "call calculator sub " + big, 200,
			`{"jsonrpc":"2.0","id":9007199254740993,"error":{"code":-32601,"message":"Method not found","data":{"method":"sub"}}}`},
		{"notification", note, "send calculator add " + note, 204, ""},
		{"batch", "[" + add + ", " + note + "]", "call calculator  [" + add + "," + note + "]", 200, `[{"jsonrpc":"2.0","id":1,"result":6.1}]`},
		{"batch of notifications", "[" + note + "," + note + "]", "send calculator  [" + note + "," + note + "]", 204, ""},
		{"notifications with an invalid member", "[" + note + ",1]", "send calculator  [" + note + "]", 200, "[" + invalid + "]"},
		{"calls with an invalid member", "[1," + decoy + "]", "call calculator  [" + add + "]", 200, `[{"jsonrpc":"2.0","id":1,"result":6.1},` + invalid + "]"},
		{"invalid members alone", "[1,2]", "", 200, "[" + invalid + "," + invalid + "]"},
		{"rpc.ping", ping, "call calculator rpc.ping " + ping, 200, `{"jsonrpc":"2.0","id":"a","result":"pong"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCaller()
			check(t, post(t, gateway.Options{Caller: c}, "/rpc/calculator", tc.body), tc.status, tc.reply)
			if diff := cmp.Diff(tc.passed, strings.Join(c.sent, "\n")); diff != "" {
				t.Errorf("passed on (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNotPassedOn(t *testing.T) {
	t.Parallel()
	tooMany := "[" + strings.Repeat(add+",", 50) + add + "]"
	for _, tc := range []struct {
		name, path, body string
		o                gateway.Options
		with             []func(*http.Request)
		status           int
		reply            string // what it contains
	}{
		{name: "no JSON", body: `{"jsonrpc`, status: 400, reply: `"id":null,"error":{"code":-32700`},
		{name: "no request", body: `{"jsonrpc":"2.0","id":"x"}`, status: 400, reply: `"id":"x","error":{"code":-32600`},
		{name: "empty batch", body: `[]`, status: 400, reply: `"id":null,"error":{"code":-32600`},
		{name: "batch too long", body: tooMany, status: 413, reply: `{"jsonrpc":"2.0","id":null,"error":{"code":-32011,"message":"a batch may have at most 50 members here"}}`},
		{name: "batch longer than set", body: "[" + add + "," + add + "]", o: gateway.Options{MaxBatch: 1}, status: 413, reply: `at most 1 members`},
		{name: "method of a service that needs a list", body: add, o: gateway.Options{Allowed: map[string][]string{"calculator": {"subtract"}}}, status: 403, reply: `"id":1,"error":{"code":-32601,"message":"add cannot`},
		{name: "nested too deeply", body: `{"jsonrpc":"2.0","id":1,"method":"add","params":` + strings.Repeat("[", 100_000), status: 400, reply: `"id":null,"error":{"code":-32700`},
		{name: "reserved method", body: `{"jsonrpc":"2.0","id":7,"method":"rpc.stats"}`, status: 403, reply: `"id":7,"error":{"code":-32601,"message":"rpc.stats cannot`},
		{name: "reserved method in a batch", body: `[` + add + `,{"jsonrpc":"2.0","method":"rpc.stats"}]`, status: 403, reply: `[{"jsonrpc":"2.0","id":1,"error":{"code":-32601`},
		{name: "reserved notification", body: `{"jsonrpc":"2.0","method":"rpc.stats"}`, status: 403, reply: `"id":null,"error":{"code":-32601`},
		{name: "body too long", body: add, o: gateway.Options{MaxBody: 55}, status: 413, reply: "at most 55 bytes"},
		{name: "body too long by default", body: strings.Repeat(" ", 1<<20) + add, status: 413, reply: "at most 1048576 bytes"},
		{name: "GET", body: add, with: []func(*http.Request){method("GET")}, status: 405, reply: "use POST"},
		{name: "OPTIONS, as before cross-site calls", with: []func(*http.Request){method("OPTIONS")}, status: 405, reply: "use POST"},
		{name: "form", body: add, with: []func(*http.Request){header("Content-Type", "text/plain")}, status: 415, reply: "application/json"},
		{name: "no content type", body: add, with: []func(*http.Request){header("Content-Type", "")}, status: 415, reply: "application/json"},
		{name: "page of another site", body: add, with: []func(*http.Request){header("Sec-Fetch-Site", "cross-site")}, status: 403, reply: "other sites"},
		{name: "other origin", body: add, with: []func(*http.Request){header("Origin", "https://evil.example")}, status: 403, reply: "other sites"},
		{name: "refused by configuration", body: add, o: gateway.Options{Refuse: "calls are refused until JOURNEYMAN_API_KEYS is set"}, status: 403, reply: `"message":"calls are refused until JOURNEYMAN_API_KEYS is set"`},
		{name: "name of no service", path: "/rpc/Nobody.5", body: add, status: 404, reply: `"id":1,"error":{"code":-32012,"message":"there is no service \"Nobody.5\"`},
		{name: "no name", path: "/rpc/", body: add, status: 404, reply: `there is no service \"\"`},
		{name: "deeper path", path: "/rpc/calculator/add", body: add, status: 404, reply: `there is no service \"calculator/add\"`},
		{name: "other path", path: "/", body: add, status: 404, reply: "POST /rpc/SERVICE"},
		{name: "timeout of no number", body: add, with: []func(*http.Request){header("Journeyman-Timeout", "2s")}, status: 400, reply: "whole number of milliseconds"},
		{name: "timeout of nothing", body: add, with: []func(*http.Request){header("Journeyman-Timeout", "0")}, status: 400, reply: "whole number of milliseconds"},
		{name: "other host", body: add, o: gateway.Options{Hosts: []string{"shop.example"}}, status: 421, reply: "host name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCaller()
			tc.o.Caller = c
			if tc.path == "" {
				tc.path = "/rpc/calculator"
			}
			r := post(t, tc.o, tc.path, tc.body, tc.with...)
			body, _ := io.ReadAll(r.Body)
			if r.StatusCode != tc.status || !strings.Contains(string(body), tc.reply) {
				t.Errorf("got %d %s\nwant %d with %s", r.StatusCode, body, tc.status, tc.reply)
			}
			if _, _, err := jsonrpc.DecodeReplies(body); err != nil {
				t.Errorf("%s is no JSON-RPC response: %v", body, err)
			}
			if len(c.sent) > 0 {
				t.Errorf("passed on: %q", c.sent)
			}
		})
	}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	up := func(ctx context.Context) error {
		if _, bounded := ctx.Deadline(); !bounded {
			return errors.New("a check may not take for ever")
		}
		return nil
	}
	down := func(context.Context) error { return errors.New("dial 10.1.2.3: refused") }
	for _, tc := range []struct {
		path   string
		ready  func(context.Context) error
		method string
		status int
		body   string
	}{
		{"/livez", down, "GET", 200, `{"status":"ok"}`},
		{"/readyz", nil, "GET", 200, `{"status":"ok"}`},
		{"/readyz", up, "HEAD", 200, `{"status":"ok"}`},
		{"/readyz", down, "GET", 503, `{"status":"unavailable"}`},
	} {
		// Whoever checks health has no key, and calls us by whatever address it has.
		o := gateway.Options{Ready: tc.ready, Auth: gateway.Keys{gateway.PlainKey("k")}, Hosts: []string{"shop.example"}, Refuse: "no"}
		check(t, post(t, o, tc.path, "", method(tc.method)), tc.status, tc.body)
	}
	r := post(t, gateway.Options{}, "/livez", "")
	if r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST /livez: %d, Allow %q", r.StatusCode, r.Header.Get("Allow"))
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/rpc/calculator", "/livez", "/nothing"} {
		r := post(t, gateway.Options{}, path, add)
		for name, want := range map[string]string{
			"Content-Security-Policy":     "default-src 'none'; frame-ancestors 'none'",
			"X-Content-Type-Options":      "nosniff",
			"Cache-Control":               "no-store",
			"Referrer-Policy":             "no-referrer",
			"Access-Control-Allow-Origin": "", // no CORS
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestLogHoldsReasonsAndNoBodies(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	c := newCaller()
	c.err = errors.New("broker at 10.1.2.3 is odd")
	o := gateway.Options{Caller: c, Auth: gateway.Keys{gateway.PlainKey("open-sesame")}, Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	const secret = "4111111111111111"
	call := `{"jsonrpc":"2.0","id":1,"method":"pay","params":["` + secret + `"]}`
	for _, body := range []string{call, "[" + call + "]", call[:40]} {
		r := post(t, o, "/rpc/calculator", body, header("Authorization", "Bearer open-sesame"))
		if text, _ := io.ReadAll(r.Body); bytes.Contains(text, []byte("10.1.2.3")) {
			t.Errorf("the reply tells addresses: %s", text)
		}
	}
	for _, never := range []string{secret, "open-sesame"} {
		if strings.Contains(log.String(), never) {
			t.Errorf("the log holds %s:\n%s", never, log.String())
		}
	}
	if !strings.Contains(log.String(), "broker at 10.1.2.3 is odd") {
		t.Errorf("the log lacks the reason:\n%s", log.String())
	}
}

func TestNewPanicsWithoutACaller(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	gateway.New(gateway.Options{})
}

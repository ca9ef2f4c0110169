package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// What is refused costs no message, and is said in a line to people, in JSON to programs.
func TestAppsRefuse(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, path string
		o          gateway.Options
		with       []func(*http.Request)
		status     int
		says       string
	}{
		{name: "no name", path: "/apps/", status: 404, says: "apps are found below /apps/NAME/"},
		{name: "no name at all", path: "/apps", status: 404, says: "apps are found below /apps/NAME/"},
		{name: "name of no service", path: "/apps/Reports.5/", status: 404, says: "apps are found below /apps/NAME/"},
		{name: "encoded prefix", path: "/%61pps/reports/", status: 404, says: "apps are found below /apps/NAME/"},
		{name: "encoded name", path: "/apps/report%73/", status: 404, says: "apps are found below /apps/NAME/"},
		{name: "other method", with: []func(*http.Request){method("TRACE")}, status: 405, says: "use GET"},
		{name: "tunnel", with: []func(*http.Request){method("CONNECT")}, status: 405, says: "use GET"},
		{name: "WebSocket", with: []func(*http.Request){header("Upgrade", "WebSocket")}, status: 501, says: "WebSockets cannot travel through a broker"},
		{name: "other host", o: gateway.Options{Hosts: []string{"shop.example"}}, status: 421, says: "does not answer to the host name"},
		{name: "form of another site", with: []func(*http.Request){method("POST"), header("Sec-Fetch-Site", "cross-site")}, status: 403, says: "pages of other sites"},
		{name: "body too large", o: gateway.Options{MaxBody: 3}, with: []func(*http.Request){method("POST")}, status: 413, says: "a body may have at most 3 bytes"},
		{name: "timeout of no number", with: []func(*http.Request){header("Journeyman-Timeout", "x")}, status: 400, says: "whole number of milliseconds"},
		{name: "no key", o: gateway.Options{Auth: gateway.Keys{gateway.PlainKey("k")}}, status: 401, says: "a key or a token"},
		{name: "refused by configuration", o: gateway.Options{Refuse: "set JOURNEYMAN_API_KEYS"}, status: 403, says: "set JOURNEYMAN_API_KEYS"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.path == "" {
				tc.path = "/apps/reports/"
			}
			for _, accept := range []string{"text/html,*/*", "application/json"} {
				c := &appCaller{handler: show}
				tc.o.Caller = c
				r := visit(t, tc.o, "GET", tc.path, "1234", append(tc.with, header("Accept", accept))...)
				said, kind := text(t, r), "text/plain; charset=utf-8"
				if accept == "application/json" {
					kind = accept
					if _, err := jsonrpc.DecodeReply([]byte(said)); err != nil {
						t.Errorf("%s: %v", said, err)
					}
				} else if strings.Contains(said, "{") {
					t.Errorf("people read %s", said)
				}
				if r.StatusCode != tc.status || !strings.Contains(said, tc.says) || r.Header.Get("Content-Type") != kind {
					t.Errorf("%d %s %s\nwant %d with %q", r.StatusCode, r.Header.Get("Content-Type"), said, tc.status, tc.says)
				}
				if length := r.Header.Get("Content-Length"); length != "" && length != strconv.Itoa(len(said)) {
					t.Errorf("%d bytes, said to be %s", len(said), length)
				}
				if r.Header.Get("Content-Security-Policy") == "" || len(c.asked) > 0 {
					t.Errorf("asked: %v, header: %v", c.asked, r.Header)
				}
			}
		})
	}
}

// A browser that has no key is asked for one as a password, programs may send it as
// they do for calls, and what is listed as public is open to everybody.
func TestKeysOfApps(t *testing.T) {
	t.Parallel()
	basic := func(password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth("anybody", password) }
	}
	locked := gateway.Options{Auth: gateway.Keys{gateway.PlainKey("k")}}
	for _, tc := range []struct {
		name   string
		o      gateway.Options
		path   string
		with   func(*http.Request)
		status int
	}{
		{"password", locked, "/apps/reports/", basic("k"), 200},
		{"bearer", locked, "/apps/reports/", header("Authorization", "Bearer k"), 200},
		{"wrong password", locked, "/apps/reports/", basic("x"), 401},
		{"empty password", gateway.Options{Auth: gateway.Keys{gateway.PlainKey("")}}, "/apps/reports/", basic(""), 401},
		{"nothing", locked, "/apps/reports/", header("X", ""), 401},
		{"nothing, and no slash", locked, "/apps/reports", header("X", ""), 401},
		{"public", gateway.Options{Auth: gateway.Keys{gateway.PlainKey("k")}, PublicApps: []string{"reports"}}, "/apps/reports/", header("X", ""), 200},
		{"public, and calls refused", gateway.Options{Refuse: "no", PublicApps: []string{"reports"}}, "/apps/reports/", header("X", ""), 200},
		{"beside a public one", gateway.Options{Auth: gateway.Keys{gateway.PlainKey("k")}, PublicApps: []string{"reports"}}, "/apps/orders/", header("X", ""), 401},
		{"a public one by another name", gateway.Options{Auth: gateway.Keys{gateway.PlainKey("k")}, PublicApps: []string{"reports"}}, "/apps/orders/../reports/", header("X", ""), 401},
		{"webhook", gateway.Options{PublicApps: []string{"reports"}}, "/apps/reports/", method("POST"), 200},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.o.Caller = &appCaller{handler: show}
			r := visit(t, tc.o, "GET", tc.path, "", tc.with)
			if r.StatusCode != tc.status {
				t.Errorf("status %d, want %d: %s", r.StatusCode, tc.status, text(t, r))
			}
			asks := strings.Join(r.Header.Values("WWW-Authenticate"), ", ")
			if want := tc.status == 401; want != strings.Contains(asks, `Basic realm="`) || want != strings.Contains(asks, "Bearer") {
				t.Errorf("asks for %q", asks)
			}
		})
	}
	// Calls want a bearer token as before: a browser that knows the password sends it along
	// with whatever a page makes it send.
	if r := post(t, gateway.Options{Auth: gateway.Keys{gateway.PlainKey("k")}}, "/rpc/calculator", add, basic("k")); r.StatusCode != 401 {
		t.Errorf("a call with a password: status %d", r.StatusCode)
	}
}

// Nobody but the gateway says what an app believes.
func TestAppsAreNotCalled(t *testing.T) {
	t.Parallel()
	c := &appCaller{handler: show}
	for _, body := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"http","params":{}}`,
		`[{"jsonrpc":"2.0","id":1,"method":"rpc.ping"},{"jsonrpc":"2.0","method":"http"}]`,
	} {
		if r := post(t, gateway.Options{Caller: c}, "/rpc/reports", body); r.StatusCode != 403 || len(c.asked) > 0 {
			t.Errorf("%s: status %d, passed on: %v", body, r.StatusCode, c.asked)
		}
	}
}

// A replier answers with the same bytes, or error, every time.
type replier struct {
	reply string
	err   error
}

func (r replier) Call(context.Context, string, transports.Message) ([]byte, error) {
	return []byte(r.reply), r.err
}

func (r replier) Send(context.Context, string, transports.Message) error { return r.err }

func TestAppsThatDoNotAnswer(t *testing.T) {
	t.Parallel()
	failure := func(code int, data string) string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"error":{"code":%d,"message":"secret","data":%s}}`, code, data)
	}
	result := func(v string) string { return `{"jsonrpc":"2.0","id":1,"result":` + v + `}` }
	for _, tc := range []struct {
		name   string
		c      replier
		status int
		says   string
	}{
		{"no web app", replier{reply: failure(-32601, `{"method":"http"}`)}, 404, "reports is no web app; its methods are called with POST /rpc/reports"},
		{"panic", replier{reply: failure(-32603, `{"id":"QX7"}`)}, 500, `reports failed; its log has the cause under the id "QX7"`},
		{"panic elsewhere", replier{reply: failure(-32603, `"secret"`)}, 500, "reports failed"},
		{"too slow", replier{reply: failure(-32000, "1")}, 504, "reports did not answer within the time allowed"},
		{"forbidden", replier{reply: failure(-32002, "1")}, 403, "your key does not open this app"},
		{"response too large", replier{reply: failure(413, `{"bytes":9,"limit":8}`)}, 502, "the response of reports is too large to travel through a broker"},
		{"broken off", replier{reply: failure(499, "1")}, 502, "reports broke off"},
		{"params", replier{reply: failure(-32602, "1")}, 502, "reports could not answer"},
		{"no JSON", replier{reply: "HTTP/1.1 200 OK"}, 502, "the request could not be passed on"},
		{"no response", replier{reply: result(`"hello"`)}, 502, "the request could not be passed on"},
		{"interim", replier{reply: result(`{"status":101,"header":{}}`)}, 502, "the request could not be passed on"},
		{"split", replier{reply: result(`{"status":200,"header":{"Location":["/\r\nSet-Cookie: a=1"]}}`)}, 502, "the request could not be passed on"},
		{"no service", replier{err: transports.ErrNoService}, 404, `there is no service "reports"`},
		{"no broker", replier{err: transports.ErrUnavailable}, 503, "the broker cannot be reached now"},
		{"full", replier{err: transports.ErrBusy}, 503, "the queue of reports is full; nothing was handed over"},
		{"large", replier{err: transports.ErrTooLarge}, 413, "the request is too large for the transport"},
		{"buried", replier{err: transports.ErrBuried}, 502, "the request was given up, because the workers that ran it died"},
		{"unknown", replier{err: transports.ErrUnknownOutcome}, 502, "the broker did not confirm the hand-over; the request may run"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r := visit(t, gateway.Options{Caller: tc.c}, "GET", "/apps/reports/", "")
			if got := text(t, r); r.StatusCode != tc.status || got != tc.says+"\n" {
				t.Errorf("%d %q, want %d %q", r.StatusCode, got, tc.status, tc.says)
			}
			if again := r.Header.Get("Retry-After") != ""; again != (tc.status == 503) {
				t.Errorf("Retry-After %q", r.Header.Get("Retry-After"))
			}
		})
	}
}

func TestDeadlinesOfApps(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &silent{}
		r := visit(t, gateway.Options{Caller: c}, "GET", "/apps/reports/", "", header("Journeyman-Timeout", "1500"))
		if got := text(t, r); r.StatusCode != 504 || got != "no reply within the time allowed; the call may still run\n" || c.deadline != 1500*time.Millisecond {
			t.Errorf("%d %q after %v", r.StatusCode, got, c.deadline)
		}
	})
}

// A page that takes longer than the server's WriteTimeout is shown all the same.
func TestLongPagesOutliveTheWriteTimeout(t *testing.T) {
	t.Parallel()
	c := &appCaller{handler: func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(200 * time.Millisecond):
			show(w, r)
		case <-r.Context().Done():
		}
	}}
	server := httptest.NewUnstartedServer(nil)
	server.Config = gateway.Server("", gateway.New(gateway.Options{Log: quiet, Caller: c}))
	server.Config.WriteTimeout = 50 * time.Millisecond
	server.Start()
	defer server.Close()
	r, err := server.Client().Get(server.URL + "/apps/reports/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if got := text(t, r); r.StatusCode != http.StatusOK || !strings.HasPrefix(got, "GET /") {
		t.Errorf("%d %s", r.StatusCode, got)
	}
}

package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/internal/webapp"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// An appCaller plays the way to a service that is a web app.
type appCaller struct {
	handler http.HandlerFunc
	asked   []transports.Message
	to      []string
}

func (c *appCaller) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	c.asked, c.to = append(c.asked, m), append(c.to, service)
	mux := webapp.Serve(c.handler, 1<<20, quiet)
	mux.Logger = slog.New(slog.DiscardHandler)
	return mux.Answer(jsonrpc.Outside(ctx, nil), m.Body).Reply, nil
}

func (c *appCaller) Send(context.Context, string, transports.Message) error {
	return errors.New("pages are not sent")
}

// visit asks the gateway for a page of an app as browsers do, changed by with.
func visit(t *testing.T, o gateway.Options, method, path, body string, with ...func(*http.Request)) *http.Response {
	t.Helper()
	if o.Log == nil {
		o.Log = quiet
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for _, change := range with {
		change(r)
	}
	w := httptest.NewRecorder()
	gateway.New(o).ServeHTTP(w, r)
	return w.Result()
}

func text(t *testing.T, r *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// show answers with what the app was asked for.
func show(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s host=%s remote=%s body=%q", r.Method, r.RequestURI, r.Host, r.RemoteAddr, body)
}

// What an app is asked for is what the browser asked for, without the prefix.
func TestAppsAreAsked(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ method, path, body, want string }{
		{"GET", "/apps/reports/", "", `GET / host=example.com remote=192.0.2.1:0 body=""`},
		{"GET", "/apps/reports/a/b?x=1&y", "", `GET /a/b?x=1&y host=example.com remote=192.0.2.1:0 body=""`},
		{"GET", "/apps/reports/a%2Fb%20c//d/../e", "", `GET /a%2Fb%20c//d/../e host=example.com remote=192.0.2.1:0 body=""`},
		{"GET", "/apps/reports//evil.example", "", `GET //evil.example host=example.com remote=192.0.2.1:0 body=""`},
		{"POST", "/apps/reports/x", "a=1\x00\xff", `POST /x host=example.com remote=192.0.2.1:0 body="a=1\x00\xff"`},
		{"PUT", "/apps/reports/x", "b", `PUT /x host=example.com remote=192.0.2.1:0 body="b"`},
		{"PATCH", "/apps/reports/x", "b", `PATCH /x host=example.com remote=192.0.2.1:0 body="b"`},
		{"DELETE", "/apps/reports/x", "", `DELETE /x host=example.com remote=192.0.2.1:0 body=""`},
		{"OPTIONS", "/apps/reports/x", "", `OPTIONS /x host=example.com remote=192.0.2.1:0 body=""`},
	} {
		c := &appCaller{handler: show}
		r := visit(t, gateway.Options{Caller: c}, tc.method, tc.path, tc.body)
		if got := text(t, r); r.StatusCode != 200 || got != tc.want {
			t.Errorf("%s %s: %d %s\nwant %s", tc.method, tc.path, r.StatusCode, got, tc.want)
		}
		if diff := cmp.Diff([]string{"reports"}, c.to); diff != "" || c.asked[0].Method != webapp.Method || c.asked[0].Header[passport.Outside] != "1" {
			t.Errorf("%s %s went to %v as %+v", tc.method, tc.path, c.to, c.asked)
		}
	}
	// Raw bytes, which net/http lets pass, arrive as what they would be from a browser.
	r := visit(t, gateway.Options{Caller: &appCaller{handler: show}}, "GET", "/apps/reports/", "", func(r *http.Request) { r.URL.RawQuery = "q=\xc3\xa4 #" })
	if got := text(t, r); !strings.HasPrefix(got, "GET /?q=%C3%A4%20%23 ") {
		t.Errorf("raw query: %s", got)
	}
}

// What an app believes of a request, the gateway has written.
func TestHeadersOfApps(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o    gateway.Options
		tls  bool
		want http.Header
	}{
		"private": {want: http.Header{
			"Cookie": {"a=1"}, "X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Host": {"example.com"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Prefix": {"/apps/reports"},
		}},
		"public": {o: gateway.Options{PublicApps: []string{"reports"}, Auth: gateway.Keys{gateway.PlainKey("k")}}, tls: true, want: http.Header{
			"Cookie": {"a=1"}, "X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Host": {"example.com"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Prefix": {"/apps/reports"},
			"Authorization": {"Basic b3duOnVzZXI="},
		}},
		"behind a router": {o: gateway.Options{Routed: true}, want: http.Header{
			"Cookie": {"a=1"}, "X-Forwarded-For": {"203.0.113.7"}, "X-Forwarded-Host": {"example.com"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Prefix": {"/apps/reports"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &appCaller{handler: show}
			tc.o.Caller = c
			path := "/apps/reports/"
			if tc.tls {
				path = "https://example.com" + path
			}
			r := visit(t, tc.o, "GET", path, "", func(r *http.Request) {
				r.Header = http.Header{
					"Authorization": {"Basic b3duOnVzZXI="}, "Cookie": {"a=1"}, "Connection": {"X-Hop"}, "X-Hop": {"1"}, "Upgrade": {"h2c"}, "Te": {"trailers"},
					"X-Forwarded-For": {"10.1.1.1", "10.0.0.1,10.0.0.2, 203.0.113.7"}, "X-Forwarded-Proto": {"gopher,https"}, "X-Forwarded-Host": {"evil.example"},
					"X-Forwarded-Prefix": {"/evil"}, "X-Forwarded-User": {"root"}, "Forwarded": {"for=1.2.3.4"}, "X-Real-Ip": {"1.2.3.4"}, "X_forwarded_for": {"1.2.3.4"},
					"Journeyman-Redelivered": {"true"}, "Journeyman-Principal": {"root"}, "Expect": {"100-continue"}, "Baggage": {"user=root"}, "True-Client-Ip": {"1.2.3.4"}, "X-Original-Url": {"/admin"}, "Remote-User": {"root"}, "X-Request-Id": {"not one"},
				}
			})
			if r.StatusCode != 200 {
				t.Fatalf("%d %s", r.StatusCode, text(t, r))
			}
			var sent struct{ Params webapp.Request } // workers in other languages may drop nothing more
			if err := json.Unmarshal(c.asked[0].Body, &sent); err != nil {
				t.Fatal(err)
			}
			got := http.Header(sent.Params.Header)
			if id := got.Get("X-Request-ID"); id == "" || id != r.Header.Get("X-Request-ID") {
				t.Errorf("the app knows the request as %q, the browser as %q", id, r.Header.Get("X-Request-ID"))
			}
			got.Del("X-Request-ID")
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

// A key that a browser chose is the message's, for who makes things once.
func TestIdempotencyKeysOfApps(t *testing.T) {
	t.Parallel()
	for key, status := range map[string]int{"order-42": 200, `"8e03978e"`: 200, strings.Repeat("x", 256): 400, "a b": 400, "ä": 400, "": 400} {
		c := &appCaller{handler: show}
		r := visit(t, gateway.Options{Caller: c}, "POST", "/apps/reports/", "", header("Idempotency-Key", key))
		if r.StatusCode != status || status == 200 && c.asked[0].Key == "" {
			t.Errorf("key %q: %d %s", key, r.StatusCode, text(t, r))
		}
	}
	both := gateway.Keys{gateway.PlainKey("one"), gateway.PlainKey("other")}
	keys := map[string]bool{}
	for _, who := range []string{"one", "other", "one"} {
		c := &appCaller{handler: show}
		visit(t, gateway.Options{Caller: c, Auth: both}, "POST", "/apps/reports/", "", header("Idempotency-Key", "order-42"), header("Authorization", "Bearer "+who))
		keys[c.asked[0].Key] = true
	}
	if len(keys) != 2 {
		t.Errorf("two callers with the same key have %d", len(keys))
	}
}

// Apps and documents count as calls do.
func TestRateOfPages(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/apps/reports/", "/openrpc/reports.json"} {
		g := gateway.New(gateway.Options{Caller: &appCaller{handler: show}, Rate: 0.001, MaxBatch: 1, Log: quiet})
		for n, want := range []int{0, http.StatusTooManyRequests} {
			w := httptest.NewRecorder()
			g.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
			if limited := w.Code == http.StatusTooManyRequests; limited != (want != 0) {
				t.Errorf("%s, request %d: status %d", path, n+1, w.Code)
			}
		}
	}
}

// What an app has begun is nowhere said not to have been begun, and a document leads to no
// method that cannot be called.
func TestWhatIsSaidOfApps(t *testing.T) {
	t.Parallel()
	c := &appCaller{handler: func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) }}
	r := visit(t, gateway.Options{Caller: c}, "GET", "/apps/reports/", "")
	if word := r.Header.Get("Journeyman-Refused"); r.StatusCode != http.StatusBadGateway || word != "" {
		t.Errorf("a response that is too large: status %d, Journeyman-Refused %q", r.StatusCode, word)
	}
	r = visit(t, gateway.Options{Caller: c}, "GET", "/openrpc/reports.json", "")
	if said := text(t, r); r.StatusCode != http.StatusNotFound || !strings.Contains(said, "reports is a web app; open /apps/reports/") {
		t.Errorf("its document: %d %s", r.StatusCode, said)
	}
}

// The redirects and cookies of an app that knows nothing of its prefix lead back to it.
func TestPrefixOfApps(t *testing.T) {
	t.Parallel()
	for app, browser := range map[string]string{
		"/login?next=%2F":              "/apps/reports/login?next=%2F",
		"/":                            "/apps/reports/",
		"http://example.com/x#y":       "http://example.com/apps/reports/x#y",
		"HTTPS://EXAMPLE.com":          "HTTPS://EXAMPLE.com/apps/reports/",
		"//example.com?a=1":            "//example.com/apps/reports/?a=1",
		"/apps/reports/x":              "/apps/reports/x",
		"/apps/reports":                "/apps/reports",
		"/apps/reportsx":               "/apps/reports/apps/reportsx",
		"x/y":                          "x/y",
		"?page=2":                      "?page=2",
		"":                             "",
		"https://pay.example/checkout": "https://pay.example/checkout",
		"//pay.example/":               "//pay.example/",
		"http://example.com:8080/":     "http://example.com:8080/",
		"mailto:a@example.com":         "mailto:a@example.com",
		"/%zz":                         "/%zz",
	} {
		c := &appCaller{handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", app)
			w.WriteHeader(http.StatusFound)
		}}
		r := visit(t, gateway.Options{Caller: c}, "GET", "/apps/reports/", "")
		if got := r.Header.Get("Location"); got != browser {
			t.Errorf("%q becomes %q, want %q", app, got, browser)
		}
	}
	for app, browser := range map[string]string{
		"a=1":                                   "a=1",
		"a=1; Path=/; HttpOnly; SameSite=Lax":   "a=1; Path=/apps/reports/; HttpOnly; SameSite=Lax",
		"a=1; path = /admin;Secure":             "a=1; Path=/apps/reports/admin;Secure",
		"a=1; Path=/apps/reports/x":             "a=1; Path=/apps/reports/x",
		"a=1; Path=":                            "a=1; Path=",
		"path=/; Max-Age=1":                     "path=/; Max-Age=1",
		"__Host-a=1; Path=/; Secure":            "__Host-a=1; Path=/; Secure",
		"__Secure-a=1; Path=/; Secure; X=Path=": "__Secure-a=1; Path=/apps/reports/; Secure; X=Path=",
	} {
		c := &appCaller{handler: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Set-Cookie", app) }}
		r := visit(t, gateway.Options{Caller: c}, "GET", "/apps/reports/", "")
		if got := r.Header.Get("Set-Cookie"); got != browser {
			t.Errorf("cookie %q becomes %q, want %q", app, got, browser)
		}
	}
	for path, want := range map[string]string{"/apps/reports": "/apps/reports/", "/apps/reports?a=%2F": "/apps/reports/?a=%2F"} {
		r := visit(t, gateway.Options{Caller: &appCaller{}}, "POST", path, "")
		if got := r.Header.Get("Location"); r.StatusCode != http.StatusTemporaryRedirect || got != want {
			t.Errorf("%s: %d to %q", path, r.StatusCode, got)
		}
	}
}

// The page's header is the app's own, and what it does not say is left to browsers, but
// for the guessing of types.
func TestPagesHaveTheirOwnHeaders(t *testing.T) {
	t.Parallel()
	c := &appCaller{handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Security-Policy", "default-src 'self'")
		for _, name := range []string{"Journeyman-Refused", "Service-Worker-Allowed", "X-Request-ID"} { // those are the gateway's to say
			w.Header().Set(name, "the-apps")
		}
		w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, "<p>")
	}}
	r := visit(t, gateway.Options{Caller: c}, "GET", "/apps/reports/", "", header("X-Request-ID", "the-gateways"))
	want := http.Header{
		"Content-Type": {"text/html"}, "Content-Length": {"3"}, "Content-Security-Policy": {"default-src 'self'"},
		"X-Content-Type-Options": {"nosniff"}, "Set-Cookie": {"a=1", "b=2"}, "X-Request-Id": {"the-gateways"},
	}
	if diff := cmp.Diff(want, r.Header); diff != "" || r.StatusCode != http.StatusTeapot || text(t, r) != "<p>" {
		t.Errorf("status %d, header (-want +got):\n%s", r.StatusCode, diff)
	}
}

// http.ServeContent is what most downloads go through.
func TestDownloadsOfApps(t *testing.T) {
	t.Parallel()
	file := strings.Repeat("\x00\xff\r\n", 1<<10)
	c := &appCaller{handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"v1"`)
		w.Header().Set("Content-Disposition", "attachment; filename=\"na\xefve.bin\"")
		http.ServeContent(w, r, "x.bin", time.Time{}, strings.NewReader(file))
	}}
	server := httptest.NewServer(gateway.New(gateway.Options{Caller: c, Log: quiet}))
	defer server.Close()
	for _, tc := range []struct {
		method, name, value string
		status              int
		length              int64
		body                string
	}{
		{"GET", "", "", 200, 4096, file},
		{"GET", "Range", "bytes=4-7", 206, 4, "\x00\xff\r\n"},
		{"GET", "Range", "bytes=9999-", 416, -2, "invalid range: failed to overlap\n"},
		{"GET", "If-None-Match", `"v1"`, 304, 0, ""},
		{"HEAD", "", "", 200, 4096, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), tc.method, server.URL+"/apps/reports/x.bin", nil)
		if err != nil {
			t.Fatal(err)
		}
		if tc.name != "" {
			req.Header.Set(tc.name, tc.value)
		}
		r, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got := text(t, r)
		_ = r.Body.Close()
		if r.StatusCode != tc.status || got != tc.body || tc.length >= 0 && r.ContentLength != tc.length {
			t.Errorf("%s with %s %s: %d, %d bytes of %d: %.40q", tc.method, tc.name, tc.value, r.StatusCode, len(got), r.ContentLength, got)
		}
		if tc.status == 200 && r.Header.Get("Content-Disposition") != "attachment; filename=\"na\xefve.bin\"" {
			t.Errorf("the name of the file is %q", r.Header.Get("Content-Disposition"))
		}
	}
}

// Who waits before it sends a body is told to, and its body arrives.
func TestExpectContinue(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(gateway.New(gateway.Options{Caller: &appCaller{handler: show}, Log: quiet}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	if _, err := io.WriteString(conn, "POST /apps/reports/ HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := in.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := io.WriteString(conn, "hi"); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(in); err != nil || !strings.Contains(string(rest), `body="hi"`) {
		t.Errorf("%s, %v", rest, err)
	}
}

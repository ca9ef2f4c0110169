//go:build unix

package foreign

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// An asking is one request by the page about HTTP, and what that says of the answer.
type asking struct {
	name, method, path string
	header             map[string]string // "" takes one away
	body               string

	status  int
	refused string            // the word
	says    string            // of the body, a regular expression
	with    map[string]string // headers of the answer
}

// ask makes the request and compares.
func (a asking) ask(t *testing.T, address string) {
	t.Helper()
	method, path, body := a.method, a.path, a.body
	if method == "" {
		method = http.MethodPost
	}
	if path == "" {
		path = "/rpc/calculator"
	}
	if body == "" {
		body = add("any")
	}
	r, err := http.NewRequestWithContext(t.Context(), method, address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer s3cret")
	for name, value := range a.header {
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
	}
	response, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := bytes.TrimSpace(text)
	if response.StatusCode != a.status || response.Header.Get("Journeyman-Refused") != a.refused || !regexp.MustCompile(a.says).Match(got) {
		t.Errorf("%s, Journeyman-Refused %q, %q; want %d, %q, %s", response.Status, response.Header.Get("Journeyman-Refused"), got, a.status, a.refused, a.says)
	}
	for name, value := range a.with {
		if response.Header.Get(name) != value {
			t.Errorf("%s: %q, want %q", name, response.Header.Get(name), value)
		}
	}
}

// listen starts a program of ours on a port of its own and returns its address.
func listen(t *testing.T, program string, args []string, env ...string) (address string) {
	t.Helper()
	port := freePort(t)
	address = "http://127.0.0.1:" + port
	p := start(t, append(env, "PORT="+port), program, args...)
	eventually(t, p, func() error { return isReady(address) })
	return address
}

const notification = `{"jsonrpc":"2.0","method":"add","params":[1,1]}`

func TestWireOverHTTP(t *testing.T) {
	t.Parallel()
	address := listen(t, journeyman(t), []string{"serve", "calculator"},
		"JOURNEYMAN_TRANSPORT=http", "JOURNEYMAN_API_KEYS=old,s3cret", "JOURNEYMAN_MAX_MESSAGE=65536")
	json := map[string]string{"Content-Type": "application/json"}
	for _, a := range []asking{
		{name: "call", status: 200, says: "^" + regexp.QuoteMeta(sum("any")) + "$", with: json},
		{name: "fault", body: strings.Replace(add("any"), "add", "nonesuch", 1), status: 200, says: "-32601", with: json},
		{name: "no JSON", body: "{", status: 200, says: "-32700", with: json},
		{name: "batch", body: "[" + add("one") + "," + notification + "]", status: 200, says: "^" + regexp.QuoteMeta("["+sum("one")+"]") + "$"},
		{name: "parameters of the type", header: map[string]string{"Content-Type": "application/json; charset=utf-8"}, status: 200},
		{name: "time", header: map[string]string{"Journeyman-Timeout": "60000"}, status: 200},
		{name: "notification", body: notification, status: 204, says: "^$"},
		{name: "nobody waits", header: map[string]string{"Prefer": "respond-async"}, status: 204, says: "^$"},
		{name: "no time", header: map[string]string{"Journeyman-Timeout": "0"}, status: 400, refused: "request"},
		{name: "time that is none", header: map[string]string{"Journeyman-Timeout": "soon"}, status: 400, refused: "request"},
		{name: "no key", header: map[string]string{"Authorization": ""}, status: 401, refused: "key"},
		{name: "wrong key", header: map[string]string{"Authorization": "Bearer guess"}, status: 401, refused: "key"},
		{name: "another key", header: map[string]string{"Authorization": "bearer old"}, status: 200},
		{name: "page", header: map[string]string{"Origin": "https://example.com"}, status: 403, refused: "browser"},
		{name: "form", header: map[string]string{"Sec-Fetch-Site": "same-origin"}, status: 403, refused: "browser"},
		{name: "another service", path: "/rpc/statistics", status: 404, refused: "no-service", says: "calculator"},
		{name: "GET", method: http.MethodGet, status: 405, refused: "request", with: map[string]string{"Allow": "POST"}},
		{name: "text", header: map[string]string{"Content-Type": "text/plain"}, status: 415, refused: "request"},
		{name: "encoded", header: map[string]string{"Content-Encoding": "gzip"}, status: 415, refused: "request"},
		{name: "large", body: add(strings.Repeat("x", 70_000)), status: 413, refused: "too-large"},
		{name: "alive", method: http.MethodGet, path: "/livez", header: map[string]string{"Authorization": ""}, status: 200},
		{name: "ready", method: http.MethodGet, path: "/readyz", header: map[string]string{"Authorization": ""}, status: 200},
	} {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			a.ask(t, address)
		})
	}
}

func TestWireOfTheGateway(t *testing.T) {
	t.Parallel()
	broker := brokertest.Redis(t)
	env := []string{"JOURNEYMAN_URL=" + broker.URL, "JOURNEYMAN_API_KEYS=s3cret", "JOURNEYMAN_MAX_QUEUE=1"}
	serve(t, journeyman(t), env...) // and so announces statistics, which nobody serves
	address := listen(t, journeyman(t), []string{"web"}, env...)
	json := map[string]string{"Content-Type": "application/json"}
	again := map[string]string{"Content-Type": "application/json", "Retry-After": "1"}
	code := func(code int, id string) string { return fmt.Sprintf(`"id":%s,"error":{"code":%d,`, id, code) }
	short := map[string]string{"Journeyman-Timeout": "50"}
	t.Run("asked", func(t *testing.T) {
		for _, a := range []asking{
			{name: "call", status: 200, says: "^" + regexp.QuoteMeta(sum("any")) + "$", with: json},
			{name: "fault", body: strings.Replace(add("any"), "add", "nonesuch", 1), status: 200, says: code(-32601, `"any"`), with: json},
			{name: "notification", body: notification, status: 204, says: "^$"},
			{name: "notifications", body: "[" + notification + "]", status: 204, says: "^$"},
			{name: "batch", body: "[" + add("one") + "," + notification + "]", status: 200, says: "^" + regexp.QuoteMeta("["+sum("one")+"]") + "$"},
			{name: "no JSON", body: "{", status: 400, says: code(-32700, "null")},
			{name: "no request", body: `{"id":7}`, status: 400, says: code(-32600, "7")},
			{name: "time that is none", header: map[string]string{"Journeyman-Timeout": "soon"}, status: 400, says: code(-32600, "null")},
			{name: "no key", header: map[string]string{"Authorization": ""}, status: 401, says: code(-32010, "null")},
			{name: "page", header: map[string]string{"Sec-Fetch-Site": "cross-site"}, status: 403, says: code(-32010, "null")},
			{name: "GET", method: http.MethodGet, status: 405, says: code(-32010, "null")},
			{name: "text", header: map[string]string{"Content-Type": "text/plain"}, status: 415, says: code(-32010, "null")},
			{name: "of the house", body: strings.Replace(add("any"), "add", "rpc.stats", 1), status: 403, says: code(-32601, `"any"`)},
			{name: "nobody of that name", path: "/rpc/nonesuch", status: 404, refused: "no-service", says: code(-32012, `"any"`)},
			{name: "large", body: add(strings.Repeat("x", 1<<20)), status: 413, refused: "too-large", says: code(-32011, "null")},
			{name: "large batch", body: "[" + strings.Repeat(add("1")+",", 50) + add("2") + "]", status: 413, refused: "too-large", says: code(-32011, "null")},
			{name: "in vain", path: "/rpc/statistics", header: short, status: 504, says: code(-32000, `"any"`)},
			{name: "alive", method: http.MethodGet, path: "/livez", header: map[string]string{"Authorization": ""}, status: 200},
		} {
			t.Run(a.name, func(t *testing.T) {
				t.Parallel()
				a.ask(t, address)
			})
		}
	})
	run(t, nil, shell.interpreter(t), "-c", "redis-cli -u "+broker.URL+" DEL statistics") // what was asked in vain may be there
	asking{path: "/rpc/statistics", body: notification, status: 204}.ask(t, address)
	asking{path: "/rpc/statistics", status: 503, refused: "busy", says: code(-32014, `"any"`), with: again}.ask(t, address)
	broker.Kill()
	asking{status: 503, refused: "draining", says: code(-32013, `"any"`), with: again}.ask(t, address)
	asking{method: http.MethodGet, path: "/readyz", status: 503}.ask(t, address)
}

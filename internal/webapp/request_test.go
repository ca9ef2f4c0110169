package webapp

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A handler gets what a server would give it.
func TestRequest(t *testing.T) {
	t.Parallel()
	r, err := Request{
		Method: "POST", Target: "/a%2Fb//c?x=1&y=%20", Host: "[::1]:5000",
		Header: Header{
			"X-Forwarded-For": {"203.0.113.7"}, "Content-Length": {"999"}, "Transfer-Encoding": {"chunked"}, "Host": {"evil.example"},
			"Connection": {"X-Hop"}, "X-Hop": {"1"}, "Accept": {"text/html"},
		},
		Body: []byte("values=1"),
	}.HTTP(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := []any{r.Method, r.RequestURI, r.URL.Path, r.URL.RawQuery, r.Host, r.ContentLength, r.RemoteAddr, r.Proto, string(body), r.TransferEncoding == nil, r.URL.Host}
	want := []any{"POST", "/a%2Fb//c?x=1&y=%20", "/a/b//c", "x=1&y=%20", "[::1]:5000", int64(8), "203.0.113.7:0", "HTTP/1.1", "values=1", true, ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(http.Header{"X-Forwarded-For": {"203.0.113.7"}, "Content-Length": {"8"}, "Accept": {"text/html"}}, r.Header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

// A path that begins with two slashes is one, and no host; and no body has no length.
func TestTargetIsNoURL(t *testing.T) {
	t.Parallel()
	r, err := Request{Method: "GET", Target: "//evil.example/x", Host: "a", Header: Header{"Content-Length": {"7"}}}.HTTP(t.Context())
	if err != nil || len(r.Header) > 0 || r.URL.Path != "//evil.example/x" || r.URL.Host != "" || r.Body != http.NoBody {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestWrongRequests(t *testing.T) {
	t.Parallel()
	fine := Request{Method: "GET", Target: "/", Host: "a"}
	for name, tc := range map[string]struct {
		change func(*Request)
		want   string
	}{
		"no method":            {func(r *Request) { r.Method = "" }, "method"},
		"method with a line":   {func(r *Request) { r.Method = "GET / HTTP/1.1\r\nX: 1" }, "method"},
		"no host":              {func(r *Request) { r.Host = "" }, "host"},
		"host with a line":     {func(r *Request) { r.Host = "a\r\nX: 1" }, "host"},
		"host with a path":     {func(r *Request) { r.Host = "a/b" }, "host"},
		"host with a user":     {func(r *Request) { r.Host = "u@a" }, "host"},
		"no target":            {func(r *Request) { r.Target = "" }, "target"},
		"target with a scheme": {func(r *Request) { r.Target = "http://evil.example/" }, "target"},
		"target with a space":  {func(r *Request) { r.Target = "/ HTTP/1.1" }, "target: character 1"},
		"target with a line":   {func(r *Request) { r.Target = "/\r\nX: 1" }, "target: character 1"},
		"target beyond ASCII":  {func(r *Request) { r.Target = "/?ä" }, "target: character 2"},
		"target with a hash":   {func(r *Request) { r.Target = "/#a" }, "target: character 1"},
		"lone percent sign":    {func(r *Request) { r.Target = "/%zz" }, "percent sign"},
	} {
		r := fine
		tc.change(&r)
		if _, err := r.HTTP(t.Context()); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
	if _, err := fine.HTTP(t.Context()); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

func TestRemote(t *testing.T) {
	t.Parallel()
	for list, want := range map[string]string{
		"":                      "",
		"203.0.113.7":           "203.0.113.7:0",
		"10.0.0.1, 203.0.113.7": "203.0.113.7:0",
		"2001:db8::1":           "[2001:db8::1]:0",
		"unknown":               "",
	} {
		if got := remote(http.Header{"X-Forwarded-For": {list}}); got != want {
			t.Errorf("%q: %q, want %q", list, got, want)
		}
	}
}

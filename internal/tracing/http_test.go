package tracing

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/baggage"
	api "go.opentelemetry.io/otel/trace"
)

func route(path string) (on, shown string) {
	if strings.HasPrefix(path, "/rpc/") {
		return "/rpc/{service}", "/rpc/…"
	}
	return "", path
}

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

func TestRequestSpans(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method, path string
		status       int    // 0: the handler writes none
		name, state  string // "": there is no span
		original     string
		code         string
	}{
		"answered":      {"POST", "/rpc/calculator?key=geheim", 0, "POST /rpc/{service}", "UNSET", "", "200"},
		"refused":       {"POST", "/rpc/calculator", 404, "POST /rpc/{service}", "UNSET", "", "404"},
		"failed":        {"POST", "/rpc/calculator", 503, "POST /rpc/{service}", "ERROR", "", "503"},
		"strange":       {"BREW", "/rpc/calculator", 405, "HTTP /rpc/{service}", "UNSET", "BREW", "405"},
		"health checks": {"GET", "/livez", 200, "", "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracing, c := start(t)
			traced := false
			h := tracing.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				traced = api.SpanFromContext(r.Context()).IsRecording()
				if got := baggage.FromContext(r.Context()); got.Len() > 0 {
					t.Errorf("baggage came in: %s", got)
				}
				if err := http.NewResponseController(w).Flush(); err != nil && tt.status == 0 {
					t.Errorf("what streams cannot flush: %v", err)
				}
				if tt.status != 0 {
					w.WriteHeader(tt.status)
				}
			}), route)
			r := httptest.NewRequestWithContext(t.Context(), tt.method, "http://shop.example:5000"+tt.path, nil)
			r.Header.Set("Traceparent", parent)
			r.Header.Set("Baggage", "user=eve")
			r.Header.Set("User-Agent", "curl/8")
			r.Header.Set("X-Forwarded-Proto", "https")
			h.ServeHTTP(httptest.NewRecorder(), r)
			tracing.Stop()
			if traced != (tt.name != "") || len(c.Spans()) != map[bool]int{true: 1}[traced] {
				t.Fatalf("traced: %t, spans: %+v", traced, c.Spans())
			}
			if !traced {
				return
			}
			s := c.Spans()[0]
			want := map[string]string{
				"http.request.method": tt.method, "http.route": "/rpc/{service}", "url.path": "/rpc/…", "url.scheme": "https",
				"server.address": "shop.example", "user_agent.original": "curl/8", "http.response.status_code": tt.code,
			}
			if tt.state == "ERROR" {
				want["error.type"] = tt.code
			}
			if tt.original != "" {
				want["http.request.method"], want["http.request.method_original"] = "_OTHER", tt.original
			}
			if diff := cmp.Diff(want, s.Attributes); diff != "" || s.Name != tt.name || s.Kind != "SERVER" || s.Status != tt.state {
				t.Errorf("%s %s %s; attributes (-want +got):\n%s", s.Kind, s.Name, s.Status, diff)
			}
			if got := "00-" + s.Trace + "-" + s.Parent + "-01"; got != parent {
				t.Errorf("the span is a child of %s, want %s", got, parent)
			}
		})
	}
}

// What http.ResponseController does for a handler, it does through the wrapper, too.
func TestResponseControllerReachesTheConnection(t *testing.T) {
	t.Parallel()
	tracing, _ := start(t)
	server := httptest.NewServer(tracing.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
			t.Errorf("set a deadline: %v", err)
		}
	}), route))
	defer server.Close()
	r, err := server.Client().Post(server.URL+"/rpc/calculator", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
}

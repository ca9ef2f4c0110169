package runner

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
)

// withPages adds a web app to a site.
func withPages(s *site) *site {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, limited := r.Context().Deadline()
		fmt.Fprintf(w, "%s %s deadline=%t key=%s", r.Method, r.URL, limited, jsonrpc.Key(r.Context()))
	})
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("oops") })
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 7<<20)) })
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) {
		s.entered <- struct{}{}
		select {
		case <-s.proceed:
			fmt.Fprint(w, "done")
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("/stick", func(http.ResponseWriter, *http.Request) { <-s.proceed })
	s.programs = append(s.programs,
		HTTP("pages", "shows pages", func(Resources) (http.Handler, error) { return mux, nil }),
		HTTP("empty", "has no handler", func(Resources) (http.Handler, error) { return nil, nil }),
		HTTP("unready", "cannot be built", func(Resources) (http.Handler, error) { return nil, errors.New("no database") }))
	return s
}

func TestWebApp(t *testing.T) {
	isolate(t, map[string]string{"PORT": "0"})
	s := withPages(newSite())
	worker := s.spawn(t, "serve", "pages")
	worker.out.match(t, "methods=http .*slots=64")
	worker.out.match(t, "msg=ready")
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	url := s.spawn(t, "web").out.match(t, `listening=(http://127\.0\.0\.1:\d+)`)
	for _, tc := range []struct {
		path string
		code int
		body string
	}{
		{"/apps/pages/a?b=1", 200, "PUT /a?b=1 deadline=true key=outside:"},
		{"/apps/pages/panic", 500, "pages failed; its log has the cause under the id"},
		{"/apps/pages/large", 502, "the response of pages is too large to travel through a broker"},
		{"/apps/tester/", 404, "tester is no web app; its methods are called with POST /rpc/tester"},
		{"/apps/nobody/", 404, `there is no service "nobody"`},
	} {
		if code, body := ask(t, "PUT", url+tc.path, "", "Idempotency-Key", "k1"); code != tc.code || !strings.HasPrefix(body, tc.body) {
			t.Errorf("%s: %d %s, want %d %s", tc.path, code, body, tc.code, tc.body)
		}
	}
	worker.out.match(t, `level=ERROR msg="handler failed" .*service=pages .*method=http .*err="panic: PUT /panic: oops"`)
	worker.out.match(t, `level=ERROR msg="response dropped: .*service=pages request="PUT /large" status=200 bytes=7340032 limit=6278784`)

	// To those who call methods it is a service that has none but the common ones.
	if got := s.run(t, "call", "pages", "x"); got.Code != exitService || got.Stderr != `{"code":-32601,"message":"Method not found","data":{"method":"x"}}`+"\n" {
		t.Errorf("a call: %+v", got)
	}
	if got := s.run(t, "call", "pages", "rpc.ping"); got.Code != 0 || got.Stdout != "\"pong\"\n" {
		t.Errorf("rpc.ping: %+v", got)
	}
}

// A page that is being made at SIGTERM is finished.
func TestWebAppDrains(t *testing.T) {
	isolate(t, map[string]string{"PORT": "0", "JOURNEYMAN_DRAIN": "1h"})
	s := withPages(newSite())
	worker := s.spawn(t, "serve", "pages")
	worker.out.match(t, "msg=ready")
	url := s.spawn(t, "web").out.match(t, `listening=(http://127\.0\.0\.1:\d+)`)
	body := make(chan string, 1)
	go func() {
		code, text := ask(t, "GET", url+"/apps/pages/wait", "")
		body <- fmt.Sprint(code, " ", text)
	}()
	receive(t, s.entered, "the handler runs")
	worker.signals <- syscall.SIGTERM
	worker.out.match(t, "msg=stopping .*running=1")
	close(s.proceed)
	select {
	case got := <-body:
		if got != "200 done" {
			t.Errorf("the page is %q", got)
		}
	case <-time.After(patience):
		t.Fatal("no page came")
	}
	if code := worker.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	worker.out.match(t, "msg=stopped .*handed_back=0")
}

// A handler that does not return holds nobody up.
func TestStuckWebApp(t *testing.T) {
	isolate(t, map[string]string{"PORT": "0", "JOURNEYMAN_TIMEOUT": "50ms"})
	s := withPages(newSite())
	defer close(s.proceed)
	worker := s.spawn(t, "serve", "pages")
	worker.out.match(t, "msg=ready")
	url := s.spawn(t, "web").out.match(t, `listening=(http://127\.0\.0\.1:\d+)`)
	if code, body := ask(t, "GET", url+"/apps/pages/stick", ""); code != 504 {
		t.Errorf("%d %s", code, body)
	}
	worker.out.match(t, `level=ERROR msg="handler does not return; its caller is told so" .*method=http`)
}

func TestWebAppThatCannotBeBuilt(t *testing.T) {
	isolate(t, nil)
	s := withPages(newSite())
	for name, why := range map[string]string{"empty": "its build function returned no http.Handler", "unready": "no database"} {
		want := result{Code: exitUsage, Stderr: "app: service " + name + " cannot be built: " + why + "\n"}
		if got := s.run(t, "serve", name); got != want {
			t.Errorf("serve %s: %+v, want %+v", name, got, want)
		}
	}
}

// Apps that everybody may open are open where calls are refused.
func TestPublicApps(t *testing.T) {
	isolate(t, map[string]string{"PORT": "0", "DYNO": "web.1", "JOURNEYMAN_URL": "redis://unused", "JOURNEYMAN_BIND": "127.0.0.1", "JOURNEYMAN_PUBLIC_APPS": " pages , "})
	s := withPages(newSite())
	s.spawn(t, "serve", "pages").out.match(t, "msg=ready")
	url := s.spawn(t, "web").out.match(t, `listening=(http://127\.0\.0\.1:\d+)`)
	if code, body := ask(t, "GET", url+"/apps/pages/", ""); code != 200 {
		t.Errorf("the public app: %d %s", code, body)
	}
	if code, body := ask(t, "GET", url+"/apps/tester/", ""); code != 403 || !strings.Contains(body, "JOURNEYMAN_API_KEYS") {
		t.Errorf("another: %d %s", code, body)
	}
}

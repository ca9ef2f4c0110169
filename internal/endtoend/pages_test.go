//go:build unix

package endtoend

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/journeyman-go/journeyman/internal/webapp"
	"github.com/journeyman-go/journeyman/runner"
)

// newPages serves a web app that knows nothing of what is in front of it.
func newPages(runner.Resources) (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><form method="post" action="session"><input name="user"></form>`)
	})
	mux.HandleFunc("POST /session", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "user", Value: r.FormValue("user"), Path: "/", HttpOnly: true})
		http.Redirect(w, r, "/me", http.StatusSeeOther)
	})
	mux.HandleFunc("GET /me", func(w http.ResponseWriter, r *http.Request) {
		user, err := r.Cookie("user")
		if err != nil {
			http.Error(w, "who are you?", http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, "hello %s, from %s", user.Value, r.RemoteAddr)
	})
	mux.HandleFunc("GET /file", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="file.bin"`)
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(file())
	})
	mux.HandleFunc("PUT /file", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%x %v", sha256.Sum256(body), err)
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("oops") })
	mux.HandleFunc("GET /once", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(webapp.HeaderRedelivered) == "true" {
			fmt.Fprint(w, "again")
			return
		}
		ledger, err := os.OpenFile(os.Getenv(ledgerVariable), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = fmt.Fprintf(ledger, "%d\n", os.Getpid())
		}
		if err == nil {
			<-r.Context().Done() // until it is killed
		}
	})
	return mux, nil
}

// file is a mebibyte in which every byte occurs.
func file() []byte {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i ^ i>>8)
	}
	return b
}

// A web app does through the gateway what it would do alone, on every transport.
func TestPages(t *testing.T) {
	t.Parallel()
	onBrokers(t, testKilledPages)
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		ledger, setting := newLedger(t)
		a := newApp(t, "JOURNEYMAN_TRANSPORT=http", "PORT=0", setting)
		worker := a.spawn("serve", "pages")
		services := "pages=http://" + worker.says(`msg=listening .* address=(\S+)`)
		services += ",calculator=http://" + a.spawn("serve", "calculator").says(`msg=listening .* address=(\S+)`)
		gateway := a.with("JOURNEYMAN_SERVICES=" + services).spawn("web").says(`listening=(http://\S+)`)
		testPages(t, gateway+"/apps")

		// Nothing is queued there, so nobody else can answer.
		answered := make(chan string, 1)
		go func() {
			code, body := get(t, gateway+"/apps/pages/once")
			answered <- fmt.Sprint(code, " ", body)
		}()
		eventually(t, "the page to be begun", func() bool { return read(t, ledger) != "" })
		if err := worker.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if got := <-answered; !strings.HasPrefix(got, "502 ") || !strings.Contains(got, "may run") {
			t.Errorf("the page of the worker that was killed: %s", got)
		}
	})
}

// testKilledPages has a worker killed while it makes a page, which another one makes again.
func testKilledPages(t *testing.T, env ...string) {
	t.Helper()
	ledger, setting := newLedger(t)
	a := newApp(t, append(env, setting, "PORT=0")...)
	workers := []*running{a.spawn("serve", "pages"), a.spawn("serve", "pages")}
	for _, w := range workers {
		w.says("msg=ready")
	}
	a.spawn("serve", "calculator").says("msg=ready")
	gateway := a.spawn("web").says(`listening=(http://\S+)`)
	testPages(t, gateway+"/apps")

	answered := make(chan string, 1)
	go func() {
		code, body := get(t, gateway+"/apps/pages/once")
		answered <- fmt.Sprint(code, " ", body)
	}()
	eventually(t, "the page to be begun", func() bool { return strings.HasSuffix(read(t, ledger), "\n") })
	victim, err := strconv.Atoi(strings.TrimSpace(read(t, ledger)))
	if err != nil || victim != workers[0].Process.Pid && victim != workers[1].Process.Pid {
		t.Fatalf("process %d makes the page, %v", victim, err)
	}
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := <-answered; got != "200 again" {
		t.Errorf("the page of the worker that was killed: %s", got)
	}
}

// A page is what a browser has in the end.
type page struct {
	status int
	header http.Header
	length int64
	at     *url.URL
	text   string
}

func testPages(t *testing.T, apps string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	ask := func(method, path string, body []byte, header ...string) page {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, apps+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		resp, err := browser.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return page{resp.StatusCode, resp.Header, resp.ContentLength, resp.Request.URL, string(text)}
	}

	// A form is filled in, and a redirect leads to a page that knows the cookie.
	p := ask("GET", "/pages", nil)
	if p.status != 200 || !strings.Contains(p.text, "<form") || p.at.Path != "/apps/pages/" || p.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("form at %s: %d %s", p.at, p.status, p.text)
	}
	if p := ask("GET", "/pages/me", nil); p.status != 403 {
		t.Errorf("without a cookie: %d %s", p.status, p.text)
	}
	p = ask("POST", "/pages/session", []byte("user=ada"), "Content-Type", "application/x-www-form-urlencoded")
	if p.status != 200 || p.text != "hello ada, from 127.0.0.1:0" || p.at.Path != "/apps/pages/me" {
		t.Errorf("behind the form, at %s: %d %s", p.at, p.status, p.text)
	}
	if cookies := jar.Cookies(p.at.JoinPath("/../../calculator")); len(cookies) > 0 {
		t.Errorf("another app gets the cookies %v", cookies)
	}

	// Files are the same, in both directions, and bounded.
	p = ask("GET", "/pages/file", nil)
	if p.text != string(file()) || p.length != 1<<20 || p.header.Get("Content-Disposition") != `attachment; filename="file.bin"` {
		t.Errorf("%d bytes of %d with %v", len(p.text), p.length, p.header)
	}
	if p := ask("HEAD", "/pages/file", nil); p.status != 200 || p.length != 1<<20 || p.text != "" {
		t.Errorf("HEAD: %d, %d bytes", p.status, p.length)
	}
	if p := ask("PUT", "/pages/file", file()); p.status != 200 || p.text != fmt.Sprintf("%x <nil>", sha256.Sum256(file())) {
		t.Errorf("upload: %d %s", p.status, p.text)
	}
	if p := ask("PUT", "/pages/file", append(file(), 0)); p.status != 413 {
		t.Errorf("an upload that is too large: %d %s", p.status, p.text)
	}

	for path, status := range map[string]int{"/pages/panic": 500, "/pages/nowhere": 404, "/nobody/": 404, "/calculator/": 404} {
		if p := ask("GET", path, nil); p.status != status {
			t.Errorf("%s: %d %s, want %d", path, p.status, p.text, status)
		}
	}
	if p := ask("GET", "/pages/", nil, "Connection", "Upgrade", "Upgrade", "websocket"); p.status != 501 {
		t.Errorf("WebSocket: %d %s", p.status, p.text)
	}
}

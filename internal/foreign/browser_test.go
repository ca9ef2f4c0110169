//go:build unix

package foreign

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// The reference app's web app in a browser, as people see it who cannot reach the worker
// on which it runs: a form, a redirect, a file.
func TestWebAppInBrowser(t *testing.T) {
	t.Parallel()
	t.Run("redis, with a key", func(t *testing.T) {
		t.Parallel()
		url, namespace := brokertest.Namespace(t)
		testBrowser(t, "key", "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace, "JOURNEYMAN_API_KEYS=key")
	})
	t.Run("rabbitmq, open to everybody", func(t *testing.T) {
		t.Parallel()
		testBrowser(t, "", "JOURNEYMAN_URL="+brokertest.Vhost(t), "JOURNEYMAN_API_KEYS=key", "JOURNEYMAN_PUBLIC_APPS=reports")
	})
}

func testBrowser(t *testing.T, password string, env ...string) {
	t.Helper()
	for _, service := range []string{"calculator", "statistics", "reports"} {
		start(t, env, journeyman(t), "serve", service)
	}
	port := freePort(t)
	web := start(t, append(env, "PORT="+port), journeyman(t), "web")
	reports := "http://127.0.0.1:" + port + "/apps/reports"
	eventually(t, web, func() error { return shows(t, reports+"/report?values=1", password) })

	b := newBrowser(t)
	if password != "" {
		b.open(reports)
		if said := b.eval("document.body.innerText"); !strings.Contains(said, "a key as the password") {
			t.Errorf("without a password the browser shows %q", said)
		}
		b.open(strings.Replace(reports, "://", "://anybody:"+password+"@", 1))
	} else {
		b.open(reports)
	}
	if at := b.eval("location.pathname"); at != "/apps/reports/" {
		t.Fatalf("the browser is at %s and shows %s", at, b.eval("document.body.innerText"))
	}

	b.eval("document.querySelector('input[name=values]').focus()")
	b.do("Input.insertText", nil, "text", "1 2 6.5")
	b.loads(func() { b.eval("document.querySelector('button').click()") })
	at, heading := b.eval("location.pathname + location.search"), b.eval("document.querySelector('h1').innerText")
	if at != "/apps/reports/report?values=1+2+6.5" || heading != "The mean of 3 values is 3.1666666666666665" {
		t.Fatalf("the form leads to %s with %q", at, heading)
	}

	b.eval("document.querySelector('a[href^=report]').click()")
	var download struct{ State string }
	b.await("Browser.downloadProgress", func(params json.RawMessage) bool {
		return json.Unmarshal(params, &download) == nil && download.State != "inProgress"
	})
	file, err := os.ReadFile(filepath.Join(b.downloads, "report.csv"))
	if want := "1,1\r\n2,2\r\n3,6.5\r\nmean,3.1666666666666665\r\n"; err != nil || download.State != "completed" || string(file) != want {
		t.Errorf("the file, %s: %q, %v; want %q", download.State, file, err, want)
	}

	b.loads(func() { b.eval("document.querySelector('a[href=\"./\"]').click()") })
	if at := b.eval("location.pathname"); at != "/apps/reports/" {
		t.Errorf("the way back leads to %s", at)
	}
}

// shows returns why a page is not there yet.
func shows(t *testing.T, url, password string) error {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if password != "" {
		req.SetBasicAuth("anybody", password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}

// A page of another site may call when its site is listed, with the key that it was given,
// and not otherwise: neither by fetch nor by a form.
func TestPageOfAnotherSite(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>another site</title>")
	}))
	t.Cleanup(site.Close)
	url, namespace := brokertest.Namespace(t)
	env := []string{"JOURNEYMAN_URL=" + url, "JOURNEYMAN_NAMESPACE=" + namespace, "JOURNEYMAN_API_KEYS=key"}
	serve(t, journeyman(t), env...)
	listed := listen(t, journeyman(t), []string{"web"}, append(env, "JOURNEYMAN_ORIGINS="+site.URL)...)
	unlisted := listen(t, journeyman(t), []string{"web"}, env...)

	b := newBrowser(t)
	b.open(site.URL)
	const call = `fetch("%s/rpc/calculator", {method: "POST", headers: {"Content-Type": "application/json", "Authorization": "Bearer %s"},
		body: '{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}'}).then(async r => r.status + " " + (await r.text()).trim(), e => "refused")`
	for _, tc := range []struct{ gateway, key, want string }{
		{listed, "key", `200 {"jsonrpc":"2.0","id":1,"result":6.1}`},
		{listed, "wrong", `401 {"jsonrpc":"2.0","id":null,"error":{"code":-32010,"message":"the key or token is refused: it is not known here"}}`},
		{unlisted, "key", "refused"},
	} {
		if got := b.eval(fmt.Sprintf(call, tc.gateway, tc.key)); got != tc.want {
			t.Errorf("with the key %q: %s, want %s", tc.key, got, tc.want)
		}
	}
	// The form's text is JSON, if one looks no further.
	b.loads(func() {
		b.eval(fmt.Sprintf(`(() => { document.body.innerHTML = '<form method=post enctype=text/plain action="%s/rpc/calculator"><input name=x></form>';
			const form = document.forms[0];
			form.x.name = '{"jsonrpc":"2.0","id":1,"method":"add","params":[1,2],"x":"';
			form.x.value = '"}';
			form.submit() })()`, listed))
	})
	if said := b.eval("document.body.innerText"); !strings.Contains(said, "-32010") {
		t.Errorf("a form is answered with %s", said)
	}
}

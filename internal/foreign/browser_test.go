//go:build unix

package foreign

import (
	"encoding/json"
	"fmt"
	"net/http"
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
		if said := b.eval("document.body.innerText"); !strings.Contains(said, "API key") {
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

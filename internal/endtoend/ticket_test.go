//go:build unix

package endtoend

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

const pass = `{"jsonrpc":"2.0","id":7,"method":"pass","params":{"n":7,"ms":0}}`

// A call outlives the request that made it, the gateway that took it and the worker that
// began it; another gateway has its result.
func TestTickets(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		url, namespace := brokertest.Namespace(t)
		testTickets(t, "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace)
	})
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		testTickets(t, "JOURNEYMAN_URL="+brokertest.Vhost(t))
	})
}

func testTickets(t *testing.T, env ...string) {
	t.Helper()
	ledger, setting := newLedger(t)
	a := newApp(t, append(env, setting, "PORT=0")...)
	begun := func(times int) {
		t.Helper()
		eventually(t, "the call to begin", func() bool { return strings.Count(read(t, ledger), "begin 7 ") == times })
	}
	worker := a.spawn("serve", "sleeper")
	worker.says("msg=ready")
	first := a.spawn("web")
	url := first.says(`listening=(http://\S+)`)
	code, body, _ := exchange(t, http.MethodPost, url+"/rpc/sleeper", pass, "respond-async")
	var receipt struct{ Ticket, URL string }
	if err := json.Unmarshal([]byte(body), &receipt); err != nil || code != http.StatusAccepted || receipt.URL != "/tickets/"+receipt.Ticket {
		t.Fatalf("%d %s, error %v; want 202 and a ticket", code, body, err)
	}
	begun(1)
	if code, body, h := exchange(t, http.MethodGet, url+receipt.URL, "", "wait=1"); code != http.StatusAccepted || h.Get("Retry-After") == "" {
		t.Errorf("while it runs: %d %s", code, body)
	}
	if code := first.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	second := a.spawn("web")
	url = second.says(`listening=(http://\S+)`)
	if code, body, _ := exchange(t, http.MethodGet, url+receipt.URL, "", ""); code != http.StatusAccepted {
		t.Errorf("at the second gateway: %d %s", code, body)
	}

	if err := worker.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	worker.wait()
	a.spawn("serve", "sleeper")
	begun(2)
	if err := os.WriteFile(ledger+openGate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const want = `{"jsonrpc":"2.0","id":7,"result":7}`
	if code, body, _ := exchange(t, http.MethodGet, url+receipt.URL, "", "wait=25"); code != http.StatusOK || body != want {
		t.Errorf("in the end: %d %s, want 200 %s", code, body, want)
	}
	a.prints("7\n", "collect", receipt.Ticket)
	if code, body, _ := exchange(t, http.MethodGet, url+receipt.URL, "", ""); code != http.StatusOK || body != want {
		t.Errorf("once more: %d %s, want 200 %s", code, body, want)
	}
	code, stdout, stderr := a.run("call", "--async", "sleeper", "pass", `{"n":8,"ms":0}`)
	if code != 0 || stdout != "8\n" || !strings.Contains(stderr, " collect sleeper-") {
		t.Errorf("call --async: %d, %q, %q", code, stdout, stderr)
	}
	a.fails(3, `there is no such ticket`, "collect", "sleeper-abcdefghijklmnopqrstuvwxyz")
}

// exchange makes a request to a gateway with a preference.
func exchange(t *testing.T, method, url, body, prefer string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", prefer)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, strings.TrimSpace(string(text)), resp.Header
}

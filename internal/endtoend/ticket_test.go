//go:build unix

package endtoend

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
)

const pass = `{"jsonrpc":"2.0","id":7,"method":"pass","params":{"n":7,"ms":0}}`

// A call outlives the request that made it, the gateway that took it and the worker that
// began it; another gateway has its result.
func TestTickets(t *testing.T) {
	t.Parallel()
	onBrokers(t, testTickets)
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
	got := request(t, http.MethodPost, url+"/rpc/sleeper", pass, "Prefer", "respond-async")
	var receipt struct{ Ticket, URL string }
	if err := json.Unmarshal([]byte(got.body), &receipt); err != nil || got.code != http.StatusAccepted || receipt.URL != "/tickets/"+receipt.Ticket {
		t.Fatalf("%d %s, error %v; want 202 and a ticket", got.code, got.body, err)
	}
	ask := func(header ...string) answer {
		t.Helper()
		return request(t, http.MethodGet, url+receipt.URL, "", header...)
	}
	begun(1)
	if got := ask("Prefer", "wait=1"); got.code != http.StatusAccepted || got.header.Get("Retry-After") == "" {
		t.Errorf("while it runs: %d %s", got.code, got.body)
	}
	if code := first.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
	second := a.spawn("web")
	url = second.says(`listening=(http://\S+)`)
	if got := ask(); got.code != http.StatusAccepted {
		t.Errorf("at the second gateway: %d %s", got.code, got.body)
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
	if got := ask("Prefer", "wait=25"); got.code != http.StatusOK || got.body != want {
		t.Errorf("in the end: %d %s, want 200 %s", got.code, got.body, want)
	}
	a.prints("7\n", "collect", receipt.Ticket)
	if got := ask(); got.code != http.StatusOK || got.body != want {
		t.Errorf("once more: %d %s, want 200 %s", got.code, got.body, want)
	}
	code, stdout, stderr := a.run("call", "--async", "sleeper", "pass", `{"n":8,"ms":0}`)
	if code != 0 || stdout != "8\n" || !strings.Contains(stderr, " collect sleeper-") {
		t.Errorf("call --async: %d, %q, %q", code, stdout, stderr)
	}
	a.fails(3, `there is no such ticket`, "collect", "sleeper-abcdefghijklmnopqrstuvwxyz")
}

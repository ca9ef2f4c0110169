//go:build unix

package endtoend

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

const (
	slowClients = 500       // connections that send next to nothing
	flat        = 24 << 20  // bytes of memory that one attack more may take
	mostAttacks = 5         // until memory is flat
	ceiling     = 192 << 20 // bytes of memory that all of them together may take; the race detector alone takes 115
)

// The gateway stands in the open. What is sent to do harm is refused with the right
// status, costs no memory to speak of, and keeps nobody waiting.
func TestHostileRequests(t *testing.T) {
	t.Parallel()
	a := newApp(t, "JOURNEYMAN_URL="+brokertest.Redis(t).URL, "PORT=0")
	a.spawn("serve", "calculator").says("msg=ready")
	web := a.spawn("web")
	address := web.says(`listening=http://(127\.0\.0\.1:\d+)`)
	url := "http://" + address + "/rpc/calculator"
	if code, body := post(t, url, add); code != 200 {
		t.Fatalf("before all: %d %s", code, body)
	}
	// The first attack takes what the process works with: stacks, buffers, and many times as
	// much where the race detector watches. Only a leak takes as much each time.
	quiet := resident(t, web.Process.Pid)
	attack(t, address, url)
	for before, attacks := resident(t, web.Process.Pid), 2; ; attacks++ {
		attack(t, address, url)
		after := resident(t, web.Process.Pid)
		if after > quiet+ceiling {
			t.Errorf("it takes %d MiB, before all %d", after>>20, quiet>>20)
		}
		if after < before+flat {
			break
		}
		if attacks == mostAttacks {
			t.Errorf("attack %d, like those before it, took the gateway from %d to %d MiB", attacks, before>>20, after>>20)
			break
		}
		before = after
	}
	settled(t, "http://"+address)
	if code := web.stop(); code != 0 {
		t.Errorf("the gateway ended with %d", code)
	}
}

// attack is over when everybody has been refused or hung up on.
func attack(t *testing.T, address, url string) {
	t.Helper()
	var slow sync.WaitGroup
	for range slowClients {
		slow.Go(func() { crawl(t, address) })
	}
	nesting := `{"jsonrpc":"2.0","id":1,"method":"add","params":` + strings.Repeat("[", 17<<20)
	many := "[" + strings.Repeat(add+",", 9_999) + add + "]"
	for _, tc := range []struct {
		name, body string
		header     map[string]string
		status     int
	}{
		{"17 MB of nesting", nesting, nil, http.StatusRequestEntityTooLarge},
		{"nesting that fits", nesting[:1<<20], nil, http.StatusBadRequest},
		{"a batch of 10,000", many, nil, http.StatusRequestEntityTooLarge},
		{"a form that looks like JSON", add, map[string]string{"Content-Type": "text/plain"}, http.StatusUnsupportedMediaType},
		{"a name that was made to lead here", add, map[string]string{"Host": "evil.example"}, http.StatusMisdirectedRequest},
		{"a page of another site", add, map[string]string{"Origin": "https://evil.example"}, http.StatusForbidden},
		{"a header of 100 kB", add, map[string]string{"X-Long": strings.Repeat("x", 100_000)}, http.StatusRequestHeaderFieldsTooLarge},
	} {
		for range 3 {
			if status, err := attempt(url, tc.body, tc.header); status != tc.status {
				t.Errorf("%s: status %d, %v, want %d", tc.name, status, err, tc.status)
			}
			if code, body := post(t, url, add); code != 200 || body != `{"jsonrpc":"2.0","id":1,"result":6.1}` {
				t.Errorf("beside %s somebody else gets %d %s", tc.name, code, body)
			}
		}
	}
	slow.Wait() // for each of them is hung up on
}

// settled waits until the gateway has no more goroutines than it needs: one that is left for
// each connection would hardly show in its memory.
func settled(t *testing.T, url string) {
	t.Helper()
	want := slowClients / 5
	for deadline := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		n := goroutines(t, url)
		if n < want {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("when all were gone the gateway had %d goroutines, want less than %d", n, want)
			return
		}
	}
}

// goroutines is how many the gateway says that it has.
func goroutines(t *testing.T, url string) int {
	t.Helper()
	_, text := get(t, url+"/metrics")
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(line, "go_goroutines "); ok {
			n, err := strconv.Atoi(strings.TrimSpace(n))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("it tells nothing of its goroutines:\n%s", text)
	return 0
}

// crawl sends a request's head a byte at a time, and returns when it is hung up on.
func crawl(t *testing.T, address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn)
	}()
	head := "POST /rpc/calculator HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
	deadline := time.After(patience)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		letter := byte('x')
		if n < len(head) {
			letter = head[n]
		}
		_, _ = conn.Write([]byte{letter})
		select {
		case <-ended:
			return
		case <-tick.C:
		case <-deadline:
			t.Errorf("a connection that sends next to nothing is still open after %v", patience)
			return
		}
	}
}

// attempt sends a request and returns the status of the answer. Whoever is refused need not
// have been listened to until the end.
func attempt(url, body string, header map[string]string) (status int, err error) {
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	r.Host = r.Header.Get("Host")
	r.Header.Del("Host")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode, err
}

// resident returns how much memory a process has now, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if os.IsNotExist(err) {
		return 0 // no Linux
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("the system tells nothing of its memory")
	return 0
}

//go:build unix

package endtoend

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Over HTTP "start" needs no broker: it deals out ports, tells every process of the
// folder, and starts again what dies.
func TestStartOverHTTP(t *testing.T) {
	t.Parallel()
	ledger, setting := newLedger(t)
	a := newApp(t, setting, "JOURNEYMAN_TIMEOUT=20s")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	procfile := "web: SELF web\ncalculator: SELF serve calculator\nstatistics: SELF serve statistics\nsleeper: SELF serve sleeper\n"
	if err := os.WriteFile(a.dir+"/Procfile", []byte(strings.ReplaceAll(procfile, "SELF", self)), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePorts(t, 4)
	start := a.with("JOURNEYMAN_TRANSPORT=http").spawn("start", "-p", strconv.Itoa(port))
	url := start.says(`gateway: (http://localhost:\d+)`)
	start.says(fmt.Sprintf(`services are called over HTTP: calculator=http://127\.0\.0\.1:%d,sleeper=http://127\.0\.0\.1:%d,statistics=http://127\.0\.0\.1:%d`, port+100, port+300, port+200))
	for _, name := range []string{"calculator", "statistics", "sleeper"} {
		start.says(`msg=listening .*service=` + name)
	}
	start.says(`listening=http://127\.0\.0\.1`)

	// These commands are told nothing: they find the "start" of their folder.
	testCommands(t, a)

	// A service that is killed is missed at once, by name, and is back soon.
	if code, body := post(t, url+"/rpc/calculator", add); code != 200 || body != `{"jsonrpc":"2.0","id":1,"result":6.1}` {
		t.Errorf("through the gateway: %d %s", code, body)
	}
	victim, err := strconv.Atoi(start.says(`calculator\.1 +\| started with pid (\d+)`))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	start.says(`(?s)calculator\.1 +\| crashed.*calculator\.1 +\| started with pid`)
	eventually(t, "the calculator to be back", func() bool {
		code, _, _ := a.run("call", "statistics", "mean", "[[1,2,3,4]]")
		return code == 0
	})

	// What runs when all are stopped ends, and its caller is answered.
	call := a.spawn("call", "sleeper", "sleep", `{"n":7,"ms":1500}`)
	eventually(t, "the job to run", func() bool { return strings.Contains(read(t, ledger), "begin 7 ") })
	if code := start.stop(); code != 0 {
		t.Errorf("start ended with %d", code)
	}
	if code := call.wait(); code != 0 || call.log.String() != "7\n" {
		t.Errorf("the call ended with %d and %q, want its answer", code, call.log)
	}
	if text := read(t, ledger); !strings.Contains(text, "end 7 ") {
		t.Errorf("the job did not end: %s", text)
	}
}

// A service asks for the keys that its callers show, and our callers show one.
func TestKeysOverHTTP(t *testing.T) {
	t.Parallel()
	a := newApp(t, "JOURNEYMAN_TRANSPORT=http", "PORT=0")
	address := "http://" + a.with("JOURNEYMAN_API_KEYS=new-key,old-key").spawn("serve", "calculator").says(`msg=listening .* address=(\S+)`)
	a = a.with("JOURNEYMAN_SERVICES=calculator=" + address)
	a.with("JOURNEYMAN_API_KEYS=old-key").prints("3\n", "call", "calculator", "add", "1", "2")
	a.with("JOURNEYMAN_API_KEYS=new-key").prints("3\n", "call", "calculator", "add", "1", "2")
	for _, other := range []string{"JOURNEYMAN_API_KEYS=another-key", "JOURNEYMAN_API_KEYS="} {
		a.with(other).fails(2, `^\S+: calculator at `+address+` \(from JOURNEYMAN_SERVICES\) cannot be called: .*401`, "call", "calculator", "add", "1", "2")
	}
	if code, body := post(t, address+"/rpc/calculator", add); code != 401 || strings.Contains(body, "6.1") {
		t.Errorf("without a key: %d %s", code, body)
	}
	a.with("DYNO=web.1", "JOURNEYMAN_API_KEYS=").fails(2, `set JOURNEYMAN_API_KEYS`, "serve", "calculator")
}

// A taken port is told in a line.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	newApp(t, "JOURNEYMAN_TRANSPORT=http", "PORT="+port).fails(2, `^\S+: listen on 127\.0\.0\.1:\d+: another process has that port; set PORT to a free one\n$`, "serve", "calculator")
}

// freePorts returns a port that is free, as are the n-1 after it at distances of 100,
// which is how "start" deals them out.
func freePorts(t *testing.T, n int) int {
	t.Helper()
	for port := 20000 + os.Getpid()%100; port < 32000; port += 100 * n {
		var all []net.Listener
		for i := range n {
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+100*i))
			if err != nil {
				break
			}
			all = append(all, l)
		}
		for _, l := range all {
			_ = l.Close()
		}
		if len(all) == n {
			return port
		}
	}
	t.Fatal("no ports are free")
	return 0
}

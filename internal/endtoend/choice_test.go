//go:build unix

package endtoend

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// The same app on each transport: what users type and see is the same, and the one
// thing that differs is a variable.
func TestEveryTransport(t *testing.T) {
	t.Parallel()
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		url, namespace := brokertest.Namespace(t)
		testBroker(t, newApp(t, "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace))
	})
	t.Run("rabbitmq", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, "CLOUDAMQP_URL="+brokertest.Vhost(t))
		testBroker(t, a)
		a.fails(2, `^\S+: service payments has jsonrpc.Dedupe on charge, and RabbitMQ cannot remember replies: serve it on Redis`, "serve", "payments")
		a.fails(3, `RabbitMQ cannot pause services, and Redis can`, "pause", "calculator")
		a.fails(3, `not supported by this transport; Redis can do it\n$`, "notify", "--unique", "x", "calculator", "add")
	})
	t.Run("http", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, "JOURNEYMAN_TRANSPORT=http", "PORT=0")
		calculator := "calculator=http://" + a.spawn("serve", "calculator").says(`msg=listening .* address=(\S+)`)
		caller := a.with("JOURNEYMAN_SERVICES="+calculator+",gone=http://127.0.0.1:1").spawn("serve", "statistics")
		statistics := "statistics=http://" + caller.says(`msg=listening .* address=(\S+)`)
		a = a.with("JOURNEYMAN_SERVICES=" + calculator + "," + statistics)
		testCommands(t, a)
		testOneDown(t, a.with("JOURNEYMAN_SERVICES="+calculator+",gone=http://127.0.0.1:1"))
		if code := caller.stop(); code != 0 || strings.Contains(caller.log.String(), "not ready") {
			t.Errorf("it ended with %d, or waited for a service that is down:\n%s", code, caller.log)
		}
		a.fails(3, `^\S+: no address is set for a service named "calculatr"; did you mean "calculator"\?\n$`, "call", "calculatr", "add")
		a.fails(2, `^\S+: service payments has jsonrpc.Dedupe on charge, and HTTP cannot remember replies: serve it on Redis`, "serve", "payments")
		a.fails(3, `HTTP cannot keep dead letters, and Redis and RabbitMQ can`, "dead", "list", "calculator")
		a.fails(3, `HTTP cannot pause services, and Redis can`, "pause", "calculator")
		a.fails(3, `over HTTP there are no queues`, "queues")
		a.fails(3, `not supported by this transport.*; Redis and RabbitMQ can do it\n$`, "notify", "--in", "1h", "calculator", "add")
		a.fails(3, `not supported by this transport.*; Redis can do it\n$`, "notify", "--unique", "x", "calculator", "add")
	})
}

// testOneDown has a service "gone" that is not there, which is no matter to those that are.
func testOneDown(t *testing.T, a *app) {
	t.Helper()
	want := `SERVICE +STATE .*\ncalculator +up +\? .* http://127\.0\.0\.1:\d+ +add divide multiply subtract\ngone +down +\? `
	if _, stdout, _ := a.run("services"); !regexp.MustCompile(want).MatchString(stdout) {
		t.Errorf("services are shown as:\n%s", stdout)
	}
	web := a.spawn("web")
	url := web.says(`listening=(http://\S+)`)
	if code, body := post(t, url+"/rpc/gone", add); code != 503 {
		t.Errorf("the one that is not there: %d %s", code, body)
	}
	if code, body := post(t, url+"/rpc/calculator", add); code != 200 {
		t.Errorf("one that is: %d %s", code, body)
	}
	if code, body := get(t, url+"/readyz"); code != 200 {
		t.Errorf("the gateway is not ready: %d %s", code, body)
	}
}

// testBroker is for transports with a broker in the middle.
func testBroker(t *testing.T, a *app) {
	t.Helper()
	a.spawn("serve", "calculator").says("msg=ready")
	a.spawn("serve", "statistics").says("msg=ready")
	testCommands(t, a)
	a.fails(3, `^\S+: no service named "calculatr" was ever started on this broker; did you mean "calculator"\?\n$`, "call", "calculatr", "add")

	// What fails for good ends where people find it.
	a.prints("", "notify", "--in", "10ms", "calculator", "add", "none")
	eventually(t, "the dead letter", func() bool {
		_, stdout, _ := a.run("dead", "list", "calculator")
		return strings.Contains(stdout, "calculator  ")
	})
	_, list, _ := a.run("dead", "list", "calculator")
	if !strings.Contains(list, " add ") || !strings.Contains(list, "-32602") && !strings.Contains(list, "nvalid params") {
		t.Errorf("the dead letter is shown as:\n%s", list)
	}
	if code, stdout, stderr := a.run("dead", "delete", "--all", "--yes", "calculator"); code != 0 {
		t.Errorf("dead delete: exit code %d, %s%s", code, stdout, stderr)
	}
	a.prints("No dead letters.\n", "dead", "list", "calculator")
	eventually(t, "all to be done", func() bool {
		_, stdout, _ := a.run("queues", "calculator")
		return strings.Contains(stdout, "\ncalculator  0 ")
	})
}

// testCommands is what every transport answers in the same words.
func testCommands(t *testing.T, a *app) {
	t.Helper()
	a.prints("6.1\n", "call", "calculator", "add", "1", "5.1")
	a.prints("2.5\n", "call", "statistics", "mean", "[[1,2,3,4]]") // which calls the calculator
	a.prints("\"pong\"\n", "call", "calculator", "rpc.ping")
	a.prints("", "notify", "calculator", "add", "1", "2")
	a.fails(1, `^{"code":-32601,`, "call", "calculator", "nothere")
	a.fails(1, `^{"code":-32602,`, "call", "calculator", "add", "one")
	a.fails(1, `^{"code":`, "call", "calculator", "divide", "1", "0")
	eventually(t, "both services to be up", func() bool {
		_, stdout, _ := a.run("services")
		return strings.Contains(stdout, "calculator  up ") && strings.Contains(stdout, "statistics  up ")
	})
	web := a.with("PORT=0").spawn("web")
	url := web.says(`listening=(http://\S+)`)
	if code, body := post(t, url+"/rpc/statistics", `{"jsonrpc":"2.0","id":7,"method":"mean","params":[[1,2]]}`); code != 200 || body != `{"jsonrpc":"2.0","id":7,"result":1.5}` {
		t.Errorf("through the gateway: %d %s", code, body)
	}
	if code := web.stop(); code != 0 {
		t.Errorf("web ended with %d", code)
	}
}

// Where nothing answers, a command says so before its user loses patience.
func TestNothingAnswers(t *testing.T) {
	t.Parallel()
	for setting, where := range map[string]string{
		"JOURNEYMAN_URL=redis://u:hunter2@127.0.0.1:1":                          `no broker answers at redis://u:xxxxx@127.0.0.1:1`,
		"JOURNEYMAN_URL=amqp://u:hunter2@127.0.0.1:1,amqps://127.0.0.1:2":       `no broker answers at amqp://u:xxxxx@127.0.0.1:1,amqps://127.0.0.1:2`,
		"JOURNEYMAN_URL=http://127.0.0.1:1":                                     `calculator at http://127.0.0.1:1`,
		"JOURNEYMAN_URL=http://localhost:1/{service}":                           `calculator at http://localhost:1/calculator`,
		"JOURNEYMAN_SERVICES=statistics=http://h,calculator=http://localhost:1": `calculator at http://localhost:1`,
	} {
		a := newApp(t, setting, "JOURNEYMAN_TIMEOUT=1m")
		began := time.Now()
		a.fails(3, `^\S+: `+where+` \(from JOURNEYMAN_\w+\).* connection refused; `, "call", "calculator", "add", "1", "2")
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%s: it took %v, half of the call's timeout", setting, took)
		}
		if _, _, stderr := a.run("notify", "calculator", "add"); strings.Contains(stderr, "hunter2") {
			t.Errorf("%s: it shows the password: %s", setting, stderr)
		}
	}
}

// A method with a queue and workers of its own.
func TestOnly(t *testing.T) {
	t.Parallel()
	a := newApp(t, "JOURNEYMAN_URL="+brokertest.Vhost(t))
	a.spawn("serve", "calculator", "--only", "add").says("msg=ready")
	eventually(t, "add to be served", func() bool {
		code, stdout, _ := a.run("call", "--timeout", "5s", "calculator", "add", "1", "2")
		return code == 0 && stdout == "3\n"
	})
	a.fails(3, `did not answer within 500ms`, "call", "--timeout", "500ms", "calculator", "subtract", "1", "2")
	a.spawn("serve", "calculator").says("msg=ready")
	a.prints("-1\n", "call", "calculator", "subtract", "1", "2")

	url, namespace := brokertest.Namespace(t)
	a = newApp(t, "JOURNEYMAN_URL="+url, "JOURNEYMAN_NAMESPACE="+namespace)
	a.fails(2, `^\S+: serve --only: Redis has no queues for single methods, and RabbitMQ has \(JOURNEYMAN_TRANSPORT=rabbitmq\)\n$`, "serve", "calculator", "--only", "add")
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited %v for %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

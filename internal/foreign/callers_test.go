//go:build unix

package foreign

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// The programs, by what is put to the test with them. Whoever adds one adds it here.
var (
	callers = map[*language][]string{
		ruby:   {"redis_call", "rabbitmq_call", "rabbitmq_direct", "rabbitmq_rpc", "http_call"},
		python: {"redis_call", "rabbitmq_call", "rabbitmq_direct", "rabbitmq_rpc", "http_call"},
		node:   {"redis_call", "rabbitmq_call", "rabbitmq_direct", "rabbitmq_rpc", "http_call", "http_jayson"},
		shell:  {"redis_call", "http_call"},
	}
	workers = map[*language][]string{
		ruby:   {"redis_worker", "redis_bare_worker", "rabbitmq_worker"},
		python: {"http_worker"},
	}
	parts = map[*language][]string{ruby: {"shouter"}} // of other programs
)

func TestEveryProgramIsTested(t *testing.T) {
	t.Parallel()
	var want []string
	for _, some := range []map[*language][]string{callers, workers, parts} {
		for l, names := range some {
			for _, name := range names {
				want = append(want, program{l, name}.String())
			}
		}
	}
	found, err := filepath.Glob(clients + "/*/*")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, path := range found {
		name, err := filepath.Rel(clients, path)
		if err != nil {
			t.Fatal(err)
		}
		if base := filepath.Base(name); base[0] != '.' && base != "node_modules" && filepath.Ext(base) != ".json" {
			got = append(got, name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("programs in %s (-tested +there):\n%s", clients, diff)
	}
}

// each runs a test for every caller of a wire, a few at a time.
func each(t *testing.T, wire string, test func(t *testing.T, p program)) {
	t.Helper()
	for _, l := range languages {
		for _, name := range callers[l] {
			if strings.HasPrefix(name, wire+"_") {
				p := program{l, name}
				t.Run(p.String(), func(t *testing.T) {
					t.Parallel()
					test(t, p)
				})
			}
		}
	}
}

// answers tells that a program prints the sum.
func answers(t *testing.T, p program, env ...string) {
	t.Helper()
	got := p.run(t, append(env, "TIMEOUT=60")...)
	if want := (result{stdout: "6.1\n"}); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// fails tells that a program says what went wrong, in a line and not with a stack.
func fails(t *testing.T, p program, why string, env ...string) {
	t.Helper()
	got := p.run(t, env...)
	if got.code == 0 || got.stdout != "" || strings.Count(got.stderr, "\n") != 1 || !regexp.MustCompile(why).MatchString(got.stderr) {
		t.Errorf("%s\nwant another exit code than 0, nothing on stdout, and a line that matches %q on stderr", got, why)
	}
}

const (
	silence = `^no reply within 1 s\n`
	refusal = `^calculator: .*Method not found`
)

// serve starts a calculator, ours or the one that cannot add, and waits for it.
func serve(t *testing.T, program string, env ...string) *process {
	t.Helper()
	p := start(t, env, program, "serve", "calculator")
	eventually(t, p, func() error {
		if got, want := run(t, env, program, "call", "calculator", "rpc.ping"), (result{stdout: "\"pong\"\n"}); got != want {
			return fmt.Errorf("%s, want %s", got, want)
		}
		return nil
	})
	return p
}

func incapable(t *testing.T) (program string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

func TestRedisCallers(t *testing.T) {
	t.Parallel()
	// Of this test alone, since the programs know nothing of namespaces. Each of its
	// databases is a broker of its own.
	url := strings.TrimSuffix(brokertest.Redis(t).URL, "/0")
	serve(t, journeyman(t), "JOURNEYMAN_URL="+url+"/1")
	serve(t, incapable(t), childVariable+"=1", "JOURNEYMAN_URL="+url+"/2")
	each(t, "redis", func(t *testing.T, p program) {
		answers(t, p, "REDIS_URL="+url+"/1")
		fails(t, p, refusal, "REDIS_URL="+url+"/2", "TIMEOUT=60")
		fails(t, p, silence, "REDIS_URL="+url+"/3", "TIMEOUT=1")
	})
}

func TestRabbitMQCallers(t *testing.T) {
	t.Parallel()
	able, unable, elsewhere, empty := brokertest.Vhost(t), brokertest.Vhost(t), brokertest.Vhost(t), brokertest.Vhost(t)
	serve(t, journeyman(t), "JOURNEYMAN_URL="+able)
	serve(t, incapable(t), childVariable+"=1", "JOURNEYMAN_URL="+unable)
	other := program{ruby, "rabbitmq_worker"}.start(t, "RABBITMQ_URL="+elsewhere)
	shouts(t, other, "JOURNEYMAN_URL="+elsewhere) // where a service is, and no calculator
	each(t, "rabbitmq", func(t *testing.T, p program) {
		answers(t, p, "RABBITMQ_URL="+able)
		fails(t, p, refusal, "RABBITMQ_URL="+unable, "TIMEOUT=60")
		if p.name == "rabbitmq_rpc" {
			fails(t, p, "^there is no service calculator", "RABBITMQ_URL="+elsewhere, "TIMEOUT=60")
			fails(t, p, "^no service was ever started on this broker", "RABBITMQ_URL="+empty, "TIMEOUT=60")
			return
		}
		fails(t, p, silence, "RABBITMQ_URL="+empty, "TIMEOUT=1")
	})
}

func TestGatewayCallers(t *testing.T) {
	t.Parallel()
	url := strings.TrimSuffix(brokertest.Redis(t).URL, "/0")
	serve(t, journeyman(t), "JOURNEYMAN_URL="+url+"/1")
	serve(t, incapable(t), childVariable+"=1", "JOURNEYMAN_URL="+url+"/2")
	gateway := func(broker string) (variable string) {
		return "CALCULATOR_URL=" + listen(t, journeyman(t), []string{"web"}, "JOURNEYMAN_URL="+broker) + "/rpc/calculator"
	}
	able, unable := gateway(url+"/1"), gateway(url+"/2")
	each(t, "http", func(t *testing.T, p program) {
		answers(t, p, able)
		fails(t, p, refusal, unable, "TIMEOUT=60")
		fails(t, p, "no service", strings.TrimSuffix(able, "calculator")+"nonesuch", "TIMEOUT=60")
	})
}

// Without a broker callers reach the service itself, by the same requests.
func TestHTTPCallers(t *testing.T) {
	t.Parallel()
	service := func(program string, env ...string) (variable string) {
		env = append(env, "JOURNEYMAN_TRANSPORT=http")
		return "CALCULATOR_URL=" + listen(t, program, []string{"serve", "calculator"}, env...) + "/rpc/calculator"
	}
	able, unable := service(journeyman(t)), service(incapable(t), childVariable+"=1")
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // which takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deaf.Close() })
	nobody := freePort(t)
	each(t, "http", func(t *testing.T, p program) {
		answers(t, p, able)
		fails(t, p, refusal, unable, "TIMEOUT=60")
		fails(t, p, "calculator: .*served here: calculator", strings.TrimSuffix(able, "calculator")+"nonesuch", "TIMEOUT=60")
		fails(t, p, silence, "CALCULATOR_URL=http://"+deaf.Addr().String()+"/rpc/calculator", "TIMEOUT=1")
		fails(t, p, "(?i)refused|connect", "CALCULATOR_URL=http://127.0.0.1:"+nobody+"/rpc/calculator", "TIMEOUT=60")
	})
}

// isReady returns nil once /readyz says so.
func isReady(address string) error {
	response, err := (&http.Client{Timeout: patience}).Get(address + "/readyz")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s/readyz: %s", address, response.Status)
	}
	return nil
}

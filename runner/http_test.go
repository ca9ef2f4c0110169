package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// What decides about HTTP, whatever else is set, and what is shown of it.
func TestSettingsOverHTTP(t *testing.T) {
	const own = "statistics=http://h:2/x,calculator=http://h:1"
	for name, tc := range map[string]struct {
		env                      map[string]string
		url, transport, services string // value and source as config shows them
		wantWarning, wantFault   string
	}{
		"addresses": {
			env: map[string]string{"JOURNEYMAN_SERVICES": own},
			url: " default", transport: "http JOURNEYMAN_SERVICES", services: "calculator=http://h:1,statistics=http://h:2/x environment",
		},
		"one address": {
			env: map[string]string{"JOURNEYMAN_URL": "http://{service}.internal:80"},
			url: "http://{service}.internal:80 environment", transport: "http JOURNEYMAN_URL", services: " default",
		},
		"both": {
			env: map[string]string{"JOURNEYMAN_URL": "https://h/{service}", "JOURNEYMAN_SERVICES": "calculator=http://h:1"},
			url: "https://h/{service} environment", transport: "http JOURNEYMAN_URL", services: "calculator=http://h:1 environment",
		},
		"a broker beside them": {
			env: map[string]string{"JOURNEYMAN_SERVICES": own, "REDIS_URL": "redis://h"},
			url: "redis://h REDIS_URL", transport: "redis REDIS_URL", services: "calculator=http://h:1,statistics=http://h:2/x environment",
			wantWarning: "JOURNEYMAN_SERVICES does nothing, as REDIS_URL names a broker; set JOURNEYMAN_TRANSPORT=http",
		},
		"neither": {
			env: map[string]string{"JOURNEYMAN_TRANSPORT": "http"},
			url: " default", transport: "http environment", services: " default",
		},
		"neither, on a platform": {
			env: map[string]string{"JOURNEYMAN_TRANSPORT": "http", "DYNO": "web.1", "CLOUDAMQP_URL": "amqp://h"},
			url: " default", transport: "http environment", services: " default",
		},
		"bad ones": {
			env: map[string]string{"JOURNEYMAN_SERVICES": "calculator=http://u:hunter2@h"},
			url: " default", transport: "http JOURNEYMAN_SERVICES", services: "[redacted] (invalid) environment",
			wantFault: "a user or a password in the address of calculator",
		},
		"a brace too few": {
			env: map[string]string{"JOURNEYMAN_URL": "http://{service.hunter2"}, wantFault: "JOURNEYMAN_URL has something else than {service} in braces",
			url: "[redacted] environment", transport: "http JOURNEYMAN_URL", services: " default",
		},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t, tc.env)
			e := readEnvironment(".")
			got := map[string]string{}
			for _, s := range e.settings {
				got[s.Name] = s.Value + " " + s.Source
			}
			for name, want := range map[string]string{"JOURNEYMAN_URL": tc.url, "JOURNEYMAN_TRANSPORT": tc.transport, "JOURNEYMAN_SERVICES": tc.services} {
				if got[name] != want {
					t.Errorf("%s is shown as %q, want %q", name, got[name], want)
				}
			}
			if want, _, _ := strings.Cut(tc.transport, " "); e.broker.transport != want || e.missing != "" {
				t.Errorf("the broker is %+v, want one of %s, and %q is missing", e.broker, want, e.missing)
			}
			for what, pair := range map[string][2]string{"warnings": {strings.Join(e.warnings, "\n"), tc.wantWarning}, "faults": {strings.Join(e.faults, "\n"), tc.wantFault}} {
				if pair[1] == "" && pair[0] != "" || !strings.Contains(pair[0], pair[1]) {
					t.Errorf("%s are %q, want %q", what, pair[0], pair[1])
				}
			}
			if all := fmt.Sprintf("%+v %v %v", e.config, e.faults, got); strings.Contains(all, "hunter2") {
				t.Errorf("a password is shown: %s", all)
			}
		})
	}
}

// Addresses without a password in them are all that the settings allow; what is shown
// does not rely on it.
func TestShowAddresses(t *testing.T) {
	t.Parallel()
	got := showAddresses(map[string]string{"b": "http://u:hunter2@h/x?key=hunter2", "a": "http://h"})
	if want := "a=http://h,b=http://u:xxxxx@h/x"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What reaches the transport.
func TestTargetOverHTTP(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_TRANSPORT": "http", "JOURNEYMAN_SERVICES": "tester=http://h", "JOURNEYMAN_API_KEYS": "one,two", "PORT": "5100"})
	var target Target
	s := newSite()
	s.with(func(t Target) (Link, error) { target = t; return Link{Transport: pinged{}}, nil }).run(t, "services")
	want := Target{Transport: "http", Services: map[string]string{"tester": "http://h"}, Listen: "127.0.0.1:5100", Keys: []string{"one", "two"}, Known: []string{"tester", "nested", "broken"}}
	got := Target{Transport: target.Transport, URL: target.URL, Services: target.Services, Listen: target.Listen, Keys: target.Keys, Known: target.Known, Catalogue: target.Catalogue}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("target (-want +got):\n%s", d)
	}
	// Keys are for nobody else's eyes.
	isolate(t, map[string]string{"JOURNEYMAN_URL": "amqp://h", "JOURNEYMAN_API_KEYS": "one"})
	s.run(t, "services")
	if target.Keys != nil || target.Listen != "" || target.Transport != "rabbitmq" {
		t.Errorf("on RabbitMQ it is %+v", target)
	}
}

// start gives every service a port and tells all of them, and the other commands of the folder.
func TestStartOverHTTP(t *testing.T) {
	dir := isolate(t, map[string]string{"JOURNEYMAN_TRANSPORT": "http", "JOURNEYMAN_SERVICES": "other=http://remote:1"})
	show := `echo "$PS at $PORT knows $JOURNEYMAN_SERVICES by $JOURNEYMAN_TRANSPORT$JOURNEYMAN_URL end"; exec sleep 1000 #`
	writeFile(t, dir+"/Procfile", "web: "+show+" app web\ntests: "+show+" app serve --only echo tester\nclock: "+show+"\nnested: "+show+" app serve nested\n")
	s := newSite()
	start := s.spawn(t, "start", "-p", "7100", "-m", "nested=0")
	start.out.match(t, `msg="no broker, services are called over HTTP: tester=http://127\.0\.0\.1:7200"`)
	start.out.match(t, `msg="gateway: http://localhost:7100"`)
	start.out.match(t, `level=WARN msg="no line of the Procfile runs broken, `)
	if strings.Contains(start.out.String(), "Procfile runs nested") {
		t.Errorf("a service that has its line, and is not wanted now, is warned of:\n%s", start.out)
	}
	for _, process := range []string{`web\.1 at 7100`, `tests\.1 at 7200`, `clock\.1 at 7300`} {
		start.out.match(t, process+` knows other=http://remote:1,tester=http://127\.0\.0\.1:7200 by http end`)
	}
	text, err := os.ReadFile(dir + "/.journeyman/start.json")
	var file startFile
	if err != nil || json.Unmarshal(text, &file) != nil || file != (startFile{Services: "tester=http://127.0.0.1:7200", PID: os.Getpid()}) {
		t.Errorf("start.json holds %s, %v", text, err)
	}

	// Another terminal of the folder, with the same .env and without.
	known := func() string { return showAddresses(readEnvironment(dir).broker.addresses) }
	if got, want := known(), "other=http://remote:1,tester=http://127.0.0.1:7200"; got != want {
		t.Errorf("beside it %q are known, want %q", got, want)
	}
	os.Unsetenv("JOURNEYMAN_SERVICES")
	os.Unsetenv("JOURNEYMAN_TRANSPORT")
	if got, want := known(), "tester=http://127.0.0.1:7200"; got != want {
		t.Errorf("beside it %q are known, want %q", got, want)
	}
	t.Setenv("JOURNEYMAN_TRANSPORT", "redis")
	if got := readEnvironment(dir).broker; got.url != localBroker {
		t.Errorf("beside it Redis is %+v, want the default", got)
	}
	start.signals <- syscall.SIGTERM
	if code := start.wait(t); code != 0 {
		t.Errorf("exit code %d; it said:\n%s", code, start.out)
	}
}

func TestStartOverHTTPRefuses(t *testing.T) {
	dir := isolate(t, map[string]string{"JOURNEYMAN_TRANSPORT": "http", "JOURNEYMAN_SERVICES": "nested=http://localhost:7200,broken=http://remote:1"})
	writeFile(t, dir+"/Procfile", "tester: app serve tester\nnested: app serve nested\n")
	writeFile(t, dir+"/twice", "a: app serve tester\nb: 'app' serve 'tester'\n")
	writeFile(t, dir+"/elsewhere", "broken: app serve broken\n")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"-m", "tester=2"}, "app: two processes are to serve tester, and over HTTP a service has one address; run one: -m tester=1, or use a broker\n"},
		{[]string{"-f", "twice"}, "app: two processes are to serve tester, and over HTTP a service has one address; leave one of a and b out: -m b=0, or use a broker\n"},
		{[]string{"-f", "elsewhere", "-p", "7100"}, "app: JOURNEYMAN_SERVICES has broken at http://remote:1, and here it is to run at http://127.0.0.1:7100; take it out of there, or do not run it: -m broken=0\n"},
		{[]string{"-p", "7000"}, "app: JOURNEYMAN_SERVICES has nested at http://localhost:7200, and here it is to run at http://127.0.0.1:7100"},
	} {
		if got := newSite().run(t, append([]string{"start"}, tc.args...)...); got.Code != 2 || !strings.HasPrefix(got.Stderr, tc.want) {
			t.Errorf("%q: %+v, want exit code 2 and %s", tc.args, got, tc.want)
		}
	}
}

// A transport that lacks something refuses a service that needs it, which nobody can
// mend but whoever configures it.
func TestServeUnsupported(t *testing.T) {
	plain := func(t *testing.T, env map[string]string, args ...string) result {
		t.Helper()
		isolate(t, env)
		s := &site{programs: []Program{RPC("payments", "", func(Resources) (*jsonrpc.Mux, error) {
			mux := new(jsonrpc.Mux)
			mux.Handle("charge", says("x"), jsonrpc.Dedupe(patience))
			mux.Handle("refund", says("x"), jsonrpc.Dedupe(patience))
			mux.Handle("list", says("x"))
			return mux, nil
		})}}
		return s.with(func(Target) (Link, error) { return Link{Transport: unable{}}, nil }).run(t, append([]string{"serve"}, args...)...)
	}
	rabbit, http := map[string]string{"JOURNEYMAN_URL": "amqp://h"}, map[string]string{"JOURNEYMAN_TRANSPORT": "http"}
	dedupe := "app: service payments has jsonrpc.Dedupe on charge, refund, and %s cannot remember replies: serve it on Redis (JOURNEYMAN_TRANSPORT=redis), or make the method harmless to repeat and take the option away\n"
	only := "app: serve --only: %s has no queues for single methods, and RabbitMQ has (JOURNEYMAN_TRANSPORT=rabbitmq)\n"
	for _, tc := range []struct {
		env  map[string]string
		args []string
		want string
	}{
		{rabbit, []string{"payments"}, fmt.Sprintf(dedupe, "RabbitMQ")},
		{rabbit, []string{"payments", "--only", "list"}, fmt.Sprintf(dedupe, "RabbitMQ")},
		{http, []string{"payments"}, fmt.Sprintf(dedupe, "HTTP")},
		{http, []string{"--only", "list , charge", "payments"}, fmt.Sprintf(only, "HTTP") + fmt.Sprintf(dedupe, "HTTP")},
		{nil, []string{"--only", "list", "payments"}, fmt.Sprintf(only, "Redis")},
		{rabbit, []string{"--only", "lits", "payments"}, "app: --only names \"lits\", and the methods are charge, list, refund; did you mean \"list\"?\n"},
		{rabbit, []string{"--only", ", ", "payments"}, "app: --only is empty, want one of charge, list, refund or several, separated by commas\n"},
		{map[string]string{"JOURNEYMAN_TRANSPORT": "http", "DYNO": "payments.1"}, []string{"payments"}, "app: service payments cannot be served: on Heroku others may reach its port, so set JOURNEYMAN_API_KEYS, the same for every process: callers must show one of them\n"},
	} {
		got := plain(t, tc.env, tc.args...)
		if got.Code != 2 || got.Stderr != tc.want {
			t.Errorf("%v %q: exit code %d and %q, want %q", tc.env, tc.args, got.Code, got.Stderr, tc.want)
		}
	}
}

// A transport that refuses whatever it is asked to serve.
type unable struct{ pinged }

func (unable) Ping(context.Context) error { return nil }

func (unable) Serve(_ context.Context, s transports.Service) error {
	return fmt.Errorf("serve %s: %w", s.Name, transports.ErrUnsupported)
}

// A service on a platform may listen where only its own machine can reach it.
func TestExposure(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		platform, bind string
		keys           []Secret
		want           bool
	}{
		{"", "0.0.0.0", nil, false},
		{"Heroku", "", nil, true},
		{"Heroku", "0.0.0.0", nil, true},
		{"Heroku", "::1", nil, false},
		{"Heroku", "127.0.0.1", nil, false},
		{"Heroku", "", []Secret{"key"}, false},
	} {
		e := environment{config: Config{Bind: tc.bind, APIKeys: tc.keys}, platform: platform{name: tc.platform}}
		if got := e.exposure(); (got != "") != tc.want {
			t.Errorf("%+v: %q", tc, got)
		}
	}
}

func TestSameServer(t *testing.T) {
	t.Parallel()
	const here = "http://127.0.0.1:5100"
	for other, want := range map[string]bool{
		"http://localhost:5100": true, "http://127.0.0.1:5100/": true, "http://[::1]:5100": true, here: true,
		"http://localhost:5200": false, "http://127.0.0.1:5100/x": false, "https://127.0.0.1:5100": false, "http://192.0.2.1:5100": false, "http://localhost": false,
	} {
		if got := sameServer(other, here); got != want {
			t.Errorf("%s is the same as %s: %v", other, here, got)
		}
	}
	if !sameServer("http://localhost", "http://127.0.0.1:80") {
		t.Error("without a port it is not port 80")
	}
}

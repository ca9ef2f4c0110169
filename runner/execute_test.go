package runner

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports/memory"
)

func TestCommands(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	nested := s.spawn(t, "serve", "nested")
	nested.out.match(t, "msg=ready")
	nested.out.match(t, "connections=3") // it calls, too
	for _, tc := range []struct {
		args []string
		want result
	}{
		{[]string{"call", "tester", "echo", "1", "5.1"}, result{0, "[1,5.1]\n", ""}},
		{[]string{"call", "tester", "echo", `{"n": 9007199254740993}`}, result{0, `{"n": 9007199254740993}` + "\n", ""}},
		{[]string{"call", "tester", "echo", "-1", "two"}, result{0, `[-1,"two"]` + "\n", ""}},
		{[]string{"call", "--timeout", "20s", "tester", "echo", "--", "-x", "--y"}, result{0, `["-x","--y"]` + "\n", ""}},
		{[]string{"call", "--", "tester", "echo", "-x"}, result{0, `["-x"]` + "\n", ""}},
		{[]string{"call", "tester", "echo"}, result{0, "null\n", ""}},
		{[]string{"call", "tester", "rpc.ping"}, result{0, `"pong"` + "\n", ""}},
		{[]string{"call", "nested", "ask", "1"}, result{0, "[1]\n", ""}},
		{[]string{"notify", "tester", "echo", "1"}, result{0, "", ""}},
		{[]string{"notify", "tester", "echo"}, result{0, "", ""}},
		{[]string{"notify", "--in", "1h", "--unique", "u", "--key", "k", "tester", "echo"}, result{0, "", ""}},
		{[]string{"notify", "--at", "2001-12-31T09:00:00+01:00", "tester", "echo"}, result{0, "", ""}},

		{[]string{"call", "tester", "refuse"}, result{1, "", `{"code":7,"message":"no","data":[1]}` + "\n"}},
		{[]string{"call", "tester", "nothere"}, result{1, "", `{"code":-32601,"message":"Method not found","data":{"method":"nothere"}}` + "\n"}},

		{[]string{"call", "tester", "echo", "{oops"}, result{2, "", `app: argument "{oops" begins like JSON and is none: invalid character 'o' looking for beginning of object key string` + "\n"}},
		{[]string{"call", "tester", "echo", "1", "--timeout", "3s"}, result{2, "", "app: flag --timeout stands behind the arguments, where it would be ignored; the order is: app call [options] SERVICE METHOD [ARG…] (or put -- before arguments that begin with -)\n"}},
		{[]string{"serve", "tester", "--concurrency=3"}, result{2, "", "app: flag provided but not defined: -concurrency; the order is: app serve [options] SERVICE\n"}},
		{[]string{"call", "--timeuot", "3s", "tester", "echo"}, result{2, "", "app: flag provided but not defined: -timeuot; the order is: app call [options] SERVICE METHOD [ARG…]\n"}},
		{[]string{"call", "--timeout", "3", "tester", "echo"}, result{2, "", `app: --timeout is "3", want a duration such as 25s or 2m; the order is: app call [options] SERVICE METHOD [ARG…]` + "\n"}},
		{[]string{"notify", "--in", "soon", "tester", "echo"}, result{2, "", `app: --in is "soon", want a duration such as 25s or 2m; the order is: app notify [options] SERVICE METHOD [ARG…]` + "\n"}},
		{[]string{"notify", "--in", "-1s", "tester", "echo"}, result{2, "", "app: --in is -1s, want 0s or more\n"}},
		{[]string{"notify", "--at", "tomorrow", "tester", "echo"}, result{2, "", `app: --at is "tomorrow", want a time with its zone, such as 2030-12-31T09:00:00Z or 2030-12-31T10:00:00+01:00` + "\n"}},
		{[]string{"notify", "--in", "1s", "--at", "2030-12-31T09:00:00Z", "tester", "echo"}, result{2, "", "app: --in and --at are both set, want one of them\n"}},
		{[]string{"notify", "--unique", "", "tester", "echo"}, result{2, "", "app: --unique is empty\n"}},
		{[]string{"notify", "--key=", "tester", "echo"}, result{2, "", "app: --key is empty\n"}},
		{[]string{"call", "--key", "", "tester", "echo"}, result{2, "", "app: --key is empty\n"}},
		{[]string{"call", "--in", "1s", "tester", "echo"}, result{2, "", "app: flag provided but not defined: -in; the order is: app call [options] SERVICE METHOD [ARG…]\n"}},
		{[]string{"start", "-p", "many"}, result{2, "", `app: -p is "many", want a whole number; the order is: app start [options]` + "\n"}},
		{[]string{"call", "--timeout", "0", "tester", "echo"}, result{2, "", "app: --timeout is 0s, want more than 0\n"}},
		{[]string{"call", "tester"}, result{2, "", "app: call wants a service and a method: app call SERVICE METHOD [ARG…]\n"}},
		{[]string{"call", "Tester", "echo"}, result{2, "", `app: service name "Tester": want 1 to 24 letters a-z, which every Procfile platform accepts` + "\n"}},
		{[]string{"sreve", "tester"}, result{2, "", `app: "sreve" is no command; did you mean "serve"?; see "app help"` + "\n"}},
		{[]string{"tester"}, result{2, "", `app: "tester" is no command; did you mean "app serve tester"?; see "app help"` + "\n"}},
		{[]string{"help", "cal"}, result{2, "", `app: "cal" is no command; did you mean "call"?; see "app help"` + "\n"}},
		{[]string{"--nothing"}, result{2, "", "app: flag provided but not defined: -nothing\n"}},
		{[]string{"serve"}, result{2, "", "app: serve wants the name of one service: tester, nested, broken\n"}},
		{[]string{"serve", "testre"}, result{2, "", `app: no service is named "testre" (there is tester, nested, broken); did you mean "tester"?` + "\n"}},
		{[]string{"serve", "web"}, result{2, "", `app: no service is named "web" (there is tester, nested, broken); the gateway is a command of its own: app web` + "\n"}},
		{[]string{"serve", "broken"}, result{2, "", "app: service broken cannot be built: no database\n"}},
		{[]string{"services", "tester"}, result{2, "", `app: services takes no arguments, and there is "tester"; the order is: app services [options]` + "\n"}},

		{[]string{"call", "testre", "echo"}, result{3, "", `app: no service named "testre" was ever started on this broker (redis://127.0.0.1:6399, since none is set); did you mean "tester"?` + "\n"}},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			if d := cmp.Diff(tc.want, s.run(t, tc.args...)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	golden := goldenIn(t)
	isolate(t, nil)
	s := newSite()
	for file, args := range map[string][]string{
		"help.txt":        {"help"},
		"help-bench.txt":  {"help", "bench"},
		"help-key.txt":    {"help", "key"},
		"help-call.txt":   {"help", "call"},
		"help-notify.txt": {"help", "notify"},
		"help-start.txt":  {"start", "--help"},
	} {
		got := s.run(t, args...)
		if got.Code != 0 || got.Stderr != "" {
			t.Errorf("%s: exit code %d, stderr %q", args, got.Code, got.Stderr)
		}
		golden(file, got.Stdout)
	}
	first := s.run(t, "help", "call")
	for _, args := range [][]string{{"call", "-h"}, {"call", "tester", "echo", "--help"}, {"call", "--help", "tester"}} {
		if d := cmp.Diff(first, s.run(t, args...)); d != "" {
			t.Errorf("%q is not the help of call:\n%s", args, d)
		}
	}
	if d := cmp.Diff(s.run(t, "help"), s.run(t)); d != "" {
		t.Errorf("no arguments are not help:\n%s", d)
	}
}

func TestVersion(t *testing.T) {
	isolate(t, nil)
	got := newSite().run(t, "version")
	if want := regexp.MustCompile(`^app \S+ \(go\S+, \w+/\w+\)\n$`); got.Code != 0 || !want.MatchString(got.Stdout) {
		t.Errorf("version says %+v", got)
	}
	var parts map[string]string
	if err := json.Unmarshal([]byte(newSite().run(t, "version", "--json").Stdout), &parts); err != nil ||
		got.Stdout != fmt.Sprintf("%s %s (%s)\n", parts["name"], parts["version"], parts["toolchain"]) {
		t.Errorf("in JSON it is %v, %v", parts, err)
	}
	if d := cmp.Diff(got, newSite().run(t, "--version")); d != "" {
		t.Errorf("--version differs:\n%s", d)
	}
}

// The table in the documentation is made from the struct that is read.
func TestConfigMarkdown(t *testing.T) {
	golden := goldenIn(t)
	isolate(t, map[string]string{"JOURNEYMAN_DRAIN": "nonsense"})
	golden("config.md", newSite().run(t, "config", "--markdown").Stdout)
}

func TestConfig(t *testing.T) {
	isolate(t, map[string]string{"REDIS_URL": "redis://u:hunter2@h", "JOURNEYMAN_API_KEYS": "hunter2,hunter3", "JOURNEYMAN_DRIAN": "1s"})
	got := newSite().run(t, "config")
	for _, want := range []string{`JOURNEYMAN_URL +redis://u:xxxxx@h +REDIS_URL `, `JOURNEYMAN_API_KEYS +\[redacted\] \(2\) +environment `, `PORT +5000 +default `} {
		if !regexp.MustCompile(want).MatchString(got.Stdout) {
			t.Errorf("no %q in:\n%s", want, got.Stdout)
		}
	}
	if got.Code != 0 || !strings.Contains(got.Stderr, "JOURNEYMAN_DRAIN?") {
		t.Errorf("exit code %d, stderr %q", got.Code, got.Stderr)
	}
	var settings []setting
	asJSON := newSite().run(t, "config", "--json")
	if err := json.Unmarshal([]byte(asJSON.Stdout), &settings); err != nil || len(settings) < 10 {
		t.Errorf("%d settings in JSON, %v", len(settings), err)
	}
	if all := fmt.Sprint(got, asJSON); strings.Contains(all, "hunter") {
		t.Errorf("a secret is shown: %s", all)
	}
}

func TestBadConfiguration(t *testing.T) {
	isolate(t, map[string]string{"DYNO": "web.1", "JOURNEYMAN_DRAIN": "25", "JOURNEYMAN_CONCURRENCY": "0"})
	want := result{2, "", `app: JOURNEYMAN_DRAIN is "25", want a duration such as 25s or 2m
app: JOURNEYMAN_CONCURRENCY is "0", want 1 or more
app: no broker is set, and on Heroku there is none by default; add one with "heroku addons:create heroku-redis:mini" or "heroku addons:create cloudamqp:lemur", or set JOURNEYMAN_URL
`}
	for _, args := range [][]string{{"serve", "tester"}, {"web"}, {"call", "tester", "echo"}, {"services"}} {
		if d := cmp.Diff(want, newSite().run(t, args...)); d != "" {
			t.Errorf("%q -want +got:\n%s", args, d)
		}
	}
	if got := newSite().run(t, "config"); got.Code != 2 || got.Stderr != want.Stderr || !strings.Contains(got.Stdout, "JOURNEYMAN_TIMEOUT") {
		t.Errorf("config says %+v", got)
	}
}

func TestBadPrograms(t *testing.T) {
	isolate(t, nil)
	build := func(Resources) (*jsonrpc.Mux, error) { return new(jsonrpc.Mux), nil }
	for name, programs := range map[string][]Program{
		"illegal name": {RPC("order-mail", "", build)},
		"web":          {RPC("web", "", build)},
		"twice":        {RPC("a", "", build), RPC("a", "", build)},
		"no build":     {{Name: "a"}},
	} {
		if got := (&site{broker: memory.New(), programs: programs}).run(t, "version"); got.Code != 2 || got.Stderr == "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

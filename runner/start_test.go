package runner

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStart(t *testing.T) {
	dir := isolate(t, nil)
	writeFile(t, dir+"/Procfile", "web: echo \"$PS at $PORT with $JOURNEYMAN_URL finds $PATH end $JOURNEYMAN_PRINCIPAL_KEYS.\"; exec sleep 1000\nworker: exec sleep 1000\n")
	s := newSite()
	start := s.spawn(t, "start", "-p", "7000", "-m", "web=2,worker=1")
	url := start.out.match(t, `msg="broker: .* at (redis://127\.0\.0\.1:\d+)"`)
	start.out.match(t, `msg="gateway: http://localhost:7000"`)
	start.out.match(t, `level=WARN msg="no line of the Procfile runs tester, so calls to it find nobody; add the line \\"tester: app serve tester\\""`)
	path := start.out.match(t, `web\.2 at 7001 with `+url+` finds (\S+) end`)
	key := start.out.match(t, `web\.1 at 7000 .* end (\w{32,})\.`) // so that who calls can be told
	start.out.match(t, `web\.2 at 7001 .* end `+key+`\.`)

	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if first, _, _ := strings.Cut(path, ":"); first != filepath.Dir(exe) {
		t.Errorf("PATH begins with %s, want %s", first, filepath.Dir(exe))
	}
	text, err := os.ReadFile(dir + "/.journeyman/start.json")
	if err != nil {
		t.Fatal(err)
	}
	var file startFile
	if err := json.Unmarshal(text, &file); err != nil || file != (startFile{URL: url, PID: os.Getpid()}) {
		t.Errorf("start.json holds %s, %v", text, err)
	}
	if got := s.run(t, "start"); got.Code != 2 || !strings.Contains(got.Stderr, "already runs in this folder") {
		t.Errorf("a second start: %+v", got)
	}

	start.signals <- syscall.SIGINT
	if code := start.wait(t); code != 0 {
		t.Errorf("exit code %d; it said:\n%s", code, start.out)
	}
	if !strings.HasSuffix(start.out.String(), "msg=stopped\n") {
		t.Errorf("its last line is not that it stopped:\n%s", start.out)
	}
	if _, err := os.Stat(dir + "/.journeyman/start.json"); !os.IsNotExist(err) {
		t.Errorf("start.json is still there: %v", err)
	}
}

// An address that somebody set is used as it is, and not written down.
func TestStartWithBroker(t *testing.T) {
	dir := isolate(t, nil)
	writeFile(t, dir+"/.env", "JOURNEYMAN_URL=redis://u:hunter2@127.0.0.1:1\n")
	writeFile(t, dir+"/other", "worker: echo \"url=$JOURNEYMAN_URL end\"; exec sleep 1000\n")
	s := newSite()
	start := s.spawn(t, "start", "-f", "other")
	start.out.match(t, `msg="broker: the one that JOURNEYMAN_URL names, redis://u:xxxxx@127\.0\.0\.1:1"`)
	start.out.match(t, `url=redis://u:hunter2@127\.0\.0\.1:1 end`)
	if strings.Contains(start.out.String(), "no line of") {
		t.Errorf("services may run elsewhere, and it warns:\n%s", start.out)
	}
	if text, err := os.ReadFile(dir + "/.journeyman/start.json"); err != nil || strings.Contains(string(text), "url") {
		t.Errorf("start.json holds %s, %v", text, err)
	}
	start.signals <- syscall.SIGTERM
	if code := start.wait(t); code != 0 {
		t.Errorf("exit code %d; it said:\n%s", code, start.out)
	}
}

func TestStartRefuses(t *testing.T) {
	dir := isolate(t, map[string]string{"JOURNEYMAN_URL": "redis://127.0.0.1:1"})
	writeFile(t, dir+"/Procfile", "web: exec sleep 1000\n")
	writeFile(t, dir+"/odd", "what is this\nand this\n")
	writeFile(t, dir+"/missing", "worker: nosuchcommand web\n")
	writeFile(t, dir+"/bad", "worker: exec sleep 1000\ncalculator: app serve calculator; echo 'app: the broker refuses' >&2; exit 2\n")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, taken, _ := net.SplitHostPort(l.Addr().String())
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"start", "-f", "none"}, "there is no none here"},
		{[]string{"start", "-f", "odd"}, "app: odd line 1: want"},
		{[]string{"start", "-f", "missing"}, "nosuchcommand"},
		{[]string{"start", "-m", "wbe=1"}, `"wbe"`},
		{[]string{"start", "-p", "65500"}, "--port 65500 is too high: take 65436 at most"},
		{[]string{"start", "-p", "80000"}, "--port 80000 is too high"},
		{[]string{"start", "-f", "odd"}, "\napp: odd line 2: want"},
		{[]string{"start", "-f", "bad"}, "app: calculator.1 (bad line 2): the broker refuses\n"},
		{[]string{"start", "-p", taken}, "port " + taken + " is taken by another program; choose another with --port "},
		{[]string{"start", "web"}, "start takes no arguments"},
	} {
		got := newSite().run(t, tc.args...)
		if got.Code != 2 || !strings.Contains(got.Stderr, tc.want) {
			t.Errorf("%q: %+v, want exit code 2 and %q", tc.args, got, tc.want)
		}
	}
}

// Faults of the settings are told once, before anything runs.
func TestStartAndConfigCheckSettings(t *testing.T) {
	dir := isolate(t, map[string]string{"JOURNEYMAN_URL": "postgres://u:hunter2@h", "JOURNEYMAN_NAMESPACE": "a b"})
	writeFile(t, dir+"/Procfile", "worker: exec sleep 1000\n")
	want := `app: JOURNEYMAN_NAMESPACE is "a b", want up to 64 letters, digits, dots, hyphens and underscores
app: JOURNEYMAN_URL begins with postgres://, want redis://, rediss://, amqp://, amqps://, http:// or https://
`
	for _, command := range []string{"start", "config"} {
		if got := newSite().run(t, command); got.Code != 2 || got.Stderr != want {
			t.Errorf("%s: %+v, want exit code 2 and %s", command, got, want)
		}
	}
	isolate(t, nil)
	no := func(Target) (Link, error) { return Link{}, errors.New("no such database") }
	for _, command := range []string{"start", "config"} {
		if got := newSite().with(no).run(t, command); got.Code != 2 || got.Stderr != "app: the broker from default cannot be used: no such database\n" {
			t.Errorf("%s: %+v", command, got)
		}
	}
}

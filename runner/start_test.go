package runner

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStart(t *testing.T) {
	dir := isolate(t, nil)
	writeFile(t, dir+"/Procfile", "web: echo \"$PS at $PORT with $JOURNEYMAN_URL finds $PATH end\"; exec sleep 1000\nworker: exec sleep 1000\n")
	s := newSite()
	start := s.spawn(t, "start", "-p", "7000", "-m", "web=2,worker=1")
	url := start.out.match(t, `msg="broker: .* at (redis://127\.0\.0\.1:\d+)"`)
	start.out.match(t, `msg="gateway: http://localhost:7000"`)
	path := start.out.match(t, `web\.2 at 7001 with `+url+` finds (\S+) end`)
	start.out.match(t, `web\.1 at 7000 `)

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
	writeFile(t, dir+"/odd", "what is this\n")
	writeFile(t, dir+"/missing", "web: nosuchcommand web\n")
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"start", "-f", "none"}, "there is no none here"},
		{[]string{"start", "-f", "odd"}, "odd: line 1"},
		{[]string{"start", "-f", "missing"}, "nosuchcommand"},
		{[]string{"start", "-m", "wbe=1"}, `"wbe"`},
		{[]string{"start", "-p", "65500"}, "the first port is 65500"},
		{[]string{"start", "web"}, "start takes no arguments"},
	} {
		got := newSite().run(t, tc.args...)
		if got.Code != 2 || !strings.Contains(got.Stderr, tc.want) {
			t.Errorf("%q: %+v, want exit code 2 and %q", tc.args, got, tc.want)
		}
	}
}

package runner

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// isolate gives the test an empty folder and an environment of its own, and
// returns the folder. envconfig reads the process environment, so such tests
// cannot be parallel; Chdir sees to it that they are not.
func isolate(t *testing.T, env map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	before := os.Environ()
	os.Clearenv()
	t.Cleanup(func() {
		os.Clearenv()
		for _, pair := range before {
			name, value, _ := strings.Cut(pair, "=")
			os.Setenv(name, value)
		}
	})
	os.Setenv("PATH", "/usr/local/bin:/usr/bin:/bin")
	for name, value := range env {
		os.Setenv(name, value)
	}
	return dir
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// goldenIn returns a function that compares text with a file in testdata;
// -update rewrites it. Call it before isolate, which changes the folder.
func goldenIn(t *testing.T) func(file, got string) {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return func(file, got string) {
		t.Helper()
		file = filepath.Join(dir, file)
		if *update {
			writeFile(t, file, got)
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s (-want +got, -update rewrites):\n%s", file, d)
		}
	}
}

func TestDefaults(t *testing.T) {
	isolate(t, nil)
	e := readEnvironment(".")
	want := Config{Concurrency: 64, Drain: 4 * time.Second, Timeout: 25 * time.Second, AsyncTimeout: time.Hour, AsyncKeep: time.Hour, MaxMessage: 8 << 20, MaxQueue: 100_000, MaxBody: 1 << 20, MaxBatch: 50, HirefireMetric: "latency", LogFormat: "auto", Port: 5000}
	if d := cmp.Diff(want, e.config); d != "" || len(e.faults)+len(e.warnings) > 0 {
		t.Errorf("config (-want +got):\n%s\nfaults %q, warnings %q", d, e.faults, e.warnings)
	}
	if d := cmp.Diff(broker{transport: onRedis, url: localBroker, source: "default"}, e.broker, cmp.AllowUnexported(broker{})); d != "" {
		t.Errorf("broker is %+v", e.broker)
	}
}

func TestValues(t *testing.T) {
	isolate(t, map[string]string{
		"JOURNEYMAN_URL": "redis://h", "JOURNEYMAN_REDIS_TLS": "insecure", "JOURNEYMAN_API_KEYS": "one, two,",
		"JOURNEYMAN_ARTICLE_SERVICES": "ruby, python", "JOURNEYMAN_DRAIN": "0", "JOURNEYMAN_LOG_LEVEL": "debug",
		"JOURNEYMAN_CONCURRENCY": "", "JOURNEYMAN_TIMEOUT": " ", // a blank is what a form's empty field leaves
		"PORT": "8080", "JOURNEYMAN_PORT": "1",
	})
	e := readEnvironment(".")
	if len(e.faults) > 0 {
		t.Fatalf("faults: %q", e.faults)
	}
	c := e.config
	if c.RedisTLS != "insecure" || !slices.Equal(c.APIKeys, []Secret{"one", "two"}) || !slices.Equal(c.ArticleServices, []string{"ruby", "python"}) ||
		c.Drain != 0 || c.LogLevel.String() != "DEBUG" || c.Concurrency != 64 || c.Timeout != 25*time.Second || c.Port != 8080 {
		t.Errorf("config is %+v", c)
	}
	if want := []string{"JOURNEYMAN_PORT is no setting of this version; did you mean PORT?"}; !slices.Equal(e.warnings, want) {
		t.Errorf("warnings are %q, want %q", e.warnings, want)
	}
}

// Every fault is named at once, and no secret is shown with it.
func TestFaults(t *testing.T) {
	isolate(t, map[string]string{
		"JOURNEYMAN_URL":              "redis://u:hunter2@a,redis://b",
		"JOURNEYMAN_TRANSPORT":        "pigeon",
		"JOURNEYMAN_CONCURRENCY":      "many",
		"JOURNEYMAN_DRAIN":            "25",
		"JOURNEYMAN_TIMEOUT":          "-1s",
		"JOURNEYMAN_ASYNC_TIMEOUT":    "169h",
		"JOURNEYMAN_ASYNC_KEEP":       "0",
		"JOURNEYMAN_MAX_MESSAGE":      "8MiB",
		"JOURNEYMAN_MAX_QUEUE":        "-1",
		"JOURNEYMAN_ARTICLE_SERVICES": "ok,NotOk",
		"JOURNEYMAN_ARTICLE_METHODS":  "ok.add,other.add",
		"JOURNEYMAN_ORIGINS":          "https://ok.example,https://no.example/path",
		"JOURNEYMAN_MAX_BODY":         "12",
		"JOURNEYMAN_MAX_BATCH":        "0",
		"JOURNEYMAN_PUBLIC_APPS":      "ok,not-ok",
		"JOURNEYMAN_BIND":             "example.com:80",
		"JOURNEYMAN_API_KEYS":         " , ,",
		"JOURNEYMAN_NAMESPACE":        "two words",
		"JOURNEYMAN_REDIS_TLS":        "pin:0123",
		"JOURNEYMAN_LOG_LEVEL":        "loud",
		"JOURNEYMAN_LOG_FORMAT":       "xml",
		"HIREFIRE_TOKEN":              "hunter2/x",
		"JOURNEYMAN_HIREFIRE_METRIC":  "depth",
		"PORT":                        "70000",
	})
	e := readEnvironment(".")
	for _, name := range []string{
		"JOURNEYMAN_URL", "JOURNEYMAN_TRANSPORT", "JOURNEYMAN_CONCURRENCY", "JOURNEYMAN_DRAIN", "JOURNEYMAN_TIMEOUT",
		"JOURNEYMAN_MAX_MESSAGE", "JOURNEYMAN_MAX_QUEUE", "JOURNEYMAN_ASYNC_TIMEOUT", "JOURNEYMAN_ASYNC_KEEP", "JOURNEYMAN_ARTICLE_SERVICES", "JOURNEYMAN_BIND", "JOURNEYMAN_LOG_LEVEL", "JOURNEYMAN_LOG_FORMAT", "PORT",
		"JOURNEYMAN_ARTICLE_METHODS", "JOURNEYMAN_ORIGINS", "JOURNEYMAN_MAX_BODY", "JOURNEYMAN_MAX_BATCH",
		"JOURNEYMAN_API_KEYS", "JOURNEYMAN_NAMESPACE", "JOURNEYMAN_REDIS_TLS", "HIREFIRE_TOKEN", "JOURNEYMAN_HIREFIRE_METRIC",
		"JOURNEYMAN_PUBLIC_APPS",
	} {
		if n := len(slices.DeleteFunc(slices.Clone(e.faults), func(f string) bool { return !strings.HasPrefix(f, name+" ") })); n != 1 {
			t.Errorf("%d faults of %s in:\n%s", n, name, strings.Join(e.faults, "\n"))
		}
		if s := e.setting(name); name != "JOURNEYMAN_URL" && !strings.HasSuffix(s.Value, " (invalid)") {
			t.Errorf("%s is shown as %q, want what it is and that it is invalid", name, s.Value)
		}
	}
	if all := fmt.Sprintf("%v %+v %v", e.faults, e.settings, e.config); strings.Contains(all, "hunter2") {
		t.Errorf("a secret is shown: %s", all)
	}
}

func TestUnknownNames(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_DRIAN": "1s", "JOURNEYMAN_TEST_REDIS_URL": "x", "JOURNEYMANX": "1"})
	want := []string{`JOURNEYMAN_DRIAN is no setting of this version; did you mean JOURNEYMAN_DRAIN?`}
	if got := readEnvironment(".").warnings; !slices.Equal(got, want) {
		t.Errorf("warnings are %q, want %q", got, want)
	}
}

func TestDotEnv(t *testing.T) {
	dir := isolate(t, map[string]string{"JOURNEYMAN_TIMEOUT": "3s"})
	writeFile(t, dir+"/.env", "REDIS_URL=redis://u:hunter2@file\nJOURNEYMAN_TIMEOUT=7s\nJOURNEYMAN_DRAIN=9s\n")
	e := readEnvironment(".")
	sources := map[string]string{}
	for _, s := range e.settings {
		if s.Source != "default" {
			sources[s.Name] = s.Value + " from " + s.Source
		}
	}
	want := map[string]string{
		"JOURNEYMAN_URL":       "redis://u:xxxxx@file from REDIS_URL in .env",
		"JOURNEYMAN_TRANSPORT": "redis from REDIS_URL in .env",
		"JOURNEYMAN_TIMEOUT":   "3s from environment",
		"JOURNEYMAN_DRAIN":     "9s from .env",
	}
	if !maps.Equal(sources, want) || e.broker.url != "redis://u:hunter2@file" {
		t.Errorf("sources are %q with faults %q, want %q", sources, e.faults, want)
	}
}

func TestDotEnvFault(t *testing.T) {
	dir := isolate(t, nil)
	writeFile(t, dir+"/.env", "A='one\ntwo'\n\nthis is hunter2 and no assignment\nB=1\n")
	e := readEnvironment(".")
	if len(e.faults) != 1 || !strings.Contains(e.faults[0], ".env line 4 ") || strings.Contains(e.faults[0], "hunter2") {
		t.Errorf("faults are %q", e.faults)
	}
}

// A .env that got into the slug must not decide anything in production.
func TestDotEnvIsLocal(t *testing.T) {
	dir := isolate(t, map[string]string{"DYNO": "web.1"})
	writeFile(t, dir+"/.env", "REDIS_URL=redis://file\n")
	e := readEnvironment(".")
	if e.broker.url != "" || !strings.Contains(e.missing, "Heroku") || !strings.Contains(e.missing, "heroku-redis") {
		t.Errorf("broker is %q, and the fault %q", e.broker.url, e.missing)
	}
	if e.config.Drain != 25*time.Second || e.setting("JOURNEYMAN_DRAIN").Source != "Heroku" {
		t.Errorf("drain is %v from %s", e.config.Drain, e.setting("JOURNEYMAN_DRAIN").Source)
	}
}

func TestStartFile(t *testing.T) {
	dir := isolate(t, nil)
	file := startFile{URL: "redis://127.0.0.1:7001", PID: os.Getpid()}
	remove := leave(t, file, dir)
	want := broker{transport: onRedis, url: "redis://127.0.0.1:7001", source: ".journeyman/start.json"}
	if d := cmp.Diff(want, readEnvironment(dir).broker, cmp.AllowUnexported(broker{})); d != "" {
		t.Errorf("broker (-want +got):\n%s", d)
	}
	if ignored, err := os.ReadFile(dir + "/.journeyman/.gitignore"); string(ignored) != "*\n" {
		t.Errorf(".gitignore holds %q, %v", ignored, err)
	}

	if _, err := file.write(dir); !errors.Is(err, errStartRuns) {
		t.Errorf("a second one in the same folder: error %v", err)
	}
	if err := remove(); err != nil {
		t.Error(err)
	}
	if got := readEnvironment(dir).broker; got.source != "default" {
		t.Errorf("when it has ended the broker is %+v, want the default one", got)
	}

	// A start that was killed leaves its file behind, and its number to somebody else.
	writeFile(t, dir+"/.journeyman/start.json", fmt.Sprintf(`{"url":"redis://127.0.0.1:7001","pid":%d}`, os.Getpid()))
	if got := readEnvironment(dir).broker; got.source != "default" {
		t.Errorf("broker is %+v, want the default one", got)
	}
	leave(t, file, dir)
	for range 2 {
		if err := removeStartFile(dir); err != nil {
			t.Error(err)
		}
	}
}

// leave writes the file of a "start" that runs until the test ends.
func leave(t *testing.T, f startFile, dir string) (remove func() error) {
	t.Helper()
	remove, err := f.write(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = remove() })
	return remove
}

package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/redislist"
)

// An examinedBroker is one that tells what is wrong with it.
type examinedBroker struct {
	*fakeBroker
	findings []transports.Finding
	err      error
	plan     transports.Plan // the last that it was shown
}

func (b *examinedBroker) Examine(_ context.Context, plan transports.Plan) ([]transports.Finding, error) {
	b.plan = plan
	return b.findings, b.err
}

func (b *examinedBroker) open(Target) (Link, error) { return Link{Transport: b}, nil }

const testProcfile = "web: app web\ntester: app serve tester\nnested: app serve nested\nbroken: app serve broken\n"

// healthy is a broker on which every service is up.
func healthy() *examinedBroker {
	b := &examinedBroker{fakeBroker: &fakeBroker{}, findings: []transports.Finding{{Subject: "server", Grade: transports.Fine, Found: "Redis 7.0.15."}}}
	for _, name := range []string{"broken", "nested", "tester"} {
		b.status = append(b.status, transports.ServiceStatus{
			Name: name, Waiting: new(int64(0)), InFlight: new(int64(0)), Suspects: new(int64(0)), Dead: new(int64(0)), Consumers: new(int64(2)),
			Workers: []transports.WorkerStatus{{ID: "1", Version: "v1.2.0"}, {ID: "2", Version: "v1.2.0"}},
		})
	}
	return b
}

func TestDoctor(t *testing.T) {
	golden := goldenIn(t)
	long := time.Now().Add(-3*time.Hour - 12*time.Minute - 30*time.Second) // of which half a minute is not shown
	troubled := healthy()
	troubled.findings = append(troubled.findings,
		transports.Finding{Subject: "eviction policy", Grade: transports.Trouble, Found: "It is \x1b[2Jallkeys-lru.", Advice: "Set it to noeviction."},
		transports.Finding{Subject: "persistence", Grade: transports.Warning, Found: "It stores nothing.", Advice: "Have it store."})
	broken, nested, tester := &troubled.status[0], &troubled.status[1], &troubled.status[2]
	broken.Paused, broken.Waiting, broken.InFlight = true, new(int64(7)), new(int64(1))
	nested.Waiting, nested.Consumers, nested.Workers = new(int64(12)), new(int64(0)), nil
	tester.Waiting, tester.Oldest, tester.Suspects, tester.Dead = new(int64(120)), &long, new(int64(1)), new(int64(3))
	tester.Workers[1].Version, tester.Workers[1].Started = "v1.3.0", long
	troubled.status = append(troubled.status,
		transports.ServiceStatus{Name: "former", Waiting: new(int64(5)), Consumers: new(int64(0))},
		transports.ServiceStatus{Name: "others", Waiting: new(int64(0)), Consumers: new(int64(0))})

	for file, tc := range map[string]struct {
		broker *examinedBroker
		args   []string
		code   int
		stderr string
	}{
		"doctor.txt":          {healthy(), []string{"doctor"}, 0, ""},
		"doctor-json.txt":     {healthy(), []string{"doctor", "--json"}, 0, ""},
		"doctor-troubled.txt": {troubled, []string{"doctor", "-m", "tester=4"}, 3, "app: 2 troubles, 7 warnings\n"},
		"help-doctor.txt":     {healthy(), []string{"help", "doctor"}, 0, ""},
	} {
		dir := isolate(t, map[string]string{"JOURNEYMAN_URL": "redis://u:hunter2@redis.example:6379/2", "JOURNEYMAN_CONCURRENCY": "8", "CLOUDAMQP_URL": "amqp://u:hunter2@h"})
		writeFile(t, filepath.Join(dir, "Procfile"), testProcfile)
		got := newSite().with(tc.broker.open).run(t, tc.args...)
		if got.Code != tc.code || got.Stderr != tc.stderr {
			t.Errorf("%s: exit code %d, stderr %q", file, got.Code, got.Stderr)
		}
		if strings.Contains(got.Stdout, "hunter2") {
			t.Errorf("%s shows the password", file)
		}
		golden(file, got.Stdout)
	}
	if d := cmp.Diff(transports.Plan{Services: []string{"tester", "nested", "broken"}, Processes: 7}, troubled.plan); d != "" {
		t.Errorf("the broker was shown another plan (-want +got):\n%s", d)
	}
}

// What is wrong in settings and files is told all at once, with what can be found out
// nevertheless, and has another exit code.
func TestDoctorFindsFaults(t *testing.T) {
	for name, tc := range map[string]struct {
		env   map[string]string
		files map[string]string
		args  []string
		code  int
		want  []string // on stdout or stderr
		not   []string
	}{
		"a setting": {env: map[string]string{"JOURNEYMAN_TIMEOUT": "soon", "JOURNEYMAN_CONCURRENCY": "0"}, code: 2, want: []string{
			"trouble  settings", `JOURNEYMAN_TIMEOUT is "soon".`, "→ Set it to a duration such as 25s or 2m.", `JOURNEYMAN_CONCURRENCY is "0".`, "→ Set it to 1 or more.",
			"ok       server", "app: 2 troubles, no warning",
		}},
		"a slip": {env: map[string]string{"JOURNEYMAN_DRIAN": "4s"}, want: []string{"warning  settings", "JOURNEYMAN_DRIAN is no setting of this version.", "→ Did you mean JOURNEYMAN_DRAIN?\n", "No trouble, 1 warning.\n"}},
		"no URL": {env: map[string]string{"REDIS_URL": "hunter2"}, code: 2, want: []string{"trouble  settings", "REDIS_URL is not a URL"}, not: []string{"hunter2"}},
		"no broker on a platform": {env: map[string]string{"DYNO": "run.1"}, code: 2, want: []string{
			"trouble  broker", "No broker is set", "heroku addons:create", "warning  gateway", "JOURNEYMAN_API_KEYS", "25s after SIGTERM, for which Heroku leaves room",
		}, not: []string{"server"}},
		"no gateway, no keys": {env: map[string]string{"DYNO": "run.1", "REDIS_URL": "redis://h"}, files: map[string]string{"Procfile": strings.Replace(testProcfile, "web: app web\n", "", 1)},
			not: []string{"gateway"}, want: []string{"tester=1, nested=1, broken=1."}},
		"unsigned callers": {env: map[string]string{"JOURNEYMAN_API_KEY_HASHES": hashed("shop", "k", "")}, want: []string{
			"warning  gateway", "Services are not told who calls, and methods with a scope refuse everybody.", "→ Set JOURNEYMAN_PRINCIPAL_KEYS",
		}},
		"signed callers": {env: map[string]string{"JOURNEYMAN_API_KEYS": "k", "JOURNEYMAN_PRINCIPAL_KEYS": longSecret}, not: []string{"gateway"}},
		"a long drain": {env: map[string]string{"DYNO": "run.1", "REDIS_URL": "redis://h", "JOURNEYMAN_API_KEYS": "k", "JOURNEYMAN_DRAIN": "40s"}, want: []string{
			"warning  drain", "JOURNEYMAN_DRAIN is 40s, and Heroku leaves room for 25s", "→ Set JOURNEYMAN_DRAIN to 25s or less.",
		}},
		"a long drain on Fly":  {env: map[string]string{"FLY_MACHINE_ID": "1", "REDIS_URL": "redis://h", "JOURNEYMAN_API_KEYS": "k", "JOURNEYMAN_DRAIN": "40s"}, want: []string{"warning  drain", "→ Set JOURNEYMAN_DRAIN below it."}},
		"no drain on Railway":  {env: map[string]string{"RAILWAY_REPLICA_ID": "1", "REDIS_URL": "redis://h", "JOURNEYMAN_API_KEYS": "k"}, want: []string{"warning  drain", "Railway kills at once", "→ Set RAILWAY_DEPLOYMENT_DRAINING_SECONDS."}},
		"a long drain at home": {env: map[string]string{"JOURNEYMAN_DRAIN": "40s"}, want: []string{"ok       drain", `40s after SIGTERM. foreman and overmind kill sooner`}},
		"a Procfile that cannot be read": {files: map[string]string{"Procfile": "web: app web\nnonsense\nweb: x\n"}, code: 2, want: []string{
			"trouble  Procfile", "Line 2", "Line 3: web is already on line 1.", "ok       server", "app: 2 troubles",
		}},
		"an unknown service": {files: map[string]string{"Procfile": testProcfile + "testre: exec app serve --only a testre\nidle: app serve\n"}, code: 2, want: []string{
			`serves "testre", which is no service of this app.`, `→ Did you mean "tester"?`, "serves no service",
		}},
		"odd lines": {files: map[string]string{"Procfile": "gateway: app web\nslow_tester: A=1 bin/app serve 'tester' --only slow\nnested: ./bin/app serve nested\nother: bundle exec sidekiq\n"}, want: []string{
			"Line 1, gateway, runs the gateway, and platforms send HTTP to the process type web alone.", "→ Call it web.",
			"Line 2, slow_tester: not every platform takes such a name.", "Line 2, slow_tester, calls bin/app, which is not there", "Line 3, nested, calls ./bin/app",
			"No line runs broken.", `→ Add the line "broken: app serve broken".`, "No trouble, 5 warnings.",
		}, not: []string{"other", "sidekiq"}},
		"nothing of ours": {files: map[string]string{"Procfile": "web: bundle exec puma\n"}, want: []string{"No line runs tester."}},
		"no Procfile":     {want: []string{"ok       Procfile", "There is no Procfile here"}},
		"another Procfile": {files: map[string]string{"Procfile.dev": testProcfile}, args: []string{"-f", "Procfile.dev", "-m", "all=2"}, want: []string{
			"ok       Procfile.dev", "web=2, tester=2, nested=2, broken=2.",
		}},
		"a formation that is none": {files: map[string]string{"Procfile": testProcfile}, args: []string{"-m", "tetser=2"}, code: 2, want: []string{`app: formation "tetser=2": the Procfile has no process type "tetser"`}, not: []string{"server"}},
		"app.json": {files: map[string]string{"Procfile": testProcfile, "app.json": `{"formation": {"web": {"quantity": 2}, "tester": {"quantity": 3}, "gone": {"quantity": 1}, "nested": {"size": "eco"}}}`}, args: []string{"-m", "web=1"}, want: []string{
			"warning  app.json", `"gone" that the Procfile lacks`, "lacks broken: Dokku", "lacks nested: Dokku", "web=1, tester=3, nested=1, broken=1.",
		}, not: []string{"lacks web", "lacks tester"}},
		"app.json that is none": {files: map[string]string{"Procfile": testProcfile, "app.json": `{"formation": [}`}, code: 2, want: []string{"trouble  app.json", "not the JSON that platforms read"}},
		"the winner": {env: map[string]string{"REDIS_URL": "redis://u:hunter2@a", "REDIS_TLS_URL": "rediss://u:hunter2@b", "HEROKU_REDIS_RED_URL": "rediss://u:hunter2@b", "CLOUDAMQP_URL": "amqp://hunter2@c"}, want: []string{
			"Redis at rediss://u:xxxxx@b, from REDIS_TLS_URL, which goes before REDIS_URL, CLOUDAMQP_URL.",
		}, not: []string{"hunter2", "RED_URL"}},
		"the chosen one": {env: map[string]string{"REDIS_URL": "redis://u:hunter2@a", "CLOUDAMQP_URL": "amqp://u:hunter2@c", "JOURNEYMAN_TRANSPORT": "rabbitmq"}, want: []string{
			"RabbitMQ at amqp://u:xxxxx@c, from CLOUDAMQP_URL, as JOURNEYMAN_TRANSPORT is rabbitmq; REDIS_URL: not used.",
		}, not: []string{"hunter2"}},
		"in .env": {files: map[string]string{".env": "REDIS_URL=redis://u:hunter2@a\n"}, want: []string{"Redis at redis://u:xxxxx@a, from REDIS_URL (.env)."}, not: []string{"hunter2"}},
		"addresses": {env: map[string]string{"JOURNEYMAN_SERVICES": "tester=http://a:8080,nested=http://b:8080"}, want: []string{
			"HTTP, to nested=http://b:8080,tester=http://a:8080, from JOURNEYMAN_SERVICES.",
		}},
		"one address": {env: map[string]string{"JOURNEYMAN_URL": "http://{service}.internal:8080", "REDIS_URL": "redis://h"}, want: []string{
			"HTTP, to http://{service}.internal:8080, from JOURNEYMAN_URL, which goes before REDIS_URL.",
		}},
		"nothing": {want: []string{`Redis at redis://127.0.0.1:6399, where "start" puts its own, as none is set.`}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := isolate(t, tc.env)
			for file, text := range tc.files {
				writeFile(t, filepath.Join(dir, file), text)
			}
			got := newSite().with(healthy().open).run(t, append([]string{"doctor"}, tc.args...)...)
			all := got.Stdout + got.Stderr
			if got.Code != tc.code {
				t.Errorf("exit code %d, want %d", got.Code, tc.code)
			}
			for _, want := range tc.want {
				if !strings.Contains(all, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			for _, not := range tc.not {
				if strings.Contains(all, not) {
					t.Errorf("it says %q", not)
				}
			}
			if t.Failed() {
				t.Logf("it says:\n%s", all)
			}
		})
	}
}

func TestDoctorUnreached(t *testing.T) {
	op := func(err error) error {
		return fmt.Errorf("examine broker: %w: %w", transports.ErrUnavailable, &net.OpError{Op: "dial", Net: "tcp", Err: err})
	}
	explained := healthy()
	explained.findings = []transports.Finding{{Subject: "connections", Grade: transports.Trouble, Found: "No room."}}
	for name, tc := range map[string]struct {
		broker *examinedBroker
		err    error
		code   int
		want   []string
	}{
		"refused": {nil, op(syscall.ECONNREFUSED), 3, []string{"Nothing listens there: connection refused.", `→ Start one with "app start", or set JOURNEYMAN_URL.`}},
		"no such host": {nil, op(&net.DNSError{Err: "no such host", Name: "redis.example", IsNotFound: true}), 3, []string{
			"There is no host redis.example (no such host).", "→ Look at the host in REDIS_URL",
		}},
		"no answer": {nil, op(context.DeadlineExceeded), 3, []string{"No answer within 0s.", "firewall"}},
		"credentials": {nil, fmt.Errorf("%w", &transports.RefusedError{Err: errors.New("WRONGPASS invalid username-password pair")}), 2, []string{
			"The broker refuses this process: WRONGPASS invalid username-password pair.", "→ Look at user and password in REDIS_URL.",
		}},
		"a certificate": {nil, &transports.RefusedError{Err: errors.New("TLS: the broker's certificate is not trusted; set JOURNEYMAN_REDIS_TLS=pin:00")}, 2, []string{
			"The broker refuses this process: TLS: the broker's certificate is not trusted.", "→ Set JOURNEYMAN_REDIS_TLS=pin:00.",
		}},
		"anything else": {nil, errors.New("it is\na mess"), 3, []string{"It is·a mess.", "→ Look at the address in REDIS_URL"}},
		"explained":     {explained, op(syscall.ECONNRESET), 3, []string{"No room.", "app: 1 trouble, no warning"}},
	} {
		t.Run(name, func(t *testing.T) {
			isolate(t, map[string]string{"REDIS_URL": "redis://u:hunter2@h"})
			broker := tc.broker
			if broker == nil {
				broker = healthy()
				broker.findings = nil
			}
			broker.err = tc.err
			got := newSite().with(broker.open).run(t, "doctor")
			for _, want := range tc.want {
				if !strings.Contains(got.Stdout+got.Stderr, want) {
					t.Errorf("it does not say %q", want)
				}
			}
			if got.Code != tc.code || strings.Contains(got.Stdout, "tester  ") || strings.Contains(got.Stdout+got.Stderr, "hunter2") {
				t.Errorf("exit code %d, want %d, no services and no password:\n%s%s", got.Code, tc.code, got.Stdout, got.Stderr)
			}
		})
	}
}

// Of other brokers "start" brings none, and HTTP has nobody to ask about services.
func TestDoctorElsewhere(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_URL": "amqp://u:hunter2@h"})
	broker := healthy()
	broker.err = fmt.Errorf("%w: %w", transports.ErrUnavailable, syscall.ECONNREFUSED)
	got := newSite().with(broker.open).run(t, "doctor")
	if want := "→ Look at host and port in JOURNEYMAN_URL, and whether the broker is up."; got.Code != 3 || !strings.Contains(got.Stdout, want) {
		t.Errorf("exit code %d, and it does not say %q:\n%s", got.Code, want, got.Stdout)
	}
	t.Setenv("JOURNEYMAN_URL", "http://{service}.internal")
	got = newSite().with(healthy().open).run(t, "doctor")
	if got.Code != 0 || strings.Contains(got.Stdout, "worker") || !strings.Contains(got.Stdout, "server") {
		t.Errorf("over HTTP, exit code %d:\n%s", got.Code, got.Stdout)
	}
}

// What cannot be asked for is not made up.
func TestDoctorOfOtherTransports(t *testing.T) {
	isolate(t, nil)
	s := newSite() // which pings, and tells who is up
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	got := s.run(t, "doctor")
	for _, want := range []string{"ok       connecting  It answers.", "ok       tester      1 worker", "warning  nested"} {
		if got.Code != 0 || !strings.Contains(got.Stdout, want) {
			t.Errorf("exit code %d, and it does not say %q:\n%s%s", got.Code, want, got.Stdout, got.Stderr)
		}
	}
	silent := healthy()
	silent.status = []transports.ServiceStatus{{Name: "tester"}, {Name: "nested", Consumers: new(int64(1))}, {Name: "broken", Dead: new(int64(1))}}
	got = newSite().with(silent.open).run(t, "doctor")
	for _, want := range []string{
		"ok       tester    Nobody can tell who serves it; how much waits is not known.", "ok       nested    1 worker, and how much waits is not known.", "warning  broken    1 dead letter: given up",
	} {
		if !strings.Contains(got.Stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, got.Stdout)
		}
	}
	silent.look = func(int) error { return errors.New("no right to look; ask for it") }
	got = newSite().with(silent.open).run(t, "doctor")
	if want := "They cannot be looked at. No right to look.\n"; got.Code != 3 || !strings.Contains(got.Stdout, want) || !strings.Contains(got.Stdout, "→ Ask for it.") {
		t.Errorf("exit code %d, and it does not say %q:\n%s", got.Code, want, got.Stdout)
	}
}

// A broker of "start" ends with it, so what it lacks for keeps is no reason to warn.
func TestDoctorAtHome(t *testing.T) {
	dir := isolate(t, nil)
	file := startFile{URL: "redis://127.0.0.1:6399", PID: syscall.Getpid()}
	leave(t, file, dir)
	broker := healthy()
	broker.findings = []transports.Finding{
		{Subject: "persistence", Grade: transports.Warning, Found: "It stores nothing.", Advice: "Have it store."},
		{Subject: "memory", Grade: transports.Trouble, Found: "It is full.", Advice: "Make room."},
	}
	got := newSite().with(broker.open).run(t, "doctor")
	for _, want := range []string{`of the "start" that runs in this folder.`, "ok       persistence  It stores nothing.\n", "trouble  memory"} {
		if !strings.Contains(got.Stdout, want) {
			t.Errorf("it does not say %q:\n%s", want, got.Stdout)
		}
	}
}

// Against a real broker, as an operator would run it.
func TestDoctorOnRedis(t *testing.T) {
	const secret = "hunter2hunter2"
	open := func(target Target) (Link, error) {
		transport, err := redislist.Open(redislist.Options{URL: target.URL, Catalogue: target.Catalogue, Instance: target.Instance, Log: target.Log})
		return Link{Transport: transport}, err
	}
	server := brokertest.Redis(t, brokertest.AOF(), brokertest.Password(secret))
	dir := isolate(t, map[string]string{"REDIS_URL": server.URL})
	writeFile(t, filepath.Join(dir, "Procfile"), testProcfile)
	s := newSite().with(open)
	for _, name := range []string{"tester", "nested"} {
		s.spawn(t, "serve", name).out.match(t, "msg=ready")
	}
	s.programs = s.programs[:2] // the third cannot be built, and so is never up
	writeFile(t, filepath.Join(dir, "Procfile"), strings.Replace(testProcfile, "broken: app serve broken\n", "", 1))

	seen := ""
	run := func(code int, args ...string) (list []transports.Finding) {
		t.Helper()
		got := s.run(t, append([]string{"doctor"}, args...)...)
		seen += got.Stdout + got.Stderr
		if got.Code != code {
			t.Errorf("exit code %d, want %d:\n%s%s", got.Code, code, got.Stdout, got.Stderr)
		}
		got = s.run(t, append([]string{"doctor", "--json"}, args...)...)
		seen += got.Stdout + got.Stderr
		if err := json.Unmarshal([]byte(got.Stdout), &list); err != nil || got.Code != code {
			t.Errorf("with --json exit code %d and %v:\n%s", got.Code, err, got.Stdout)
		}
		return list
	}
	for _, f := range run(0) {
		if f.Grade != transports.Fine && f.Subject != "distance" {
			t.Errorf("of a sound app it says %+v", f)
		}
	}
	t.Setenv("REDIS_URL", strings.Replace(server.URL, secret, "wrong"+secret, 1))
	run(2)
	t.Setenv("REDIS_URL", server.URL)
	server.Kill()
	if list := run(3); list[len(list)-1].Subject != "connecting" || !strings.Contains(list[len(list)-1].Found, "connection refused") {
		t.Errorf("without a broker the last word is %+v", list[len(list)-1])
	}
	if strings.Contains(seen, secret) {
		t.Errorf("it shows the password:\n%s", seen)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	text := "It is allkeys-lru with a limit of 100.0 MiB: a full broker deletes queues."
	for width, want := range map[int][]string{
		1 << 20: {text},
		10:      {text}, // of no use
		40:      {"It is allkeys-lru with a limit of 100.0", "MiB: a full broker deletes queues."},
	} {
		if d := cmp.Diff(want, wrap(text, width)); d != "" {
			t.Errorf("at %d columns (-want +got):\n%s", width, d)
		}
	}
	if got := wrap("", 40); len(got) != 1 {
		t.Errorf("nothing is %d lines", len(got))
	}
}

package runner

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func busyBroker() *fakeBroker {
	n := func(n int64) *int64 { return &n }
	old, zero := time.Now().Add(-3*time.Minute-12*time.Second), time.Time{}
	return &fakeBroker{status: []transports.ServiceStatus{
		{
			Name: "busy", Paused: true, Waiting: n(120), Oldest: &old, InFlight: n(64), Delayed: n(3), Retries: n(2),
			Suspects: n(1), Dead: n(4), Consumers: n(2), Workers: make([]transports.WorkerStatus, 2),
		},
		{Name: "idle", Waiting: n(0), InFlight: n(0), Delayed: n(0), Retries: n(0), Suspects: n(0), Dead: n(0), Consumers: n(0)},
		{Name: "unknown", Waiting: n(1), Oldest: &zero},
	}}
}

func TestQueues(t *testing.T) {
	isolate(t, nil)
	s := newSite().with(busyBroker().open)
	head := "SERVICE  WAITING  OLDEST  IN-FLIGHT  DELAYED  RETRIES  SUSPECTS  DEAD  WORKERS\n"
	for _, tc := range []struct {
		args []string
		want result
	}{
		{[]string{"queues"}, result{0, head +
			"busy     120      3m12s   64         3        2        1         4     2, paused\n" +
			"idle     0        -       0          0        0        0         0     0\n" +
			"unknown  1        ?       ?          ?        ?        ?         ?     ?\n", ""}},
		{[]string{"queues", "idle"}, result{0, head + "idle     0        -       0          0        0        0         0     0\n", ""}},
		{[]string{"queues", "idle", "nobody"}, result{3, "", `app: no service named "nobody" was ever started on this broker (redis://127.0.0.1:6399, since none is set)` + "\n"}},
		{[]string{"queues", "busi"}, result{3, "", `app: no service named "busi" was ever started on this broker (redis://127.0.0.1:6399, since none is set); did you mean "busy"?` + "\n"}},
		{[]string{"queues", "No"}, result{2, "", `app: service name "No": want 1 to 24 letters a-z, which every Procfile platform accepts` + "\n"}},
		{[]string{"queues", "--interval", "1s"}, result{2, "", "app: --interval goes with --watch\n"}},
		{[]string{"queues", "--watch", "--interval", "1ms"}, result{2, "", "app: --interval is 1ms, want 100ms or more\n"}},
		{[]string{"queues", "--watch", "--interval", "soon"}, result{2, "", `app: --interval is "soon", want a duration such as 25s or 2m; the order is: app queues [options] [SERVICE…]` + "\n"}},
		{[]string{"queues", "idle", "--watch", "--interval", "1ms"}, result{2, "", "app: --interval is 1ms, want 100ms or more\n"}},
		{[]string{"queues", "idle", "--wacth"}, result{2, "", "app: flag provided but not defined: -wacth; the order is: app queues [options] [SERVICE…]\n"}},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			if d := cmp.Diff(tc.want, s.run(t, tc.args...)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
	var list []transports.ServiceStatus
	if err := json.Unmarshal([]byte(s.run(t, "queues", "busy", "--json").Stdout), &list); err != nil || len(list) != 1 || *list[0].Dead != 4 {
		t.Errorf("in JSON: %+v, %v", list, err)
	}
	if got := newSite().with((&fakeBroker{}).open).run(t, "queues"); got.Code != 0 || !strings.Contains(got.Stdout, "app start") {
		t.Errorf("with no service: %+v", got)
	}
}

// On a pipe each look is a block of its own, until Ctrl-C, which is how it is
// meant to end. A broker that is away for a while is no reason to end.
func TestQueuesWatch(t *testing.T) {
	isolate(t, nil)
	broker := busyBroker()
	broker.look = func(n int) error {
		if n == 2 {
			return errNoBroker
		}
		return nil
	}
	p := newSite().with(broker.open).spawn(t, "queues", "--watch", "--interval", "100ms", "idle")
	block := `\d\d:\d\d:\d\d\nSERVICE .*\nidle .*\n\n`
	p.out.match(t, `^`+block+`app: no broker answers at .*\n`+block+block)
	p.signals <- os.Interrupt
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestQueuesWatchJSON(t *testing.T) {
	isolate(t, nil)
	p := newSite().with(busyBroker().open).spawn(t, "queues", "--watch", "--json", "--interval", "100ms", "busy")
	p.out.match(t, `\n.*\n.*\n`)
	p.signals <- os.Interrupt
	if code := p.wait(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	lines := bufio.NewScanner(strings.NewReader(p.out.String()))
	for lines.Scan() {
		var list []transports.ServiceStatus
		if err := json.Unmarshal(lines.Bytes(), &list); err != nil || len(list) != 1 {
			t.Errorf("line %s: %v", lines.Text(), err)
		}
	}
}

// What cannot work from the beginning ends at once, also where it would be watched.
func TestQueuesWatchNobody(t *testing.T) {
	isolate(t, nil)
	if got := newSite().with(busyBroker().open).run(t, "queues", "--watch", "nobody"); got.Code != 3 {
		t.Errorf("%+v", got)
	}
}

// Whoever reads a pipe may stop reading.
func TestQueuesWatchIntoHead(t *testing.T) {
	isolate(t, nil)
	for enough := range 3 {
		out, errs := &head{blocks: enough}, newOutput()
		sys := System{Args: []string{"app", "queues", "--watch", "--interval", "100ms"}, Stdin: strings.NewReader(""), Stdout: out, Stderr: errs}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if code := Execute(ctx, sys, busyBroker().open); code != 0 || errs.String() != "" || ctx.Err() != nil {
			t.Errorf("after %d: exit code %d, %q, %v", enough, code, errs, ctx.Err())
		}
		cancel()
	}
}

// A head is a pipe whose reader leaves after some writes.
type head struct{ blocks int }

func (h *head) Write(b []byte) (int, error) {
	if h.blocks--; h.blocks < 0 {
		return 0, &os.PathError{Op: "write", Path: "|1", Err: syscall.EPIPE}
	}
	return len(b), nil
}

func TestOverwrite(t *testing.T) {
	t.Parallel()
	if got, want := overwrite("a\nb\n"), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestPauseCommands(t *testing.T) {
	isolate(t, nil)
	broker := busyBroker()
	s := newSite().with(broker.open)
	for _, tc := range []struct {
		args   []string
		want   result
		paused string
	}{
		{[]string{"pause", "idle", "busy"}, result{0, `idle is paused: within two seconds its workers take nothing more, what they have begun they finish, and the rest waits until "app resume idle".
busy is paused: within two seconds its workers take nothing more, what they have begun they finish, and the rest waits until "app resume busy".
`, ""}, "busy idle"},
		{[]string{"resume", "busy"}, result{0, "busy takes work again.\n", ""}, "idle"},
		{[]string{"resume", "idle", "nobody"}, result{3, "idle takes work again.\n", `app: no service named "nobody" was ever started on this broker (redis://127.0.0.1:6399, since none is set)` + "\n"}, ""},
		{[]string{"pause", "idle", "nobody", "--json"}, result{3, "[\n  {\n    \"service\": \"idle\",\n    \"paused\": true\n  }\n]\n", `app: no service named "nobody" was ever started on this broker (redis://127.0.0.1:6399, since none is set)` + "\n"}, "idle"},
		{[]string{"resume", "--json", "idle"}, result{0, "[\n  {\n    \"service\": \"idle\",\n    \"paused\": false\n  }\n]\n", ""}, ""},
		{[]string{"pause"}, result{2, "", "app: pause wants the names of services: app pause SERVICE…\n"}, ""},
		{[]string{"resume", "a:b"}, result{2, "", `app: service name "a:b": want 1 to 24 letters a-z, which every Procfile platform accepts` + "\n"}, ""},
	} {
		if d := cmp.Diff(tc.want, s.run(t, tc.args...)); d != "" {
			t.Errorf("%q -want +got:\n%s", tc.args, d)
		}
		var paused []string
		for _, status := range broker.status {
			if status.Paused {
				paused = append(paused, status.Name)
			}
		}
		if got := strings.Join(paused, " "); got != tc.paused {
			t.Errorf("after %q %q are paused, want %q", tc.args, got, tc.paused)
		}
	}
}

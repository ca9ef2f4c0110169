package runner

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/journeyman-go/journeyman/transports"
	"github.com/journeyman-go/journeyman/transports/memory"
)

// A running call ends, its reply arrives, and only then the process does.
func TestServeDrains(t *testing.T) {
	isolate(t, map[string]string{"PS": "tester#1"})
	s := newSite()
	worker := s.spawn(t, "serve", "tester")
	worker.out.match(t, "msg=ready")
	caller := s.spawn(t, "call", "tester", "wait")
	receive(t, s.entered, "the handler runs")

	worker.signals <- syscall.SIGTERM
	worker.out.match(t, `msg=stopping .*running=1`)
	worker.signals <- syscall.SIGTERM // platforms repeat it
	close(s.proceed)
	if code := worker.wait(t); code != 0 {
		t.Errorf("the worker's exit code is %d", code)
	}
	if code := caller.wait(t); code != 0 || caller.out.String() != "\"done\"\n" {
		t.Errorf("the caller's exit code is %d, and it printed %q", code, caller.out)
	}
	for _, want := range []string{"msg=starting", "instance=tester.1", `methods="echo hasty refuse wait"`, "slots=64", "from=default", "connections=2", "drain=4s", "msg=stopped"} {
		if !strings.Contains(worker.out.String(), want) {
			t.Errorf("no %q in the log:\n%s", want, worker.out)
		}
	}
}

// With no time to drain, a running call goes to another worker instead.
func TestServeHandsBack(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_DRAIN": "0"})
	s := newSite()
	first := s.spawn(t, "serve", "tester")
	first.out.match(t, "msg=ready")
	caller := s.spawn(t, "call", "tester", "wait")
	receive(t, s.entered, "the handler runs")
	first.signals <- syscall.SIGTERM
	if code := first.wait(t); code != 0 {
		t.Errorf("the first worker's exit code is %d", code)
	}
	s.spawn(t, "serve", "tester")
	receive(t, s.entered, "the handler runs again")
	close(s.proceed)
	if code := caller.wait(t); code != 0 {
		t.Errorf("the caller's exit code is %d, and it printed %q", code, caller.out)
	}
}

func TestCallDeadline(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	worker := s.spawn(t, "serve", "tester")
	worker.out.match(t, "msg=ready")
	got := s.run(t, "call", "--timeout", "50ms", "tester", "wait")
	if want := (result{3, "", "app: tester did not answer within 50ms\n"}); got != want {
		t.Errorf("with a worker: %+v", got)
	}
	// A method that gives up earlier has answered.
	got = s.run(t, "call", "tester", "hasty")
	if want := (result{1, "", `{"code":-32000,"message":"Deadline exceeded"}` + "\n"}); got != want {
		t.Errorf("with a method's own deadline: %+v", got)
	}
	worker.signals <- syscall.SIGTERM
	worker.wait(t)
	got = s.run(t, "call", "--timeout", "50ms", "tester", "echo")
	if want := (result{3, "", "app: tester did not answer within 50ms; no worker of it is up, so start one with \"app serve tester\"\n"}); got != want {
		t.Errorf("without one: %+v", got)
	}
}

// What has no deadline gets the process's, and as a notification it is tried again.
func TestNotifyTimeout(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_TIMEOUT": "10ms"})
	s := newSite()
	worker := s.spawn(t, "serve", "tester")
	worker.out.match(t, "msg=ready")
	if got := s.run(t, "notify", "tester", "wait"); got.Code != 0 {
		t.Fatalf("notify: %+v", got)
	}
	worker.out.match(t, `level=WARN msg="notification failed" .*method=wait .*attempt="1 of 15" .*err="context deadline exceeded"`)
	worker.out.match(t, `attempt="2 of 15"`)
}

// A stalled transport never gets to take anything.
type stalled struct{ transports.Transport }

func (stalled) Serve(_ context.Context, s transports.Service) error {
	return fmt.Errorf("serve %s: %w", s.Name, transports.ErrStalled)
}

// A worker that cannot take anything ends, and says so in one line.
func TestServeStalled(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	got := s.with(func(Target) (Link, error) {
		return Link{Transport: stalled{s.broker.Open(memory.Options{})}}, nil
	}).run(t, "serve", "tester")
	want := "app: serve tester: service stalled; ending so that the platform starts a fresh process\n"
	if got.Code != exitJourney || got.Stderr != want {
		t.Errorf("exit code %d, and it printed %q, want %q", got.Code, got.Stderr, want)
	}
}

func TestCallInterrupted(t *testing.T) {
	isolate(t, nil)
	s := newSite()
	s.spawn(t, "serve", "tester").out.match(t, "msg=ready")
	caller := s.spawn(t, "call", "tester", "wait")
	receive(t, s.entered, "the handler runs")
	defer close(s.proceed) // so that the worker ends soon
	caller.signals <- os.Interrupt
	if code := caller.wait(t); code != 3 || caller.out.String() != "app: interrupted before tester answered\n" {
		t.Errorf("exit code %d, and it printed %q", code, caller.out)
	}
}

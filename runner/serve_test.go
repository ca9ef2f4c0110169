package runner

import (
	"os"
	"strings"
	"syscall"
	"testing"
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

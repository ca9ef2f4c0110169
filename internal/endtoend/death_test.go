//go:build unix

package endtoend

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// A worker killed in the middle of its requests: another finishes them inside
// their callers' deadline, and every call is answered once.
func TestKilledWorker(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	a := newApplication(t, url, namespace)
	workers := a.startAll(3)
	const calls = 96
	wait := a.call(t.Context(), calls, 1000)
	victim := workers[0]
	a.eventually("a job to run in the victim", func() bool { return a.runningAt(victim) > 0 })
	victim.signal(t, syscall.SIGKILL)
	<-victim.done
	killed := time.Now()
	lost := a.runningAt(victim)
	wait()
	t.Logf("%d jobs died with their worker; all %d calls answered %v after", lost, calls, time.Since(killed).Round(time.Millisecond))
	_, ended := a.counts()
	for n := range calls {
		if ended[n] == 0 {
			t.Errorf("job %d was answered and never ended", n)
		}
	}
	if lost == 0 {
		t.Error("no job died with the worker: the test showed nothing")
	}
	if c := a.caller.Counts(); c.LateReplies != 0 {
		t.Errorf("%d second replies", c.LateReplies)
	}
}

// SIGTERM under load, new workers before old ones go as Heroku does it: what runs
// is finished, the rest goes elsewhere, nothing runs twice.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	a := newApplication(t, url, namespace)
	old := a.startAll(2, "JOURNEYMAN_CONCURRENCY=4")
	const calls = 600
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wait := a.call(ctx, calls, 100)
	for range 3 {
		var next []*worker
		for _, w := range old {
			a.eventually("a job to run in the worker", func() bool { return a.runningAt(w) > 0 })
			next = append(next, a.start("JOURNEYMAN_CONCURRENCY=4"))
			w.signal(t, syscall.SIGTERM)
			w.signal(t, syscall.SIGTERM) // platforms repeat it
		}
		for _, w := range old {
			<-w.done
			if code := w.ProcessState.ExitCode(); code != 0 {
				t.Errorf("worker ended with %d", code)
			}
		}
		old = next
		if begun, _ := a.counts(); len(begun) == calls {
			t.Fatal("the load ended before the restarts did: the test showed nothing")
		}
	}
	wait()
	begun, ended := a.counts()
	for n := range calls {
		if begun[n] != 1 || ended[n] != 1 {
			t.Errorf("job %d began %d times and ended %d times", n, begun[n], ended[n])
		}
	}
}

// A process that was stopped for longer than its lease is fenced when it goes on:
// its results are dropped, and it serves again under a new identity.
func TestStoppedWorker(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	a := newApplication(t, url, namespace)
	workers := a.startAll(2)
	stopped, other := workers[0], workers[1]
	const calls = 64
	wait := a.call(t.Context(), calls, 500)
	a.eventually("jobs to run in both", func() bool { return a.runningAt(stopped) > 0 && a.runningAt(other) > 0 })
	stopped.signal(t, syscall.SIGSTOP)
	wait() // the other has taken over
	stopped.signal(t, syscall.SIGCONT)
	other.signal(t, syscall.SIGTERM)
	<-other.done
	a.call(t.Context(), 8, 1)() // by the one that was stopped
	if c := a.caller.Counts(); c.LateReplies != 0 {
		t.Errorf("%d second replies", c.LateReplies)
	}
}

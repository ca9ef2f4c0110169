package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// matches holds a log to a pattern; "" is for an empty one.
func matches(t *testing.T, log, pattern string) {
	t.Helper()
	if pattern == "" && log != "" || !regexp.MustCompile(pattern).MatchString(log) {
		t.Errorf("want %q in the log:\n%s", pattern, log)
	}
}

// Handlers that do not return are answered for, and at the limit the process is
// asked to end.
func TestStuck(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		release := make(chan struct{})
		a := newAdapter(&log, map[string]method{"stick": func(context.Context) error { <-release; return nil }, "do": fine})
		a.stuckLimit = 3
		handle := func(body string) transports.Outcome {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			return a.handle(ctx, transports.Message{ID: "m1", Body: []byte(body)})
		}
		const note, call = `{"jsonrpc":"2.0","method":"stick"}`, `{"jsonrpc":"2.0","id":1,"method":"stick"}`

		if out := handle(note); out.Verdict != transports.Suspect || out.Err == nil {
			t.Errorf("a notification gets verdict %v with %v, want it suspected", out.Verdict, out.Err)
		}
		matches(t, log.String(), "level=ERROR .*method=stick id=m1")
		if out := handle(call); out.Verdict != transports.Done || !strings.Contains(string(out.Reply), `"id":1,"error":{"code":-32000`) {
			t.Errorf("a call gets verdict %v and %s, want it answered with a timeout", out.Verdict, out.Reply)
		}
		if n := a.running.Load(); n != 0 {
			t.Errorf("%d calls count as running, so that a stop would wait for them", n)
		}
		select {
		case err := <-a.ending:
			t.Errorf("with two of three it is to end: %v", err)
		default:
		}

		// In a batch the others are answered, and it goes on alone.
		out := handle(`[` + note + `,{"jsonrpc":"2.0","id":1,"method":"do"}]`)
		if string(out.Reply) != `[{"jsonrpc":"2.0","id":1,"result":"ok"}]` || len(out.Follow) != 1 || out.Follow[0].Failures != 1 {
			t.Errorf("the batch is answered %s, and %+v follows", out.Reply, out.Follow)
		}
		select {
		case err := <-a.ending:
			matches(t, err.Error(), "^3 handlers do not return; ending so that the platform starts a fresh process$")
		default:
			t.Error("with three of three it goes on")
		}
		for range 2 { // it is said again, and nobody need hear it
			a.handle(t.Context(), transports.Message{Body: []byte(doIt)})
		}

		// Whoever returns after all no longer counts.
		close(release)
		synctest.Wait()
		<-a.ending
		if a.checkStuck(); len(a.ending) != 0 {
			t.Error("with none of three it is to end")
		}
	})
}

// sticky adds a service with a method that heeds nothing before the test is over.
func sticky(t *testing.T, s *site, grace time.Duration) {
	t.Helper()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	s.programs = append(s.programs, RPC("sticky", "has a method that does not return", func(Resources) (*jsonrpc.Mux, error) {
		mux := &jsonrpc.Mux{Grace: grace}
		mux.Handle("stick", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			<-release
			return nil, nil
		}), jsonrpc.Timeout(time.Millisecond))
		mux.Handle("wait", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
			s.entered <- struct{}{}
			<-s.proceed
			return "done", nil
		}))
		return mux, nil
	}))
}

// A process with too many of them finishes what it can, and ends so that its
// platform notices.
func TestServeEndsWhenStuck(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_CONCURRENCY": "16", "JOURNEYMAN_DRAIN": "1h"})
	s := newSite()
	sticky(t, s, time.Millisecond)
	worker := s.spawn(t, "serve", "sticky")
	worker.out.match(t, "msg=ready")
	caller := s.spawn(t, "call", "sticky", "wait")
	receive(t, s.entered, "the handler runs")
	for range 2 {
		if got := s.run(t, "call", "sticky", "stick"); got.Code != 1 || !strings.Contains(got.Stderr, "-32000") {
			t.Errorf("the call that got stuck ended so: %+v", got)
		}
	}
	worker.out.match(t, `level=ERROR .*2 handlers do not return; ending`)
	worker.out.match(t, `msg=stopping .*running=[12]`)
	close(s.proceed)
	if code := caller.wait(t); code != 0 || caller.out.String() != "\"done\"\n" {
		t.Errorf("the other call's exit code is %d, and it printed %q", code, caller.out)
	}
	if code := worker.wait(t); code != exitJourney {
		t.Errorf("the worker's exit code is %d, want %d", code, exitJourney)
	}
	worker.out.match(t, `(?m)^app: 2 handlers do not return; ending so that the platform starts a fresh process$`)
}

// At SIGTERM nobody waits for what was given up.
func TestStuckDoesNotHoldUpAStop(t *testing.T) {
	isolate(t, map[string]string{"JOURNEYMAN_CONCURRENCY": "16", "JOURNEYMAN_DRAIN": "1h"})
	s := newSite()
	sticky(t, s, 0) // as it is outside of tests
	worker := s.spawn(t, "serve", "sticky")
	worker.out.match(t, "msg=ready")
	if got := s.run(t, "call", "sticky", "stick"); got.Code != 1 || !strings.Contains(got.Stderr, "-32000") {
		t.Errorf("the call that got stuck ended so: %+v", got)
	}
	worker.signals <- syscall.SIGTERM
	if code := worker.wait(t); code != 0 {
		t.Errorf("the worker's exit code is %d", code)
	}
	worker.out.match(t, `msg=stopped .*handed_back=0`)
}

package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

const (
	stickNote = `{"jsonrpc":"2.0","method":"stick"}`
	stickCall = `{"jsonrpc":"2.0","id":1,"method":"stick"}`
)

// stuckAdapter returns an adapter with a method that heeds nothing but release.
func stuckAdapter(log *bytes.Buffer, opts ...jsonrpc.Option) (a *adapter, release chan struct{}) {
	release = make(chan struct{})
	return newAdapter(log, map[string]method{"stick": func(context.Context) error { <-release; return nil }, "do": fine}, opts...), release
}

// outcome hands the adapter a message with a deadline in a second.
func outcome(t *testing.T, a *adapter, body string) <-chan transports.Outcome {
	t.Helper()
	out := make(chan transports.Outcome, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		out <- a.handle(ctx, transports.Message{ID: "m1", Method: "stick", Body: []byte(body)})
	}()
	return out
}

// A call that does not return is answered, and its slot is free. What may not be
// begun again beside itself keeps its slot, and counts by how it ends.
func TestStuck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		body  string
		opts  []jsonrpc.Option
		waits bool
		reply string // in which it stands
	}{
		"call":         {body: stickCall, reply: `"id":1,"error":{"code":-32000`},
		"notification": {body: stickNote, waits: true},
		"batch":        {body: `[` + stickNote + `,{"jsonrpc":"2.0","id":1,"method":"do"}]`, waits: true, reply: `"result":"ok"`},
		"deduped call": {body: stickCall, opts: []jsonrpc.Option{jsonrpc.Dedupe(time.Hour)}, waits: true, reply: `"result":"ok"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, release := stuckAdapter(new(bytes.Buffer), tt.opts...)
				out := outcome(t, a, tt.body)
				time.Sleep(time.Hour)
				synctest.Wait()
				if waits := len(out) == 0; waits != tt.waits || a.running.Load() > 0 != tt.waits {
					t.Errorf("waited for: %v, want %v; %d count as running", waits, tt.waits, a.running.Load())
				}
				close(release)
				got := <-out
				if got.Verdict != transports.Done || !strings.Contains(string(got.Reply), tt.reply) || got.Err != nil || got.Follow != nil {
					t.Errorf("the outcome is %+v with reply %s", got, got.Reply)
				}
				synctest.Wait()
			})
		})
	}
}

// What a process cannot finish that ends because of it is as deadly as a crash, and
// says of what.
func TestStuckAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		a, release := stuckAdapter(&log, jsonrpc.Dedupe(time.Hour))
		alone := []<-chan transports.Outcome{outcome(t, a, stickNote), outcome(t, a, `[`+stickNote+`]`), outcome(t, a, stickCall)}
		batch := outcome(t, a, `[`+stickNote+`,`+stickCall+`,{"jsonrpc":"2.0","id":2,"method":"do"}]`)
		time.Sleep(time.Hour)
		a.mux.Abandon()
		synctest.Wait() // for all lines of the log
		for i, out := range alone {
			got := <-out
			if got.Verdict != transports.Suspect || !errors.Is(got.Err, jsonrpc.ErrStuck) || got.Reply != nil || got.Keep != 0 {
				t.Errorf("message %d has the outcome %+v, want it suspected of what it did", i, got)
			}
		}
		matches(t, log.String(), "level=ERROR .*method=stick id=m1 err=.*does not return")
		// The others of a batch have run, and are not to run again.
		got := <-batch
		if got.Verdict != transports.Done || !strings.Contains(string(got.Reply), `"id":2,"result":"ok"`) || len(got.Follow) != 1 || got.Follow[0].Failures != 1 || got.Keep != 0 {
			t.Errorf("the batch has the outcome %+v with reply %s", got, got.Reply)
		}
		close(release)
	})
}

// When a process ends: with too many of them for a while, or with one for a long
// time; and it says so once.
func TestStuckWatch(t *testing.T) {
	t.Parallel()
	const patience, counts = 25 * time.Second, 3 * time.Second // until a handler counts as stuck
	for name, tt := range map[string]struct {
		slots, stuck int
		returns      time.Duration // when the first one does, if ever
		ends         time.Duration // 0: never
		log          string
	}{
		"an eighth":            {slots: 24, stuck: 3, ends: counts + patience, log: "3 handlers do not return (stick)"},
		"fewer":                {slots: 24, stuck: 2, ends: counts + 10*patience, log: "2 handlers do not return (stick)"},
		"two of few":           {slots: 4, stuck: 2, ends: counts + patience, log: "2 handlers do not return (stick)"},
		"one of few":           {slots: 4, stuck: 1, ends: counts + 10*patience, log: "1 handler does not return (stick)"},
		"the only one":         {slots: 1, stuck: 1, ends: counts + patience, log: "1 handler does not return (stick)"},
		"back in time":         {slots: 24, stuck: 3, returns: counts + patience - time.Second, ends: counts + 10*patience, log: "2 handlers do not return (stick)"},
		"a long one, but back": {slots: 4, stuck: 1, returns: counts + 10*patience - time.Second},
		"none":                 {slots: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, release := stuckAdapter(new(bytes.Buffer))
				start := time.Now()
				for range tt.stuck {
					outcome(t, a, stickNote)
				}
				if tt.returns > 0 {
					time.AfterFunc(tt.returns, func() { release <- struct{}{} })
				}
				w := newStuckWatch(a.mux, tt.slots, patience)
				taking, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					ended <- w.beside(func(taking context.Context) error { <-taking.Done(); return nil })(taking)
				}()
				select {
				case why := <-w.ending:
					if took := time.Since(start).Truncate(time.Second); took != tt.ends || why.Error() != tt.log+"; "+freshProcess {
						t.Errorf("ended after %v: %v; want %v: %s", took, why, tt.ends, tt.log)
					}
				case <-time.After(time.Hour):
					if tt.ends != 0 {
						t.Errorf("it goes on, want that it ends after %v", tt.ends)
					}
				}
				time.Sleep(time.Hour)
				if len(w.ending) > 0 {
					t.Errorf("it is said again: %v", <-w.ending)
				}
				stop()
				<-ended
				close(release)
			})
		})
	}
}

// What is stuck is let go when nothing else runs, and not because of a stop that was
// asked for.
func TestStuckWatchAbandons(t *testing.T) {
	t.Parallel()
	for name, asked := range map[string]bool{"at its own end": false, "at a stop": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				a, release := stuckAdapter(new(bytes.Buffer))
				proceed := make(chan struct{})
				a.mux.Handle("slow", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { <-proceed; return nil, nil }), jsonrpc.Timeout(time.Hour))
				go a.handle(t.Context(), transports.Message{Body: []byte(`{"jsonrpc":"2.0","method":"slow"}`)})
				stuck := outcome(t, a, stickNote)
				w := newStuckWatch(a.mux, 1, time.Minute)
				taking, stop := context.WithCancel(t.Context())
				over := make(chan struct{})
				ended := make(chan error, 1)
				go func() {
					ended <- w.beside(func(context.Context) error { <-over; return nil })(taking)
				}()
				if !asked {
					<-w.ending
				}
				synctest.Wait()
				stop()
				time.Sleep(10 * time.Minute)
				if len(stuck) > 0 {
					t.Error("it was let go while another handler still runs")
				}
				close(proceed)
				time.Sleep(10 * time.Minute)
				if abandoned := len(stuck) > 0; abandoned == asked {
					t.Errorf("let go: %v, want %v", abandoned, !asked)
				}
				close(over)
				<-ended
				close(release)
			})
		})
	}
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
	isolate(t, map[string]string{"JOURNEYMAN_CONCURRENCY": "16", "JOURNEYMAN_DRAIN": "1h", "JOURNEYMAN_TIMEOUT": "1s"})
	s := newSite()
	sticky(t, s, time.Millisecond)
	worker := s.spawn(t, "serve", "sticky")
	worker.out.match(t, "msg=ready")
	caller := s.spawn(t, "call", "--timeout", "1h", "sticky", "wait")
	receive(t, s.entered, "the handler runs")
	if got := s.run(t, "notify", "sticky", "stick"); got.Code != 0 {
		t.Errorf("the notification ended so: %+v", got)
	}
	if got := s.run(t, "call", "sticky", "stick"); got.Code != 1 || !strings.Contains(got.Stderr, "-32000") {
		t.Errorf("the call that got stuck ended so: %+v", got)
	}
	worker.out.match(t, `level=ERROR .*2 handlers do not return \(stick\); ending`)
	worker.out.match(t, `msg=stopping .*running=2`)
	close(s.proceed)
	if code := caller.wait(t); code != 0 || caller.out.String() != "\"done\"\n" {
		t.Errorf("the other call's exit code is %d, and it printed %q", code, caller.out)
	}
	if code := worker.wait(t); code != exitJourney {
		t.Errorf("the worker's exit code is %d, want %d", code, exitJourney)
	}
	worker.out.match(t, `(?m)^app: 2 handlers do not return \(stick\); ending so that the platform starts a fresh process$`)
	worker.out.match(t, `msg=stopped .*handed_back=0`) // but suspected
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

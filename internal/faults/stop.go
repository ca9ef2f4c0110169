package main

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/transports"
)

// stop: whatever a worker is doing, SIGTERM ends it in time, and a call that it
// could not finish is finished by another.
func stop(w *world) {
	b := w.startOwn()
	limit := w.within(10 * time.Second) // a drain of 4 s, a hard stop of 3 s, and something for a slow machine

	twice := w.startAll(1)[0]
	twice.signal(syscall.SIGTERM)
	code, took := twice.stop(limit)
	w.ended("SIGTERM twice", code, took)

	for _, after := range []time.Duration{0, 2 * time.Millisecond, 10 * time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond} {
		p := w.start(0)
		w.sleep(after)
		code, took := p.stop(limit)
		if killed(p) && !strings.Contains(p.text(), "starting") {
			code = 0 // before the first line of main there is nobody to heed a signal
		}
		w.ended(fmt.Sprintf("SIGTERM %v after the start", after), code, took)
	}

	helper := w.stubborn(limit)
	if b.pid() == 0 {
		w.finish()
		return
	}
	// At the end, since the broker does not come back.
	w.must(b.end(syscall.SIGKILL))
	w.sleep(time.Second)
	code, took = helper.stop(limit)
	w.ended("SIGTERM while the broker is down", code, took)
	p := w.start(0)
	w.sleep(time.Second)
	code, took = p.stop(limit)
	w.ended("SIGTERM when the broker never was up", code, took)
}

// stubborn stops a worker whose handler heeds no context, beside another, which it
// returns. The call is the other's then; without a broker its caller is told.
func (w *world) stubborn(limit time.Duration) (helper *worker) {
	stubborn := w.startAll(1)[0]
	reply := make(chan error, 1)
	caller := client.New(w.caller(w.url), service, client.Timeout(time.Minute))
	go func() {
		_, err := client.Result[done](w.ctx, caller, "stubborn", map[string]any{"id": "stubborn", "ms": 12_000})
		reply <- err
	}()
	w.eventually(20*time.Second, "the stubborn request to start", func() bool { return len(w.ledger.started("stubborn")) > 0 })
	helper = w.startAll(1)[0]
	code, took := stubborn.stop(limit)
	w.ended("SIGTERM with a handler that heeds no context", code, took)
	var err error
	select {
	case err = <-reply:
	case <-time.After(50 * time.Second):
		w.want(false, "the call whose worker was stopped has no answer after 50 s")
		return helper
	}
	starts := len(w.ledger.started("stubborn"))
	w.figure("its call", fmt.Sprintf("started %d times; after the worker's end its caller was told %s", starts, told(err)))
	if w.wire.queues {
		w.want(err == nil, "the call whose worker was stopped: %v", err)
	} else {
		w.want(starts == 1, "the call whose worker was stopped was started %d times, want once", starts)
		w.want(errors.Is(err, transports.ErrUnknownOutcome), "the call whose worker was stopped: %v, want ErrUnknownOutcome", err)
	}
	return helper
}

// ended wants a worker to have ended well and in time.
func (w *world) ended(what string, code int, took time.Duration) {
	w.figure(what, fmt.Sprintf("exit code %d after %v", code, took.Round(time.Millisecond)))
	w.want(code == 0, "%s: exit code %d after %v", what, code, took)
}

func killed(p *worker) bool {
	status, ok := p.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGTERM
}

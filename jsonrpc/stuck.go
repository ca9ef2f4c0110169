package jsonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrStuck is what became of a notification whose handler did not return within
// [Mux].Grace after its deadline. A call is answered with CodeTimeout.
var ErrStuck = fmt.Errorf("the handler does not return: %w", context.DeadlineExceeded)

// errGone is for handlers that end their goroutine instead of returning.
var errGone = errors.New("the handler ended its goroutine")

// Stuck returns how many handlers were given up and have not returned since. Go
// cannot end them: each may hold memory, locks or a whole processor. A process
// that has many should make room for a fresh one.
func (m *Mux) Stuck() int {
	n := int64(0)
	for _, e := range m.entries {
		n += e.counts.stuck.Load()
	}
	return int(n)
}

// execute runs a method until it ends or is given up. The rest of a batch is
// answered either way, and so is its caller.
func (m *Mux) execute(ctx context.Context, e *entry, params json.RawMessage) (json.RawMessage, error) {
	ctx = context.WithValue(ctx, entryKey{}, e)
	deadline, limited := ctx.Deadline()
	timeout := e.timeout
	if timeout == 0 && !limited {
		timeout = m.Timeout
	}
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
		deadline, limited = ctx.Deadline()
	}
	if !limited || m.Grace <= 0 {
		return e.finish(ctx, params)
	}
	r := run{mux: m, entry: e, ctx: ctx, ended: make(chan ending, 1)}
	go r.run(params)
	return r.await(deadline)
}

// A run is a handler in a goroutine of its own, so that it can be given up.
type run struct {
	mux     *Mux
	entry   *entry
	ctx     context.Context
	ended   chan ending // buffered: nobody may be there to take it
	decided atomic.Bool // it has ended, or was given up: whichever came first
}

type ending struct {
	result json.RawMessage
	err    error
}

func (r *run) run(params json.RawMessage) {
	began := time.Now()
	end := ending{err: errGone}
	defer func() {
		r.ended <- end
		if r.decided.CompareAndSwap(false, true) {
			return
		}
		r.entry.counts.stuck.Add(-1)
		r.mux.logger().WarnContext(r.ctx, "stuck handler has returned after all; its result is dropped",
			"method", r.entry.name, "key", Key(r.ctx), "after", time.Since(began).Round(time.Millisecond).String(), "failed", end.err != nil)
	}()
	end.result, end.err = r.entry.finish(r.ctx, params)
}

// await returns what the handler made of it. The grace is counted from when this
// process sees that the deadline has passed, since a process that was stopped
// meanwhile owes its handlers the time to see it, too. That ctx was cancelled
// earlier makes nobody stuck: to finish all the same is a handler's good right.
func (r *run) await(deadline time.Time) (json.RawMessage, error) {
	began := time.Now()
	for _, patience := range []time.Duration{time.Until(deadline), r.mux.Grace} {
		timer := time.NewTimer(patience)
		select {
		case end := <-r.ended:
			timer.Stop()
			return end.result, end.err
		case <-timer.C:
		}
	}
	r.entry.counts.stuck.Add(1) // before the handler can see that it is, and take it back
	if !r.decided.CompareAndSwap(false, true) {
		r.entry.counts.stuck.Add(-1)
		end := <-r.ended
		return end.result, end.err
	}
	r.mux.logger().ErrorContext(r.ctx, "handler does not return; giving it up",
		"method", r.entry.name, "key", Key(r.ctx), "after", time.Since(began).Round(time.Millisecond).String(), "stuck", r.mux.Stuck())
	return nil, ErrStuck
}

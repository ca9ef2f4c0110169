package httprpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// An errand is a message on its way through a desk.
type errand struct {
	transport *Transport
	desk      *desk
	message   transports.Message
	size      int64
	caller    context.Context // ends when the caller goes away; one who does not wait never does
}

// accept notes a message for which nobody waits. It returns false after Close.
func (t *Transport) accept(e *errand) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.errands[e] = e.desk.service.Name
	return true
}

// done forgets it, and reports whether Close has not given it up meanwhile.
func (t *Transport) done(e *errand) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, mine := t.errands[e]
	delete(t.errands, e)
	return mine
}

// answered runs a message whose caller waits at the other end of the connection.
func (e *errand) answered(a *answer) {
	defer a.end()
	ctx, release := e.context()
	defer release()
	if word := e.wait(ctx, e.desk.stopping); word != "" {
		a.refuse(refusals(word)) // also where its caller has gone, and reads nothing
		return
	}
	defer func() { <-e.desk.slots }()
	defer context.AfterFunc(ctx, func() {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			a.refuse(refusals(refusedDeadline))
		}
	})()
	o := e.handle(ctx)
	if o.Verdict == transports.NotMine {
		a.refuse(refusals(refusedNotMine))
		return
	}
	e.discard(o)
	var given bool
	switch {
	case o.Reply == nil && o.Verdict == transports.Done:
		given = a.accepted()
	case o.Reply != nil && len(o.Reply) > e.transport.options.MaxMessage:
		e.transport.lost(e.desk.service.Name, e.message, fmt.Sprintf("its reply of %d bytes is over the limit", len(o.Reply)), nil)
		given = a.refuse(refusals(refusedFailed))
	case o.Reply != nil && (o.Verdict == transports.Done || o.Verdict == transports.Bury):
		given = a.reply(o.Reply)
	default:
		given = a.refuse(refusals(refusedFailed))
	}
	if !given || ctx.Err() != nil {
		e.transport.stats.lateReplies.Add(1)
	}
}

// alone runs a message for which nobody waits.
func (e *errand) alone() {
	ctx, release := e.context()
	defer release()
	if e.wait(ctx, nil) != "" {
		return // expired, or Close has said that it is lost
	}
	defer func() { <-e.desk.slots }()
	o := e.handle(ctx)
	if e.transport.done(e) {
		e.discard(o)
	}
}

// context returns the context of the handler: it has the values of Serve's, and ends
// at the deadline, on Close, and when the caller goes away.
func (e *errand) context() (context.Context, func()) {
	ctx, cancel := context.WithCancel(e.desk.values)
	stopCaller := context.AfterFunc(e.caller, cancel)
	stopLife := context.AfterFunc(e.transport.life, cancel)
	release := func() { stopCaller(); stopLife(); cancel() }
	if e.message.Expires.IsZero() {
		return ctx, release
	}
	timed, end := context.WithDeadline(ctx, e.message.Expires)
	return timed, func() { end(); release() }
}

// wait returns "" with a slot in hand, otherwise why the message is not to be run.
func (e *errand) wait(ctx context.Context, stopping <-chan struct{}) (refused string) {
	defer e.desk.begun(e.size)
	select {
	case e.desk.slots <- struct{}{}:
		if refused = e.over(ctx); refused != "" {
			<-e.desk.slots
		}
		return refused
	case <-ctx.Done():
		return e.over(ctx)
	case <-stopping:
		return refusedDraining
	}
}

// over returns "" while it makes sense to begin the message.
func (e *errand) over(ctx context.Context) (refused string) {
	// ctx itself learns of each of these a moment later.
	switch {
	case !e.message.Expires.IsZero() && !e.message.Expires.After(time.Now()):
		e.transport.stats.expired.Add(1)
		return refusedDeadline
	case ctx.Err() != nil, e.caller.Err() != nil, e.transport.life.Err() != nil:
		return refusedDraining // the caller has gone and reads nothing, or this process is being closed
	}
	return ""
}

// handle calls the handler. A panic is a fault of whoever joined handler and
// transport; it must not take the process and other people's requests along. Nor must
// a handler that ends its goroutine, as t.FailNow does, take its message along unsaid.
func (e *errand) handle(ctx context.Context) (o transports.Outcome) {
	service, returned := e.desk.service, false
	defer func() {
		if v := recover(); v != nil {
			e.transport.log.Error("handler panicked", "service", service.Name, "method", e.message.Method,
				"id", e.message.ID, "panic", v, "stack", string(debug.Stack()))
			o = transports.Outcome{Verdict: transports.Bury, Err: fmt.Errorf("panic: %v", v)}
		} else if !returned {
			e.transport.lost(service.Name, e.message, "its handler ended its goroutine", nil)
		}
	}()
	o = service.Handler(ctx, e.message)
	returned = true
	return o
}

// discard tells people what a broker would have kept.
func (e *errand) discard(o transports.Outcome) {
	t, service := e.transport, e.desk.service.Name
	switch o.Verdict {
	case transports.Retry:
		t.lost(service, e.message, fmt.Sprintf("it failed, and was to be tried again in %v", o.After.Round(time.Millisecond)), o.Err)
	case transports.Bury:
		t.lost(service, e.message, "it was given up", o.Err)
	case transports.Suspect:
		t.lost(service, e.message, "its handler does not return, and the process has to be replaced", o.Err)
	case transports.NotMine:
		t.lost(service, e.message, "it was left to another process", o.Err)
	case transports.Done:
	}
	for _, m := range o.Follow {
		t.lost(service, m, "it was to follow "+e.message.ID, nil)
	}
	for _, d := range o.Dead {
		t.lost(service, d.Message, "it was given up: "+d.Reason, nil)
	}
}

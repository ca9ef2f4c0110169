package jsonrpc

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"time"
)

// An Answer is what a Mux made of a body.
type Answer struct {
	// Reply is a JSON-RPC response or an array of them, nil if nothing is owed.
	Reply []byte
	// Notifications lists those of the body, in its order.
	Notifications []Notification
	// Abandoned is why Mux.Abandon gave up a handler of this body, a notification or a
	// call of a method with Dedupe, which runs on for as long as the process does; nil:
	// none was.
	Abandoned error
}

// ErrNotBegun is what became of a notification in a batch whose context had ended
// before its turn came: it was not attempted.
var ErrNotBegun = errors.New("not begun")

// A Notification is what became of one notification, of which JSON-RPC tells
// its caller nothing.
type Notification struct {
	Method string
	Body   []byte // the notification alone, as it was sent, so that it can be run again without its batch
	Key    string // the idempotency key that it ran under, to run it again under the same one; "": none
	Err    error  // nil: it ran. Unlike a reply it holds the error itself, not only what callers may read
}

// Answer runs what body asks for and never fails: any bytes have a valid reply,
// or none because all they hold is notifications. It does not modify body, but
// handlers and the result share its memory.
//
// Members of a batch may run at the same time and in any order; their replies
// stand in the order of the requests. Calls with equal ids are each answered. A
// request that is not valid is answered with its id if it has a legal one. Once ctx
// has ended no further member is begun: calls are answered with CodeTimeout or
// CodeCanceled, and notifications end with [ErrNotBegun].
func (m *Mux) Answer(ctx context.Context, body []byte) Answer {
	w, reused := m.waiters.Get().(*waiter)
	if !reused {
		w = newWaiter()
	}
	if m.Grace > 0 {
		go m.AnswerTo(ctx, body, w.tell) // a handler may have to be left behind
	} else {
		m.AnswerTo(ctx, body, w.tell)
	}
	answer := <-w.answered
	m.waiters.Put(w)
	return answer
}

// A waiter waits for one Answer after the other. It is reused, since with the function
// that goes with it a channel costs more than what passes through it.
type waiter struct {
	answered chan Answer
	tell     func(Answer)
}

func newWaiter() *waiter {
	w := &waiter{answered: make(chan Answer, 1)}
	w.tell = func(a Answer) { w.answered <- a }
	return w
}

// AnswerTo does what Answer does, and spares the goroutine in which Answer runs the
// handlers: it runs them in its caller's, and calls answered once with the Answer.
// Mostly that is before AnswerTo returns; but members of a batch may still be at work
// then, and for a handler that is stuck another goroutine calls answered, while AnswerTo
// goes on for as long as the handler does. So nothing may depend on when AnswerTo returns,
// nor on whether: a handler that ends its goroutine ends this one.
func (m *Mux) AnswerTo(ctx context.Context, body []byte, answered func(Answer)) {
	grow(0)
	j, refused := m.read(ctx, body)
	if refused != nil {
		answered(Answer{Reply: refused})
		return
	}
	j.answered = answered
	j.run()
}

// grow makes the stack of a goroutine that was started a moment ago large enough for
// most handlers. It would become so anyway, step by step, but each step moves all
// frames that there are by then, and that costs more than all the rest of an answer.
//
//go:noinline
func grow(none int) {
	if none > 0 { // it never is; what counts is the size of the frame
		var room [6 << 10]byte
		runtime.KeepAlive(&room)
	}
}

// read returns what body asks for, or the reply that refuses it as a whole.
func (m *Mux) read(ctx context.Context, body []byte) (j *job, refused []byte) {
	j = &job{mux: m, ctx: ctx, outside: isOutside(ctx)}
	var fault string
	var err error
	j.members, j.batch, fault, err = parse(j.one[:0], body)
	switch {
	case err != nil:
		return nil, errorReply(null, Errorf(CodeParse, "Parse error").WithData(err.Error()))
	case fault != "":
		return nil, errorReply(null, invalid(fault))
	}
	return j, nil
}

func invalid(fault string) *Error {
	return Errorf(CodeInvalidRequest, "Invalid Request").WithData(fault)
}

// finish runs the method that r asks for, from now on, to its end and encodes the reply,
// whether it is owed or not: encoding a result can fail and panic as the method can.
func (e *entry) finish(ctx context.Context, r *request, began time.Time) (reply []byte, err error) {
	e.counts.start()
	err = errGone // unless the handler returns
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
		e.counts.stop(began, err)
	}()
	value, err := e.run(ctx, r.params)
	if err != nil {
		return nil, err
	}
	if reply, err = resultReply(r.id, value); err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return reply, nil
}

// refusal returns what the caller reads of r.err. What it may not read goes to
// the log under an id that both get.
func (m *Mux) refusal(ctx context.Context, r *request) (e *Error) {
	id := rand.Text()
	internal := Errorf(CodeInternal, "Internal error").WithData(map[string]string{"id": id})
	defer func() {
		// Errors have methods, and a nil pointer in an error runs into one of them.
		if v := recover(); v != nil {
			m.logger().ErrorContext(ctx, "handler returned a broken error", "method", r.method, "error_id", id,
				"type", fmt.Sprintf("%T", r.err), "panic", v)
			m.reportBroken(ctx, r, id, r.err, v)
			e, r.err = internal, internal
		}
	}()
	if e := public(r.err); e != nil {
		m.reportPublic(ctx, r)
		return e
	}
	level, attrs := slog.LevelError, []any{"method", r.method, "error_id", id, "err", r.err.Error()}
	if p, ok := errors.AsType[*panicError](r.err); ok {
		attrs = append(attrs, "stack", string(p.stack))
	} else if !r.call {
		level = slog.LevelWarn // it may be tried again, and whoever carries it says when not
	}
	m.logger().Log(ctx, level, "handler failed", attrs...)
	m.reportInternal(ctx, r, id)
	return internal
}

func (m *Mux) logger() *slog.Logger {
	if m.Logger != nil {
		return m.Logger
	}
	return slog.Default()
}

// A panicError is a panic of a handler, as the error that it amounts to.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

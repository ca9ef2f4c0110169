package jsonrpc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
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

// concurrency bounds how many members of one batch run at once, so that a
// caller does not get past the limit of its worker by batching.
const concurrency = 8

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
	members, batch, fault, err := parse(body)
	if err != nil {
		return Answer{Reply: errorReply(null, Errorf(CodeParse, "Parse error").WithData(err.Error()))}
	}
	if fault != "" {
		return Answer{Reply: errorReply(null, invalid(fault))}
	}
	if batch {
		m.settleAll(ctx, members)
	} else {
		m.settle(ctx, &members[0])
	}
	return collect(members, batch)
}

func (m *Mux) settleAll(ctx context.Context, members []request) {
	var running sync.WaitGroup
	slots := make(chan struct{}, concurrency)
	for i := range members {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			if r, ended := &members[i], ctx.Err(); ended != nil && r.fault == "" {
				r.leave(memberContext(ctx, i), ended)
			} else {
				m.settle(memberContext(ctx, i), r)
			}
		})
	}
	running.Wait()
}

func collect(members []request, batch bool) Answer {
	var a Answer
	for i := range members {
		r := &members[i]
		if r.abandoned {
			a.Abandoned = r.err
		}
		switch {
		case r.fault == "" && !r.call:
			a.Notifications = append(a.Notifications, Notification{Method: r.method, Body: r.raw, Key: r.key, Err: r.err})
		case !batch:
			a.Reply = r.reply
		default:
			separator := byte(',')
			if a.Reply == nil {
				separator = '['
			}
			a.Reply = append(append(a.Reply, separator), r.reply...)
		}
	}
	if batch && a.Reply != nil {
		a.Reply = append(a.Reply, ']')
	}
	return a
}

// settle fills in r.reply or, for a notification, r.err.
func (m *Mux) settle(ctx context.Context, r *request) {
	if r.fault != "" {
		r.reply = errorReply(r.id, invalid(r.fault))
		return
	}
	r.key = Key(ctx)
	var result json.RawMessage
	var refusal *Error
	if e := m.lookup(r.method); e == nil {
		refusal = Errorf(CodeMethodNotFound, "Method not found").WithData(map[string]string{"method": r.method})
		r.err = refusal
	} else if result, r.err = m.execute(ctx, e, r); r.err != nil {
		refusal = m.refusal(ctx, r)
	}
	switch {
	case !r.call:
	case refusal != nil:
		r.reply = errorReply(r.id, refusal)
	default:
		r.reply = resultReply(r.id, result)
	}
}

// leave settles a request without running it, since its context has ended.
func (r *request) leave(ctx context.Context, ended error) {
	r.key, r.err = Key(ctx), fmt.Errorf("%w: %w", ErrNotBegun, ended)
	if r.call {
		r.reply = errorReply(r.id, public(r.err))
	}
}

func invalid(fault string) *Error {
	return Errorf(CodeInvalidRequest, "Invalid Request").WithData(fault)
}

// finish runs the method to its end and encodes its result, which can panic as well.
func (e *entry) finish(ctx context.Context, params json.RawMessage) (result json.RawMessage, err error) {
	stop := e.counts.start()
	err = errGone // unless the handler returns
	defer func() {
		if v := recover(); v != nil {
			err = &panicError{value: v, stack: debug.Stack()}
		}
		stop(err)
	}()
	value, err := e.run(ctx, params)
	if err != nil {
		return nil, err
	}
	result, err = marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return result, nil
}

// refusal returns what the caller reads of r.err. What it may not read goes to
// the log under an id that both get.
func (m *Mux) refusal(ctx context.Context, r *request) (e *Error) {
	id := rand.Text()
	internal := Errorf(CodeInternal, "Internal error").WithData(map[string]string{"id": id})
	defer func() {
		// Errors have methods, and a nil pointer in an error runs into one of them.
		if v := recover(); v != nil {
			m.logger().ErrorContext(ctx, "handler returned a broken error", "method", r.method, "id", id,
				"type", fmt.Sprintf("%T", r.err), "panic", v)
			e, r.err = internal, internal
		}
	}()
	if e := public(r.err); e != nil {
		return e
	}
	attrs := []any{"method", r.method, "id", id, "err", r.err.Error()}
	if p, ok := errors.AsType[*panicError](r.err); ok {
		attrs = append(attrs, "stack", string(p.stack))
	}
	m.logger().ErrorContext(ctx, "handler failed", attrs...)
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

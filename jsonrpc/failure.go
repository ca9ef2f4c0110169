package jsonrpc

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// A Failure is something that went wrong inside of a service, and that nobody outside
// of it is told in full. See [Mux].OnError.
type Failure struct {
	Method string
	ID     string // what the caller reads in place of the cause, and the log says; "" where the error is one that callers may read, and of a handler that is stuck
	Key    string // idempotency key of the request, see [Key]; "": none
	Delivery
	Err   error  // never nil. Of a handler that is stuck it wraps ErrStuck
	Panic any    // what the handler panicked with; nil: it did not
	Stack []byte // where it did; nil: it did not
}

// A Delivery is what the carrier of a body knows of it, for a [Failure] to say.
type Delivery struct {
	Message   string // its id; "": it has none
	Attempt   int    // 1 for the first; 0: nobody counts
	Trace     string // id of the trace that it is part of, 32 hexadecimal digits; "": it is part of none
	RequestID string // of the request to the gateway that it was sent for (X-Request-ID), not of JSON-RPC; "": of none
}

type deliveryKey struct{}

// WithDelivery returns a context for Answer to run a body that was delivered so. Only a
// Mux with an OnError has a use for it.
func WithDelivery(ctx context.Context, d Delivery) context.Context {
	return context.WithValue(ctx, deliveryKey{}, d)
}

// report calls OnError, if there is one, and returns when it has. It has a goroutine of
// its own: what runs here owes somebody a reply, whatever the function does to itself.
func (m *Mux) report(ctx context.Context, f Failure) {
	if m.OnError == nil {
		return
	}
	f.Key = Key(ctx)
	f.Delivery, _ = ctx.Value(deliveryKey{}).(Delivery)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if v := recover(); v != nil {
				m.logger().ErrorContext(ctx, "OnError panicked", "method", f.Method, "panic", v, "stack", string(debug.Stack()))
			}
		}()
		m.OnError(ctx, f)
	}()
	<-done
}

// reportInternal reports an error that its caller may not read, under the id that it
// reads instead.
func (m *Mux) reportInternal(ctx context.Context, r *request, id string) {
	f := Failure{Method: r.method, ID: id, Err: r.err}
	if p, ok := errors.AsType[*panicError](r.err); ok {
		f.Panic, f.Stack = p.value, p.stack
	}
	m.report(ctx, f)
}

// reportPublic reports a notification that failed with an error which a caller could
// read, if it had one. Work that was ended from outside is no failure of its own, and
// what is stuck was reported when it was found to be.
func (m *Mux) reportPublic(ctx context.Context, r *request) {
	interrupted := errors.Is(r.err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled)
	if r.call || interrupted || errors.Is(r.err, ErrStuck) {
		return
	}
	m.report(ctx, Failure{Method: r.method, Err: r.err})
}

// reportBroken reports an error whose methods panic, with v; so nobody must call them.
func (m *Mux) reportBroken(ctx context.Context, r *request, id string, broken error, v any) {
	m.report(ctx, Failure{Method: r.method, ID: id, Err: fmt.Errorf("the handler returned a broken error, a %T", broken), Panic: v})
}

package transporttest

import (
	"context"
	"errors"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// soon is a deadline that a case lets pass.
const soon = 250 * time.Millisecond

func deadlineCases() []testCase {
	return []testCase{
		{name: "the deadline of a call reaches the handler", run: deadlineReaches},
		{name: "a handler's context ends at the deadline", run: handlerExpires},
		{name: "a call that is owed no reply ends at its deadline", run: noReply},
		{name: "an expired request is not executed", needs: []Feature{Durable}, run: expiredNotExecuted},
		{name: "a context that has ended hands nothing over", run: endedOnEntry},
	}
}

func deadlineReaches(e *env) {
	type seen struct {
		m        transports.Message
		deadline time.Time
		has      bool
	}
	got := make(chan seen, 2)
	worker := e.open()
	e.serve(worker, transports.Service{Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		deadline, has := ctx.Deadline()
		got <- seen{m, deadline, has}
		return reply("")
	}})
	ctx, cancel := context.WithTimeout(e.Context(), Patience)
	defer cancel()
	want, _ := ctx.Deadline()
	if _, err := e.open().Call(ctx, service, transports.Message{}); err != nil {
		e.Fatalf("Call: %v", err)
	}
	// The broker's clock, milliseconds on the wire and a margin may shift it a little.
	const tolerance = 2 * time.Second
	s := receive(e, got, "the handler")
	if !s.has || s.deadline.Sub(want).Abs() > tolerance {
		e.Errorf("the handler's context ends at %v (has a deadline: %v), the caller's at %v", s.deadline, s.has, want)
	}
	if s.m.Expires.Sub(want).Abs() > tolerance {
		e.Errorf("the message expires at %v, the caller's context at %v", s.m.Expires, want)
	}

	// A Send's context bounds the hand-over alone.
	e.send(worker, transports.Message{})
	if s := receive(e, got, "the handler"); s.has || !s.m.Expires.IsZero() {
		e.Errorf("a message sent without Expires expires at %v, its context at %v", s.m.Expires, s.deadline)
	}
}

func handlerExpires(e *env) {
	tr := e.open()
	ended := make(chan error, 1024)
	e.serve(tr, transports.Service{Handler: func(ctx context.Context, _ transports.Message) transports.Outcome {
		<-ctx.Done()
		ended <- ctx.Err()
		return reply("too late")
	}})
	// On a machine that is busy enough a message may expire before it is taken.
	e.poll("the handler's context to end", func() bool {
		e.send(tr, transports.Message{Expires: time.Now().Add(2 * soon)})
		select {
		case err := <-ended:
			if !errors.Is(err, context.DeadlineExceeded) {
				e.Errorf("the handler's context ended with %v, want %v", err, context.DeadlineExceeded)
			}
			return true
		case <-time.After(8 * soon):
			return false
		}
	})
}

func noReply(e *env) {
	tr := e.open()
	e.serve(tr, transports.Service{Handler: func(context.Context, transports.Message) transports.Outcome {
		return transports.Outcome{}
	}})
	ctx, cancel := context.WithTimeout(e.Context(), soon)
	defer cancel()
	got, err := tr.Call(ctx, service, transports.Message{})
	e.wantError("Call without a reply", err, context.DeadlineExceeded)
	if ctx.Err() == nil || got != nil {
		e.Errorf("Call returned %q with its context's error %v, want nothing, after the deadline", got, ctx.Err())
	}
}

// clockError is how far a worker's estimate of the broker's clock may be off on a
// busy machine.
const clockError = 300 * time.Millisecond

func expiredNotExecuted(e *env) {
	caller := e.open()
	ctx, cancel := context.WithTimeout(e.Context(), soon)
	defer cancel()
	expired := e.start(ctx, caller, "expired call")
	// An error may say so at once; what counts is that it never runs.
	err := caller.Send(e.patient(), service, transports.Message{
		Body: []byte("expired send"), Expires: time.Now().Add(-time.Hour),
	})
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		e.Errorf("Send of an expired message: %v", err)
	}
	e.wantError("Call with nobody serving", receive(e, expired, "the deadline").err, context.DeadlineExceeded)
	time.Sleep(clockError)

	got, handler := recorder()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: handler})
	e.call(caller, "first")
	e.call(caller, "last")
	if bodies := drain(got); len(bodies) != 2 {
		e.Errorf("executed %q, want only what had not expired", bodies)
	}
}

func endedOnEntry(e *env) {
	tr := e.open()
	got, handler := recorder()
	canceled, cancel := context.WithCancel(e.Context())
	cancel()
	expired, cancel := context.WithDeadline(e.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for ctx, want := range map[context.Context]error{canceled: context.Canceled, expired: context.DeadlineExceeded} {
		_, err := tr.Call(ctx, service, transports.Message{Body: []byte("call")})
		e.wantError("Call", err, want)
		e.wantError("Send", tr.Send(ctx, service, transports.Message{Body: []byte("send")}), want)
		if err := tr.Serve(ctx, transports.Service{Name: service, Handler: handler}); err != nil {
			e.Errorf("Serve with a context that ended before: %v, want nil", err)
		}
	}
	e.serve(tr, transports.Service{Handler: handler})
	e.call(tr, "real")
	if bodies := drain(got); len(bodies) != 1 {
		e.Errorf("executed %q, want only the call with a live context", bodies)
	}
}

package transporttest

import (
	"context"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/transports"
)

func cancelCases() []testCase {
	return []testCase{
		{name: "a cancelled call returns while its handler runs", run: cancelCall},
		{name: "a late reply reaches no other call", run: lateReply},
		{name: "a call cancelled while it waits is never begun", needs: []Feature{Cancels, Durable, Inspects}, run: cancelWaiting},
		{name: "a cancelled call ends its handler's context", needs: []Feature{Cancels}, run: cancelRunning},
		{name: "a cancelled call is not tried again", needs: []Feature{Cancels, Retries}, run: cancelRetry},
		{name: "an idle worker stops when told", run: idleStops},
	}
}

func cancelCall(e *env) {
	tr := e.open()
	g := newGate()
	e.serve(tr, transports.Service{Handler: g.handle})
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	done := e.start(ctx, tr, "x")
	receive(e, g.entered, "the handler to start")
	cancel()
	// Nothing has let the handler through: only the cancellation can end the call.
	e.wantError("Call", receive(e, done, "the cancelled call to return").err, context.Canceled)
	g.release <- struct{}{}
}

func lateReply(e *env) {
	tr := e.open()
	g := newGate()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		g.entered <- m
		<-g.release // even when the caller has gone, so that the reply is certain to come late
		return echo(ctx, m)
	}})
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	gone := e.start(ctx, tr, "gone")
	receive(e, g.entered, "the handler to start")
	cancel()
	e.wantError("Call", receive(e, gone, "the cancelled call to return").err, context.Canceled)

	// With one slot the late reply is on its way before the next message is taken.
	g.release <- struct{}{}
	g.release <- struct{}{}
	e.wantReply(receive(e, e.start(e.patient(), tr, "next"), "the next call to be answered"), "next")
}

func cancelWaiting(e *env) {
	caller := e.open()
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	var gone []<-chan result
	for range 3 {
		gone = append(gone, e.start(ctx, caller, "gone"))
	}
	stays := e.start(e.patient(), caller, "stays")
	waiting := func(n int64) func() bool {
		return func() bool {
			s := e.status(caller)
			return s != nil && s.Waiting != nil && *s.Waiting == n
		}
	}
	e.poll("the calls to stand in the queue", waiting(4))
	cancel()
	for _, done := range gone {
		e.wantError("Call", receive(e, done, "the cancelled calls to return").err, context.Canceled)
	}
	e.poll("their messages to be taken back", waiting(1))

	got, handler := recorder()
	e.serve(e.open(), transports.Service{Slots: 1, Handler: handler})
	e.wantReply(receive(e, stays, "the reply to the other call"), "stays")
	e.call(caller, "marker")
	if diff := cmp.Diff([]string{"stays", "marker"}, drain(got)); diff != "" {
		e.Errorf("executed (-want +got):\n%s", diff)
	}
}

func cancelRunning(e *env) {
	caller := e.open()
	entered, ended := make(chan struct{}, 16), make(chan error, 16)
	e.serve(e.open(), transports.Service{Slots: 2, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) != "gone" {
			return echo(ctx, m)
		}
		entered <- struct{}{}
		<-ctx.Done()
		ended <- ctx.Err()
		return reply("too late")
	}})
	ctx, cancel := context.WithTimeout(e.Context(), 2*Patience) // ends the handler's too, and too late
	defer cancel()
	gone := e.start(ctx, caller, "gone")
	receive(e, entered, "the handler to start")
	cancel()
	e.wantError("Call", receive(e, gone, "the cancelled call to return").err, context.Canceled)
	e.wantError("the handler's context", receive(e, ended, "the handler's context to end"), context.Canceled)
	e.call(caller, "next")
	if len(entered) > 0 {
		e.Error("the message of the cancelled call ran again")
	}
}

// Nobody would see what comes of it.
func cancelRetry(e *env) {
	caller := e.open()
	got := make(chan struct{}, 1024)
	e.serve(e.open(), transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) != "gone" {
			return echo(ctx, m)
		}
		got <- struct{}{}
		<-ctx.Done()
		return transports.Outcome{Verdict: transports.Retry}
	}})
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	gone := e.start(ctx, caller, "gone")
	receive(e, got, "the handler to start")
	cancel()
	e.wantError("Call", receive(e, gone, "the cancelled call to return").err, context.Canceled)
	e.call(caller, "next") // one slot: the handler has returned by now
	e.meanwhile()
	if len(got) > 0 {
		e.Error("the message of the cancelled call ran again")
	}
}

func idleStops(e *env) {
	tr := e.open()
	got, handler := recorder()
	s := e.serve(tr, transports.Service{Handler: handler})
	e.call(tr, "x")
	receive(e, got, "the message")
	if err := s.stop(e); err != nil {
		e.Errorf("Serve: %v, want nil", err)
	}
}

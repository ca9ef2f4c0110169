package transporttest

import (
	"context"

	"github.com/journeyman-go/journeyman/transports"
)

func cancelCases() []testCase {
	return []testCase{
		{name: "a cancelled call returns while its handler runs", run: cancelCall},
		{name: "a late reply reaches no other call", run: lateReply},
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

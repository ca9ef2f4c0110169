package transporttest

import (
	"context"
	"sync"

	"github.com/journeyman-go/journeyman/transports"
)

func closeCases() []testCase {
	return []testCase{
		{name: "Close gives unfinished work to another worker", needs: []Feature{Redelivers}, run: closeGivesBack},
		{name: "Close does not wait for a stuck handler", needs: []Feature{Redelivers}, run: closeStuck},
		{name: "Close ends waiting calls and an idle worker", run: closeEndsWaiting},
		{name: "after Close everything is ErrClosed", run: afterClose},
		{name: "Close may come from anywhere at any time", run: closeRaces},
	}
}

func closeGivesBack(e *env) {
	caller, first := e.open(), e.open()
	entered, ended := make(chan transports.Message, 1), make(chan error, 1)
	s := e.serve(first, transports.Service{Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		entered <- m
		<-ctx.Done()
		ended <- ctx.Err()
		return reply("from a cancelled handler")
	}})
	done := e.start(e.patient(), caller, "x")
	m := receive(e, entered, "the handler to start")
	if err := first.Close(); err != nil {
		e.Errorf("Close: %v", err)
	}
	if err := receive(e, ended, "the handler's context to end"); err == nil {
		e.Error("the handler's context has no error")
	}
	e.wantError("Serve after Close", s.wait(e), transports.ErrClosed)

	got, handler := recorder()
	e.serve(e.open(), transports.Service{Handler: handler})
	again := receive(e, got, "the message to reach another worker")
	if again.ID != m.ID || !again.Redelivered || again.Failures != 0 {
		e.Errorf("got id %q, redelivered %v, %d failures; want %q, true, 0", again.ID, again.Redelivered, again.Failures, m.ID)
	}
	// The outcome of the cancelled handler says nothing: it was not let finish.
	e.wantReply(receive(e, done, "the reply"), "x")
}

func closeStuck(e *env) {
	caller, first := e.open(), e.open()
	entered, release := make(chan struct{}, 1), make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	e.Cleanup(free)
	s := e.serve(first, transports.Service{Handler: func(context.Context, transports.Message) transports.Outcome {
		entered <- struct{}{}
		<-release // deaf to its context
		return reply("from a handler that was stuck")
	}})
	done := e.start(e.patient(), caller, "x")
	receive(e, entered, "the handler to start")
	closed := make(chan error, 1)
	go func() { closed <- first.Close() }()
	if err := receive(e, closed, "Close to return while a handler is stuck"); err != nil {
		e.Errorf("Close: %v", err)
	}
	e.serve(e.open(), transports.Service{Handler: echo})
	e.wantReply(receive(e, done, "another worker's reply"), "x")

	free()
	e.wantError("Serve after Close", s.wait(e), transports.ErrClosed)
	e.wantReply(receive(e, e.start(e.patient(), caller, "next"), "the next reply"), "next")
}

func closeEndsWaiting(e *env) {
	worker, caller, idle := e.open(), e.open(), e.open(service, "idle")
	g := newGate()
	e.serve(worker, transports.Service{Handler: g.handle})
	s := e.serve(idle, transports.Service{Name: "idle", Handler: echo})
	done := e.start(e.patient(), caller, "x")
	receive(e, g.entered, "the handler to start")
	for _, tr := range []transports.Transport{caller, idle} {
		if err := tr.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	}
	e.wantError("waiting Call", receive(e, done, "the waiting call to return").err, transports.ErrClosed)
	e.wantError("idle Serve", s.wait(e), transports.ErrClosed)
	g.release <- struct{}{}
}

func afterClose(e *env) {
	tr := e.open()
	for range 2 {
		if err := tr.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	}
	_, err := tr.Call(e.patient(), service, transports.Message{})
	e.wantError("Call", err, transports.ErrClosed)
	e.wantError("Send", tr.Send(e.patient(), service, transports.Message{}), transports.ErrClosed)
	e.wantError("Serve", tr.Serve(e.patient(), transports.Service{Name: service, Handler: echo}), transports.ErrClosed)
}

// closeRaces gives the race detector and the leak check something to find.
func closeRaces(e *env) {
	for range 10 {
		tr := e.open()
		ctx := e.patient()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { _ = tr.Send(ctx, service, transports.Message{}) })
			wg.Go(func() { _, _ = tr.Call(ctx, service, transports.Message{}) })
			wg.Go(func() {
				if err := tr.Serve(ctx, transports.Service{Name: service, Handler: echo}); err == nil {
					e.Error("Serve returned nil, want ErrClosed: nobody ended its context")
				}
			})
			wg.Go(func() {
				if err := tr.Close(); err != nil {
					e.Errorf("Close: %v", err)
				}
			})
		}
		finished := make(chan struct{})
		go func() { wg.Wait(); close(finished) }()
		receive(e, finished, "everything to end after Close")
	}
}

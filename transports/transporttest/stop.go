package transporttest

import (
	"context"
	"fmt"
	"sync"

	"github.com/journeyman-go/journeyman/transports"
)

func stopCases() []testCase {
	return []testCase{
		{name: "a stopping worker finishes what runs", run: finishes},
		{name: "a stopping worker takes no more", needs: []Feature{Durable, SharedQueue}, run: takesNoMore},
		{name: "stops under load lose nothing and run nothing twice", needs: []Feature{Durable, SharedQueue}, run: rollingStops},
		{name: "handlers see the values of Serve's context", run: contextValues},
	}
}

func finishes(e *env) {
	caller := e.open()
	entered, release := make(chan context.Context, 1), make(chan struct{})
	s := e.serve(e.open(), transports.Service{Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		entered <- ctx
		select {
		case <-release:
		case <-ctx.Done():
		}
		return echo(ctx, m)
	}})
	done := e.start(e.patient(), caller, "x")
	ctx := receive(e, entered, "the handler to start")
	s.cancel()
	e.meanwhile()
	select {
	case <-s.done:
		e.Errorf("Serve returned %v while its handler was running", s.err)
	case r := <-done:
		e.Errorf("Call returned %q and error %v while its handler was running", r.reply, r.err)
	case <-ctx.Done():
		e.Errorf("the stop ended the handler's context: %v", context.Cause(ctx))
	default:
	}
	close(release)
	e.wantReply(receive(e, done, "the reply of a stopping worker"), "x")
	if err := s.wait(e); err != nil {
		e.Errorf("Serve: %v, want nil", err)
	}
}

func takesNoMore(e *env) {
	caller := e.open()
	g := newGate()
	s := e.serve(e.open(), transports.Service{Slots: 1, Handler: g.handle})
	done := e.start(e.patient(), caller, "running")
	receive(e, g.entered, "the handler to start")
	for i := range 3 {
		e.send(caller, transports.Message{Body: fmt.Append(nil, "left ", i)})
	}
	s.cancel()
	g.release <- struct{}{}
	e.wantReply(receive(e, done, "the reply of a stopping worker"), "running")
	if err := s.wait(e); err != nil {
		e.Errorf("Serve: %v, want nil", err)
	}
	if bodies := drain(g.entered); len(bodies) > 0 {
		e.Errorf("took %q after it was told to stop", bodies)
	}

	got, handler := recorder()
	e.serve(e.open(), transports.Service{Handler: handler})
	for range 3 {
		if m := receive(e, got, "the next worker to get what was left"); m.Redelivered || m.Failures != 0 {
			e.Errorf("%q never ran, and has %d failures, redelivered %v", m.Body, m.Failures, m.Redelivered)
		}
	}
}

// rollingStops is what a deploy does: workers come and go while callers go on.
func rollingStops(e *env) {
	const senders, each, rounds = 4, 50, 5
	got, handler := recorder()
	caller := e.open()

	ctx := e.patient()
	var wg sync.WaitGroup
	for sender := range senders {
		wg.Go(func() {
			for n := range each {
				body := fmt.Sprintf("%d/%d", sender, n)
				if reply, err := caller.Call(ctx, service, transports.Message{Body: []byte(body)}); err != nil || string(reply) != body {
					e.Errorf("Call %s returned %q and error %v", body, reply, err)
				}
			}
		})
	}
	for round := range rounds {
		worker := e.open()
		s := e.serve(worker, transports.Service{Slots: 2, Handler: handler})
		// The last one stays until all is done.
		if round == rounds-1 {
			wg.Wait()
		} else {
			e.poll("some messages to run", func() bool { return len(got) > (round+1)*senders*each/(rounds+1) })
		}
		if err := s.stop(e); err != nil {
			e.Errorf("Serve: %v, want nil", err)
		}
		if err := worker.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	}
	ran := map[string]int{}
	for _, body := range drain(got) {
		ran[body]++
	}
	if len(ran) != senders*each {
		e.Errorf("%d of %d messages ran", len(ran), senders*each)
	}
	for body, n := range ran {
		if n != 1 {
			e.Errorf("%s ran %d times", body, n)
		}
	}
}

func contextValues(e *env) {
	type key struct{}
	tr := e.open()
	e.serveContext(context.WithValue(context.Background(), key{}, "value"), tr, transports.Service{
		Handler: func(ctx context.Context, _ transports.Message) transports.Outcome {
			return reply(fmt.Sprint(ctx.Value(key{})))
		},
	})
	if got := e.call(tr, "x"); got != "value" {
		e.Errorf("the handler's context holds %q, want the value of Serve's", got)
	}
}

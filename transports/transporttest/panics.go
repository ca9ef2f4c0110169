package transporttest

import (
	"context"
	"runtime"

	"github.com/journeyman-go/journeyman/transports"
)

func panicCases() []testCase {
	return []testCase{
		{name: "a panicking handler costs its own message only", run: breaks(func() { panic("a bug in an adapter") })},
		{name: "a handler that ends its goroutine costs its own message only", run: breaks(runtime.Goexit)},
	}
}

// breaks fixes what becomes of a message whose handler panics, or ends its goroutine.
// Those who speak JSON-RPC recover their methods' panics, so one that arrives here is the
// fault of the layer between. Giving the message back would run into it again for ever,
// acknowledging it would lose the message: so it is buried, which a wire without
// dead letters can only log. The worker lives on, the caller is owed no reply.
func breaks(fault func()) func(*env) {
	return func(e *env) {
		tr := e.open()
		poisoned := make(chan struct{}, 1024)
		s := e.serve(tr, transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
			if string(m.Body) == "poison" {
				poisoned <- struct{}{}
				fault()
			}
			return echo(ctx, m)
		}})
		ctx, cancel := context.WithCancel(e.Context())
		defer cancel()
		done := e.start(ctx, tr, "poison")
		receive(e, poisoned, "the handler to break")
		for range 10 {
			if got := e.call(tr, "x"); got != "x" {
				e.Errorf("the next call got %q", got)
			}
		}
		if n := len(poisoned); n > 0 {
			e.Errorf("the message that broke its handler ran %d times more", n)
		}
		if !e.suite.lacks(DeadLetters) {
			e.awaitDead(tr, 1)
		}
		cancel()
		if r := receive(e, done, "the call of the broken handler to end"); r.err == nil {
			e.Errorf("the call of the broken handler returned %q", r.reply)
		}
		if err := s.stop(e); err != nil {
			e.Errorf("Serve: %v, want nil", err)
		}
	}
}

package transporttest

import (
	"context"

	"github.com/journeyman-go/journeyman/transports"
)

func panicCases() []testCase {
	return []testCase{
		{name: "a panicking handler costs its own message only", run: panics},
	}
}

// panics fixes what becomes of a message whose handler panics. Those who speak
// JSON-RPC recover their methods' panics, so one that arrives here is a bug in
// the layer between. Giving the message back would run the bug again for ever,
// acknowledging it would lose the message: so it is buried, which a wire without
// dead letters can only log. The worker lives on, the caller is owed no reply.
func panics(e *env) {
	tr := e.open()
	poisoned := make(chan struct{}, 1024)
	s := e.serve(tr, transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "poison" {
			poisoned <- struct{}{}
			panic("a bug in an adapter")
		}
		return echo(ctx, m)
	}})
	ctx, cancel := context.WithCancel(e.Context())
	defer cancel()
	done := e.start(ctx, tr, "poison")
	receive(e, poisoned, "the handler to panic")
	for range 10 {
		if got := e.call(tr, "x"); got != "x" {
			e.Errorf("the next call got %q", got)
		}
	}
	if n := len(poisoned); n > 0 {
		e.Errorf("the panicking message ran %d times more", n)
	}
	cancel()
	if r := receive(e, done, "the call of the panicking handler to end"); r.err == nil {
		e.Errorf("the call of the panicking handler returned %q", r.reply)
	}
	if err := s.stop(e); err != nil {
		e.Errorf("Serve: %v, want nil", err)
	}
}

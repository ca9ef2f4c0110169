package transporttest

import (
	"context"
	"runtime"

	"github.com/journeyman-go/journeyman/transports"
)

func settlerCases() []testCase {
	return []testCase{
		{name: "a message can be settled before its handler returns", needs: []Feature{Settles}, run: settlesEarly},
		{name: "who holds the settler may end the goroutine", needs: []Feature{Settles}, run: settlesElsewhere},
	}
}

// settlesEarly has a handler that hangs be answered for: its caller is told, its slot
// takes the next message, and a stop does not wait for it.
func settlesEarly(e *env) {
	tr := e.open()
	release, returned := make(chan struct{}), make(chan struct{})
	s := e.serve(tr, transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) != "hangs" {
			return echo(ctx, m)
		}
		defer close(returned)
		settler := transports.SettlerOf(ctx)
		if settler == nil {
			e.Error("no settler")
			return transports.Outcome{}
		}
		settler.Settle(transports.Outcome{Reply: []byte("early")})
		settler.Settle(transports.Outcome{Reply: []byte("again")})
		<-release
		return transports.Outcome{Reply: []byte("late")}
	}})
	if got := e.call(tr, "hangs"); got != "early" {
		e.Errorf("reply %q, want the first outcome", got)
	}
	if got := e.call(tr, "next"); got != "next" {
		e.Errorf("reply %q of the next message", got)
	}
	if err := s.stop(e); err != nil {
		e.Errorf("Serve: %v, want nil", err)
	}
	select {
	case <-returned:
		e.Error("the handler has returned, so nothing was seen")
	default:
	}
	close(release)
	receive(e, returned, "the handler to return")
}

// settlesElsewhere has another goroutine settle a message after its handler has ended
// its own.
func settlesElsewhere(e *env) {
	tr := e.open()
	settlers := make(chan transports.Settler, 1)
	e.serve(tr, transports.Service{Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) != "leaves" {
			return echo(ctx, m)
		}
		settlers <- transports.SettlerOf(ctx)
		runtime.Goexit()
		return transports.Outcome{}
	}})
	reply := e.start(e.Context(), tr, "leaves")
	settler := receive(e, settlers, "the handler")
	settler.Settle(transports.Outcome{Reply: []byte("from elsewhere")})
	if r := receive(e, reply, "the reply"); r.err != nil || r.reply != "from elsewhere" {
		e.Errorf("reply %q, error %v", r.reply, r.err)
	}
	if got := e.call(tr, "next"); got != "next" {
		e.Errorf("reply %q of the next message", got)
	}
}

package runner

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// An adapter joins a mux, which speaks JSON-RPC, and a transport, which moves
// bytes; neither knows of the other.
type adapter struct {
	mux      *jsonrpc.Mux
	service  string
	instance string             // named in the history of what failed here
	locator  transports.Locator // nil: nobody knows what other workers serve
	log      *slog.Logger
	running  atomic.Int64

	stuckLimit int          // so many handlers that do not return, and the process ends; 0: never
	ending     chan error   // gets why, once; buffered
	elsewhere  atomic.Int64 // when the log last spoke of messages left to other workers, in Unix nanoseconds
}

// serves returns what the transport is to serve, in so many slots.
func (a *adapter) serves(slots int) transports.Service {
	s := transports.Service{Name: a.service, Handler: a.handle, Slots: slots, Methods: a.mux.Methods()}
	for _, method := range s.Methods {
		if a.mux.Policy(method).Dedupe > 0 { // otherwise a transport that cannot do it will do
			s.Dedupe = func(m transports.Message) bool { return a.mux.Window(m.Body) > 0 }
			break
		}
	}
	return s
}

// handle is a transports.Handler.
func (a *adapter) handle(ctx context.Context, m transports.Message) transports.Outcome {
	a.running.Add(1)
	defer a.running.Add(-1)
	if out, given := a.usedUp(m); given {
		return out
	}
	start := time.Now()
	answer := a.mux.Answer(jsonrpc.WithKey(ctx, m.Key), m.Body)
	a.log.Debug("answered", "method", m.Method, "id", m.ID, "ms", time.Since(start).Milliseconds())
	a.checkStuck()
	if a.isElsewhere(ctx, m, answer) {
		return transports.Outcome{Verdict: transports.NotMine}
	}
	if len(answer.Notifications) == 1 && answer.Reply == nil {
		if n := answer.Notifications[0]; n.Err != nil {
			return a.failedAlone(ctx, m, n)
		}
	}
	return transports.Outcome{Reply: answer.Reply, Follow: a.followers(ctx, m, answer), Keep: a.keep(m, answer)}
}

// keep returns how long the reply is to be given to messages with the same id.
// An error is not kept, as its caller may well try again; what failed of the
// notifications follows as messages of their own, so that the batch is done.
func (a *adapter) keep(m transports.Message, answer jsonrpc.Answer) time.Duration {
	window := a.mux.Window(m.Body)
	if window == 0 || answer.Reply == nil {
		return window
	}
	replies, _, err := jsonrpc.DecodeReplies(answer.Reply)
	if err != nil {
		return 0
	}
	for _, r := range replies {
		if r.Error != nil {
			return 0
		}
	}
	return window
}

// interrupted reports whether work was ended from outside, by the hard stop or
// because it is another worker's now; whatever came of it is no failure of its own.
func interrupted(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.Canceled)
}

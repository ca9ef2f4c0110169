package runner

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// An adapter joins a mux, which speaks JSON-RPC, and a transport, which moves
// bytes; neither knows of the other.
type adapter struct {
	mux     *jsonrpc.Mux
	timeout time.Duration // for messages without a deadline
	log     *slog.Logger
	running atomic.Int64
}

// handle is a transports.Handler.
func (a *adapter) handle(ctx context.Context, m transports.Message) transports.Outcome {
	a.running.Add(1)
	defer a.running.Add(-1)
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, a.timeout)
		defer cancel()
	}
	start := time.Now()
	answer := a.mux.Answer(ctx, m.Body)
	for _, n := range answer.Notifications {
		if n.Err != nil { // nobody waits for it, so the log is where it can be seen
			a.log.Warn("notification failed", "method", n.Method, "id", m.ID, "err", n.Err)
		}
	}
	a.log.Debug("answered", "method", m.Method, "id", m.ID, "ms", time.Since(start).Milliseconds())
	return transports.Outcome{Reply: answer.Reply}
}

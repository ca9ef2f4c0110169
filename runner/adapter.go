package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/internal/tracing"
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
	forgets  bool               // nothing is kept for another attempt, or among dead letters
	tracing  *tracing.Tracing   // nil: it is off
	methods  map[string]bool    // by which tracing knows what a method is
	log      *slog.Logger
	running  atomic.Int64

	principals passport.Keys // verify who sent a request from outside
	forged     atomic.Int64  // principals that were not believed

	elsewhere atomic.Int64 // when the log last spoke of messages left to other workers, in Unix nanoseconds
	doubted   atomic.Int64 // and of principals that were not believed
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

// handle is a transports.Handler. Where the transport lets it, a single request runs in
// the goroutine of the transport, which it keeps if it is stuck; everything else has
// goroutines of its own.
func (a *adapter) handle(ctx context.Context, m transports.Message) transports.Outcome {
	var start time.Time // for the log alone
	if a.log.Enabled(ctx, slog.LevelDebug) {
		start = time.Now()
	}
	a.running.Add(1)
	ctx = jsonrpc.WithKey(ctx, m.Key)
	if m.Redelivered {
		ctx = jsonrpc.WithRedelivered(ctx)
	}
	if id := m.Header[requestid.Header]; requestid.Valid(id) {
		ctx = requestid.With(ctx, id)
	}
	ctx = a.from(ctx, m)
	if a.tracing != nil {
		ctx = a.tracing.Begin(ctx, a.service, m, a.methods)
	}
	if a.mux.OnError != nil {
		ctx = jsonrpc.WithDelivery(ctx, jsonrpc.Delivery{Message: m.ID, Attempt: m.Failures + 1, Trace: tracing.TraceID(ctx), RequestID: requestid.Of(ctx)})
	}
	var settler transports.Settler
	if !isBatch(m.Body) {
		settler = transports.SettlerOf(ctx)
	}
	if settler == nil {
		defer a.running.Add(-1)
		return a.outcome(ctx, m, a.mux.Answer(ctx, m.Body), start)
	}
	a.mux.AnswerTo(ctx, m.Body, func(answer jsonrpc.Answer) {
		out := a.safeOutcome(ctx, m, answer, start)
		a.running.Add(-1)
		settler.Settle(out)
	})
	return transports.Outcome{} // it has been settled
}

func isBatch(body []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("[")) }

// safeOutcome is outcome for where no transport catches a panic, which errors of
// handlers can cause: they have methods.
func (a *adapter) safeOutcome(ctx context.Context, m transports.Message, answer jsonrpc.Answer, start time.Time) (out transports.Outcome) {
	defer func() {
		if v := recover(); v != nil {
			a.log.ErrorContext(ctx, "a handler's error panicked, request buried", append(about(m.ID, m.Method, m.Key), "panic", v, "stack", string(debug.Stack()))...)
			out = transports.Outcome{Verdict: transports.Bury, Err: fmt.Errorf("panic: %v", v)}
		}
	}()
	return a.outcome(ctx, m, answer, start)
}

// outcome says what becomes of a message after the mux has answered it.
func (a *adapter) outcome(ctx context.Context, m transports.Message, answer jsonrpc.Answer, start time.Time) transports.Outcome {
	out := a.decide(ctx, m, answer, start)
	if a.tracing != nil {
		a.tracing.End(ctx, answer, out)
	}
	return out
}

func (a *adapter) decide(ctx context.Context, m transports.Message, answer jsonrpc.Answer, start time.Time) transports.Outcome {
	if !start.IsZero() {
		a.log.DebugContext(ctx, "answered", "method", m.Method, "id", m.ID, "ms", time.Since(start).Milliseconds())
	}
	if a.isElsewhere(ctx, m, answer) {
		return transports.Outcome{Verdict: transports.NotMine}
	}
	if len(answer.Notifications) == 1 && answer.Reply == nil {
		if n := answer.Notifications[0]; n.Err != nil {
			return a.failedAlone(ctx, m, n)
		}
	}
	if answer.Reply != nil && (answer.Abandoned != nil || m.Unread) {
		if out, decided := a.unanswered(ctx, m, answer); decided {
			return out
		}
	}
	out := transports.Outcome{Reply: answer.Reply, Keep: a.keep(m, answer)}
	out.Follow, out.Dead = a.followers(ctx, m, answer)
	return out
}

// unanswered decides what becomes of a call whose reply is not the end of it. decided
// is false where it is, as it is of a batch, whose other members have run.
func (a *adapter) unanswered(ctx context.Context, m transports.Message, answer jsonrpc.Answer) (out transports.Outcome, decided bool) {
	replies, batch, err := jsonrpc.DecodeReplies(answer.Reply)
	switch {
	case err != nil:
		return out, false
	case batch:
		for _, r := range replies {
			if r.Error != nil && m.Unread {
				a.log.ErrorContext(ctx, "call in a retried dead letter failed, and nobody reads its reply", "id", m.ID, "call", string(r.ID), "err", brief(r.Error))
			}
		}
		return out, false
	case answer.Abandoned != nil:
		return a.suspect(ctx, m, m.Method, answer.Abandoned), true
	case replies[0].Error == nil:
		return out, false
	case interrupted(ctx):
		return transports.Outcome{Verdict: transports.NotMine}, true
	}
	// Its caller was told long ago. Without this a retry that fails would be the end of it.
	why := brief(replies[0].Error)
	a.log.ErrorContext(ctx, "retried call failed; it is in the dead-letter list again", append(about(m.ID, m.Method, m.Key), "err", why)...)
	return transports.Outcome{Verdict: transports.Bury, Err: why}, true
}

// suspect returns the outcome of a message whose handler does not return, while the
// process ends because of it: as if the worker had died of it, the message is run
// apart from others, and not for ever.
func (a *adapter) suspect(ctx context.Context, m transports.Message, method string, why error) transports.Outcome {
	a.log.ErrorContext(ctx, "left to another process, with its handler still running", append(about(m.ID, method, m.Key), "err", why)...)
	return transports.Outcome{Verdict: transports.Suspect, Err: why}
}

// keep returns how long the reply is to be given to messages with the same key.
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

package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// failedAlone decides what becomes of a message that is one notification, which
// failed: it waits for its next attempt, or is kept where people find it.
func (a *adapter) failedAlone(ctx context.Context, m transports.Message, n jsonrpc.Notification) transports.Outcome {
	n.Err = brief(n.Err)
	if errors.Is(n.Err, jsonrpc.ErrStuck) {
		return a.suspect(ctx, m, n.Method, n.Err)
	}
	if interrupted(ctx) || errors.Is(n.Err, jsonrpc.ErrNotBegun) {
		return transports.Outcome{Verdict: transports.NotMine, Err: n.Err}
	}
	if isRefused(m, n.Err) {
		a.log.InfoContext(ctx, "notification from outside refused", append(about(m.ID, n.Method, n.Key), "err", n.Err)...)
		return transports.Outcome{}
	}
	policy := a.mux.Policy(n.Method)
	after, again := policy.Next(m.Failures+1, n.Err)
	a.failed(ctx, m, n, m.Failures+1, after, again)
	if !again {
		return transports.Outcome{Verdict: transports.Bury, Err: n.Err}
	}
	return transports.Outcome{Verdict: transports.Retry, After: after, Err: n.Err}
}

// followers returns the notifications of a batch that failed, as messages of
// their own, so that no neighbour is run again because of them: those to be tried
// again, and those that are given up.
func (a *adapter) followers(ctx context.Context, m transports.Message, answer jsonrpc.Answer) (follow []transports.Message, dead []transports.DeadLetter) {
	now := time.Now()
	for _, n := range answer.Notifications {
		if n.Err == nil {
			continue
		}
		f := transports.Message{Key: n.Key, Method: n.Method, Body: n.Body, Header: maps.Clone(m.Header)}
		_, unknown := a.mux.Unknown(n.Body)
		if unknown || interrupted(ctx) || errors.Is(n.Err, jsonrpc.ErrNotBegun) {
			// It was not attempted, or not to its end. Alone it can go to a worker that
			// knows the method.
			follow = append(follow, f)
			continue
		}
		n.Err = brief(n.Err)
		if isRefused(m, n.Err) {
			a.log.InfoContext(ctx, "notification from outside refused", append(about(m.ID, n.Method, n.Key), "err", n.Err)...)
			continue
		}
		after, again := a.mux.Policy(n.Method).Next(1, n.Err)
		a.failed(ctx, m, n, 1, after, again)
		f.History = []transports.Attempt{{At: now, Worker: a.instance, Error: n.Err.Error()}}
		f.Failures = 1
		if !again {
			dead = append(dead, transports.DeadLetter{Message: f, Reason: n.Err.Error()})
			continue
		}
		f.NotBefore = now.Add(after)
		follow = append(follow, f)
	}
	return follow, dead
}

// failed tells people of a failed notification, since nobody waits for it.
func (a *adapter) failed(ctx context.Context, m transports.Message, n jsonrpc.Notification, failures int, after time.Duration, again bool) {
	attrs := append(about(m.ID, n.Method, n.Key), "attempt", fmt.Sprintf("%d of %d", failures, a.mux.Policy(n.Method).Attempts), "err", n.Err)
	if a.forgets {
		a.log.ErrorContext(ctx, "notification failed, and is lost: this transport keeps nothing", append(about(m.ID, n.Method, n.Key), "err", n.Err)...)
		return
	}
	if again {
		a.log.WarnContext(ctx, "notification failed", append(attrs, "again_in", after.Round(time.Millisecond).String())...)
		return
	}
	a.log.ErrorContext(ctx, "notification given up; it is in the dead-letter list", attrs...)
}

// about returns what the log says of a message, so that it can be found again. The
// key is said where somebody chose one.
func about(id, method, key string) []any {
	attrs := []any{"method", method, "id", id}
	if key != "" && key != id {
		attrs = append(attrs, "key", key)
	}
	return attrs
}

// mostErrorText bounds what of an error travels with a message and stands in the log:
// some quote whole documents.
const mostErrorText = 2 << 10 // bytes

// brief returns err with a text that is short enough and can be shown; errors.Is and
// errors.As see through it.
func brief(err error) error {
	text := strings.ToValidUTF8(err.Error(), "\uFFFD")
	if len(text) > mostErrorText {
		text = strings.ToValidUTF8(text[:mostErrorText], "") + "…"
	}
	if text == err.Error() {
		return err
	}
	return &briefError{text, err}
}

type briefError struct {
	text string
	err  error
}

func (e *briefError) Error() string { return e.text }

func (e *briefError) Unwrap() error { return e.err }

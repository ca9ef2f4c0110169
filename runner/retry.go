package runner

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// failedAlone decides what becomes of a message that is one notification, which
// failed: it waits for its next attempt, or is kept where people find it.
func (a *adapter) failedAlone(ctx context.Context, m transports.Message, n jsonrpc.Notification) transports.Outcome {
	if errors.Is(n.Err, jsonrpc.ErrStuck) {
		// Like a worker that died of it: run apart from others, and not for ever.
		a.log.Error("notification does not end", "method", n.Method, "id", m.ID)
		return transports.Outcome{Verdict: transports.Suspect, Err: n.Err}
	}
	if interrupted(ctx) {
		return transports.Outcome{Verdict: transports.NotMine, Err: n.Err}
	}
	policy := a.mux.Policy(n.Method)
	after, again := policy.Next(m.Failures+1, n.Err)
	a.failed(m, n, m.Failures+1, after, again)
	if !again {
		return transports.Outcome{Verdict: transports.Bury, Err: n.Err}
	}
	return transports.Outcome{Verdict: transports.Retry, After: after, Err: n.Err}
}

// followers returns the notifications of a batch that failed, as messages of
// their own, so that no neighbour is run again because of them.
func (a *adapter) followers(ctx context.Context, m transports.Message, answer jsonrpc.Answer) (follow []transports.Message) {
	now := time.Now()
	for _, n := range answer.Notifications {
		if n.Err == nil {
			continue
		}
		f := transports.Message{Key: n.Key, Method: n.Method, Body: n.Body, Header: maps.Clone(m.Header)}
		_, unknown := a.mux.Unknown(n.Body)
		if unknown || interrupted(ctx) {
			// It was not attempted, or not to its end. Alone it can go to a worker that
			// knows the method, and if there is none it is buried.
			follow = append(follow, f)
			continue
		}
		policy := a.mux.Policy(n.Method)
		after, again := policy.Next(1, n.Err)
		a.failed(m, n, 1, after, again)
		f.History = []transports.Attempt{{At: now, Worker: a.instance, Error: n.Err.Error()}}
		f.Failures = 1
		if again {
			f.NotBefore = now.Add(after)
		} else {
			// What follows cannot be buried in the same step. With all its attempts used up
			// it will be by whoever takes it next, and not be run.
			f.Failures = policy.Attempts
		}
		follow = append(follow, f)
	}
	return follow
}

// usedUp buries a message that has no attempt left: see followers. The method is
// taken from the label, which followers sets.
func (a *adapter) usedUp(m transports.Message) (out transports.Outcome, given bool) {
	if m.Failures == 0 || m.Method == "" || m.Failures < a.mux.Policy(m.Method).Attempts {
		return transports.Outcome{}, false
	}
	why := "no attempt is left"
	if len(m.History) > 0 {
		why = m.History[0].Error
	}
	return transports.Outcome{Verdict: transports.Bury, Err: errors.New(why)}, true
}

// failed tells people of a failed notification, since nobody waits for it.
func (a *adapter) failed(m transports.Message, n jsonrpc.Notification, failures int, after time.Duration, again bool) {
	attempt := fmt.Sprintf("%d of %d", failures, a.mux.Policy(n.Method).Attempts)
	if again {
		a.log.Warn("notification failed", "method", n.Method, "id", m.ID, "attempt", attempt,
			"again_in", after.Round(time.Millisecond).String(), "err", n.Err)
		return
	}
	a.log.Error("notification given up; it is in the dead-letter list", "method", n.Method, "id", m.ID, "attempt", attempt, "err", n.Err)
}

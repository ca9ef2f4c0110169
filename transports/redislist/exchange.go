package redislist

import (
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// An exchange is what leaves in one pipeline, and the answers to it.
type exchange struct {
	*commands
	tasks   []*task
	settles []*settlement
	pushes  []*push

	answers []redis.Cmder // to the tasks; empty where they were not sent
	settled []*settledBatch
	pushed  []*pushedBatch
}

func (x *exchange) fill(p redis.Pipeliner) {
	for _, t := range x.tasks {
		x.answers = append(x.answers, t.add(p))
	}
	x.settled = sendSettlements(x.ctx, p, x.settles)
	x.pushed = x.sendPushes(p, x.pushes)
}

// resolveTasks returns what must be sent again: the broker did not know its script,
// so it did nothing.
func (x *exchange) resolveTasks(lineErr error, unsent bool) (again []*task) {
	for i, t := range x.tasks {
		var answer redis.Cmder
		if i < len(x.answers) {
			answer = x.answers[i]
		}
		failed := answerErr(answer, lineErr, unsent)
		if failed == nil && isNoScript(answer.Err()) {
			again = append(again, t)
			continue
		}
		t.done(answer, failed)
	}
	return again
}

// resolveSettlements returns what must be sent again, and why.
func (x *exchange) resolveSettlements(lineErr error, unsent bool) (again []*settlement, err error) {
	if len(x.settled) == 0 {
		return x.settles, lineErr
	}
	for _, b := range x.settled {
		failed := answerErr(b.cmd, lineErr, unsent)
		if failed == nil {
			failed = b.cmd.Err()
		}
		now, later := b.resolve(failed)
		again = append(again, now...)
		if len(now) > 0 {
			err = failed
		}
		x.retryLater(later, failed)
	}
	return again, err
}

// retryLater sends refused settlements again when each has waited for itself: no
// others wait with them.
func (x *exchange) retryLater(settles []*settlement, refusal error) {
	for _, s := range settles {
		if s.shed(refusal) {
			x.log.Error("the broker refuses a result, going on without its reply", "service", s.worker.service,
				"method", s.entry.frame.Method, "id", s.entry.frame.ID, "err", refusal)
		} else if s.refused == mostRefusals {
			x.log.Error("the broker refuses a result, trying again until it takes it", "service", s.worker.service,
				"method", s.entry.frame.Method, "id", s.entry.frame.ID, "err", refusal)
		}
		time.AfterFunc(backoff(s.refused), func() {
			x.addSettlement(s)
			x.signal()
		})
	}
}

// resolvePushes returns what has not reached the broker, or was not executed by it,
// and is to be sent again.
func (x *exchange) resolvePushes(lineErr error, unsent bool) (again []*push) {
	if lineErr != nil && unsent {
		again = x.pushes
	} else {
		for _, b := range x.pushed {
			again = append(again, x.resolve(b, answerErr(b.cmd, lineErr, unsent))...)
		}
	}
	return slices.DeleteFunc(again, func(p *push) bool { return !p.comeBack() })
}

// noScript reports whether the broker has lost our scripts, after a failover or a flush.
func (x *exchange) noScript() bool {
	for _, b := range x.settled {
		if isNoScript(b.cmd.Err()) {
			return true
		}
	}
	for _, b := range x.pushed {
		if isNoScript(b.cmd.Err()) {
			return true
		}
	}
	for _, cmd := range x.answers {
		if cmd != nil && isNoScript(cmd.Err()) {
			return true
		}
	}
	return false
}

func isNoScript(err error) bool { return err != nil && strings.Contains(err.Error(), "NOSCRIPT") }

// answerErr returns nil if the broker answered cmd, though perhaps with an error of its own.
func answerErr(cmd redis.Cmder, lineErr error, unsent bool) error {
	if lineErr == nil {
		return nil
	}
	if unsent || cmd == nil {
		return lineErr
	}
	if err := cmd.Err(); err != nil && !answered(err) {
		return lineErr
	}
	return nil
}

package redislist

import "github.com/redis/go-redis/v9"

// An along is a lone message's push or settlement that leaves in one write with the
// blocking command of another line, which is going to wait for what follows from it:
// each write less is a system call less, here and in the broker, and a lone call is
// made of little else. Its answer is taken up as soon as it is read, while that to the
// blocking command is awaited, for seconds perhaps. A nil along carries nothing.
type along struct {
	exchange
	arrived bool
}

func (c *commands) along(settles []*settlement, pushes []*push) *along {
	return &along{exchange: exchange{commands: c, settles: settles, pushes: pushes}}
}

// send adds plain settlements of one worker, or plain pushes for one queue.
func (a *along) send(p redis.Pipeliner) {
	switch {
	case a == nil:
	case len(a.settles) > 0:
		b := &settledBatch{plain: true, settles: a.settles}
		b.answer()
		a.settled = append(a.settled, b)
		_ = p.Process(a.ctx, early{b.cmd, a})
	case len(a.pushes) > 0:
		b := &pushedBatch{a.plainPush(a.pushes), a.pushes}
		a.pushed = append(a.pushed, b)
		_ = p.Process(a.ctx, early{b.cmd, a})
	}
}

// arrive is called when the broker has answered, and again when the pipeline is over:
// what has no answer by then, or must be sent again, is left to commands.
func (a *along) arrive(lineErr error, unsent bool) {
	if a == nil || a.arrived {
		return
	}
	a.arrived = true
	settles, _ := a.resolveSettlements(lineErr, unsent)
	pushes := a.resolvePushes(lineErr, unsent)
	if len(settles)+len(pushes) > 0 {
		a.putBack(nil, settles, pushes)
		a.signal()
	}
}

// An early command tells of its answer as soon as that is read.
type early struct {
	redis.Cmder
	along *along
}

// SetErr is what go-redis ends the reading of each answer with, and, when the
// connection is lost, of all that have not come.
func (e early) SetErr(err error) {
	e.Cmder.SetErr(err)
	if err == nil || answered(err) {
		e.along.arrive(nil, false)
	}
}

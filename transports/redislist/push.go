package redislist

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// A push is one request on its way into a queue. It is sent at most once.
type push struct {
	queue string
	frame frame
	size  int
	due   time.Time // fails with ErrUnavailable when it could not be sent by then
	done  func(error)
	state atomic.Int32
}

const (
	pushWaits int32 = iota
	pushLeaves
	pushWithdrawn
)

// withdraw reports whether the request could be held back: it never reaches the
// broker then. Its body is let go, since it may stand in a queue for as long as
// the broker does not answer.
func (p *push) withdraw() bool {
	if !p.state.CompareAndSwap(pushWaits, pushWithdrawn) {
		return false
	}
	p.frame = frame{}
	return true
}

func (p *push) leave() bool { return p.state.CompareAndSwap(pushWaits, pushLeaves) }

// A pushedBatch is one variadic LPUSH.
type pushedBatch struct {
	cmd    redis.Cmder
	pushes []*push
}

func (c *commands) sendPushes(p redis.Pipeliner, pushes []*push) []pushedBatch {
	var batches []pushedBatch
	index := make(map[string]int, 1)
	for _, push := range pushes {
		i, ok := index[push.queue]
		if !ok {
			i = len(batches)
			index[push.queue] = i
			batches = append(batches, pushedBatch{})
		}
		batches[i].pushes = append(batches[i].pushes, push)
	}
	for i := range batches {
		values := make([]any, len(batches[i].pushes))
		for j, push := range batches[i].pushes {
			values[j] = c.encode(push.frame)
		}
		batches[i].cmd = p.LPush(c.ctx, batches[i].pushes[0].queue, values...)
	}
	return batches
}

// encode returns a request as it leaves. Only then is the broker's clock sure to be known.
func (c *commands) encode(f frame) string {
	if f.bare {
		return string(f.Body)
	}
	if !f.Expires.IsZero() {
		f.Expires = c.clock.toBroker(f.Expires)
	}
	f.Enqueued = c.clock.now()
	return f.encode()
}

func (b pushedBatch) resolve(lineErr error) {
	err := b.cmd.Err()
	switch {
	case lineErr != nil:
		err = fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, lineErr)
	case err != nil:
		err = unavailable(fmt.Errorf("broker refused the request: %w", err))
	}
	for _, p := range b.pushes {
		p.done(err)
	}
}

package redislist

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// noDeadline is how long the cancellation of a call without a deadline is kept for
// whoever runs it.
const noDeadline = time.Hour

// takeBack is for a call whose ctx has ended: nobody waits for its reply any more.
// What could not be held back is taken out of the queue or, where a worker has it,
// noted for that worker to find. A request whose deadline has passed needs none of
// that, since it says so itself. takeBack does not wait for the broker, and a
// request that it misses is run in vain.
//
// id is empty for a worker that could not find it, and expires may be zero.
func (t *Transport) takeBack(ctx context.Context, p *push, id string, expires time.Time) {
	if p.withdraw() || !errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	if expires.IsZero() {
		expires = time.Now().Add(noDeadline)
	}
	keys := []string{p.queue, t.keys.cancelled(p.service)}
	t.commands.addTask(&task{
		ctx: t.ctx,
		add: func(pipe redis.Pipeliner) redis.Cmder {
			return cancelScript.call(t.ctx, pipe, keys, p.raw, id, t.clock.toBroker(expires).UnixMilli())
		},
		done: func(cmd redis.Cmder, err error) {
			if err != nil {
				return
			}
			if removed, _ := cmd.(*redis.Cmd).Int64(); removed == 1 {
				t.stats.takenBack.Add(1)
			}
		},
	})
}

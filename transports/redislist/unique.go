package redislist

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// A unique message claims its key when it is sent and gives the claim up when it is
// run or dropped. Meanwhile others with the same key are dropped.

// uniqueLife is how long a claim stands beyond the time when its message may be
// run. It bounds the harm of one that nobody gave up, at the price that of two
// messages with a key the second is taken where the first has waited longer.
const uniqueLife = 24 * time.Hour

// mostUnique bounds a unique key, which is part of a key in Redis.
const mostUnique = 256 // bytes

// uniqueDropped is unique.lua's word on a message whose key is claimed.
const uniqueDropped = 2

var errDuplicate = errors.New("a message with the same unique key waits")

func checkUnique(key string) error {
	if len(key) > mostUnique {
		return fmt.Errorf("unique key of %d bytes, the limit is %d", len(key), mostUnique)
	}
	if oneLine(key) != key || strings.TrimSpace(key) != key {
		return fmt.Errorf("unique key %q: want no control characters and no white space around it", key)
	}
	return nil
}

func (c *commands) sendUnique(p redis.Pipeliner, m *push) redis.Cmder {
	keys := []string{m.unique, m.queue}
	if m.delayed != "" {
		keys = append(keys, m.delayed)
	}
	return uniqueScript.call(c.ctx, p, keys,
		m.frame.ID, lifeOfClaim(m.frame.Message).Milliseconds(), c.dueAt(m), c.maxQueue, c.encodePush(m))
}

func lifeOfClaim(m transports.Message) time.Duration {
	life := uniqueLife + max(0, time.Until(m.NotBefore))
	if !m.Expires.IsZero() {
		life = min(life, time.Until(m.Expires))
	}
	return max(life, time.Millisecond) // Redis takes no less
}

// releaseUnique gives the claim of m's unique key up, if it is m's own. Until the
// broker has done so, a message that ought to follow m would be dropped; so it
// tries until it is done. It fails when ctx ends, when the transport is closed, and
// when the broker answers with an error that does not pass by itself: then it warns,
// since the claim stands until it expires.
func (t *Transport) releaseUnique(ctx context.Context, service string, m transports.Message) error {
	if m.Unique == "" {
		return nil
	}
	for failures := 1; ; failures++ {
		var answer redis.Cmder
		err := t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
			answer = releaseScript.call(ctx, p, []string{t.keys.unique(service, m.Unique)}, m.ID)
			return answer
		})
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil: // the command may be under way yet, so its answer must not be read
			return t.journey("release unique key", ctx.Err())
		case errors.Is(err, transports.ErrClosed):
			return t.journey("release unique key", err)
		// Of the command itself: an answered greeting says nothing of this key.
		case answer != nil && answered(answer.Err()) && !isBrokerWide(answer.Err()):
			t.log.Warn("unique key not released, messages with it are dropped until it expires",
				"service", service, "id", m.ID, "unique", m.Unique, "err", err)
			return t.refusal("release unique key", err)
		}
		if wait(ctx, backoff(failures)) != nil {
			return t.journey("release unique key", ctx.Err())
		}
	}
}

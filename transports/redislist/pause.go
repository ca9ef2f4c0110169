package redislist

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

var _ transports.Pauser = (*Transport)(nil)

// Pause implements transports.Pauser: each beat of a worker tells it whether to
// take messages, so within a beat of the last worker nothing is taken any more.
func (t *Transport) Pause(ctx context.Context, service string) error {
	return t.setPaused(ctx, "pause "+service, service, func(p redis.Pipeliner) redis.Cmder {
		// A write that frees memory lifts the out-of-memory refusal, see beat.lua.
		return p.Eval(ctx, "redis.call('DEL', KEYS[1]) return redis.call('SET', KEYS[1], '1')", []string{t.keys.paused(service)})
	})
}

// Resume implements transports.Pauser.
func (t *Transport) Resume(ctx context.Context, service string) error {
	return t.setPaused(ctx, "resume "+service, service, func(p redis.Pipeliner) redis.Cmder {
		return p.Del(ctx, t.keys.paused(service))
	})
}

func (t *Transport) setPaused(ctx context.Context, doing, service string, add ask) error {
	if err := t.checkKnown(ctx, service); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	if t.isArticle(service) {
		return fmt.Errorf("%s: workers of the article's form cannot be told: %w", doing, transports.ErrUnsupported)
	}
	return t.refusal(doing, t.commands.do(ctx, add))
}

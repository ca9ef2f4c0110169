package redislist

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

var _ transports.Locator = (*Transport)(nil)

// crews remembers for a moment who serves what: each message for an unknown method
// asks, and in a rolling deploy those are many.
type crews struct {
	mu sync.Mutex
	of map[string]*roll // by service
}

// A roll is one look at the workers of a service. Its fields are set when done is closed.
type roll struct {
	done    chan struct{}
	called  time.Time
	methods map[string]int // how many workers announce each
	err     error
}

const rollHolds = time.Second

// Serving implements transports.Locator. However many ask at once, the broker is
// asked once a second for each service.
func (t *Transport) Serving(ctx context.Context, service, method string) (int, error) {
	for {
		r := t.crews.current(service, func(r *roll) {
			r.methods, r.err = t.callRoll(ctx, service)
		})
		select {
		case <-r.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if r.err == nil {
			return r.methods[method], nil
		}
		if ctx.Err() == nil && (errors.Is(r.err, context.Canceled) || errors.Is(r.err, context.DeadlineExceeded)) {
			continue // who asked for all of us has gone
		}
		return 0, t.refusal("locate "+method, r.err)
	}
}

// current returns the roll that holds now, or is being called. Where there is
// none, call makes it, in the caller's goroutine.
func (c *crews) current(service string, call func(*roll)) *roll {
	c.mu.Lock()
	r := c.of[service]
	if r != nil && time.Since(r.called) < rollHolds {
		c.mu.Unlock()
		return r
	}
	if r != nil && r.called.IsZero() {
		c.mu.Unlock()
		return r
	}
	r = &roll{done: make(chan struct{})}
	if c.of == nil {
		c.of = make(map[string]*roll)
	}
	c.of[service] = r
	c.mu.Unlock()

	call(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	r.called = time.Now()
	if r.err != nil {
		delete(c.of, service) // those who wait share it; the next asks again
	}
	close(r.done)
	return r
}

func (t *Transport) callRoll(ctx context.Context, service string) (map[string]int, error) {
	answers, err := t.commands.doAll(ctx, []ask{
		func(p redis.Pipeliner) redis.Cmder {
			now := strconv.FormatInt(t.clock.now().UnixMilli(), 10)
			return p.ZRangeByScore(ctx, t.keys.workers(service), &redis.ZRangeBy{Min: now, Max: "+inf"})
		},
		func(p redis.Pipeliner) redis.Cmder { return p.HGetAll(ctx, t.keys.about(service)) },
	})
	if err != nil {
		return nil, err
	}
	about := answers[1].(*redis.MapStringStringCmd).Val()
	methods := make(map[string]int)
	for _, id := range answers[0].(*redis.StringSliceCmd).Val() {
		for _, method := range describedBy(id, about[id]).Methods {
			methods[method]++
		}
	}
	return methods, nil
}

package redislist

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// Services implements transports.Inspector. It takes two exchanges with the
// broker, however many services there are. Of a service about which the broker
// answers with an error nothing but the name is told; it is an error only if there
// is no other.
func (t *Transport) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	if t.isClosed() {
		return nil, fmt.Errorf("list services: %w", transports.ErrClosed)
	}
	var names []string
	err := t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		return p.SMembers(ctx, t.keys.services())
	}, func(cmd redis.Cmder) { names = cmd.(*redis.StringSliceCmd).Val() })
	if err != nil {
		return nil, t.refusal("list services", err)
	}
	names = append(names, t.options.ArticleServices...)
	slices.Sort(names)
	names = slices.Compact(names)

	asks := make([]ask, len(names))
	for i, name := range names {
		asks[i] = t.inspection(ctx, name)
	}
	answers, err := t.commands.askAll(ctx, asks)
	if err != nil {
		return nil, t.refusal("inspect services", err)
	}
	all := make([]transports.ServiceStatus, len(names))
	var hidden []string
	var why error
	for i, name := range names {
		if all[i], err = t.statusOf(name, answers[i].(*redis.Cmd)); err != nil {
			hidden = append(hidden, name)
			why = cmp.Or(why, err)
		}
	}
	switch {
	case len(hidden) == 0:
		return all, nil
	case len(hidden) == len(all):
		return nil, t.refusal("inspect services", why)
	}
	t.log.Warn("services cannot be inspected", "services", hidden, "err", why)
	return all, nil
}

func (t *Transport) inspection(ctx context.Context, name string) ask {
	k := t.keys
	keys := []string{
		k.workers(name), k.former(name), k.about(name), k.queue(name), k.delayed(name),
		k.retry(name), k.suspects(name), k.alone(name), k.dead(name), k.paused(name),
	}
	return func(p redis.Pipeliner) redis.Cmder {
		// Whole scripts rather than digests: people look so seldom that nobody
		// need hold these ready.
		return p.Eval(ctx, inspectSource, keys, k.backups(name))
	}
}

// statusOf reads the answer of inspect.lua. With an error the status has a name only.
func (t *Transport) statusOf(name string, cmd *redis.Cmd) (transports.ServiceStatus, error) {
	status := transports.ServiceStatus{Name: name, Dated: true, Workers: []transports.WorkerStatus{}}
	answer, err := cmd.Slice()
	const fixed = 10 // what stands in front of the workers
	if err != nil {
		return status, err
	}
	if len(answer) < fixed {
		return status, fmt.Errorf("unexpected answer %v", answer)
	}
	number := func(i int) *int64 {
		if n, ok := answer[i].(int64); ok && n >= 0 {
			return &n
		}
		return nil
	}
	status.Paused = answer[1] == int64(1)
	status.Waiting, status.InFlight = number(2), number(4)
	status.Delayed, status.Retries, status.Suspects, status.Dead = number(5), number(6), number(7), number(8)
	var since time.Time
	if head, _ := answer[3].(string); head != "" {
		f := decode(head)
		if since = f.Enqueued; f.due.After(since) {
			since = f.due
		}
	}
	// Without workers nobody puts what is due into the queue.
	if due := number(9); due != nil && (since.IsZero() || *due < since.UnixMilli()) {
		since = time.UnixMilli(*due)
	}
	if !since.IsZero() {
		// By this machine's clock, with which whoever asks compares it.
		now, _ := answer[0].(int64)
		since = time.Now().Add(since.Sub(time.UnixMilli(now)))
		status.Oldest = &since
	}
	for i := fixed; i+1 < len(answer); i += 2 {
		id, _ := answer[i].(string)
		about, _ := answer[i+1].(string)
		status.Workers = append(status.Workers, describedBy(id, about))
	}
	consumers := int64(len(status.Workers))
	status.Consumers = &consumers
	slices.SortFunc(status.Workers, func(a, b transports.WorkerStatus) int {
		return strings.Compare(a.Instance+a.ID, b.Instance+b.ID)
	})
	return status, nil
}

// describedBy reads what a worker has announced of itself.
func describedBy(id, about string) transports.WorkerStatus {
	var worker transports.WorkerStatus
	_ = json.Unmarshal([]byte(about), &worker) // a worker of another version may say less
	worker.ID = id
	return worker
}

// An ask adds one command to an exchange.
type ask func(redis.Pipeliner) redis.Cmder

// doAll is askAll for answers of which none may be an error: it returns the first one.
func (c *commands) doAll(ctx context.Context, asks []ask) ([]redis.Cmder, error) {
	answers, err := c.askAll(ctx, asks)
	for _, cmd := range answers {
		err = cmp.Or(err, cmd.Err())
	}
	if err != nil {
		return nil, err
	}
	return answers, nil
}

// askAll runs commands that leave together and waits for their answers, or for
// ctx. An answer may be an error of the broker's; askAll's own says that one is missing.
func (c *commands) askAll(ctx context.Context, asks []ask) ([]redis.Cmder, error) {
	type result struct {
		i   int
		cmd redis.Cmder
		err error
	}
	results := make(chan result, len(asks))
	c.mu.Lock()
	for i, add := range asks {
		c.tasks = append(c.tasks, &task{ctx: ctx, add: add, done: func(cmd redis.Cmder, err error) {
			results <- result{i, cmd, err}
		}})
	}
	c.mu.Unlock()
	c.signal()
	answers := make([]redis.Cmder, len(asks))
	for range asks {
		select {
		case r := <-results:
			if r.err != nil {
				return nil, r.err
			}
			answers[r.i] = r.cmd
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.ctx.Done():
			return nil, transports.ErrClosed
		}
	}
	return answers, nil
}

// checkKnown returns nil for the name of a service that some process has announced.
func (t *Transport) checkKnown(ctx context.Context, service string) error {
	if t.isClosed() {
		return transports.ErrClosed
	}
	if err := transports.CheckName(service); err != nil {
		return fmt.Errorf("%w: %w", transports.ErrNoService, err)
	}
	return t.checkService(ctx, service)
}

// refusal is journey for questions of people: a broker that answers, though with
// an error, is no unavailable one.
func (t *Transport) refusal(doing string, err error) error {
	if err != nil && answered(err) {
		return fmt.Errorf("%s: the broker refuses: %w", doing, err)
	}
	return t.journey(doing, err)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/dial"
)

// drain queues requests, starts a worker, and measures the time from when the first is
// taken until the last is settled: gone from the queue and from the backup lists.
//
// Each drains calls as its own callers make them, and answers all of them: the base bare
// requests, each on a list of its own that expires; ours messages with a header, on the one
// list of the process that called. The notifications of redis-jobs are answered nowhere.
func (r *oneRun) drain(ctx context.Context) (outcome, error) {
	if err := r.fill(ctx); err != nil {
		return outcome{}, fmt.Errorf("queue %d requests: %w", r.scenario.queued, err)
	}
	total := int64(r.scenario.queued)
	if depth, err := r.depth(ctx); err != nil || depth != total {
		return outcome{}, fmt.Errorf("%d requests are queued (%w), want %d", depth, err, total)
	}
	p, err := r.startWorker(0)
	if err != nil {
		return outcome{}, err
	}
	r.workers = append(r.workers, p)
	pids := map[string][]int{"workers": r.workerPids(), "broker": r.broker}
	began, cpu := time.Now(), cpuTimes(pids)
	for ticker := time.NewTicker(time.Millisecond); ; {
		depth, err := r.depth(ctx)
		if err != nil {
			ticker.Stop()
			return outcome{}, err
		}
		switch now := time.Now(); depth {
		case total:
			began, cpu = now, cpuTimes(pids)
		case 0:
			ticker.Stop()
			end := cpuTimes(pids)
			for kind := range end {
				end[kind] -= cpu[kind]
			}
			return outcome{Calls: total, Seconds: now.Sub(began).Seconds(), CPU: end}, r.awaitDrained(ctx, total)
		}
		select {
		case <-ticker.C:
		case <-p.done:
			return outcome{}, errors.New("the worker has ended")
		case <-ctx.Done():
			return outcome{}, ctx.Err()
		}
	}
}

// depth counts what is in the queue and what workers have in hand. What is on its way
// from one to the other is counted once, since one transaction looks at all.
func (r *oneRun) depth(ctx context.Context) (total int64, err error) {
	lists := []string{queue, backup}
	workers, err := r.client.ZRange(ctx, "{"+queue+"}:workers", 0, -1).Result()
	if err != nil {
		return 0, err
	}
	for _, w := range workers {
		lists = append(lists, "{"+queue+"}:w:"+w)
	}
	counts := make([]*redis.IntCmd, len(lists))
	_, err = r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for i, list := range lists {
			counts[i] = p.LLen(ctx, list)
		}
		return nil
	})
	for _, c := range counts {
		total += c.Val()
	}
	return total, err
}

// awaitDrained is drained for a worker that answers after it has removed a request: the
// last replies come a moment later.
func (r *oneRun) awaitDrained(ctx context.Context, want int64) (err error) {
	for range 100 {
		if err = r.drained(ctx, want); err == nil {
			return nil
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// drained wants what was queued to have been done, and not merely to be gone.
func (r *oneRun) drained(ctx context.Context, want int64) error {
	if r.system.jobs {
		dead, err := r.client.LLen(ctx, "{"+queue+"}:dead").Result()
		if err == nil && dead > 0 {
			err = fmt.Errorf("%d requests were given up", dead)
		}
		return err
	}
	if r.system.ours() {
		replies, err := r.client.LLen(ctx, replyList).Result()
		if err == nil && replies < want {
			err = fmt.Errorf("%d replies for %d requests", replies, want)
		}
		return err
	}
	// Of a long queue the first replies have expired when the last are written.
	replies, err := r.client.DBSize(ctx).Result()
	if err != nil {
		return err
	}
	stats, err := r.client.InfoMap(ctx, "stats").Result()
	if err != nil {
		return err
	}
	expired, err := strconv.ParseInt(stats["Stats"]["expired_keys"], 10, 64)
	if err == nil && replies+expired < want {
		err = fmt.Errorf("%d replies, %d of them expired, for %d requests", replies+expired, expired, want)
	}
	return err
}

// replyList is where the replies to our drained calls go, and stay.
const replyList = "{journeyman}:r:00000000-0000-0000-0000-000000000000"

func (r *oneRun) fill(ctx context.Context) error {
	if r.system.jobs {
		return r.notify(ctx)
	}
	letter, ids := r.target.Work.letter(), newIDs()
	for left := r.scenario.queued; left > 0; {
		var batch []any
		for range min(left, 1000) {
			id := ids.next()
			body, err := letter.request(id)
			if err != nil {
				return err
			}
			if r.system.ours() { // see docs/wire-redis.md
				body = fmt.Appendf(nil, "Id: %s\nReply-To: %s\nMethod: add\nEnqueued: %d\n\n%s", id, replyList, time.Now().UnixMilli(), body)
			}
			batch = append(batch, body)
		}
		if err := r.client.LPush(ctx, queue, batch...).Err(); err != nil {
			return err
		}
		left -= len(batch)
	}
	return nil
}

// notify hands notifications over as a user's program does.
func (r *oneRun) notify(ctx context.Context) error {
	link, err := dial.Open(destination("redis", r.target.URLs[0]))
	if err != nil {
		return err
	}
	defer link.Transport.Close()
	c, work := client.New(link.Transport, r.target.Work.service()), r.target.Work
	var left atomic.Int64
	left.Store(int64(r.scenario.queued))
	errs := make([]error, 256)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			for errs[i] == nil && left.Add(-1) >= 0 {
				errs[i] = c.Notify(ctx, work.method(), work.params())
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

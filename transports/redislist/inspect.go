package redislist

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// Services implements transports.Inspector.
func (t *Transport) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	var names []string
	err := t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		return p.SMembers(ctx, t.keys.services())
	}, func(cmd redis.Cmder) { names = cmd.(*redis.StringSliceCmd).Val() })
	if err != nil {
		return nil, t.journey("list services", err)
	}
	names = append(names, t.options.ArticleServices...)
	slices.Sort(names)
	all := make([]transports.ServiceStatus, 0, len(names))
	for _, name := range slices.Compact(names) {
		status, err := t.inspect(ctx, name)
		if err != nil {
			return nil, t.journey("inspect "+name, err)
		}
		all = append(all, status)
	}
	return all, nil
}

func (t *Transport) inspect(ctx context.Context, name string) (transports.ServiceStatus, error) {
	status := transports.ServiceStatus{Name: name, Workers: []transports.WorkerStatus{}}
	var waiting int64
	var leases map[string]bool
	var about map[string]string
	ask := t.commands.do
	if err := ask(ctx, func(p redis.Pipeliner) redis.Cmder { return p.LLen(ctx, t.keys.queue(name)) },
		func(cmd redis.Cmder) { waiting = cmd.(*redis.IntCmd).Val() }); err != nil {
		return status, err
	}
	if err := ask(ctx, func(p redis.Pipeliner) redis.Cmder {
		now := t.clock.now().UnixMilli()
		return p.ZRangeByScore(ctx, t.keys.workers(name), &redis.ZRangeBy{Min: strconv.FormatInt(now, 10), Max: "+inf"})
	}, func(cmd redis.Cmder) { leases = set(cmd.(*redis.StringSliceCmd).Val()) }); err != nil {
		return status, err
	}
	if err := ask(ctx, func(p redis.Pipeliner) redis.Cmder { return p.HGetAll(ctx, t.keys.about(name)) },
		func(cmd redis.Cmder) { about = cmd.(*redis.MapStringStringCmd).Val() }); err != nil {
		return status, err
	}
	var inFlight int64
	for id := range leases {
		worker := transports.WorkerStatus{ID: id}
		_ = json.Unmarshal([]byte(about[id]), &worker) // a worker of another version may say less
		status.Workers = append(status.Workers, worker)
		if err := ask(ctx, func(p redis.Pipeliner) redis.Cmder { return p.LLen(ctx, t.keys.backup(name, id)) },
			func(cmd redis.Cmder) { inFlight += cmd.(*redis.IntCmd).Val() }); err != nil {
			return status, err
		}
	}
	slices.SortFunc(status.Workers, func(a, b transports.WorkerStatus) int {
		return strings.Compare(a.Instance+a.ID, b.Instance+b.ID)
	})
	status.Waiting, status.InFlight = &waiting, &inFlight
	return status, nil
}

func set(members []string) map[string]bool {
	out := make(map[string]bool, len(members))
	for _, m := range members {
		out[m] = true
	}
	return out
}

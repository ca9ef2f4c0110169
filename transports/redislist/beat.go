package redislist

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// join announces the worker and starts its beats. It tries until the broker
// answers; the channel it returns is closed if the worker is ever declared dead.
// It returns nil and nil when ctx ends before.
func (s *server) join(ctx, life context.Context, w *worker) (fenced <-chan struct{}, err error) {
	refused := s.commands.whenRefused()
	joined := make(chan error, 1)
	attempt := func() {
		go func() { _, err := s.beat(life, w, true); joined <- err }()
	}
	attempt()
	for failures := 1; ; failures++ {
		select {
		case err := <-joined:
			if err == nil {
				out := make(chan struct{})
				s.running.Go(func() { s.keepAlive(life, w, out) })
				return out, nil
			}
			if failures == 1 {
				s.log.Warn("broker not reached, trying again", "service", s.service.Name, "error", err)
			}
			timer := time.AfterFunc(backoff(failures), attempt)
			defer timer.Stop()
		case <-refused:
			return nil, s.commands.refusalErr()
		case <-s.closing:
			return nil, transports.ErrClosed
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// keepAlive beats, sweeps and audits until life ends. It closes fenced when the
// worker was declared dead. While the broker does not answer it waits: a broker
// that stands still is no reason to drop anything.
func (s *server) keepAlive(life context.Context, w *worker, fenced chan struct{}) {
	var swept time.Time
	for wait(life, jittered(s.timing.beat)) == nil {
		held, err := s.beat(life, w, false)
		switch {
		case errors.Is(err, errFenced):
			w.fence(errFenced)
			close(fenced)
			return
		case err != nil:
			s.log.Debug("beat", "service", s.service.Name, "error", err)
			continue
		}
		if held > w.count() {
			s.audit(life, w)
		}
		if time.Since(swept) >= s.timing.sweep*3/4 {
			swept = time.Now()
			s.sweep(life, w)
		}
	}
}

// beat returns how many messages the worker's backup list holds.
func (s *server) beat(ctx context.Context, w *worker, first bool) (held int, err error) {
	k, name := s.keys, s.service.Name
	keys := []string{k.workers(name), k.steady(name), k.former(name), k.about(name), w.backup, w.queue, k.delayed(name)}
	var before time.Time
	var answer []int64
	err = s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		before = time.Now()
		if first {
			p.SAdd(ctx, k.services(), name)
			return beatScript.call(ctx, p, keys, w.id, s.timing.lease.Milliseconds(), 1, s.describe(w))
		}
		return beatScript.call(ctx, p, keys, w.id, s.timing.lease.Milliseconds(), 0)
	}, func(cmd redis.Cmder) { answer, _ = cmd.(*redis.Cmd).Int64Slice() })
	if err != nil {
		return 0, err
	}
	s.clock.set(answer[1], before)
	if answer[0] == 0 {
		return 0, errFenced
	}
	w.renew(before)
	return int(answer[2]), nil
}

// sweep declares workers dead whose lease is over and gives their messages back.
func (s *server) sweep(ctx context.Context, w *worker) {
	const most = 500
	k, name := s.keys, s.service.Name
	keys := []string{k.workers(name), k.steady(name), k.former(name), k.about(name), w.queue}
	for {
		var answer []int64
		err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
			return sweepScript.call(ctx, p, keys,
				w.id, s.timing.lease.Milliseconds(), k.backups(name), most, s.timing.former.Milliseconds())
		}, func(cmd redis.Cmder) { answer, _ = cmd.(*redis.Cmd).Int64Slice() })
		if err != nil {
			s.log.Debug("sweep", "service", name, "error", err)
			return
		}
		dead, given := answer[0], answer[1]
		if dead > 0 || given > 0 {
			s.stats.reaped.Add(max(dead, 0))
			s.stats.givenBack.Add(given)
			s.log.Warn("took over from dead workers", "service", name, "workers", dead, "requests", given)
		}
		if given < most {
			return
		}
	}
}

// audit looks for messages that were moved into the backup list by a command
// whose answer never arrived, and has the fetcher begin them.
func (s *server) audit(ctx context.Context, w *worker) {
	var list []string
	err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		return p.LRange(ctx, w.backup, 0, -1)
	}, func(cmd redis.Cmder) { list = cmd.(*redis.StringSliceCmd).Val() })
	if err != nil {
		return
	}
	found := w.audit(list)
	if len(found) == 0 {
		return
	}
	s.stats.found.Add(int64(len(found)))
	s.log.Warn("found requests whose delivery was cut off", "service", s.service.Name, "requests", len(found))
	w.adopt(found)
}

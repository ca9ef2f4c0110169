package redislist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
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
		go func() { joined <- s.beat(life, w, true) }()
	}
	attempt()
	retry := time.NewTimer(0)
	retry.Stop()
	defer retry.Stop()
	for failures := 1; ; {
		select {
		case err := <-joined:
			if err == nil {
				out := make(chan struct{})
				s.running.Go(func() { s.keepAlive(life, w, out) })
				return out, nil
			}
			if err := s.permanent(err); err != nil {
				return nil, err
			}
			if failures == 1 {
				s.log.Debug("broker not reached, trying again", "service", s.service.Name, "err", err)
			}
			retry.Reset(backoff(failures))
			failures++
		case <-retry.C:
			attempt()
		case <-refused:
			return nil, cmp.Or(s.commands.refusalErr(), transports.ErrUnavailable)
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
	var refused time.Time // since when the broker answers each beat with an error
	for wait(life, jittered(s.timing.beat)) == nil {
		err := s.beat(life, w, false)
		if err == nil || !answered(err) {
			refused = time.Time{}
		} else if refused.IsZero() {
			refused = time.Now()
			s.log.Warn("the broker refuses to be told that this worker lives", "service", s.service.Name, "err", err)
		}
		switch {
		case errors.Is(err, errFenced):
			w.fence()
			close(fenced)
			return
		case err != nil:
			s.log.Debug("beat", "service", s.service.Name, "err", err)
			if err := s.permanent(err); err != nil {
				w.failed <- err
				return
			}
			if !refused.IsZero() && time.Since(refused) > s.timing.stall {
				w.failed <- fmt.Errorf("%w: the broker refuses its beats: %w", transports.ErrStalled, err)
				return
			}
			continue
		}
		s.audit(life, w)
		s.sweep(life, w)
	}
}

// permanent returns why this service can never be served, if err, of the broker,
// says so.
func (s *server) permanent(err error) error {
	if refusal, ok := errors.AsType[*transports.RefusedError](err); ok {
		return refusal
	}
	if !answered(err) {
		return nil
	}
	switch text := err.Error(); {
	case strings.Contains(text, "WRONGTYPE"):
		return fmt.Errorf("key %s, or one that belongs to it, holds something else than this service's messages; set JOURNEYMAN_NAMESPACE: %w",
			s.keys.queue(s.service.Name), err)
	case strings.Contains(text, "NOPERM"):
		return &transports.RefusedError{Err: fmt.Errorf("the broker does not permit what workers need: %w", err)}
	}
	return nil
}

// beat returns errFenced when the worker has been declared dead.
func (s *server) beat(ctx context.Context, w *worker, first bool) error {
	k, name := s.keys, s.service.Name
	keys := []string{
		k.workers(name), k.steady(name), k.former(name), k.about(name), k.turn(name), k.paused(name), k.cancelled(name),
		k.suspects(name), k.alone(name), k.delayed(name), k.retry(name),
	}
	var before time.Time
	var answer []any
	err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		before = time.Now()
		if first {
			p.SAdd(ctx, k.services(), s.announcedNames()...) // the broker may have lost them with the worker
			return beatScript.call(ctx, p, keys, w.id, s.timing.lease.Milliseconds(), 1, s.describe(w))
		}
		return beatScript.call(ctx, p, keys, w.id, s.timing.lease.Milliseconds(), 0)
	}, func(cmd redis.Cmder) { answer, _ = cmd.(*redis.Cmd).Slice() })
	if err != nil {
		return err
	}
	now, _ := answer[1].(int64)
	s.clock.set(now, before)
	if answer[0] == int64(0) {
		return errFenced
	}
	n := news{paused: answer[2] == int64(1), cancelled: make(map[string]bool)}
	n.suspects, _ = answer[3].(int64)
	n.alone, _ = answer[4].(int64)
	ids, _ := answer[6].([]any)
	for _, id := range ids {
		if id, ok := id.(string); ok {
			n.cancelled[id] = true
		}
	}
	if n.paused != w.heard().paused {
		s.log.Info(map[bool]string{true: "paused: taking no more", false: "resumed"}[n.paused], "service", s.service.Name)
	}
	if w.renew(before, n) {
		w.stir()
	}
	if answer[5] == int64(1) {
		s.promote(ctx)
	}
	return nil
}

// promote puts messages whose time has come into the queue.
func (s *server) promote(ctx context.Context) {
	const most = 1 << 20 // bytes in one script; then others get their turn
	k, name := s.keys, s.service.Name
	keys := []string{k.queue(name), k.suspects(name), k.alone(name), k.delayed(name), k.retry(name)}
	for more := int64(1); more == 1; {
		err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
			return promoteScript.call(ctx, p, keys, most)
		}, func(cmd redis.Cmder) { more, _ = cmd.(*redis.Cmd).Int64() })
		if err != nil {
			s.log.Debug("promote", "service", name, "err", err)
			return
		}
	}
}

// sweep declares workers dead whose lease is over and gives their messages back.
func (s *server) sweep(ctx context.Context, w *worker) {
	const most = 4 << 20 // bytes in one script; then others get their turn
	k, name := s.keys, s.service.Name
	keys := []string{k.workers(name), k.steady(name), k.former(name), k.about(name), w.queue, k.suspects(name), k.alone(name)}
	for {
		var answer []int64
		err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
			return sweepScript.call(ctx, p, keys,
				w.id, s.timing.lease.Milliseconds(), k.backups(name), most, s.timing.former.Milliseconds())
		}, func(cmd redis.Cmder) { answer, _ = cmd.(*redis.Cmd).Int64Slice() })
		if err != nil {
			s.log.Debug("sweep", "service", name, "err", err)
			return
		}
		dead, given, more := answer[0], answer[1], answer[2]
		if dead > 0 || given > 0 {
			s.stats.reaped.Add(max(dead, 0))
			s.stats.givenBack.Add(given)
			s.log.Warn("took over from dead workers", "service", name, "workers", dead, "requests", given)
			_ = s.beat(ctx, w, false) // tells at once of what has become a suspect
		}
		if more == 0 {
			return
		}
	}
}

// audit looks for messages that were moved into the backup list by a command
// whose answer never arrived, and has the fetcher begin them.
func (s *server) audit(ctx context.Context, w *worker) {
	if !w.beginAudit() {
		return
	}
	var list []string
	err := s.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		return p.LRange(ctx, w.backup, 0, -1)
	}, func(cmd redis.Cmder) { list = cmd.(*redis.StringSliceCmd).Val() })
	if err != nil {
		return
	}
	if found := w.audit(list); found > 0 {
		s.stats.found.Add(int64(found))
		s.log.Warn("found requests whose delivery was cut off", "service", s.service.Name, "requests", found)
	}
}

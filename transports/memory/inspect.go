package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// Ping implements transports.Pinger.
func (t *Transport) Ping(ctx context.Context) error {
	if err := t.alive(ctx); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

func (t *Transport) alive(ctx context.Context) error {
	if t.life.Err() != nil {
		return transports.ErrClosed
	}
	return ctx.Err()
}

// at runs do with the queue of an announced service, under the broker's lock.
func (t *Transport) at(ctx context.Context, service string, do func(q *queue)) error {
	if err := t.alive(ctx); err != nil {
		return err
	}
	t.broker.mu.Lock()
	defer t.broker.mu.Unlock()
	q, err := t.broker.announcedLocked(service)
	if err == nil {
		do(q)
	}
	return err
}

// Services implements transports.Inspector.
func (t *Transport) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	if err := t.alive(ctx); err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	b := t.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []transports.ServiceStatus
	for _, name := range slices.Sorted(maps.Keys(b.services)) {
		if q := b.services[name]; q.announced {
			all = append(all, q.status(name))
		}
	}
	return all, nil
}

func (q *queue) status(name string) transports.ServiceStatus {
	q.promote(time.Now())
	s := transports.ServiceStatus{
		Name: name, Paused: q.paused, Dated: true,
		Waiting: count(q.ready.Len()), InFlight: count(0), Delayed: count(0), Retries: count(0),
		Suspects: count(q.suspects.Len()), Dead: count(len(q.dead)), Consumers: count(len(q.workers)),
	}
	if e := q.ready.Front(); e != nil {
		next := e.Value.(*job)
		since := next.message.Enqueued
		if next.due.After(since) {
			since = next.due
		}
		s.Oldest = &since
	}
	for _, j := range q.later {
		if j.message.Failures > 0 {
			*s.Retries++
		} else {
			*s.Delayed++
		}
	}
	for _, w := range q.workers {
		*s.InFlight += int64(len(w.running))
		about := w.status
		about.Methods = slices.Clone(about.Methods)
		s.Workers = append(s.Workers, about)
	}
	return s
}

func count(n int) *int64 {
	n64 := int64(n)
	return &n64
}

// Serving implements transports.Locator.
func (t *Transport) Serving(ctx context.Context, service, method string) (workers int, err error) {
	err = t.at(ctx, service, func(q *queue) {
		for _, w := range q.workers {
			if slices.Contains(w.status.Methods, method) {
				workers++
			}
		}
	})
	if err != nil {
		return 0, fmt.Errorf("workers of %s that serve %s: %w", service, method, err)
	}
	return workers, nil
}

// Pause implements transports.Pauser. The workers follow at once.
func (t *Transport) Pause(ctx context.Context, service string) error {
	if err := t.at(ctx, service, func(q *queue) { q.paused = true }); err != nil {
		return fmt.Errorf("pause %s: %w", service, err)
	}
	return nil
}

// Resume implements transports.Pauser.
func (t *Transport) Resume(ctx context.Context, service string) error {
	err := t.at(ctx, service, func(q *queue) {
		q.paused = false
		q.wake()
	})
	if err != nil {
		return fmt.Errorf("resume %s: %w", service, err)
	}
	return nil
}

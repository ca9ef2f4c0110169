package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/journeyman-go/journeyman/transports"
)

// Ping implements transports.Pinger.
func (t *Transport) Ping(ctx context.Context) error {
	if t.life.Err() != nil {
		return fmt.Errorf("ping: %w", transports.ErrClosed)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	return nil
}

// Services implements transports.Inspector.
func (t *Transport) Services(ctx context.Context) ([]transports.ServiceStatus, error) {
	if err := t.Ping(ctx); err != nil {
		return nil, fmt.Errorf("list services: %w", err)
	}
	b := t.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []transports.ServiceStatus
	for _, name := range slices.Sorted(maps.Keys(b.services)) {
		q := b.services[name]
		if !q.announced {
			continue
		}
		waiting, inFlight := int64(q.waiting.Len()), int64(0)
		s := transports.ServiceStatus{Name: name, Waiting: &waiting, InFlight: &inFlight}
		for _, w := range q.workers {
			inFlight += int64(len(w.running))
			s.Workers = append(s.Workers, w.status)
		}
		all = append(all, s)
	}
	return all, nil
}

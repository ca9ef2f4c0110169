package rabbitmq

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A mender declares again what somebody has deleted: an exchange that leads nowhere,
// or a binding, is noticed only by those whose messages come back.
type mender struct {
	mu    sync.Mutex
	turns map[string]chan time.Time // by service: holds when it was mended last, unless somebody is about it
}

// turn returns the place where one waits for the turn to mend a service.
func (m *mender) turn(service string) chan time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.turns == nil {
		m.turns = make(map[string]chan time.Time)
	}
	if m.turns[service] == nil {
		m.turns[service] = make(chan time.Time, 1)
		m.turns[service] <- time.Time{}
	}
	return m.turns[service]
}

// mendEvery bounds how often a service is declared anew because of what came back.
const mendEvery = time.Second

// afterDeletion is how long a queue that was deleted is left alone. Declared again in
// the same 20 ms, a quorum queue (3.10) knows consumers of the one before it and gives
// them messages that never arrive.
const afterDeletion = 500 * time.Millisecond

// mend declares a service anew of which a message came back, and reports whether it is
// worth sending that once more. Services that this process does not announce are not
// its to declare: that nobody ever did is what coming back means.
func (t *Transport) mend(ctx context.Context, service string) bool {
	t.ladder.forget()
	if !slices.Contains(t.opts.Catalogue, service) {
		return false
	}
	turn := t.mender.turn(service)
	select {
	case last := <-turn: // who comes second waits for the first, and then has nothing to do
		if time.Since(last) >= mendEvery && t.announceAgain(ctx, service) {
			last = time.Now()
		}
		turn <- last
		return ctx.Err() == nil && time.Since(last) < mendEvery
	case <-ctx.Done():
		return false
	}
}

func (t *Transport) announceAgain(ctx context.Context, service string) bool {
	if !sleep(ctx, afterDeletion) {
		return false
	}
	s, err := t.consuming.session(ctx, t.timing.giveUp)
	if err == nil {
		err = t.bounded(ctx, func() error {
			on := &scratch{conn: s.conn}
			defer on.close()
			if err := t.topology.exchanges(on); err != nil {
				return err
			}
			return t.topology.announce(on, service)
		})
	}
	if err != nil {
		t.log.Warn("service is not where it was, and cannot be declared again", "service", service, "err", err)
		return false
	}
	t.log.Warn("service was not where it was, and is declared again", "service", service)
	return true
}

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
	mu   sync.Mutex
	last map[string]time.Time
}

// mendEvery bounds how often a service is declared anew because of what came back.
const mendEvery = time.Second

// mend declares a service anew of which a message came back, and reports whether it is
// worth sending that once more. Services that this process does not announce are not
// its to declare: that nobody ever did is what coming back means.
func (t *Transport) mend(ctx context.Context, service string) bool {
	if !slices.Contains(t.opts.Catalogue, service) {
		return false
	}
	t.mender.mu.Lock()
	defer t.mender.mu.Unlock() // who comes second waits for the first, and then has nothing to do
	if time.Since(t.mender.last[service]) < mendEvery {
		return true
	}
	s, err := t.publishing.session(ctx, t.timing.giveUp)
	if err != nil {
		return false
	}
	err = t.bounded(ctx, func() error {
		on := &scratch{conn: s.conn}
		defer on.close()
		if err := t.topology.exchanges(on); err != nil {
			return err
		}
		return t.topology.announce(on, service)
	})
	if err != nil {
		t.log.Warn("service is not where it was, and cannot be declared again", "service", service, "err", err)
		return false
	}
	t.log.Warn("service was not where it was, and is declared again", "service", service)
	if t.mender.last == nil {
		t.mender.last = make(map[string]time.Time)
	}
	t.mender.last[service] = time.Now()
	return true
}

package rabbitmq

import (
	"context"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// The ladder remembers which of its rungs this process has declared. Few messages
// wait, so a rung is made when the first one has to.
type ladder struct {
	mu   sync.Mutex
	made map[string]bool // by queue
}

func (l *ladder) has(queue string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.made[queue]
}

func (l *ladder) note(queue string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.made == nil {
		l.made = make(map[string]bool)
	}
	l.made[queue] = true
}

// forget has all be declared anew: the broker may be another one.
func (l *ladder) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made = nil
}

// due allows for brokers and clocks that count whole milliseconds, and a little more.
const due = 2 * time.Millisecond

// rungFor returns the queue in which a message of the service waits until at, or for as much of the
// time as one rung takes. A worker who is given it too early makes it wait again.
func (t *Transport) rungFor(ctx context.Context, service string, at, now time.Time) (queue string, err error) {
	d := rung(at.Sub(now))
	queue = t.names.rung(service, d)
	if t.ladder.has(queue) {
		return queue, nil
	}
	s, err := t.consuming.session(ctx, t.timing.giveUp)
	if err != nil {
		return "", err
	}
	err = t.bounded(ctx, func() error {
		on := &scratch{conn: s.conn}
		defer on.close()
		return t.topology.rung(on, queue, d.Milliseconds())
	})
	if err != nil {
		return "", err
	}
	t.ladder.note(queue)
	return queue, nil
}

// waiting prepares a message for the ladder: there it must not expire, as what is over
// would be routed on at once. The header still says when nobody wants it any more.
func waiting(p amqp.Publishing) amqp.Publishing {
	p.Expiration = ""
	p.Headers[headerDelayed] = "yes"
	return p
}

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A kind of work decides how a message is run.
type kind int

const (
	ordinaryWork kind = iota
	suspectWork       // its worker died once: a few at a time, beside ordinary work
	loneWork          // and again: by itself in a process
)

// A stand is a consumer of one queue, for as long as its server takes messages. It
// has a channel of its own, which is replaced whenever it breaks; the broker closes
// one, for instance, when a message was unacknowledged for longer than its
// consumer_timeout (30 minutes unless somebody has changed it).
type stand struct {
	server   *server
	queue    string
	kind     kind
	prefetch int
	holds    chan hold

	mu       sync.Mutex
	channels []*amqp.Channel // that may still be needed to acknowledge
}

// mostPrefetch is what quorum queues give out to one consumer at the most.
const mostPrefetch = 2000

// A hold has a stand take nothing until it is released.
type hold struct {
	begun    chan struct{} // closed when nothing more comes
	released <-chan struct{}
}

// run consumes until the server takes no more, and returns nil then. It returns an
// error for what will not get better.
func (st *stand) run() error {
	s := st.server
	last := time.Now() // when it consumed last
	for failures := 0; ; failures++ {
		session, err := s.consuming.session(s.taking, forever)
		if err == nil {
			began := time.Now()
			if err = st.consume(session); err == nil || time.Since(began) > s.timing.backoff {
				failures = 0
			}
			if !errors.Is(err, errNotBegun) {
				last = time.Now()
			}
		}
		switch {
		case s.taking.Err() != nil:
			return nil
		case isRefusal(err):
			return err
		case session == nil || session.isLost():
			last = time.Now() // the broker does not answer, which is another matter
		case time.Since(last) > s.timing.stall:
			return fmt.Errorf("%w: %w", transports.ErrStalled, err)
		}
		if session != nil && !session.isLost() {
			s.forget(session)
			s.log.Warn("taking messages was interrupted, beginning again", "queue", st.queue, "err", err)
		}
		select {
		case <-time.After(s.timing.pause(failures)):
		case <-s.taking.Done():
			return nil
		}
	}
}

// errNotBegun marks what kept a stand from consuming at all.
var errNotBegun = errors.New("not begun")

// consume takes messages in one session until that breaks or the server takes no more.
func (st *stand) consume(session *session) error {
	ch, deliveries, err := st.open(session)
	if err != nil {
		return fmt.Errorf("consume %s: %w: %w", st.queue, errNotBegun, err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return st.broken(session, ch, closed)
			}
			st.server.take(st.queue, delivery{d, ch, st.kind})
		case h := <-st.holds:
			if err := st.cancel(session, ch, deliveries); err != nil {
				return err
			}
			close(h.begun)
			select {
			case <-h.released:
			case <-st.server.taking.Done():
				return nil
			case <-session.lost:
				return session.why
			}
			done := session.limit(st.server.timing.connect, "consume "+st.queue+" again")
			deliveries, err = ch.Consume(st.queue, st.queue, false, false, false, false, nil)
			done()
			if err != nil {
				return fmt.Errorf("consume %s again: %w", st.queue, err)
			}
		case <-st.server.taking.Done():
			return st.cancel(session, ch, deliveries)
		}
	}
}

// open declares what the service needs and begins to consume.
func (st *stand) open(session *session) (*amqp.Channel, <-chan amqp.Delivery, error) {
	s := st.server
	defer session.limit(s.timing.connect, "consume "+st.queue)()
	if err := s.declare(session); err != nil {
		return nil, nil, err
	}
	ch, err := session.conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	st.keep(ch)
	if err := ch.Qos(min(st.prefetch, mostPrefetch), 0, false); err != nil {
		return nil, nil, err
	}
	deliveries, err := ch.Consume(st.queue, st.queue, false, false, false, false, nil)
	return ch, deliveries, refused("consume "+st.queue, err)
}

// broken says why deliveries have ended.
func (st *stand) broken(session *session, ch *amqp.Channel, closed <-chan *amqp.Error) error {
	select {
	case fault := <-closed:
		if fault != nil {
			return fmt.Errorf("consume %s: %w", st.queue, fault)
		}
	case <-session.lost:
		return session.why
	default:
	}
	// The broker has cancelled the consumer alone. What is in hand can still be acknowledged.
	return fmt.Errorf("the broker cancelled the consumer of %s, as it does when the queue is deleted or moved", st.queue)
}

// cancel takes what is on its way and no more. What arrives while a server stops goes
// back as if it had never been taken; see take.
func (st *stand) cancel(session *session, ch *amqp.Channel, deliveries <-chan amqp.Delivery) error {
	// The library waits for the answer as long as the broker likes, and for us to read
	// what is delivered meanwhile.
	defer session.limit(st.server.timing.connect, "stop consuming "+st.queue)()
	finished := make(chan struct{})
	defer close(finished)
	go st.hurry(session, finished)
	cancelled := make(chan error, 1)
	go func() { cancelled <- ch.Cancel(st.queue, false) }()
	for d := range deliveries {
		st.server.take(st.queue, delivery{d, ch, st.kind})
	}
	if err := <-cancelled; err != nil {
		return fmt.Errorf("stop consuming %s: %w", st.queue, err)
	}
	return nil
}

// hurry gives the session up when the transport was closed and the broker does not answer.
func (st *stand) hurry(session *session, finished <-chan struct{}) {
	select {
	case <-finished:
		return
	case <-st.server.life.Done():
	}
	select {
	case <-finished:
	case <-time.After(st.server.timing.closing):
		session.lose(errClosedHere)
	}
}

// keep remembers a channel, and forgets those that are of no use any more.
func (st *stand) keep(ch *amqp.Channel) {
	st.mu.Lock()
	defer st.mu.Unlock()
	var open []*amqp.Channel
	for _, old := range st.channels {
		if !old.IsClosed() {
			open = append(open, old)
		}
	}
	st.channels = append(open, ch)
}

func (st *stand) close() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, ch := range st.channels {
		if !ch.IsClosed() {
			_ = ch.Close()
		}
	}
}

// hold has the stand take nothing until released is closed. ok is false where it did
// not come to that.
func (st *stand) hold(ctx context.Context, released <-chan struct{}) (ok bool) {
	h := hold{make(chan struct{}), released}
	select {
	case st.holds <- h:
	case <-ctx.Done():
		return false
	}
	select {
	case <-h.begun:
		return true
	case <-ctx.Done():
		return false
	}
}

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
	channels []*receipts // that may still be needed to acknowledge
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
		pause := s.timing.pause(failures)
		if session != nil && !session.isLost() {
			s.forget(session)
			s.log.Warn("taking messages was interrupted, beginning again", "queue", st.queue, "err", err)
			pause += afterDeletion
		}
		if !sleep(s.taking, pause) {
			return nil
		}
	}
}

// errNotBegun marks what kept a stand from consuming at all.
var errNotBegun = errors.New("not begun")

// consume takes messages in one session until that breaks or the server takes no more.
func (st *stand) consume(session *session) error {
	on, deliveries, err := st.open(session)
	if err != nil {
		return fmt.Errorf("consume %s: %w: %w", st.queue, errNotBegun, err)
	}
	ch := on.channel
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return st.broken(session, closed)
			}
			st.take(d, on)
		case h := <-st.holds:
			if err := st.cancel(session, on, deliveries); err != nil {
				return err
			}
			close(h.begun)
			select {
			case <-h.released:
			case <-st.server.taking.Done():
				return nil
			}
			done := st.limit(session, "consume "+st.queue+" again")
			deliveries, err = ch.Consume(st.queue, st.queue, false, false, false, false, nil)
			done()
			if err != nil {
				return fmt.Errorf("consume %s again: %w", st.queue, err)
			}
		case <-st.server.taking.Done():
			return st.cancel(session, on, deliveries)
		}
	}
}

// open declares what the service needs and begins to consume.
func (st *stand) open(session *session) (*receipts, <-chan amqp.Delivery, error) {
	s := st.server
	defer st.limit(session, "consume "+st.queue)()
	if err := s.declare(session); err != nil {
		return nil, nil, err
	}
	ch, err := session.conn.Channel()
	if err != nil {
		return nil, nil, err
	}
	prefetch := min(st.prefetch, mostPrefetch)
	on := &receipts{channel: ch, broker: ch, gather: session.socket.gather, settled: s.acknowledged, room: prefetch}
	st.keep(on)
	if err := ch.Qos(prefetch, 0, false); err != nil {
		return nil, nil, err
	}
	deliveries, err := ch.Consume(st.queue, st.queue, false, false, false, false, nil)
	return on, deliveries, refused("consume "+st.queue, err)
}

func (st *stand) take(d amqp.Delivery, on *receipts) {
	on.note(d.DeliveryTag)
	st.server.take(st.queue, delivery{d, on, st.kind})
}

// broken says why deliveries have ended.
func (st *stand) broken(session *session, closed <-chan *amqp.Error) error {
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
func (st *stand) cancel(session *session, on *receipts, deliveries <-chan amqp.Delivery) error {
	// The library waits for the answer as long as the broker likes, and for us to read
	// what is delivered meanwhile.
	defer st.limit(session, "stop consuming "+st.queue)()
	cancelled := make(chan error, 1)
	go func() { cancelled <- on.channel.Cancel(st.queue, false) }()
	for d := range deliveries {
		st.take(d, on)
	}
	if err := <-cancelled; err != nil {
		return fmt.Errorf("stop consuming %s: %w", st.queue, err)
	}
	return nil
}

// limit is the session's, with less patience from when the transport was closed: Close
// waits for the stands.
func (st *stand) limit(session *session, doing string) (done func()) {
	s := st.server
	answered := session.limit(s.timing.connect, doing)
	finished := make(chan struct{})
	var hurry sync.WaitGroup
	hurry.Go(func() {
		select {
		case <-finished:
			return
		case <-s.life.Done():
		}
		select {
		case <-finished:
		case <-time.After(s.timing.closing):
			session.lose(errClosedHere)
		}
	})
	return func() {
		close(finished)
		hurry.Wait()
		answered()
	}
}

// keep remembers a channel, and forgets those that are of no use any more.
func (st *stand) keep(on *receipts) {
	st.mu.Lock()
	defer st.mu.Unlock()
	var open []*receipts
	for _, old := range st.channels {
		if !old.channel.IsClosed() {
			open = append(open, old)
		}
	}
	st.channels = append(open, on)
}

func (st *stand) close() {
	st.mu.Lock()
	channels := st.channels
	st.mu.Unlock()
	for _, on := range channels {
		if !on.channel.IsClosed() {
			on.finish()
			st.flush(on)
			_ = on.channel.Close()
		}
	}
}

// flush has the broker apply what was acknowledged on a channel before that is closed.
// Of more than 32 acknowledgements in a row the client of quorum queues inside RabbitMQ
// (seen in 3.10) holds some back, and drops them with the channel: the messages would
// come again. A question to the queue gets them through.
func (st *stand) flush(on *receipts) {
	s := st.server
	d, ok, err := on.channel.Get(st.queue, false)
	if err != nil || !ok {
		return
	}
	on.note(d.DeliveryTag)
	// It would go back with a mark on it that a worker died.
	e := &entry{in: decode(d, time.Now()), queue: st.queue, kind: st.kind, delivery: delivery{d, on, st.kind}}
	if s.desk.enter(e) == arrivedNew && !d.Redelivered {
		s.putBack(s.ctx, e)
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

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// AMQP cannot look into a queue. It can be consumed from without acknowledging, and what
// was not acknowledged comes back when the channel is closed. Until then nobody else sees
// it, so those who look take turns. And a quorum queue puts what comes back behind what
// came back before: order is kept only if all of the queue was read, and that before
// anything is given back (seen in 3.10; rabbitmq-server#6804).

// A scan reads all messages of one queue, the oldest first.
type scan struct {
	ctx   context.Context
	ch    *amqp.Channel
	queue string
	take  func(d amqp.Delivery) error // may acknowledge d. After an error it is not called again
	seen  int
	bytes int
	fault error // of take
}

// Chunks begin small and grow, so that a few large messages do not fill the memory: the
// broker sends a whole chunk at once. Order is kept for up to 32 of them, since the
// broker takes back what they held by the order of their tags (seen in 3.10).
const (
	firstChunk = 16
	mostChunk  = 65_535 // AMQP counts in 16 bits
	chunkBytes = 32 << 20
)

// run reads every message that is ready.
func (s *scan) run() error {
	for i, most := 0, firstChunk; ; i++ {
		before := s.seen
		if err := s.chunk(fmt.Sprintf("letters-%06d", i), most); err != nil {
			return err
		}
		if s.seen-before < most {
			break
		}
		average := s.bytes/s.seen + 1
		most = min(max(chunkBytes/average, firstChunk), 4*most, mostChunk)
	}
	if err := s.flush(); err != nil {
		return err
	}
	return s.fault
}

// flush has the broker act on what was acknowledged. A quorum queue's broker keeps the
// acknowledgements beyond some thirty back until the first ones are on disk, and when
// the channel is closed meanwhile forgets them: in 3.10.8 nine of ten times with forty
// messages. It does not keep them back across a get, for which nothing is left.
func (s *scan) flush() error {
	for range 2 {
		if _, _, err := s.ch.Get(s.queue, false); err != nil {
			return fmt.Errorf("have the broker act on acknowledgements: %w", err)
		}
	}
	return nil
}

// chunk reads the next messages, so many at most. A consumer gets no more than that and
// keeps them: what follows needs another one.
func (s *scan) chunk(tag string, most int) error {
	if err := s.ch.Qos(most, 0, false); err != nil {
		return err
	}
	deliveries, err := s.ch.Consume(s.queue, tag, false, false, false, false, nil)
	if err != nil {
		return err
	}
	for range most {
		d, ok, err := s.next(deliveries)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		s.read(d)
	}
	if err := s.ch.Cancel(tag, false); err != nil {
		return err
	}
	for d := range deliveries {
		s.read(d)
	}
	if s.ch.IsClosed() {
		return amqp.ErrClosed
	}
	return nil
}

func (s *scan) read(d amqp.Delivery) {
	s.seen++
	s.bytes += len(d.Body)
	if s.fault == nil {
		s.fault = s.ctx.Err()
	}
	if s.fault == nil {
		s.fault = s.take(d)
	}
}

// next returns the next message. ok is false when all that are left in the queue are on
// their way: the broker answers a get after it has sent what the consumer is to have. (A
// queue that has no leader just now says of itself that it is empty; a get then fails.)
func (s *scan) next(deliveries <-chan amqp.Delivery) (d amqp.Delivery, ok bool, err error) {
	for s.ctx.Err() == nil {
		select {
		case d, ok := <-deliveries:
			if !ok {
				return d, false, amqp.ErrClosed
			}
			return d, true, nil
		default:
		}
		queue, err := s.ch.QueueDeclarePassive(s.queue, true, false, false, false, nil)
		if err != nil {
			return d, false, err
		}
		if queue.Messages == 0 {
			return s.ch.Get(s.queue, false)
		}
		// A classic queue sends little by little.
		select {
		case d, ok := <-deliveries:
			if !ok {
				return d, false, amqp.ErrClosed
			}
			return d, true, nil
		case <-time.After(10 * time.Millisecond):
		case <-s.ctx.Done():
		}
	}
	return d, false, s.ctx.Err()
}

// scanDead reads the dead letters of a service, the oldest first; see scan.
func (t *Transport) scanDead(ctx context.Context, service string, take func(d amqp.Delivery) error) error {
	if t.isClosed() {
		return transports.ErrClosed
	}
	if err := transports.CheckName(service); err != nil {
		return fmt.Errorf("%w: %w", transports.ErrNoService, err)
	}
	ctx, stop := t.whileOpen(ctx)
	defer stop()
	queue := t.names.dead(service)
	err := t.inTurn(ctx, queue, func(ch *amqp.Channel) error {
		s := scan{ctx: ctx, ch: ch, queue: queue, take: take}
		return s.run()
	})
	if isFault(err, amqp.NotFound) {
		return t.nobody(service)
	}
	return err
}

// errOthersTurn says that somebody else is looking.
var errOthersTurn = errors.New("somebody else looks at the dead letters")

// inTurn runs do on a channel of its own while nobody else does for the same queue. It
// waits for its turn for as long as ctx lasts.
func (t *Transport) inTurn(ctx context.Context, queue string, do func(ch *amqp.Channel) error) error {
	for {
		err := t.withChannel(ctx, func(ch *amqp.Channel) error {
			turn := queue + ".turn"
			if err := takeTurn(ch, turn); err != nil {
				return err
			}
			err := t.withChannel(ctx, do)
			if !ch.IsClosed() {
				// It would go by itself, a minute from now.
				_, _ = ch.QueueDelete(turn, false, false, false)
			}
			return err
		})
		if !errors.Is(err, errOthersTurn) {
			return err
		}
		if !sleep(ctx, 10*time.Millisecond+rand.N(40*time.Millisecond)) {
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
	}
}

// takeTurn consumes from a queue that nobody else may consume from meanwhile, and that
// holds nothing. It lasts as long as the channel: nobody can die and keep it. Where the
// broker does not allow it, one goes without: each letter is with one of those who look
// at a time all the same, but one of them may miss what another has in hand.
func takeTurn(ch *amqp.Channel, queue string) error {
	args := amqp.Table{"x-queue-type": "classic", "x-expires": int64(time.Minute / time.Millisecond)}
	_, err := ch.QueueDeclare(queue, true, false, false, false, args)
	if err == nil {
		_, err = ch.Consume(queue, "turn", true, true, false, false, nil)
		fault, ok := errors.AsType[*amqp.Error](err)
		if ok && (strings.Contains(fault.Reason, "exclusive") || fault.Code == amqp.NotFound) { // the latter: just deleted
			return errOthersTurn
		}
	}
	if fault, ok := errors.AsType[*amqp.Error](err); ok && fault.Server {
		return nil
	}
	return err
}

// withChannel is admin for what may go wrong for reasons of its own: those errors come
// back as they are.
func (t *Transport) withChannel(ctx context.Context, do func(ch *amqp.Channel) error) error {
	own := make(chan error, 1)
	err := t.admin(ctx, func(ch *amqp.Channel) error {
		err := do(ch)
		if _, ok := errors.AsType[*amqp.Error](err); ok {
			return err
		}
		own <- err
		return nil
	})
	if err != nil {
		return err
	}
	return <-own
}

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// settle does what a handler's outcome asks for and acknowledges the message. All that
// leaves is confirmed by the broker before that: what a crash interrupts is done again
// rather than not at all.
func (s *server) settle(e *entry, o transports.Outcome) {
	buried, err := s.sendAlong(e, o)
	if err == nil && !buried {
		err = s.conclude(e, o)
	}
	switch {
	case err != nil:
		s.unsettled(e, err)
	case !buried && o.Reply != nil:
		s.answer(e, o.Reply)
	case o.Verdict == transports.Done && len(o.Follow)+len(o.Dead) == 0 && !buried:
		s.outlast(e)
		s.acknowledgeSoon(e)
	default:
		s.acknowledge(e)
	}
}

// unsettled gives back a message for which something could not be done, so that it is
// tried again, here or elsewhere.
func (s *server) unsettled(e *entry, why error) {
	if s.life.Err() == nil {
		s.log.Warn("message not settled, it will be delivered again", "service", s.service.Name, "id", e.in.message.ID, "err", why)
		_ = s.pause(s.life, mostRefusals) // what is refused now is not worth a try at once
	}
	d := s.desk.latest(e)
	d.receipts.refuse(d.DeliveryTag)
	s.desk.leave(e, false, nil)
}

// conclude sends the message itself to where the verdict wants it.
func (s *server) conclude(e *entry, o transports.Outcome) error {
	now := time.Now()
	switch o.Verdict {
	case transports.Retry:
		e.in = s.failed(e.in, o.Err, now)
		if m := &e.in.message; !m.Expires.IsZero() && !now.Before(m.Expires) {
			s.stats.expired.Add(1)
			return nil // its caller has gone
		}
		return s.sendBack(s.ctx, e, now.Add(o.After))
	case transports.Bury:
		e.in = s.failed(e.in, o.Err, now)
		return s.bury(s.ctx, e, errorText(o.Err))
	case transports.NotMine:
		return s.sendBack(s.ctx, e, now)
	case transports.Suspect:
		return s.suspect(s.ctx, e, transports.Attempt{At: now, Died: true, Worker: s.opts.Instance, Error: errorText(o.Err)}, 0, 0)
	case transports.Done:
	}
	return nil
}

// sendAlong sends what leaves with the acknowledgement. Where that is not possible the
// message itself is buried.
func (s *server) sendAlong(e *entry, o transports.Outcome) (buried bool, err error) {
	for _, m := range o.Follow {
		message, err := s.follower(m)
		if err != nil {
			return true, s.unsendable(e, m.Method, err)
		}
		if err := s.dispatch(s.ctx, message, m.NotBefore); err != nil {
			return false, err
		}
	}
	for _, d := range o.Dead {
		message, err := encodeLetter(s.service.Name, d, time.Now())
		if err != nil {
			return true, s.unsendable(e, d.Message.Method, err)
		}
		if err := s.move(s.ctx, "", s.names.dead(s.service.Name), message); err != nil {
			return false, err
		}
	}
	return false, nil
}

// follower encodes a message that follows.
func (s *server) follower(m transports.Message) (amqp.Publishing, error) {
	if len(m.Body) > s.opts.MaxMessage {
		return amqp.Publishing{}, fmt.Errorf("%w: %d bytes", transports.ErrTooLarge, len(m.Body))
	}
	if m.ID == "" {
		m.ID = s.nextSerial()
	}
	return encode(s.service.Name, m, time.Now())
}

// unsendable keeps a message rather than lose what was to follow it.
func (s *server) unsendable(e *entry, method string, cause error) error {
	s.log.Error("message cannot follow, request buried", "service", s.service.Name, "method", method, "err", cause)
	e.in = s.failed(e.in, cause, time.Now())
	return s.bury(s.ctx, e, errorText(cause))
}

// sendBack has the message run again, not before a time.
func (s *server) sendBack(ctx context.Context, e *entry, notBefore time.Time) error {
	now := time.Now()
	if notBefore.Sub(now) > due {
		e.in.message.NotBefore = notBefore
	} else {
		e.in.message.NotBefore = time.Time{}
	}
	return s.dispatch(ctx, e.in.again(s.service.Name, now), notBefore)
}

// dispatch sends a message to the service, by the ladder if it is not due.
func (s *server) dispatch(ctx context.Context, message amqp.Publishing, notBefore time.Time) error {
	if time.Until(notBefore) > due {
		return s.delay(ctx, message, notBefore)
	}
	return s.move(ctx, s.names.rpc(), "", message)
}

// delay sends a message to the ladder, and ends when the broker has it or the transport
// is closed.
func (s *server) delay(ctx context.Context, message amqp.Publishing, until time.Time) error {
	for failures := 0; ; failures++ {
		rung, err := s.rungFor(ctx, s.service.Name, until, time.Now())
		if err == nil {
			err = s.deliver(ctx, "", rung, true, waiting(message))
			switch {
			case errors.Is(err, transports.ErrNoService):
				s.ladder.forget() // somebody has deleted it
			case err == nil, !errors.Is(err, transports.ErrBusy):
				return err
			}
		}
		if err := s.pause(ctx, failures); err != nil {
			return err
		}
	}
}

// move sends what must not be lost, and ends when the broker has it or the transport is
// closed. What finds its queue full waits in the ladder, so that a worker with a single
// slot does not wait for room that it alone could make.
func (s *server) move(ctx context.Context, exchange, key string, message amqp.Publishing) error {
	for failures := 0; ; failures++ {
		err := s.deliver(ctx, exchange, key, true, message)
		switch {
		case errors.Is(err, transports.ErrBusy) && exchange != "":
			return s.delay(ctx, message, time.Now())
		case errors.Is(err, transports.ErrNoService):
			s.declareAgain(ctx) // somebody has deleted the queue, of dead letters perhaps
		case err == nil, !errors.Is(err, transports.ErrBusy):
			return err
		}
		if err := s.pause(ctx, failures); err != nil {
			return err
		}
	}
}

// declareAgain declares what the service needs, after something was found missing. It
// leaves what was deleted alone for a moment; see afterDeletion.
func (s *server) declareAgain(ctx context.Context) {
	if !sleep(ctx, afterDeletion) {
		return
	}
	session, err := s.consuming.session(ctx, s.timing.giveUp)
	if err == nil {
		s.forget(session)
		err = s.bounded(ctx, func() error { return s.declare(session) })
	}
	if err != nil {
		s.log.Warn("what the service needs cannot be declared again", "service", s.service.Name, "err", err)
	}
}

func (s *server) pause(ctx context.Context, failures int) error {
	if sleep(ctx, s.timing.pause(failures)) {
		return nil
	}
	return ctx.Err()
}

// failed returns a message as it stands after one more failed attempt. Whatever
// killed its workers before, this one lives.
func (s *server) failed(in inbound, cause error, now time.Time) inbound {
	in.message.Failures++
	in.deaths = 0
	return recorded(in, transports.Attempt{At: now, Worker: s.opts.Instance, Error: errorText(cause)})
}

// recorded returns a message with one more attempt in its history.
func recorded(in inbound, a transports.Attempt) inbound {
	in.message.History = slices.Concat([]transports.Attempt{a}, in.message.History)
	in.message.Redelivered = true
	return in
}

// bury makes the message a dead letter.
func (s *server) bury(ctx context.Context, e *entry, reason string) error {
	return s.move(ctx, "", s.names.dead(s.service.Name), encodeDead(s.service.Name, e.in, reason, time.Now()))
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error() // the codec shortens it
}

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// take accepts a delivery. It does not block: whatever waits does so in goroutines of
// the pool, of which no more are busy than the broker gives out unacknowledged.
func (s *server) take(queue string, d delivery) {
	e := &entry{
		in: decode(d.Delivery, time.Now()), queue: queue, kind: d.kind, serial: serialOf(d.Headers, d.AppId, d.MessageId),
		delivery: d, redelivered: d.Redelivered,
	}
	switch s.desk.enter(e) {
	case arrivedAgain:
		s.stats.rejoined.Add(1)
	case arrivedDone:
		s.stats.rejoined.Add(1)
		d.receipts.sign(receipt{nil, d}) // and otherwise it comes once more
	case arrivedNew:
		s.enter(e)
		s.busy.Add(1)
		s.pool.Do(e)
	}
}

// enter counts a message as a task, and as one beside which nothing runs alone.
func (s *server) enter(e *entry) {
	s.tasks.Add(1)
	if e.kind != loneWork {
		s.crowd.enter()
	}
}

// over ends an enter.
func (s *server) over(e *entry) {
	if e.kind != loneWork {
		s.crowd.leave()
	}
	s.tasks.Done()
}

// outlast has a message be over when it is acknowledged, which may be later than its
// handler is heard. Until then its server does not stop, and nothing runs alone.
func (s *server) outlast(e *entry) {
	s.enter(e)
	e.outlasts = true
}

// attend brings a message to its end, or to its handler.
func (s *server) attend(e *entry) {
	if settled := s.desk.settled(e.in.message.ID); settled != nil {
		s.desk.latest(e).receipts.sign() // what it waits for may rest
		select {
		case <-settled:
		case <-s.ctx.Done():
		}
	}
	now := time.Now()
	m := &e.in.message
	expired := !m.Expires.IsZero() && !now.Before(m.Expires)
	switch {
	case s.taking.Err() != nil:
		s.putBack(s.ctx, e)
	case e.redelivered:
		s.doubt(e)
	case expired && e.in.deaths >= mostDeaths:
		// Nobody waits for it any more, but somebody must see what kills workers.
		s.finish(e, func(ctx context.Context) error {
			return s.giveUp(ctx, e, fmt.Sprintf("it expired after %d workers had died, or lost their connection, while they ran it", e.in.deaths))
		})
	case expired:
		s.stats.expired.Add(1)
		s.finish(e, nil)
	case m.NotBefore.Sub(now) > due:
		s.finish(e, func(ctx context.Context) error { return s.sendBack(ctx, e, m.NotBefore) })
	default:
		if leave := s.admit(e); leave != nil {
			s.execute(e, leave)
			return
		}
	}
	s.busy.Add(-1)
	s.over(e)
}

// admit waits until a message may run, and returns what lets the next one do so; nil
// where something else became of it.
func (s *server) admit(e *entry) (leave func()) {
	if e.kind == loneWork {
		return s.admitAlone(e)
	}
	select {
	case s.slots <- struct{}{}:
		if s.taking.Err() == nil {
			return s.vacate
		}
		<-s.slots
	case <-s.taking.Done():
	}
	s.putBack(s.ctx, e)
	return nil
}

func (s *server) vacate() { <-s.slots }

// putBack returns a message that was not begun.
func (s *server) putBack(ctx context.Context, e *entry) {
	if s.desk.end(e) {
		s.giveUnfinished(ctx, e)
	}
}

// giveUnfinished returns a message that is this caller's to settle. Republished it carries
// no mark that a worker died of it, which a broker puts on what it takes back itself. What
// the broker does not accept in time it takes back when the channel is closed.
func (s *server) giveUnfinished(ctx context.Context, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, s.timing.closing)
	defer cancel()
	next := e.in
	next.message.Redelivered = next.message.Redelivered || s.desk.wasStarted(e)
	message := next.again(s.service.Name, time.Now())
	err := s.publish(ctx, "", e.queue, message)
	if errors.Is(err, transports.ErrBusy) {
		var rung string
		if rung, err = s.rungFor(ctx, s.service.Name, time.Now(), time.Now()); err == nil {
			err = s.publish(ctx, "", rung, waiting(message))
		}
	}
	if err != nil {
		s.log.Debug("message not put back, the broker will", "service", s.service.Name, "id", e.in.message.ID, "err", err)
		s.desk.leave(e, false, nil)
		return
	}
	s.acknowledge(e)
}

// finish does what is to be done for a message, and then acknowledges it.
func (s *server) finish(e *entry, do func(ctx context.Context) error) {
	if !s.desk.end(e) {
		return
	}
	if do != nil {
		if err := do(s.ctx); err != nil {
			s.unsettled(e, err)
			return
		}
	}
	s.acknowledge(e)
}

// acknowledge tells the broker that a message is settled, on the channel that
// delivered it last. If that is closed the message comes again: to this process, which
// remembers it, or to another, where it runs twice.
func (s *server) acknowledge(e *entry) {
	d := s.desk.latest(e)
	d.receipts.sign(receipt{e, d})
}

// acknowledgeSoon is acknowledge for messages of which nothing is to happen twice but
// that their handlers run again, if this process dies in the next moment.
func (s *server) acknowledgeSoon(entries ...*entry) {
	var signed []receipt
	var on *receipts
	for _, e := range entries {
		d := s.desk.latest(e)
		if on != nil && d.receipts != on {
			on.rest(signed...)
			signed = nil
		}
		on = d.receipts
		signed = append(signed, receipt{e, d})
	}
	on.rest(signed...)
}

// acknowledged is told when a message was acknowledged, or could not be.
func (s *server) acknowledged(e *entry, d delivery, err error) {
	if e == nil {
		return
	}
	if err != nil {
		s.stats.stale.Add(1)
	}
	if !s.desk.leave(e, true, &d) {
		s.acknowledge(e)
		return
	}
	if e.outlasts {
		s.over(e)
	}
}

package rabbitmq

import (
	"context"
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// mostDeaths is how many workers may die with a message, one after the other, before
// the next death buries it.
const mostDeaths = 3

// doubt deals with a message that the broker has given out before. Its worker died, or
// lost its connection: RabbitMQ cannot tell the two apart, nor can anybody else in
// time. So the message is moved to where it can do less harm, which also tells one that
// was begun from one that was only on its way to a worker: from there on only what is
// delivered is begun.
func (s *server) doubt(e *entry) {
	s.stats.doubted.Add(1)
	s.finish(e, func(ctx context.Context) error {
		return s.suspect(ctx, e, transports.Attempt{At: time.Now(), Died: true}, s.timing.second, s.timing.third)
	})
}

// suspect moves a message on after one more death: at the first it is run beside
// ordinary work, a few at a time; at the second and third alone in a process, after a
// while each, which a network that breaks again and again does not outlast; the fourth
// buries it.
func (s *server) suspect(ctx context.Context, e *entry, death transports.Attempt, second, third time.Duration) error {
	e.in = recorded(e.in, death)
	e.in.deaths++
	now := time.Now()
	m := &e.in.message
	left := m.Expires.Sub(now)
	if m.Expires.IsZero() {
		left = 2 * third
	}
	wait := second
	switch {
	case e.in.deaths > mostDeaths:
		return s.giveUp(ctx, e, fmt.Sprintf("%d workers died, lost their connection, or had to be replaced, while they ran it", e.in.deaths))
	case left <= 0 && e.in.deaths < mostDeaths && !m.Expires.IsZero():
		s.stats.expired.Add(1)
		return nil
	case e.in.deaths == 1:
		return s.move(ctx, "", s.names.suspects(s.service.Name), e.in.again(s.service.Name, now))
	case e.in.deaths == mostDeaths:
		wait = third
	}
	message := e.in.again(s.service.Name, now)
	if wait = min(wait, left/2); wait <= 0 {
		return s.move(ctx, "", s.names.alone(s.service.Name), message)
	}
	message.Headers[headerDestination] = aloneOf(s.service.Name)
	return s.delay(ctx, message, now.Add(wait))
}

// giveUp buries a message that worker after worker died of, and tells its caller.
func (s *server) giveUp(ctx context.Context, e *entry, why string) error {
	s.stats.givenUp.Add(1)
	s.log.Error("request given up, it is among the dead letters", "service", s.service.Name,
		"method", e.in.message.Method, "id", e.in.message.ID, "reason", why)
	if err := s.bury(ctx, e, why); err != nil {
		return err
	}
	s.reply(e, nil, givenUp+why)
	return nil
}

// admitAlone is admit for a message that runs when nothing else runs in this process,
// and has nothing else begin meanwhile. A worker that a long job keeps from becoming
// empty leaves the message to others for a while.
func (s *server) admitAlone(e *entry) (leave func()) {
	ctx, cancel := context.WithTimeout(s.taking, s.timing.alone)
	defer cancel()
	released := make(chan struct{})
	leave = func() { close(released) }
	empty := true
	for _, st := range s.stands {
		empty = empty && (st.kind == loneWork || st.hold(ctx, released))
	}
	if empty && s.crowd.gone(ctx) {
		return leave
	}
	leave()
	if s.taking.Err() != nil {
		s.putBack(s.ctx, e)
		return nil
	}
	s.finish(e, func(ctx context.Context) error {
		message := e.in.again(s.service.Name, time.Now())
		message.Headers[headerDestination] = aloneOf(s.service.Name)
		return s.delay(ctx, message, time.Now().Add(s.timing.third))
	})
	return nil
}

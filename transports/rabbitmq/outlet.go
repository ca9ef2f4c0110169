package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// Headers that are nobody's business but this transport's, and so have names that
// nobody else has.
const (
	// headerSerial tells publishings apart, also those of one message: what is sent
	// again is something else than what was delivered again.
	headerSerial = "journeyman-serial"

	// headerDelayed marks what has come by the ladder; see topology.announce.
	headerDelayed = "journeyman-delayed"
)

// A parcel is one message on its way to the broker.
type parcel struct {
	ctx           context.Context // when it has ended nobody wants the message sent any more
	exchange, key string
	mandatory     bool
	message       amqp.Publishing

	handed   chan struct{}              // closed when it is known whether the broker may have it
	err      error                      // set before that: it does not have it, or ErrUnknownOutcome
	confirm  *amqp.DeferredConfirmation // set before that, where there is no error
	returned chan struct{}              // closed when there is no queue for it
	outlet   *outlet                    // through which it went
	serial   string
}

// An outlet is the one channel on which a session publishes. A goroutine of its own
// writes, as the library holds a lock while it does and a write may take as long as
// the broker likes; those who wait for it can stop waiting.
type outlet struct {
	session *session
	channel *amqp.Channel
	parcels chan *parcel // unbuffered: what is taken is dealt with
	returns chan amqp.Return
	ask     chan chan struct{}
	over    chan struct{} // closed when all that was returned is noted, after the end of the session

	// Of the goroutine that writes.
	shipped []*parcel // empty
	calm    bool      // one parcel came alone: the next one need not wait for others

	written atomic.Uint64 // parcels

	mu       sync.Mutex
	expected map[string]*parcel // mandatory ones, by serial
}

// openOutlet makes a session ready to publish.
func openOutlet(s *session, timing timing) error {
	ch, err := s.conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel to publish on: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	o := &outlet{
		session: s, channel: ch, parcels: make(chan *parcel), ask: make(chan chan struct{}), over: make(chan struct{}),
		returns: ch.NotifyReturn(make(chan amqp.Return, 256)), expected: make(map[string]*parcel),
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	s.outlet = o
	s.watched.Go(o.watchReturns)
	s.watched.Go(o.write)
	s.watched.Go(func() { o.probe(timing) })
	s.watched.Go(func() {
		// Only a fault closes this channel, such as an exchange that somebody deleted;
		// a new session declares all anew.
		switch err := <-closed; {
		case err == nil:
		case err.Code == amqp.AccessRefused:
			s.lose(refused("publish", err))
		case err.Code == amqp.PreconditionFailed && strings.Contains(err.Reason, "size"):
			s.lose(fmt.Errorf("%w for the broker: %w", transports.ErrTooLarge, err))
		default:
			s.lose(err)
		}
	})
	return nil
}

// write publishes what it is given.
func (o *outlet) write() {
	for {
		select {
		case p := <-o.parcels:
			o.ship(p)
		case <-o.session.lost:
			return
		}
	}
}

// mostShipped bounds what leaves together, so that the first does not wait for too many.
const mostShipped = 128

// ship publishes a parcel, and with it those that are there by then: a write is what a
// message costs most.
func (o *outlet) ship(first *parcel) {
	parcels := append(o.shipped[:0], first)
	err := o.session.socket.gather(func() {
		o.put(first)
		for waited := o.calm; len(parcels) < mostShipped; {
			select {
			case p := <-o.parcels:
				o.put(p)
				parcels = append(parcels, p)
				waited = false
				continue
			default:
			}
			if waited {
				return
			}
			runtime.Gosched() // whoever is about to hand something over does so now
			waited = true
		}
	})
	for _, p := range parcels {
		if err != nil && p.err == nil {
			o.broke(p, err)
		}
		close(p.handed)
	}
	o.calm = len(parcels) == 1
	clear(parcels)
	o.shipped = parcels
}

func (o *outlet) put(p *parcel) {
	if p.err = p.ctx.Err(); p.err != nil {
		return
	}
	if why, _ := o.session.isBlocked(); why != "" {
		p.err = blockedError(why)
		return
	}
	p.outlet = o
	if p.mandatory {
		o.mu.Lock()
		o.expected[p.serial] = p
		o.mu.Unlock()
	}
	o.written.Add(1)
	confirm, err := o.channel.PublishWithDeferredConfirm(p.exchange, p.key, p.mandatory, false, p.message)
	if err == nil {
		p.confirm = confirm
		if p.ctx.Err() != nil {
			o.forget(p) // perhaps nobody waits any more; whoever still does forgets it
		}
		return
	}
	if errors.Is(err, amqp.ErrClosed) {
		o.forget(p)
		p.err = fmt.Errorf("%w: %w", transports.ErrUnavailable, err)
		return
	}
	o.broke(p, err)
}

// broke ends the session with a parcel of which some may have been written.
func (o *outlet) broke(p *parcel, err error) {
	o.forget(p)
	p.err = fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, err)
	o.session.lose(err)
}

// probe gives the session up when the broker does not answer although it was given
// something: a network that carries nothing to the broker carries its heartbeats back
// all the same, so the library notices nothing, and the broker only after a while.
func (o *outlet) probe(timing timing) {
	tick := time.NewTicker(timing.heartbeat / 2)
	defer tick.Stop()
	for seen := uint64(0); ; {
		select {
		case <-tick.C:
		case <-o.session.lost:
			return
		}
		written := o.written.Load()
		if why, _ := o.session.isBlocked(); why != "" || written == seen {
			continue
		}
		seen = written
		answered := make(chan error, 1)
		go func() { answered <- onChannel(o.session.conn, func(*amqp.Channel) error { return nil }) }()
		select {
		case <-answered:
		case <-o.session.lost:
			return
		case <-time.After(timing.connect):
			if why, _ := o.session.isBlocked(); why == "" {
				o.session.lose(fmt.Errorf("%w within %v, though it sends heartbeats", errUnanswered, timing.connect))
				return
			}
		}
	}
}

func blockedError(why string) error {
	return fmt.Errorf("%w: it takes no messages at the moment (%s)", transports.ErrUnavailable, why)
}

// watchReturns notes which messages found no queue. The broker returns a message
// before it confirms it, but the library hands over the two by different ways: so
// whoever has the confirm asks here, and is answered when all that came before it
// was noted.
func (o *outlet) watchReturns() {
	defer close(o.over)
	for {
		select {
		case r, ok := <-o.returns:
			if !ok {
				return
			}
			o.note(r)
		case answer := <-o.ask:
			for drained := false; !drained; {
				select {
				case r, ok := <-o.returns:
					if !ok {
						close(answer)
						return
					}
					o.note(r)
				default:
					drained = true
				}
			}
			close(answer)
		}
	}
}

func (o *outlet) note(r amqp.Return) {
	serial, _ := r.Headers[headerSerial].(string)
	o.mu.Lock()
	p := o.expected[serial]
	delete(o.expected, serial)
	o.mu.Unlock()
	if p != nil {
		close(p.returned)
	}
}

func (o *outlet) forget(p *parcel) {
	if !p.mandatory {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.expected, p.serial)
}

// wasReturned reports, once the broker has confirmed a parcel, whether there was no
// queue for it.
func (o *outlet) wasReturned(p *parcel) bool {
	answer := make(chan struct{})
	select {
	case o.ask <- answer:
		<-answer
	case <-o.over:
	}
	select {
	case <-p.returned:
		return true
	default:
		return false
	}
}

// outcome returns what the broker said of a parcel, once its confirm is done.
func (p *parcel) outcome() error {
	defer p.outlet.forget(p)
	switch {
	case p.confirm.Acked():
		if p.mandatory && p.outlet.wasReturned(p) {
			return transports.ErrNoService
		}
		return nil
	case p.outlet.channel.IsClosed():
		// The library resolves what is open as refused; it may well be stored.
		<-p.outlet.session.lost // in a moment: whoever watches the channel gives the session up
		return fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, p.outlet.session.why)
	}
	return transports.ErrBusy
}

// nextSerial returns a serial that no other process has.
func (t *Transport) nextSerial() string {
	return t.id + "-" + strconv.FormatUint(t.serial.Add(1), 36)
}

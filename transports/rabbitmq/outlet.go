package rabbitmq

import (
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
	exchange, key string
	mandatory     bool
	message       amqp.Publishing
	serial        string // of what is mandatory

	// told is called once with the broker's word: nil, ErrNoService, ErrBusy, or
	// ErrUnknownOutcome where the session ended before it. Everybody's confirms wait for it
	// to return, and it must not publish.
	told func(error)

	returned bool // there is no queue for it; guarded by the outlet
}

// An outlet is the one channel on which a session publishes.
type outlet struct {
	session  *session
	channel  *amqp.Channel
	confirms <-chan amqp.Confirmation
	returns  <-chan amqp.Return
	written  atomic.Uint64 // parcels
	answered uint64        // parcels of which the broker has said what became of them; listen's alone

	// Held while something is published, as the broker numbers what it is given in its
	// order. The library may wait then for who reads confirms, who must not need it.
	turn sync.Mutex

	wake chan struct{} // holds a token while there are landings

	mu       sync.Mutex         // guards what follows
	sent     fifo[*parcel]      // what the broker has not confirmed
	bundles  map[string]*bundle // by their queue
	landings []string           // queues whose next bundle may leave
	over     bool               // the session has ended
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
		session: s, channel: ch, bundles: make(map[string]*bundle), wake: make(chan struct{}, 1),
		confirms: ch.NotifyPublish(make(chan amqp.Confirmation, 256)), returns: ch.NotifyReturn(make(chan amqp.Return, 256)),
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	s.outlet = o
	s.watched.Go(o.listen)
	s.watched.Go(o.follow)
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

// post publishes a parcel, and does not wait for the network. Its error means that
// nothing was handed over, and that nobody is told.
func (o *outlet) post(p *parcel) error {
	if why, _ := o.session.isBlocked(); why != "" {
		return blockedError(why)
	}
	var err error
	o.session.socket.gather(func() {
		o.turn.Lock()
		var others bool
		others, err = o.put(p)
		o.turn.Unlock()
		if others {
			runtime.Gosched() // whoever is about to say something does so now: a write is what a message costs most
		}
	})
	return err
}

// errNoRoom says that the network is behind.
var errNoRoom = errors.New("too much waits to be written")

// put has the library write a parcel. o.turn is held. others reports whether there are
// more on their way.
func (o *outlet) put(p *parcel) (others bool, err error) {
	if o.session.socket.full() != nil { // now that it is our turn; each may be large
		return false, errNoRoom
	}
	o.mu.Lock()
	if o.over {
		o.mu.Unlock()
		return false, fmt.Errorf("%w: %w", transports.ErrUnavailable, amqp.ErrClosed)
	}
	o.sent.push(p) // its confirm may be here before the library returns
	others = o.sent.len() > 1
	o.mu.Unlock()
	o.written.Add(1)
	err = o.channel.Publish(p.exchange, p.key, p.mandatory, false, p.message)
	if err == nil {
		return others, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.over {
		return false, nil // it has been told
	}
	o.sent.unpush() // of a message that was not written to its end the broker keeps nothing
	return false, fmt.Errorf("%w: %w", transports.ErrUnavailable, err)
}

// listen hands on what the broker says of parcels, until the session has ended.
//
// The broker returns a message before it confirms it, but the library hands the two over
// by different ways: so all that came back is noted before a confirm is looked at.
func (o *outlet) listen() {
	for {
		select {
		case r, ok := <-o.returns:
			if !ok {
				o.returns = nil
				continue
			}
			o.note(r)
		case c, ok := <-o.confirms:
			o.noteAll()
			if !ok {
				o.end()
				return
			}
			o.confirm(c)
		}
	}
}

// errConfirmLost is the end of a session in which a confirm was not heard.
var errConfirmLost = errors.New("a confirm of the broker's was lost")

func (o *outlet) noteAll() {
	for {
		select {
		case r, ok := <-o.returns:
			if ok {
				o.note(r)
				continue
			}
			o.returns = nil
		default:
			return
		}
	}
}

func (o *outlet) note(r amqp.Return) {
	serial := serialOf(r.Headers, r.AppId, r.MessageId)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.sent.all() {
		if p.serial == serial && p.mandatory {
			p.returned = true
			return
		}
	}
}

// confirm takes the broker's word on the oldest parcel: the library puts them in order.
// It drops what is not taken from it for five seconds, though, as may happen to a process
// that was stopped for a while. Then nobody knows any more whose words the others are.
func (o *outlet) confirm(c amqp.Confirmation) {
	o.mu.Lock()
	var p *parcel
	if o.answered++; c.DeliveryTag == o.answered && o.sent.len() > 0 {
		p = o.sent.pop()
	}
	o.mu.Unlock()
	switch {
	case p == nil:
		o.session.lose(errConfirmLost)
	case !c.Ack:
		p.told(transports.ErrBusy)
	case p.returned:
		p.told(transports.ErrNoService)
	default:
		p.told(nil)
	}
}

// end tells all that the broker has said nothing of.
func (o *outlet) end() {
	<-o.session.lost // in a moment: whoever watches the channel gives the session up
	o.mu.Lock()
	o.over = true
	open, bundles := o.sent.all(), o.bundles
	o.sent, o.bundles = fifo[*parcel]{}, nil
	o.mu.Unlock()
	for _, b := range bundles {
		tellAll(b.replies, transports.ErrUnavailable)
	}
	for _, p := range open {
		if p.returned {
			p.told(transports.ErrNoService)
		} else {
			p.told(fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, o.session.why))
		}
	}
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

// serialOf returns the serial of a message that came from the broker, "" where others sent it.
func serialOf(headers amqp.Table, app, id string) string {
	serial, _ := headers[headerSerial].(string)
	if serial == "" && isFirst(app) {
		serial = id
	}
	return serial
}

// nextSerial returns a serial that no other process has.
func (t *Transport) nextSerial() string {
	return t.id + "-" + strconv.FormatUint(t.serial.Add(1), 36)
}

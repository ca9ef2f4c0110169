package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// hand gives a parcel to the broker's connection. Its error means that nothing was handed
// over. It fails at once where the broker takes no messages, and ends with ErrClosed when
// over is closed. What is mandatory is given a serial, unless it has one.
func (t *Transport) hand(ctx context.Context, over <-chan struct{}, p *parcel) error {
	switch {
	case isFirst(p.message.AppId):
		p.serial = p.message.MessageId
	case p.mandatory:
		p.serial = t.nextSerial()
		if p.message.Headers == nil {
			p.message.Headers = make(amqp.Table)
		}
		p.message.Headers[headerSerial] = p.serial
	}
	waited := time.Now()
	for {
		s, err := t.publisher(ctx, over)
		if err != nil {
			return err
		}
		why, turned := s.isBlocked()
		if why != "" {
			return blockedError(why)
		}
		room := s.socket.full()
		if room == nil {
			switch err = s.outlet.post(p); {
			case err == nil:
				return nil
			case errors.Is(err, errNoRoom):
				continue
			case time.Since(waited) > t.timing.giveUp:
				return err
			}
		}
		select {
		case <-room: // nil where the session is about to end, or the broker to take nothing
		case <-turned:
		case <-s.lost:
			if time.Since(waited) > t.timing.giveUp {
				return fmt.Errorf("%w: %w", transports.ErrUnavailable, s.why)
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-over:
			return transports.ErrClosed
		}
	}
}

// publisher returns the session on which to publish.
func (t *Transport) publisher(ctx context.Context, over <-chan struct{}) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if s, ok, _ := t.publishing.current.get(); ok {
		return s, nil
	}
	if over != nil {
		var stop context.CancelFunc
		ctx, stop = t.whileOpen(ctx)
		defer stop()
	}
	return t.publishing.session(ctx, t.timing.giveUp)
}

// publish sends a message and waits until the broker has confirmed it. nil: the
// broker has it. ErrNoService: there is no queue for it. ErrBusy: the queue is full.
// ErrUnavailable: nothing was handed over. ErrUnknownOutcome: the connection broke,
// or ctx ended, before the broker's word.
func (t *Transport) publish(ctx context.Context, exchange, key string, message amqp.Publishing) error {
	return t.publishAs(ctx, exchange, key, true, message)
}

func (t *Transport) publishAs(ctx context.Context, exchange, key string, mandatory bool, message amqp.Publishing) error {
	word := make(chan error, 1)
	p := &parcel{exchange: exchange, key: key, mandatory: mandatory, message: message, told: func(err error) { word <- err }}
	if err := t.hand(ctx, nil, p); err != nil {
		return err
	}
	select {
	case err := <-word:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, ctx.Err())
	}
}

// deliver publishes what must arrive, for as long as ctx lasts: it waits for a broker
// that is away, or in need. A message of which the broker may or may not have taken
// an earlier copy is sent again. ErrNoService and ErrBusy are returned, and
// what will not change.
func (t *Transport) deliver(ctx context.Context, exchange, key string, mandatory bool, message amqp.Publishing) error {
	for failures := 0; ; failures++ {
		err := t.publishAs(ctx, exchange, key, mandatory, message)
		switch {
		case err == nil, errors.Is(err, transports.ErrNoService), errors.Is(err, transports.ErrBusy), errors.Is(err, transports.ErrClosed):
			return err
		case isRefusal(err), errors.Is(err, transports.ErrTooLarge):
			return err // the broker will not take it the next time either
		case ctx.Err() != nil:
			return fmt.Errorf("%w: %w", err, ctx.Err())
		}
		sleep(ctx, t.timing.pause(failures))
	}
}

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// hand gives a message to the broker's connection and returns when it is written, not
// when it is confirmed. Its error means that nothing was handed over, or is
// ErrUnknownOutcome. It fails at once where the broker takes no messages, and ends with
// ErrClosed when over is closed. What is mandatory is given a serial.
func (t *Transport) hand(
	ctx context.Context, over <-chan struct{}, exchange, key string, mandatory bool, message amqp.Publishing,
) (*parcel, error) {
	var serial string
	if mandatory {
		serial = t.nextSerial()
		if message.Headers == nil {
			message.Headers = make(amqp.Table)
		}
		message.Headers[headerSerial] = serial
	}
	waited := time.Now()
	for {
		s, err := t.publisher(ctx, over)
		if err != nil {
			return nil, err
		}
		why, turned := s.isBlocked()
		if why != "" {
			return nil, blockedError(why)
		}
		p := &parcel{
			ctx: ctx, exchange: exchange, key: key, mandatory: mandatory, message: message,
			handed: make(chan struct{}), returned: make(chan struct{}), serial: serial,
		}
		select {
		case s.outlet.parcels <- p:
		case <-turned:
			continue
		case <-s.lost:
			if time.Since(waited) > t.timing.giveUp {
				return nil, fmt.Errorf("%w: %w", transports.ErrUnavailable, s.why)
			}
			continue
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over:
			return nil, transports.ErrClosed
		}
		select {
		case <-p.handed:
			return p, p.err
		case <-ctx.Done():
			err = ctx.Err()
		case <-over:
			err = transports.ErrClosed
		}
		// It is being written. Whoever is waited for so long is frozen.
		s.outlet.forget(p)
		return nil, fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, err)
	}
}

// publisher returns the session on which to publish.
func (t *Transport) publisher(ctx context.Context, over <-chan struct{}) (*session, error) {
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
	p, err := t.hand(ctx, nil, exchange, key, true, message)
	if err != nil {
		return err
	}
	return p.wait(ctx)
}

// wait returns the broker's word on a parcel.
func (p *parcel) wait(ctx context.Context) error {
	select {
	case <-p.confirm.Done():
		return p.outcome()
	case <-ctx.Done():
		p.outlet.forget(p)
		return fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, ctx.Err())
	}
}

// deliver publishes what must arrive, for as long as ctx lasts: it waits for a broker
// that is away, or in need. A message of which the broker may or may not have taken
// an earlier copy is sent again. ErrNoService and ErrBusy are returned, and
// what will not change.
func (t *Transport) deliver(ctx context.Context, exchange, key string, mandatory bool, message amqp.Publishing) error {
	for failures := 0; ; failures++ {
		p, err := t.hand(ctx, nil, exchange, key, mandatory, message)
		if err == nil {
			err = p.wait(ctx)
		}
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

package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// Call implements transports.Caller. When ctx is cancelled before its deadline the
// request stays in the queue: AMQP cannot take it out again.
func (t *Transport) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok && m.Expires.IsZero() {
		m.Expires = deadline
	}
	message, err := t.prepare(ctx, service, &m)
	if err != nil {
		return nil, err
	}
	message.CorrelationId = m.ID
	reply, ok := t.replies.expect(m.ID)
	if !ok {
		return nil, fmt.Errorf("message id %q: another call that waits has the same", m.ID)
	}
	defer t.replies.forget(m.ID)
	if err := t.replies.await(ctx); err != nil {
		return nil, t.trouble(ctx, "call "+service, err)
	}
	message.ReplyTo = t.replies.address()
	now := time.Now()
	if t.pulse.lives(service, now) {
		message.Expiration = ""
	}
	by := route{service, m.Method}
	if m.NotBefore.IsZero() && t.shortcuts.has(by, now) {
		short := message
		abridge(&short, m.Expires)
		body, err := t.exchange(ctx, by, reply, "", t.names.queue(service), short)
		if !errors.Is(err, transports.ErrNoService) && !errors.Is(err, transports.ErrBusy) {
			return body, err
		}
		t.shortcuts.forget(by) // the exchanges may know better
		message.AppId = ""     // a refusal is no proof that the broker has not got it
	}
	for refused := 1; ; refused++ {
		exchange, key, err := t.route(ctx, service, &message, m.NotBefore)
		if err != nil {
			return nil, t.trouble(ctx, "call "+service, err)
		}
		body, err := t.exchange(ctx, by, reply, exchange, key, message)
		if err == nil || !t.again(ctx, service, refused, err) {
			return body, t.ended(ctx, err)
		}
		message.AppId = ""
	}
}

// exchange sends a request and waits for the reply to it.
func (t *Transport) exchange(
	ctx context.Context, by route, reply chan answer, exchange, key string, message amqp.Publishing,
) ([]byte, error) {
	service, sent := by.service, time.Now()
	err := t.hand(ctx, t.life.Done(), &parcel{exchange: exchange, key: key, mandatory: true, message: message, told: func(err error) {
		switch {
		case err == nil: // the reply will tell more
		case errors.Is(err, transports.ErrUnknownOutcome):
			t.stats.unknownSends.Add(1) // only the reply can tell, so the call waits on
		default:
			reply <- answer{err: err}
		}
	}})
	if err != nil {
		return nil, t.trouble(ctx, "call "+service, err)
	}
	select {
	case a := <-reply:
		switch {
		case errors.Is(a.err, transports.ErrNoService):
			return nil, t.nobody(service)
		case errors.Is(a.err, transports.ErrBusy):
			return nil, t.full(service)
		}
		if a.err == nil {
			t.pulse.beat(service, time.Now())
			t.learn(by, sent, exchange != "", a.from)
		}
		return a.body, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-t.life.Done():
		return nil, transports.ErrClosed
	}
}

// again reports whether a message that the broker did not take is worth another try.
func (t *Transport) again(ctx context.Context, service string, refused int, why error) bool {
	ctx, stop := t.whileOpen(ctx)
	defer stop()
	switch {
	case errors.Is(why, transports.ErrBusy):
		return t.mayTryAgain(ctx, service, refused)
	case errors.Is(why, transports.ErrNoService):
		return refused == 1 && t.mend(ctx, service)
	}
	return false
}

// ended returns ctx's error for what came of a hand-over that ctx did not give its time.
func (t *Transport) ended(ctx context.Context, err error) error {
	if (errors.Is(err, transports.ErrNoService) || errors.Is(err, transports.ErrBusy)) && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// mayTryAgain waits a little and reports whether a message that its queue refused is
// worth another try.
func (t *Transport) mayTryAgain(ctx context.Context, service string, refused int) bool {
	wait, ok := t.refusals.again(service, refused)
	return ok && sleep(ctx, wait)
}

// Send implements transports.Caller.
func (t *Transport) Send(ctx context.Context, service string, m transports.Message) error {
	message, err := t.prepare(ctx, service, &m)
	if err != nil {
		return err
	}
	if !m.Expires.IsZero() && !time.Now().Before(m.Expires) {
		return nil // it would be dropped unread
	}
	return t.handOver(ctx, "send to "+service, service, message, m.NotBefore)
}

// handOver publishes a message to its service and waits until the broker has it.
func (t *Transport) handOver(ctx context.Context, doing, service string, message amqp.Publishing, notBefore time.Time) (err error) {
	handing, stop := t.whileOpen(ctx)
	defer stop()
	for refused := 1; ; refused++ {
		var exchange, key string
		if exchange, key, err = t.route(handing, service, &message, notBefore); err != nil {
			break
		}
		if err = t.publish(handing, exchange, key, message); err == nil {
			return nil
		}
		if !t.again(handing, service, refused, err) {
			break
		}
		message.AppId = ""
	}
	switch err = t.ended(ctx, err); {
	case errors.Is(err, transports.ErrNoService):
		return t.nobody(service)
	case errors.Is(err, transports.ErrBusy):
		return t.full(service)
	case errors.Is(err, transports.ErrUnknownOutcome):
		t.stats.unknownSends.Add(1)
	}
	return t.trouble(ctx, doing, err)
}

// trouble says what was being done when something went wrong, and why it ended: by the
// will of the caller, by Close, or by what happened to the broker.
func (t *Transport) trouble(ctx context.Context, doing string, err error) error {
	cause := ctx.Err()
	if cause == nil && t.life.Err() != nil {
		cause = transports.ErrClosed
	}
	switch {
	case cause == nil || errors.Is(err, cause):
		return fmt.Errorf("%s: %w", doing, err)
	case errors.Is(err, transports.ErrUnknownOutcome):
		return fmt.Errorf("%s: %w: %w", doing, transports.ErrUnknownOutcome, cause)
	}
	return fmt.Errorf("%s: %w", doing, cause)
}

// whileOpen returns a context that also ends when the transport is closed.
func (t *Transport) whileOpen(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(t.life, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

func (t *Transport) nobody(service string) error {
	return fmt.Errorf("%w: no process ever announced %q here", transports.ErrNoService, service)
}

func (t *Transport) full(service string) error {
	return fmt.Errorf("%w: %s (JOURNEYMAN_MAX_QUEUE, when the queue was declared)", transports.ErrBusy, t.names.queue(service))
}

// prepare refuses what cannot be carried, fills in the message's id and encodes it.
func (t *Transport) prepare(ctx context.Context, service string, m *transports.Message) (message amqp.Publishing, err error) {
	if t.isClosed() {
		return message, transports.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return message, err
	}
	if err := transports.CheckName(service); err != nil {
		return message, fmt.Errorf("%w: %w", transports.ErrNoService, err)
	}
	if len(m.Body) > t.opts.MaxMessage {
		return message, fmt.Errorf("%w: %d bytes, the limit is %d (JOURNEYMAN_MAX_MESSAGE)", transports.ErrTooLarge, len(m.Body), t.opts.MaxMessage)
	}
	app := ""
	if m.ID == "" {
		m.ID, app = t.nextSerial(), firstOf
	}
	message, err = encode(service, *m, time.Now())
	message.AppId = app
	return message, err
}

// route returns where a message is to be published. What is not due yet goes to the
// ladder, and from there as any other does.
func (t *Transport) route(ctx context.Context, service string, message *amqp.Publishing, notBefore time.Time) (exchange, key string, err error) {
	now := time.Now()
	if notBefore.Sub(now) <= due {
		return t.names.rpc(), "", nil
	}
	ctx, stop := t.whileOpen(ctx)
	defer stop()
	// The ladder takes anything, so somebody has to ask.
	err = t.admin(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(t.names.queue(service), true, false, false, false, nil)
		return err
	})
	if fault, ok := errors.AsType[*amqp.Error](err); ok && fault.Code == amqp.NotFound {
		return "", "", transports.ErrNoService
	}
	if err != nil {
		return "", "", err
	}
	*message = waiting(*message)
	key, err = t.rungFor(ctx, service, notBefore, now)
	return "", key, err
}

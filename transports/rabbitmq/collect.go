package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

const (
	// mostWaiting bounds the channels on which this process waits at boxes. Brokers allow
	// 2047 of a connection, some plans fewer; who comes later looks at the end of its time.
	mostWaiting = 128

	// inOtherHands is how long somebody who just looks waits at a box that seems empty:
	// there is a slip at least, so others have in hand what is in it. Those who look as
	// well put it back at once, those who wait do not.
	inOtherHands = time.Second
)

// Collect implements transports.Mailbox.
func (t *Transport) Collect(ctx context.Context, service, box string, wait time.Duration) ([]byte, error) {
	doing := "collect from " + service
	if err := transports.CheckBox(box); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if t.isClosed() {
		return nil, transports.ErrClosed
	}
	until := time.Now().Add(wait)
	for failures := 0; ; failures++ {
		reply, err := t.visit(ctx, t.names.box(box), until)
		switch {
		case err == nil:
			return reply, nil
		case !errors.Is(err, transports.ErrUnavailable) || isRefusal(err) || !time.Now().Before(until):
			return nil, t.trouble(ctx, doing, err)
		}
		sleep(ctx, min(t.timing.pause(failures), time.Until(until))) // the broker comes back, and the box with it
	}
}

// visit looks into a box, and waits there until then if there is no reply.
func (t *Transport) visit(ctx context.Context, queue string, until time.Time) ([]byte, error) {
	ctx, stop := t.whileOpen(ctx)
	defer stop()
	if release := t.takePlace(ctx, until); release != nil {
		defer release()
	}
	found := make(chan []byte, 1)
	err := t.withChannel(ctx, func(ch *amqp.Channel) error {
		v := visit{ch: ch, queue: queue, until: until, late: t.timing.late}
		defer v.putBack()
		reply, err := v.wait(ctx)
		found <- reply
		return err
	})
	fault, ok := errors.AsType[*amqp.Error](err)
	switch {
	case err == nil:
		return <-found, nil
	case isFault(err, amqp.NotFound) && !strings.Contains(fault.Reason, "inaccessible"): // as are those of a cluster's node that is down
		return nil, transports.ErrNoBox
	case isFault(err, amqp.AccessRefused):
		return nil, refused("look into the box", err)
	case ok: // the channel has ended, and with it most likely the connection
		return nil, fmt.Errorf("%w: %w", transports.ErrUnavailable, err)
	}
	return nil, err
}

// takePlace waits for a place among those who wait at boxes, and returns what gives it
// up. nil: it has taken until then, or none is needed to look.
func (t *Transport) takePlace(ctx context.Context, until time.Time) (release func()) {
	patience := time.NewTimer(time.Until(until))
	defer patience.Stop()
	select {
	case t.waiting <- struct{}{}:
		return func() { <-t.waiting }
	case <-patience.C:
	case <-ctx.Done():
	}
	return nil
}

// A visit is one look into a box. What it takes in hand nobody else sees until it is put
// back.
type visit struct {
	ch       *amqp.Channel
	queue    string
	until    time.Time
	late     time.Duration
	slip     slip
	consumer bool
}

const visitor = "visitor" // name of a consumer, for its channel alone

// wait returns the reply, or why there is none.
func (v *visit) wait(ctx context.Context) ([]byte, error) {
	for range 2 { // the slip and the reply, as a rule in this order
		d, ok, err := v.ch.Get(v.queue, false)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if done, body, err := v.read(d); done {
			return body, err
		}
	}
	if v.slip.expires.IsZero() {
		v.until = maxTime(v.until, time.Now().Add(inOtherHands))
	}
	if err := v.verdict(); !errors.Is(err, transports.ErrPending) || !time.Now().Before(v.until) {
		return nil, err
	}
	v.consumer = true
	deliveries, err := v.ch.Consume(v.queue, visitor, false, false, false, false, nil)
	if err != nil {
		return nil, err
	}
	for {
		timer := time.NewTimer(v.patience())
		select {
		case d, ok := <-deliveries:
			timer.Stop()
			switch {
			case !ok && v.ch.IsClosed():
				return nil, amqp.ErrClosed
			case !ok: // its consumer was cancelled: the queue has gone
				return nil, transports.ErrNoBox
			}
			if done, body, err := v.read(d); done {
				return body, err
			}
		case <-timer.C:
			if err := v.verdict(); !errors.Is(err, transports.ErrPending) || !time.Now().Before(v.until) {
				return nil, err
			}
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// read takes in what was in the box. done is false for the slip of a call whose reply may come.
func (v *visit) read(d amqp.Delivery) (done bool, body []byte, err error) {
	if d.ContentType != slipType {
		_, body, err := decodeReply(d)
		if body == nil && err == nil {
			body = []byte{}
		}
		return true, body, err
	}
	v.slip = decodeSlip(d)
	if time.Now().Before(v.slip.until) {
		return false, nil, nil
	}
	// The broker lets no queue go that somebody looks into.
	if !v.consumer {
		_, _ = v.ch.QueueDelete(v.queue, false, false, false)
	}
	return true, nil, transports.ErrNoBox
}

// patience is how long it is of use to wait.
func (v *visit) patience() time.Duration {
	until := v.until
	if end := v.slip.expires.Add(v.late); !v.slip.expires.IsZero() && end.Before(until) {
		until = end
	}
	return time.Until(until)
}

// verdict says why there is no reply.
func (v *visit) verdict() error {
	if v.slip.expires.IsZero() || time.Now().Before(v.slip.expires.Add(v.late)) {
		return transports.ErrPending
	}
	return transports.ErrExpired
}

// putBack gives back what is in hand, so that it is there for others before Collect
// returns. Where that fails, the end of the channel does it.
func (v *visit) putBack() {
	if v.ch.IsClosed() {
		return
	}
	if v.consumer && v.ch.Cancel(visitor, false) != nil {
		return
	}
	_ = v.ch.Nack(0, true, true) // 0: all
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

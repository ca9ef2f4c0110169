package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// A box is a queue for the reply to one call. A slip lies in it from the beginning,
// which says when the call expires and when the box is to go: AMQP tells whether a
// queue exists, and not what it was declared with.
const (
	slipType    = "application/vnd.journeyman.slip"
	headerUntil = "until" // of a slip: when the box is to go, in Unix milliseconds
)

// A slip is what stands in a box beside the reply.
type slip struct {
	expires time.Time // the call's deadline; zero: there is no slip
	until   time.Time // from then on there is no such box
}

func (s slip) encode() amqp.Publishing {
	return amqp.Publishing{
		ContentType: slipType, DeliveryMode: amqp.Persistent,
		Headers: amqp.Table{headerExpires: s.expires.UnixMilli(), headerUntil: s.until.UnixMilli()},
	}
}

func decodeSlip(d amqp.Delivery) slip {
	h := fold(d.Headers)
	return slip{h.time(headerExpires), h.time(headerUntil)}
}

// longestBox is the longest life that the broker gives a queue: its timers have 32 bits
// of milliseconds.
const longestBox = longestExpiration

// Submit implements transports.Mailbox.
func (t *Transport) Submit(ctx context.Context, service, box string, m transports.Message, keep time.Duration) error {
	doing := "submit to " + service
	if err := transports.CheckSubmit(box, m); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	message, err := t.prepare(ctx, service, &m)
	if err != nil {
		return err
	}
	queue := t.names.box(box)
	message.ReplyTo, message.CorrelationId = queue, m.ID
	if err := t.makeBox(ctx, queue, slip{m.Expires, m.Expires.Add(t.timing.late + keep)}); err != nil {
		return t.trouble(ctx, doing, err)
	}
	err = t.handOver(ctx, doing, service, message, time.Time{})
	if err != nil && !errors.Is(err, transports.ErrUnknownOutcome) {
		t.background(func() { t.removeBox(queue) }) // or those who call in vain would fill the broker with queues
	}
	return err
}

// makeBox declares a box and puts its slip into it. Without it nothing was handed over,
// however that ended.
func (t *Transport) makeBox(ctx context.Context, queue string, s slip) error {
	life := min(max(time.Until(s.until), time.Second), longestBox)
	handing, stop := t.whileOpen(ctx)
	defer stop()
	if _, err := t.publishing.session(handing, t.timing.giveUp); err != nil {
		return err
	}
	session, err := t.consuming.session(handing, t.timing.giveUp)
	if err != nil {
		return err
	}
	err = t.bounded(handing, func() error {
		on := &scratch{conn: session.conn}
		defer on.close()
		return t.topology.box(on, queue, life)
	})
	if err == nil {
		err = t.publish(handing, "", queue, s.encode())
	}
	switch {
	case err == nil || isRefusal(err) || handing.Err() != nil && !errors.Is(err, transports.ErrUnknownOutcome):
		return err
	case handing.Err() != nil:
		return handing.Err()
	}
	return fmt.Errorf("%w: make a box for the reply: %s", transports.ErrUnavailable, err.Error())
}

// removeBox takes away what nobody will have use of. If that fails, the box goes in time.
func (t *Transport) removeBox(queue string) {
	ctx, cancel := context.WithTimeout(t.life, t.timing.connect)
	defer cancel()
	_ = t.admin(ctx, func(ch *amqp.Channel) error {
		_, err := ch.QueueDelete(queue, false, false, false)
		return err
	})
}

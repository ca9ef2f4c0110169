package redislist

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// A box is a reply list for one call that its caller makes, together with the request.
// At its right end stands a slip from then on: without it, a box that waits for its
// reply would look like one that nobody has made. Workers answer as they answer anybody.

// A slip is what stands in a box: a frame without a body that has the id of the call
// and its deadline.
func (c *commands) slip(f *frame) string {
	s := frame{Message: transports.Message{ID: f.ID, Expires: c.clock.toBroker(f.Expires)}}
	return s.encode()
}

// Submit implements transports.Mailbox.
func (t *Transport) Submit(ctx context.Context, service, box string, m transports.Message, keep time.Duration) error {
	if err := transports.CheckSubmit(box, m); err != nil {
		return fmt.Errorf("submit to %s: %w", service, err)
	}
	if err := t.accept(ctx, service, &m); err != nil {
		return err
	}
	if t.isArticle(service) {
		return fmt.Errorf("submit to %s, whose workers know nothing of boxes: %w", service, transports.ErrUnsupported)
	}
	pushed := make(chan error, 1)
	f := frame{Message: m, replyTo: t.keys.box(box)}
	p := t.newPush(service, f, false, func(err error) { pushed <- err })
	p.box, p.frame = f.replyTo, &f
	p.keep = t.timing.late + keep
	t.commands.addPush(p)
	return t.handedOver(ctx, p, pushed)
}

// sendSubmit sends a call together with its box.
func (c *commands) sendSubmit(p redis.Pipeliner, m *push) redis.Cmder {
	life := max(0, time.Until(m.frame.Expires)) + m.keep
	slip := c.slip(m.frame)
	return submitScript.call(c.ctx, p, []string{m.queue, m.box}, c.maxQueue, c.encodePush(m), slip, max(1, life.Milliseconds()))
}

// Between two looks into a box one waits so long at most: with the calls that need a
// box it makes no difference, and looks of many leave together.
const longestLook = 250 * time.Millisecond

// Collect implements transports.Mailbox. It asks again and again instead of blocking,
// which would take a connection for each box: Redis can wait for one list at a time
// without taking from it.
func (t *Transport) Collect(ctx context.Context, service, box string, wait time.Duration) ([]byte, error) {
	doing := "collect from " + service
	if err := transports.CheckBox(box); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if t.isClosed() {
		return nil, transports.ErrClosed
	}
	patience := time.NewTimer(wait)
	defer patience.Stop()
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, longestLook) {
		reply, err := t.look(ctx, t.keys.box(box))
		_, refused := errors.AsType[*transports.RefusedError](err)
		if err == nil || refused || !errors.Is(err, transports.ErrPending) && !errors.Is(err, transports.ErrUnavailable) {
			return reply, t.wrap(doing, err)
		}
		if wait <= 0 {
			return nil, t.wrap(doing, err)
		}
		select {
		case <-time.After(jittered(pause)):
		case <-patience.C:
			wait = 0 // and a last look
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.closing:
			return nil, transports.ErrClosed
		}
	}
}

func (t *Transport) wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// look returns the reply in a box, the first one should there be several, or why there
// is none.
func (t *Transport) look(ctx context.Context, box string) ([]byte, error) {
	var held []string
	err := t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder { return p.LRange(ctx, box, -2, -1) },
		func(cmd redis.Cmder) { held = cmd.(*redis.StringSliceCmd).Val() })
	if err != nil {
		return nil, t.journey("look into the box", err)
	}
	if len(held) == 0 {
		return nil, transports.ErrNoBox
	}
	slip := decode(held[len(held)-1])
	switch {
	case slip.Expires.IsZero(): // somebody's list
		return nil, transports.ErrNoBox
	case len(held) == 1 && t.clock.now().Before(slip.Expires.Add(t.timing.late)):
		return nil, transports.ErrPending
	case len(held) == 1:
		return nil, transports.ErrExpired
	}
	reply := decode(held[0])
	if reply.err != "" {
		return nil, noReply(reply.err)
	}
	return reply.Body, nil
}

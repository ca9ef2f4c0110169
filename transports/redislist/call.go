package redislist

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/transports"
)

// Call implements transports.Caller.
func (t *Transport) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	if err := t.accept(ctx, service, &m); err != nil {
		return nil, err
	}
	if m.Unique != "" {
		return nil, fmt.Errorf("call %s: a unique message may be dropped, and then nobody answers: %w", service, transports.ErrUnsupported)
	}
	if deadline, ok := ctx.Deadline(); ok && m.Expires.IsZero() {
		m.Expires = deadline
	}
	if t.isArticle(service) {
		return t.callArticle(ctx, service, m)
	}
	answer, ok := t.replies.expect(m.ID)
	if !ok {
		return nil, fmt.Errorf("message id %q: another call that waits has the same", m.ID)
	}
	p := t.newPush(service, frame{Message: m, replyTo: t.replies.key}, true, func(err error) {
		// Handed over or not: only the reply can tell, so the call waits on.
		if err != nil && !errors.Is(err, transports.ErrUnknownOutcome) {
			give(answer, reply{err: err})
		}
	})
	t.replies.ask(ctx, p, answer)
	select {
	case r := <-answer:
		if r.err != nil {
			t.replies.forget(m.ID)
		}
		return r.body, r.err
	case <-ctx.Done():
		t.replies.forget(m.ID)
		t.takeBack(ctx, p, m.ID, m.Expires)
		return nil, ctx.Err()
	case <-t.closing:
		t.replies.forget(m.ID)
		return nil, transports.ErrClosed
	}
}

// Send implements transports.Caller.
func (t *Transport) Send(ctx context.Context, service string, m transports.Message) error {
	if err := t.accept(ctx, service, &m); err != nil {
		return err
	}
	f := frame{Message: m}
	if t.isArticle(service) {
		if m.Unique != "" || !m.NotBefore.IsZero() {
			return fmt.Errorf("delayed and unique messages for a service of the article's form: %w", transports.ErrUnsupported)
		}
		f.bare = true
		f.ID = ""
	}
	pushed := make(chan error, 1)
	p := t.push(service, f, false, func(err error) { pushed <- err })
	return t.handedOver(ctx, p, pushed)
}

// handedOver waits for the broker's word on a push, or for ctx: then it says whether
// the message can have reached the broker.
func (t *Transport) handedOver(ctx context.Context, p *push, pushed <-chan error) error {
	var err error
	select {
	case err := <-pushed:
		return err
	case <-ctx.Done():
		err = ctx.Err()
	case <-t.closing:
		err = transports.ErrClosed
	}
	if !p.withdraw() {
		return fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, err)
	}
	return err
}

// accept refuses what cannot be carried and fills in the message's id.
func (t *Transport) accept(ctx context.Context, service string, m *transports.Message) error {
	if t.isClosed() {
		return transports.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := transports.CheckName(service); err != nil {
		return fmt.Errorf("%w: %w", transports.ErrNoService, err)
	}
	if err := t.complete(m); err != nil {
		return err
	}
	return t.checkService(ctx, service)
}

// complete fills in the message's id and refuses what would not arrive as it was sent.
func (t *Transport) complete(m *transports.Message) error {
	if err := checkHeader(m.Header); err != nil {
		return err
	}
	if err := checkUnique(m.Unique); err != nil {
		return err
	}
	if m.ID == "" {
		m.ID = t.nextID()
	} else if oneLine(m.ID) != m.ID || strings.TrimSpace(m.ID) != m.ID {
		return fmt.Errorf("message id %q: want no control characters and no white space around it", m.ID)
	}
	if oneLine(m.Key) != m.Key || strings.TrimSpace(m.Key) != m.Key {
		return fmt.Errorf("idempotency key %q: want no control characters and no white space around it", m.Key)
	}
	if size := sizeOf(m); size > t.options.MaxMessage {
		return fmt.Errorf("%w: %d bytes, the limit is %d (JOURNEYMAN_MAX_MESSAGE)", transports.ErrTooLarge, size, t.options.MaxMessage)
	}
	return nil
}

// checkService returns nil for a name that some process has announced.
func (t *Transport) checkService(ctx context.Context, service string) error {
	t.mu.Lock()
	known := t.known[service]
	t.mu.Unlock()
	if known {
		return nil
	}
	var announced bool
	err := t.commands.do(ctx, func(p redis.Pipeliner) redis.Cmder {
		return p.SIsMember(ctx, t.keys.services(), service)
	}, func(cmd redis.Cmder) { announced = cmd.(*redis.BoolCmd).Val() })
	if err != nil {
		return t.journey("look up service", err)
	}
	if !announced {
		return fmt.Errorf("%w: no process ever announced %q here", transports.ErrNoService, service)
	}
	t.mu.Lock()
	t.known[service] = true
	t.mu.Unlock()
	return nil
}

func (t *Transport) nextID() string {
	return t.replies.id + "-" + strconv.FormatUint(t.replies.sequence.Add(1), 36)
}

// sizeOf estimates from above what a message takes on the wire.
func sizeOf(m *transports.Message) int {
	size := len(m.Body) + len(m.ID) + len(m.Key) + len(m.Method) + len(m.Unique) + 256
	for name, value := range m.Header {
		size += len(name) + len(value) + 3
	}
	return size
}

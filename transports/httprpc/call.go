package httprpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// Call implements transports.Caller. Where the connection breaks after the request was
// written, no reply can come any more: the error is ErrUnknownOutcome, at once.
func (t *Transport) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok && m.Expires.IsZero() {
		m.Expires = deadline
	}
	r, err := t.post(ctx, service, &m, false)
	switch {
	case err != nil:
		return nil, fmt.Errorf("call %s: %w", service, err)
	case r.status == http.StatusOK:
		return r.body, nil
	}
	// It ran, and its handler owes no reply. A call that is owed none ends at its deadline.
	select {
	case <-ctx.Done():
		return nil, fmt.Errorf("call %s: no reply is owed: %w", service, ctx.Err())
	case <-t.life.Done():
		return nil, fmt.Errorf("call %s: %w", service, transports.ErrClosed)
	}
}

// Send implements transports.Caller. A nil error means that a process of the service
// has the message in its memory: it is lost if that dies before it is done.
func (t *Transport) Send(ctx context.Context, service string, m transports.Message) error {
	if _, err := t.post(ctx, service, &m, true); err != nil {
		return fmt.Errorf("send to %s: %w", service, err)
	}
	return nil
}

// post hands m over and returns the answer to it, 200 or another of the two hundreds.
func (t *Transport) post(ctx context.Context, service string, m *transports.Message, async bool) (*response, error) {
	a, err := t.address(service)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch now := time.Now(); {
	case m.Unique != "":
		return nil, fmt.Errorf("unique message: %w: there is no queue in which another could wait", transports.ErrUnsupported)
	case m.NotBefore.After(now):
		return nil, fmt.Errorf("message for later: %w: there is no queue in which it could wait", transports.ErrUnsupported)
	case !m.Expires.IsZero() && !m.Expires.After(now):
		return nil, fmt.Errorf("the message has expired: %w", context.DeadlineExceeded)
	case len(m.Body) > t.options.MaxMessage:
		return nil, fmt.Errorf("%w: %d bytes, the limit is %d (JOURNEYMAN_MAX_MESSAGE)", transports.ErrTooLarge, len(m.Body), t.options.MaxMessage)
	}
	m.ID = cmp.Or(m.ID, t.newID())
	buffer := t.buffer()
	defer t.buffers.Put(buffer)
	if *buffer, err = t.head((*buffer)[:0], a, m, async); err != nil {
		return nil, err
	}

	r, again, err := t.exchange(ctx, a, *buffer, m.Body, t.pool.take(a.endpoint()))
	if again {
		// It has surely not been begun: the connection was found dead, or leads to a
		// process that is about to stop. A new one may lead to another process.
		t.stats.again.Add(1)
		if *buffer, err = t.head((*buffer)[:0], a, m, async); err != nil { // less time remains
			return nil, err
		}
		r, _, err = t.exchange(ctx, a, *buffer, m.Body, nil)
	}
	switch {
	case err == nil:
		return r, a.judge(r)
	case !async && ctx.Err() != nil:
		return nil, ctx.Err() // a call is over with that, whatever became of it
	}
	return nil, err
}

// exchange has a request answered on a connection, on a new one if c is nil. again is
// true where it was not begun, and might be on another connection.
func (t *Transport) exchange(ctx context.Context, a *address, head, body []byte, c *conn) (r *response, again bool, err error) {
	reused := c != nil
	if !reused {
		if c, err = t.connect(ctx, a); err != nil {
			return nil, false, err
		}
	} else {
		t.stats.reused.Add(1)
	}

	// Closing the connection is what ends an exchange, and what tells the handler.
	release := context.AfterFunc(ctx, c.kill)
	r, err = c.exchange(head, body)
	released := release()
	if err == nil && r.reusable && released {
		t.pool.put(c)
	} else {
		t.pool.discard(c)
	}
	if err == nil {
		return r, reused && (r.refused == refusedDraining || r.refused == refusedNotMine), nil
	}
	_, unsent := errors.AsType[*unsentError](err)
	switch {
	case t.life.Err() != nil:
		err = fmt.Errorf("%w: %w", transports.ErrClosed, err)
	case ctx.Err() != nil && unsent:
		err = ctx.Err()
	case ctx.Err() != nil:
		err = fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, ctx.Err())
	case unsent:
		again = reused
		err = fmt.Errorf("%w: %s: %w", transports.ErrUnavailable, a.url(""), err)
	default:
		err = fmt.Errorf("%w: %s: %w", transports.ErrUnknownOutcome, a.url(""), err)
	}
	return nil, again, err
}

func (t *Transport) buffer() *[]byte {
	if b, ok := t.buffers.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, 1<<10)
	return &b
}

// mostHeader bounds what is said of a message beside its body, in bytes; servers and
// routers refuse more, each from another number on.
const mostHeader = 24 << 10

// head appends the head of a request.
func (t *Transport) head(b []byte, a *address, m *transports.Message, async bool) ([]byte, error) {
	b = append(b, "POST "...)
	b = append(b, a.prefix...)
	b = append(b, pathPrefix...)
	b = append(b, a.service...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, a.host...)
	b = append(b, "\r\nUser-Agent: journeyman\r\nContent-Type: "+contentType+"\r\nContent-Length: "...)
	b = strconv.AppendInt(b, int64(len(m.Body)), 10)
	b = append(b, '\r', '\n')
	if len(t.options.Keys) > 0 {
		b = appendLine(b, "Authorization", "Bearer "+t.options.Keys[0])
	}
	if async {
		b = appendLine(b, headerPrefer, respondAsync)
	}
	var remaining time.Duration
	if !m.Expires.IsZero() {
		remaining = max(time.Until(m.Expires), time.Millisecond)
	}
	b, err := appendHeaders(b, m, remaining)
	if err != nil {
		return b[:0], err
	}
	if len(b) > mostHeader {
		return b, fmt.Errorf("%w: %d bytes beside the body, the limit is %d", transports.ErrTooLarge, len(b), mostHeader)
	}
	return append(b, '\r', '\n'), nil
}

package tracing

import (
	"context"
	"errors"
	"maps"
	"time"

	"go.opentelemetry.io/otel/propagation"
	conventions "go.opentelemetry.io/otel/semconv/v1.43.0"
	api "go.opentelemetry.io/otel/trace"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// Caller returns a Caller that makes a span of each call and each notification, as a
// child of the one in its ctx, and sends the context of that along. A nil Tracing returns
// to itself.
func (t *Tracing) Caller(to transports.Caller) transports.Caller {
	if t == nil {
		return to
	}
	c := &caller{to, t}
	if box, ok := transports.Ability[transports.Mailbox](to); ok {
		return &mailbox{c, box}
	}
	return c
}

type caller struct {
	to transports.Caller
	t  *Tracing
}

// Unwrap is for transports.Ability.
func (c *caller) Unwrap() transports.Caller { return c.to }

func (c *caller) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	ctx, span := c.t.depart(ctx, service, &m)
	defer span.End()
	reply, err := c.to.Call(ctx, service, m)
	if !span.IsRecording() {
		return reply, err
	}
	unknown := errors.Is(err, transports.ErrNoService)
	if err != nil {
		failed(span, kindOf(err), err.Error())
	} else {
		unknown = answered(span, reply) == jsonrpc.CodeMethodNotFound
	}
	// Through the gateway anybody may ask for anything, and names of spans are to be few.
	if unknown && m.Method != "" {
		name, attrs := about(service, m.Method, false)
		span.SetName(name)
		span.SetAttributes(attrs...)
	}
	return reply, err
}

func (c *caller) Send(ctx context.Context, service string, m transports.Message) error {
	ctx, span := c.t.depart(ctx, service, &m)
	defer span.End()
	err := c.to.Send(ctx, service, m)
	if err != nil && span.IsRecording() {
		failed(span, kindOf(err), err.Error())
	}
	return err
}

// A mailbox makes a span of each call that nobody waits for, too: the hand-over alone, to
// which that of the service belongs.
type mailbox struct {
	*caller
	transports.Mailbox
}

func (m *mailbox) Submit(ctx context.Context, service, box string, msg transports.Message, keep time.Duration) error {
	ctx, span := m.t.depart(ctx, service, &msg)
	defer span.End()
	err := m.Mailbox.Submit(ctx, service, box, msg, keep)
	if err != nil && span.IsRecording() {
		failed(span, kindOf(err), err.Error())
	}
	return err
}

// depart starts the span of a message that is about to be sent, and gives it the headers
// that say so. The map of its headers stays the sender's.
func (t *Tracing) depart(ctx context.Context, service string, m *transports.Message) (context.Context, api.Span) {
	name, attrs := about(service, m.Method, true)
	ctx, span := t.tracer.Start(ctx, name, api.WithSpanKind(api.SpanKindClient), api.WithAttributes(attrs...))
	if span.IsRecording() {
		span.SetAttributes(read(m.Body).attributes()...)
		if m.ID != "" {
			span.SetAttributes(conventions.MessagingMessageID(m.ID))
		}
	}
	header := maps.Clone(m.Header)
	if header == nil {
		header = make(map[string]string, 1)
	}
	t.carry.Inject(ctx, propagation.MapCarrier(header))
	m.Header = header
	return ctx, span
}

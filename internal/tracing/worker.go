package tracing

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	conventions "go.opentelemetry.io/otel/semconv/v1.43.0"
	api "go.opentelemetry.io/otel/trace"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// Begin starts the span of a message that service is about to run, and returns the context
// to run it in. End ends it. methods are those that the service has.
//
// The span of a call is a child of its caller's, which waits. A notification is run when its
// turn comes, and again when it failed, and a call that comes a second time may have lost
// its caller: their spans begin a trace of their own, with a link to the sender's.
func (t *Tracing) Begin(ctx context.Context, service string, m transports.Message, methods map[string]bool) context.Context {
	ctx = t.carry.Extract(ctx, propagation.MapCarrier(m.Header))
	b := read(m.Body)
	method := ""
	if !b.batch && len(b.requests) == 1 {
		method = b.requests[0].Method // and not m.Method, which is the sender's word
	}
	name, attrs := about(service, method, methods[method])
	attrs = append(append(attrs, b.attributes()...), conventions.MessagingMessageID(m.ID))
	again := m.Redelivered || m.Failures > 0
	if again {
		attrs = append(attrs, attemptKey.Int(m.Failures+1))
	}
	opts := []api.SpanStartOption{api.WithSpanKind(api.SpanKindServer), api.WithAttributes(attrs...)}
	if again || m.Unread || !b.owed() {
		opts = append(opts, api.WithNewRoot())
		if sender := api.SpanContextFromContext(ctx); sender.IsValid() {
			opts = append(opts, api.WithLinks(api.Link{SpanContext: sender}))
		}
	}
	ctx, _ = t.tracer.Start(ctx, name, opts...) //nolint:spancheck // End finds it in the context
	return ctx
}

// End ends the span that ctx has from Begin.
func (t *Tracing) End(ctx context.Context, answer jsonrpc.Answer, out transports.Outcome) {
	span := api.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	switch {
	case out.Verdict == transports.NotMine: // another worker will have it: nothing has failed
	case answered(span, answer.Reply) == 0:
		for _, n := range answer.Notifications {
			if n.Err != nil {
				refused(span, jsonrpc.CodeOf(n.Err), readable(n.Err))
				break
			}
		}
	}
	if v := verdict(out.Verdict); v.Valid() {
		span.SetAttributes(v)
	}
	span.End()
}

// readable returns what a caller would read of an error: the rest is for the log.
func readable(err error) string {
	if e, ok := errors.AsType[*jsonrpc.Error](err); ok && jsonrpc.CodeOf(err) == e.Code {
		return e.Message
	}
	switch jsonrpc.CodeOf(err) {
	case jsonrpc.CodeTimeout:
		return "Deadline exceeded"
	case jsonrpc.CodeCanceled:
		return "Canceled"
	}
	return "Internal error"
}

func verdict(v transports.Verdict) attribute.KeyValue {
	switch v {
	case transports.Retry:
		return verdictKey.String("retry")
	case transports.Bury:
		return verdictKey.String("bury")
	case transports.NotMine:
		return verdictKey.String("not_mine")
	case transports.Suspect:
		return verdictKey.String("suspect")
	case transports.Done:
	}
	return attribute.KeyValue{}
}

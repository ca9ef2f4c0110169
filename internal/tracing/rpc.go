package tracing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	conventions "go.opentelemetry.io/otel/semconv/v1.43.0"
	api "go.opentelemetry.io/otel/trace"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

const (
	system = "jsonrpc" // also the name of a span that is of no one method
	other  = "_OTHER"  // what the conventions say for a method, or an error, without a name
)

// Attributes for which the conventions have no name.
const (
	membersKey = attribute.Key("journeyman.batch.members") // how many requests a batch has
	attemptKey = attribute.Key("journeyman.attempt")       // 1 for the first
	verdictKey = attribute.Key("journeyman.verdict")       // what became of the message, where it is not done
)

// about returns the attributes of a request to a service, and the name of its span: the
// method's. known is false for a method that is not among those of the service.
func about(service, method string, known bool) (name string, attrs []attribute.KeyValue) {
	attrs = append(make([]attribute.KeyValue, 0, 8), // room for what is added
		conventions.RPCSystemNameKey.String(system),
		conventions.JSONRPCProtocolVersion("2.0"),
		conventions.ServerAddress(service),
	)
	switch method = brief(method); {
	case method == "":
		return system, attrs
	case !known:
		return system, append(attrs, conventions.RPCMethod(other), conventions.RPCMethodOriginal(method))
	}
	return method, append(attrs, conventions.RPCMethod(method))
}

// mostText bounds what a span repeats of what callers chose.
const mostText = 128 // bytes

func brief(s string) string {
	if len(s) > mostText {
		return s[:mostText] + "…"
	}
	return s
}

// A body is what a message says, as far as a span tells of it.
type body struct {
	batch    bool
	requests []jsonrpc.Request
}

func read(text []byte) body {
	requests, batch, err := jsonrpc.DecodeRequests(text)
	if err != nil {
		return body{}
	}
	return body{batch, requests}
}

// owed reports whether somebody waits for a reply. What cannot be read is answered, too.
func (b body) owed() bool {
	for _, r := range b.requests {
		if r.Owed() {
			return true
		}
	}
	return len(b.requests) == 0
}

func (b body) attributes() []attribute.KeyValue {
	if b.batch {
		return []attribute.KeyValue{membersKey.Int(len(b.requests))}
	}
	if len(b.requests) == 1 {
		if id := b.requests[0].ID; len(id) > 0 && string(id) != "null" {
			text := string(id) // a number
			_ = json.Unmarshal(id, &text)
			return []attribute.KeyValue{conventions.JSONRPCRequestID(brief(text))}
		}
	}
	return nil
}

// answered notes on a span what a reply says. All codes are errors: so the conventions
// have it. Of a batch the first error counts, and how many there are.
func answered(span api.Span, reply []byte) (code int) {
	replies, batch, err := jsonrpc.DecodeReplies(reply)
	if err != nil {
		if len(reply) > 0 {
			failed(span, other, "the reply cannot be read")
		}
		return 0
	}
	var first *jsonrpc.Error
	errs := 0
	for _, r := range replies {
		if r.Error != nil {
			if errs++; first == nil {
				first = r.Error
			}
		}
	}
	switch {
	case first == nil:
		return 0
	case batch:
		failed(span, strconv.Itoa(first.Code), fmt.Sprintf("%d of %d failed, the first with: %s", errs, len(replies), first.Message))
	default:
		refused(span, first.Code, first.Message)
	}
	return first.Code
}

func refused(span api.Span, code int, message string) {
	text := strconv.Itoa(code)
	span.SetAttributes(conventions.RPCResponseStatusCode(text))
	failed(span, text, message)
}

func failed(span api.Span, kind, message string) {
	span.SetAttributes(conventions.ErrorTypeKey.String(kind))
	span.SetStatus(codes.Error, message)
}

// kindOf names an error of the journey for error.type, which wants few values.
func kindOf(err error) string {
	for _, k := range []struct {
		err  error
		name string
	}{
		{transports.ErrUnknownOutcome, "unknown_outcome"}, // first: it may wrap the end of a context
		{transports.ErrNoService, "no_service"},
		{transports.ErrBusy, "busy"},
		{transports.ErrTooLarge, "too_large"},
		{transports.ErrBuried, "buried"},
		{transports.ErrUnsupported, "unsupported"},
		{transports.ErrUnavailable, "unavailable"},
		{transports.ErrClosed, "closed"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},
	} {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	return other
}

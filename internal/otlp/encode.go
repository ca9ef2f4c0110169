package otlp

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
)

// encode returns spans of one resource as an ExportTraceServiceRequest. The numbers are those
// of the fields in opentelemetry-proto v1, trace.proto, common.proto and resource.proto;
// that part of the protocol is stable.
func encode(spans []trace.ReadOnlySpan) []byte {
	byScope := map[instrumentation.Scope][]trace.ReadOnlySpan{}
	var scopes []instrumentation.Scope
	for _, s := range spans {
		scope := s.InstrumentationScope()
		if byScope[scope] == nil {
			scopes = append(scopes, scope)
		}
		byScope[scope] = append(byScope[scope], s)
	}
	resource := spans[0].Resource()
	var r, all message
	for _, a := range resource.Attributes() {
		r.message(1, keyValue(a))
	}
	all.message(1, r)
	for _, scope := range scopes {
		all.message(2, scopeSpans(scope, byScope[scope]))
	}
	all.string(3, resource.SchemaURL())
	var request message
	request.message(1, all)
	return request
}

func scopeSpans(scope instrumentation.Scope, spans []trace.ReadOnlySpan) (m message) {
	var s message
	s.string(1, scope.Name)
	s.string(2, scope.Version)
	for _, a := range scope.Attributes.ToSlice() {
		s.message(3, keyValue(a))
	}
	m.message(1, s)
	for _, one := range spans {
		m.message(2, span(one))
	}
	m.string(3, scope.SchemaURL)
	return m
}

func span(s trace.ReadOnlySpan) (m message) {
	own, parent := s.SpanContext(), s.Parent()
	m.ids(own)
	m.string(3, own.TraceState().String())
	if id := parent.SpanID(); id.IsValid() {
		m.bytes(4, id[:])
	}
	m.string(5, s.Name())
	m.int(6, int(s.SpanKind())) // the API counts the kinds as the protocol does
	m.fixed64(7, uint64(s.StartTime().UnixNano()))
	m.fixed64(8, uint64(s.EndTime().UnixNano()))
	for _, a := range s.Attributes() {
		m.message(9, keyValue(a))
	}
	m.int(10, s.DroppedAttributes())
	for _, e := range s.Events() {
		m.message(11, event(e))
	}
	m.int(12, s.DroppedEvents())
	for _, l := range s.Links() {
		m.message(13, link(l))
	}
	m.int(14, s.DroppedLinks())
	m.message(15, status(s.Status()))
	m.fixed32(16, flags(own.TraceFlags(), parent))
	return m
}

func event(e trace.Event) (m message) {
	m.fixed64(1, uint64(e.Time.UnixNano()))
	m.string(2, e.Name)
	for _, a := range e.Attributes {
		m.message(3, keyValue(a))
	}
	m.int(4, e.DroppedAttributeCount)
	return m
}

func link(l trace.Link) (m message) {
	m.ids(l.SpanContext)
	m.string(3, l.SpanContext.TraceState().String())
	for _, a := range l.Attributes {
		m.message(4, keyValue(a))
	}
	m.int(5, l.DroppedAttributeCount)
	m.fixed32(6, flags(l.SpanContext.TraceFlags(), l.SpanContext))
	return m
}

// status returns what the protocol counts otherwise than the API does: 1 is fine, 2 an error.
func status(s trace.Status) (m message) {
	m.string(2, s.Description)
	switch s.Code {
	case codes.Ok:
		m.int(3, 1)
	case codes.Error:
		m.int(3, 2)
	case codes.Unset:
	}
	return m
}

// flags returns those of W3C and, above them, that it is known whether the other span is
// remote, and whether it is.
func flags(own api.TraceFlags, other api.SpanContext) uint32 {
	f := uint32(own) | 0x100
	if other.IsRemote() {
		f |= 0x200
	}
	return f
}

func (m *message) ids(c api.SpanContext) {
	trace, span := c.TraceID(), c.SpanID()
	m.bytes(1, trace[:])
	m.bytes(2, span[:])
}

func keyValue(a attribute.KeyValue) (m message) {
	m.string(1, string(a.Key))
	m.message(2, value(a.Value))
	return m
}

// value returns an AnyValue. Which of its fields is there says of what type it is, so
// that one is written even where it is zero.
func value(v attribute.Value) (m message) {
	switch v.Type() {
	case attribute.STRING:
		m.tag(1, lengthDelimited)
		m.text(v.AsString())
	case attribute.BOOL:
		m.tag(2, varint)
		m.uvarint(bit(v.AsBool()))
	case attribute.INT64:
		m.tag(3, varint)
		m.signed(v.AsInt64())
	case attribute.FLOAT64:
		m.float(4, v.AsFloat64())
	case attribute.MAP:
		var list message
		for _, a := range v.AsMap() {
			list.message(1, keyValue(a))
		}
		m.message(6, list)
	case attribute.BYTESLICE:
		m.message(7, v.AsByteSlice())
	case attribute.EMPTY: // has no field at all
	default:
		var list message
		for _, one := range elements(v) {
			list.message(1, value(one))
		}
		m.message(5, list)
	}
	return m
}

// elements returns what a value holds that is a list of others.
func elements(v attribute.Value) []attribute.Value {
	switch v.Type() { //nolint:exhaustive // the others hold none
	case attribute.SLICE:
		return v.AsSlice()
	case attribute.STRINGSLICE:
		return each(v.AsStringSlice(), attribute.StringValue)
	case attribute.BOOLSLICE:
		return each(v.AsBoolSlice(), attribute.BoolValue)
	case attribute.INT64SLICE:
		return each(v.AsInt64Slice(), attribute.Int64Value)
	case attribute.FLOAT64SLICE:
		return each(v.AsFloat64Slice(), attribute.Float64Value)
	}
	return []attribute.Value{attribute.StringValue(v.String())} // a type that came after this was written
}

func each[T any](list []T, of func(T) attribute.Value) []attribute.Value {
	all := make([]attribute.Value, len(list))
	for i, one := range list {
		all[i] = of(one)
	}
	return all
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

package otlp_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	api "go.opentelemetry.io/otel/trace"
	wire "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/journeyman-go/journeyman/internal/otlp"
	"github.com/journeyman-go/journeyman/internal/otlptest"
)

// read reads settings from pairs of a name and a value.
func read(t *testing.T, env map[string]string) otlp.Settings {
	t.Helper()
	s, err := otlp.ReadSettings(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// export sends the spans that fill makes.
func export(t *testing.T, e *otlp.Exporter, fill func(*trace.TracerProvider)) {
	t.Helper()
	provider := trace.NewTracerProvider(trace.WithSyncer(e), trace.WithSampler(trace.AlwaysSample()),
		trace.WithResource(resource.NewSchemaless(attribute.String("service.name", "tester"), attribute.Int("n", 7))))
	fill(provider)
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// one makes a span of no interest.
func one(p *trace.TracerProvider) {
	_, span := p.Tracer("test").Start(context.Background(), "one")
	span.End()
}

// Everything that a span can hold arrives, by the word of OpenTelemetry's own decoder.
func TestSpan(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t, nil)
	state, err := api.ParseTraceState("shop=1")
	if err != nil {
		t.Fatal(err)
	}
	parent := api.NewSpanContext(api.SpanContextConfig{TraceID: api.TraceID{1, 2}, SpanID: api.SpanID{3}, TraceFlags: api.FlagsSampled, TraceState: state, Remote: true})
	other := api.NewSpanContext(api.SpanContextConfig{TraceID: api.TraceID{4}, SpanID: api.SpanID{5}, TraceState: state})
	start := time.Unix(1, 2)
	export(t, otlp.New(read(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}), slog.Default()), func(p *trace.TracerProvider) {
		tracer := p.Tracer("lib", api.WithInstrumentationVersion("v1"), api.WithSchemaURL("https://example.org/1"), api.WithInstrumentationAttributes(attribute.Bool("scoped", false)))
		_, span := tracer.Start(api.ContextWithSpanContext(t.Context(), parent), "add", api.WithSpanKind(api.SpanKindServer), api.WithTimestamp(start),
			api.WithLinks(api.Link{SpanContext: other, Attributes: []attribute.KeyValue{attribute.String("why", "retry")}}))
		span.SetAttributes(
			attribute.String("s", "a\xffb"), attribute.String("empty", ""), attribute.Int64("i", -1), attribute.Int64("zero", 0),
			attribute.Bool("b", true), attribute.Float64("f", 0.5), attribute.Float64("0", 0),
			attribute.StringSlice("ss", []string{"x", ""}), attribute.BoolSlice("bs", []bool{false}), attribute.Int64Slice("is", []int64{0, math.MaxInt64}), attribute.Float64Slice("fs", []float64{1}),
			attribute.KeyValue{Key: "raw", Value: attribute.ByteSliceValue([]byte{0, 255})},
			attribute.KeyValue{Key: "map", Value: attribute.MapValue(attribute.String("k", "v"))},
			attribute.KeyValue{Key: "list", Value: attribute.SliceValue(attribute.IntValue(1), attribute.StringValue("two"))},
		)
		span.AddEvent("shipped", api.WithTimestamp(start), api.WithAttributes(attribute.Int("boxes", 2)))
		span.SetStatus(codes.Error, "no luck")
		span.End(api.WithTimestamp(start.Add(time.Second)))
	})
	if len(c.Raw()) != 1 {
		t.Fatalf("got %d requests, want one", len(c.Raw()))
	}
	got := c.Raw()[0]
	got.GetResourceSpans()[0].GetScopeSpans()[0].GetSpans()[0].SpanId = nil // it is random
	var want wire.TracesData
	if err := protojson.Unmarshal([]byte(wholeSpan), &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(protojson.Format(&want), "  ", " "), strings.ReplaceAll(protojson.Format(got), "  ", " ")); diff != "" {
		t.Errorf("the request (-want +got):\n%s", diff)
	}
	if path, header, _ := c.Latest(); path != "/v1/traces" || header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("sent to %s with %v", path, header)
	}
}

// Ids are bytes, which JSON has in base 64 here.
const wholeSpan = `{"resourceSpans":[{
	"resource":{"attributes":[{"key":"n","value":{"intValue":"7"}},{"key":"service.name","value":{"stringValue":"tester"}}]},
	"scopeSpans":[{
		"scope":{"name":"lib","version":"v1","attributes":[{"key":"scoped","value":{"boolValue":false}}]},
		"schemaUrl":"https://example.org/1",
		"spans":[{
			"traceId":"AQIAAAAAAAAAAAAAAAAAAA==","parentSpanId":"AwAAAAAAAAA=","traceState":"shop=1","flags":769,
			"name":"add","kind":"SPAN_KIND_SERVER","startTimeUnixNano":"1000000002","endTimeUnixNano":"2000000002",
			"attributes":[
				{"key":"s","value":{"stringValue":"a\uFFFDb"}},
				{"key":"empty","value":{"stringValue":""}},
				{"key":"i","value":{"intValue":"-1"}},
				{"key":"zero","value":{"intValue":"0"}},
				{"key":"b","value":{"boolValue":true}},
				{"key":"f","value":{"doubleValue":0.5}},
				{"key":"0","value":{"doubleValue":0}},
				{"key":"ss","value":{"arrayValue":{"values":[{"stringValue":"x"},{"stringValue":""}]}}},
				{"key":"bs","value":{"arrayValue":{"values":[{"boolValue":false}]}}},
				{"key":"is","value":{"arrayValue":{"values":[{"intValue":"0"},{"intValue":"9223372036854775807"}]}}},
				{"key":"fs","value":{"arrayValue":{"values":[{"doubleValue":1}]}}},
				{"key":"raw","value":{"bytesValue":"AP8="}},
				{"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"stringValue":"v"}}]}}},
				{"key":"list","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"two"}]}}}],
			"events":[{"timeUnixNano":"1000000002","name":"shipped","attributes":[{"key":"boxes","value":{"intValue":"2"}}]}],
			"links":[{"traceId":"BAAAAAAAAAAAAAAAAAAAAA==","spanId":"BQAAAAAAAAA=","traceState":"shop=1","flags":256,
				"attributes":[{"key":"why","value":{"stringValue":"retry"}}]}],
			"status":{"code":"STATUS_CODE_ERROR","message":"no luck"}}]}]}]}`

// What collectors of others ask for goes along: keys, compression, paths of their own.
func TestRequest(t *testing.T) {
	t.Parallel()
	c := otlptest.New(t, nil)
	s := read(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://nowhere.example", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/own",
		"OTEL_EXPORTER_OTLP_HEADERS": "x-team=k%20y, authorization=Basic%20abc=,", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
	})
	export(t, otlp.New(s, slog.Default()), one)
	path, header, _ := c.Latest()
	if path != "/own" || header.Get("X-Team") != "k y" || header.Get("Authorization") != "Basic abc=" || header.Get("Content-Encoding") != "gzip" || len(c.Spans()) != 1 {
		t.Errorf("sent to %s with %v: %v", path, header, c.Spans())
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	const prefix = "OTEL_EXPORTER_OTLP_"
	for _, tt := range []struct {
		name, value string
		fault       string // "": none
	}{
		{"PROTOCOL", "http/protobuf", ""},
		{"PROTOCOL", "grpc", `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", want http/protobuf, with the endpoint of an OTLP receiver over HTTP, by custom at port 4318`},
		{"TRACES_PROTOCOL", "http/json", `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is "http/json", want`},
		{"ENDPOINT", "user:geheim@host:4318", "OTEL_EXPORTER_OTLP_ENDPOINT is no address"},
		{"TRACES_ENDPOINT", "ftp://geheim", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no address"},
		{"HEADERS", "geheim", "OTEL_EXPORTER_OTLP_HEADERS cannot be read"},
		{"HEADERS", "a=geheim%0D%0Ab", "OTEL_EXPORTER_OTLP_HEADERS cannot be read"},
		{"HEADERS", "a=%zz-geheim", "OTEL_EXPORTER_OTLP_HEADERS cannot be read"},
		{"TIMEOUT", "1s", `OTEL_EXPORTER_OTLP_TIMEOUT is "1s", want milliseconds`},
		{"TIMEOUT", "0", `want milliseconds, from 1`},
		{"COMPRESSION", "zstd", `OTEL_EXPORTER_OTLP_COMPRESSION is "zstd", want gzip or none`},
	} {
		_, err := otlp.ReadSettings(func(name string) string {
			if name == prefix+tt.name {
				return tt.value
			}
			return ""
		})
		if text := ""; err != nil || tt.fault != "" {
			if err != nil {
				text = err.Error()
			}
			if !strings.Contains(text, tt.fault) || tt.fault == "" || strings.Contains(text, "geheim") {
				t.Errorf("%s=%s: %q, want %q", tt.name, tt.value, text, tt.fault)
			}
		}
	}
	s := read(t, map[string]string{prefix + "ENDPOINT": "https://me:geheim@host/otlp/?key=geheim", prefix + "TIMEOUT": "1500"})
	if s.URL != "https://me:geheim@host/otlp/v1/traces?key=geheim" || s.Where() != "https://host/otlp/v1/traces" || s.Timeout != 1500*time.Millisecond {
		t.Errorf("got %+v, to be shown as %s", s, s.Where())
	}
	if s := read(t, nil); s.URL != "http://localhost:4318/v1/traces" || s.Timeout != 10*time.Second {
		t.Errorf("without settings: %+v", s)
	}
}

// A collector that is busy is asked again; one that refuses is not.
func TestAttempts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status   int
		requests int
	}{{503, 2}, {429, 2}, {400, 1}, {500, 1}, {302, 1}} {
		first := true
		c := otlptest.New(t, func(w http.ResponseWriter) bool {
			if !first {
				return false
			}
			first = false
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(tt.status)
			return true
		})
		var log bytes.Buffer
		export(t, otlp.New(read(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}), slog.New(slog.NewTextHandler(&log, nil))), one)
		if _, _, n := c.Latest(); n != tt.requests || len(c.Spans()) != n-1 {
			t.Errorf("%d: %d requests and %d spans, want %d requests", tt.status, n, len(c.Spans()), tt.requests)
		}
		if lost := strings.Contains(log.String(), "spans cannot be sent, and are lost"); lost != (tt.requests == 1) {
			t.Errorf("%d: the log says %q", tt.status, &log)
		}
	}
}

// Where there is no collector, that is said once, without what is secret in its address.
func TestNobodyListens(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	var log bytes.Buffer
	e := otlp.New(read(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:geheim@" + address + "?key=geheim", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}), slog.New(slog.NewTextHandler(&log, nil)))
	export(t, e, func(p *trace.TracerProvider) {
		one(p)
		one(p)
	})
	if n := strings.Count(log.String(), "\n"); n != 1 || strings.Contains(log.String(), "geheim") || !strings.Contains(log.String(), "to=http://"+address+"/v1/traces") {
		t.Errorf("the log says:\n%s", &log)
	}
}

// Abort ends what waits for a collector that does not answer.
func TestAbort(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	c := otlptest.New(t, func(http.ResponseWriter) bool {
		close(reached)
		<-release
		return true
	})
	e := otlp.New(read(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_TIMEOUT": "3600000"}), slog.New(slog.DiscardHandler))
	done := make(chan struct{})
	go func() {
		defer close(done)
		export(t, e, one)
	}()
	<-reached
	e.Abort()
	<-done
	close(release)
}

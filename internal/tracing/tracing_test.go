package tracing

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/journeyman-go/journeyman/internal/otlptest"
	"github.com/journeyman-go/journeyman/transports"
)

// start starts tracing to a collector. Stop it to have all spans there.
func start(t *testing.T, env ...string) (*Tracing, *otlptest.Collector) {
	t.Helper()
	c := otlptest.New(t, nil)
	settings := map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		settings[name] = value
	}
	tracing, err := Start(Process{Service: "calculator", Instance: "calculator.1", Version: "v1.2.3"}, func(name string) string { return settings[name] }, slog.Default())
	if err != nil || tracing == nil {
		t.Fatalf("it is off: %v", err)
	}
	t.Cleanup(tracing.Stop)
	return tracing, c
}

func TestOn(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]bool{
		"": false,
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318":                            true,
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:4318":                     true,
		"OTEL_EXPORTER_OTLP_ENDPOINT=":                                                 false,
		"OTEL_TRACES_EXPORTER=otlp":                                                    true,
		"OTEL_TRACES_EXPORTER=none OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318":  false,
		"OTEL_SDK_DISABLED=true OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318":     false,
		"OTEL_SDK_DISABLED=false OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4318":    true,
		"OTEL_SERVICE_NAME=calculator OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://x:43": false,
	} {
		if got := On(environment(settings)); got != want {
			t.Errorf("%q: on is %t, want %t", settings, got, want)
		}
	}
}

func environment(settings string) func(string) string {
	all := map[string]string{}
	for pair := range strings.FieldsSeq(settings) {
		name, value, _ := strings.Cut(pair, "=")
		all[name] = value
	}
	return func(name string) string { return all[name] }
}

// What cannot be done as it is set is told, and nothing is done instead.
func TestWrongSettings(t *testing.T) {
	t.Parallel()
	for settings, want := range map[string]string{
		"OTEL_TRACES_EXPORTER=zipkin":                             `OTEL_TRACES_EXPORTER is "zipkin", want otlp or none`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_PROPAGATORS=b3":           `OTEL_PROPAGATORS has "b3" in it, want tracecontext, baggage or none`,
		"OTEL_TRACES_EXPORTER=otlp OTEL_EXPORTER_OTLP_ENDPOINT=x": `OTEL_EXPORTER_OTLP_ENDPOINT is no address`,
	} {
		tracing, err := Start(Process{}, environment(settings), slog.Default())
		if tracing != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", settings, err, want)
		}
	}
	if tracing, err := Start(Process{}, environment(""), slog.Default()); tracing != nil || err != nil {
		t.Errorf("off: %v, %v", tracing, err)
	}
}

// What a transport can do beyond calls is found behind the spans.
func TestAbilities(t *testing.T) {
	t.Parallel()
	tracing, _ := start(t)
	if _, ok := transports.Ability[transports.Pinger](tracing.Caller(pinging{&link{}})); !ok {
		t.Error("it cannot be asked whether there is a broker")
	}
}

type pinging struct{ *link }

func (pinging) Ping(context.Context) error { return nil }

// Where it is off, callers get back what they gave, and nothing is made for it.
func TestOffIsNothing(t *testing.T) {
	t.Parallel()
	var off *Tracing
	to := &link{}
	if got := off.Caller(to); got != transports.Caller(to) {
		t.Errorf("the caller is %v", got)
	}
	if got := off.Handler(nil, nil); got != nil {
		t.Errorf("the handler is %v", got)
	}
	off.Stop()
}

func TestResource(t *testing.T) {
	t.Parallel()
	own := map[string]string{"service.name": "calculator", "service.version": "v1.2.3", "telemetry.sdk.language": "go", "telemetry.sdk.name": "opentelemetry"}
	heroku := maps.Clone(own)
	maps.Copy(heroku, map[string]string{
		"service.namespace": "shop", "service.version": "v42", "service.instance.id": "d-1", "cloud.provider": "heroku",
		"heroku.app.id": "a-1", "heroku.release.commit": "c0ffee", "heroku.release.creation_timestamp": "2026-01-01T00:00:00Z",
	})
	for name, tt := range map[string]struct {
		env  []string
		want map[string]string
	}{
		"elsewhere": {nil, own},
		"Heroku": {[]string{
			"HEROKU_APP_NAME=shop", "HEROKU_APP_ID=a-1", "HEROKU_DYNO_ID=d-1", "HEROKU_RELEASE_VERSION=v42",
			"HEROKU_SLUG_COMMIT=c0ffee", "HEROKU_RELEASE_CREATED_AT=2026-01-01T00:00:00Z",
		}, heroku},
	} {
		tracing, c := start(t, tt.env...)
		_, span := tracing.tracer.Start(t.Context(), "one")
		span.End()
		tracing.Stop()
		got := c.Spans()[0].Resource
		if id := got["service.instance.id"]; name == "elsewhere" {
			if rest, found := strings.CutPrefix(id, "calculator.1-"); !found || len(rest) != 8 {
				t.Errorf("the instance is %q, want its name and something unique", id)
			}
			delete(got, "service.instance.id")
		}
		delete(got, "telemetry.sdk.version")
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// A process ends in time though its collector does not answer.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tracing, err := Start(Process{}, environment("OTEL_EXPORTER_OTLP_ENDPOINT=http://"+l.Addr().String()+" OTEL_EXPORTER_OTLP_TIMEOUT=3600000"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	_, span := tracing.tracer.Start(t.Context(), "one")
	span.End()
	stopped := make(chan struct{})
	go func() {
		tracing.Stop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-time.After(time.Minute):
		t.Error("it has not stopped after a minute")
	}
}

// Records of a handler say which span they belong to.
func TestLogAttrs(t *testing.T) {
	t.Parallel()
	tracing, _ := start(t)
	ctx, span := tracing.tracer.Start(t.Context(), "one")
	defer span.End()
	c := span.SpanContext()
	want := []slog.Attr{slog.String("trace_id", c.TraceID().String()), slog.String("span_id", c.SpanID().String())}
	if got := LogAttrs(ctx); !slices.EqualFunc(got, want, slog.Attr.Equal) {
		t.Errorf("within a span it is %v, want %v", got, want)
	}
	if got := LogAttrs(t.Context()); got != nil {
		t.Errorf("without one it is %v", got)
	}
}

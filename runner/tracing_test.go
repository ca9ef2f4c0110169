package runner

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/journeyman-go/journeyman/internal/contextlog"
	"github.com/journeyman-go/journeyman/internal/otlptest"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/internal/requestid"
	"github.com/journeyman-go/journeyman/internal/tracing"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// What fails can be found from each side: the span, the log and the report name one trace,
// and the report the message and the attempt.
func TestAdapterTraces(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := newAdapter(&log, map[string]method{"do": failing(errors.New("no luck"))})
	a.log = slog.New(contextlog.New(a.log.Handler(), tracing.LogAttrs))
	a.mux.Logger = a.log
	var told jsonrpc.Failure
	var inside string
	a.mux.OnError = func(ctx context.Context, f jsonrpc.Failure) { told, inside = f, tracing.TraceID(ctx) }
	c := otlptest.New(t, nil)
	var err error
	a.tracing, err = tracing.Start(tracing.Process{Service: "tester"}, func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}[name]
	}, slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	a.methods = map[string]bool{"do": true}
	out := a.handle(t.Context(), transports.Message{ID: "m1", Key: "k1", Failures: 2, Body: []byte(`{"jsonrpc":"2.0","method":"do"}`)})
	a.tracing.Stop()
	if out.Verdict != transports.Retry || len(c.Spans()) != 1 {
		t.Fatalf("the outcome is %+v, and the spans %+v", out, c.Spans())
	}
	s := c.Spans()[0]
	if s.Name != "do" || s.Status != "ERROR" || s.Attributes["journeyman.attempt"] != "3" || s.Attributes["journeyman.verdict"] != "retry" {
		t.Errorf("the span is %+v", s)
	}
	if want := (jsonrpc.Delivery{Message: "m1", Attempt: 3, Trace: s.Trace}); told.Delivery != want || told.Key != "k1" || inside != s.Trace {
		t.Errorf("told of %+v inside of %s, want %+v", told, inside, want)
	}
	for _, line := range []string{`msg="handler failed"`, `msg="notification failed"`} {
		_, rest, found := strings.Cut(log.String(), line)
		rest, _, _ = strings.Cut(rest, "\n")
		if !found || !strings.Contains(rest, "trace_id="+s.Trace+" span_id="+s.ID) {
			t.Errorf("%s is not followed by the ids of %s and %s:\n%s", line, s.Trace, s.ID, &log)
		}
	}
}

// Reports name the message where tracing is off, too.
func TestAdapterReports(t *testing.T) {
	t.Parallel()
	a := newAdapter(new(bytes.Buffer), map[string]method{"do": func(context.Context) error { panic("out of order") }})
	var told jsonrpc.Failure
	a.mux.OnError = func(_ context.Context, f jsonrpc.Failure) { told = f }
	a.handle(t.Context(), transports.Message{ID: "m1", Header: map[string]string{"x-request-id": "r1"}, Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"do"}`)})
	if want := (jsonrpc.Delivery{Message: "m1", Attempt: 1, RequestID: "r1"}); told.Delivery != want || told.Panic != "out of order" {
		t.Errorf("told of %+v, want %+v and the panic", told, want)
	}
}

// A handler's context has the id of the request at the gateway, unless it is none: anybody
// who reaches the broker could write into the log with it.
func TestAdapterRequestIDs(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{"r1": "r1", "": "", "r1\nlevel=ERROR": ""} {
		got := "none"
		a := newAdapter(new(bytes.Buffer), map[string]method{"do": func(ctx context.Context) error {
			got = requestid.Of(ctx)
			return nil
		}})
		a.handle(t.Context(), transports.Message{Header: map[string]string{"x-request-id": header}, Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"do"}`)})
		if got != want {
			t.Errorf("of the header %q the handler reads %q, want %q", header, got, want)
		}
	}
}

// What is logged of a message before its handler runs says so, too.
func TestAdapterDoubtsWithRequestID(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := newAdapter(&log, map[string]method{"do": fine})
	a.log = slog.New(contextlog.New(a.log.Handler(), requestid.LogAttrs))
	a.handle(t.Context(), transports.Message{
		Header: map[string]string{"x-request-id": "r1", passport.Principal: "forged"}, Body: []byte(`{"jsonrpc":"2.0","id":1,"method":"do"}`),
	})
	if !strings.Contains(log.String(), "a principal is not believed") || !strings.Contains(log.String(), "request_id=r1") {
		t.Errorf("it says %s", &log)
	}
}

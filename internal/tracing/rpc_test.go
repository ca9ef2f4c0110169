package tracing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/baggage"

	"github.com/journeyman-go/journeyman/internal/otlptest"
	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports"
)

// A link is a way to a service that is traced, as the runner's adapter is.
type link struct {
	tracing *Tracing
	err     error              // instead of a reply
	sent    transports.Message // the latest
	alter   func(*transports.Message)
	out     transports.Outcome

	baggage string // that the service saw
}

func (l *link) Call(ctx context.Context, service string, m transports.Message) ([]byte, error) {
	l.sent = m
	if l.err != nil {
		return nil, l.err
	}
	if m.ID = "m1"; l.alter != nil {
		l.alter(&m)
	}
	mux := &jsonrpc.Mux{Logger: slog.New(slog.DiscardHandler)}
	for name, err := range map[string]error{"add": nil, "fail": errors.New("geheim"), "refuse": jsonrpc.Errorf(7, "no").WithData("geheim"), "late": fmt.Errorf("geheim: %w", context.DeadlineExceeded)} {
		mux.Handle(name, jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) { return "ok", err }))
	}
	methods := map[string]bool{}
	for _, method := range mux.Methods() {
		methods[method] = true
	}
	// Not with ctx: the service is another process.
	served := l.tracing.Begin(context.Background(), service, m, methods)
	l.baggage = baggage.FromContext(served).String()
	answer := mux.Answer(served, m.Body)
	l.tracing.End(served, answer, l.out)
	return answer.Reply, nil
}

func (l *link) Send(ctx context.Context, service string, m transports.Message) error {
	_, err := l.Call(ctx, service, m)
	return err
}

// spans makes one request and returns the spans of it: the caller's, then the service's.
func spans(t *testing.T, l *link, body string, env ...string) []otlptest.Span {
	t.Helper()
	tracing, c := start(t, env...)
	l.tracing = tracing
	m := transports.Message{Body: []byte(body), Header: map[string]string{"other": "1"}}
	requests, batch, _ := jsonrpc.DecodeRequests(m.Body)
	if !batch && len(requests) > 0 {
		m.Method = requests[0].Method
	}
	via := tracing.Caller(l)
	if len(requests) > 0 && !requests[0].Owed() {
		_ = via.Send(t.Context(), "calculator", m)
	} else {
		_, _ = via.Call(t.Context(), "calculator", m)
	}
	if diff := cmp.Diff(map[string]string{"other": "1"}, m.Header); diff != "" {
		t.Errorf("the headers of the message that was given (-want +got):\n%s", diff)
	}
	tracing.Stop()
	all := c.Spans()
	for i, s := range all {
		if s.Kind == "CLIENT" {
			all[0], all[i] = all[i], all[0]
		}
	}
	return all
}

func ask(method, id string) string {
	if id != "" {
		id = `,"id":` + id
	}
	return fmt.Sprintf(`{"jsonrpc":"2.0","method":%q%s}`, method, id)
}

// Names and attributes are OpenTelemetry's of version 1.43, which every backend reads.
func TestCallSpans(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	for name, tt := range map[string]struct {
		link           link
		body           string
		client, server string // name, status, description and attributes of the span; "": there is none
	}{
		"call":             {body: ask("add", `"a"`), client: "add UNSET() id=a", server: "add UNSET() id=a"},
		"id is a number":   {body: ask("add", `7`), client: "add UNSET() id=7", server: "add UNSET() id=7"},
		"id is null":       {body: ask("add", `null`), client: "add UNSET()", server: "add UNSET()"},
		"internal":         {body: ask("fail", `1`), client: "fail ERROR(Internal error) id=1 error=-32603 code=-32603", server: "fail ERROR(Internal error) id=1 error=-32603 code=-32603"},
		"refused":          {body: ask("refuse", `1`), client: "refuse ERROR(no) id=1 error=7 code=7", server: "refuse ERROR(no) id=1 error=7 code=7"},
		"unknown":          {body: ask(long, `1`), client: "jsonrpc ERROR(Method not found) id=1 error=-32601 code=-32601 original=" + long[:128] + "…", server: "jsonrpc ERROR(Method not found) id=1 error=-32601 code=-32601 original=" + long[:128] + "…"},
		"batch":            {body: "[" + ask("add", "1") + "," + ask("fail", "2") + "," + ask("add", "") + "]", client: "jsonrpc ERROR(1 of 2 failed, the first with: Internal error) error=-32603 members=3", server: "jsonrpc ERROR(1 of 2 failed, the first with: Internal error) error=-32603 members=3"},
		"no JSON":          {body: "{", client: "jsonrpc ERROR(Parse error) error=-32700 code=-32700", server: "jsonrpc ERROR(Parse error) error=-32700 code=-32700"},
		"no broker":        {link: link{err: transports.ErrUnavailable}, body: ask("add", `1`), client: "add ERROR(" + transports.ErrUnavailable.Error() + ") id=1 error=unavailable"},
		"no service":       {link: link{err: transports.ErrNoService}, body: ask("add", `1`), client: "jsonrpc ERROR(" + transports.ErrNoService.Error() + ") id=1 error=no_service original=add"},
		"outcome unknown":  {link: link{err: fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, context.Canceled)}, body: ask("add", ""), client: "add ERROR(" + transports.ErrUnknownOutcome.Error() + ": context canceled) error=unknown_outcome"},
		"another worker's": {link: link{out: transports.Outcome{Verdict: transports.NotMine}}, body: ask("sub", `1`), client: "jsonrpc ERROR(Method not found) id=1 error=-32601 code=-32601 original=sub", server: "jsonrpc UNSET() id=1 original=sub verdict=not_mine"},
		"notification":     {body: ask("add", ""), client: "add UNSET()", server: "add UNSET()"},
		"failed":           {link: link{out: transports.Outcome{Verdict: transports.Retry}}, body: ask("fail", ""), client: "fail UNSET()", server: "fail ERROR(Internal error) error=-32603 code=-32603 verdict=retry"},
		"failed for good":  {link: link{out: transports.Outcome{Verdict: transports.Bury}}, body: ask("refuse", ""), client: "refuse UNSET()", server: "refuse ERROR(no) error=7 code=7 verdict=bury"},
		"late":             {body: ask("late", ""), client: "late UNSET()", server: "late ERROR(Deadline exceeded) error=-32000 code=-32000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := spans(t, &tt.link, tt.body)
			want := []string{"CLIENT " + tt.client, "SERVER " + tt.server}
			if tt.server == "" {
				want = want[:1]
			}
			var said []string
			for _, s := range got {
				said = append(said, say(t, s))
			}
			if diff := cmp.Diff(want, said); diff != "" {
				t.Errorf("spans (-want +got):\n%s", diff)
			}
		})
	}
}

// say puts a span on a line, and takes for granted what all of them have.
func say(t *testing.T, s otlptest.Span) string {
	t.Helper()
	text := []string{s.Kind, s.Name, fmt.Sprintf("%s(%s)", s.Status, s.State)}
	want := map[string]string{"rpc.system.name": "jsonrpc", "jsonrpc.protocol.version": "2.0", "server.address": "calculator"}
	if s.Kind == "SERVER" {
		want["messaging.message.id"] = "m1"
	}
	for _, a := range []struct{ name, short string }{
		{"jsonrpc.request.id", "id"}, {"error.type", "error"}, {"rpc.response.status_code", "code"}, {"rpc.method_original", "original"},
		{"journeyman.batch.members", "members"}, {"journeyman.attempt", "attempt"}, {"journeyman.verdict", "verdict"},
	} {
		if v, has := s.Attributes[a.name]; has {
			text = append(text, a.short+"="+v)
			want[a.name] = v
		}
	}
	switch _, unknown := want["rpc.method_original"]; {
	case unknown:
		want["rpc.method"] = "_OTHER"
	case s.Name != "jsonrpc":
		want["rpc.method"] = s.Name
	}
	said := strings.Join(text, " ")
	if diff := cmp.Diff(want, s.Attributes); diff != "" {
		t.Errorf("attributes of %s (-want +got):\n%s", said, diff)
	}
	if strings.Contains(fmt.Sprint(s), "geheim") {
		t.Errorf("the span tells what callers may not read: %+v", s)
	}
	return said
}

// A call is part of its caller's trace. What runs later, or again, has a link to it.
func TestShapeOfTraces(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		id    string
		alter func(*transports.Message)
		child bool
	}{
		"call":             {`1`, nil, true},
		"notification":     {``, nil, false},
		"call again":       {`1`, func(m *transports.Message) { m.Redelivered = true }, false},
		"call that failed": {`1`, func(m *transports.Message) { m.Failures = 2 }, false},
		"dead letter":      {`1`, func(m *transports.Message) { m.Unread = true }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &link{alter: tt.alter}
			all := spans(t, l, ask("add", tt.id))
			client, server := all[0], all[1]
			link := client.Trace + "-" + client.ID
			if parent := "00-" + link + "-01"; l.sent.Header["traceparent"] != parent || l.sent.Header["other"] != "1" {
				t.Errorf("sent with %v, want %s", l.sent.Header, parent)
			}
			switch {
			case client.Parent != "":
				t.Errorf("the caller's span has the parent %s", client.Parent)
			case tt.child && (server.Trace != client.Trace || server.Parent != client.ID || server.Links != nil):
				t.Errorf("%+v is no child of %+v", server, client)
			case !tt.child && (server.Trace == client.Trace || server.Parent != "" || cmp.Diff([]string{link}, server.Links) != ""):
				t.Errorf("%+v has no link to %+v", server, client)
			}
		})
	}
}

// Within, baggage travels, unless a setting says otherwise.
func TestBaggage(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{"": "shop=berlin", "OTEL_PROPAGATORS=tracecontext": "", "OTEL_PROPAGATORS=none": ""} {
		tracing, _ := start(t, setting)
		member, err := baggage.NewMember("shop", "berlin")
		if err != nil {
			t.Fatal(err)
		}
		b, err := baggage.New(member)
		if err != nil {
			t.Fatal(err)
		}
		l := &link{tracing: tracing}
		if _, err := tracing.Caller(l).Call(baggage.ContextWithBaggage(t.Context(), b), "calculator", transports.Message{Method: "add", Body: []byte(ask("add", "1"))}); err != nil {
			t.Fatal(err)
		}
		if traced := l.sent.Header["traceparent"] != ""; l.baggage != want || l.sent.Header["baggage"] != want || traced != !strings.Contains(setting, "none") {
			t.Errorf("%s: baggage %q, sent with %v", setting, l.baggage, l.sent.Header)
		}
	}
}

// A boxed link keeps replies, too.
type boxed struct{ *link }

func (b boxed) Submit(ctx context.Context, service, _ string, m transports.Message, _ time.Duration) error {
	return b.Send(ctx, service, m)
}

func (b boxed) Collect(context.Context, string, string, time.Duration) ([]byte, error) {
	return nil, transports.ErrPending
}

// What is submitted is part of the trace, and who can keep replies can do so with tracing on.
func TestSubmitSpans(t *testing.T) {
	t.Parallel()
	tracing, _ := start(t)
	l := &link{tracing: tracing}
	if _, ok := transports.Ability[transports.Mailbox](tracing.Caller(l)); ok {
		t.Error("replies are kept where nobody can")
	}
	mailbox, ok := transports.Ability[transports.Mailbox](tracing.Caller(boxed{l}))
	if !ok {
		t.Fatal("with tracing on no reply is kept")
	}
	header := map[string]string{"a": "b"}
	if err := mailbox.Submit(t.Context(), "calculator", "box", transports.Message{Method: "add", Header: header, Body: []byte(ask("add", "1"))}, time.Hour); err != nil {
		t.Fatal(err)
	}
	if l.sent.Header["traceparent"] == "" || l.sent.Header["a"] != "b" || len(header) != 1 {
		t.Errorf("sent with %v, the sender's headers became %v", l.sent.Header, header)
	}
	l.err = transports.ErrBusy
	if err := mailbox.Submit(t.Context(), "calculator", "box", transports.Message{Method: "add", Body: []byte(ask("add", "1"))}, time.Hour); !errors.Is(err, transports.ErrBusy) {
		t.Errorf("refused with %v", err)
	}
	if _, err := mailbox.Collect(t.Context(), "calculator", "box", 0); !errors.Is(err, transports.ErrPending) {
		t.Errorf("collected with %v", err)
	}
}

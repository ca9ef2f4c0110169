package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/journeyman-go/journeyman/gateway"
	"github.com/journeyman-go/journeyman/internal/passport"
	"github.com/journeyman-go/journeyman/transports"
)

func TestErrorsOfTheJourney(t *testing.T) {
	t.Parallel()
	const batch = `[` + add + `,{"jsonrpc":"2.0","method":"log"},{"jsonrpc":"2.0","id":"b","method":"add"}]`
	for _, tc := range []struct {
		err        error
		status     int
		code       int
		message    string
		retryAfter string
		refused    string // that it was not begun, for programs
	}{
		{context.DeadlineExceeded, 504, -32000, "no reply within the time allowed; the call may still run", "", ""},
		{transports.ErrNoService, 404, -32012, `there is no service \"calculator\"`, "", "no-service"},
		{transports.ErrTooLarge, 413, -32011, "the request is too large for the transport", "", "too-large"},
		{transports.ErrBusy, 503, -32014, "the queue of calculator is full; nothing was handed over", "1", "busy"},
		{transports.ErrUnavailable, 503, -32013, "the broker cannot be reached now", "1", "draining"},
		{transports.ErrClosed, 503, -32013, "the broker cannot be reached now", "1", "draining"},
		{transports.ErrUnknownOutcome, 502, -32015, "the broker did not confirm the hand-over; the request may run", "", ""},
		{fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, context.DeadlineExceeded), 502, -32015, "the broker did not confirm the hand-over; the request may run", "", ""},
		{fmt.Errorf("%w: %w", transports.ErrUnknownOutcome, transports.ErrClosed), 502, -32015, "the broker did not confirm the hand-over; the request may run", "", ""},
		{transports.ErrBuried, 502, -32017, "the request was given up, because the workers that ran it died", "", ""},
		{errors.New("secret"), 502, -32016, "the request could not be passed on", "", ""},
	} {
		t.Run(tc.err.Error(), func(t *testing.T) {
			t.Parallel()
			c := newCaller()
			c.err = fmt.Errorf("call calculator at 10.1.2.3: %w", tc.err)
			failure := fmt.Sprintf(`"error":{"code":%d,"message":"%s"}}`, tc.code, tc.message)
			for body, want := range map[string]string{
				add:                                `{"jsonrpc":"2.0","id":1,` + failure,
				`{"jsonrpc":"2.0","method":"log"}`: `{"jsonrpc":"2.0","id":null,` + failure,
				batch:                              `[{"jsonrpc":"2.0","id":1,` + failure + `,{"jsonrpc":"2.0","id":"b",` + failure + `]`,
			} {
				r := post(t, gateway.Options{Caller: c}, "/rpc/calculator", body)
				check(t, r, tc.status, want)
				if got := r.Header.Get("Retry-After"); got != tc.retryAfter {
					t.Errorf("Retry-After %q, want %q", got, tc.retryAfter)
				}
				if got := r.Header.Get("Journeyman-Refused"); got != tc.refused {
					t.Errorf("Journeyman-Refused %q, want %q", got, tc.refused)
				}
			}
		})
	}
}

// A silent caller never answers: it waits for its context, as transports do.
type silent struct{ deadline time.Duration }

func (s *silent) Call(ctx context.Context, _ string, _ transports.Message) ([]byte, error) {
	began := time.Now()
	<-ctx.Done()
	s.deadline = time.Since(began)
	return nil, fmt.Errorf("wait for the reply: %w", ctx.Err())
}

func (s *silent) Send(ctx context.Context, service string, m transports.Message) error {
	_, err := s.Call(ctx, service, m)
	return err
}

func TestDeadlines(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		own    time.Duration
		header string
		want   time.Duration
	}{
		{"by default below Heroku's 30 s", 0, "", 25 * time.Second},
		{"set", time.Second, "", time.Second},
		{"lowered by the caller", 0, "1500", 1500 * time.Millisecond},
		{"not raised by the caller", time.Second, "2000", time.Second},
		{"not by overflow either", time.Second, "9223372036854775807", time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &silent{}
				r := post(t, gateway.Options{Caller: c, Timeout: tc.own}, "/rpc/calculator", add, header("Journeyman-Timeout", tc.header))
				check(t, r, http.StatusGatewayTimeout,
					`{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"no reply within the time allowed; the call may still run"}}`)
				if c.deadline != tc.want {
					t.Errorf("the call ended after %s, want %s", c.deadline, tc.want)
				}
			})
		})
	}
}

func TestCallEndsWithItsConnection(t *testing.T) {
	t.Parallel()
	reached, ended := make(chan struct{}), make(chan error, 1)
	server := httptest.NewServer(gateway.New(gateway.Options{Log: quiet, Caller: callerFunc(func(ctx context.Context) error {
		close(reached)
		<-ctx.Done()
		ended <- ctx.Err()
		return ctx.Err()
	})}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/rpc/calculator", strings.NewReader(add))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	go func() {
		<-reached
		cancel()
	}()
	if _, err := server.Client().Do(r); !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v, want it cancelled long before its deadline", err)
	}
}

type callerFunc func(context.Context) error

func (f callerFunc) Call(ctx context.Context, _ string, _ transports.Message) ([]byte, error) {
	return nil, f(ctx)
}

func (f callerFunc) Send(ctx context.Context, _ string, _ transports.Message) error { return f(ctx) }

// A call that takes longer than the server's WriteTimeout is answered all the same.
func TestLongCallsOutliveTheWriteTimeout(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(nil)
	server.Config = gateway.Server("", gateway.New(gateway.Options{Log: quiet, Timeout: 300 * time.Millisecond, Caller: &silent{}}))
	server.Config.WriteTimeout = 50 * time.Millisecond
	server.Start()
	defer server.Close()
	r, err := server.Client().Post(server.URL+"/rpc/calculator", "application/json", strings.NewReader(add))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusGatewayTimeout {
		t.Errorf("status %d, want 504", r.StatusCode)
	}
}

func TestServerHasLimits(t *testing.T) {
	t.Parallel()
	s := gateway.Server("127.0.0.1:5000", http.NotFoundHandler())
	if s.Addr != "127.0.0.1:5000" || s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 {
		t.Errorf("a limit is missing: %+v", s)
	}
}

// Services know what comes from outside, and nobody outside can say otherwise.
func TestCallsAreMarked(t *testing.T) {
	t.Parallel()
	for _, body := range []string{add, `{"jsonrpc":"2.0","method":"log"}`, "[" + add + "]"} {
		c := newCaller()
		post(t, gateway.Options{Caller: c}, "/rpc/calculator", body, header("Journeyman-Header-Journeyman-Outside", ""), header("Journeyman-Outside", ""))
		if c.with[passport.Outside] != "1" {
			t.Errorf("%s went with the headers %v", body, c.with)
		}
	}
}

// A service whose workers know nothing of public methods is called by its list.
func TestAllowedMethods(t *testing.T) {
	t.Parallel()
	for _, list := range [][]string{{"add"}, {"*"}, {"subtract", "add"}} {
		o := gateway.Options{Allowed: map[string][]string{"calculator": list, "other": nil}}
		check(t, post(t, o, "/rpc/calculator", add), 200, `{"jsonrpc":"2.0","id":1,"result":6.1}`)
	}
	o := gateway.Options{Allowed: map[string][]string{"other": nil}}
	check(t, post(t, o, "/rpc/calculator", add), 200, `{"jsonrpc":"2.0","id":1,"result":6.1}`)
}

// An answerer answers everything with the same text.
type answerer string

func (a answerer) Call(context.Context, string, transports.Message) ([]byte, error) {
	return []byte(a), nil
}

func (a answerer) Send(context.Context, string, transports.Message) error { return nil }

// What is no JSON-RPC does not pass for it: clients would trip over it.
func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	const result = `{"jsonrpc":"2.0","id":1,"result":6.1}`
	for _, tc := range []struct{ body, answer string }{
		{add, "HTTP/1.1 200 OK"},
		{add, `{"result":6.1}`},
		{add, "[" + result + "]"},
		{"[" + add + "]", result},
		{add, ""},
	} {
		r := post(t, gateway.Options{Caller: answerer(tc.answer)}, "/rpc/calculator", tc.body)
		if r.StatusCode != http.StatusBadGateway {
			t.Errorf("%s answered with %q: status %d", tc.body, tc.answer, r.StatusCode)
		}
	}
}

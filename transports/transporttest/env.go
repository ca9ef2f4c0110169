package transporttest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// service is the name that cases serve where they need just one.
const service = "calculator"

// env is what a case works with.
type env struct {
	*testing.T
	suite   *Suite
	broker  Broker
	servers []*server
}

// open starts a process that announces names, or service if there are none.
func (e *env) open(names ...string) transports.Transport {
	e.Helper()
	if len(names) == 0 {
		names = []string{service}
	}
	return e.openWith(Options{Catalogue: names})
}

func (e *env) openWith(o Options) transports.Transport {
	e.Helper()
	tr := e.broker.Open(e.T, o)
	e.Cleanup(func() {
		if err := tr.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	})
	return tr
}

// server is one running Serve.
type server struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when Serve has returned err
	err    error
}

// stop ends Serve's context and returns what Serve returned.
func (s *server) stop(e *env) error {
	e.Helper()
	s.cancel()
	return s.wait(e)
}

// wait returns what Serve returned.
func (s *server) wait(e *env) error {
	e.Helper()
	receive(e, s.done, "Serve to return")
	return s.err
}

// serve starts Serve on tr. A wire without a queue has nowhere to keep early
// messages, so there it returns when the first has come through.
func (e *env) serve(tr transports.Transport, s transports.Service) *server {
	e.Helper()
	return e.serveContext(context.Background(), tr, s)
}

func (e *env) serveContext(ctx context.Context, tr transports.Transport, s transports.Service) *server {
	e.Helper()
	const probe = "transporttest.probe"
	if s.Name == "" {
		s.Name = service
	}
	handler := s.Handler
	s.Handler = func(ctx context.Context, m transports.Message) transports.Outcome {
		if m.Method == probe {
			return reply("")
		}
		return handler(ctx, m)
	}
	ctx, cancel := context.WithCancel(ctx)
	srv := &server{cancel: cancel, done: make(chan struct{})}
	e.servers = append(e.servers, srv)
	e.Cleanup(cancel)
	go func() {
		defer close(srv.done)
		srv.err = tr.Serve(ctx, s)
	}()
	if e.suite.lacks(Durable) {
		e.poll("the service to be reachable", func() bool {
			ctx, cancel := context.WithTimeout(e.Context(), time.Second)
			defer cancel()
			_, err := tr.Call(ctx, s.Name, transports.Message{Method: probe})
			return err == nil
		})
	}
	return srv
}

// awaitServers runs when all transports are closed.
func (e *env) awaitServers() {
	for _, s := range e.servers {
		select {
		case <-s.done:
		case <-time.After(Patience):
			e.Errorf("Serve has not returned %v after Close", Patience)
		}
	}
}

// patient returns a context that ends with the case or when patience does.
func (e *env) patient() context.Context {
	ctx, cancel := context.WithTimeout(e.Context(), Patience)
	e.Cleanup(cancel)
	return ctx
}

// call makes a call that must be answered, and returns the reply.
func (e *env) call(tr transports.Caller, body string) string {
	e.Helper()
	got, err := tr.Call(e.patient(), service, transports.Message{Method: "test", Body: []byte(body)})
	if err != nil {
		e.Fatalf("Call with body %.40q: %v", body, err)
	}
	return string(got)
}

// send sends m to service, which must accept it.
func (e *env) send(tr transports.Caller, m transports.Message) {
	e.Helper()
	if err := tr.Send(e.patient(), service, m); err != nil {
		e.Fatalf("Send with body %.40q: %v", m.Body, err)
	}
}

// A result is what a Call returned.
type result struct {
	reply string
	err   error
}

// start makes a call in the background. The channel gets its result.
func (e *env) start(ctx context.Context, tr transports.Caller, body string) <-chan result {
	return e.startMessage(ctx, tr, transports.Message{Method: "test", Body: []byte(body)})
}

func (e *env) startMessage(ctx context.Context, tr transports.Caller, m transports.Message) <-chan result {
	done := make(chan result, 1)
	go func() {
		got, err := tr.Call(ctx, service, m)
		done <- result{string(got), err}
	}()
	return done
}

// meanwhile gives the other processes the time to do what they must not do: that
// of many round trips through the same broker. A broker of goroutines makes them
// so fast that others may not have been scheduled, hence the clock.
func (e *env) meanwhile() {
	e.Helper()
	const other = "meanwhile"
	tr := e.open(other)
	s := e.serve(tr, transports.Service{Name: other, Handler: echo})
	enough := time.Now().Add(soon / 10)
	for n := 0; n < 50 || time.Now().Before(enough); n++ {
		if _, err := tr.Call(e.patient(), other, transports.Message{}); err != nil {
			e.Fatalf("Call of another service: %v", err)
		}
	}
	if err := s.stop(e); err != nil {
		e.Fatalf("Serve of another service: %v", err)
	}
}

// poll waits until ok returns true.
func (e *env) poll(what string, ok func() bool) {
	e.Helper()
	deadline := time.Now().Add(Patience)
	for !ok() {
		if time.Now().After(deadline) {
			e.Fatalf("waited %v for %s", Patience, what)
		}
		time.Sleep(2 * time.Millisecond) // between two looks, not instead of one
	}
}

// receive waits for a value from ch, or for its end.
func receive[T any](e *env, ch <-chan T, what string) T {
	e.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(Patience):
		e.Fatalf("waited %v for %s", Patience, what)
		panic("unreachable")
	}
}

// wantReply fails the case unless r is the reply want.
func (e *env) wantReply(r result, want string) {
	e.Helper()
	if r.err != nil || r.reply != want {
		e.Fatalf("Call returned %.40q and error %v, want reply %.40q", r.reply, r.err, want)
	}
}

// wantError fails the case unless err wraps want.
func (e *env) wantError(what string, err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("%s returned error %v, want one that wraps %q", what, err, want)
	}
}

// reply is the outcome of a message that is done and answered. The reply is
// never nil: an empty one is owed too.
func reply(body string) transports.Outcome {
	return transports.Outcome{Reply: append([]byte{}, body...)}
}

// echo answers with the body of the message.
func echo(_ context.Context, m transports.Message) transports.Outcome {
	return reply(string(m.Body))
}

// A gate is a handler that reports each message and then holds it until it is
// let through, or its context ends; then it echoes.
type gate struct {
	entered chan transports.Message // buffered: reporting never blocks
	release chan struct{}
}

func newGate() *gate {
	return &gate{entered: make(chan transports.Message, 1024), release: make(chan struct{}, 1024)}
}

func (g *gate) handle(ctx context.Context, m transports.Message) transports.Outcome {
	g.entered <- m
	select {
	case <-g.release:
	case <-ctx.Done():
	}
	return echo(ctx, m)
}

// recorder returns a handler that reports each message and echoes.
func recorder() (chan transports.Message, transports.Handler) {
	got := make(chan transports.Message, 4096)
	return got, func(ctx context.Context, m transports.Message) transports.Outcome {
		select {
		case got <- m: // even when ctx has ended
		default:
			select {
			case got <- m:
			case <-ctx.Done():
			}
		}
		return echo(ctx, m)
	}
}

// drain returns the bodies that got holds now.
func drain(got <-chan transports.Message) []string {
	var bodies []string
	for {
		select {
		case m := <-got:
			bodies = append(bodies, string(m.Body))
		default:
			return bodies
		}
	}
}

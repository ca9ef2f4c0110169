package httprpc

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// At the deadline the caller is told, also while a handler does not listen.
func TestDeadline504(t *testing.T) {
	t.Parallel()
	log := &buffer{}
	p := newSite().start(t, Options{Log: log.log()}, nil)
	entered, release := make(chan struct{}, 1), make(chan struct{})
	serve(t, p, transports.Service{Name: "calculator", Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		entered <- struct{}{}
		<-release // deaf to its context
		return echo(ctx, m)
	}})
	got := ask(t, p, "POST", "/rpc/calculator", add, map[string]string{"Journeyman-Timeout": "50"})
	if got.status != 504 || got.refused != "deadline" || !got.last {
		t.Errorf("while it runs: %d, %q, last on its connection: %v", got.status, got.refused, got.last)
	}
	receive(t, entered, "the handler to have begun")
	got = ask(t, p, "POST", "/rpc/calculator", add, map[string]string{"Journeyman-Timeout": "50"})
	if got.status != 504 || got.refused != "deadline" {
		t.Errorf("while it waits: %d, %q", got.status, got.refused)
	}
	close(release)
	poll(t, "the slot to be free", func() bool { return inside(p) == 0 })
	if len(entered) > 0 {
		t.Error("a message was begun whose time was over")
	}
	if c := p.Counts(); c.Expired != 1 || c.LateReplies != 1 {
		t.Errorf("counted %+v, want one expired and one late reply", c)
	}
	if strings.Contains(log.String(), "superfluous") {
		t.Errorf("two answers were given:\n%s", log)
	}
}

// A verdict that needs a queue costs the message; the log says so, and a waiting caller is told.
func TestVerdictsWithoutAQueue(t *testing.T) {
	t.Parallel()
	s, log := newSite(), &buffer{}
	p := s.start(t, Options{Log: log.log()}, nil)
	outcomes := map[string]transports.Outcome{
		"retry":   {Verdict: transports.Retry, After: time.Hour, Err: errors.New("out of stock")},
		"bury":    {Verdict: transports.Bury, Err: errors.New("hopeless")},
		"told":    {Verdict: transports.Bury, Err: errors.New("hopeless"), Reply: []byte("told")},
		"suspect": {Verdict: transports.Suspect, Err: errors.New("stuck")},
		"notmine": {Verdict: transports.NotMine},
		"follow":  {Reply: []byte("done"), Follow: []transports.Message{{Method: "ship", Key: "batch#0"}}},
		"dead":    {Reply: []byte("done"), Dead: []transports.DeadLetter{{Reason: "no such order", Message: transports.Message{Key: "batch#1"}}}},
		"long":    {Reply: make([]byte, 2000)},
	}
	serve(t, p, transports.Service{Name: "calculator", Handler: func(_ context.Context, m transports.Message) transports.Outcome {
		if m.Method == "panic" {
			panic("a bug")
		}
		return outcomes[m.Method]
	}})
	p.options.MaxMessage = 1000
	tr := s.start(t, Options{Catalogue: []string{"calculator"}}, nil)
	t.Cleanup(func() { tr.Close() })
	for method, c := range map[string]struct {
		reply string
		want  error
		lost  int64  // of a call
		says  string // of the log
	}{
		"retry":   {"", transports.ErrUnknownOutcome, 1, "out of stock"},
		"bury":    {"", transports.ErrUnknownOutcome, 1, "hopeless"},
		"told":    {"told", nil, 1, "hopeless"},
		"suspect": {"", transports.ErrUnknownOutcome, 1, "stuck"},
		"notmine": {"", transports.ErrUnavailable, 0, ""},
		"follow":  {"done", nil, 1, "batch#0"},
		"dead":    {"done", nil, 1, "no such order"},
		"long":    {"", transports.ErrUnknownOutcome, 1, "2000 bytes"},
		"panic":   {"", transports.ErrUnknownOutcome, 1, "a bug"},
	} {
		before := p.Counts().Lost
		got, err := call(t, tr, transports.Message{Method: method})
		if got != c.reply || !errors.Is(err, c.want) || errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: reply %q and error %v, want %q and %v", method, got, err, c.reply, c.want)
		}
		if lost := p.Counts().Lost - before; lost != c.lost || !strings.Contains(log.String(), c.says) {
			t.Errorf("%s: %d lost, want %d; the log:\n%s", method, lost, c.lost, log)
		}
		if method == "long" {
			continue // nobody reads it
		}
		before = p.Counts().Lost
		if err := tr.Send(patient(t), "calculator", transports.Message{Method: method}); err != nil {
			t.Errorf("%s: Send: %v", method, err)
		}
		poll(t, method+" to be lost", func() bool { return p.Counts().Lost == before+1 })
	}
}

// A handler that ends its goroutine costs its own message and nothing else.
func TestHandlerEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	s := newSite()
	p := s.start(t, Options{}, nil)
	v := serve(t, p, transports.Service{Name: "calculator", Slots: 1, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
		if m.Method == "exit" {
			runtime.Goexit()
		}
		return echo(ctx, m)
	}})
	tr := s.start(t, Options{Catalogue: []string{"calculator"}}, nil)
	t.Cleanup(func() { tr.Close() })
	for n := range 2 {
		if _, err := call(t, tr, transports.Message{Method: "exit"}); !errors.Is(err, transports.ErrUnknownOutcome) {
			t.Errorf("Call: %v, want ErrUnknownOutcome", err)
		}
		if err := tr.Send(patient(t), "calculator", transports.Message{Method: "exit"}); err != nil {
			t.Errorf("Send: %v", err)
		}
		poll(t, "both to be counted", func() bool { return p.Counts().Lost == int64(2*n+2) })
	}
	if got, err := call(t, tr, transports.Message{Body: []byte("x")}); got != "x" {
		t.Errorf("the next call returned %q and error %v", got, err)
	}
	v.stop()
	if err := v.wait(t); err != nil {
		t.Errorf("Serve: %v", err)
	}
}

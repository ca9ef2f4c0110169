package runner

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/jsonrpc"
	"github.com/journeyman-go/journeyman/transports/memory"
)

// patience is how long a test waits for what will come.
const patience = 30 * time.Second

// A site is one machine with one broker on which commands are run.
type site struct {
	broker   *memory.Broker
	opener   Opener // nil: transports of broker
	programs []Program
	entered  chan struct{} // gets one for each call of "wait" that has begun
	proceed  chan struct{} // lets calls of "wait" end
}

func newSite() *site {
	s := &site{broker: memory.New(), entered: make(chan struct{}, 8), proceed: make(chan struct{})}
	s.programs = []Program{
		RPC("tester", "answers to tests", func(Resources) (*jsonrpc.Mux, error) {
			mux := new(jsonrpc.Mux)
			mux.Handle("echo", jsonrpc.Raw(func(_ context.Context, params json.RawMessage) (any, error) { return params, nil }), jsonrpc.Public())
			mux.Handle("refuse", jsonrpc.Raw(func(context.Context, json.RawMessage) (any, error) {
				return nil, jsonrpc.Errorf(7, "no").WithData([]int{1})
			}))
			mux.Handle("wait", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
				s.entered <- struct{}{}
				select {
				case <-s.proceed:
					return "done", nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}), jsonrpc.Public())
			mux.Handle("hasty", jsonrpc.Raw(func(ctx context.Context, _ json.RawMessage) (any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}), jsonrpc.Timeout(time.Millisecond))
			return mux, nil
		}),
		RPC("nested", "calls the tester", func(r Resources) (*jsonrpc.Mux, error) {
			tester := r.Client("tester")
			mux := new(jsonrpc.Mux)
			mux.Handle("ask", jsonrpc.Raw(func(ctx context.Context, params json.RawMessage) (any, error) {
				return tester.CallRaw(ctx, "echo", params)
			}))
			return mux, nil
		}),
		RPC("broken", "cannot be built", func(Resources) (*jsonrpc.Mux, error) { return nil, errors.New("no database") }),
	}
	return s
}

func (s *site) open(t Target) (Link, error) {
	if s.opener != nil {
		return s.opener(t)
	}
	return Link{
		Transport:   s.broker.Open(memory.Options{Catalogue: t.Catalogue, Log: t.Log}),
		Connections: func(serving, calling bool) int { return map[bool]int{true: 3, false: 2}[serving && calling] },
	}, nil
}

// with makes the commands open their transport in another way.
func (s *site) with(open Opener) *site {
	s.opener = open
	return s
}

// A result is what a command left behind.
type result struct {
	Code   int
	Stdout string
	Stderr string
}

// run runs a command to its end.
func (s *site) run(t *testing.T, args ...string) result {
	t.Helper()
	out, errs := newOutput(), newOutput()
	sys := System{Args: append([]string{"/usr/bin/app"}, args...), Stdin: strings.NewReader(""), Stdout: out, Stderr: errs}
	code := Execute(t.Context(), sys, s.open, s.programs...)
	return result{code, out.String(), errs.String()}
}

// A process is a command that runs beside the test.
type process struct {
	signals chan os.Signal
	out     *output
	code    chan int
}

func (s *site) spawn(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{signals: make(chan os.Signal, 8), out: newOutput(), code: make(chan int, 1)}
	sys := System{Args: append([]string{"app"}, args...), Stdin: strings.NewReader(""), Stdout: p.out, Stderr: p.out, Signals: p.signals}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.code <- Execute(ctx, sys, s.open, s.programs...)
	}()
	t.Cleanup(func() { cancel(); <-ended })
	return p
}

func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-p.code:
		return code
	case <-time.After(patience):
		t.Fatalf("it did not end; it said:\n%s", p.out)
		return -1
	}
}

// output collects what processes write and lets tests wait for it.
type output struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{} // replaced at each write
}

func newOutput() *output { return &output{more: make(chan struct{})} }

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.more)
	o.more = make(chan struct{})
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// match waits for the pattern and returns its first group.
func (o *output) match(t *testing.T, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	deadline := time.After(patience)
	for {
		o.mu.Lock()
		text, more := o.text.String(), o.more
		o.mu.Unlock()
		if m := re.FindStringSubmatch(text); m != nil {
			return m[len(m)-1]
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("waiting for %q; there is only:\n%s", pattern, text)
		}
	}
}

func receive(t *testing.T, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(patience):
		t.Fatalf("waiting until %s", what)
	}
}

package redislist

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// lone makes calls one by one, until messages that come alone are expected to be done soon,
// and the caller has its connection.
func lone(t *testing.T, tr *Transport) {
	t.Helper()
	for range 4 * inlineFrom {
		if got, err := call(t, tr, "quick"); err != nil || got != "quick" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// inlining returns a process that runs lone messages where they come, however slow the
// machine is.
func inlining(t *testing.T, o Options) *Transport {
	t.Helper()
	timing := quick()
	timing.soon, timing.tick = time.Hour, 500*time.Millisecond
	o.Catalogue = append(o.Catalogue, calculator)
	tr, err := open(o, timing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tr.Close() })
	return tr
}

// isHeld reports whether the handler with this context holds up who takes messages.
func isHeld(ctx context.Context) bool {
	in := &ctx.(*attempt).taking.inline
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.order != 0
}

// A handler that turns out to take long holds no other message up, whether it shows that
// or not.
func TestLongHandlerIsLeftBehind(t *testing.T) {
	t.Parallel()
	for name, shows := range map[string]bool{"waits for its context": true, "computes": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, namespace := brokertest.Namespace(t)
			o := Options{URL: url, Namespace: namespace}
			caller, worker := process(t, o), inlining(t, o)
			held, begun := make(chan bool, 2), make(chan struct{})
			release := make(chan struct{})
			serveSlots(t, worker, func(ctx context.Context, m transports.Message) transports.Outcome {
				if string(m.Body) == "long" {
					held <- isHeld(ctx)
					if shows {
						_ = ctx.Done()
						held <- isHeld(ctx)
					}
					close(begun)
					<-release
				}
				return echo(ctx, m)
			}, 4)
			lone(t, caller)
			answered := make(chan error, 1)
			go func() {
				_, err := call(t, caller, "long")
				answered <- err
			}()
			<-begun
			if !<-held {
				t.Error("the message came alone and was not run where it came")
			}
			if shows && <-held {
				t.Error("its handler asked for Done and holds others up")
			}
			if got, err := call(t, caller, "other"); err != nil || got != "other" {
				t.Errorf("meanwhile: %q, %v", got, err)
			}
			close(release)
			if err := <-answered; err != nil {
				t.Error(err)
			}
			lone(t, caller) // it goes on
		})
	}
}

// However a handler ends that holds others up, they go on.
func TestInlineHandlerEndsOtherwise(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(context.Context){
		"panics":             func(context.Context) { panic("as it should") },
		"ends its goroutine": func(context.Context) { runtime.Goexit() },
		"settles before": func(ctx context.Context) {
			transports.SettlerOf(ctx).Settle(transports.Outcome{})
			runtime.Goexit()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, namespace := brokertest.Namespace(t)
			o := Options{URL: url, Namespace: namespace}
			caller, worker := process(t, o), inlining(t, o)
			held := make(chan bool, 1)
			stop := serveSlots(t, worker, func(ctx context.Context, m transports.Message) transports.Outcome {
				if string(m.Body) == "odd" {
					held <- isHeld(ctx)
					end(ctx)
				}
				return echo(ctx, m)
			}, 1)
			lone(t, caller)
			if err := caller.Send(t.Context(), calculator, transports.Message{Body: []byte("odd")}); err != nil {
				t.Fatal(err)
			}
			if !<-held {
				t.Error("the message came alone and was not run where it came")
			}
			lone(t, caller)
			if err := stop(); err != nil { // it waits until all is settled
				t.Error(err)
			}
		})
	}
}

// What is to leave with the next move gets there by another way where there is none.
func TestCarriedSettlementArrives(t *testing.T) {
	t.Parallel()
	for name, hinder := range map[string]func(a *attempt, stop func()){
		"the worker stops": func(a *attempt, stop func()) {
			stop()
			<-a.taking.ctx.Done()
		},
		"the connection ends": func(a *attempt, _ func()) { _ = a.server.fetch.line.last().socket.Close() },
		"the line is new":     func(a *attempt, _ func()) { a.server.fetch.line.reset() },
		"the worker is paused": func(a *attempt, _ func()) {
			_ = a.server.Pause(context.Background(), calculator)
			a.worker.mu.Lock()
			defer a.worker.mu.Unlock()
			a.worker.news.paused = true // as the next beat tells
		},
		"messages are to run alone": func(a *attempt, _ func()) {
			a.worker.mu.Lock()
			defer a.worker.mu.Unlock()
			a.worker.news.alone, a.worker.news.suspects = 1, 1
		},
		"the lease is over": func(a *attempt, _ func()) {
			a.worker.mu.Lock()
			defer a.worker.mu.Unlock()
			a.worker.leased = time.Time{}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, namespace := brokertest.Namespace(t)
			o := Options{URL: url, Namespace: namespace}
			caller, worker := process(t, o), inlining(t, o)
			ctx, stop := context.WithCancel(t.Context())
			held := make(chan bool, 1)
			served := make(chan error, 1)
			go func() {
				served <- worker.Serve(ctx, transports.Service{Name: calculator, Slots: 4, Handler: func(ctx context.Context, m transports.Message) transports.Outcome {
					if string(m.Body) == "last" {
						held <- isHeld(ctx)
						hinder(ctx.(*attempt), stop)
					}
					return echo(ctx, m)
				}})
			}()
			lone(t, caller)
			if got, err := call(t, caller, "last"); err != nil || got != "last" {
				t.Errorf("%q, %v", got, err)
			}
			if !<-held {
				t.Error("the message came alone and was not run where it came")
			}
			stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
			if again := worker.Counts().GivenBack + worker.Counts().NotMine; again != 0 {
				t.Errorf("%d messages went elsewhere", again)
			}
		})
	}
}

// What leaves with a pop is answered before there is anything to pop.
func TestAnswersComeAheadOfThePop(t *testing.T) {
	t.Parallel()
	url, namespace := brokertest.Namespace(t)
	tr := process(t, Options{URL: url, Namespace: namespace})
	other := redisAt(t, url)
	line := tr.newLine("test", 0, func(context.Context, *redis.Client) error { return nil })
	list := tr.keys.replies("test")
	sent := make(chan error, 1)
	p := tr.newPush(calculator, frame{Message: transports.Message{ID: "a", Body: []byte("{")}}, true, func(err error) { sent <- err })
	if !p.leave() {
		t.Fatal("it does not wait")
	}
	x := tr.commands.along(nil, []*push{p})
	popped := make(chan []string, 1)
	go func() {
		var pop *redis.StringSliceCmd
		unsent, err := line.exec(func(pipe redis.Pipeliner) {
			x.send(pipe)
			pop = pipe.BRPop(t.Context(), 0, list)
		})
		x.arrive(err, unsent)
		popped <- pop.Val()
	}()
	if err := <-sent; err != nil {
		t.Error(err)
	}
	select {
	case v := <-popped:
		t.Errorf("popped %q from an empty list", v)
	default:
	}
	if err := other.LPush(t.Context(), list, "reply").Err(); err != nil {
		t.Fatal(err)
	}
	if v := <-popped; len(v) != 2 || v[1] != "reply" {
		t.Errorf("popped %q", v)
	}
	if n := other.LLen(t.Context(), tr.keys.queue(calculator)).Val(); n != 1 {
		t.Errorf("%d messages in the queue, want the one that was sent", n)
	}
}

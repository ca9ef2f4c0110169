package redislist

import (
	"context"
	"testing"

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
			caller, worker := process(t, o), process(t, o)
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

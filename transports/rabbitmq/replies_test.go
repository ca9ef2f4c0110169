package rabbitmq

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// However many calls a process makes, it has one reply queue with one consumer, and
// two connections, which is what plans are sold by.
func TestOneReplyQueue(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process(func(o *Options, _ *timing) { o.Instance = "caller" })
	worker := a.process(func(o *Options, _ *timing) { o.Instance = "worker" })
	const calls = 200
	begun, release := make(chan struct{}, calls), make(chan struct{})
	a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
		begun <- struct{}{}
		<-release
		return echo(ctx, m)
	}, calls)
	var results []<-chan pending
	for i := range calls {
		results = append(results, a.begin(caller, fmt.Sprint(i)))
	}
	for range calls {
		await(t, "a handler", begun)
	}

	var names []string
	for _, q := range brokertest.Queues(t, a.url) {
		if strings.Contains(q.Name, "reply") {
			names = append(names, q.Name)
		}
	}
	a.consumed(caller.replies.address(), 1)
	if diff := cmp.Diff([]string{caller.replies.address()}, names); diff != "" {
		t.Errorf("reply queues during %d calls (-want +got):\n%s", calls, diff)
	}
	// The API comes to know them one after the other. "" is the one with which consumed looks.
	want := map[string]int{"caller publishing": 0, "caller consuming": 1, "worker publishing": 0, "worker consuming": 3, "": 0}
	a.eventually("the broker to tell of these connections and their consumers alone", func() bool {
		connections := make(map[string]int)
		for _, c := range brokertest.Connections(t, a.url) {
			connections[c.Name] += len(c.Consumes)
		}
		return cmp.Equal(want, connections)
	})
	close(release)
	for i, result := range results {
		if p := await(t, "a reply", result); p.err != nil || p.reply != fmt.Sprint("echo ", i) {
			t.Errorf("reply %q, error %v", p.reply, p.err)
		}
	}
}

// A process that only serves, or only sends, has none.
func TestNoReplyQueue(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	worker, sender := a.process(), a.process()
	ran := make(chan struct{}, 1)
	a.serve(worker, func(context.Context, transports.Message) transports.Outcome {
		ran <- struct{}{}
		return transports.Outcome{}
	}, 1)
	if err := sender.Send(a.ctx(), calculator, transports.Message{}); err != nil {
		t.Fatal(err)
	}
	await(t, "the handler", ran)
	for _, q := range brokertest.Queues(t, a.url) {
		if strings.Contains(q.Name, "reply") {
			t.Errorf("there is the queue %s", q.Name)
		}
	}
}

// RabbitMQ deletes the reply queue of a process that has gone, and keeps that of one
// which is merely cut off from it.
func TestReplyQueueExpires(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	a.serve(a.process(), echo, 2)
	caller := a.process(through(relay.url), func(_ *Options, timing *timing) { timing.replies = 2 * time.Second })
	a.call(caller, "1")
	relay.cut()
	a.call(a.process(), "another's")
	a.consumed(caller.replies.address(), 1)
	if err := caller.Close(); err != nil {
		t.Error(err)
	}
	if q := a.queue(caller.replies.address()); q == nil {
		t.Error("the queue is gone at once: replies do not outlive a connection")
	}
	a.eventually("the queue to go", func() bool { return a.queue(caller.replies.address()) == nil })
}

// Exactly one reply resolves a call, and further ones hold nobody up.
func TestSecondReplyIsDropped(t *testing.T) {
	t.Parallel()
	var tr Transport
	r := newReplies(&tr)
	reply, ok := r.expect("1")
	if _, twice := r.expect("1"); !ok || twice {
		t.Errorf("expected once: %v, and twice: %v", ok, twice)
	}
	dispatched := make(chan struct{})
	go func() {
		defer close(dispatched)
		for _, body := range []string{"first", "second", "third"} {
			r.dispatch(amqp.Delivery{CorrelationId: "1", Body: []byte(body)})
		}
	}()
	await(t, "all replies to be dealt with", dispatched)
	if a := <-reply; string(a.body) != "first" || a.err != nil {
		t.Errorf("reply %q, error %v", a.body, a.err)
	}
	if n := tr.Counts().LateReplies; n != 2 {
		t.Errorf("%d late replies are counted, want 2", n)
	}
}

// Replies to a caller that is cut off wait for it.
func TestRepliesOutliveAConnection(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	worker, caller := a.process(), a.process(through(relay.url))
	begun, release := make(chan struct{}, 8), make(chan struct{})
	a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
		begun <- struct{}{}
		<-release
		return echo(ctx, m)
	}, 8)
	var calls sync.WaitGroup
	for i := range 8 {
		calls.Go(func() {
			reply, err := caller.Call(a.ctx(), calculator, transports.Message{Body: fmt.Append(nil, i)})
			if want := fmt.Sprint("echo ", i); string(reply) != want || err != nil {
				t.Errorf("reply %q, error %v, want %q", reply, err, want)
			}
		})
	}
	for range 8 {
		await(t, "a handler", begun)
	}
	relay.kill()
	close(release)
	a.eventually("the replies to wait", func() bool { q := a.queue(caller.replies.address()); return q != nil && q.Ready == 8 })
	relay.refuse(false)
	calls.Wait()
}

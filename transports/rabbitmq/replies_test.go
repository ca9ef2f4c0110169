package rabbitmq

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
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

// A reply that comes again because its acknowledgement was lost is not a late one.
func TestReplyThatComesAgain(t *testing.T) {
	t.Parallel()
	var tr Transport
	r := newReplies(&tr)
	for i := range 3 * mostRecent {
		id := fmt.Sprint(i)
		if _, ok := r.expect(id); !ok {
			t.Fatal("expected before")
		}
		r.dispatch(amqp.Delivery{CorrelationId: id})
	}
	for i := 2 * mostRecent; i < 3*mostRecent; i++ {
		r.dispatch(amqp.Delivery{CorrelationId: fmt.Sprint(i), Redelivered: true})
	}
	if n := tr.Counts().LateReplies; n != 0 {
		t.Errorf("%d of those that came again are counted as late", n)
	}
	r.dispatch(amqp.Delivery{CorrelationId: "nobody's", Redelivered: true})
	r.dispatch(amqp.Delivery{CorrelationId: fmt.Sprint(3*mostRecent - 1)})
	if n := tr.Counts().LateReplies; n != 2 {
		t.Errorf("%d late replies are counted, want 2", n)
	}
	reply, _ := r.expect("2")
	r.dispatch(amqp.Delivery{CorrelationId: "2", Redelivered: true})
	if a := await(t, "the reply", reply); a.err != nil {
		t.Error(a.err)
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
	a.eventually("the requests to be acknowledged", func() bool { q := a.queue(calculator); return q != nil && q.Ready+q.Unacked == 0 })
	relay.refuse(false)
	calls.Wait()
}

// Replies are acknowledged many at a time, and none is left for long.
func TestUnreadReplies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLedger()
		var u unread
		number := uint64(0)
		add := func(bodies ...int) {
			for _, n := range bodies {
				number++
				l.out[number] = true
				u.add(amqp.Delivery{Acknowledger: l, DeliveryTag: number, Body: make([]byte, n)})
			}
		}
		want := func(when string, frames ...ack) {
			t.Helper()
			if diff := cmp.Diff(frames, l.frames, cmp.AllowUnexported(ack{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", when, diff)
			}
			l.frames = nil
		}
		began := time.Now()
		add(make([]int, unreadReplies-1)...)
		want("one too few")
		add(0)
		want("so many", ack{unreadReplies, true})
		if u.due != nil {
			t.Error("something is due though all is acknowledged")
		}

		add(1, unreadBytes-2)
		want("one byte too few")
		add(1)
		want("so much", ack{unreadReplies + 3, true})

		add(1, 2)
		<-u.due
		u.acknowledge()
		want("after a while", ack{unreadReplies + 5, true})
		if waited := time.Since(began); waited != unreadFor {
			t.Errorf("replies wait %v, want %v", waited, unreadFor)
		}
		if u.n != 0 || u.bytes != 0 || u.due != nil || len(l.wrong) > 0 {
			t.Errorf("left: %+v; wrong: %v", u, l.wrong)
		}
	})
}

// Somebody acknowledges them: a reply that has been read does not stay with the broker.
func TestRepliesAreAcknowledged(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	a.serve(a.process(), echo, 2)
	caller := a.process(through(relay.url))
	a.call(caller, "1")
	a.eventually("the reply to be acknowledged", func() bool { return cmp.Equal([]string{"echo 1"}, relay.acked()) })
	a.call(caller, "2")
	a.eventually("the next one to be", func() bool { return cmp.Equal([]string{"echo 1", "echo 2"}, relay.acked()) })
}

package rabbitmq

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// lasting has a process keep a connection on which nothing comes for long.
func lasting(_ *Options, timing *timing) { timing.heartbeat = time.Minute }

// bundled returns how many messages with replies to a queue the broker has not confirmed
// to a process, and how many replies wait for that.
func (a *app) bundled(t *Transport, queue string) (flying, waiting int) {
	a.Helper()
	s, err := t.publishing.session(a.ctx(), forever)
	if err != nil {
		a.Fatal(err)
	}
	s.outlet.mu.Lock()
	defer s.outlet.mu.Unlock()
	if b := s.outlet.bundles[queue]; b != nil {
		flying, waiting = b.flying, len(b.replies)
	}
	return flying, waiting
}

// replyTogether has a worker's handlers reply while the broker's word on the first reply
// does not come, so that the others wait for it. They are released when they have begun.
func (a *app) replyTogether(worker *Transport, relay *relay, queue string, calls int, first, others chan struct{}) (thaw func()) {
	a.Helper()
	thaw = relay.freeze()
	close(first)
	a.eventually("a reply to leave", func() bool { flying, _ := a.bundled(worker, queue); return flying == 1 })
	close(others)
	a.eventually("the others to wait", func() bool { _, waiting := a.bundled(worker, queue); return waiting == calls-1 })
	return thaw
}

// A handler that answers slowly does so when it is released: the message whose body begins
// with 0 first.
type slowly struct {
	journal
	begun, first, others chan struct{}
}

func (s *slowly) handle(calls int) transports.Handler {
	s.begun, s.first, s.others = make(chan struct{}, 2*calls), make(chan struct{}), make(chan struct{})
	return func(ctx context.Context, m transports.Message) transports.Outcome {
		s.begun <- struct{}{}
		if m.Body[0] == '0' {
			<-s.first
		} else {
			<-s.others
		}
		return s.echo(ctx, m)
	}
}

// repliesTo reads so many replies, by their correlation id, and says how many bundles they
// came in.
func repliesTo(t *testing.T, deliveries <-chan amqp.Delivery, calls int) (got map[string]string, bundles int) {
	t.Helper()
	got = make(map[string]string)
	note := func(id, body string) {
		if _, ok := got[id]; ok {
			t.Errorf("%q is answered twice", id)
		}
		got[id] = body
	}
	for len(got) < calls {
		d := await(t, "a reply", deliveries)
		switch d.ContentType {
		case "application/json":
			note(d.CorrelationId, string(d.Body))
		case "application/vnd.journeyman.replies":
			bundles++
			if !unbundle(d.Body, func(id string, reply []byte) { note(id, string(reply)) }) || d.CorrelationId != "" {
				t.Errorf("a bundle with the correlation id %q: %q", d.CorrelationId, d.Body)
			}
		default:
			t.Fatalf("a message of type %q", d.ContentType)
		}
	}
	return got, bundles
}

// A caller asks for bundles by the name of its queue: no other is sent any, and nobody is
// sent anything twice.
func TestForeignCallersOfManyReplies(t *testing.T) {
	t.Parallel()
	const calls = 48
	for queue, bundled := range map[string]bool{
		"journeyman.reply.many.python-1": true,
		"journeyman.reply.python-1":      false,
		"python-replies":                 false,
	} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			relay := newRelay(t, a.url)
			worker := a.process(through(relay.url), lasting)
			var runs slowly
			a.serve(worker, runs.handle(calls), calls+1)
			a.consumed("calculator.alone", 1) // and so the others are
			ch := a.channel()
			if _, err := ch.QueueDeclare(queue, false, false, true, false, nil); err != nil {
				t.Fatal(err)
			}
			replies, err := ch.Consume(queue, "", true, false, false, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := make(map[string]string)
			call := func(id, body string) {
				want[id] = "echo " + body
				a.put(ch, "", calculator, amqp.Publishing{CorrelationId: id, ReplyTo: queue, Body: []byte(body)})
			}
			for i := range calls {
				call(fmt.Sprint("call ", i), fmt.Sprint(i, "\n"))
			}
			call("of two\nlines", "others") // which a line of a bundle has no room for
			for range calls + 1 {
				await(t, "a handler", runs.begun)
			}
			if bundled {
				a.replyTogether(worker, relay, queue, calls, runs.first, runs.others)()
			} else {
				close(runs.first)
				close(runs.others)
			}

			got, together := repliesTo(t, replies, calls+1)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("replies (-want +got):\n%s", diff)
			}
			if bundled && together != 1 || !bundled && together > 0 {
				t.Errorf("%d bundles came, to a queue that asks for them: %v", together, bundled)
			}
			call("alone", "1") // behind which there is nothing else
			if d := await(t, "a reply alone", replies); d.ContentType != "application/json" || d.CorrelationId != "alone" || string(d.Body) != "echo 1" {
				t.Errorf("reply %q of type %q to %q", d.Body, d.ContentType, d.CorrelationId)
			}
		})
	}
}

// Replies that wait for a confirm, and those whose confirm does not come, reach their
// callers by the next connection.
func TestBundlesSurviveALostConnection(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	worker, caller := a.process(through(relay.url), lasting), a.process()
	const calls = 32
	var runs slowly
	a.serve(worker, runs.handle(calls), calls)
	want := make(map[string]int)
	results := make(map[string]<-chan pending)
	for i := range calls {
		body := fmt.Sprint(i)
		want[body] = 1
		results[body] = a.begin(caller, body)
	}
	for range calls {
		await(t, "a handler", runs.begun)
	}
	lost, err := worker.publishing.session(a.ctx(), forever)
	if err != nil {
		t.Fatal(err)
	}
	thaw := a.replyTogether(worker, relay, caller.replies.address(), calls, runs.first, runs.others)
	relay.cut()
	await(t, "the connection to be given up", lost.lost)
	thaw()
	for body, result := range results {
		if p := await(t, "the reply to "+body, result); p.err != nil || p.reply != "echo "+body {
			t.Errorf("call %s: reply %q, error %v", body, p.reply, p.err)
		}
	}
	a.eventually("the requests to be acknowledged", func() bool { q := a.queue(calculator); return q != nil && q.Ready+q.Unacked == 0 })
	if diff := cmp.Diff(want, runs.read()); diff != "" {
		t.Errorf("runs (-want +got):\n%s", diff)
	}
	lost.outlet.mu.Lock()
	defer lost.outlet.mu.Unlock()
	if lost.outlet.bundles != nil || lost.outlet.sent.len() > 0 {
		t.Error("the lost connection still has something to say")
	}
}

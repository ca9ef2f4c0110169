package rabbitmq

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// Programs in other languages need nothing but a queue's name, or an exchange's, and
// what every AMQP client has.
func TestForeignCallers(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	worker := a.process()
	received := make(chan transports.Message, 1)
	note := func(_ context.Context, m transports.Message) transports.Outcome {
		received <- m
		return transports.Outcome{Reply: append([]byte("re: "), m.Body...)}
	}
	a.serve(worker, note, 4)
	a.serve(worker, func(context.Context, transports.Message) transports.Outcome {
		return transports.Outcome{Reply: []byte("factored")}
	}, 4, "factor")
	a.consumed("calculator.method.factor", 1)

	direct := "amq.rabbitmq.reply-to"
	for name, c := range map[string]struct {
		exchange, key string
		request       amqp.Publishing
		replyTo       string // "own": a queue of the caller's own
		reply         string
		correlation   string
	}{
		"default exchange":          {"", "calculator", amqp.Publishing{CorrelationId: "c1", MessageId: "m1"}, "own", "re: 1", "c1"},
		"headers exchange":          {"rpc", "", amqp.Publishing{CorrelationId: "c2", Headers: amqp.Table{"destination": "calculator"}}, "own", "re: 1", "c2"},
		"method without a queue":    {"rpc", "", amqp.Publishing{CorrelationId: "c3", Headers: amqp.Table{"destination": "calculator", "procedure": "add"}}, "own", "re: 1", "c3"},
		"method with a queue":       {"rpc", "", amqp.Publishing{CorrelationId: "c4", Headers: amqp.Table{"destination": "calculator", "procedure": "factor"}}, "own", "factored", "c4"},
		"direct reply-to":           {"", "calculator", amqp.Publishing{CorrelationId: "c5"}, direct, "re: 1", "c5"},
		"no correlation":            {"", "calculator", amqp.Publishing{MessageId: "m6"}, "own", "re: 1", "m6"},
		"no correlation and no id":  {"", "calculator", amqp.Publishing{}, "own", "re: 1", ""},
		"no correlation, direct":    {"rpc", "", amqp.Publishing{MessageId: "m8", Headers: amqp.Table{"destination": "calculator"}}, direct, "re: 1", "m8"},
		"expiration that is far":    {"", "calculator", amqp.Publishing{CorrelationId: "c9", Expiration: "60000"}, "own", "re: 1", "c9"},
		"a persistent one, by name": {"", "calculator.method.factor", amqp.Publishing{CorrelationId: "c10", DeliveryMode: amqp.Persistent}, "own", "factored", "c10"},
	} {
		t.Run(name, func(t *testing.T) {
			ch := a.channel()
			replyTo := c.replyTo
			if replyTo == "own" {
				q, err := ch.QueueDeclare("", false, false, true, false, nil)
				if err != nil {
					t.Fatal(err)
				}
				replyTo = q.Name
			}
			replies, err := ch.Consume(replyTo, "", true, false, false, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			c.request.Body, c.request.ReplyTo = []byte("1"), replyTo
			a.put(ch, c.exchange, c.key, c.request)
			reply := await(t, "a reply", replies)
			if string(reply.Body) != c.reply || reply.CorrelationId != c.correlation || reply.ContentType != "application/json" {
				t.Errorf("reply %q of type %q to %q, want %q to %q", reply.Body, reply.ContentType, reply.CorrelationId, c.reply, c.correlation)
			}
			if c.reply == "factored" {
				return
			}
			m := await(t, "the request", received)
			if m.ID == "" || m.Key != m.ID || c.request.MessageId != "" && m.ID != c.request.MessageId {
				t.Errorf("the handler is given the id %q and the key %q of message %q", m.ID, m.Key, c.request.MessageId)
			}
		})
	}
}

// A message to nobody comes back to whoever asks for that, and goes to nobody else.
func TestUnknownDestinationIsReturned(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	a.announced(a.process())
	ch := a.channel()
	returned := ch.NotifyReturn(make(chan amqp.Return, 1))
	for _, headers := range []amqp.Table{
		{"destination": "nobody"}, {"procedure": "add"}, {"destination": "nobody", "procedure": "add"}, nil,
	} {
		if err := ch.Publish("rpc", "", true, false, amqp.Publishing{Headers: headers}); err != nil {
			t.Fatal(err)
		}
		if r := await(t, "the message to return", returned); r.ReplyCode != amqp.NoRoute {
			t.Errorf("headers %v: returned with %d %s", headers, r.ReplyCode, r.ReplyText)
		}
	}
}

// A reply address is the caller's to choose, but not among our own queues: a request
// must not be able to make a worker write requests, or dead letters.
func TestRepliesGoToReplyQueues(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	relay := newRelay(t, a.url)
	worker := a.process(through(relay.url))
	a.serve(worker, echo, 4)
	a.consumed("calculator.alone", 1)
	ch := a.channel()
	forbidden := []string{
		"calculator.dead", "calculator.suspects", "calculator.alone", "calculator.method.factor", "calculator",
		"journeyman.delay.1000", "statistics", "statistics.dead",
	}
	for _, queue := range forbidden {
		a.put(ch, "", calculator, amqp.Publishing{ReplyTo: queue, Body: []byte("1")})
	}
	a.eventually("all to be run", func() bool { return len(relay.acked()) == len(forbidden) })
	if n := worker.Counts().Unanswered; n != int64(len(forbidden)) {
		t.Errorf("%d requests went unanswered, want %d", n, len(forbidden))
	}
	if _, ok, err := ch.Get("calculator.dead", true); ok || err != nil {
		t.Errorf("a reply is among the dead letters: %v, error %v", ok, err)
	}
}

// What the broker drops, because its time was over, is no dead letter; what a foreign
// consumer rejects is, whatever way it had come.
func TestDeadLettersOfTheBroker(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	a.announced(caller)
	ch := a.channel()
	a.put(ch, "", calculator, amqp.Publishing{Body: []byte("expired"), Expiration: "1"})
	send := func(m transports.Message) {
		t.Helper()
		if err := caller.Send(a.ctx(), calculator, m); err != nil {
			t.Fatal(err)
		}
	}
	send(transports.Message{Body: []byte("expired too"), Expires: time.Now().Add(time.Millisecond)})
	send(transports.Message{Body: []byte("at once")})
	send(transports.Message{Body: []byte("delayed"), NotBefore: time.Now().Add(time.Second)})
	a.put(ch, "rpc", "", amqp.Publishing{Body: []byte("foreign"), Headers: amqp.Table{"destination": calculator}})

	want := map[string]bool{"at once": true, "delayed": true, "foreign": true}
	for range want {
		var got amqp.Delivery
		a.eventually("a message", func() (ok bool) {
			var err error
			if got, ok, err = ch.Get(calculator, false); err != nil {
				t.Fatal(err)
			}
			return ok
		})
		if !want[string(got.Body)] {
			t.Errorf("%q is in the queue", got.Body)
		}
		if err := got.Reject(false); err != nil {
			t.Fatal(err)
		}
	}
	dead := make(map[string]bool)
	a.eventually("three dead letters", func() bool {
		clear(dead)
		err := caller.DeadLetters(a.ctx(), calculator, func(l transports.DeadLetter) bool {
			dead[string(l.Message.Body)] = true
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(dead) >= len(want)
	})
	if diff := cmp.Diff(want, dead); diff != "" {
		t.Errorf("dead letters (-want +got):\n%s", diff)
	}
}

// A reply that says why there will be none is an error, and a letter given up one of
// its own kind.
func TestRefusedByAForeignWorker(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	ch, deliveries := a.stranger(caller)
	for why, buried := range map[string]bool{"given up: it bites": true, "no such luck": false} {
		result := a.begin(caller, "1")
		request := await(t, "the request", deliveries)
		a.put(ch, "", request.ReplyTo, amqp.Publishing{CorrelationId: "of another call", Body: []byte("late")})
		a.put(ch, "", request.ReplyTo, amqp.Publishing{CorrelationId: request.CorrelationId, Headers: amqp.Table{"error": why}})
		a.put(ch, "", request.ReplyTo, amqp.Publishing{CorrelationId: request.CorrelationId, Body: []byte("second")})
		if p := await(t, "the reply", result); p.err == nil || errors.Is(p.err, transports.ErrBuried) != buried {
			t.Errorf("%q: reply %q, error %v; is it ErrBuried: want %v", why, p.reply, p.err, buried)
		}
	}
	a.eventually("the other replies to be counted", func() bool { return caller.Counts().LateReplies == 4 })
}

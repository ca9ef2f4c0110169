package rabbitmq

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/journeyman-go/journeyman/transports"
)

// Somebody deletes a queue that is consumed: the broker cancels the consumer and
// leaves the connection as it is.
func TestRequestQueueDeleted(t *testing.T) {
	t.Parallel()
	for queue, consumers := range map[string]int{
		"calculator": 1, "calculator.method.factor": 1, "calculator.suspects": 2, "calculator.alone": 2,
	} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			worker, caller := a.process(), a.process()
			a.serve(worker, echo, 2)
			a.serve(worker, echo, 2, "factor")
			a.consumed(queue, consumers)
			ch := a.channel()
			if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
				t.Fatal(err)
			}
			a.consumed(queue, consumers)
			for _, method := range []string{"", "factor"} {
				reply, err := caller.Call(a.ctx(), calculator, transports.Message{Method: method, Body: []byte("1")})
				if string(reply) != "echo 1" || err != nil {
					t.Errorf("method %q: reply %q, error %v", method, reply, err)
				}
			}
		})
	}
}

func TestReplyQueueDeleted(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	worker, caller := a.process(), a.process()
	begun, release := make(chan struct{}, 1), make(chan struct{})
	a.serve(worker, func(_ context.Context, m transports.Message) transports.Outcome {
		if string(m.Body) == "long" {
			begun <- struct{}{}
			<-release
		}
		return transports.Outcome{Reply: m.Body}
	}, 2)
	long := a.begin(caller, "long")
	await(t, "the handler", begun)
	ch := a.channel()
	if _, err := ch.QueueDelete(caller.replies.address(), false, false, false); err != nil {
		t.Fatal(err)
	}
	a.consumed(caller.replies.address(), 1)
	close(release)
	if p := await(t, "a reply that was awaited", long); p.reply != "long" || p.err != nil {
		t.Errorf("reply %q, error %v", p.reply, p.err)
	}
	a.call(caller, "later")
}

// Publishing to an exchange that is gone closes the channel, which a new session with
// new declarations replaces.
func TestExchangeDeleted(t *testing.T) {
	t.Parallel()
	for _, exchange := range []string{"rpc", "rpc.any"} {
		t.Run(exchange, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			worker, caller := a.process(), a.process()
			a.serve(worker, echo, 2)
			a.call(caller, "before")
			if err := a.channel().ExchangeDelete(exchange, false, false); err != nil {
				t.Fatal(err)
			}
			a.eventually("a message to be taken", func() bool {
				err := caller.Send(a.ctx(), calculator, transports.Message{})
				if err != nil && !errors.Is(err, transports.ErrUnknownOutcome) {
					t.Errorf("send: error %v, want ErrUnknownOutcome at most", err)
				}
				return err == nil
			})
			a.call(caller, "after")
		})
	}
}

// Nobody consumes from these, so nobody is told that they are gone: whoever needs one
// declares it.
func TestQueueWithoutConsumersDeleted(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	worker := a.process()
	var runs journal
	a.serve(worker, func(ctx context.Context, m transports.Message) transports.Outcome {
		runs.note(m.Body)
		switch {
		case string(m.Body) == "bury":
			return transports.Outcome{Verdict: transports.Bury, Err: errors.New("hopeless")}
		case m.Failures == 0:
			return transports.Outcome{Verdict: transports.Retry, After: time.Second, Err: errors.New("not yet")}
		}
		return echo(ctx, m)
	}, 2)
	send := func(m transports.Message) {
		t.Helper()
		if err := worker.Send(a.ctx(), calculator, m); err != nil {
			t.Fatal(err)
		}
	}
	ran := func(body string, times int) func() bool { return func() bool { return runs.read()[body] == times } }
	send(transports.Message{Body: []byte("first")})
	a.eventually("a rung to be used", ran("first", 2))

	ch := a.channel()
	remove := func(queue string) {
		t.Helper()
		if _, err := ch.QueueDelete(queue, false, false, false); err != nil {
			t.Fatal(err)
		}
	}
	remove("calculator.dead")
	send(transports.Message{Body: []byte("bury")})
	a.eventually("the dead letter", func() bool { q := a.queue("calculator.dead"); return q != nil && q.Ready == 1 })

	remove("calculator.delay.1000")
	send(transports.Message{Body: []byte("retried")})
	a.eventually("what failed to run again", ran("retried", 2))
	remove("calculator.delay.1000")
	send(transports.Message{Body: []byte("delayed"), NotBefore: time.Now().Add(time.Second)})
	a.eventually("what was delayed to run", ran("delayed", 2))
}

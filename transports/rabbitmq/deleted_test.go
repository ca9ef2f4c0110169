package rabbitmq

import (
	"context"
	"errors"
	"testing"

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
	if _, err := ch.QueueDelete(caller.replies.queue, false, false, false); err != nil {
		t.Fatal(err)
	}
	a.consumed(caller.replies.queue, 1)
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

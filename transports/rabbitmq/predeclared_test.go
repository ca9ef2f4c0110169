package rabbitmq

import (
	"errors"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// What exists is used as it is. That is said once, and not at each reconnect.
func TestPredeclaredQueues(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]amqp.Table{
		"classic": nil,
		"quorum":  {"x-queue-type": "quorum", "x-max-length": int32(10)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t)
			ch := a.channel()
			queues := []string{"calculator", "calculator.dead", "calculator.suspects", "calculator.alone", "calculator.method.factor"}
			for _, queue := range queues {
				if _, err := ch.QueueDeclare(queue, true, false, false, false, args); err != nil {
					t.Fatal(err)
				}
			}
			relay := newRelay(t, a.url)
			var log notebook
			worker, caller := a.process(through(relay.url), log.noted), a.process()
			a.serve(worker, echo, 2)
			a.serve(worker, echo, 2, "factor")
			check := func(when string) {
				t.Helper()
				for _, method := range []string{"add", "factor"} {
					reply, err := caller.Call(a.ctx(), calculator, transports.Message{Method: method, Body: []byte("1")})
					if string(reply) != "echo 1" || err != nil {
						t.Errorf("%s, %s: reply %q, error %v", when, method, reply, err)
					}
				}
			}
			check("at first")
			relay.cut()
			a.consumed(calculator, 1)
			a.eventually("both connections to be there again", func() bool { return strings.Count(log.String(), "connected to the broker again") == 2 })
			check("connected again")
			for _, queue := range queues {
				if n := strings.Count(log.String(), "queue "+queue+" is not as"); n != 1 {
					t.Errorf("that queue %s is another one is said %d times:\n%s", queue, n, log.String())
				}
			}
		})
	}
}

// An exchange rpc that was there and knows no alternate is used for services alone: the
// request for a method with a queue of its own would go to the service's queue as well.
func TestPredeclaredExchange(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	if err := a.channel().ExchangeDeclare("rpc", amqp.ExchangeHeaders, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	worker, caller := a.process(), a.process()
	var runs journal
	a.serve(worker, runs.echo, 2)
	a.call(caller, "1")
	if runs := runs.read()["1"]; runs != 1 {
		t.Errorf("the request ran %d times", runs)
	}
	_, ended := a.serve(worker, echo, 2, "factor")
	refused := (*transports.RefusedError)(nil)
	if err := ended(); !errors.As(err, &refused) || !strings.Contains(err.Error(), "alternate exchange") {
		t.Errorf("a service with a queue for a method: error %v, want a refusal", err)
	}
}

// One of another type would carry every request to every service.
func TestPredeclaredExchangeOfAnotherType(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	if err := a.channel().ExchangeDeclare("rpc", amqp.ExchangeFanout, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	both := func(o *Options, _ *timing) { o.Catalogue = []string{calculator, "statistics"} }
	worker, caller := a.process(both), a.process(both)
	_, ended := a.serve(worker, echo, 2)
	refused := (*transports.RefusedError)(nil)
	if err := ended(); !errors.As(err, &refused) || !strings.Contains(err.Error(), "fanout") {
		t.Errorf("serve: error %v, want a refusal that names the type", err)
	}
	if _, err := caller.Call(a.ctx(), calculator, transports.Message{}); !errors.As(err, &refused) || !errors.Is(err, transports.ErrUnavailable) {
		t.Errorf("call: error %v, want a refusal", err)
	}
}

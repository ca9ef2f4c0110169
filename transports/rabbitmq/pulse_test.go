package rabbitmq

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func TestPulse(t *testing.T) {
	t.Parallel()
	var p pulse
	now := at(0)
	for _, c := range []struct {
		service string
		beat    time.Duration // 0: none
		want    bool
	}{
		{"silent", 0, false},
		{"lively", -1, true},
		{"lively", 1 - pulseLasts, true},
		{"lively", -pulseLasts, false},
		{"lively", time.Hour, false}, // the clock was set back
	} {
		if c.beat != 0 {
			p.beat(c.service, now.Add(c.beat))
		}
		if got := p.lives(c.service, now); got != c.want {
			t.Errorf("%s, which answered after %v, lives: %v, want %v", c.service, c.beat, got, c.want)
		}
	}
	for service := range p.services.last {
		if service != "lively" {
			t.Errorf("%s is remembered, which never answered", service)
		}
	}
}

// A request that nobody may come to take carries an expiration, so that the broker drops
// it; one to a service that answers says in its header alone when it ends.
func TestExpirationFollowsThePulse(t *testing.T) {
	t.Parallel()
	a := newApp(t)
	caller := a.process()
	ch, deliveries := a.stranger(caller)
	step := func(when string, expires bool, answer amqp.Publishing) {
		t.Helper()
		result := a.begin(caller, "1")
		request := await(t, "the request", deliveries)
		if got := request.Expiration != ""; got != expires {
			t.Errorf("%s: the request has the expiration %q, want one: %v", when, request.Expiration, expires)
		}
		if _, ok := request.Headers[headerExpires].(int64); !ok {
			t.Errorf("%s: the header says that the request expires at %v", when, request.Headers[headerExpires])
		}
		request.Expiration = ""
		m := decode(request, time.Now()).message
		if now := time.Now(); m.Expires.Before(now) || m.Expires.After(now.Add(patience)) || m.Enqueued.After(now) || m.Enqueued.Before(now.Add(-patience)) {
			t.Errorf("%s, at %v: the request says that it was sent at %v and expires at %v", when, now, m.Enqueued, m.Expires)
		}
		answer.CorrelationId = request.CorrelationId
		a.put(ch, "", request.ReplyTo, answer)
		await(t, "the reply", result)
	}
	refused := amqp.Publishing{Headers: amqp.Table{headerError: "no such luck"}}
	step("before any answer", true, refused)
	step("after a refusal", true, amqp.Publishing{})
	step("after an answer", false, amqp.Publishing{})
	caller.pulse.beat(calculator, time.Now().Add(-pulseLasts))
	step("after a second of silence", true, amqp.Publishing{})
}

package main

import (
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// deleted: somebody deletes what the transport has declared, under load. It is noticed
// and declared anew; what is asked after that is answered.
func deleted(w *world) {
	b := w.startVhost()
	w.startAll(2)
	one, two := w.caller(w.url), w.caller(w.url)
	queue := func(name string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error {
			_, err := ch.QueueDelete(name, false, false, false)
			return err
		}
	}
	exchange := func(name string) func(*amqp.Channel) error {
		return func(ch *amqp.Channel) error { return ch.ExchangeDelete(name, false, false) }
	}
	losses := []struct {
		name  string
		do    func(ch *amqp.Channel) error
		holds bool // it holds requests, which go with it
	}{
		{"the queues of replies", b.deleteReplyQueues, false},
		{"the exchange of services", exchange("rpc.any"), false},
		{"the queue of requests", queue(service), true},
		{"the exchange of callers", exchange("rpc"), false},
		{"the queues of what a worker died of", func(ch *amqp.Channel) error {
			if err := queue(service + ".suspects")(ch); err != nil {
				return err
			}
			return queue(service + ".alone")(ch)
		}, false},
	}
	for _, loss := range losses[:pick(w, 3, len(losses))] {
		l := w.ordinary(one, two)
		l.rate, l.timeout, l.mix, l.name = 100, 10*time.Second, []kind{call, notify}, strings.ReplaceAll(loss.name, " ", "-")+"-"
		t := w.begin(l)
		w.sleep(2 * time.Second)
		b.mustDo(loss.do)
		at := time.Now()
		limit := w.within(5 * time.Second)
		w.until(limit, func() bool { return t.firstOKAfter(at) < time.Hour })
		w.sleep(max(0, 5*time.Second-time.Since(at)) + 2*time.Second)
		t.settle(20 * time.Second)
		c := t.judge()
		late := 0 // of those that were asked once it must have been declared anew
		for _, j := range t.all() {
			if j.sent.After(at.Add(5*time.Second)) && j.err != nil {
				late++
				w.say("%s: %v", j.id, j.err)
			}
		}
		w.figure(loss.name, fmt.Sprintf("attempted %d, ok %d, refused %d, unknown %d, expired %d, answered with an error %d; lost %d, started twice %d, unexpected %d, unresolved %d, stranded %d; first success %v after",
			c.attempted, c.ok, c.refused, c.unknown, c.expired, c.answered, c.lost, c.started, c.unexpected, c.unresolved, c.stranded, t.firstOKAfter(at).Round(time.Millisecond)))
		w.want(t.firstOKAfter(at) <= limit, "%s: nothing succeeded for %v", loss.name, t.firstOKAfter(at))
		w.want(late == 0, "%s: %d requests failed that were sent more than 5 s after", loss.name, late)
		w.want(loss.holds || c.lost == 0, "%s: %d lost: %v", loss.name, c.lost, c.missing)
		w.want(c.unexpected+c.unresolved+c.stranded == 0, "%s: unexpected %d, unresolved %d, stranded %d: %v", loss.name, c.unexpected, c.unresolved, c.stranded, c.missing)
	}
	w.finish()
	types := map[string]string{}
	for _, q := range brokertest.Queues(b.host, b.url) {
		types[q.Name] = q.Type
	}
	for _, name := range []string{service, service + ".suspects", service + ".alone", deadQueue} {
		w.want(types[name] == "quorum", "the queue %s is of type %q, want quorum", name, types[name])
	}
}

// deleteReplyQueues deletes those of all callers at once.
func (b *rabbitBroker) deleteReplyQueues(ch *amqp.Channel) error {
	for _, q := range brokertest.Queues(b.host, b.url) {
		if !strings.HasPrefix(q.Name, replyPrefix) {
			continue
		}
		if _, err := ch.QueueDelete(q.Name, false, false, false); err != nil {
			return err
		}
	}
	return nil
}

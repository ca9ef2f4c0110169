package main

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// predeclared: the queue is there already and not as the transport would have it. It
// says so, and serves.
func predeclared(w *world) {
	b := w.startVhost()
	b.mustDo(func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclare(service, true, false, false, false, amqp.Table{"x-max-length": int32(50_000)})
		return err
	})
	all := w.startAll(2)
	t := w.begin(w.ordinary(w.caller(w.url)))
	w.sleep(2 * time.Second)
	victim := w.busiest()
	victim.signal(syscall.SIGKILL)
	<-victim.done
	held := w.ledger.runningAt(victim.pid())
	w.start(0).awaitServing()
	w.sleep(2 * time.Second)
	t.settle(30 * time.Second)
	c := t.judge()
	warned := 0
	for _, p := range all {
		warned += strings.Count(p.text(), "level=WARN msg=\"queue "+service+" ")
	}
	w.figure("faults", fmt.Sprintf("a classic queue with another limit; a worker killed with %d requests begun", len(held)))
	w.figure("warnings", fmt.Sprintf("%d of %d workers, once each", warned, len(all)))
	c.show(w)
	c.demand(w)
	w.zero("calls expired", c.expired)
	w.zero("calls answered with an error", c.answered)
	w.want(warned == len(all), "%d warnings from %d workers", warned, len(all))
	w.finish()
}

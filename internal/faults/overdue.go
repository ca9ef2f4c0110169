package main

import (
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/client"
)

// overdue: RabbitMQ takes a request back from a worker that has had it for longer than
// its consumer_timeout, and with it all others that came by the same channel. Those run
// again once at most, and the slow one does not go on for ever.
func overdue(w *world) {
	b := w.startNode()
	// Read by each channel when it is opened.
	b.node.Ctl("eval", "application:set_env(rabbit, consumer_timeout, 4000), application:set_env(rabbit, channel_tick_interval, 500).")
	w.startAll(2)
	caller := w.caller(w.url)
	l := w.ordinary(caller)
	l.rate, l.mix = 60, []kind{call, notify}
	t := w.begin(l)
	w.sleep(2 * time.Second)
	w.must(client.New(caller, service).Notify(w.ctx, "stubborn", map[string]any{"id": "overdue", "ms": 10_000}))
	w.sleep(pick(w, 12*time.Second, 30*time.Second))
	t.stop()
	w.eventually(w.wire.patience, "the slow request to be done or in the dead-letter list", func() bool {
		return len(w.ledger.ended("overdue")) > 0 && len(b.holding()) == 0 || w.deadIDs()["overdue"]
	})
	t.settle(w.wire.patience)
	c := t.judge()
	most := 0
	for _, j := range t.all() {
		most = max(most, len(w.ledger.started(j.id)))
	}
	starts := len(w.ledger.started("overdue"))
	w.figure("faults", "a request of 10 s with a consumer_timeout of 4 s, among others")
	w.figure("the slow one", fmt.Sprintf("begun %d times, ended %d times, in the dead-letter list: %t", starts, len(w.ledger.ended("overdue")), w.deadIDs()["overdue"]))
	c.show(w)
	c.demand(w)
	w.zero("calls expired", c.expired)
	w.zero("calls answered with an error", c.answered)
	w.want(starts <= 4, "the slow request was begun %d times", starts)
	w.want(len(w.alive()) == 2, "%d of 2 workers are alive", len(w.alive()))
	w.finish()
}

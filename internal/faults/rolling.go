package main

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

// rolling: every worker is replaced, the new one first, as Heroku does it. Nothing
// runs twice, and nobody notices.
func rolling(w *world) {
	w.startBroker()
	old := w.startAll(4)
	t := w.begin(w.ordinary(w.caller(w.url), w.caller(w.url)))
	var drains []time.Duration
	bad := 0
	rounds := pick(w, 2, 20)
	for range rounds {
		var next []*worker
		for _, p := range old {
			n := w.start(0)
			n.awaitServing()
			next = append(next, n)
			p.signal(syscall.SIGTERM)
			code, took := p.stop(30 * time.Second) // a second SIGTERM: platforms repeat it
			drains = append(drains, took)
			if code != 0 {
				bad++
				w.say("%s ended with %d", p.name, code)
			}
		}
		old = next
	}
	t.settle(30 * time.Second)
	slices.Sort(drains)
	w.figure("faults", fmt.Sprintf("%d rounds, %d workers stopped by SIGTERM (sent twice)", rounds, len(drains)))
	w.figure("drain", fmt.Sprintf("%v (median), %v (at most)", drains[len(drains)/2].Round(time.Millisecond), drains[len(drains)-1].Round(time.Millisecond)))
	c := t.judge()
	c.show(w)
	c.demand(w)
	w.zero("requests executed twice", c.started)
	w.zero("second replies", c.second)
	w.zero("calls expired", c.expired)
	w.zero("requests of which nobody knows", c.unknown)
	w.zero("calls answered with an error", c.answered)
	w.zero("exit codes other than 0", bad)
	if w.wire.queues {
		w.zero("requests refused", c.refused)
	}
	w.finish()
}

package main

import (
	"fmt"
	"time"
)

// slow: ten times as much arrives as the workers can do. What nobody waits for any
// more is not done, and memory does not grow.
func slow(w *world) {
	w.startBroker()
	all := []*worker{w.start(0, "JOURNEYMAN_CONCURRENCY=8")} // 16 calls of 500 ms a second
	all[0].awaitServing()
	l := load{rate: 160, timeout: 3 * time.Second, min: 500, max: 500, mix: []kind{call}, via: nil}
	l.via = append(l.via, w.caller(w.url), w.caller(w.url))
	t := w.begin(l)
	w.sleep(4 * time.Second)
	early := memory(all[0].pid())
	w.sleep(pick(w, 6*time.Second, 20*time.Second))
	atEnd := memory(all[0].pid())
	t.settle(10 * time.Second)
	c := t.judge()
	var oldest time.Duration
	after, late := 0, w.within(100*time.Millisecond) // a broker's clock is known to within less; over HTTP time counts from the arrival
	for _, j := range t.all() {
		for _, e := range w.ledger.started(j.id) {
			oldest = max(oldest, e.at.Sub(j.sent))
			if e.at.After(j.due.Add(late)) {
				after++
			}
		}
	}
	w.figure("faults", "160 calls a second of 500 ms and with 3 s to live, for one worker with 8 slots")
	c.show(w)
	c.demand(w)
	w.figure("age when started", fmt.Sprintf("%v at most; after their deadline: %d", oldest.Round(time.Millisecond), after))
	w.figure("memory of the worker", fmt.Sprintf("%d MiB after 4 s, %d MiB at the end", early>>20, atEnd>>20))
	w.want(c.expired+c.refused > c.ok, "%d expired, %d refused and %d ok: that was no overload", c.expired, c.refused, c.ok)
	w.zero("calls executed after their deadline", after)
	w.want(atEnd < early+early/2+8<<20, "the worker grew from %d to %d MiB", early>>20, atEnd>>20)
	w.want(c.overrun <= time.Second, "a call outlived its deadline by %v", c.overrun)
	w.finish()
}

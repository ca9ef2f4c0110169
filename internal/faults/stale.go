package main

import (
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// stale: a worker's connections break while it runs requests, and the new ones bring it
// others. What it then has to say of the old ones must acknowledge nothing: their
// numbers are the new ones' now. So it is killed once the old ones are done and the new
// ones are not, and all of these must run elsewhere.
func stale(w *world) {
	b := w.startVhost()
	c := client.New(w.caller(w.url), service)
	const slots, old, fresh, ms = 16, 4, 24, 6000
	wanted := pick(w, 1, 15)
	telling, rounds, twice, again := 0, 0, 0, 0
	for ; telling < wanted && rounds < pick(w, 4, 2)*wanted; rounds++ {
		send := func(what string, n int) (ids []string) {
			for i := range n {
				id := fmt.Sprintf("%s-%d-%d", what, rounds, i)
				w.must(c.Notify(w.ctx, "heavy", map[string]any{"id": id, "ms": ms}))
				ids = append(ids, id)
			}
			return ids
		}
		victim := w.start(0, fmt.Sprintf("JOURNEYMAN_CONCURRENCY=%d", slots))
		victim.awaitServing()
		w.eventually(20*time.Second, "the victim's name to be seen", func() bool { return b.consumers()[victim.name] > 0 })
		before := send("old", old)
		w.eventually(20*time.Second, "the victim to run the old ones", func() bool { return len(w.ledger.runningAt(victim.pid())) == old })
		helper := w.start(0, fmt.Sprintf("JOURNEYMAN_CONCURRENCY=%d", slots))
		helper.awaitServing()
		brokertest.CloseConnections(b.host, b.url, victim.name+" consuming", victim.name+" publishing")
		after := send("new", fresh)
		// Of the old ones none runs any more at the victim, of the new ones some do.
		atVictim := func(ids []string) (n int) {
			for _, id := range w.ledger.runningAt(victim.pid()) {
				if slices.Contains(ids, id) {
					n++
				}
			}
			return n
		}
		met := w.until(5*time.Second, func() bool { return atVictim(after) > 0 }) && atVictim(before) == old
		w.eventually(30*time.Second, "the victim to be done with the old ones", func() bool { return atVictim(before) == 0 })
		w.sleep(200 * time.Millisecond) // for what it has to say of them
		victim.signal(syscall.SIGKILL)
		<-victim.done
		died := atVictim(after)
		if met && died >= old {
			telling++
		}
		again += died
		for _, id := range slices.Concat(before, after) {
			ran := w.until(60*time.Second, func() bool { return len(w.ledger.ended(id)) > 0 })
			w.want(ran, "%s was accepted and never ran to its end", id)
		}
		for _, id := range before {
			if len(w.ledger.started(id)) > 1 {
				twice++
			}
		}
		w.want(w.until(20*time.Second, func() bool { return len(b.holding()) == 0 }), "left in the broker: %v", b.holding())
		code, _ := helper.stop(15 * time.Second)
		w.want(code == 0, "the helper ended with %d", code)
	}
	w.figure("faults", fmt.Sprintf("%d times a worker's connections closed under %d requests, and the worker killed when it had done them; %d times with others begun on the new connection", rounds, old, telling))
	w.figure("requests", fmt.Sprintf("%d were begun twice because the connection broke; %d died with the worker", twice, again))
	w.want(telling >= wanted, "%d rounds were telling, want %d", telling, wanted)
	w.zero("complaints of the broker over a wrong number", w.logged("unknown delivery tag"))
	w.finish()
}

package main

import (
	"fmt"
	"slices"
	"syscall"
	"time"
)

// A death is a worker that was killed, and what it had begun.
type death struct {
	pid  int
	at   time.Time
	held []string
}

// kill: processes are killed with -9 while they run requests, and others put in
// their place. Everything accepted runs, and everybody is answered once.
func kill(w *world) {
	w.startBroker()
	w.startAll(4)
	t := w.begin(withRepeats(w.ordinary(w.caller(w.url), w.caller(w.url), w.caller(w.url), w.caller(w.url))))
	if w.wire.leases {
		w.sleep(lease) // for nobody may judge before it has lived for one
	}
	var deaths []death
	kills := 0
	for want := pick(w, 6, 60); len(deaths) < want && kills < want*3/2; kills++ {
		if d := w.killBusiest(); len(d.held) > 0 {
			deaths = append(deaths, d)
		}
		w.sleep(3 * time.Second)
	}
	t.settle(45 * time.Second)
	w.figure("faults", fmt.Sprintf("%d times kill -9, %d of them on workers that ran something", kills, len(deaths)))
	w.want(len(deaths) >= pick(w, 6, 60), "%d kills hit a started handler", len(deaths))

	t.deaths = deaths
	c := t.judge()
	c.show(w)
	c.demand(w)
	if w.wire.single {
		w.zero("second replies", c.second)
	}
	if !w.wire.queues {
		w.zero("requests executed twice", c.started)
	}
	w.zero("calls expired", c.expired)
	w.zero("calls answered with an error", c.answered)
	if w.wire.queues {
		w.recovered(deaths, w.within(w.wire.recovery))
	} else {
		w.diedWith(t, deaths)
	}
	if w.wire.dedupes {
		w.onceOnly(t)
	}
	w.finish()
}

// diedWith wants what no broker keeps to have died with its worker alone: each
// request ran once at most, and whoever called was told at once.
func (w *world) diedWith(t *traffic, deaths []death) {
	held, longest := 0, time.Duration(0)
	for _, j := range t.all() {
		for _, d := range deaths {
			if slices.Contains(d.held, j.id) {
				held++
				if j.kind != notify {
					longest = max(longest, j.back.Sub(d.at))
				}
			}
		}
	}
	w.figure("died with their workers", fmt.Sprintf("%d requests; who had called was told after %v at most", held, longest.Round(time.Millisecond)))
	w.want(held > 0, "no request died with a worker")
	w.want(longest < w.within(time.Second), "a caller whose worker was killed was told only after %v", longest)
}

// killBusiest kills a worker that runs something and puts another in its place. Of the
// death nothing is held where the worker was done just then.
func (w *world) killBusiest() death {
	victim := w.busiest()
	at := time.Now()
	victim.signal(syscall.SIGKILL)
	<-victim.done
	held := w.ledger.runningAt(victim.pid())
	w.say("killed %s, which ran %d requests", victim.name, len(held))
	w.start(0)
	return death{victim.pid(), at, held}
}

// busiest returns a worker that runs something, by chance, so that old and new ones die.
func (w *world) busiest() *worker {
	var busy []*worker
	w.eventually(30*time.Second, "a worker that runs something", func() bool {
		busy = slices.DeleteFunc(w.alive(), func(p *worker) bool { return len(w.ledger.runningAt(p.pid())) == 0 })
		return len(busy) > 0
	})
	return busy[w.chance.IntN(len(busy))]
}

// recovered wants what died with a worker to be started again in time, and says
// how long it took.
func (w *world) recovered(deaths []death, limit time.Duration) {
	var delays []time.Duration
	never := 0
	for _, d := range deaths {
		for _, id := range d.held {
			again := slices.IndexFunc(w.ledger.started(id), func(e event) bool { return e.at.After(d.at) && e.pid != d.pid })
			if again < 0 {
				never++
				continue
			}
			delays = append(delays, w.ledger.started(id)[again].at.Sub(d.at))
		}
	}
	if len(delays) == 0 {
		w.want(false, "no request of a dead worker ran again")
		return
	}
	slices.Sort(delays)
	worst := delays[len(delays)-1]
	w.figure("time to recover", fmt.Sprintf("%d requests died with their workers; running again after %v (median), %v (at most)",
		len(delays), delays[len(delays)/2].Round(time.Millisecond), worst.Round(time.Millisecond)))
	w.zero("requests of dead workers that never ran again", never)
	w.want(worst <= limit, "a dead worker's request ran again only after %v, want %v at most", worst, limit)
}

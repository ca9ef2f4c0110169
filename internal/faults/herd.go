package main

import (
	"fmt"
	"strings"
	"time"
)

// herd: many processes lose the broker at the same moment. They try again spread
// out over time, and all of them come back.
func herd(w *world) {
	w.startBroker()
	tap := w.tap()
	w.url = tap.url
	n := pick(w, 20, 50)
	for range n {
		w.start(0)
	}
	serving := func() (total int) {
		for _, p := range w.alive() {
			if w.broker.serving(p) {
				total++
			}
		}
		return total
	}
	w.eventually(60*time.Second, "all workers to serve", func() bool { return serving() == n })
	w.sleep(time.Second)
	began := time.Now()
	tap.turnAway()
	w.sleep(pick(w, 5*time.Second, 15*time.Second))
	tries := tap.letIn()
	let := time.Now()
	back := w.until(w.within(20*time.Second), func() bool { return w.broker.connections() >= 2*n })
	took := time.Since(let)

	// A connection for commands and one for requests each: so many try.
	tenths := map[int]int{}
	early, late := 0, 0
	for _, at := range tries {
		tenths[int(at.Sub(began)/(100*time.Millisecond))]++
	}
	for tenth, count := range tenths {
		if tenth < 20 {
			early = max(early, count)
		} else {
			late = max(late, count)
		}
	}
	w.figure("faults", fmt.Sprintf("%d processes with %d connections turned away for %v", n, 2*n, let.Sub(began).Round(time.Millisecond)))
	w.figure("attempts", fmt.Sprintf("%d; in 100 ms at most %d during the first 2 s, %d later", len(tries), early, late))
	w.figure("time to recover", fmt.Sprintf("%v until all were back", took.Round(time.Millisecond)))
	w.want(len(tries) >= n, "only %d attempts to connect were made", len(tries))
	w.want(late <= n/2, "%d of %d attempts fell into the same 100 ms, want half at most", late, 2*n)
	w.want(back && took < w.within(10*time.Second), "%d of %d connections were there %v after the broker was back", w.broker.connections(), 2*n, took)
	w.eventually(20*time.Second, "all workers to serve again", func() bool { return serving() == n })
	w.finish()
}

// crowded: the broker takes fewer connections than the app wants. Those that have
// none say why and try again without haste; the others work on.
func crowded(w *world) {
	const most = 20
	b := w.startRedis(maxClients(most))
	first := w.startAll(6) // two connections each
	caller := w.caller(w.url)
	l := w.ordinary(caller)
	l.rate, l.mix = 100, []kind{call, notify}
	t := w.begin(l)
	w.sleep(time.Second)
	var late []*worker
	for range 6 {
		late = append(late, w.start(0))
	}
	before := b.rejected()
	length := pick(w, 6*time.Second, 15*time.Second)
	w.sleep(length)
	rejected := b.rejected() - before
	waiting, told := 0, 0
	connected := b.connected()
	for _, p := range late {
		if connected[p.name] == 2 {
			continue
		}
		waiting++
		if strings.Contains(p.text(), "max number of clients") {
			told++
		}
	}
	for _, p := range first {
		code, _ := p.stop(15 * time.Second)
		w.want(code == 0, "%s ended with %d", p.name, code)
	}
	joined := w.until(15*time.Second, func() bool { return len(b.instances()) == len(late) && b.connections() == 2*len(late)+2 })
	t.settle(30 * time.Second)
	c := t.judge()
	perSecond := float64(rejected) / length.Seconds() / float64(max(1, waiting))
	w.figure("faults", fmt.Sprintf("maxclients %d, and 12 workers and a caller with 2 connections each", most))
	w.figure("without a connection", fmt.Sprintf("%d workers, %d of which say why in their log; %.1f attempts per second and worker", waiting, told, perSecond))
	c.show(w)
	c.demand(w)
	w.want(waiting > 0, "all workers found a connection")
	w.want(told == waiting, "%d workers without a connection, and the logs of %d say why", waiting, told)
	w.want(perSecond <= 5, "%.1f attempts per second and worker", perSecond)
	w.want(joined, "once there was room, %d of %d workers joined, with %d connections", len(b.instances()), len(late), b.connections()-2)
	w.zero("calls expired", c.expired)
	w.stopAll(15 * time.Second)
}

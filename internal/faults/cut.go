package main

import (
	"fmt"
	"time"
)

// A cable is one way in which the network misbehaves.
type cable struct {
	name   string // in the report
	toxics []toxic
	long   time.Duration
	short  time.Duration // 0: not in a short run
	slow   bool          // it is slow and no more: nobody may be declared dead
}

func cables() (all []cable) {
	hole := func(stream string) toxic {
		return toxic{Type: "timeout", Stream: stream, Attributes: map[string]int{"timeout": 0}}
	}
	up, down := hole("upstream"), hole("downstream")
	for _, long := range []time.Duration{5 * time.Second, 20 * time.Second} {
		short := long
		if long > 10*time.Second {
			short = 0
		}
		all = append(all,
			cable{name: fmt.Sprintf("nothing reaches the broker, %v", long), toxics: []toxic{up}, long: long, short: short},
			cable{name: fmt.Sprintf("nothing comes back, %v", long), toxics: []toxic{down}, long: long, short: short},
			cable{name: fmt.Sprintf("nothing passes, %v", long), toxics: []toxic{up, down}, long: long})
	}
	return append(all,
		cable{name: "nothing passes, 60s", toxics: []toxic{up, down}, long: time.Minute},
		cable{name: "reset every 500 ms", toxics: []toxic{{Type: "reset_peer", Stream: "downstream", Attributes: map[string]int{"timeout": 500}}}, long: 15 * time.Second, short: 4 * time.Second},
		cable{name: "3 bytes at a time", toxics: []toxic{{Type: "slicer", Stream: "downstream", Attributes: map[string]int{"average_size": 3, "size_variation": 1, "delay": 10}}}, long: 10 * time.Second, slow: true},
		cable{name: "cut after 30 kB", toxics: []toxic{{Type: "limit_data", Stream: "downstream", Attributes: map[string]int{"bytes": 30_000}}}, long: 15 * time.Second, short: 4 * time.Second},
		cable{name: "latency 200±100 ms", toxics: []toxic{
			{Type: "latency", Stream: "downstream", Attributes: map[string]int{"latency": 100, "jitter": 50}},
			{Type: "latency", Stream: "upstream", Attributes: map[string]int{"latency": 100, "jitter": 50}},
		}, long: 20 * time.Second, slow: true},
		cable{name: "64 kB/s", toxics: []toxic{
			{Type: "bandwidth", Stream: "downstream", Attributes: map[string]int{"rate": 64}},
			{Type: "bandwidth", Stream: "upstream", Attributes: map[string]int{"rate": 64}},
		}, long: 20 * time.Second, slow: true},
	)
}

// cut: the way to the broker is broken in every manner that a network has.
func cut(w *world) {
	w.startBroker()
	n := w.network()
	w.url = n.url
	w.startAll(4)
	one, two := w.caller(n.url), w.caller(n.url)
	if w.wire.leases {
		w.sleep(lease)
	}
	for i, c := range cables() {
		length := pick(w, c.short, c.long)
		if length == 0 {
			continue
		}
		w.say("%s", c.name)
		l := w.ordinary(one, two)
		l.timeout, l.mix, l.name = length+5*time.Second, []kind{call, notify}, fmt.Sprintf("%d-", i)
		if c.slow {
			l.rate = 100 // what 64 kB/s carry
		}
		t := w.begin(l)
		w.sleep(2 * time.Second)
		reaped := w.logged(tookOver) + w.logged(fenced)
		heal := n.poison(c.toxics...)
		w.sleep(length)
		heal()
		healed := time.Now()
		w.sleep(3 * time.Second)
		if !w.until(30*time.Second, func() bool { return t.firstOKAfter(healed) < time.Hour }) {
			w.want(false, "%s: nothing succeeded for 33 s afterwards", c.name)
		}
		t.settle(w.wire.patience)
		reaped = w.logged(tookOver) + w.logged(fenced) - reaped
		found := t.judge()
		w.figure(c.name, fmt.Sprintf("attempted %d, acknowledged %d, ok %d, refused %d, unknown %d, expired %d, dead %d; lost %d, started twice %d, unexpected %d, unresolved %d, late or second replies %d, stranded %d; declared dead %d; first success %v after",
			found.attempted, found.acknowledged, found.ok, found.refused, found.unknown, found.expired, found.dead, found.lost, found.started, found.unexpected,
			found.unresolved, found.second, found.stranded, reaped, t.firstOKAfter(healed).Round(time.Millisecond)))
		w.want(found.lost+found.unexpected+found.unresolved+found.stranded+found.answered == 0,
			"%s: lost %d, unexpected %d, unresolved %d, stranded %d, answered with an error %d: %v",
			c.name, found.lost, found.unexpected, found.unresolved, found.stranded, found.answered, found.missing)
		if w.wire.leases || c.slow {
			w.want(found.started == 0 || reaped > 0, "%s: %d were executed twice, though nobody was declared dead", c.name, found.started)
		}
		if c.slow {
			w.want(reaped == 0, "%s: %d were declared dead over a line that is slow", c.name, reaped)
		}
		w.want(t.firstOKAfter(healed) <= w.within(15*time.Second), "%s: nothing succeeded for %v afterwards", c.name, t.firstOKAfter(healed))
	}
	w.finish()
}

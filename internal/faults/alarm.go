package main

import (
	"fmt"
	"time"
)

// alarm: RabbitMQ raises its memory alarm, in which it takes no more messages from
// anybody. Callers are told so at once, workers hold their replies, whoever has to end
// can, and all goes on by itself.
func alarm(w *world) {
	b := w.startNode()
	w.startAll(4)
	leaver := w.caller(w.url)
	l := w.ordinary(w.caller(w.url), w.caller(w.url))
	l.mix = []kind{call, notify}
	t := w.begin(l)
	w.sleep(3 * time.Second)
	b.node.Alarm(true)
	raised := time.Now()
	w.sleep(pick(w, 4*time.Second, 15*time.Second))
	code, took := w.alive()[0].stop(w.within(10 * time.Second))
	w.ended("SIGTERM during the alarm", code, took)
	closing := time.Now()
	w.must(leaver.Close())
	w.figure("Close of a caller during the alarm", time.Since(closing))
	w.want(time.Since(closing) < w.within(5*time.Second), "a caller's Close took %v", time.Since(closing))
	w.sleep(pick(w, 2*time.Second, 15*time.Second))
	lowering := time.Now()
	b.node.Alarm(false)
	lowered := time.Now()
	w.sleep(3 * time.Second)
	t.settle(30 * time.Second)
	c := t.judge()

	// The first to publish learns of it; those that were on their way wait for its end.
	const learned = time.Second
	told, slow, patient := 0, time.Duration(0), 0
	for _, j := range t.all() {
		if j.sent.Before(raised.Add(learned)) || j.sent.After(lowering) || j.back.IsZero() {
			continue
		}
		if !refused(j.err) {
			patient++
			continue
		}
		told++
		slow = max(slow, j.back.Sub(j.sent))
	}
	w.figure("faults", fmt.Sprintf("a memory alarm of %v", lowered.Sub(raised).Round(time.Millisecond)))
	w.figure("during it", fmt.Sprintf("%d requests refused, after %v at most; others %d", told, slow.Round(time.Millisecond), patient))
	w.figure("time to recover", t.firstOKAfter(lowered))
	c.show(w)
	c.demand(w)
	w.want(told > 100, "%d requests were refused during the alarm", told)
	w.zero("requests that were not refused during the alarm", patient)
	w.want(slow < w.within(time.Second), "a request was refused only after %v", slow)
	w.zero("calls expired", c.expired)
	w.want(t.firstOKAfter(lowered) < w.within(5*time.Second), "nothing succeeded for %v after the alarm", t.firstOKAfter(lowered))
	w.want(len(w.alive()) == 3, "%d of 3 workers are alive", len(w.alive()))
	w.finish()
}

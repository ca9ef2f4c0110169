package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/transports"
)

// frozen: the broker stands still under load. Calls end at their deadlines, nobody is
// declared dead for it, and afterwards nothing is left of the time.
func frozen(w *world) {
	b := w.startOwn()
	w.startAll(4)
	one, two := w.caller(w.url), w.caller(w.url)
	l := w.ordinary(one, two)
	l.timeout, l.mix = 5*time.Second, []kind{call, call, call, notify}
	l.name = "warm-"
	warm := w.begin(l)
	w.sleep(pick(w, lease/2, lease) + beat)
	warm.settle(30 * time.Second)
	goroutines, connections := w.settledGoroutines(0), b.connections()

	l.name = "ice-"
	t := w.begin(l)
	big := w.bigCalls(one, 5*time.Second)
	w.sleep(2 * time.Second)
	length := pick(w, 12*time.Second, time.Minute)
	b.pause()
	w.sleep(length)
	b.resume()
	thawed := time.Now()
	w.sleep(lease)
	overrun, bigs := big()
	t.settle(w.wire.patience)
	c := t.judge()
	w.figure("faults", fmt.Sprintf("the broker stopped for %v", length))
	w.figure("time to recover", t.firstOKAfter(thawed))
	c.show(w)
	c.demand(w)
	w.figure("beyond their deadline", fmt.Sprintf("%v at most; %v at most of %d calls with 1 MB", c.overrun.Round(time.Millisecond), overrun.Round(time.Millisecond), bigs))
	w.want(max(c.overrun, overrun) <= w.within(time.Second), "a call outlived its deadline by %v", max(c.overrun, overrun))
	c.demandOnce(w)
	w.want(t.firstOKAfter(thawed) < w.within(w.wire.comeback), "nothing succeeded for %v after the thaw", t.firstOKAfter(thawed))
	w.nobodyReaped()
	after := w.settledGoroutines(goroutines)
	w.figure("left behind", fmt.Sprintf("goroutines of the callers %d before, %d after; connections %d before, %d after", goroutines, after, connections, b.connections()))
	w.want(after <= goroutines, "%d goroutines before and %d after", goroutines, after)
	w.want(b.connections() == connections, "%d connections before and %d after", connections, b.connections())
	w.finish()
}

// bigCalls has a few callers send a megabyte each time. The function returned ends
// that and says by how much a call outlived its deadline at most.
func (w *world) bigCalls(via transports.Caller, timeout time.Duration) (stop func() (overrun time.Duration, calls int)) {
	c := client.New(via, service, client.Timeout(timeout))
	text := map[string]string{"text": strings.Repeat("m", 1<<20)}
	ctx, cancel := context.WithCancel(w.ctx)
	var callers sync.WaitGroup
	var mu sync.Mutex
	var overrun time.Duration
	calls := 0
	for range 12 { // more than the buffers on the way hold
		callers.Go(func() {
			for ctx.Err() == nil {
				due := time.Now().Add(timeout)
				_ = c.Call(context.WithoutCancel(ctx), "length", text, nil)
				mu.Lock()
				overrun = max(overrun, time.Since(due))
				calls++
				mu.Unlock()
				select {
				case <-ctx.Done():
				case <-time.After(time.Second):
				}
			}
		})
	}
	return func() (time.Duration, int) {
		cancel()
		back := make(chan struct{})
		go func() { callers.Wait(); close(back) }()
		select {
		case <-back:
		case <-time.After(timeout + 20*time.Second):
			return 20 * time.Second, 0 // more, if they ever come back
		}
		return overrun, calls
	}
}

package main

import (
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/journeyman-go/journeyman/internal/brokertest"
)

// restart: the broker ends and comes back with what it had written down.
func restart(w *world) {
	var b broker
	if w.wire.name == "redis" {
		b = w.startRedis(brokertest.Args("--appendonly", "yes", "--appendfsync", "everysec"))
	} else {
		b = w.startOwn()
	}
	w.startAll(4)
	one, two := w.caller(w.url), w.caller(w.url)
	for _, way := range []struct {
		name   string
		signal syscall.Signal
	}{{"an orderly stop", syscall.SIGTERM}, {"kill -9", syscall.SIGKILL}} {
		l := w.ordinary(one, two)
		l.timeout, l.mix, l.name = 10*time.Second, []kind{call, notify}, fmt.Sprintf("signal%d-", way.signal)
		t := w.begin(l)
		w.sleep(4 * time.Second)
		down := time.Now()
		w.must(b.end(way.signal))
		w.eventually(20*time.Second, "the broker to end", func() bool { return gone(b.addr()) })
		w.sleep(2 * time.Second)
		b.revive()
		up := time.Now()
		w.sleep(5 * time.Second)
		t.settle(w.wire.patience)
		c := t.judge()
		w.figure("faults", fmt.Sprintf("the broker ended by %s, back after %v", way.name, up.Sub(down).Round(time.Millisecond)))
		w.figure("time to recover", t.firstOKAfter(up))
		early := 0 // lost of what was accepted more than a second before
		for _, j := range t.all() {
			if j.kind == notify && j.err == nil && j.back.Before(down.Add(-time.Second)) && len(w.ledger.ended(j.id)) == 0 {
				early++
			}
		}
		c.show(w)
		w.figure("lost", fmt.Sprintf("%d, of which accepted more than 1 s before the end: %d", c.lost, early))
		if way.signal == syscall.SIGKILL && w.wire.name == "redis" {
			c.lost = early // a power failure may take the last second with it; appendfsync everysec says so
		}
		c.demand(w)
		c.demandOnce(w)
		w.want(t.firstOKAfter(up) < w.within(w.wire.comeback), "nothing succeeded for %v after the restart", t.firstOKAfter(up))
	}
	w.nobodyReaped()
	w.finish()
}

// gone reports whether nobody listens at an address any more.
func gone(addr string) bool {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return true
	}
	_ = conn.Close()
	return false
}

package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/transports"
)

// unknown: calls and notifications for a service that does not exist fail at once, also
// right after the connection was made.
func unknown(w *world) {
	w.startBroker()
	w.startAll(1)
	var slowest time.Duration
	rounds := pick(w, 5, 20)
	for range rounds {
		via := w.caller(w.url)
		c := client.New(via, "nobody", client.Timeout(20*time.Second))
		for what, ask := range map[string]func() error{
			"a call":         func() error { return c.Call(w.ctx, "work", map[string]int{"ms": 1}, nil) },
			"a notification": func() error { return c.Notify(w.ctx, "work", map[string]int{"ms": 1}) },
		} {
			began := time.Now()
			err := ask()
			slowest = max(slowest, time.Since(began))
			w.want(errors.Is(err, transports.ErrNoService), "%s of a service that does not exist: %v, want ErrNoService", what, err)
		}
		w.must(via.Close())
	}
	w.figure("faults", fmt.Sprintf("%d callers that name a service which does not exist", rounds))
	w.figure("told after", fmt.Sprintf("%v at most, with the time to connect", slowest.Round(time.Millisecond)))
	w.want(slowest < w.within(time.Second), "a caller was told only after %v", slowest)
	w.finish()
}

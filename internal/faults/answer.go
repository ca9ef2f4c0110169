package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/transports"
)

// answer: the connection breaks between a command and its answer, at each of the
// commands on a request's way. It was done or it was not, and is not done again.
func answer(w *world) {
	b := w.startRedis()
	workers, callers := w.tap(), w.tap()
	w.url = workers.url
	w.startAll(1)
	via := w.caller(callers.url)
	c := client.New(via, service, client.Timeout(40*time.Second))
	var reply done
	w.must(c.Call(w.ctx, "work", map[string]any{"id": "first", "ms": 1}, &reply)) // all connections are made
	for _, lost := range []struct {
		name   string
		tap    *tap
		up     bool
		notify bool
		limit  time.Duration
	}{
		{"hand-over of a notification (LPUSH)", callers, true, true, 5 * time.Second},
		{"hand-over of a call (LPUSH)", callers, true, false, 5 * time.Second},
		{"delivery to the worker (BLMOVE)", workers, false, false, 20 * time.Second},
		{"settlement (settle.lua)", workers, true, false, 20 * time.Second},
	} {
		id := fmt.Sprintf("answer-%d", len(lost.name))
		token := id
		if lost.name[0] == 's' { // what settles names the request after it was delivered
			token = "" // armed below
		}
		var caught <-chan struct{}
		if token != "" {
			caught = lost.tap.lose(token, lost.up)
		}
		began := time.Now()
		result := make(chan error, 1)
		go func() {
			params := map[string]any{"id": id, "ms": 300}
			if lost.notify {
				result <- c.Notify(w.ctx, "work", params)
				return
			}
			var reply done
			err := c.Call(w.ctx, "work", params, &reply)
			if err == nil && reply.ID != id {
				err = fmt.Errorf("the answer is %q's", reply.ID)
			}
			result <- err
		}()
		if token == "" {
			w.eventually(10*time.Second, id+" to start", func() bool { return len(w.ledger.started(id)) > 0 })
			caught = lost.tap.lose(id, true)
		}
		select {
		case <-caught:
		case <-time.After(10 * time.Second):
			panic(halt{lost.name + ": never seen"})
		}
		ran := w.until(lost.limit, func() bool { return len(w.ledger.ended(id)) > 0 })
		took := time.Since(began)
		err := <-result
		w.sleep(time.Second)
		starts := len(w.ledger.started(id))
		w.figure("answer lost to "+lost.name, fmt.Sprintf("executed %d times, after %v; the caller was told %v", starts, took.Round(time.Millisecond), told(err)))
		w.want(ran && starts == 1, "%s: executed %d times within %v, want once", lost.name, starts, lost.limit)
		if lost.notify {
			w.want(errors.Is(err, transports.ErrUnknownOutcome), "%s: the sender was told %v, want ErrUnknownOutcome", lost.name, err)
		} else {
			w.want(err == nil, "%s: the caller was told %v", lost.name, err)
		}
	}
	w.figure("found by the audit", w.logged("delivery was cut off"))
	w.want(w.logged("delivery was cut off") > 0, "no worker found the request whose delivery was lost")
	w.nobodyReaped()
	w.want(w.until(10*time.Second, func() bool { return len(b.holding()) == 0 }), "left in the broker: %v", b.holding())
	w.zero("late or second replies", lateReplies(via))
	w.finish()
}

func told(err error) string {
	if err == nil {
		return "that it went well"
	}
	return err.Error()
}

package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/journeyman-go/journeyman/client"
)

// queued: requests pile up while no worker is there. One comes and answers all of
// them, in the order in which they came.
func queued(w *world) {
	b := w.startBroker()
	caller := w.caller(w.url)
	c := client.New(caller, service, client.Timeout(5*time.Minute))
	const together, slots = 50, 64
	total := pick(w, 1000, 5000)
	most := pick(w, 20, 275)
	var calls sync.WaitGroup
	var failed, wrong atomic.Int64
	position := map[string]int{}
	for n := 0; n < total; n += together {
		for i := n; i < n+together; i++ {
			id := fmt.Sprintf("queued-%d", i)
			position[id] = i
			calls.Go(func() {
				reply, err := client.Result[done](w.ctx, c, "work", map[string]any{"id": id, "ms": 5 + i*7919%most})
				switch {
				case err != nil:
					failed.Add(1)
				case reply.ID != id:
					wrong.Add(1)
				}
			})
		}
		w.eventually(20*time.Second, "requests to be in the queue", func() bool {
			return b.waiting() >= n+together
		})
	}
	began := time.Now()
	w.start(0)
	calls.Wait()
	took := time.Since(began)

	w.ledger.update()
	// Who started before somebody that came earlier: by how many places?
	inversions, farthest, latest := 0, 0, 0
	for _, id := range w.ledger.order {
		if p := position[id]; p < latest {
			inversions++
			farthest = max(farthest, latest-p)
		} else {
			latest = p
		}
	}
	tolerance := slots + together
	w.figure("faults", fmt.Sprintf("%d calls made with no worker up", total))
	w.figure("requests", fmt.Sprintf("attempted %d, ok %d, failed %d, unexpected %d", total, total-int(failed.Load()+wrong.Load()), failed.Load(), wrong.Load()))
	w.figure("order", fmt.Sprintf("%d started after a later one, by %d places at most (at once there are %d, sent together were %d)", inversions, farthest, slots, together))
	w.figure("drained", fmt.Sprintf("in %v by one worker", took.Round(time.Millisecond)))
	w.zero("calls that failed", int(failed.Load()))
	w.zero("unexpected", int(wrong.Load()))
	w.want(len(w.ledger.order) == total, "%d of %d requests ran", len(w.ledger.order), total)
	w.want(farthest <= tolerance, "a request started %d places late, want %d at most", farthest, tolerance)
	w.finish()
}

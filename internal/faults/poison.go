package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/transports"
)

// poison: a message that ends every worker which runs it. It ends a few, is put
// away with its history, takes nobody with it, and runs once the app is fixed.
func poison(w *world) {
	w.startBroker()
	// Each worker may have 4 GiB of addresses, and a request 1 s: that ends runaway
	// memory and, ten times as long after its grace, a worker with an endless loop.
	start := func(env ...string) *worker { return w.start(4<<20, append(env, "JOURNEYMAN_TIMEOUT=1s")...) }
	for range 4 {
		start().awaitServing()
	}
	keeper := w.keepUp(4, start)
	caller := w.caller(w.url)
	l := w.ordinary(caller, w.caller(w.url))
	l.rate, l.mix = 100, []kind{call, notify}
	t := w.begin(l)
	if w.wire.leases {
		w.sleep(lease)
	}
	kinds := pick(w, []string{"exit"}, []string{"exit", "memory", "loop"})
	ids := map[string]string{} // of the dead letters, by poison
	for _, kind := range kinds {
		id := "poison-is-" + kind
		before := keeper.died()
		sent := time.Now()
		err := client.New(caller, service).Notify(w.ctx, "poison", map[string]string{"id": id, "kind": kind})
		w.must(err)
		var letter transports.DeadLetter
		found := w.until(2*time.Minute, func() bool {
			var ok bool
			letter, ok = w.letter(caller, id)
			return ok
		})
		w.want(found, "%s is not in the dead-letter list after 2 minutes", kind)
		if !found {
			continue
		}
		w.sleep(2 * time.Second) // for a last process to die
		died := keeper.died() - before
		w.figure(kind, fmt.Sprintf("run %d times, %d processes died, in the dead-letter list after %v: %q, %d deaths, %d in its history",
			len(w.ledger.started(id)), died, time.Since(sent).Round(time.Second), letter.Reason, letter.Deaths, len(letter.Message.History)))
		w.want(died <= 4, "%s ended %d processes, want 4 at most", kind, died)
		w.want(len(letter.Message.History) > 0 && letter.Reason != "", "%s lies there without history or reason", kind)
		ids[id] = letter.ID
	}
	t.settle(60 * time.Second)
	keeper.stop()
	c := t.judge()
	c.show(w)
	c.demand(w)
	w.zero("bystanders in the dead-letter list", len(w.deadIDs())-len(ids))
	w.repaired(caller, ids)
}

// letter returns the dead letter of the poison called id.
func (w *world) letter(via any, id string) (found transports.DeadLetter, ok bool) {
	queue, is := via.(transports.DeadLetterQueue)
	if !is {
		panic(halt{"this transport has no dead-letter list"})
	}
	err := queue.DeadLetters(w.ctx, service, func(l transports.DeadLetter) bool {
		ok = containsID(l.Message.Body, id)
		found = l
		return !ok
	})
	w.must(err)
	return found, ok
}

// repaired starts the app anew, fixed, and wants its dead letters to run.
func (w *world) repaired(via any, ids map[string]string) {
	w.stopAll(15 * time.Second)
	w.start(0, "FIXED=1").awaitServing()
	var letters []string
	for _, letter := range ids {
		letters = append(letters, letter)
	}
	n, err := via.(transports.DeadLetterQueue).RetryDead(w.ctx, service, letters...)
	w.must(err)
	w.want(n == len(ids), "%d of %d dead letters were found for their retry", n, len(ids))
	for id := range ids {
		ran := w.until(20*time.Second, func() bool { return len(w.ledger.ended(id)) > 0 })
		w.want(ran, "%s did not run after the app was fixed", id)
	}
	w.figure("after the fix", fmt.Sprintf("%d of %d retried and run", n, len(ids)))
	w.zero("dead letters left", len(w.broker.deadLetters()))
	w.finish()
}

// A keeper puts a new worker in the place of each that ends by itself, as a
// platform does.
type keeper struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
	mu     sync.Mutex
	deaths int
}

func (w *world) keepUp(n int, start func(...string) *worker) *keeper {
	ctx, cancel := context.WithCancel(w.ctx)
	k := &keeper{cancel: cancel}
	k.done.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for ctx.Err() == nil {
			for range n - len(w.alive()) {
				k.mu.Lock()
				k.deaths++
				k.mu.Unlock()
				start()
			}
			select {
			case <-ctx.Done():
			case <-ticker.C:
			}
		}
	})
	return k
}

func (k *keeper) died() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.deaths
}

func (k *keeper) stop() {
	k.cancel()
	k.done.Wait()
}

func containsID(body []byte, id string) bool {
	return slices.Contains(idsIn(body), id)
}

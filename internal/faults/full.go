package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/journeyman-go/journeyman/client"
	"github.com/journeyman-go/journeyman/internal/brokertest"
	"github.com/journeyman-go/journeyman/transports"
)

// full: Redis has reached its maxmemory and refuses what would need more. Callers
// are told so at once, workers drain all the same, and all goes on by itself.
func full(w *world) {
	b := w.startRedis(brokertest.Args("--maxmemory", "16mb", "--maxmemory-policy", "noeviction"))
	caller := w.caller(w.url)

	// Full before any worker is up: the queue itself has filled it.
	sent, err := w.fillQueue(client.New(caller, service))
	told := (errors.Is(err, transports.ErrUnavailable) || errors.Is(err, transports.ErrBusy)) && strings.Contains(err.Error(), "memory")
	w.figure("callers are told", err)
	w.want(told, "callers of a full broker are told %v, want ErrUnavailable or ErrBusy and a word on memory", err)
	b.fill()
	began := time.Now()
	w.startAll(2)
	drained := w.until(60*time.Second, func() bool {
		for _, id := range sent {
			if len(w.ledger.ended(id)) == 0 {
				return false
			}
		}
		return true
	})
	w.figure("drained while full", fmt.Sprintf("%d requests in %v", len(sent), time.Since(began).Round(time.Millisecond)))
	w.want(drained && len(sent) > 0, "workers that were started beside a full broker did not run the %d requests in its queue", len(sent))
	b.empty()

	// Full while workers run, for longer than a lease.
	w.startAll(2)
	l := w.ordinary(caller, w.caller(w.url))
	l.timeout = 30 * time.Second
	l.mix = []kind{call, notify}
	t := w.begin(l)
	w.sleep(3 * time.Second)
	began = time.Now()
	filled := b.keepFull(w)
	w.sleep(pick(w, 12*time.Second, 25*time.Second))
	filled()
	emptied := time.Now()
	w.sleep(3 * time.Second)
	t.settle(30 * time.Second)
	c := t.judge()
	w.figure("faults", fmt.Sprintf("full for %v", emptied.Sub(began).Round(time.Millisecond)))
	w.figure("time to recover", t.firstOKAfter(emptied))
	c.show(w)
	c.demand(w)
	w.want(c.refused > 0, "nobody was refused, so the broker was not full")
	w.want(t.firstOKAfter(emptied) < 3*time.Second, "nothing succeeded for %v after the broker had room again", t.firstOKAfter(emptied))
	w.zero("calls expired", c.expired)
	w.zero("second replies", c.second)
	w.nobodyReaped()
	w.want(len(w.alive()) == 4, "%d of 4 workers are alive", len(w.alive()))
	w.finish()
}

// fillQueue sends large notifications until one is refused, and returns what was
// accepted and the refusal.
func (w *world) fillQueue(c *client.Client) (sent []string, err error) {
	padding := strings.Repeat("x", 64<<10)
	for n := range 2000 {
		id := fmt.Sprintf("fill-%d", n)
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Second)
		err := c.Notify(ctx, "work", map[string]any{"id": id, "ms": 10, "padding": padding})
		cancel()
		if err != nil {
			return sent, err
		}
		sent = append(sent, id)
	}
	return sent, nil
}

// fill takes the memory that is left, in ever smaller pieces.
func (b *redisBroker) fill() {
	ctx := context.Background()
	for size := 1 << 20; size >= 16; size /= 2 {
		for n := 0; ; n++ {
			err := b.client.Append(ctx, "filler", strings.Repeat("f", size)).Err()
			if err != nil {
				break
			}
			if n > 1<<12 {
				break
			}
		}
	}
}

// keepFull fills the broker again as soon as something has been freed, until the
// returned function empties it.
func (b *redisBroker) keepFull(w *world) (stop func()) {
	ctx, cancel := context.WithCancel(w.ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for ctx.Err() == nil {
			b.fill()
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() {
		cancel()
		<-stopped
		b.empty()
	}
}

func (b *redisBroker) empty() { _ = b.client.Del(context.Background(), "filler").Err() }

// firstOKAfter returns how long after a moment the first request that was sent
// after it succeeded.
func (t *traffic) firstOKAfter(moment time.Time) time.Duration {
	first := time.Hour
	for _, j := range t.all() {
		if j.sent.After(moment) && j.err == nil && !j.back.IsZero() {
			first = min(first, j.back.Sub(moment))
		}
	}
	return first
}

// evict: a broker that may throw messages away is not taken without a word.
func evict(w *world) {
	for _, policy := range []string{"allkeys-lru", "volatile-ttl", "noeviction"} {
		w.startRedis(brokertest.Args("--maxmemory", "64mb", "--maxmemory-policy", policy))
		p := w.start(0)
		warned := w.until(10*time.Second, func() bool {
			return strings.Contains(p.text(), "maxmemory-policy") || (policy == "noeviction" && p.serving())
		})
		said := strings.Contains(p.text(), "maxmemory-policy")
		w.figure(policy, map[bool]string{true: "warned about", false: "nothing said"}[said])
		if policy == "allkeys-lru" {
			w.want(warned && said, "a worker starts beside %s and its log says nothing of maxmemory-policy", policy)
		}
		if policy == "noeviction" {
			w.want(!said, "a worker complains about noeviction")
		}
		p.stop(15 * time.Second)
	}
}

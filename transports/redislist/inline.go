package redislist

import (
	"sync"
	"sync/atomic"
	"time"
)

// A message that comes alone is run by the goroutine that takes messages, which goes on
// taking when the handler has returned: to wake another one for that would cost more than
// a short handler does. What came of it leaves in one write with the next move.
//
// That holds the queue up, so it is done only where the last messages were all done soon,
// and it ends when the handler waits for something, as far as asking for its context's
// Done shows that, or when it has run for a tick: then another goroutine goes on.
type inline struct {
	short atomic.Int64 // how many were done soon, less for each that was not

	mu         sync.Mutex // guards what follows
	order      uint64     // of the entry whose handler holds taking up; 0: none does
	settlement *settlement
	timer      *time.Timer
	ticking    bool
	seen       uint64 // what order was at the last tick
}

// inlineFrom is how many must have been done soon.
const inlineFrom = 16

// handle runs a message that came alone. It reports whether the calling goroutine is
// still the one to go on.
func (t *taking) handle(e *entry) (goOn bool) {
	s, in := t.fetcher.server, &t.inline
	e.taking = t
	if in.short.Load() < inlineFrom {
		s.pool.Do(job{taking: t})
		s.runHandler(t.worker, e)
		return false
	}
	t.holdUp(e)
	s.runHandler(t.worker, e)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.order != e.order {
		return false
	}
	t.fetcher.carried = in.settlement
	in.order, in.settlement = 0, nil
	return true
}

func (t *taking) holdUp(e *entry) {
	in := &t.inline
	in.mu.Lock()
	defer in.mu.Unlock()
	in.order = e.order
	if in.ticking {
		return
	}
	in.ticking = true
	tick := t.fetcher.timing.tick
	if in.timer == nil {
		in.timer = time.AfterFunc(tick, t.tick)
	} else {
		in.timer.Reset(tick)
	}
}

// tick looks after handlers for as long as there are some: one timer for each would wake
// a thread for each.
func (t *taking) tick() {
	in := &t.inline
	in.mu.Lock()
	late, order := in.order != 0 && in.order == in.seen, in.order
	in.ticking = in.seen != in.order && !late
	in.seen = in.order
	if in.ticking {
		in.timer.Reset(t.fetcher.timing.tick)
	}
	in.mu.Unlock()
	if late {
		t.handOver(order)
	}
}

// handOver has another goroutine go on, unless the handler of the message with that order
// holds nobody up.
func (t *taking) handOver(order uint64) {
	in, s := &t.inline, t.fetcher.server
	in.mu.Lock()
	holds, out := in.order == order, in.settlement
	if holds {
		in.order, in.settlement = 0, nil
		in.short.Store(0)
	}
	in.mu.Unlock()
	if !holds {
		return
	}
	if out != nil {
		s.commands.addSettlement(out)
		s.commands.signal()
	}
	s.pool.Do(job{taking: t})
}

// carry keeps a settlement for the next move. It returns false where the goroutine that
// takes messages is not the one that comes from its handler.
func (t *taking) carry(out *settlement) bool {
	in := &t.inline
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.order != out.entry.order || !out.isPlain() {
		return false
	}
	in.settlement = out
	return true
}

// note remembers how long a handler took. One of many that took longer may have had to
// wait for a processor.
func (t *taking) note(took time.Duration) {
	short := &t.inline.short
	switch n := short.Load(); {
	case took > t.fetcher.timing.soon:
		short.Store(n / 2)
	case n < 4*inlineFrom:
		short.Store(n + 1)
	}
}

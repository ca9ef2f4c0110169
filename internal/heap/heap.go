// Package heap has small processes collect their garbage less often.
//
// Go lets a heap double before it collects, and collects every 4 MB of garbage where
// next to nothing is alive. That is what a process does that answers requests: at full
// speed a sixth of its time goes into collections that find nothing to keep.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
)

const (
	// room is how far a heap may grow at least, in bytes, before it is collected.
	room = 16 << 20

	usual = 100 // percent, Go's own
	most  = 400 // with which Go collects no sooner than at 16 MB
)

// A tuner changes the percentage after each collection.
type tuner struct {
	mu      sync.Mutex // guards what follows
	stopped bool
	percent int
}

// A bell is unreachable, so that each collection rings it.
type bell struct{ _ [16]byte }

// Tune gives the heap room to grow until stop is called. Large heaps, those with more
// alive than that, are collected as ever, and GOMEMLIMIT holds. gogc is what the user
// has set GOGC to: unless it is empty that counts, and nothing is done.
func Tune(gogc string) (stop func()) {
	if gogc != "" {
		return func() {}
	}
	t := &tuner{percent: usual}
	t.adjust()
	t.hang(new(bell))
	return t.stop
}

func (t *tuner) hang(b *bell) {
	runtime.SetFinalizer(b, func(b *bell) {
		if t.adjust() {
			t.hang(b)
		}
	})
}

// adjust reports whether there is a next time.
func (t *tuner) adjust() bool {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	percent := most
	if alive := live[0].Value.Uint64(); alive > 0 {
		percent = int(min(most, max(usual, room*100/alive)))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	// It stops the world for a moment, so not for a change of a few percent.
	if change := percent - t.percent; !t.stopped && (change > percent/8 || -change > percent/8) {
		t.percent = percent
		debug.SetGCPercent(percent)
	}
	return !t.stopped
}

func (t *tuner) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	debug.SetGCPercent(usual)
}

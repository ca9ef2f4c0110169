// Package heap has small processes collect their garbage less often.
//
// Go lets a heap double before it collects, and collects every 4 MB of garbage where
// next to nothing is alive. That is what a process does that answers requests: at full
// speed a sixth of its time goes into collections that find nothing to keep. One that has
// little to do keeps Go's ways: it would spend more on memory that it has not used before.
package heap

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"time"
)

const (
	// room is how far a heap that is collected often may grow at least, in bytes.
	room = 16 << 20

	usual = 100 // percent, Go's own
	most  = 400 // with which Go collects no sooner than at 16 MB

	least = 4 << 20                // bytes that Go lets a heap grow by its own ways
	often = 250 * time.Millisecond // collections that come no sooner cost next to nothing
)

// A tuner changes the percentage after each collection.
type tuner struct {
	mu      sync.Mutex // guards what follows
	stopped bool
	percent int
	last    time.Time // when it was adjusted last
	made    uint64    // bytes of all that had ever been allocated by then
}

// A bell is unreachable, so that each collection rings it.
type bell struct{ _ [16]byte }

// Tune gives the heap room to grow, where it is collected often, until stop is called. Large heaps, those with more
// alive than that, are collected as ever, and GOMEMLIMIT holds. gogc is what the user
// has set GOGC to: unless it is empty that counts, and nothing is done.
func Tune(gogc string) (stop func()) {
	if gogc != "" {
		return func() {}
	}
	_, made := read()
	t := &tuner{percent: usual, last: time.Now(), made: made}
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

// read returns how many bytes the last collection has left, and how many were ever allocated.
func read() (alive, made uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64()
}

// adjust reports whether there is a next time.
func (t *tuner) adjust() bool {
	alive, made := read()
	t.mu.Lock()
	defer t.mu.Unlock()
	percent := t.fitting(alive, made, time.Now())
	// It stops the world for a moment, so not for a change of a few percent.
	if change := percent - t.percent; !t.stopped && (change > percent/8 || -change > percent/8) {
		t.percent = percent
		debug.SetGCPercent(percent)
	}
	return !t.stopped
}

// fitting returns the percentage for a heap with so many bytes alive, when so many have
// been allocated in all.
func (t *tuner) fitting(alive, made uint64, now time.Time) int {
	rate := float64(made-t.made) / now.Sub(t.last).Seconds()
	t.last, t.made = now, made
	switch {
	case rate*often.Seconds() <= float64(max(alive, least)):
		return usual
	case alive == 0:
		return most
	}
	return int(min(most, max(usual, room*100/alive)))
}

func (t *tuner) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
	debug.SetGCPercent(usual)
}

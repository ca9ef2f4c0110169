package redislist

import (
	"sync"
	"sync/atomic"
	"time"
)

// A clock estimates the broker's time, by which deadlines on the wire are judged.
// It runs on this machine's monotonic clock between readings, so that a step of
// the wall clock expires nothing.
type clock struct {
	mu   sync.Mutex // held while one is set
	last atomic.Pointer[reading]
}

type reading struct {
	broker time.Time
	local  time.Time // when it was taken
}

// A reading that took longer than this says too little about when it was taken.
const slowReading = 250 * time.Millisecond

// set records that the broker's time, in Unix milliseconds, was read between
// before and now.
func (c *clock) set(ms int64, before time.Time) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	took := now.Sub(before)
	if last := c.last.Load(); took > slowReading && last != nil {
		// It was taken at some time in between; believe it only where the
		// estimate cannot be right.
		read := time.UnixMilli(ms)
		earliest := last.broker.Add(before.Sub(last.local))
		if !read.Before(earliest.Add(-slowReading)) && !read.After(earliest.Add(took+slowReading)) {
			return
		}
	}
	c.last.Store(&reading{broker: time.UnixMilli(ms), local: before.Add(took / 2)})
}

// isKnown reports whether it was ever set.
func (c *clock) isKnown() bool { return c.last.Load() != nil }

// toBroker translates a local time. Without a reading the clocks are taken to agree.
func (c *clock) toBroker(t time.Time) time.Time {
	last := c.last.Load()
	if last == nil {
		return t
	}
	return last.broker.Add(t.Sub(last.local))
}

// toLocal translates a time of the broker's.
func (c *clock) toLocal(t time.Time) time.Time {
	last := c.last.Load()
	if last == nil {
		return t
	}
	return last.local.Add(t.Sub(last.broker))
}

func (c *clock) now() time.Time { return c.toBroker(time.Now()) }

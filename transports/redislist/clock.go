package redislist

import (
	"sync"
	"time"
)

// A clock estimates the broker's time, by which deadlines on the wire are judged.
// It runs on this machine's monotonic clock between readings, so that a step of
// the wall clock expires nothing.
type clock struct {
	mu     sync.Mutex
	broker time.Time // the last reading
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
	if took > slowReading && !c.local.IsZero() {
		// It was taken at some time in between; believe it only where the
		// estimate cannot be right.
		read := time.UnixMilli(ms)
		earliest := c.broker.Add(before.Sub(c.local))
		if !read.Before(earliest.Add(-slowReading)) && !read.After(earliest.Add(took+slowReading)) {
			return
		}
	}
	c.broker, c.local = time.UnixMilli(ms), before.Add(took/2)
}

// read reports whether the clock was ever set, and the last reading.
func (c *clock) read() (broker, local time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broker, c.local, !c.local.IsZero()
}

// toBroker translates a local time. Without a reading the clocks are taken to agree.
func (c *clock) toBroker(t time.Time) time.Time {
	broker, local, ok := c.read()
	if !ok {
		return t
	}
	return broker.Add(t.Sub(local))
}

// toLocal translates a time of the broker's.
func (c *clock) toLocal(t time.Time) time.Time {
	broker, local, ok := c.read()
	if !ok {
		return t
	}
	return local.Add(t.Sub(broker))
}

func (c *clock) now() time.Time { return c.toBroker(time.Now()) }

package rabbitmq

import (
	"sync"
	"sync/atomic"
	"time"
)

// A recent remembers when something was last so.
type recent[K comparable] struct {
	mu   sync.RWMutex
	last map[K]*atomic.Int64 // in Unix nanoseconds
}

// mostRecalled bounds what is remembered: anybody can think of methods.
const mostRecalled = 1024

func (r *recent[K]) get(k K) *atomic.Int64 {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.last[k]
}

// note remembers that it was so at a time.
func (r *recent[K]) note(k K, at time.Time) {
	last := r.get(k)
	if last == nil {
		last = new(atomic.Int64)
		r.mu.Lock()
		if r.last == nil || len(r.last) >= mostRecalled {
			r.last = make(map[K]*atomic.Int64)
		}
		r.last[k] = last
		r.mu.Unlock()
	}
	last.Store(at.UnixNano())
}

func (r *recent[K]) forget(k K) {
	if r.get(k) == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, k)
}

// within reports whether it was so less than a time ago.
func (r *recent[K]) within(k K, ago time.Duration, now time.Time) bool {
	last := r.get(k)
	if last == nil {
		return false
	}
	passed := now.UnixNano() - last.Load()
	return passed >= 0 && passed < int64(ago) // less than 0: the clock was set back
}

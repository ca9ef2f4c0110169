package rabbitmq

import (
	"sync"
	"sync/atomic"
	"time"
)

// A route is what the exchanges route by.
type route struct{ service, method string }

// Shortcuts are routes of which this process knows that they lead to the service's own
// queue, since the reply to a request that went by the exchanges has told so just now. The
// next ones are published to the queue itself, which saves the broker 5 % of a message.
//
// A method may be given a queue of its own at any time. So a shortcut lasts for a moment,
// and those who take it do not make it last longer: one request in that time goes by the
// exchanges again.
type shortcuts struct {
	mu    sync.RWMutex
	taken map[route]*atomic.Int64 // when a request that was answered went that way, in Unix nanoseconds
}

const (
	shortcutLasts = time.Second
	mostShortcuts = 1024 // anybody can think of methods
)

// note is told of a request that was sent then by the exchanges and came to its service's queue.
func (s *shortcuts) note(r route, sent time.Time) {
	s.mu.RLock()
	last := s.taken[r]
	s.mu.RUnlock()
	if last == nil {
		last = new(atomic.Int64)
		s.mu.Lock()
		if s.taken == nil || len(s.taken) >= mostShortcuts {
			s.taken = make(map[route]*atomic.Int64)
		}
		s.taken[r] = last
		s.mu.Unlock()
	}
	last.Store(sent.UnixNano())
}

// has reports whether a request may be published to its service's queue.
func (s *shortcuts) has(r route, now time.Time) bool {
	s.mu.RLock()
	last := s.taken[r]
	s.mu.RUnlock()
	if last == nil {
		return false
	}
	ago := now.UnixNano() - last.Load()
	return ago >= 0 && ago < int64(shortcutLasts) // less than 0: the clock was set back
}

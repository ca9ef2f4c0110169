package gateway

import "sync"

// mostStreams is how many streams of events one caller may have open at once: each asks the
// broker for as long as it lasts.
const mostStreams = 32

// streams counts those that are open, by whose they are.
type streams struct {
	mu   sync.Mutex
	open map[string]int
}

// begin counts one more and returns what ends it; ok is false where there are enough.
func (s *streams) begin(whose string) (end func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[whose] >= mostStreams {
		return nil, false
	}
	if s.open == nil {
		s.open = make(map[string]int)
	}
	s.open[whose]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.open[whose]--; s.open[whose] == 0 {
			delete(s.open, whose)
		}
	}, true
}

package rabbitmq

import (
	"sync"
	"time"
)

// A queue refuses messages when it is full; but a quorum queue also does for the
// moment in which it elects its leader, above all when it has just been declared. So
// what is refused is tried again a few times, unless the queue was full just now: a
// service that is overrun need not be asked four times for each call.
const mostRefusals = 4

// fullFor is how long a queue that was found full is taken for full.
const fullFor = time.Second

// refusals remembers which services' queues were full.
type refusals struct {
	mu   sync.Mutex
	full map[string]time.Time
}

// again reports whether a message that was refused so many times is worth another try,
// and how long to wait before.
func (r *refusals) again(service string, times int) (wait time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if times >= mostRefusals || time.Since(r.full[service]) < fullFor {
		if r.full == nil {
			r.full = make(map[string]time.Time)
		}
		r.full[service] = time.Now()
		return 0, false
	}
	return 10 * time.Millisecond << (2 * times), true // 40 ms, 160 ms, 640 ms
}

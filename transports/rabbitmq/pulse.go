package rabbitmq

import (
	"sync"
	"sync/atomic"
	"time"
)

// A pulse knows which services have answered this process just now.
//
// A request to a service that answers needs no expiration: whoever takes it drops it by
// what it says itself once its time is over, and a quorum queue spends on messages that expire a
// quarter more, as it writes their headers twice and sets a timer for each. A request that
// nobody may come to take for long needs it, or the queue would fill with calls that
// have ended.
type pulse struct{ services sync.Map } // name -> *atomic.Int64, when it answered last, in Unix nanoseconds

// pulseLasts bounds how many requests without an expiration a service leaves in its queue
// that has ceased to answer: those of so long.
const pulseLasts = time.Second

func (p *pulse) beat(service string, now time.Time) {
	last, ok := p.services.Load(service)
	if !ok {
		last, _ = p.services.LoadOrStore(service, new(atomic.Int64))
	}
	last.(*atomic.Int64).Store(now.UnixNano())
}

// lives remembers nothing of a service that has never answered: anybody can think of names.
func (p *pulse) lives(service string, now time.Time) bool {
	last, ok := p.services.Load(service)
	if !ok {
		return false
	}
	silent := now.UnixNano() - last.(*atomic.Int64).Load()
	return silent >= 0 && silent < int64(pulseLasts) // less than 0: the clock was set back
}

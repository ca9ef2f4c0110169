package rabbitmq

import (
	"sync"
	"sync/atomic"
	"time"
)

// A pulse knows which services have answered this process just now.
//
// A request to a service that answers needs no expiration: whoever takes it drops it by
// its header once its time is over, and a quorum queue spends on messages that expire a
// quarter more, as it writes their headers twice and sets a timer for each. A request that
// nobody may come to take for long needs it, or the queue would fill with calls that
// have ended.
type pulse struct{ services sync.Map } // name -> *atomic.Int64, when it answered last, in Unix nanoseconds

// pulseLasts bounds how many requests without an expiration a service leaves in its queue
// that has ceased to answer: those of so long.
const pulseLasts = time.Second

func (p *pulse) of(service string) *atomic.Int64 {
	last, ok := p.services.Load(service)
	if !ok {
		last, _ = p.services.LoadOrStore(service, new(atomic.Int64))
	}
	return last.(*atomic.Int64)
}

func (p *pulse) beat(service string, now time.Time) { p.of(service).Store(now.UnixNano()) }

func (p *pulse) lives(service string, now time.Time) bool {
	return now.UnixNano()-p.of(service).Load() < int64(pulseLasts)
}

package memory

import (
	"fmt"
	"sync"

	"github.com/journeyman-go/journeyman/transports"
)

// A Broker holds the queues that the transports opened on it share. Its methods
// may be called from any goroutine.
type Broker struct {
	mu       sync.Mutex        // guards everything below, and the queues', jobs' and workers' fields
	services map[string]*queue // by name
	boxes    map[string]*box   // by name
}

// New returns a broker with no queues.
func New() *Broker {
	return &Broker{services: map[string]*queue{}, boxes: map[string]*box{}}
}

func (b *Broker) queueLocked(service string) *queue {
	q := b.services[service]
	if q == nil {
		q = newQueue()
		b.services[service] = q
	}
	return q
}

// announcedLocked returns the queue of a service that some process has announced.
func (b *Broker) announcedLocked(service string) (*queue, error) {
	q := b.services[service]
	if q == nil || !q.announced {
		return nil, fmt.Errorf("%w: no process ever announced %q here", transports.ErrNoService, service)
	}
	return q, nil
}

func (b *Broker) announceLocked(names ...string) {
	for _, name := range names {
		b.queueLocked(name).announced = true
	}
}

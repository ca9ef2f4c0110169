package httprpc

import (
	"context"
	"sync"

	"github.com/journeyman-go/journeyman/transports"
)

// A desk is one service at the door: so many messages at once, and a waiting room.
type desk struct {
	service transports.Service
	values  context.Context // of Serve, for handlers
	slots   chan struct{}
	places  int   // slots and waiting room together
	room    int64 // bytes that bodies may take while they wait

	stopping chan struct{} // closed when no more are taken
	work     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	stopped bool
	inside  int   // messages, from their first byte to their outcome
	held    int64 // bytes of those that have no slot yet
}

func newDesk(values context.Context, s transports.Service, o Options) *desk {
	return &desk{
		service: s, values: values, slots: make(chan struct{}, s.Slots),
		places: s.Slots + o.MaxQueue, room: max(64<<20, 8*int64(o.MaxMessage)),
		stopping: make(chan struct{}),
	}
}

// admit gives a message of so many bytes a place, or returns why there is none. Who
// got one calls leave.
func (d *desk) admit(size int64) (refused string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.stopped:
		return refusedDraining
	case d.inside >= d.places, d.held > 0 && d.held+size > d.room:
		return refusedBusy
	}
	d.inside++
	d.held += size
	d.work.Add(1)
	return ""
}

// begun gives back what a message held while it waited.
func (d *desk) begun(size int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held -= size
}

func (d *desk) leave() {
	d.mu.Lock()
	d.inside--
	d.mu.Unlock()
	d.work.Done()
}

// stop takes no more. Calls that wait are sent elsewhere: nothing of them was begun.
func (d *desk) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.stopped {
		d.stopped = true
		close(d.stopping)
	}
}

func (d *desk) isStopping() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stopped
}

// isFull reports whether the next message would be refused.
func (d *desk) isFull() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.inside >= d.places
}

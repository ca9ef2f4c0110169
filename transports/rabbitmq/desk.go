package rabbitmq

import (
	"context"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"
)

// A delivery is a message as it came, and the channel on which alone it can be
// acknowledged: the number by which that is done means another message elsewhere.
type delivery struct {
	amqp.Delivery
	receipts *receipts
	kind     kind
}

// An entry is a message in the hands of a server.
type entry struct {
	in     inbound
	queue  string // from which it was taken
	kind   kind
	serial string // "" of messages that other programs sent

	redelivered bool // the broker has given it out before
	outlasts    bool // it is over when it is acknowledged, and not with its handler

	// Guarded by the desk.
	delivery delivery // the latest: a connection that broke has the message delivered again
	started  bool
	ended    bool // its handler's result counts no more, or has been given
	settles  bool // others with its id wait for it
}

// A desk knows what a server has in hand. A broker that lost our connection delivers
// again what this process still runs, or has just done: the desk keeps that from
// running twice here.
type desk struct {
	mu      sync.Mutex
	open    map[*entry]struct{}
	running map[string]*entry // those with a serial
	done    map[string]struct{}
	order   []string // of done, the oldest first, from next on
	next    int
	closed  bool

	settling map[string]chan struct{} // ids of messages that have ended and are not acknowledged; closed when they are, nil while nobody waits for that
}

// mostDone bounds what is remembered of messages that are done. So many may be
// acknowledged and the word of it be lost with the connection.
const mostDone = 8192

func newDesk() *desk {
	return &desk{
		open: make(map[*entry]struct{}), running: make(map[string]*entry), done: make(map[string]struct{}),
		settling: make(map[string]chan struct{}),
	}
}

type arrival int

const (
	arrivedNew arrival = iota
	arrivedAgain
	arrivedDone
)

// enter notes a message. Of one that is running already it notes the new delivery.
func (k *desk) enter(e *entry) arrival {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.serial != "" && e.delivery.Redelivered {
		if running := k.running[e.serial]; running != nil {
			running.delivery = e.delivery
			return arrivedAgain
		}
		if _, ok := k.done[e.serial]; ok {
			return arrivedDone
		}
	}
	k.open[e] = struct{}{}
	if e.serial != "" {
		k.running[e.serial] = e
	}
	return arrivedNew
}

// begin notes that a handler is about to run. false: too late, the message is given back.
func (k *desk) begin(e *entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	e.started = !e.ended && !k.closed
	return e.started
}

// end reports whether it is the caller's to settle the message. It is so for one alone.
func (k *desk) end(e *entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e.ended {
		return false
	}
	e.ended = true
	if _, ok := k.settling[e.in.message.ID]; !ok {
		k.settling[e.in.message.ID] = nil
		e.settles = true
	}
	return true
}

// settled returns what is closed when no other message with this id is being settled; nil
// where none is.
// A copy of a message may be here before the original is acknowledged; if this process
// died of it then, the broker would have both.
func (k *desk) settled(id string) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.settling[id]
	if ok && c == nil {
		c = make(chan struct{})
		k.settling[id] = c
	}
	return c
}

// close ends what has not ended, and returns it.
func (k *desk) close() (open []*entry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	for e := range k.open {
		if !e.ended {
			e.ended = true
			open = append(open, e)
		}
	}
	return open
}

// latest returns the delivery by which a message can be acknowledged, if any can.
func (k *desk) latest(e *entry) delivery {
	k.mu.Lock()
	defer k.mu.Unlock()
	return e.delivery
}

// wasStarted reports whether the handler of a message was called.
func (k *desk) wasStarted(e *entry) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return e.started
}

// leave forgets a message, but not that it was done. false: it has been delivered again
// since the delivery by which it was acknowledged.
func (k *desk) leave(e *entry, done bool, acknowledged *delivery) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if acknowledged != nil && (acknowledged.receipts != e.delivery.receipts || acknowledged.DeliveryTag != e.delivery.DeliveryTag) {
		return false
	}
	delete(k.open, e)
	if e.settles {
		if c := k.settling[e.in.message.ID]; c != nil {
			close(c)
		}
		delete(k.settling, e.in.message.ID)
	}
	if e.serial == "" || k.running[e.serial] != e {
		return true
	}
	delete(k.running, e.serial)
	if !done {
		return true
	}
	k.done[e.serial] = struct{}{}
	if len(k.order) < mostDone {
		k.order = append(k.order, e.serial)
		return true
	}
	delete(k.done, k.order[k.next])
	k.order[k.next] = e.serial
	k.next = (k.next + 1) % mostDone
	return true
}

// A crowd counts the messages in hand, for one that must run alone.
type crowd struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when n falls to 0; nil while nobody waits for that
}

func (c *crowd) enter() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
}

func (c *crowd) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n--; c.n == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// gone waits until none is in hand, and reports whether that happened before ctx ended.
func (c *crowd) gone(ctx context.Context) bool {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return true
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	empty := c.empty
	c.mu.Unlock()
	select {
	case <-empty:
		return true
	case <-ctx.Done():
		return false
	}
}

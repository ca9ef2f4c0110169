package rabbitmq

import (
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// receipts are the acknowledgements of what one channel has delivered. Those of messages
// that end at about the same time leave in one write and, as far as order allows, as one
// acknowledgement: a quorum queue writes each of them to its log and waits for the disk,
// and meanwhile the next request waits.
type receipts struct {
	channel *amqp.Channel
	broker  amqp.Acknowledger                     // that channel, but in tests
	gather  func(do func())                       // of the socket under it
	settled func(e *entry, d delivery, err error) // told of each when it has left, or cannot
	room    int                                   // messages that the broker gives out unacknowledged

	mu      sync.Mutex
	open    []uint64    // numbers of what was delivered and is not settled, the lowest first
	signed  []receipt   // to leave
	signing bool        // somebody takes along what is signed
	left    time.Time   // when the last ones did
	due     time.Time   // when what rests has to
	timer   *time.Timer // nil before the first that rests
	rings   time.Time   // when it does; zero: never

	idle chan struct{} // closed when nobody signs any more; nil while nobody waits for that
}

// Acknowledgements on which nothing depends wait for others to leave with. A worker that
// dies meanwhile has what it had done delivered again.
const (
	ackPause = 2 * time.Millisecond  // after the ones before
	mostLone = 8                     // of messages that come one after the other leave together
	mostRest = 25 * time.Millisecond // after the first of these
)

// A receipt is one message to acknowledge.
type receipt struct {
	entry    *entry // nil: of one that was settled before
	delivery delivery
}

// note is told of each delivery before anything else happens to it.
func (r *receipts) note(number uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i, found := slices.BinarySearch(r.open, number); !found {
		r.open = slices.Insert(r.open, i, number)
	}
	if len(r.signed) > 0 && len(r.open) >= r.room { // it gives out no more
		r.due = time.Now()
		r.setLocked(r.due)
	}
}

// rest acknowledges messages, but not at once where the broker has room to give out more:
// others that end within the next moment leave with them.
func (r *receipts) rest(settled ...receipt) {
	now := time.Now()
	r.mu.Lock()
	resting := len(r.signed) + len(settled)
	due := r.left.Add(ackPause)
	if len(r.open) == resting && resting < mostLone {
		due = now.Add(mostRest)
	}
	wait := len(r.open) <= r.room/2 && now.Before(due)
	if wait {
		if len(r.signed) == 0 || due.Before(r.due) {
			r.due = due
		}
		r.signed = append(r.signed, settled...)
		r.setLocked(now)
	}
	r.mu.Unlock()
	if !wait {
		r.sign(settled...)
	}
}

// setLocked sees to it that the timer rings when what rests is due. It is not stopped when
// messages that end meanwhile take that along, as is the rule: whenever it is set or rings
// a thread may have to be woken.
func (r *receipts) setLocked(now time.Time) {
	switch {
	case r.signing || !r.rings.IsZero() && !r.due.Before(r.rings):
		return // who signs takes it along
	case r.timer == nil:
		r.timer = time.AfterFunc(r.due.Sub(now), r.leave)
	default:
		r.timer.Reset(r.due.Sub(now))
	}
	r.rings = r.due
}

// leave acknowledges what rests, if it is due.
func (r *receipts) leave() {
	now := time.Now()
	r.mu.Lock()
	r.rings = time.Time{}
	due := !now.Before(r.due)
	if !due && len(r.signed) > 0 {
		r.setLocked(now)
	}
	r.mu.Unlock()
	if due {
		r.sign()
	}
}

// sign acknowledges messages, and those that rest. It is told of that in settled, perhaps
// by another goroutine, when this one has returned: but never later than by one that
// still signs.
func (r *receipts) sign(settled ...receipt) {
	r.mu.Lock()
	r.signed = append(r.signed, settled...)
	already := r.signing
	r.signing = true
	r.mu.Unlock()
	if already {
		return
	}
	for batch, acks := r.collect(); batch != nil; batch, acks = r.collect() {
		err := r.send(acks)
		for _, signed := range batch {
			r.settled(signed.entry, signed.delivery, err)
		}
	}
}

// finish acknowledges what rests, and returns when all that was signed before has left:
// who signs it may belong to nobody who is waited for.
func (r *receipts) finish() {
	r.sign()
	r.mu.Lock()
	if r.signing && r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	r.mu.Unlock()
	if idle != nil {
		<-idle
	}
}

// collect takes what is signed by now, and with it the frames that say so. nil: nothing is.
func (r *receipts) collect() ([]receipt, []ack) {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch := r.signed
	r.signed = nil
	if r.signing = batch != nil; r.signing {
		r.left = time.Now()
	}
	if !r.signing && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
	return batch, r.acknowledge(batch)
}

// An ack is one frame, for a number or for all up to it.
type ack struct {
	number   uint64
	multiple bool
}

// acknowledge closes the batch's numbers and returns the frames for it. One frame does
// for all below the lowest number that stays open.
func (r *receipts) acknowledge(batch []receipt) (acks []ack) {
	numbers := make([]uint64, len(batch))
	for i, signed := range batch {
		numbers[i] = signed.delivery.DeliveryTag
		r.forget(numbers[i])
	}
	slices.Sort(numbers)
	below := len(numbers)
	if len(r.open) > 0 {
		below, _ = slices.BinarySearch(numbers, r.open[0])
	}
	if below > 1 {
		acks = append(acks, ack{numbers[below-1], true})
		numbers = numbers[below:]
	}
	for _, number := range numbers {
		acks = append(acks, ack{number, false})
	}
	return acks
}

func (r *receipts) send(acks []ack) error {
	if len(acks) == 1 {
		return r.broker.Ack(acks[0].number, acks[0].multiple)
	}
	var err error
	r.gather(func() {
		for _, a := range acks {
			if err = r.broker.Ack(a.number, a.multiple); err != nil {
				return
			}
		}
	})
	return err
}

// refuse has the broker deliver a message again. Its number stays open until that is
// written, or others' acknowledgement might be taken for its own.
func (r *receipts) refuse(number uint64) {
	_ = r.broker.Nack(number, false, true) // in vain only if the channel is closed, which does the same
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forget(number)
}

func (r *receipts) forget(number uint64) {
	if i, found := slices.BinarySearch(r.open, number); found {
		r.open = slices.Delete(r.open, i, i+1)
	}
}

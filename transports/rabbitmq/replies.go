package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/journeyman-go/journeyman/transports"
)

// replies is the one consumer of the one queue on which all calls of this process
// wait, from its first call to its end. The queue outlives a connection: what was
// answered meanwhile is there when the next one consumes. It does not outlive the
// process for long, as RabbitMQ deletes it when nobody has consumed for a while.
type replies struct {
	t     *Transport
	start sync.Once
	ready *holder[struct{}] // present while replies are consumed

	mu      sync.Mutex
	queue   string // its name changes if the node that keeps it is down
	pending map[string]chan answer
	recent  [mostRecent]string // ids of the latest replies, which may come again
	next    int                // of recent
}

type answer struct {
	body []byte
	from string // the queue from which the request was taken, where that is known
	err  error
}

const (
	replyPrefetch = 256 // messages that lie in this process unread, each with a reply or many
	mostRecent    = 4096
)

func newReplies(t *Transport) *replies {
	return &replies{t: t, queue: t.names.reply(t.id), ready: newHolder[struct{}](), pending: make(map[string]chan answer)}
}

// address returns the queue for replies.
func (r *replies) address() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queue
}

// move takes another queue: of a cluster the node that keeps the old one is down, with
// all that was in it.
func (r *replies) move() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queue = r.t.names.reply(uuid.NewString())
}

// expect registers a call. ok is false where one with that id waits already.
func (r *replies) expect(id string) (reply chan answer, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.pending[id] != nil {
		return nil, false
	}
	c := make(chan answer, 2) // the reply, and the word that the broker has refused the request
	r.pending[id] = c
	return c, true
}

func (r *replies) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pending, id)
}

// await returns nil once replies are consumed: a reply whose queue does not exist
// would be lost.
func (r *replies) await(ctx context.Context) error {
	if _, ok, _ := r.ready.get(); ok {
		return nil
	}
	ctx, stop := r.t.whileOpen(ctx)
	defer stop()
	r.start.Do(func() { r.t.background(r.run) })
	if _, err := r.t.consuming.session(ctx, r.t.timing.giveUp); err != nil {
		return err
	}
	_, ok, err := r.ready.wait(ctx, r.t.timing.connect, r.t.timing.giveUp, isRefusal)
	switch {
	case ok:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case r.t.isClosed():
		return transports.ErrClosed
	case isRefusal(err):
		return err
	case err == nil:
		err = errors.New("it does not answer")
	}
	return fmt.Errorf("%w: %w", transports.ErrUnavailable, err)
}

// run consumes from one session after the other.
func (r *replies) run() {
	ctx := r.t.ctx
	for failures := 0; ctx.Err() == nil; {
		s, err := r.t.consuming.session(ctx, forever)
		if err == nil {
			err = r.consume(s, func() { failures = 0 })
		}
		r.ready.drop(err)
		sleep(ctx, r.t.timing.pause(failures))
		failures++
	}
	r.ready.drop(transports.ErrClosed)
}

// consume reads replies until the session has ended, or the queue is gone.
func (r *replies) consume(s *session, begun func()) error {
	ch, deliveries, err := r.open(s)
	if err != nil {
		return err
	}
	r.ready.put(struct{}{})
	begun()
	unread := unread{}
	for {
		select {
		case d, ok := <-deliveries:
			if !ok {
				if !ch.IsClosed() {
					_ = ch.Close()
				}
				return errors.New("the consumer of replies was cancelled, as happens when its queue is deleted")
			}
			r.dispatch(d)
			unread.add(d)
		case <-unread.due:
			unread.acknowledge()
		}
	}
}

// unread are replies that were given to their calls and not yet acknowledged. Nobody
// waits for that, so it is done for many at a time: what comes again because the
// connection broke before finds no call, and is known.
type unread struct {
	last  amqp.Delivery
	n     int
	bytes int // so much the broker keeps for them
	due   <-chan time.Time
}

// Replies are acknowledged at the latest when there are so many of them, or so long
// after the first.
const (
	unreadReplies = replyPrefetch / 4
	unreadBytes   = 1 << 20
	unreadFor     = 100 * time.Millisecond
)

func (u *unread) add(d amqp.Delivery) {
	u.last = d
	u.n++
	if u.bytes += len(d.Body); u.n >= unreadReplies || u.bytes >= unreadBytes {
		u.acknowledge()
	} else if u.n == 1 {
		u.due = time.After(unreadFor)
	}
}

func (u *unread) acknowledge() {
	_ = u.last.Ack(true) // all up to this one. In vain only if the channel is closed, so that they come again
	*u = unread{}
}

func (r *replies) open(s *session) (*amqp.Channel, <-chan amqp.Delivery, error) {
	defer s.limit(r.t.timing.connect, "consume replies")()
	on := &scratch{conn: s.conn}
	defer on.close()
	queue := r.address()
	if err := r.t.topology.replies(on, queue); err != nil {
		if fault, ok := errors.AsType[*amqp.Error](err); ok && fault.Code == amqp.NotFound {
			r.move()
		}
		return nil, nil, err
	}
	ch, err := s.conn.Channel()
	if err != nil {
		return nil, nil, fmt.Errorf("open a channel for replies: %w", err)
	}
	if err := ch.Qos(replyPrefetch, 0, false); err != nil {
		return nil, nil, fmt.Errorf("limit unread replies: %w", err)
	}
	deliveries, err := ch.Consume(queue, "", false, false, false, false, nil)
	return ch, deliveries, refused("consume replies", err)
}

// dispatch gives replies to their calls.
func (r *replies) dispatch(d amqp.Delivery) {
	if d.ContentType != bundleType {
		id, body, err := decodeReply(d)
		r.resolve(id, answer{body, d.Type, err}, d.Redelivered)
		return
	}
	whole := unbundle(d.Body, func(id string, body []byte) { r.resolve(id, answer{body: body, from: d.Type}, d.Redelivered) })
	if !whole {
		r.t.log.Error("a message with replies cannot be read to its end, and calls may wait for what was in it", "bytes", len(d.Body))
	}
}

// resolve gives a reply to its call.
func (r *replies) resolve(id string, a answer, redelivered bool) {
	r.mu.Lock()
	c := r.pending[id]
	delete(r.pending, id)
	again := c == nil && redelivered && slices.Contains(r.recent[:], id)
	r.recent[r.next] = id
	r.next = (r.next + 1) % len(r.recent)
	r.mu.Unlock()
	switch {
	case again: // it was read before and not acknowledged in time
		return
	case c == nil:
		r.t.stats.lateReplies.Add(1)
		return
	}
	if a.body == nil && a.err == nil {
		a.body = []byte{}
	}
	c <- a
}
